"""Colours as one brightness in which writing stands out, dark on light."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from sk_digits._images.pictures import Picture

Floats: TypeAlias = NDArray[np.float32]


def shrink(pixels: NDArray[Any], factor: int) -> NDArray[Any]:
    """Average blocks of `factor` x `factor` pixels; blocks at the far borders may be smaller."""
    if factor == 1:
        return pixels
    if pixels.ndim == 3 and pixels.dtype != np.uint8:
        return np.dstack([shrink(pixels[..., i], factor) for i in range(pixels.shape[2])])
    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).reduce(factor))


def _find_colour_axis(pixels: Floats) -> Floats:
    """Give the direction in (red, green, blue) along which ink and paper differ most.

    Returns
    -------
    ndarray of shape (3,)
        Absolute values sum to 1. All positive, but where ink and paper are about equally bright.
    """
    small = shrink(pixels, math.ceil(max(pixels.shape) / 40))
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


def _outline_votes(brightness: Floats) -> float:
    """Look inwards along rows, whether the first strong edge rises, 1 where all do, or falls, -1.

    Seen from both sides an outline rises or falls twice, but the edge of a shadow once each.
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


def _ink_is_light(brightness: Floats) -> bool:
    """Tell whether the writing is lighter than its ground.

    Ink has an outline that is seen from every side, and is the minority that departs from the
    ground; where a thick digit fills its picture, the level along the borders says what that is.
    """
    small = shrink(brightness, math.ceil(max(brightness.shape) / 96))
    votes = _outline_votes(small) + _outline_votes(small.T)
    small = shrink(brightness, math.ceil(max(brightness.shape) / 40))
    residual = small - ndimage.median_filter(small, max(3, max(small.shape) // 2))
    inner = float(np.cbrt((residual.astype(np.float64) ** 3).mean()))
    ring = np.concatenate([small[0], small[-1], small[:, 0], small[:, -1]])
    outer = float(small.mean(dtype=np.float64) - np.median(ring))
    spread = float(small.std()) or 1.0
    return votes + 0.5 * float(np.clip((inner + outer) / spread, -1, 1)) > 0


class View(NamedTuple):
    """A way to see a picture as dark writing on light paper.

    Attributes
    ----------
    axis : ndarray of shape (3,) or None
        Weights of red, green and blue; None for grey pictures.
    light : bool
        Whether the writing is lighter than its ground in the picture.
    """

    axis: Floats | None
    light: bool

    @classmethod
    def of(cls, picture: Picture, factor: int, ink: str) -> Self:
        """Find how to see a picture, on one shrunk by `factor`.

        `ink` is "dark", "light", or "auto" to find out; of an opacity it says nothing.
        """
        axis = None
        if picture.pixels.ndim == 3:
            axis = _find_colour_axis(shrink(picture.pixels, factor).astype(np.float32))
        plain = cls(axis, light=False)
        finds_out = ink == "auto" or picture.is_opacity
        light = _ink_is_light(plain.see(picture, factor)) if finds_out else ink == "light"
        return plain._replace(light=light)

    def see(self, picture: Picture, factor: int) -> Floats:
        """Give a picture's brightness, from 0 for dark writing to 1, shrunk by `factor`."""
        brightness = shrink(picture.pixels, factor).astype(np.float32) / np.float32(picture.white)
        if self.axis is not None:
            brightness = brightness @ self.axis - self.axis[self.axis < 0].sum()
        return 1 - brightness if self.light else brightness
