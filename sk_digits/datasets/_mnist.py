"""`fetch_mnist`: MNIST from local IDX files or from OpenML, verified and split into subsets."""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import zlib
from collections.abc import Iterable
from http.client import HTTPException
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

import numpy as np
import numpy.typing as npt
from sklearn.datasets import fetch_openml, get_data_home
from sklearn.utils import Bunch

from sk_digits.datasets._bunch import make_bunch

if TYPE_CHECKING:
    import pandas as pd

_Bytes: TypeAlias = npt.NDArray[np.uint8]

# In the order of the rows: training files before test files, images before labels.
_SHAPES: dict[str, tuple[int, ...]] = {
    "train-images-idx3-ubyte": (60_000, 28, 28),
    "train-labels-idx1-ubyte": (60_000,),
    "t10k-images-idx3-ubyte": (10_000, 28, 28),
    "t10k-labels-idx1-ubyte": (10_000,),
}
_SHA256 = {  # of the data without the IDX header, so that OpenML's rows can be compared as well
    "train-images-idx3-ubyte": "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
    "train-labels-idx1-ubyte": "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
    "t10k-images-idx3-ubyte": "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
    "t10k-labels-idx1-ubyte": "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
}
_OPENML = "OpenML's mnist_784"
_HOW_TO_PROVIDE = (
    f"To provide MNIST yourself, put the files {', '.join(_SHAPES)} (uncompressed, or gzipped with "
    "the suffix .gz) into one folder and pass it as data_home or set $SK_DIGITS_DATA to it."
)
_MNIST_DESCR = """MNIST handwritten digits: {rows:,} rows (subset {subset!r}) from {location}.

Greyscale images of 28 x 28 pixels with values from 0 (background) to 255 (ink). Each digit was
scaled to fit a box of 20 x 20 pixels, and its centre of mass was moved to the centre of the image.
LeCun, Bottou, Bengio and Haffner: Gradient-based learning applied to document recognition. Proc. of
the IEEE 86(11), 1998.
"""


class DownloadError(OSError):
    """MNIST cannot be downloaded, and nobody has named a folder that should hold it."""


def _read_idx(path: Path, shape: tuple[int, ...]) -> _Bytes:
    """Return the data of an IDX file, gzipped or not, whose header must state the shape."""
    with path.open("rb") as start:
        # Decide by content, not by suffix: browsers may decompress a .gz file but keep its name.
        open_file = gzip.open if start.read(2) == b"\x1f\x8b" else open
    header = bytes([0, 0, 8, len(shape)]) + np.array(shape, dtype=">u4").tobytes()
    try:
        with open_file(path, "rb") as stream:
            # One extra byte is enough to detect an oversized file. Reading all of it would
            # decompress a gzip bomb.
            content = stream.read(len(header) + math.prod(shape) + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is a broken gzip file: {error}") from error
    if not content.startswith(header):
        raise ValueError(
            f"{path} is not an IDX file of unsigned bytes of shape {shape}: it starts with "
            f"{content[: len(header)].hex(' ') or 'nothing'}, expected {header.hex(' ')}."
        )
    return np.frombuffer(content, dtype=np.uint8, offset=len(header))


def _check_genuine(array: _Bytes, name: str, origin: str) -> _Bytes:
    """Return the array, which must equal the content of the MNIST file `name` byte for byte."""
    digest, size = hashlib.sha256(array.data).hexdigest(), math.prod(_SHAPES[name])
    if digest != _SHA256[name]:
        raise ValueError(
            f"{origin} differs from MNIST's {name}: it has {array.size} bytes of data with the "
            f"SHA-256 digest {digest}, expected {size} with {_SHA256[name]}."
        )
    return array


def _search_folder(data_home: str | os.PathLike[str] | None) -> tuple[Path, bool]:
    """Return the folder to look for the four IDX files in, and whether SK_DIGITS_DATA names it."""
    if not isinstance(data_home, str | os.PathLike | None):
        raise TypeError(f"data_home={data_home!r} is not a path: pass a str or path-like.")
    named = os.environ.get("SK_DIGITS_DATA") if data_home is None else None
    folder = Path(named or data_home or get_data_home()).expanduser()
    if named and not folder.is_dir():
        raise FileNotFoundError(f"$SK_DIGITS_DATA names {named!r}, which is not a folder.")
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"data_home={str(folder)!r} is not a folder.")
    return folder, bool(named)


