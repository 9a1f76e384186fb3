"""Ink on paper: which pixels of a picture are writing, and how dark."""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import apply_hysteresis_threshold, threshold_otsu
from skimage.measure import label, regionprops
from skimage.transform import resize

from sk_digits._images.brightness import Floats, shrink
from sk_digits._images.ruled_lines import find_ruled_lines

Mask: TypeAlias = NDArray[np.bool_]
Box: TypeAlias = tuple[int, int, int, int]  # top, left, bottom, right; half-open

FAINTEST = 0.04  # of the paper's brightness: fainter marks are stains
LEAST_SIGNAL = 4.5  # of the noise's standard deviation
SOFT = 2  # pixels beyond the outline that may hold a trace of ink
SOFTEST = 0.1  # of a digit's longer side: a faint outline blurred further is that of a shadow
DARK = 0.5  # of the paper's brightness: marks this deep are ink though they be blurred as far as
SOFTEST_DARK = 0.35  # of their longer side, as small images that were enlarged are
SPECK = 0.01  # of the largest stroke's area
MARGIN = 0.08  # of the picture: what lies wholly this near a border may be the page's edge


class Ink(NamedTuple):
    """What is written on a picture.

    Attributes
    ----------
    depth : ndarray of shape (height, width)
        How much darker than the paper, from 0 to 1.
    noise : float
        Standard deviation of `depth` on blank paper.
    labels : ndarray of shape (height, width)
        0 for paper, i + 1 for the stroke of index i.
    boxes : list of tuple
        Bounding box of each connected stroke.
    areas : ndarray of shape (n_strokes,)
        Pixels of each stroke.
    """

    depth: Floats
    noise: float
    labels: NDArray[np.intp]
    boxes: list[Box]
    areas: NDArray[np.float64]

    def join(self, chosen: list[int]) -> Box:
        """Give the box around some strokes."""
        edges = np.array([self.boxes[i] for i in chosen])
        (top, left), (bottom, right) = edges[:, :2].min(axis=0), edges[:, 2:].max(axis=0)
        return int(top), int(left), int(bottom), int(right)

    def draw(self, chosen: list[int]) -> Floats:
        """Draw some strokes alone, cropped to them, with soft outlines: coverage from 0 to 1."""
        top, left, bottom, right = self.join(chosen)
        room = np.s_[max(0, top - SOFT) : bottom + SOFT, max(0, left - SOFT) : right + SOFT]
        labels, depth = self.labels[room], self.depth[room]
        kept = np.isin(labels, np.array(chosen) + 1)
        level = float(np.quantile(depth[kept], 0.75))
        # Large digits are drawn by their outline, small ones by their shades as well.
        steep = 0.3 * float(np.clip((max(bottom - top, right - left) - 28) / 72, 0, 1))
        low = max(3 * self.noise, steep * level)
        high = max((1 - steep) * level, 1.5 * low)
        strokes = np.clip((depth - low) / (high - low), 0, 1)
        reach = ndimage.binary_dilation(kept, np.ones((3, 3)), iterations=SOFT)
        return np.where(reach & (kept | (labels == 0)), strokes, 0).astype(np.float32)

    def is_sharp(self, chosen: list[int], blur: float) -> bool:
        """Tell writing from shadows, whose outlines are softer than writing's.

        `blur` is how many pixels the sharpest outline takes.
        """
        top, left, bottom, right = self.join(chosen)
        room = np.s_[max(0, top - 1) : bottom + 1, max(0, left - 1) : right + 1]
        kept, depth = np.isin(self.labels[room], np.array(chosen) + 1), self.depth[room]
        if min(depth.shape) < 2:
            return False
        outline = ndimage.binary_dilation(kept) & ~ndimage.binary_erosion(kept)
        slope = float(np.median(np.hypot(*np.gradient(depth))[outline]))
        level = float(np.quantile(depth[kept], 0.75))
        softest = SOFTEST if level < DARK else SOFTEST_DARK
        return slope * max(blur, softest * max(bottom - top, right - left)) > level


