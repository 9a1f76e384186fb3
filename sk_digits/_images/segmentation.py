"""`segment_digits`: a page of digits, cut into single ones."""

from __future__ import annotations

import math
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sk_digits._images.grey_conversion import GreyConversion
from sk_digits._images.image_files import MAX_PIXELS
from sk_digits._images.ink import Box, Ink, find_ink
from sk_digits._images.mnist_frame import frame
from sk_digits._images.picture import as_picture

OVERVIEW_PX = 1600  # longer side of the page in which writing is looked for
WINDOW = 0.15  # of the longer side of the page; no stroke is as wide
MIN_HEIGHT_PX = 8  # of writing that can be read
# All in heights of the writing:
MIN_DIGIT = 0.4  # height or width of a digit; smaller groups of strokes are specks
MAX_PIECE = 0.65  # height of a stroke that may be a piece of a digit
MAX_SPECK = 0.12  # height or width
MAX_GAP = 0.1  # between a digit and its piece
MAX_WIDTH = 1.3  # of one digit; wider strokes may be two digits that touch


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
    """Return the median height of strokes, weighted by area so that specks hardly count."""
    heights = np.array([bottom - top for top, _, bottom, _ in ink.boxes], dtype=np.float64)
    order = np.argsort(heights)
    share = np.cumsum(ink.areas[order]) / ink.areas.sum()
    return float(heights[order][np.searchsorted(share, 0.5)])


def _find_valley(mask: NDArray[np.bool_], height: float) -> int | None:
    """Return the column where two digits touch; None if the mask is one digit."""
    width = mask.shape[1]
    edge = int(0.4 * height)
    if width <= max(MAX_WIDTH * max(height, 0.9 * mask.shape[0]), 2 * edge + 1):
        return None
    # From the top of the ink to its bottom: the middle of a 0 has less ink than its flanks.
    extent = mask.shape[0] - mask.argmax(axis=0) - mask[::-1].argmax(axis=0)
    smooth = ndimage.uniform_filter1d(extent.astype(np.float64), max(1, int(0.05 * height)))
    cut = int(smooth[edge:-edge].argmin()) + edge
    sides = [mask[:, :cut], mask[:, cut:]]
    tall = all(np.ptp(np.flatnonzero(side.any(axis=1))) > MAX_PIECE * height for side in sides)
    peaks = min(smooth[:cut].max(), smooth[cut:].max())
    return cut if tall and smooth[cut] < 0.6 * peaks else None


def _split_touching(ink: Ink, height: float) -> Ink:
    """Return the ink with strokes that are several digits wide cut at their valleys."""
    labels, boxes, areas = ink.labels.copy(), list(ink.boxes), list(ink.areas)
    i = 0
    while i < len(boxes):
        top, left, bottom, right = boxes[i]
        view = labels[top:bottom, left:right]
        mask = view == i + 1
        cut = _find_valley(mask, height)
        if cut is None:
            i += 1
            continue
        beyond = mask & (np.arange(mask.shape[1]) >= cut)
        boxes.append(boxes[i])
        areas.append(0.0)
        view[beyond] = len(boxes)
        for number, part in ((i, mask & ~beyond), (len(boxes) - 1, beyond)):
            rows, columns = (np.flatnonzero(part.any(axis=axis)) for axis in (1, 0))
            boxes[number] = (
                top + int(rows[0]),
                left + int(columns[0]),
                top + int(rows[-1]) + 1,
                left + int(columns[-1]) + 1,
            )
            areas[number] = float(part.sum())
    return ink._replace(labels=labels, boxes=boxes, areas=np.array(areas))


def _overlap(a: Box, b: Box, axis: int) -> float:
    """Return by how much two boxes overlap along an axis; negative for a gap."""
    return min(a[axis + 2], b[axis + 2]) - max(a[axis], b[axis])


