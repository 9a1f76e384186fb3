"""`segment_digits`: a page of digits, cut into single ones."""

from __future__ import annotations

import math
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sk_digits._images.grouping import (
    MAX_WIDTH,
    BoxGrid,
    Shape,
    find_ends,
    find_valley,
    group_strokes,
    overlap,
)
from sk_digits._images.image_files import MAX_PIXELS
from sk_digits._images.ink import Box, Ink, find_ink
from sk_digits._images.mnist_frame import frame
from sk_digits._images.picture import Picture, shrink
from sk_digits._images.writing import find_writing

OVERVIEW_PX = 1600  # longer side of the page in which writing is looked for
WINDOW = 0.15  # of the longer side of the page; no stroke is as wide
MIN_HEIGHT_PX = 8  # of writing that can be read
MAX_STROKES = 5_000  # on a page; a sheet of squared paper has 2,500 squares
COLOUR_PX = 800  # longer side of the page by which its colours are judged
MIN_FREE_AREA = 0.1  # of the ink of a page whose writing touches no border
MAX_BOX_AREA = 8  # of the boxes of all strokes together, in areas of the page


class DigitSegment(NamedTuple):
    """One digit of a page.

    Attributes
    ----------
    box : tuple of int
        (top, left, bottom, right), half-open, in pixels of the given image, upright as its EXIF
        data says.
    line : int
        Which line of text it is on, from 0.
    image : ndarray of shape (28, 28)
        The digit alone, in MNIST's form: uint8, from 0, background, to 255, ink.
        :class:`DigitImageNormalizer` returns it unchanged, as ``image.ravel()``.

    See Also
    --------
    segment_digits : Finds the digits of a page.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_digits import segment_digits
    >>> page = np.full((200, 300), 230, dtype=np.uint8)
    >>> page[50:110, 60:68] = 30
    >>> [digit] = segment_digits(page)
    >>> digit.line, digit.box
    (0, (50, 60, 110, 68))
    >>> digit.image.shape, digit.image.dtype, int(digit.image.max())
    ((28, 28), dtype('uint8'), 255)
    """

    box: tuple[int, int, int, int]
    line: int
    image: NDArray[np.uint8]


def _measure_height(ink: Ink) -> float:
    """Return the median height of strokes, weighted by area so that specks hardly count.

    Shadows are large and touch the borders, which writing seldom does.
    """
    (top, left), (bottom, right) = ink.boxes[:, :2].T, ink.boxes[:, 2:].T
    height, width = ink.depth.shape
    is_free = (top > 0) & (left > 0) & (bottom < height) & (right < width)
    areas = ink.areas * is_free
    if areas.sum() < MIN_FREE_AREA * ink.areas.sum():
        areas = ink.areas
    heights = bottom - top
    order = np.argsort(heights)
    share = np.cumsum(areas[order]) / areas.sum()
    return float(heights[order][np.searchsorted(share, 0.5)])


def _find_groups(ink: Ink) -> list[list[int]]:
    """Return the groups of strokes of a small page that may be digits."""
    if not 0 < len(ink.boxes) <= MAX_STROKES:
        return []
    return group_strokes(ink, _measure_height(ink))


def _check_strokes(ink: Ink) -> None:
    """Raise ValueError if a page has so many strokes that it takes too long to group them."""
    advice = "Crop the page to its digits or cut it into parts."
    if len(ink.boxes) > MAX_STROKES:
        raise ValueError(
            f"the page has {len(ink.boxes)} separate marks, more than the {MAX_STROKES} that are "
            f"looked at. {advice}"
        )
    covered = float(np.prod(ink.boxes[:, 2:] - ink.boxes[:, :2], axis=1).sum()) / ink.depth.size
    if covered > MAX_BOX_AREA:
        raise ValueError(
            f"the boxes around the {len(ink.boxes)} marks of the page overlap: together they are "
            f"{covered:.0f} times as large as the page, more than {MAX_BOX_AREA} times. {advice}"
        )


def _split_touching(ink: Ink, height: float) -> Ink:
    """Return the ink with strokes that are several digits wide cut at their valleys."""
    labels, boxes, areas = ink.labels.copy(), ink.boxes.tolist(), ink.areas.tolist()
    widths = ink.boxes[:, 3] - ink.boxes[:, 1]
    for i in np.flatnonzero(widths > MAX_WIDTH * height):
        top, left, bottom, right = boxes[i]
        view = labels[top:bottom, left:right]
        mask = view == i + 1
        tops, bottoms = find_ends(mask)
        parts, todo = [], [(0, right - left)]
        while todo:
            start, stop = todo.pop()
            cut = find_valley(tops[start:stop], bottoms[start:stop], height)
            if cut is None:
                parts.append((start, stop))
            else:
                todo += [(start + cut, stop), (start, start + cut)]
        for start, stop in parts:
            box = [top + int(tops[start:stop].min()), left + start]
            box += [top + int(bottoms[start:stop].max()), left + stop]
            area = float(mask[:, start:stop].sum())
            if start == 0:
                boxes[i], areas[i] = box, area
            else:
                boxes.append(box)
                areas.append(area)
                view[:, start:stop][mask[:, start:stop]] = len(boxes)
    return ink._replace(labels=labels, boxes=np.array(boxes), areas=np.array(areas))


