"""`GreyConversion`: the colours of a picture as one brightness, dark writing on light paper."""

from __future__ import annotations

import math
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sk_digits._images.picture import shrink

COLOUR_SAMPLE_PX = 40  # longer side of the picture in which ink and paper are compared
OUTLINE_SAMPLE_PX = 96  # longer side of the picture in which outlines are looked at


def _find_colour_axis(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the direction in (red, green, blue) along which ink and paper differ most.

    Returns
    -------
    ndarray of shape (3,)
        Absolute values sum to 1. All are positive unless ink and paper are about equally bright.
    """
    small = shrink(pixels, math.ceil(max(pixels.shape) / COLOUR_SAMPLE_PX))
    size = max(3, max(small.shape) // 2)
    paper = np.dstack([ndimage.median_filter(small[..., i], size) for i in range(3)])
    residual = (small - paper).reshape(-1, 3).astype(np.float64)
    # Squared weights: few pixels of ink outweigh many of slightly uneven paper.
    weighted = residual * np.linalg.norm(residual, axis=1, keepdims=True)
    axis = np.linalg.eigh(weighted.T @ weighted)[1][:, -1]
    if not residual.any():
        axis = np.ones(3)
    axis = axis if axis.sum() >= 0 else -axis
    if axis[axis < 0].sum() > -0.35 * np.abs(axis).sum():
        axis = np.maximum(axis, 0)
    return (axis / np.abs(axis).sum()).astype(np.float32)


def _outline_votes(brightness: NDArray[np.float32]) -> float:
    """Return whether rows, seen from both ends, get lighter (1) or darker (-1) at the first edge.

    At the outline of ink both ends agree. At the edge of a shadow they contradict each other.
    """
    steps = np.diff(np.log(brightness + 0.1), axis=1)
    if not steps.any():
        return 0.0
    largest = float(np.quantile(np.abs(steps), 0.998))
    votes, voters = 0.0, 0
    for share in (0.6, 0.4, 0.25):
        strong = np.abs(steps) > share * largest
        rows = np.flatnonzero(strong.any(axis=1))
        first = strong[rows].argmax(axis=1)
        last = strong.shape[1] - 1 - strong[rows, ::-1].argmax(axis=1)
        votes += float((np.sign(steps[rows, first]) - np.sign(steps[rows, last])).sum())
        voters += 2 * len(rows)
    return votes / max(voters, 1)


def _ink_is_light(brightness: NDArray[np.float32]) -> bool:
    """Return whether the writing is lighter than its ground.

    Ink has an outline on all sides and covers less than the ground. Where a thick digit fills the
    picture, the brightness along the borders shows which of the two is the ground.
    """
    small = shrink(brightness, math.ceil(max(brightness.shape) / OUTLINE_SAMPLE_PX))
    votes = _outline_votes(small) + _outline_votes(small.T)
    small = shrink(brightness, math.ceil(max(brightness.shape) / COLOUR_SAMPLE_PX))
    residual = small - ndimage.median_filter(small, max(3, max(small.shape) // 2))
    inner = float(np.cbrt((residual.astype(np.float64) ** 3).mean()))
    border = np.concatenate([small[0], small[-1], small[:, 0], small[:, -1]])
    outer = float(small.mean(dtype=np.float64) - np.median(border))
    spread = float(small.std()) or 1.0
    return votes + 0.5 * float(np.clip((inner + outer) / spread, -1, 1)) > 0


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
    def choose(cls, pixels: NDArray[np.float32], ink: str) -> Self:
        """Return the conversion for grey or RGB pixels.

        `ink` is "dark", "light", or "auto" to find out.
        """
        axis = _find_colour_axis(pixels) if pixels.ndim == 3 else None
        plain = cls(axis, inverted=False)
        is_light = _ink_is_light(plain.convert(pixels)) if ink == "auto" else ink == "light"
        return plain._replace(inverted=is_light)

    def convert(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the brightness of grey or RGB pixels, from 0, dark writing, to 1."""
        brightness = pixels
        if self.axis is not None:
            brightness = pixels @ self.axis - self.axis[self.axis < 0].sum()
        return 1 - brightness if self.inverted else brightness
