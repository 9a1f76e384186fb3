"""`find_writing`: the digits of a picture as groups of strokes, whatever their colour."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sk_digits._images.grey_conversion import GreyConversion
from sk_digits._images.grouping import Shape
from sk_digits._images.ink import Box, Ink, find_ink

RING = 0.25  # width of the ground looked at around a digit, in its longer sides
WIDE_STROKE = 0.35  # mean width, in longer sides of the digit, that no stroke has
HOLE_SOLIDITY = 0.8  # share of the convex hull of a hole that is ink
MIN_MERIT = 0.12  # of a digit
MIN_RIVAL_MERIT = 0.2  # of a digit by which other groups are judged
MAX_RATED = 50  # groups of a page, the largest, by which its colours are judged


class Group(NamedTuple):
    """Strokes that may be a digit, their box and shape, and how much they look like ink."""

    members: list[int]
    box: Box
    shape: Shape
    merit: float

    @property
    def size(self) -> int:
        """Longer side of the box."""
        return max(self.box[2] - self.box[0], self.box[3] - self.box[1])


class Writing(NamedTuple):
    """The ink of a picture, its groups of strokes that may be digits, and how it was found."""

    conversion: GreyConversion
    ink: Ink
    groups: list[list[int]]


def _rate(ink: Ink, brightness: NDArray[np.float32], members: list[int]) -> Group:
    """Return a group with its merit, from 0 to 1: thin strokes with the ground on all sides."""
    box = top, left, bottom, right = ink.join(members)
    size = max(bottom - top, right - left)
    rows, columns, mask = ink.mask(members, int(RING * size) + 1)
    part = brightness[rows, columns]
    inner = np.s_[
        top - rows.start : bottom - rows.start, left - columns.start : right - columns.start
    ]
    shape = Shape.of(mask[inner])
    near = ndimage.binary_dilation(mask, iterations=max(2, size // 32))
    ground = np.median(part[near & ~mask]) if (near & ~mask).any() else 1.0
    middle = (float(np.median(part[mask])) + float(ground)) / 2
    ring = ~near
    ring[inner] = False
    purity = float((part[ring] > middle).mean()) if ring.any() else 1.0
    height, width = ink.depth.shape
    # How much of the borders that the box lies on is ink. The ends of a 1 are all ink, but short.
    sides = [mask[inner][0]] * (top == 0) + [mask[inner][-1]] * (bottom == height)
    sides += [mask[inner][:, 0]] * (left == 0) + [mask[inner][:, -1]] * (right == width)
    border = np.concatenate([*sides, np.zeros(0, np.bool_)])
    clear = 1 - float(border.sum()) / max(len(border), size)
    thin = float(np.clip(1.3 - shape.mean / WIDE_STROKE, 0, 1)) * shape.is_a_digits
    return Group(members, box, shape, purity * clear * thin)


def _is_around(outer: Box, inner: Box) -> bool:
    """Return whether a box lies within another without touching it."""
    return (
        outer[0] < inner[0] and outer[1] < inner[1] and outer[2] > inner[2] and outer[3] > inner[3]
    )


def _weigh(groups: list[Group], others: list[Group]) -> float:
    """Return how much of a picture its groups explain as digits, given those of the other ink."""
    rivals = [
        other
        for other in others
        if other.merit > MIN_RIVAL_MERIT and other.shape.solidity < HOLE_SOLIDITY
    ]
    # Ground that surrounds a digit is no digit; what a digit surrounds is its hole.
    return sum(
        group.merit**2 * group.size
        for group in groups
        if not any(
            rival.merit > group.merit and _is_around(group.box, rival.box) for rival in rivals
        )
    )


def find_writing(
    colours: NDArray[np.float32],
    ink: str,
    window: float,
    group: Callable[[Ink], list[list[int]]],
    small_noise: float | None = None,
    prepare: Callable[[Ink], Ink] = lambda ink: ink,
) -> Writing:
    """Return the writing of a picture under the conversion to grey that shows most of it.

    Parameters
    ----------
    colours : ndarray of shape (height, width) or (height, width, 3)
        Grey or RGB from 0 to 1.
    ink : {"auto", "dark", "light"}
        Whether the writing is darker or lighter than its ground.
    window : float
        A width in pixels that exceeds that of any stroke.
    group : callable
        Returns the groups of strokes that may be digits.
    small_noise : float, default=None
        As for :func:`find_ink`.
    prepare : callable, default=lambda ink: ink
        Leaves out strokes before they are grouped.
    """
    readings = []
    for conversion in GreyConversion.candidates(colours, ink):
        brightness = conversion.convert(colours)
        found = prepare(find_ink(brightness, window, small_noise))
        readings.append((conversion, found, group(found), brightness))
    rated = []
    for _, found, groups, brightness in readings:
        largest = sorted(groups, key=lambda members: -found.areas[members].sum())[:MAX_RATED]
        rated.append([_rate(found, brightness, members) for members in largest])
    weights = [
        _weigh(
            groups,
            [
                other
                for (rival, *_), others in zip(readings, rated, strict=True)
                if rival.inverted != conversion.inverted
                for other in others
            ],
        )
        for (conversion, *_), groups in zip(readings, rated, strict=True)
    ]
    best = int(np.argmax(weights))
    digits = [group.members for group in rated[best] if group.merit > MIN_MERIT]
    return Writing(*readings[best][:2], digits)