def _order_in_lines(boxes: list[Box], height: float) -> list[list[int]]:
    """Return the lines of boxes from top to bottom, each from left to right.

    Each box continues the line whose last box is beside it, so that a line may slant.
    """
    lines: list[list[int]] = []
    grid = BoxGrid(height)
    for i in sorted(range(len(boxes)), key=lambda i: boxes[i][1]):
        box = boxes[i]
        rows = box[0], 0, box[2], 0

        def beside(number: int, box: Box = box) -> float:
            last = boxes[lines[number][-1]]
            smaller = min(box[2] - box[0], last[2] - last[0])
            return overlap(box, last, 0) / smaller

        best = max(grid.near(rows), key=beside, default=None)
        if best is None or beside(best) <= 0.35:
            best = len(lines)
            lines.append([])
        lines[best].append(i)
        grid.add(best, rows)
    middles = [np.mean([boxes[i][0] + boxes[i][2] for i in line]) for line in lines]
    return [lines[i] for i in np.argsort(middles)]


def _check_max_pixels(max_pixels: Any) -> None:
    if not isinstance(max_pixels, Integral) or int(max_pixels) < 1:
        raise ValueError(f"max_pixels={max_pixels!r} is no limit: it must be a positive int.")


def segment_digits(
    image: Any, *, ink: str = "auto", max_pixels: int = MAX_PIXELS
) -> list[DigitSegment]:
    """Return the digits of a page in reading order.

    Writing is found as :class:`DigitImageNormalizer` finds it, without ruled lines, specks and the
    edges of the page. Strokes above each other or nearly touching are joined into one digit. A
    wide stroke is cut where its outline narrows, as two digits that touch do. All writing is taken
    for digits of about the same height.

    The time that it takes grows in proportion to the pixels and to the strokes, which are the
    connected components of ink. There may be 5,000 of them.

    Parameters
    ----------
    image : array of shape (height, width[, 1, 3 or 4]), PIL.Image.Image, str, path-like or bytes
        The page.
    ink : {"auto", "dark", "light"}, default="auto"
        Whether the writing is darker or lighter than its ground; "auto" finds out for the page.
    max_pixels : int, default=40_000_000
        Largest width times height of the page. It protects the memory from hostile files: while
        a page is read, a pixel takes up to 20 bytes, besides up to 200 MB for its strokes.

    Returns
    -------
    list of DigitSegment
        Line by line from the top, each from left to right; empty if nothing is written.

    Raises
    ------
    ImageFileError
        If a file is not an image, is broken or too large.
    ValueError
        If `ink` or `max_pixels` is invalid, an array is not an image, or the page has more than
        5,000 strokes, or strokes that lie across each other all over the page.
    OSError
        If a file cannot be opened.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_digits import segment_digits
    >>> page = np.full((200, 300), 230, dtype=np.uint8)
    >>> page[50:110, 60:68] = page[54:114, 120:128] = page[140:190, 90:97] = 30  # three ones
    >>> [(digit.line, digit.box) for digit in segment_digits(page)]
    [(0, (50, 60, 110, 68)), (0, (54, 120, 114, 128)), (1, (140, 90, 190, 97))]
    """
    if not isinstance(ink, str) or ink not in ("auto", "dark", "light"):
        raise ValueError(f"ink={ink!r} is unknown: it must be 'auto', 'dark' or 'light'.")
    _check_max_pixels(max_pixels)
    picture = Picture.of(image, max_pixels)
    shape = picture.pixels.shape[:2]
    factor = math.ceil(max(shape) / OVERVIEW_PX)
    pixels = picture.read(factor)
    small = shrink(pixels, math.ceil(max(pixels.shape[:2]) / COLOUR_PX))
    window = max(WINDOW * max(small.shape[:2]), 20)
    page = find_writing(small, "auto" if picture.is_opacity else ink, window, _find_groups)
    brightness = page.conversion.convert(pixels)
    found = find_ink(brightness, max(WINDOW * max(brightness.shape), 20))
    if not len(found.boxes) or (height := _measure_height(found)) < MIN_HEIGHT_PX:
        return []
    _check_strokes(found)
    found = _split_touching(found, height)
    groups = [
        group
        for group in group_strokes(found, height)
        if found.is_sharp(group) and Shape.of(found.mask(group)[2]).is_a_digits
    ]
    boxes = [found.join(group) for group in groups]
    segments = []
    for number, line in enumerate(_order_in_lines(boxes, height)):
        for i in line:
            top, left, bottom, right = (edge * factor for edge in boxes[i])
            box = (top, left, min(bottom, shape[0]), min(right, shape[1]))
            segments.append(DigitSegment(box, number, frame(found.draw(groups[i]))))
    return segments
