"""Images of handwritten digits: MNIST, scikit-learn's small digits, and pictures of one's own.

Read `_mnist` first: it reads or downloads MNIST, verifies it and selects the subset. `_digits_28`
enlarges scikit-learn's digits, and `_image_folder` reads labelled pictures. `_bunch` is what they
all return. `mnist_12k_indices.npz` holds the row numbers of "12k" and "rest".
"""

from sk_digits.datasets._digits_28 import load_digits_28
from sk_digits.datasets._image_folder import load_image_folder
from sk_digits.datasets._mnist import fetch_mnist

__all__ = ["fetch_mnist", "load_digits_28", "load_image_folder"]
