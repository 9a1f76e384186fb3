"""`load_digits_28`: scikit-learn's bundled digits in MNIST's layout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from sklearn.datasets import load_digits
from sklearn.utils import Bunch

from sk_digits.datasets._bunch import make_bunch

if TYPE_CHECKING:
    import pandas as pd

_DIGITS_28_DESCR = """scikit-learn's 1,797 bundled digits in MNIST's layout.

Greyscale images of 28 x 28 pixels with values from 0 (background) to 255 (ink). Each original image
of 8 x 8 pixels was enlarged to 20 x 20 pixels by cubic splines, and its centre of mass was moved to
the centre of the image. Alpaydin and Kaynak: Optical Recognition of Handwritten Digits. UCI Machine
Learning Repository, 1998.
"""


def _to_mnist_layout(small: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """Convert images of 8 x 8 pixels from 0 to 16 to images of 28 x 28 pixels from 0 to 255."""
    # grid_mode treats pixels as areas rather than points, so that border pixels keep their full
    # size. Splines overshoot next to strong edges, hence the clipping.
    boxes = ndimage.zoom(small, (1, 2.5, 2.5), order=3, mode="grid-constant", grid_mode=True)
    boxes = np.rint(np.clip(boxes, 0, 16) * (255 / 16)).astype(np.uint8)
    centres = [ndimage.center_of_mass(box) for box in boxes]
    # MNIST's mean centre of mass is pixel (14, 14), counted from 0. The corner stays within 0 and
    # 28 - 20 = 8, so that no part of the box is cut off.
    corners = np.clip(np.rint(14 - np.array(centres)), 0, 8).astype(int)
    padded = np.pad(boxes, ((0, 0), (0, 8), (0, 8)))
    shifted = zip(padded, corners, strict=True)
    return np.stack([np.roll(image, corner, axis=(0, 1)) for image, corner in shifted])


@overload
def load_digits_28(*, return_X_y: Literal[False] = ..., as_frame: bool = ...) -> Bunch: ...
@overload
def load_digits_28(
    *, return_X_y: Literal[True], as_frame: Literal[False] = ...
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]: ...
@overload
def load_digits_28(
    *, return_X_y: Literal[True], as_frame: Literal[True]
) -> tuple[pd.DataFrame, pd.Series[Any]]: ...
@overload
def load_digits_28(*, return_X_y: bool, as_frame: bool = ...) -> Bunch | tuple[Any, Any]: ...
def load_digits_28(*, return_X_y: bool = False, as_frame: bool = False) -> Bunch | tuple[Any, Any]:
    """Load the 1,797 digits bundled with scikit-learn in MNIST's layout of 28 x 28 pixels.

    Each image of 8 x 8 pixels is enlarged to 20 x 20 pixels by cubic splines and shifted by whole
    pixels so that its centre of mass is at the centre of the image, as in MNIST. No download and no
    files are needed. Use this data set to try things out: its strokes are softer than MNIST's and
    come from other writers, so an accuracy on it says nothing about the accuracy on MNIST.

    Parameters
    ----------
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Whether to return `data` as a pandas DataFrame and `target` as a pandas Series. Requires
        pandas.

    Returns
    -------
    sklearn.utils.Bunch or (data, target)
        The same fields as from `fetch_mnist`: `data`, (1797, 784), and `images`, (1797, 28, 28),
        uint8 from 0 (background) to 255 (ink); `target`, (1797,) int64; `indices`: row numbers in
        scikit-learn's ``load_digits``; `source`: "scikit-learn".

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
    return make_bunch(
        _to_mnist_layout(small.images),
        small.target.astype(np.int64),
        return_X_y,
        as_frame,
        target_names=np.arange(10),
        indices=np.arange(len(small.target), dtype=np.int64),
        source="scikit-learn",
        source_location="sklearn.datasets.load_digits",
        DESCR=_DIGITS_28_DESCR,
    )
