"""`Ink`: which pixels of a picture are writing, and how dark they are."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import apply_hysteresis_threshold, threshold_otsu

from sk_digits._images.picture import shrink
from sk_digits._images.ruled_lines import find_ruled_lines
from sk_digits._images.strokes import find_strokes
from sk_digits._images.surroundings import find_frames, find_surroundings

Indices: TypeAlias = list[int] | NDArray[np.intp]  # of strokes
Box: TypeAlias = tuple[int, int, int, int]  # top, left, bottom, right; half-open

# Depth of ink is how much darker it is than the paper, as a fraction of the paper's brightness.
MIN_DEPTH = 0.04  # fainter marks are stains
MIN_DEPTH_IN_NOISE = 4.5  # in standard deviations of the noise
# Depth of the faint parts of a stroke, in depths of what is ink without doubt; and in small
# pictures, where a stroke may be narrower than a pixel.
MIN_FAINT = 0.7
MIN_FAINT_SMALL = 0.5
SOFT_PX = 2  # pixels beyond the outline that may hold a trace of ink
SHARP_PX = 2.5  # width of a sharp outline
# The width of an outline, in longer sides of the digit; softer outlines are those of shadows.
MAX_SOFTNESS = 0.7  # for each unit of depth, as blurred writing is darker than shadows
BLURRED = 0.12  # softer outlines are sharpened
SOFTNESS = 0.1, 0.35  # whatever the depth
MAX_SPECK_AREA = 0.01  # in areas of the largest stroke
MIN_BAR_ASPECT = 8  # length of a line's part between two others, in widths
PAPER_PX = 192  # longer side of the picture in which the paper is looked for


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

    def join(self, chosen: Indices) -> Box:
        """Return the box around the chosen strokes."""
        edges = self.boxes[chosen]
        (top, left), (bottom, right) = edges[:, :2].min(axis=0), edges[:, 2:].max(axis=0)
        return int(top), int(left), int(bottom), int(right)

    def size(self, chosen: Indices) -> int:
        """Return the longer side of the box around the chosen strokes."""
        top, left, bottom, right = self.join(chosen)
        return max(bottom - top, right - left)

    def keep(self, kept: NDArray[np.bool_]) -> Self:
        """Return the ink with some of its strokes alone."""
        number = np.concatenate([[0], np.where(kept, np.cumsum(kept), 0)])
        return self._replace(
            labels=number[self.labels], boxes=self.boxes[kept], areas=self.areas[kept]
        )

    def within(self, region: NDArray[np.bool_]) -> Self:
        """Return the ink in a region alone, without the strokes that are mostly outside."""
        inside = self.labels * region
        kept = np.bincount(inside.ravel(), minlength=len(self.areas) + 1)[1:] > 0.5 * self.areas
        labels, boxes, areas = find_strokes(np.isin(inside, np.flatnonzero(kept) + 1))
        return self._replace(labels=labels, boxes=boxes, areas=areas)

    def mask(self, chosen: Indices, margin: int = 0) -> tuple[slice, slice, NDArray[np.bool_]]:
        """Return the rows, the columns and the pixels of strokes in their box with a margin."""
        top, left, bottom, right = self.join(chosen)
        rows = slice(max(0, top - margin), bottom + margin)
        columns = slice(max(0, left - margin), right + margin)
        return rows, columns, np.isin(self.labels[rows, columns], np.array(chosen) + 1)

    def _measure_outline(self, chosen: Indices) -> tuple[float, float]:
        """Return the depth of the chosen strokes, and the width of their outline in pixels."""
        rows, columns, kept = self.mask(chosen, 1)
        depth = self.depth[rows, columns]
        level = float(np.quantile(depth[kept], 0.75))
        if min(depth.shape) < 2:
            return level, math.inf
        outline = ndimage.binary_dilation(kept) & ~ndimage.binary_erosion(kept)
        slope = float(np.median(np.hypot(*np.gradient(depth))[outline]))
        return level, level / max(slope, 1e-9)

    def draw(self, chosen: Indices, zoom: float = 1.0) -> NDArray[np.float32]:
        """Return the coverage, from 0 to 1, of the chosen strokes alone, cropped to them.

        `zoom` is how much the picture was enlarged before its ink was found.
        """
        reach = SOFT_PX * math.ceil(zoom)
        rows, columns, kept = self.mask(chosen, reach)
        labels, depth = self.labels[rows, columns], self.depth[rows, columns]
        level, softness = self._measure_outline(chosen)
        size = self.size(chosen)
        if softness > max(SHARP_PX * zoom, BLURRED * size):  # strokes have run into each other
            depth = 2 * depth - ndimage.gaussian_filter(depth, softness / 2)
            level = float(np.quantile(depth[kept], 0.75))
        # Large digits are drawn by their outline, small ones by their shades of grey too.
        steep = 0.3 * float(np.clip((size / zoom - 28) / 72, 0, 1))
        low = max(3 * self.noise, steep * level)
        high = max((1 - steep) * level, 1.5 * low)
        strokes = np.clip((depth - low) / (high - low), 0, 1)
        near = ndimage.binary_dilation(kept, np.ones((3, 3)), iterations=reach)
        return np.where(near & (kept | (labels == 0)), strokes, 0).astype(np.float32)

    def is_sharp(self, chosen: Indices, zoom: float = 1.0) -> bool:
        """Return whether the chosen strokes have sharp outlines, unlike shadows.

        `zoom` is how much the picture was enlarged before its ink was found.
        """
        level, softness = self._measure_outline(chosen)
        most = float(np.clip(MAX_SOFTNESS * level, *SOFTNESS)) * self.size(chosen)
        return softness < max(SHARP_PX * zoom, most)


def find_steps(values: NDArray[np.float32], lag: int) -> NDArray[np.floating[Any]]:
    """Return the differences, without sign, of all pixels that are `lag` pixels apart."""
    down, across = values[lag:] - values[:-lag], values[:, lag:] - values[:, :-lag]
    return np.abs(np.concatenate([down.ravel(), across.ravel(), [0]]))


def _sort(*three: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
    """Return three arrays sorted element by element."""
    low, high = np.minimum(three[0], three[1]), np.maximum(three[0], three[1])
    middle, high = np.minimum(high, three[2]), np.maximum(high, three[2])
    return np.minimum(low, middle), np.maximum(low, middle), high


def _median_of_nine(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``ndimage.median_filter(values, 3)``, in a tenth of its time.

    With sorted rows it is the median of the largest minimum, the middle one of the middles, and
    the smallest maximum: A. W. Paeth, "Median finding on a 3 x 3 grid", Graphics Gems, 1990.
    """
    wide = np.pad(values, 1, mode="symmetric")
    low, middle, high = _sort(wide[:, :-2], wide[:, 1:-1], wide[:, 2:])
    return _sort(
        np.maximum(np.maximum(low[:-2], low[1:-1]), low[2:]),
        _sort(middle[:-2], middle[1:-1], middle[2:])[1],
        np.minimum(np.minimum(high[:-2], high[1:-1]), high[2:]),
    )[1]


