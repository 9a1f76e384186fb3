"""`Ink`: which pixels of a picture are writing, and how dark they are."""

from __future__ import annotations

import math
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import apply_hysteresis_threshold, threshold_otsu
from skimage.transform import resize

from sk_digits._images.picture import shrink
from sk_digits._images.ruled_lines import find_ruled_lines
from sk_digits._images.strokes import find_strokes

Box: TypeAlias = tuple[int, int, int, int]  # top, left, bottom, right; half-open

# Depth of ink is how much darker it is than the paper, as a fraction of the paper's brightness.
MIN_DEPTH = 0.04  # fainter marks are stains
MIN_DEPTH_IN_NOISE = 4.5  # in standard deviations of the noise
DARK_DEPTH = 0.5  # marks this deep are ink even if they are blurred
SOFT_PX = 2  # pixels beyond the outline that may hold a trace of ink
SHARP_PX = 2.5  # width of a sharp outline
# The width of an outline, in longer sides of the digit; softer outlines are those of shadows.
MAX_SOFTNESS = 0.1
MAX_DARK_SOFTNESS = 0.35  # of dark marks, for small images that were enlarged
MAX_SPECK_AREA = 0.01  # in areas of the largest stroke
MAX_EDGE_WIDTH = 0.08  # of the picture; the edge of a page lies within this much of a border


class Ink(NamedTuple):
    """The writing on a picture. A stroke is a connected component of ink.

    Attributes
    ----------
    depth : ndarray of shape (height, width)
        How much darker than the paper, from 0 to 1.
    noise : float
        Standard deviation of `depth` on blank paper.
    labels : ndarray of shape (height, width)
        0 for paper, i + 1 for the stroke of index i.
    boxes : ndarray of shape (n_strokes, 4)
        Bounding box of each stroke: top, left, bottom, right; half-open.
    areas : ndarray of shape (n_strokes,)
        Number of pixels of each stroke.
    """

    depth: NDArray[np.float32]
    noise: float
    labels: NDArray[np.intp]
    boxes: NDArray[np.intp]
    areas: NDArray[np.float64]

    def join(self, chosen: list[int]) -> Box:
        """Return the box around the chosen strokes."""
        edges = self.boxes[chosen]
        (top, left), (bottom, right) = edges[:, :2].min(axis=0), edges[:, 2:].max(axis=0)
        return int(top), int(left), int(bottom), int(right)

    def draw(self, chosen: list[int]) -> NDArray[np.float32]:
        """Return the coverage, from 0 to 1, of the chosen strokes alone, cropped to them."""
        top, left, bottom, right = self.join(chosen)
        room = np.s_[
            max(0, top - SOFT_PX) : bottom + SOFT_PX, max(0, left - SOFT_PX) : right + SOFT_PX
        ]
        labels, depth = self.labels[room], self.depth[room]
        kept = np.isin(labels, np.array(chosen) + 1)
        level = float(np.quantile(depth[kept], 0.75))
        # Large digits are drawn by their outline, small ones by their shades of grey too.
        steep = 0.3 * float(np.clip((max(bottom - top, right - left) - 28) / 72, 0, 1))
        low = max(3 * self.noise, steep * level)
        high = max((1 - steep) * level, 1.5 * low)
        strokes = np.clip((depth - low) / (high - low), 0, 1)
        reach = ndimage.binary_dilation(kept, np.ones((3, 3)), iterations=SOFT_PX)
        return np.where(reach & (kept | (labels == 0)), strokes, 0).astype(np.float32)

    def is_sharp(self, chosen: list[int], sharp_px: float = SHARP_PX) -> bool:
        """Return whether the chosen strokes have sharp outlines, unlike shadows.

        `sharp_px` is the width of a sharp outline in pixels.
        """
        top, left, bottom, right = self.join(chosen)
        room = np.s_[max(0, top - 1) : bottom + 1, max(0, left - 1) : right + 1]
        kept, depth = np.isin(self.labels[room], np.array(chosen) + 1), self.depth[room]
        if min(depth.shape) < 2:
            return False
        outline = ndimage.binary_dilation(kept) & ~ndimage.binary_erosion(kept)
        slope = float(np.median(np.hypot(*np.gradient(depth))[outline]))
        level = float(np.quantile(depth[kept], 0.75))
        softness = MAX_SOFTNESS if level < DARK_DEPTH else MAX_DARK_SOFTNESS
        return slope * max(sharp_px, softness * max(bottom - top, right - left)) > level


