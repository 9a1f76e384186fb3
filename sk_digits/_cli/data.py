"""The images that commands train on and score: `load_split`."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Split(NamedTuple):
    """Training images, unseen test images, and a description of both."""

    X_train: NDArray[np.uint8]
    X_test: NDArray[np.uint8]
    y_train: NDArray[np.int64]
    y_test: NDArray[np.int64]
    name: str


def load_split(data: str) -> Split:
    """Load the images that ``--data`` names; "auto" without MNIST prints what it loads instead."""
    if data == "digits":
        return _load_digits()
    try:
        return _load_mnist(None if data in ("auto", "mnist") else data)
    except OSError as error:
        if data != "auto":
            raise
        typer.echo(f"{error}\nUsing scikit-learn's 1,797 bundled digits instead.", err=True)
        return _load_digits()


def _load_mnist(folder: str | None) -> Split:
    from sk_digits.datasets import fetch_mnist

    with warnings.catch_warnings():  # of network errors, which the final error repeats
        warnings.simplefilter("ignore")
        mnist: Any = fetch_mnist(subset="12k", data_home=folder, download_if_missing=folder is None)
    X, y = mnist.data, mnist.target
    name = "MNIST, 10,000 images to train on and 2,000 unseen ones"
    return Split(X[:10_000], X[10_000:], y[:10_000], y[10_000:], name)


def _load_digits() -> Split:
    from sklearn.model_selection import train_test_split

    from sk_digits.datasets import load_digits_28

    X, y = load_digits_28(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=360, stratify=y, random_state=0
    )
    name = "scikit-learn's bundled digits, 1,437 images to train on and 360 unseen ones"
    return Split(X_train, X_test, y_train, y_test, name)