def find_idx_files(folder: Path) -> list[Path]:
    """Return the paths of the four files in the order of `_SHAPES`, or [] if there are none."""
    found: dict[str, Path] = {}
    for name in _SHAPES:
        spellings = (name, name.replace("-idx", ".idx"))  # a dot, as 7-Zip unpacks them
        paths = [folder / f"{spelling}{end}" for spelling in spellings for end in ("", ".gz")]
        if present := [path for path in paths if path.is_file()]:
            found[name] = present[0]
    missing = [name for name in _SHAPES if name not in found]
    if found and missing:
        raise FileNotFoundError(
            f"{folder} holds only some of MNIST's four files. Missing, with or without .gz: "
            f"{', '.join(missing)}."
        )
    return list(found.values())


def _fetch_from_openml(data_home: str | os.PathLike[str] | None, searched: Path) -> list[_Bytes]:
    """Download MNIST from OpenML and split it into the arrays of the four IDX files."""
    try:
        # The pandas parser of scikit-learn 1.9.1 fails on these labels with pandas 3.1.
        answer = fetch_openml(
            "mnist_784", version=1, data_home=data_home, as_frame=False, parser="liac-arff"
        )
        with np.errstate(invalid="ignore"):  # the digests find numbers that are no bytes
            table = [
                np.asarray(values, dtype=np.float64).astype(np.uint8, order="C")
                for values in (answer.data, answer.target)
            ]
    except (OSError, EOFError, HTTPException, KeyError, ValueError) as error:
        raise DownloadError(
            f"MNIST is not in {searched} and could not be downloaded from {_OPENML}, version 1 "
            f"({type(error).__name__}: {error}). {_HOW_TO_PROVIDE}"
        ) from error
    n_train = _SHAPES["train-labels-idx1-ubyte"][0]
    return [values[rows] for rows in (slice(n_train), slice(n_train, None)) for values in table]


def _subset_indices(subset: str, n_rows: int) -> npt.NDArray[np.int64]:
    """Return the positions of the subset's rows in "all", in the subset's own order."""
    if subset in ("all", "train", "test"):
        n_train = _SHAPES["train-labels-idx1-ubyte"][0]
        part = {"all": slice(None), "train": slice(n_train), "test": slice(n_train, None)}[subset]
        return np.arange(n_rows, dtype=np.int64)[part]
    # "rest" is stored too, because its order is that of train_test_split and cannot be derived from
    # the other two.
    stored = files("sk_digits.datasets").joinpath("mnist_12k_indices.npz")
    with stored.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        names = ("rest",) if subset == "rest" else ("train", "test")
        return np.concatenate([arrays[name] for name in names]).astype(np.int64)


