"""
How does training progress, and which digits are misclassified?
===============================================================

This example trains a small network with augmentation for 12 epochs on 10,000 MNIST images, or on the
digits bundled with scikit-learn if MNIST is not available. Two plots show the training history and
the most confident errors on unseen images.

As a script, it takes the name of a folder and saves the two plots there.
"""

# %%
# Load the data. The last 2,000 of the 12,000 images are the test set.

import sys
from pathlib import Path

from sk_digits import make_digit_pipeline
from sk_digits.datasets import fetch_mnist, load_digits_28
from sk_digits.displays import DigitGridDisplay, TrainingHistoryDisplay

try:
    X, y = fetch_mnist(return_X_y=True)
    n_train = 10_000
except OSError:
    X, y = load_digits_28(return_X_y=True)
    n_train = 1_400

# %%
# Train. Early stopping is switched on only to get the validation accuracy of each epoch.

pipeline = make_digit_pipeline(
    hidden_layer_sizes=(512, 512), max_epochs=12, early_stopping=True, random_state=0
)
pipeline.fit(X[:n_train], y[:n_train])
history = TrainingHistoryDisplay.from_estimator(pipeline)

# %%
# Plot the most confident errors: "4 → 9" is a 4 that was classified as a 9.

# sphinx_gallery_thumbnail_number = 2
errors = DigitGridDisplay.from_estimator(pipeline, X[n_train:], y[n_train:], n_images=18)

# %%
# Most of these errors on MNIST are digits that are hard to read for people as well.

print(f"accuracy on unseen images: {pipeline.score(X[n_train:], y[n_train:]):.4f}")
if len(sys.argv) == 2 and Path(sys.argv[1]).is_dir():
    history.figure_.savefig(Path(sys.argv[1]) / "training_history.png", dpi=100)
    errors.figure_.savefig(Path(sys.argv[1]) / "worst_errors.png", dpi=100)
