"""`GreyConversion`: the colours of a picture as one brightness, dark writing on light paper."""

from __future__ import annotations

import math
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from skimage.filters import rank

from sk_digits._images.picture import shrink

COLOUR_SAMPLE_PX = 48  # longer side of the picture in which ink and paper are compared
# Width of the marks whose colour is compared with that around them, in longer sides of the
# picture: thick strokes are wider than the narrower one, coloured fields than both.
MARKS = (0.5, 0.15)
SAME_AXIS = 0.98  # cosine of the angle between two axes that are not told apart


def _find_colour_axis(pixels: NDArray[np.float32], marks: float) -> NDArray[np.float32]:
    """Return the direction in (red, green, blue) along which ink and paper differ most.

    Returns
    -------
    ndarray of shape (3,)
        Absolute values sum to 1. All are positive unless ink and paper are about equally bright.
    """
    size = max(3, int(marks * max(pixels.shape)) // 2 * 2 + 1)
    levels = np.rint(255 * pixels).astype(np.uint8)  # whose medians take a 20th of the time
    window = np.ones((size, size), np.uint8)
    paper = np.dstack([rank.median(levels[..., i], window) for i in range(3)])
    residual = (levels.astype(np.float64) - paper).reshape(-1, 3)
    # Squared weights: few pixels of ink outweigh many of slightly uneven paper.
    weighted = residual * np.linalg.norm(residual, axis=1, keepdims=True)
    axis = np.linalg.eigh(weighted.T @ weighted)[1][:, -1]
    if not residual.any():
        axis = np.ones(3)
    axis = axis if axis.sum() >= 0 else -axis
    if axis[axis < 0].sum() > -0.35 * np.abs(axis).sum():
        axis = np.maximum(axis, 0)
    return (axis / np.abs(axis).sum()).astype(np.float32)


class GreyConversion(NamedTuple):
    """How the pixels of a picture become one brightness, dark writing on light paper.

    Attributes
    ----------
    axis : ndarray of shape (3,) or None
        Weights of red, green and blue; None for grey pictures.
    inverted : bool
        Whether brightness is inverted, because the writing is lighter than its ground.
    """

    axis: NDArray[np.float32] | None
    inverted: bool

    @classmethod
    def candidates(cls, pixels: NDArray[np.float32], ink: str) -> list[Self]:
        """Return the conversions that may show the writing in grey or RGB pixels.

        `ink` is "dark", "light", or "auto" for both.
        """
        axes: list[NDArray[np.float32] | None] = [None]
        if pixels.ndim == 3:
            small = shrink(pixels, math.ceil(max(pixels.shape) / COLOUR_SAMPLE_PX))
            wide, narrow = (_find_colour_axis(small, marks) for marks in MARKS)
            cosine = float(wide @ narrow) / float(np.linalg.norm(wide) * np.linalg.norm(narrow))
            axes = [wide] if cosine > SAME_AXIS else [wide, narrow]
        signs = {"dark": [False], "light": [True], "auto": [False, True]}[ink]
        return [cls(axis, inverted) for axis in axes for inverted in signs]

    def convert(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the brightness of grey or RGB pixels, from 0, dark writing, to 1."""
        brightness = pixels
        if self.axis is not None:
            brightness = pixels @ self.axis - self.axis[self.axis < 0].sum()
        return 1 - brightness if self.inverted else brightness