def _measure_depth(
    brightness: NDArray[np.float32], window: float
) -> tuple[NDArray[np.float32], float, float]:
    """Return how much darker than the paper each pixel is, the noise of that, and the paper.

    The paper is found by a morphological closing over dark marks narrower than `window` pixels. It
    follows uneven light and keeps the edges of shadows. Beyond the borders is paper.
    """
    factor = max(1, max(brightness.shape) // PAPER_PX)
    small = shrink(brightness, factor)
    if max(small.shape) > 100:  # in a smaller one a stroke may be as small as a speck
        small = _median_of_nine(small)
    size = int(window / factor) // 2 * 2 + 1
    paper = ndimage.maximum_filter(small, size, mode="constant", cval=1.0)
    paper = ndimage.minimum_filter(paper, size, mode="constant", cval=1.0)
    # No paper is brighter than the brightest pixel near.
    paper = np.minimum(paper, ndimage.maximum_filter(small, 2 * size + 1))
    paper = ndimage.uniform_filter(paper, 3)
    if factor > 1:
        zoom = [side / part for side, part in zip(brightness.shape, paper.shape, strict=True)]
        paper = ndimage.zoom(paper, zoom, order=1, mode="nearest", grid_mode=True)
    # Noise lifts the closing above the mean of the paper.
    bias = float(np.median(paper - brightness))
    bias = bias if bias < 0.1 else 0.0
    paper = np.maximum(paper - bias, 0.25 * float(paper.max(initial=0)) + 1e-6)
    depth = 1 - brightness / paper
    # Three pixels apart, as the grain of paper and of JPEG is coarser than a pixel.
    noise = float(np.median(find_steps(depth, 3))) * 1.4826 / math.sqrt(2)
    return np.clip(depth, 0, 1).astype(np.float32), noise, float(np.median(paper))


def _remove_lines(mask: NDArray[np.bool_], marks: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a mask of ink without ruled lines, which are looked for among all `marks`."""
    lines = find_ruled_lines(marks)
    rest = mask & ~lines
    if not lines.any() or not rest.any():
        return rest
    labels, boxes, areas = find_strokes(rest)
    beside = ndimage.binary_dilation(lines, np.ones((3, 3)), iterations=2)
    remnants = ndimage.mean(beside, labels, np.arange(1, len(boxes) + 1)) > 0.7
    # The bars between two lines of a table are found in the frames that they make.
    tall, wide = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    bars = np.flatnonzero(areas > MIN_BAR_ASPECT * np.minimum(tall, wide) ** 2)
    frames = None
    for i in bars[np.maximum(tall, wide)[bars] > MIN_BAR_ASPECT * np.minimum(tall, wide)[bars]]:
        top, left, bottom, right = boxes[i]
        ends = beside[top:bottom, left:right]
        ends = ends if tall[i] > wide[i] else ends.T
        if ends[0].any() and ends[-1].any():
            frames = find_frames(*find_strokes(mask)[:2]) if frames is None else frames
            remnants[i] |= frames[top:bottom, left:right][
                labels[top:bottom, left:right] == i + 1
            ].all()
    return rest & ~np.concatenate([[False], remnants])[labels]


def find_ink(
    brightness: NDArray[np.float32], window: float, small_noise: float | None = None
) -> Ink:
    """Return the strokes of dark writing.

    Parameters
    ----------
    brightness : ndarray of shape (height, width)
        From 0, black, to 1.
    window : float
        A width in pixels that exceeds that of any stroke.
    small_noise : float, default=None
        Standard deviation of the brightness of paper in a small picture, measured before it was
        enlarged. None for other pictures, whose noise is measured here.

    Returns
    -------
    Ink
        Without specks, ruled lines and what surrounds the writing; it may have no strokes.
    """
    depth, measured, paper = _measure_depth(brightness, window)
    if measured > 0.02:
        blurred = ndimage.gaussian_filter(brightness, min(1.5, 40 * measured))
        depth, measured, paper = _measure_depth(blurred, window)
    noise = max((small_noise or 0.0) / paper, measured)
    floor = max(MIN_DEPTH, MIN_DEPTH_IN_NOISE * noise)
    faint = MIN_FAINT if small_noise is None else MIN_FAINT_SMALL
    marks = depth[depth > floor]
    for _ in range(3):
        if marks.size < 4:
            break
        threshold = max(floor, float(threshold_otsu(marks))) if np.ptp(marks) > 1e-3 else floor
        mask = apply_hysteresis_threshold(depth, max(floor, faint * threshold), threshold)
        # Lines are usually fainter than ink, and are whole only if faint marks count too.
        mask = _remove_lines(mask, depth > max(floor, 0.4 * threshold))
        ink = Ink(depth, noise, *find_strokes(mask))
        keep = ~find_surroundings(ink.labels, ink.boxes, ink.areas)
        if keep.any():
            return ink.keep(keep & (ink.areas >= MAX_SPECK_AREA * ink.areas[keep].max()))
        # Only the edges of a page or lines stood out; writing may be fainter.
        marks = marks[marks < threshold]
    return Ink(depth, noise, *find_strokes(np.zeros(depth.shape, np.bool_)))
