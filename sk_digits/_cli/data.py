"""The images that commands train on and score: `load_split`."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from sk_digits._cli.app import say

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


BUNDLED = "scikit-learn's bundled digits"
# Measured after `sk-digits train --data digits` on MNIST's 10,000 test images, which are of pens as
# photos are.
GOOD_FOR = (
    f"The model was trained on {BUNDLED}, to try things out. It reads those, but only 78 % of "
    "MNIST's test images, and it misreads photos."
)
HOW_TO_GET_MNIST = (
    "For a model that reads handwriting, train on MNIST: set SK_DIGITS_DATA to the folder of its "
    "four files, or train with a network to download it."
)


class Split(NamedTuple):
    """Training images, unseen test images, a description of both, and what is to be said of it."""

    X_train: NDArray[np.uint8]
    X_test: NDArray[np.uint8]
    y_train: NDArray[np.int64]
    y_test: NDArray[np.int64]
    name: str
    note: str = ""


def load_split(data: str) -> Split:
    """Load the images that ``--data`` names.

    Only "auto" without a download has a replacement. It says so before the work and after it.
    """
    from sk_digits.datasets._mnist import DownloadError

    if data == "digits":
        return _load_digits()
    try:
        return _load_mnist(None if data in ("auto", "mnist") else data)
    except DownloadError as error:
        if data != "auto":
            raise
        typer.echo(f"{error}\nUsing {BUNDLED}, 1,797 small images, instead.", err=True)
        return _load_digits()._replace(note=f"{GOOD_FOR} {HOW_TO_GET_MNIST}")


def warn_of_bundled_digits(model: Path) -> None:
    """Print what a model is good for if its file says that the bundled digits trained it."""
    from sk_digits import read_metadata

    metadata = read_metadata(model).get("metadata")
    if isinstance(metadata, dict) and str(metadata.get("data")).startswith(BUNDLED):
        say(f"warning: {GOOD_FOR}")


def _load_mnist(folder: str | None) -> Split:
    from sk_digits.datasets import fetch_mnist

    if folder is not None and not os.path.isdir(folder):
        raise FileNotFoundError(
            f"--data {folder!r} is none of auto, mnist and digits, and there is no such folder."
        )
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
    name = f"{BUNDLED}, 1,437 images to train on and 360 unseen ones"
    return Split(X_train, X_test, y_train, y_test, name)
