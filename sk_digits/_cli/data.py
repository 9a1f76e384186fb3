"""The images that commands train on and score: `load_split` and `load_unseen`."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from sk_digits._cli.app import say

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MNIST = "MNIST"
BUNDLED = "scikit-learn's bundled digits"
# Measured after `sk-digits train --data digits` on MNIST's 10,000 test images.
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
    y_train: NDArray[Any]
    y_test: NDArray[Any]
    name: str
    note: str = ""


def load_split(data: str, ink: str = "auto", *, official: bool = False) -> Split:
    """Load the images that ``--data`` names; of MNIST, the official test images if asked for.

    Only "auto" without a download has a replacement. It says so before the work and after it.
    """
    from sk_digits.datasets._mnist import DownloadError

    if data == "digits":
        return _load_digits()
    if data not in ("auto", "mnist") and not _holds_mnist(data):
        return _load_pictures(data, ink)
    try:
        return _load_mnist(None if data in ("auto", "mnist") else data, official)
    except DownloadError as error:
        if data != "auto":
            raise
        typer.echo(f"{error}\nUsing {BUNDLED}, 1,797 small images, instead.", err=True)
        return _load_digits()._replace(note=f"{GOOD_FOR} {HOW_TO_GET_MNIST}")


def load_unseen(
    data: str, model: Path | None, ink: str = "auto"
) -> tuple[NDArray[np.uint8], NDArray[Any], str]:
    """Load the images that ``--data`` names and that a model has not been trained on.

    Of pictures these are those that `load_split` holds out, or all if MNIST or the bundled digits
    trained the model. The reader that comes with the package has seen MNIST's official training
    images.
    """
    import numpy as np

    split, others = load_split(data, ink, official=model is None), (MNIST, BUNDLED)
    if split.name.startswith(others) or not trained_on(model).startswith(others):
        return split.X_test, split.y_test, split.name
    X, y = (np.concatenate(parts) for parts in (split[:2], split[2:4]))
    return X, y, f"pictures in {data}, {len(y):,} unseen images"


def trained_on(model: Path | None) -> str:
    """Return the description of the training images in a model file, if there is one."""
    from sk_digits import read_metadata

    if model is None:
        return MNIST
    metadata = read_metadata(model).get("metadata")
    return str(metadata.get("data", "")) if isinstance(metadata, dict) else ""


def warn_of_bundled_digits(model: Path | None) -> None:
    """Print what a model is good for if its file says that the bundled digits trained it."""
    if trained_on(model).startswith(BUNDLED):
        say(f"warning: {GOOD_FOR}")


def _holds_mnist(folder: str) -> bool:
    """Return whether a folder holds MNIST's files, and not folders of pictures."""
    from sk_digits.datasets._mnist import find_idx_files

    path = Path(folder)
    if not path.is_dir():
        raise FileNotFoundError(
            f"--data {folder!r} is none of auto, mnist and digits, and there is no such folder."
        )
    if find_idx_files(path):
        return True
    if not any(entry.is_dir() for entry in path.iterdir()):
        raise FileNotFoundError(
            f"--data {folder!r} holds neither MNIST's four files nor, for each label, a folder of "
            "pictures that is named after it."
        )
    return False


def _load_mnist(folder: str | None, official: bool) -> Split:
    """Load the images of "12k", or MNIST's test images, with nothing to train on."""
    from sk_digits.datasets import fetch_mnist

    subset, n_train = ("test", 0) if official else ("12k", 10_000)
    with warnings.catch_warnings():  # of network errors, which the final error repeats
        warnings.simplefilter("ignore")
        X, y = fetch_mnist(subset=subset, data_home=folder, return_X_y=True)
    name = f"{MNIST}, 10,000 images to train on and 2,000 unseen ones"
    if official:
        name = f"{MNIST}, the official 10,000 test images"
    return Split(X[:n_train], X[n_train:], y[:n_train], y[n_train:], name)


def _load_digits() -> Split:
    from sk_digits.datasets import load_digits_28

    return _hold_out(*load_digits_28(return_X_y=True), 360, BUNDLED)


def _load_pictures(folder: str, ink: str) -> Split:
    """Load the labelled pictures of a folder, and hold out a fifth of those of each label."""
    import numpy as np

    from sk_digits.datasets import load_image_folder

    X, y = load_image_folder(folder, ink=ink, return_X_y=True)
    labels, counts = np.unique(y, return_counts=True)
    if len(labels) < 2 or counts.min() < 2:
        raise ValueError(
            f"{folder} has {len(labels)} labels, and {counts.min()} pictures of "
            f"{labels[counts.argmin()]}. At least two labels with two pictures each are needed, to "
            "train on and to test with."
        )
    return _hold_out(X, y, max(len(labels), len(y) // 5), f"pictures in {folder}")


def _hold_out(X: NDArray[np.uint8], y: NDArray[Any], n_test: int, source: str) -> Split:
    """Split images at random, with the labels in equal proportions."""
    from sklearn.model_selection import train_test_split

    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=n_test, stratify=y, random_state=0
    )
    name = f"{source}, {len(y_train):,} images to train on and {n_test:,} unseen ones"
    return Split(X_train, X_test, y_train, y_test, name)
