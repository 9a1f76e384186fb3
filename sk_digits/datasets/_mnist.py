"""Images of handwritten digits: MNIST, and scikit-learn's small digits in MNIST's layout."""

import gzip
import hashlib
import math
import os
import zlib
from http.client import HTTPException
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from sklearn.datasets import fetch_openml, get_data_home, load_digits
from sklearn.utils import Bunch

_Bytes: TypeAlias = npt.NDArray[np.uint8]

_SHAPES: dict[str, tuple[int, ...]] = {  # images before labels, and the order of the rows
    "train-images-idx3-ubyte": (60_000, 28, 28),
    "train-labels-idx1-ubyte": (60_000,),
    "t10k-images-idx3-ubyte": (10_000, 28, 28),
    "t10k-labels-idx1-ubyte": (10_000,),
}
_SHA256 = {  # of the bytes after the IDX header, so that OpenML's rows can be compared as well
    "train-images-idx3-ubyte": "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
    "train-labels-idx1-ubyte": "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
    "t10k-images-idx3-ubyte": "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
    "t10k-labels-idx1-ubyte": "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
}
_OPENML = "OpenML's mnist_784"
_HOW_TO_PROVIDE = (
    f"To provide MNIST by hand, put the files {', '.join(_SHAPES)} (gzipped, with the ending .gz, "
    "or not) into one folder and pass it as data_home or name it in $SK_DIGITS_DATA."
)
_MNIST_DESCR = """MNIST handwritten digits: {rows:,} rows (subset {subset!r}) from {location}.

Grey images of 28 x 28 pixels from 0 (background) to 255 (ink). Each digit was scaled into a box of
20 x 20 pixels and put with its centre of mass into the image's centre. LeCun, Bottou, Bengio and
Haffner: Gradient-based learning applied to document recognition. Proc. of the IEEE 86(11), 1998.
"""
_DIGITS_28_DESCR = """scikit-learn's 1,797 bundled digits in MNIST's layout.

Grey images of 28 x 28 pixels from 0 (background) to 255 (ink), made from 8 x 8 pixels: scaled to a
box of 20 x 20 by cubic splines and put with the centre of mass into the image's centre. Alpaydin
and Kaynak: Optical Recognition of Handwritten Digits. UCI Machine Learning Repository, 1998.
"""


