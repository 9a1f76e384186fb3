"""Images of handwritten digits: MNIST, and scikit-learn's small digits in MNIST's layout.

`_mnist` fetches, checks and splits; `mnist_12k_indices.npz` holds the rows of the subset "12k".
"""

from sk_digits.datasets._mnist import fetch_mnist, load_digits_28

__all__ = ["fetch_mnist", "load_digits_28"]
