"""
Tutorial: from raw images to a tuned model
==========================================

You have images of digits with their labels and want a model that reads new ones. This is the way
from one to the other: look at the data, train a first model, see how it learned and what it gets
wrong, tune it by cross-validation, and save it. All of it is scikit-learn as you know it.
"""

# %%
# The data
# --------
#
# ``fetch_mnist`` gives 12,000 images, of which the last 2,000 are for the test; where MNIST is not
# to be had, scikit-learn's own digits do. The pixels are raw: whole numbers from 0, the paper, to
# 255, full ink.

import matplotlib.pyplot as plt

from sk_digits import make_digit_pipeline
from sk_digits.datasets import fetch_mnist, load_digits_28

try:
    X, y = fetch_mnist(return_X_y=True)
    n_train = 10_000
except OSError:
    X, y = load_digits_28(return_X_y=True)
    n_train = 1_400

X_train, y_train = X[:n_train], y[:n_train]
X_test, y_test = X[n_train:], y[n_train:]
print(X_train.shape, X_train.dtype, X_train.min(), X_train.max())

figure, axes = plt.subplots(3, 10, figsize=(6.4, 2.1), layout="constrained")
for ax, image in zip(axes.ravel(), X_train, strict=False):
    ax.imshow(image.reshape(28, 28), cmap="gray_r")
    ax.set_axis_off()

# %%
# A first model
# -------------
#
# ``make_digit_pipeline`` is a scikit-learn ``Pipeline`` of two steps: a ``PixelScaler``, which
# brings 0–255 to 0–1, and a ``DigitANN``. Its defaults are the best recipe that we know, two wide
# layers and 60 epochs; here a small network and eight epochs are enough. Whatever is given goes to
# the ``DigitANN``.
#
# ``random_state`` makes the fit repeatable. ``early_stopping`` holds a tenth of the training images
# out and scores them after each epoch.

pipeline = make_digit_pipeline(
    hidden_layer_sizes=(256,), max_epochs=8, early_stopping=True, random_state=0
)
pipeline.fit(X_train, y_train)

# %%
# How did it learn?
# -----------------
#
# If the loss had not come down, the step size would be wrong; if it were still falling steeply at
# the end, more epochs would help.

from sk_digits.displays import DigitGridDisplay, TrainingHistoryDisplay

TrainingHistoryDisplay.from_estimator(pipeline)

# %%
# Tune it
# -------
#
# Each parameter of the network is ``ann__`` and its name. We ask for three widths of the layer,
# with augmentation and without, on 1,000 images with three folds, and look at the test images for
# none of it. A real search takes all training images, more epochs and more time.

import numpy as np
from sklearn.model_selection import GridSearchCV

search = GridSearchCV(
    make_digit_pipeline(max_epochs=6, random_state=0),
    {
        "ann__hidden_layer_sizes": [(64,), (256,), (512,)],
        "ann__augmentation": [None, "elastic"],
    },
    cv=3,
)
search.fit(X_train[:1000], y_train[:1000])

scores = search.cv_results_["mean_test_score"]
for params, score in zip(search.cv_results_["params"], scores, strict=True):
    print(f"{score:.3f}  {params['ann__hidden_layer_sizes']!s:>7}  {params['ann__augmentation']}")

# %%
# The parameters that won, trained for longer on all training images:

best = search.best_estimator_.set_params(ann__max_epochs=10)
best.fit(X_train, y_train)

# %%
# What does it get wrong?
# -----------------------
#
# Now, once, the test images. The surest errors stand first.

print(f"first model: {pipeline.score(X_test, y_test):.4f}")
print(f"tuned model: {best.score(X_test, y_test):.4f}")

DigitGridDisplay.from_estimator(best, X_test, y_test, n_images=12)

# %%
# scikit-learn's own displays work as well.

from sklearn.metrics import ConfusionMatrixDisplay

figure, ax = plt.subplots(figsize=(5, 5), layout="constrained")
ConfusionMatrixDisplay.from_estimator(best, X_test, y_test, cmap="Blues", colorbar=False, ax=ax)

# %%
# Save it
# -------
#
# A model file holds data only, no code: ``load_model`` opens one from anyone. What was saved
# predicts as before, to the bit.

from pathlib import Path
from tempfile import TemporaryDirectory

from sk_digits import load_model, save_model

with TemporaryDirectory() as folder:
    path = Path(folder) / "digits.skops"
    save_model(best, path)
    print(f"{path.stat().st_size / 1e6:.1f} MB")
    loaded = load_model(path)

print(np.array_equal(loaded.predict_proba(X_test), best.predict_proba(X_test)))

# %%
# From here: :doc:`plot_own_handwriting` reads photos and drawings with such a model, and the
# :doc:`guide </guide>` has a page for each part of it.
