"""`find_ruled_lines`: the lines of ruled and squared paper."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sk_digits._images.strokes import find_strokes

SLOPES = np.linspace(-0.08, 0.08, 33)  # a page is photographed at least this straight
MIN_COVER = 0.7  # of the picture's width, by a line and the strokes that cross it
MIN_COVER_ALONE = 0.4  # of the picture's width, by a line without the strokes that cross it
MAX_END = 0.08  # of the picture's width, between a border and the end of a single line
MIN_SIDE_PX = 40  # in smaller pictures a line and a stroke look alike
MIN_LENGTH = 1.4  # of a line that is not thin, in lengths of the longest stroke
MAX_THIN_WIDTH = 0.6  # of a thin line, in widths of a stroke


def _run_lengths(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return the length of the vertical run that each pixel of a mask is in; 0 outside."""
    height = mask.shape[0]
    rows = np.arange(height, dtype=np.int32)[:, np.newaxis]
    last_gap = np.maximum.accumulate(np.where(mask, -1, rows), axis=0)
    next_gap = np.minimum.accumulate(np.where(mask, height, rows)[::-1], axis=0)[::-1]
    return np.where(mask, next_gap - last_gap - 1, 0).astype(np.int32)


def _find_level_lines(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels of lines that are level, within five degrees."""
    height, width = mask.shape
    lines = np.zeros_like(mask)
    runs = _run_lengths(mask)
    starts = mask & ~np.pad(mask, ((1, 0), (0, 0)))[:-1] & (runs <= max(3, height // 20))
    if min(height, width) < MIN_SIDE_PX or starts.any(axis=0).mean() < MIN_COVER_ALONE:
        return lines
    # Each thin run is a point; along the slope of the lines the points fall into a few rows.
    rows, columns = np.nonzero(starts)
    rows = rows + runs[rows, columns] // 2
    reach = int(np.ceil(SLOPES[-1] * width / 2)) + 1
    covers = []
    for slope in SLOPES:
        level = rows - np.rint(slope * (columns - width / 2)).astype(np.intp) + reach
        count = np.bincount(level, minlength=height + 2 * reach)
        covers.append(np.convolve(count, np.ones(3), "same") / width)
    best = int(np.argmax([np.sort(cover)[-9:].sum() for cover in covers]))
    cover, columns = covers[best], np.arange(width)
    shift = np.rint(SLOPES[best] * (columns - width / 2)).astype(np.intp) - reach
    peaks = np.flatnonzero(
        (cover > MIN_COVER_ALONE)
        & (cover >= np.pad(cover, (1, 0))[:-1])
        & (cover >= np.pad(cover, (0, 1))[1:])
    )
    for peak in peaks:
        # Length of the run that the line passes through in each column, within a pixel.
        centre = np.clip(peak + shift, 1, height - 2)
        here = np.max([runs[centre + offset, columns] for offset in (-1, 0, 1)], axis=0)
        covered = np.flatnonzero(here)
        reaches = covered[0] <= MAX_END * width and covered[-1] >= (1 - MAX_END) * width
        if len(covered) < MIN_COVER * width or not (reaches or len(peaks) > 1):
            continue
        # Strokes may cover up to half of the line, and are thicker.
        thickness = float(np.quantile(here[here > 0], 0.25))
        for offset in range(-int(thickness) - 1, int(thickness) + 2):
            at = np.clip(centre + offset, 0, height - 1)
            # A longer run is a stroke that crosses the line. The crossing stays with the stroke.
            of_line = mask[at, columns] & (runs[at, columns] <= 1.5 * thickness + 1)
            lines[at[of_line], columns[of_line]] = True
    return lines


def find_ruled_lines(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the lines from border to border that are level or upright, within five degrees.

    Parameters
    ----------
    mask : ndarray of shape (height, width)
        True for writing and lines.

    Returns
    -------
    ndarray of shape (height, width)
        True for lines. Where a stroke crosses a line, the crossing belongs to the stroke.
    """
    lines = _find_level_lines(mask) | _find_level_lines(mask.T).T
    if not lines.any():
        return lines
    rest = mask & ~lines
    boxes = find_strokes(rest)[1]
    longest = int((boxes[:, 2:] - boxes[:, :2]).max(initial=0))
    # A stroke of a digit that fills its picture also runs from border to border.
    longer = min(mask.shape) > MIN_LENGTH * longest
    widths = np.minimum(_run_lengths(mask), _run_lengths(mask.T).T)
    thinner = rest.any() and np.median(widths[lines]) < MAX_THIN_WIDTH * np.median(widths[rest])
    return lines if longer or thinner else np.zeros_like(lines)
