"""Code that makes a process have no MNIST: `WITHOUT_MNIST`."""

# Examples then use the digits that come with scikit-learn.
WITHOUT_MNIST = """
from sk_digits import datasets

def fetch_nothing(**params):
    raise OSError("no MNIST")

datasets.fetch_mnist = fetch_nothing
"""