def measure_depth(brightness: Floats, window: float) -> tuple[Floats, float]:
    """Give how much darker than the paper around it each pixel is, and the noise in that.

    The paper is what remains when dark marks narrower than `window` pixels are closed over: light
    may fall unevenly, and edges of shadows stay where they are.
    """
    factor = max(1, max(brightness.shape) // 192)
    small = shrink(brightness, factor)
    if max(small.shape) > 100:  # in smaller pictures a stroke may be as small as a speck
        small = ndimage.median_filter(small, 3)
    size = int(window / factor) // 2 * 2 + 1
    paper = ndimage.grey_closing(small, (size, size))
    paper = ndimage.uniform_filter(paper, 3)
    paper = resize(paper, brightness.shape, order=1, mode="edge") if factor > 1 else paper
    # Noise lifts the closing above the paper's mean.
    bias = float(np.median(paper - brightness))
    paper = np.maximum(paper - bias, 0.25 * float(paper.max(initial=0)) + 1e-6)
    depth = 1 - brightness / paper
    # Three pixels apart, as the grain of paper and of JPEG is coarser than a pixel.
    differences = np.concatenate(
        [np.abs(depth[3:] - depth[:-3]).ravel(), np.abs(depth[:, 3:] - depth[:, :-3]).ravel(), [0]]
    )
    noise = float(np.median(differences)) * 1.4826 / math.sqrt(2)
    return np.clip(depth, 0, 1).astype(np.float32), noise


def _strokes(mask: Mask) -> tuple[NDArray[np.intp], list[Box], NDArray[np.float64]]:
    labels = label(mask, connectivity=2)
    regions = regionprops(labels)
    boxes = [region.bbox for region in regions]
    return labels, boxes, np.array([region.area for region in regions], dtype=np.float64)


def _is_page_edge(labels: NDArray[np.intp], number: int, box: Box) -> bool:
    """Tell whether a stroke lies along a border, as the edge of a page or its shadow does."""
    height, width = labels.shape
    top, left, bottom, right = box
    sides = {
        "top": (top == 0, bottom <= MARGIN * height, labels[0]),
        "bottom": (bottom == height, top >= (1 - MARGIN) * height, labels[-1]),
        "left": (left == 0, right <= MARGIN * width, labels[:, 0]),
        "right": (right == width, left >= (1 - MARGIN) * width, labels[:, -1]),
    }
    for touches, within, side in sides.values():
        if touches and (within or (side == number).mean() > 0.5):
            return True
    return sum(touches for touches, _, _ in sides.values()) > 2


def _without_lines(mask: Mask, marks: Mask) -> Mask:
    """Take ruled lines, seen best among all `marks`, out of a mask of ink."""
    lines = find_ruled_lines(marks)
    mask = mask & ~lines
    if not lines.any() or not mask.any():
        return mask
    labels, boxes, _ = _strokes(mask)
    beside = ndimage.binary_dilation(lines, np.ones((3, 3)), iterations=2)
    remnants = ndimage.mean(beside, labels, np.arange(len(boxes) + 1)) > 0.7
    remnants[0] = False
    return mask & ~remnants[labels]


def find_ink(brightness: Floats, window: float) -> Ink:
    """Find the strokes of dark writing.

    Parameters
    ----------
    brightness : ndarray of shape (height, width)
        From 0, black, to 1.
    window : float
        Pixels; wider than any stroke.

    Returns
    -------
    Ink
        Without specks, ruled lines and the page's edges; with no strokes if there are none.
    """
    depth, noise = measure_depth(brightness, window)
    if noise > 0.02:
        blurred = ndimage.gaussian_filter(brightness, min(1.5, 40 * noise))
        depth, noise = measure_depth(blurred, window)
    floor = max(FAINTEST, LEAST_SIGNAL * noise)
    marks = depth[depth > floor]
    for _ in range(3):
        if marks.size < 4:
            break
        threshold = max(floor, float(threshold_otsu(marks))) if np.ptp(marks) > 1e-3 else floor
        mask = apply_hysteresis_threshold(depth, max(floor, 0.7 * threshold), threshold)
        # Lines are fainter than ink as a rule, and found whole only where faint marks count.
        mask = _without_lines(mask, depth > max(floor, 0.4 * threshold))
        labels, boxes, areas = _strokes(mask)
        edges = [_is_page_edge(labels, i + 1, box) for i, box in enumerate(boxes)]
        keep = ~np.array(edges, dtype=np.bool_)
        if keep.any():
            keep &= areas >= SPECK * areas[keep].max()
            number = np.concatenate([[0], np.where(keep, np.cumsum(keep), 0)])
            kept = [box for box, stays in zip(boxes, keep, strict=True) if stays]
            return Ink(depth, noise, number[labels], kept, areas[keep])
        # What stood out was a page's edge or lines; writing may be fainter.
        marks = marks[marks < threshold]
    return Ink(depth, noise, np.zeros(depth.shape, np.intp), [], np.zeros(0))