def _read_idx(path: Path, expected_shape: tuple[int, ...]) -> _Bytes:
    """Array of unsigned bytes in one IDX file, gzipped or not, which must have this shape."""
    size = math.prod(expected_shape)
    with path.open("rb") as start:
        # By content, not by ending: browsers unpack a .gz on the way and keep its name.
        zipped = start.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path) if zipped else path.open("rb") as stream:
            _check_idx_header(path, stream.read(4 + 4 * len(expected_shape)), expected_shape)
            # One byte more than expected shows that there is more; reading on would unpack a bomb.
            body = stream.read(size + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is a broken gzip file: {error}") from error
    if len(body) < size:
        raise ValueError(f"{path} is truncated: it has {len(body)} of {size} bytes of data.")
    if len(body) > size:
        raise ValueError(f"{path} has more than the {size} bytes of data that its header states.")
    return np.frombuffer(body, dtype=np.uint8).reshape(expected_shape)


def _check_idx_header(path: Path, header: bytes, expected_shape: tuple[int, ...]) -> None:
    if not header:
        raise ValueError(f"{path} is empty.")
    kinds = {2049: "labels", 2051: "images"}  # 0x08 for unsigned bytes, then the number of axes
    magic, expected = int.from_bytes(header[:4], "big"), 2048 + len(expected_shape)
    if magic != expected:
        raise ValueError(
            f"{path} is not an IDX file of {kinds[expected]}: it starts with the number {magic} "
            f"({kinds.get(magic, 'unknown')}), expected {expected}."
        )
    if len(header) < 4 + 4 * len(expected_shape):
        raise ValueError(f"{path} is truncated: its header has {len(header)} bytes.")
    shape = tuple(np.frombuffer(header, dtype=">u4", offset=4).tolist())
    if shape != expected_shape:
        raise ValueError(f"{path} holds data of shape {shape}, expected {expected_shape}.")


def _check_genuine(array: _Bytes, name: str, origin: str) -> None:
    """Raise ValueError unless the array is byte for byte what the MNIST file `name` holds."""
    if array.ndim == 1 and array.max() > 9:
        raise ValueError(f"{origin} holds the label {array.max()}, expected labels from 0 to 9.")
    digest = hashlib.sha256(array.data).hexdigest()
    if digest != _SHA256[name]:
        raise ValueError(
            f"{origin} differs from MNIST's {name}: the SHA-256 digest of its data is {digest}, "
            f"expected {_SHA256[name]}."
        )


def _search_folder(data_home: str | os.PathLike[str] | None) -> Path:
    """Folder in which the four IDX files are looked for."""
    if data_home is not None:
        if not isinstance(data_home, str | os.PathLike):
            raise TypeError(f"data_home={data_home!r} is no path: it must be a str or path-like.")
        folder = Path(data_home).expanduser()
        if folder.exists() and not folder.is_dir():
            raise NotADirectoryError(f"data_home={str(folder)!r} is not a folder.")
        return folder
    if named := os.environ.get("SK_DIGITS_DATA"):
        folder = Path(named).expanduser()
        if not folder.is_dir():
            raise FileNotFoundError(f"$SK_DIGITS_DATA names {named!r}, which is not a folder.")
        return folder
    return Path(get_data_home())


def _find_idx_files(folder: Path) -> list[Path]:
    """Paths of the four files, in the order of `_SHAPES`; empty where there is none."""
    candidates = {name: (folder / name, folder / f"{name}.gz") for name in _SHAPES}
    found = [next(filter(Path.is_file, paths), None) for paths in candidates.values()]
    missing = [name for name, path in zip(candidates, found, strict=True) if path is None]
    if 0 < len(missing) < len(found):
        raise FileNotFoundError(
            f"{folder} holds only a part of MNIST. Missing, with or without .gz: "
            f"{', '.join(missing)}."
        )
    return [path for path in found if path is not None]


def _as_uint8(values: Any, what: str) -> _Bytes:
    """Numbers of any type, or strings of numbers, as bytes; ValueError where one does not fit."""
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{_OPENML} has {what} that are not numbers: {error}") from error
    with np.errstate(invalid="ignore"):  # NaN: the comparison below reports it
        small = numbers.astype(np.uint8, order="C")
    if not np.array_equal(small, numbers):
        raise ValueError(f"{_OPENML} has {what} that are not whole numbers from 0 to 255.")
    return small


def _fetch_from_openml(data_home: str | os.PathLike[str] | None, searched: Path) -> list[_Bytes]:
    """OpenML's rows, split as the four IDX files are."""
    try:
        # Not the pandas parser: scikit-learn 1.9.1's fails with pandas 3.1 on these labels.
        answer = fetch_openml(
            "mnist_784", version=1, data_home=data_home, as_frame=False, parser="liac-arff"
        )
    except (OSError, EOFError, HTTPException, KeyError, ValueError) as error:
        raise OSError(
            f"MNIST is not in {searched} and could not be had from {_OPENML}, version 1 "
            f"({type(error).__name__}: {error}). {_HOW_TO_PROVIDE}"
        ) from error
    pixels, labels = _as_uint8(answer.data, "pixels"), _as_uint8(answer.target, "labels")
    n_train, n_test = (shape[0] for shape in _SHAPES.values() if len(shape) == 1)
    expected = (n_train + n_test, 784)
    if pixels.shape != expected or labels.shape != expected[:1]:
        raise ValueError(
            f"{_OPENML} has pixels of shape {pixels.shape} and labels of shape {labels.shape}, "
            f"expected {expected} and {expected[:1]}."
        )
    return [pixels[:n_train], labels[:n_train], pixels[n_train:], labels[n_train:]]


def _subset_indices(subset: str, n_rows: int) -> npt.NDArray[np.int64]:
    """Positions of the subset's rows among all rows, in the order that defines the subset."""
    if subset == "all":
        return np.arange(n_rows, dtype=np.int64)
    # "rest" is stored as well: its order is train_test_split's, which its members do not tell.
    stored = files("sk_digits.datasets").joinpath("mnist_12k_indices.npz")
    with stored.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        parts = ("rest",) if subset == "rest" else ("train", "test")
        return np.concatenate([arrays[part] for part in parts]).astype(np.int64)


def _make_bunch(
    images: _Bytes,
    target: npt.NDArray[np.int64],
    return_X_y: bool,
    as_frame: bool,
    **fields: Any,
) -> Bunch | tuple[Any, Any]:
    data, labels, frame = images.reshape(len(images), -1), target, None
    names = [f"pixel{i}" for i in range(1, data.shape[1] + 1)]
    if as_frame:
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError("as_frame=True needs pandas: pip install pandas.") from error
        data = pd.DataFrame(data, columns=names)
        labels = pd.Series(target, name="target")
        frame = data.assign(target=labels)
    if return_X_y:
        return data, labels
    fields |= {"images": images, "feature_names": names, "target_names": np.arange(10)}
    return Bunch(data=data, target=labels, frame=frame, **fields)


def fetch_mnist(
    *,
    subset: str = "12k",
    data_home: str | os.PathLike[str] | None = None,
    download_if_missing: bool = True,
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Bunch | tuple[Any, Any]:
    """MNIST, or a fixed part of it: 28 x 28 grey images of the digits 0 to 9.

    The four IDX files, with or without ``.gz``, are looked for in one folder: `data_home`, else the
    one that the environment variable ``SK_DIGITS_DATA`` names, else scikit-learn's data home. Where
    none of the four is there, OpenML's ``mnist_784`` (version 1) is fetched and parsed in every
    call (some 20 seconds and 1 GB of memory; the files take a quarter of a second). Whatever the
    source, every byte is checked against SHA-256 digests of the genuine files.

    Parameters
    ----------
    subset : {"12k", "rest", "all"}, default="12k"
        "12k": 12,000 rows, stratified by digit; the first 10,000 are the training part, the last
        2,000 the test part. "rest": the other 58,000, a large held-out set. "all": all 70,000, the
        60,000 of the training files before the 10,000 of the test files.
    data_home : str or path-like, default=None
        Folder with the IDX files, and the data home of scikit-learn's OpenML cache (None: that
        cache is in scikit-learn's own data home, whatever ``SK_DIGITS_DATA`` says).
    download_if_missing : bool, default=True
        If False, a folder with none of the files is an error, and neither the network nor the
        OpenML cache is used.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Make `data` a pandas DataFrame and `target` a pandas Series. Needs pandas.

    Returns
    -------
    sklearn.utils.Bunch or (data, target)
        `data`, (n, 784) uint8: pixels from 0 (background) to 255 (ink), row by row. `target`, (n,)
        int64: the digits. `images`, (n, 28, 28) uint8: the same pixels (shares the memory of `data`
        unless `as_frame`). `indices`, (n,) int64: the rows' positions in "all". `frame`: DataFrame
        of the pixels and "target", None unless `as_frame`. `feature_names`: "pixel1" to "pixel784".
        `target_names`: the digits 0 to 9. `source`: "idx" or "openml". `source_location`: the
        folder of the IDX files, or OpenML's address. `DESCR`: a description.

    Raises
    ------
    ValueError
        If `subset` is unknown, or if a file or OpenML's answer is not the genuine data: truncated,
        corrupt, of a wrong kind or shape, or with a wrong digest.
    OSError
        If some of the four files are missing, or all are and `download_if_missing` is False
        (FileNotFoundError); if ``SK_DIGITS_DATA`` or `data_home` is no folder; if OpenML fails.
    ImportError
        If `as_frame` is True and pandas is not installed.

    References
    ----------
    Y. LeCun, L. Bottou, Y. Bengio and P. Haffner. "Gradient-based learning applied to document
    recognition." Proceedings of the IEEE 86(11), 1998. OpenML: https://www.openml.org/d/554.

    Examples
    --------
    The usual call, and the split that goes with it::

        X, y = fetch_mnist(return_X_y=True)
        X_train, X_test, y_train, y_test = X[:10_000], X[10_000:], y[:10_000], y[10_000:]

    Only the three subsets exist:

    >>> from sk_digits.datasets import fetch_mnist
    >>> fetch_mnist(subset="10k")
    Traceback (most recent call last):
    ...
    ValueError: subset='10k' is unknown: it must be '12k', 'rest' or 'all'.
    """
    if not isinstance(subset, str) or subset not in ("12k", "rest", "all"):
        raise ValueError(f"subset={subset!r} is unknown: it must be '12k', 'rest' or 'all'.")
    folder = _search_folder(data_home)
    if paths := _find_idx_files(folder):
        source, location, origins = "idx", str(folder), [str(path) for path in paths]
        arrays = [_read_idx(*pair) for pair in zip(paths, _SHAPES.values(), strict=True)]
    elif download_if_missing:
        source, location = "openml", "https://www.openml.org/d/554"
        origins = [f"The part of {_OPENML} that stands for {name}" for name in _SHAPES]
        arrays = _fetch_from_openml(data_home, folder)
    else:
        raise FileNotFoundError(
            f"MNIST is not in {folder}, and download_if_missing is False. {_HOW_TO_PROVIDE}"
        )
    for array, name, origin in zip(arrays, _SHAPES, origins, strict=True):
        _check_genuine(array, name, origin)
    images = np.concatenate([part.reshape(-1, 28, 28) for part in arrays[::2]])
    target = np.concatenate(arrays[1::2]).astype(np.int64)
    indices = _subset_indices(subset, len(target))
    return _make_bunch(
        images[indices],
        target[indices],
        return_X_y,
        as_frame,
        indices=indices,
        source=source,
        source_location=location,
        DESCR=_MNIST_DESCR.format(rows=len(indices), subset=subset, location=location),
    )


def _to_mnist_layout(small: npt.NDArray[np.float64]) -> _Bytes:
    """Images of 8 x 8 pixels from 0 to 16 as images of 28 x 28 pixels from 0 to 255."""
    # grid_mode takes pixels as areas, so that the outer ones keep their size. A spline overshoots
    # beside strong edges, hence the clipping.
    boxes = ndimage.zoom(small, (1, 2.5, 2.5), order=3, mode="grid-constant", grid_mode=True)
    boxes = np.rint(np.clip(boxes, 0, 16) * (255 / 16)).astype(np.uint8)
    moments = np.stack([boxes.sum(axis=axis) @ np.arange(20) for axis in (2, 1)], axis=1)
    centre = moments / boxes.sum(axis=(1, 2))[:, np.newaxis]
    # MNIST's mean centre of mass is pixel (14, 14), counted from 0. The bounds, the two margins
    # together, keep the whole box inside.
    corner = np.clip(np.rint(14 - centre), 0, 8).astype(np.int64)
    rows, columns = (np.arange(28) + 8 - corner[:, [axis]] for axis in (0, 1))
    padded = np.pad(boxes, ((0, 0), (8, 8), (8, 8)))
    images: _Bytes = padded[
        np.arange(len(small))[:, np.newaxis, np.newaxis],
        rows[:, :, np.newaxis],
        columns[:, np.newaxis, :],
    ]
    return images


def load_digits_28(*, return_X_y: bool = False, as_frame: bool = False) -> Bunch | tuple[Any, Any]:
    """Give the 1,797 digits of 8 x 8 pixels that scikit-learn bundles in MNIST's 28 x 28 layout.

    Each image is scaled to a box of 20 x 20 pixels by cubic splines and moved by whole pixels so
    that its centre of mass is the image's centre, as MNIST was prepared. Needs no network and no
    files. It is for trying things out: the strokes are softer than MNIST's and written by other
    people, so an accuracy on it says nothing of the accuracy on MNIST.

    Parameters
    ----------
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Make `data` a pandas DataFrame and `target` a pandas Series. Needs pandas.

    Returns
    -------
    sklearn.utils.Bunch or (data, target)
        The fields of `fetch_mnist`: `data`, (1797, 784), and `images`, (1797, 28, 28), uint8 from 0
        (background) to 255 (ink); `target`, (1797,) int64; `indices`: positions in scikit-learn's
        ``load_digits``; `source`: "scikit-learn".

    Raises
    ------
    ImportError
        If `as_frame` is True and pandas is not installed.

    References
    ----------
    E. Alpaydin and C. Kaynak. "Optical Recognition of Handwritten Digits." UCI Machine Learning
    Repository, 1998.

    Examples
    --------
    >>> from sk_digits.datasets import load_digits_28
    >>> digits = load_digits_28()
    >>> digits.data.shape, digits.images.shape, digits.data.dtype
    ((1797, 784), (1797, 28, 28), dtype('uint8'))
    >>> digits.target[:5]
    array([0, 1, 2, 3, 4])
    """
    small = load_digits()
    return _make_bunch(
        _to_mnist_layout(small.images),
        small.target.astype(np.int64),
        return_X_y,
        as_frame,
        indices=np.arange(len(small.target), dtype=np.int64),
        source="scikit-learn",
        source_location="sklearn.datasets.load_digits",
        DESCR=_DIGITS_28_DESCR,
    )
