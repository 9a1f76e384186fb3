"""
Tutorial: from raw images to a tuned model
==========================================

You have labelled images of digits and want a model that classifies new ones. This tutorial shows the
steps: look at the data, train a first model, look at its training history, tune the hyperparameters
by cross-validation, look at the errors on the test set, and save the model. The interface is
scikit-learn's.
"""

# %%
# The data
# --------
#
# ``fetch_mnist`` returns 12,000 images, of which the last 2,000 are the test set. If MNIST is not
# available, the digits bundled with scikit-learn are used instead. The pixels are raw: integers from
# 0 (background) to 255 (ink).

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

figure, axes = plt.subplots(5, 8, figsize=(6.4, 4.4), layout="constrained")
figure.suptitle("The first 40 training images")
for ax, image in zip(axes.ravel(), X_train, strict=False):
    ax.imshow(image.reshape(28, 28), cmap="gray_r")
    ax.set_axis_off()

# %%
# A first model
# -------------
#
# ``make_digit_pipeline`` returns a scikit-learn ``Pipeline`` with two steps: a ``PixelScaler``, which
# scales pixels from 0–255 to 0–1, and a ``DigitANN``. Its default parameters are the best that we
# have measured, with two wide hidden layers and 60 epochs. Here a small network and eight epochs are
# enough. All arguments are parameters of the ``DigitANN``.
#
# ``random_state`` makes the fit reproducible. ``early_stopping`` holds out a tenth of the training
# images as a validation set and scores it after each epoch.

pipeline = make_digit_pipeline(
    hidden_layer_sizes=(256,), max_epochs=8, early_stopping=True, random_state=0
)
pipeline.fit(X_train, y_train)

# %%
# The training history
# --------------------
#
# If the loss did not fall, the learning rate would be wrong. If it were still falling steeply at the
# end, more epochs would help.

from sk_digits.displays import DigitGridDisplay, TrainingHistoryDisplay

TrainingHistoryDisplay.from_estimator(pipeline)

# %%
# Tuning by cross-validation
# --------------------------
#
# In the pipeline, the parameters of the network have the prefix ``ann__``. We compare three layer
# widths, with and without augmentation, by cross-validation with three folds on 1,000 training
# images. The test set is not used. A real search would use all training images, more epochs and more
# time.

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
# Train the best parameters for more epochs on all training images:

best = search.best_estimator_.set_params(ann__max_epochs=10)
best.fit(X_train, y_train)

# %%
# Errors on the test set
# ----------------------
#
# Use the test set now, and only once. The most confident errors are shown first.

print(f"first model: {pipeline.score(X_test, y_test):.4f}")
print(f"tuned model: {best.score(X_test, y_test):.4f}")

DigitGridDisplay.from_estimator(best, X_test, y_test, n_images=12)

# %%
# scikit-learn's own displays, such as the confusion matrix, work as well.

from sklearn.metrics import ConfusionMatrixDisplay

figure, ax = plt.subplots(figsize=(5, 5), layout="constrained")
ConfusionMatrixDisplay.from_estimator(best, X_test, y_test, cmap="Blues", colorbar=False, ax=ax)
ax.set_title("Confusion matrix of the tuned model")

# %%
# Saving the model
# ----------------
#
# A model file contains only data and no code, so ``load_model`` is safe even for files from untrusted
# sources. The loaded model makes bit for bit the same predictions.

from pathlib import Path
from tempfile import TemporaryDirectory

from sk_digits import load_model, save_model

with TemporaryDirectory() as folder:
    path = Path(folder) / "digits.safetensors"
    save_model(best, path)
    print(f"{path.stat().st_size / 1e6:.1f} MB")
    loaded = load_model(path)

print(np.array_equal(loaded.predict_proba(X_test), best.predict_proba(X_test)))

# %%
# Next, :doc:`plot_own_handwriting` shows how such a model reads photos and drawings, and the
# :doc:`guide </guide>` explains each topic in detail.
