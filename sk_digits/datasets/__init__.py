"""Images of handwritten digits: MNIST, and scikit-learn's small digits in MNIST's layout.

Read `_mnist` first: it reads or downloads MNIST, verifies it and selects the subset. `_digits_28`
enlarges scikit-learn's digits. `mnist_12k_indices.npz` holds the row numbers of "12k" and "rest".
"""

from sk_digits.datasets._digits_28 import load_digits_28
from sk_digits.datasets._mnist import fetch_mnist

__all__ = ["fetch_mnist", "load_digits_28"]
