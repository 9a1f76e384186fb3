"""`load_image_folder`: labelled pictures of one's own in MNIST's layout."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from sk_digits.datasets._bunch import make_bunch

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 20  # pictures that an error names
_DESCR = """{rows:,} labelled pictures from {location} in MNIST's layout.

Greyscale images of 28 x 28 pixels with values from 0 (background) to 255 (ink). The
writing in each picture was found by DigitImageNormalizer and scaled to fit a box of 20 x 20 pixels,
and its centre of mass was moved to the centre of the image.
"""


def find_images(folder: Path) -> list[Path]:
    """Return the image files in a folder and in the folders within it, in alphabetical order."""
    from sk_digits._images.image_files import SUFFIXES

    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def _find_labels(path: str | os.PathLike[str]) -> dict[str, list[Path]]:
    """Return the image files of each label, whose name is that of their folder."""
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise NotADirectoryError(f"path={str(folder)!r} is not a folder.")
    found = {
        label.name: find_images(label)
        for label in sorted(folder.iterdir())
        if label.is_dir() and not label.name.startswith(".")
    }
    if not found:
        raise ValueError(
            f"{folder} holds no folders. Put the pictures of each label into a folder that is "
            "named after the label, such as 0 to 9."
        )
    if empty := [label for label, files in found.items() if not files]:
        raise ValueError(
            f"{folder} has no pictures in its folders {', '.join(map(repr, empty))}. Add some as "
            "PNG, JPEG or other image files, or remove these folders."
        )
    return found


def _read_pictures(files: list[Path], ink: str) -> Iterator[NDArray[np.uint8] | str]:
    """Return the row of each picture, or what is wrong with it."""
    from sk_digits._images.digit_image_normalizer import DigitImageNormalizer

    normalizer = DigitImageNormalizer(ink=ink, on_blank="zeros").fit(files)
    for file in files:
        try:
            row = normalizer.transform([file])[0]
        except (OSError, ValueError) as error:
            yield str(error).removeprefix("Image 0: ")
        else:
            yield row if row.any() else f"the file {str(file)!r} has no digit that can be found"


@overload
def load_image_folder(
    path: str | os.PathLike[str],
    *,
    ink: str = ...,
    return_X_y: Literal[False] = ...,
    as_frame: bool = ...,
) -> Bunch: ...
@overload
def load_image_folder(
    path: str | os.PathLike[str],
    *,
    ink: str = ...,
    return_X_y: Literal[True],
    as_frame: Literal[False] = ...,
) -> tuple[NDArray[np.uint8], NDArray[Any]]: ...
@overload
def load_image_folder(
    path: str | os.PathLike[str],
    *,
    ink: str = ...,
    return_X_y: Literal[True],
    as_frame: Literal[True],
) -> tuple[pd.DataFrame, pd.Series[Any]]: ...
@overload
def load_image_folder(
    path: str | os.PathLike[str], *, ink: str = ..., return_X_y: bool, as_frame: bool = ...
) -> Bunch | tuple[Any, Any]: ...
def load_image_folder(
    path: str | os.PathLike[str],
    *,
    ink: str = "auto",
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Bunch | tuple[Any, Any]:
    """Load labelled pictures of digits, letters or other signs from a folder of folders.

    Each folder in `path` is named after a label and holds its pictures: photos, scans or drawings
    of one sign each, as PNG, JPEG, BMP, TIFF, WebP or GIF files, also in folders within it.
    :class:`~sk_digits.DigitImageNormalizer` brings them into MNIST's layout. Other files, folders
    whose names begin with a dot, and files beside the folders are ignored. Labels and files come in
    alphabetical order, so shuffle before you split.

    Parameters
    ----------
    path : str or path-like
        The folder with one folder for each label.
    ink : {"auto", "dark", "light"}, default="auto"
        Whether the writing is darker or lighter than its ground; "auto" finds out for each picture.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Whether to return `data` as a pandas DataFrame and `target` as a pandas Series. Requires
        pandas.

    Returns
    -------
    sklearn.utils.Bunch or (data, target)
        `data`, (n, 784) uint8: pixels from 0 (background) to 255 (ink), row by row. `target`, (n,):
        the labels, int64 if the names of all folders are whole numbers, else strings. `images`,
        (n, 28, 28) uint8: the same pixels. `filenames`, (n,): the paths of the pictures. `frame`,
        `feature_names`, `source` ("folder"), `source_location` and `DESCR` as of `fetch_mnist`;
        `target_names`: the different labels, sorted.

    Raises
    ------
    ValueError
        If pictures cannot be read or show nothing that stands out from its ground: the message
        lists them, so that they can be replaced or removed. If there are no folders, or folders
        without pictures, or `ink` is invalid.
    OSError
        If `path` is not a folder, or cannot be read.
    ImportError
        If `as_frame` is True and pandas is not installed.

    See Also
    --------
    sk_digits.DigitImageNormalizer : Brings the pictures into MNIST's layout.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from PIL import Image, ImageDraw
    >>> from sk_digits.datasets import load_image_folder
    >>> with TemporaryDirectory() as folder:
    ...     for label, end in [("bar", (50, 80)), ("slash", (20, 80))]:
    ...         paper = Image.new("L", (100, 100), "white")
    ...         ImageDraw.Draw(paper).line([(50, 20), end], "black", width=8)
    ...         Path(folder, label).mkdir()
    ...         paper.save(Path(folder, label, "1.png"))
    ...     signs = load_image_folder(folder)
    >>> signs.data.shape, signs.target.tolist()
    ((2, 784), ['bar', 'slash'])
    """
    found = _find_labels(path)
    files = [file for of_label in found.values() for file in of_label]
    rows = list(_read_pictures(files, ink))
    if problems := [row for row in rows if isinstance(row, str)]:
        more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise ValueError(
            f"{len(problems)} of {len(files)} pictures in {os.fspath(path)} cannot be used: "
            f"{'; '.join(problems[:_SHOWN])}{more}. Replace or remove them."
        )
    labels = [int(label) if all(map(str.isdecimal, found)) else label for label in found]
    target = np.repeat(np.array(labels), [len(of_label) for of_label in found.values()])
    return make_bunch(
        np.stack(rows).reshape(-1, 28, 28),
        target,
        return_X_y,
        as_frame,
        target_names=np.unique(target),
        filenames=np.array(list(map(str, files))),
        source="folder",
        source_location=os.fspath(path),
        DESCR=_DESCR.format(rows=len(files), location=os.fspath(path)),
    )