@overload
def fetch_mnist(
    *,
    subset: str = ...,
    data_home: str | os.PathLike[str] | None = ...,
    download_if_missing: bool = ...,
    return_X_y: Literal[False] = ...,
    as_frame: bool = ...,
) -> Bunch: ...
@overload
def fetch_mnist(
    *,
    subset: str = ...,
    data_home: str | os.PathLike[str] | None = ...,
    download_if_missing: bool = ...,
    return_X_y: Literal[True],
    as_frame: Literal[False] = ...,
) -> tuple[_Bytes, npt.NDArray[np.int64]]: ...
@overload
def fetch_mnist(
    *,
    subset: str = ...,
    data_home: str | os.PathLike[str] | None = ...,
    download_if_missing: bool = ...,
    return_X_y: Literal[True],
    as_frame: Literal[True],
) -> tuple[pd.DataFrame, pd.Series[Any]]: ...
@overload
def fetch_mnist(
    *,
    subset: str = ...,
    data_home: str | os.PathLike[str] | None = ...,
    download_if_missing: bool = ...,
    return_X_y: bool,
    as_frame: bool = ...,
) -> Bunch | tuple[Any, Any]: ...
def fetch_mnist(
    *,
    subset: str = "12k",
    data_home: str | os.PathLike[str] | None = None,
    download_if_missing: bool = True,
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Bunch | tuple[Any, Any]:
    """Load MNIST or a fixed subset of it: 28 x 28 greyscale images of the digits 0 to 9.

    The four IDX files, with or without ``.gz``, are read from one folder: `data_home` if given,
    else the folder named by the environment variable ``SK_DIGITS_DATA``, else scikit-learn's data
    home. Names with ``.idx`` for ``-idx`` are found as well. If none of the four files is there,
    OpenML's ``mnist_784`` (version 1) is downloaded, or taken from scikit-learn's cache, and parsed
    in every call; but where ``SK_DIGITS_DATA`` names a folder without them, that is an error.
    OpenML takes some 20 seconds and 1 GB of memory, while the files take a quarter of a second.
    Whatever the source, all data is checked against the SHA-256 digests of the original files.

    Parameters
    ----------
    subset : {"12k", "rest", "all", "train", "test"}, default="12k"
        Which rows to load. "12k": 12,000 rows, stratified by digit, of which the first 10,000 are
        the training set and the last 2,000 the test set. "rest": the other 58,000 rows, a large
        held-out set. "train" and "test": the official 60,000 and 10,000 rows, of different writers.
        "all": all 70,000 rows, "train" before "test". "12k" and "rest" mix both, so an accuracy on
        "test" takes a model that was trained on rows of "train".
    data_home : str or path-like, default=None
        Folder of the IDX files, and of scikit-learn's OpenML cache. None is the folder that
        ``SK_DIGITS_DATA`` names, else scikit-learn's data home.
    download_if_missing : bool, default=True
        Whether to use OpenML if none of the files is found. If False, missing files are an error,
        and neither the network nor the OpenML cache is used.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Whether to return `data` as a pandas DataFrame and `target` as a pandas Series. Requires
        pandas.

    Returns
    -------
    sklearn.utils.Bunch or (data, target)
        `data`, (n, 784) uint8: pixels from 0 (background) to 255 (ink), row by row. `target`, (n,)
        int64: the digits. `images`, (n, 28, 28) uint8: the same pixels; shares memory with `data`
        unless `as_frame`. `indices`, (n,) int64: positions of the rows in "all". `frame`: DataFrame
        of the pixels and "target"; None unless `as_frame`. `feature_names`: "pixel1" to "pixel784".
        `target_names`: the digits 0 to 9. `source`: "idx" or "openml". `source_location`: the
        folder of the IDX files, or the OpenML URL. `DESCR`: a description.

    Raises
    ------
    ValueError
        If `subset` is unknown, or if a file or OpenML's data is not the original MNIST: truncated,
        corrupt, of the wrong type or shape, or with a wrong digest.
    OSError
        If some of the four files are missing, or all are missing and `download_if_missing` is False
        or ``SK_DIGITS_DATA`` names the folder (FileNotFoundError); if ``SK_DIGITS_DATA`` or
        `data_home` is not a folder; if the download from OpenML fails or its table is not of
        numbers.
    ImportError
        If `as_frame` is True and pandas is not installed.

    References
    ----------
    Y. LeCun, L. Bottou, Y. Bengio and P. Haffner. "Gradient-based learning applied to document
    recognition." Proceedings of the IEEE 86(11), 1998. OpenML: https://www.openml.org/d/554.

    Examples
    --------
    Load the default subset and split it::

        X, y = fetch_mnist(return_X_y=True)
        X_train, X_test, y_train, y_test = X[:10_000], X[10_000:], y[:10_000], y[10_000:]

    An unknown subset is an error:

    >>> from sk_digits.datasets import fetch_mnist
    >>> fetch_mnist(subset="10k")
    Traceback (most recent call last):
    ...
    ValueError: subset='10k' is unknown: it must be '12k', 'rest', 'all', 'train' or 'test'.
    """
    if not isinstance(subset, str) or subset not in ("12k", "rest", "all", "train", "test"):
        raise ValueError(
            f"subset={subset!r} is unknown: it must be '12k', 'rest', 'all', 'train' or 'test'."
        )
    folder, is_from_environment = _search_folder(data_home)
    if paths := find_idx_files(folder):
        source, location, origins = "idx", str(folder), [str(path) for path in paths]
        found: Iterable[_Bytes] = map(_read_idx, paths, _SHAPES.values())
    elif is_from_environment:
        raise FileNotFoundError(
            f"$SK_DIGITS_DATA names {str(folder)!r}, and MNIST is not there. {_HOW_TO_PROVIDE}"
        )
    elif download_if_missing:
        source, location = "openml", "https://www.openml.org/d/554"
        origins = [f"The part of {_OPENML} that corresponds to {name}" for name in _SHAPES]
        found = _fetch_from_openml(data_home, folder)
    else:
        raise FileNotFoundError(
            f"MNIST is not in {folder}, and download_if_missing is False. {_HOW_TO_PROVIDE}"
        )
    arrays = list(map(_check_genuine, found, _SHAPES, origins))
    images = np.concatenate([part.reshape(-1, 28, 28) for part in arrays[::2]])
    target = np.concatenate(arrays[1::2]).astype(np.int64)
    indices = _subset_indices(subset, len(target))
    return make_bunch(
        images[indices],
        target[indices],
        return_X_y,
        as_frame,
        target_names=np.arange(10),
        indices=indices,
        source=source,
        source_location=location,
        DESCR=_MNIST_DESCR.format(rows=len(indices), subset=subset, location=location),
    )
