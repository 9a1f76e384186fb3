"""Ruled and squared paper: where its lines are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import label, regionprops

Mask = NDArray[np.bool_]

SLOPES = np.linspace(-0.08, 0.08, 33)  # a photo of a page is held this straight
COVERED = 0.7  # of the picture's width, by a line


def _runs(mask: Mask) -> NDArray[np.int32]:
    """Give for each pixel of a mask the length of the vertical run that it is in; 0 elsewhere."""
    height = mask.shape[0]
    rows = np.arange(height, dtype=np.int32)[:, np.newaxis]
    last_gap = np.maximum.accumulate(np.where(mask, -1, rows), axis=0)
    next_gap = np.minimum.accumulate(np.where(mask, height, rows)[::-1], axis=0)[::-1]
    return np.where(mask, next_gap - last_gap - 1, 0).astype(np.int32)


def _find_horizontal(mask: Mask) -> Mask:
    height, width = mask.shape
    lines = np.zeros_like(mask)
    if width < 40 or height < 40:
        return lines
    runs = _runs(mask)
    thin = mask & (runs <= max(3, height // 20))
    if thin.any(axis=0).mean() < COVERED:
        return lines
    columns = np.arange(width)
    best = np.zeros((len(SLOPES), height))
    for i, slope in enumerate(SLOPES):
        shift = np.rint(slope * (columns - width / 2)).astype(np.intp)
        rows = (np.arange(height)[:, np.newaxis] + shift) % height
        best[i] = ndimage.maximum_filter1d(thin[rows, columns], 3, axis=0).mean(axis=1)
    slope = SLOPES[int((np.sort(best, axis=1)[:, -3:].sum(axis=1)).argmax())]
    shift = np.rint(slope * (columns - width / 2)).astype(np.intp)
    cover = best[int(np.flatnonzero(SLOPES == slope)[0])]
    for row in np.flatnonzero((cover > COVERED) & (cover == ndimage.maximum_filter1d(cover, 5))):
        rows = np.clip(row + shift + np.arange(-1, 2)[:, np.newaxis], 0, height - 1)
        here = runs[rows, columns].max(axis=0)
        thickness = float(np.median(here[here > 0]))
        rows = rows[1]
        for offset in range(-int(thickness) - 1, int(thickness) + 2):
            at = np.clip(rows + offset, 0, height - 1)
            thin_here = mask[at, columns] & (runs[at, columns] <= 1.5 * thickness + 1)
            lines[at[thin_here], columns[thin_here]] = True
    return lines


def find_ruled_lines(mask: Mask) -> Mask:
    """Find lines that run from border to border, level or upright within five degrees.

    Where a stroke crosses a line, the crossing belongs to the stroke.
    """
    lines = _find_horizontal(mask) | _find_horizontal(mask.T).T
    rest = mask & ~lines
    if not lines.any():
        return lines
    labels = label(rest, connectivity=2)
    sizes = [max(region.image.shape) for region in regionprops(labels)]
    # A stroke of a digit that fills its picture also runs from border to border.
    longer = bool(sizes) and min(mask.shape) > 1.4 * max(sizes)
    widths = np.minimum(_runs(mask), _runs(mask.T).T)
    thinner = rest.any() and np.median(widths[lines]) < 0.6 * np.median(widths[rest])
    return lines if longer or thinner else np.zeros_like(lines)
