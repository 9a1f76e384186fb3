"""`find_surroundings`: the strokes around writing: edges of pages, rims, boxes and circles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from skimage.measure import label

MIN_ALONG = 0.9  # of a border's length, by a stroke that lies along it
MIN_ALONG_BESIDE = 0.5  # the same if there is writing that touches no border
MIN_ALONG_SOLID = 0.2  # the same by a shadow, which is solid
MIN_SOLID_AREA = 0.4  # of a shadow's box that it covers
MIN_SOLID_ASPECT = 0.15  # shorter side of a shadow, in its longer sides
MIN_OWN_LENGTH = 0.8  # of a shadow's side that lies along the border
MIN_FREE = 0.1  # longer side of that writing, in longer sides of the edge
MAX_EDGE_ASPECT = 0.5  # thickness of the edge of a page, in lengths along its border
MAX_HOLLOW_AREA = 0.75  # of a frame's box that is ink
MIN_FRAMED = 0.25  # longer side of what is in a frame, in longer sides of the frame
MIN_FRAMED_OPEN = 0.4  # the same if the frame has gaps
MIN_FRAME_GAP = 0.02  # between an open frame and what is in it, in longer sides of the frame


def _are_edges(
    labels: NDArray[np.intp], boxes: NDArray[np.intp], areas: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return whether strokes lie along borders, as do the edge of a page and a scanner's rim."""
    top, left, bottom, right = boxes.T
    height, width = bottom - top, right - left
    hollow = areas < MAX_HOLLOW_AREA * height * width
    size = np.maximum(height, width)
    solid = areas >= MIN_SOLID_AREA * height * width
    solid &= np.minimum(height, width) >= MIN_SOLID_ASPECT * size
    touching = (top == 0) | (left == 0)
    touching |= (bottom == labels.shape[0]) | (right == labels.shape[1])
    free = float(size[~touching].max(initial=0))
    along, edges = np.zeros(len(boxes), np.intp), np.zeros(len(boxes), np.bool_)
    sides = [(labels[0], height, width), (labels[-1], height, width)]
    sides += [(labels[:, 0], width, height), (labels[:, -1], width, height)]
    for side, thickness, length in sides:
        share = np.bincount(side, minlength=len(boxes) + 1)[1:] / len(side)
        along += share >= MIN_ALONG
        edges |= (share >= MIN_ALONG) & (thickness <= MAX_EDGE_ASPECT * length)
        # What writes on the page is also there without touching its edges.
        is_shadow = solid & (share * len(side) >= MIN_OWN_LENGTH * length)
        is_shadow &= share >= MIN_ALONG_SOLID
        edges |= (is_shadow | (share >= MIN_ALONG_BESIDE)) & (free >= MIN_FREE * size)
    return edges | ((along >= 2) & hollow)


def _find_first(numbers: NDArray[np.intp], n: int) -> NDArray[np.intp]:
    """Return the place at which each of the numbers from 0 to n - 1 is first."""
    first = np.zeros(n, np.intp)
    first[numbers[::-1]] = np.arange(len(numbers))[::-1]
    return first


def _find_parents(labels: NDArray[np.intp], n_strokes: int) -> NDArray[np.intp]:
    """Return for each stroke the index of the stroke that encloses it; -1 for none.

    The pixel before the first one of a region, row by row, belongs to the region around it.
    """
    padded = np.pad(labels, 1)
    grounds, n_grounds = label(padded == 0, connectivity=1, return_num=True)
    flat, ground = padded.ravel(), grounds.ravel()
    around = ground[_find_first(flat, n_strokes + 1)[1:] - 1]
    enclosing = flat[_find_first(ground, n_grounds + 1) - 1] - 1
    enclosing[1] = -1  # the outermost ground
    return enclosing[around]


def _are_frames(labels: NDArray[np.intp], sizes: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return whether strokes enclose others that are not much smaller, given their longer sides."""
    parents = _find_parents(labels, len(sizes))
    framed = parents >= 0
    framed[framed] = sizes[framed] >= MIN_FRAMED * sizes[parents[framed]]
    result = np.zeros(len(sizes), np.bool_)
    result[parents[framed]] = True
    return result


def find_frames(labels: NDArray[np.intp], boxes: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return the pixels of the strokes that enclose others, however small those are."""
    parents = _find_parents(labels, len(boxes))
    return np.isin(labels, parents[parents >= 0] + 1)


def find_surroundings(
    labels: NDArray[np.intp], boxes: NDArray[np.intp], areas: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return whether each stroke is an edge along the borders or a frame around other strokes.

    Parameters
    ----------
    labels : ndarray of shape (height, width)
        0 outside, i + 1 for the stroke of index i.
    boxes : ndarray of shape (n_strokes, 4)
        Bounding box of each stroke: top, left, bottom, right; half-open.
    areas : ndarray of shape (n_strokes,)
        Number of pixels of each stroke.
    """
    sizes = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0)
    result = _are_edges(labels, boxes, areas) | _are_frames(labels, sizes)
    # A frame with gaps: the few strokes that are large and hollow are compared with all others.
    hollow = areas < 0.25 * np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    for i in np.flatnonzero(hollow & ~result & (sizes > 0.3 * max(labels.shape)))[:9]:
        gap = MIN_FRAME_GAP * sizes[i]
        inside = (boxes[:, :2] >= boxes[i, :2] + gap) & (boxes[:, 2:] <= boxes[i, 2:] - gap)
        # One of the four sides may be open.
        result[i] |= bool((inside.all(axis=1) & (sizes >= MIN_FRAMED_OPEN * sizes[i])).any())
    return result
