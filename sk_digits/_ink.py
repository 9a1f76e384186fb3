"""Ink on paper: which pixels of a picture are writing, and how dark."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.measure import label, regionprops
from skimage.transform import resize

from sk_digits._ruled_lines import find_ruled_lines

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Box = tuple[int, int, int, int]  # top, left, bottom, right; half-open

FAINTEST = 0.04  # of the paper's brightness: fainter marks are stains
LEAST_SIGNAL = 6.0  # of the noise's standard deviation
SPECK = 0.01  # of the largest stroke's area
MARGIN = 0.08  # of the picture: what lies wholly this near a border may be the page's edge


class Ink(NamedTuple):
    """What is written on a picture.

    Attributes
    ----------
    depth : ndarray of shape (height, width)
        How much darker than the paper (for light ink, lighter), from 0 to 1.
    noise : float
        Standard deviation of `depth` on blank paper.
    labels : ndarray of shape (height, width)
        0 for paper, i for the i-th connected stroke.
    boxes : list
        Bounding box of each stroke.
    areas : ndarray of shape (n_strokes,)
        Pixels of each stroke.
    """

    depth: Floats
    noise: float
    labels: NDArray[np.intp]
    boxes: list[Box]
    areas: NDArray[np.float64]


def shrink(picture: NDArray[Any], factor: int) -> NDArray[Any]:
    """Average blocks of `factor` x `factor` pixels; blocks at the far borders may be smaller."""
    if factor == 1:
        return picture
    if picture.ndim == 3:
        return np.dstack([shrink(picture[..., i], factor) for i in range(picture.shape[2])])
    return np.asarray(Image.fromarray(np.ascontiguousarray(picture)).reduce(factor))


def find_colour_axis(picture: Floats) -> Floats:
    """Give the direction in (red, green, blue) along which ink and paper differ most.

    Returns
    -------
    ndarray of shape (3,)
        Absolute values sum to 1. All positive, but where ink and paper are about equally bright.
    """
    small = shrink(picture, math.ceil(max(picture.shape) / 64))
    size = max(3, max(small.shape) // 2)
    paper = np.dstack([ndimage.median_filter(small[..., i], size) for i in range(3)])
    residual = (small - paper).reshape(-1, 3).astype(np.float64)
    # Squared weights: few pixels of ink outweigh many of slightly uneven paper.
    weighted = residual * np.linalg.norm(residual, axis=1, keepdims=True)
    axis = np.linalg.eigh(weighted.T @ weighted)[1][:, -1]
    axis *= 1 if axis.sum() >= 0 else -1
    if axis[axis < 0].sum() > -0.35 * np.abs(axis).sum():
        axis = np.maximum(axis, 0)
    return (axis / np.abs(axis).sum()).astype(np.float32)


def merge_colours(picture: Floats, axis: Floats) -> Floats:
    """Project colours on an axis, as brightness from 0 to 1."""
    return picture @ axis - axis[axis < 0].sum()


def ink_is_light(brightness: Floats) -> bool:
    """Tell whether the writing is lighter than its ground.

    Ink is the minority that departs from the ground's local level; where a thick digit fills its
    picture, the level along the borders says what the ground is.
    """
    small = shrink(brightness, math.ceil(max(brightness.shape) / 64))
    size = max(3, max(small.shape) // 2)
    residual = small - ndimage.median_filter(small, size)
    inner = float((residual.astype(np.float64) ** 3).sum())
    ring = np.concatenate([small[0], small[-1], small[:, 0], small[:, -1]])
    outer = small.mean(dtype=np.float64) - np.median(ring)
    spread = float(small.std()) or 1.0
    return float(np.cbrt(inner / small.size)) / spread + outer / spread > 0


def measure_depth(brightness: Floats, window: float) -> tuple[Floats, float]:
    """Give how much darker than the paper around it each pixel is, and the noise in that.

    The paper is what remains when dark marks narrower than `window` pixels are closed over: light
    may fall unevenly, and edges of shadows stay where they are.
    """
    factor = max(1, max(brightness.shape) // 192)
    small = ndimage.median_filter(shrink(brightness, factor), 3)
    size = int(window / factor) // 2 * 2 + 1
    paper = ndimage.grey_closing(small, (size, size))
    paper = ndimage.uniform_filter(paper, 3)
    paper = resize(paper, brightness.shape, order=1, mode="edge") if factor > 1 else paper
    # Noise lifts the closing above the paper's mean.
    bias = float(np.median(paper - brightness))
    paper = np.maximum(paper - bias, 0.25 * float(paper.max(initial=0)) + 1e-6)
    depth = 1 - brightness / paper
    differences = np.concatenate(
        [np.abs(np.diff(depth, axis=axis)).ravel() for axis in (0, 1)] + [np.zeros(1)]
    )
    noise = float(np.median(differences)) * 1.4826 / math.sqrt(2)
    return np.clip(depth, 0, 1).astype(np.float32), noise


def _strokes(mask: Mask) -> tuple[NDArray[np.intp], list[Box], NDArray[np.float64]]:
    labels = label(mask, connectivity=2)
    regions = regionprops(labels)
    boxes = [region.bbox for region in regions]
    return labels, boxes, np.array([region.area for region in regions], dtype=np.float64)


def _is_page_edge(mask: Mask, box: Box, shape: tuple[int, int]) -> bool:
    """Tell whether a stroke lies along a border, as the edge of a page or its shadow does."""
    height, width = shape
    top, left, bottom, right = box
    sides = {
        "top": (top == 0, bottom <= MARGIN * height, mask[0]),
        "bottom": (bottom == height, top >= (1 - MARGIN) * height, mask[-1]),
        "left": (left == 0, right <= MARGIN * width, mask[:, 0]),
        "right": (right == width, left >= (1 - MARGIN) * width, mask[:, -1]),
    }
    for touches, within, side in sides.values():
        if touches and (within or side.mean() > 0.5):
            return True
    return sum(touches for touches, _, _ in sides.values()) > 2


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
    floor = max(FAINTEST, LEAST_SIGNAL * noise)
    marks = depth[depth > floor]
    nothing = Ink(depth, noise, np.zeros(depth.shape, np.intp), [], np.zeros(0))
    for _ in range(3):
        if marks.size < 4:
            return nothing
        threshold = max(floor, float(threshold_otsu(marks))) if np.ptp(marks) > 1e-3 else floor
        mask = depth > threshold
        mask &= ~find_ruled_lines(mask)
        labels, boxes, areas = _strokes(mask)
        keep = [not _is_page_edge(labels == i + 1, box, depth.shape) for i, box in enumerate(boxes)]
        if any(keep):
            keep = np.array(keep)
            keep &= areas >= SPECK * areas[keep].max()
        if any(keep):
            break
        marks = marks[marks < threshold]
    else:
        return nothing
    number = np.concatenate([[0], np.where(keep, np.cumsum(keep), 0)])
    return Ink(
        depth,
        noise,
        number[labels],
        [box for box, kept in zip(boxes, keep, strict=True) if kept],
        areas[keep],
    )