def _belong(ink: Ink, a: list[int], b: list[int], height: float) -> bool:
    """Return whether two groups of strokes are pieces of one digit."""
    box, other = ink.join(a), ink.join(b)
    across, down = _overlap(box, other, 1), _overlap(box, other, 0)
    whole = ink.join(a + b)
    if down < -0.35 * height or whole[2] - whole[0] > 1.5 * height:
        return False
    smaller = min(box[2] - box[0], other[2] - other[0])
    if smaller >= MAX_PIECE * height and down > 0.5 * smaller:
        return False  # two digits side by side, one of which leans over the other
    narrower = min(box[3] - box[1], other[3] - other[1])
    if across > 0.5 * narrower:
        return True
    near = np.hypot(min(across, 0), min(down, 0)) <= MAX_GAP * height
    fits = whole[3] - whole[1] <= MAX_WIDTH * height
    return bool(near and fits and smaller < MAX_PIECE * height)


def _group_strokes(ink: Ink, height: float) -> list[list[int]]:
    """Return the groups of strokes that are digits, without specks."""
    sizes = [max(bottom - top, right - left) for top, left, bottom, right in ink.boxes]
    large_first = sorted(range(len(sizes)), key=lambda i: -ink.areas[i])
    groups: list[list[int]] = []
    for i in large_first:
        if sizes[i] < MAX_SPECK * height:
            continue
        near = [group for group in groups if _belong(ink, group, [i], height)]
        if near:
            joined = sum(near, [i])
            groups = [group for group in groups if group not in near]
            groups.append(joined)
        else:
            groups.append([i])
    tall = []
    for group in groups:
        top, left, bottom, right = ink.join(group)
        if max(bottom - top, right - left) > MIN_DIGIT * height and ink.is_sharp(group):
            tall.append(group)
    return tall


def _order_in_lines(boxes: list[Box]) -> list[list[int]]:
    """Return the lines of boxes from top to bottom, each from left to right.

    Each box continues the line whose last box is beside it, so that a line may slant.
    """
    lines: list[list[int]] = []
    for i in sorted(range(len(boxes)), key=lambda i: boxes[i][1]):
        box = boxes[i]

        def beside(line: list[int], box: Box = box) -> float:
            last = boxes[line[-1]]
            smaller = min(box[2] - box[0], last[2] - last[0])
            return _overlap(box, last, 0) / smaller

        best = max(lines, key=beside, default=None)
        if best is not None and beside(best) > 0.35:
            best.append(i)
        else:
            lines.append([i])
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

    Parameters
    ----------
    image : array of shape (height, width[, 1, 3 or 4]), PIL.Image.Image, str, path-like or bytes
        The page.
    ink : {"auto", "dark", "light"}, default="auto"
        Whether the writing is darker or lighter than its ground; "auto" finds out for the page.
    max_pixels : int, default=40_000_000
        Largest width times height of the page. It protects the memory from hostile files.

    Returns
    -------
    list of DigitSegment
        Line by line from the top, each from left to right; empty if nothing is written.

    Raises
    ------
    ImageFileError
        If a file is not an image, is broken or too large.
    ValueError
        If `ink` or `max_pixels` is invalid, or an array is not an image.
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
    picture = as_picture(image, max_pixels)
    shape = picture.pixels.shape[:2]
    factor = math.ceil(max(shape) / OVERVIEW_PX)
    page = GreyConversion.choose(picture, factor, ink).convert(picture, factor)
    found = find_ink(page, max(WINDOW * max(page.shape), 20))
    if not found.boxes or (height := _measure_height(found)) < MIN_HEIGHT_PX:
        return []
    found = _split_touching(found, height)
    groups = _group_strokes(found, height)
    boxes = [found.join(group) for group in groups]
    segments = []
    for number, line in enumerate(_order_in_lines(boxes)):
        for i in line:
            top, left, bottom, right = (edge * factor for edge in boxes[i])
            box = (top, left, min(bottom, shape[0]), min(right, shape[1]))
            segments.append(DigitSegment(box, number, frame(found.draw(groups[i]))))
    return segments