def _measure_depth(
    brightness: NDArray[np.float32], window: float
) -> tuple[NDArray[np.float32], float]:
    """Return how much darker than the paper around it each pixel is, and the noise of that.

    The paper is found by a morphological closing over dark marks narrower than `window` pixels. It
    follows uneven light and keeps the edges of shadows.
    """
    factor = max(1, max(brightness.shape) // 192)
    small = shrink(brightness, factor)
    if max(small.shape) > 100:  # in a smaller one a stroke may be as small as a speck
        small = ndimage.median_filter(small, 3)
    size = int(window / factor) // 2 * 2 + 1
    paper = ndimage.grey_closing(small, (size, size))
    paper = ndimage.uniform_filter(paper, 3)
    paper = resize(paper, brightness.shape, order=1, mode="edge") if factor > 1 else paper
    # Noise lifts the closing above the mean of the paper.
    bias = float(np.median(paper - brightness))
    paper = np.maximum(paper - bias, 0.25 * float(paper.max(initial=0)) + 1e-6)
    depth = 1 - brightness / paper
    # Three pixels apart, as the grain of paper and of JPEG is coarser than a pixel.
    differences = np.concatenate(
        [np.abs(depth[3:] - depth[:-3]).ravel(), np.abs(depth[:, 3:] - depth[:, :-3]).ravel(), [0]]
    )
    noise = float(np.median(differences)) * 1.4826 / math.sqrt(2)
    return np.clip(depth, 0, 1).astype(np.float32), noise


def _are_page_edges(labels: NDArray[np.intp], boxes: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return whether strokes lie along a border, as the edge of a page or its shadow does."""
    height, width = labels.shape
    top, left, bottom, right = boxes.T
    sides = [
        (top == 0, bottom <= MAX_EDGE_WIDTH * height, labels[0]),
        (bottom == height, top >= (1 - MAX_EDGE_WIDTH) * height, labels[-1]),
        (left == 0, right <= MAX_EDGE_WIDTH * width, labels[:, 0]),
        (right == width, left >= (1 - MAX_EDGE_WIDTH) * width, labels[:, -1]),
    ]
    edges = np.sum([touches for touches, _, _ in sides], axis=0) > 2
    for touches, within, side in sides:
        share = np.bincount(side, minlength=len(top) + 1)[1:] / len(side)
        edges |= touches & (within | (share > 0.5))
    return edges


def _remove_lines(mask: NDArray[np.bool_], marks: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a mask of ink without ruled lines, which are looked for among all `marks`."""
    lines = find_ruled_lines(marks)
    mask = mask & ~lines
    if not lines.any() or not mask.any():
        return mask
    labels, boxes, _ = find_strokes(mask)
    beside = ndimage.binary_dilation(lines, np.ones((3, 3)), iterations=2)
    remnants = ndimage.mean(beside, labels, np.arange(len(boxes) + 1)) > 0.7
    remnants[0] = False
    return mask & ~remnants[labels]


def find_ink(brightness: NDArray[np.float32], window: float) -> Ink:
    """Return the strokes of dark writing.

    Parameters
    ----------
    brightness : ndarray of shape (height, width)
        From 0, black, to 1.
    window : float
        A width in pixels that exceeds that of any stroke.

    Returns
    -------
    Ink
        Without specks, ruled lines and the edges of the page; it may have no strokes.
    """
    depth, noise = _measure_depth(brightness, window)
    if noise > 0.02:
        blurred = ndimage.gaussian_filter(brightness, min(1.5, 40 * noise))
        depth, noise = _measure_depth(blurred, window)
    floor = max(MIN_DEPTH, MIN_DEPTH_IN_NOISE * noise)
    marks = depth[depth > floor]
    for _ in range(3):
        if marks.size < 4:
            break
        threshold = max(floor, float(threshold_otsu(marks))) if np.ptp(marks) > 1e-3 else floor
        mask = apply_hysteresis_threshold(depth, max(floor, 0.7 * threshold), threshold)
        # Lines are usually fainter than ink, and are whole only if faint marks count too.
        mask = _remove_lines(mask, depth > max(floor, 0.4 * threshold))
        labels, boxes, areas = find_strokes(mask)
        keep = ~_are_page_edges(labels, boxes)
        if keep.any():
            keep &= areas >= MAX_SPECK_AREA * areas[keep].max()
            number = np.concatenate([[0], np.where(keep, np.cumsum(keep), 0)])
            return Ink(depth, noise, number[labels], boxes[keep], areas[keep])
        # Only the edges of a page or lines stood out; writing may be fainter.
        marks = marks[marks < threshold]
    return Ink(depth, noise, np.zeros(depth.shape, np.intp), np.zeros((0, 4), np.intp), np.zeros(0))
