"""`group_strokes`: which strokes are the pieces of one digit, and which shapes no digit has."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from itertools import product
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import label
from skimage.morphology import convex_hull_image

from sk_digits._images.ink import Box, Ink

SHAPE_PX = 64  # longer side of the picture of a digit in which its shape is measured
MAX_GAP_IN_PENS = 1.2  # between dots or dashes that are one stroke, in their longer sides
MAX_ASPECT = 2.0  # width of a digit, in heights; wider strokes are dashes
MAX_STROKE = 0.65  # its stroke at its widest, in longer sides, where blurred loops are filled
# In lengths of an underline:
MIN_BEYOND = 0.03  # by how much it is longer than the writing at either end
MIN_BEYOND_NEAR = 0.15  # the same of one that nearly touches the writing
MIN_RULE_GAP = 0.09  # between the writing and one that is apart
MIN_DASH_SOLIDITY = 0.7  # share of the convex hull of a dash that is ink
MAX_BOX_SOLIDITY = 0.5  # the same of an empty box
MAX_LEAN = 62  # degrees from upright to a 1
MIN_ELONGATION = 8  # variance of ink along its main axis, in those across, of a bar
MAX_EDGES = 0.85  # of three sides of a digit's box that are ink; those of an empty box are more
# All in heights of the writing:
MIN_DIGIT = 0.4  # height or width of a digit; smaller groups of strokes are specks
MAX_PIECE = 0.65  # height of a stroke that may be a piece of a digit
MAX_SPECK = 0.12  # height or width
MAX_GAP = 0.1  # between a digit and its piece
MAX_GAP_DOWN = 0.35  # between a digit and a piece above or below it
MAX_HEIGHT = 1.5  # of a digit of several strokes
MAX_WIDTH = 1.3  # of one digit; wider strokes may be two digits that touch


class BoxGrid:
    """Keys of boxes, by the square cells of a grid that they touch, to find those near a box."""

    def __init__(self, cell: float) -> None:
        self._cell = cell
        self._keys: defaultdict[tuple[int, int], set[int]] = defaultdict(set)

    def _cells(self, box: Box, margin: float = 0.0) -> Iterator[tuple[int, int]]:
        first = [int((edge - margin) // self._cell) for edge in box[:2]]
        last = [int((edge + margin) // self._cell) for edge in box[2:]]
        return product(range(first[0], last[0] + 1), range(first[1], last[1] + 1))

    def add(self, key: int, box: Box) -> None:
        """Register a key in each cell that a box touches."""
        for cell in self._cells(box):
            self._keys[cell].add(key)

    def near(self, box: Box, margin: float = 0.0) -> list[int]:
        """Return the keys, in order, in the cells that a box with a margin touches."""
        return sorted(
            {key for cell in self._cells(box, margin) for key in self._keys.get(cell, ())}
        )


def overlap(a: Box, b: Box, axis: int) -> float:
    """Return by how much two boxes overlap along an axis; negative for a gap."""
    return min(a[axis + 2], b[axis + 2]) - max(a[axis], b[axis])


def join(a: Box, b: Box) -> Box:
    """Return the box around two boxes."""
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def is_rule(a: Box, b: Box) -> bool:
    """Return whether a stroke in box `b` is a line above or below the writing in box `a`."""
    length, beyond = b[3] - b[1], min(a[1] - b[1], b[3] - a[3])
    is_apart = -overlap(a, b, 0) > MIN_RULE_GAP * length
    return (
        length > MAX_ASPECT * (b[2] - b[0])
        and beyond > (MIN_BEYOND if is_apart else MIN_BEYOND_NEAR) * length
    )


def _belong(a: Box, b: Box, height: float) -> bool:
    """Return whether the strokes in two boxes are pieces of one digit."""
    across, down = overlap(a, b, 1), overlap(a, b, 0)
    whole = join(a, b)
    if down < -MAX_GAP_DOWN * height or whole[2] - whole[0] > MAX_HEIGHT * height:
        return False
    smaller = min(a[2] - a[0], b[2] - b[0])
    if smaller >= MAX_PIECE * height and down > 0.5 * smaller:
        return False  # two digits side by side, one of which leans over the other
    if is_rule(a, b) or is_rule(b, a):
        return False
    narrower = min(a[3] - a[1], b[3] - b[1])
    if across > 0.5 * narrower:
        return True
    near = math.hypot(min(across, 0), min(down, 0)) <= MAX_GAP * height
    fits = whole[3] - whole[1] <= MAX_WIDTH * height
    return near and fits and smaller < MAX_PIECE * height


def group_strokes(ink: Ink, height: float) -> list[list[int]]:
    """Return the groups of strokes that are digits of about one height, without specks."""
    boxes: list[Box] = [tuple(box) for box in ink.boxes.tolist()]
    groups: dict[int, tuple[list[int], Box]] = {}
    grid = BoxGrid(height)
    for i in np.argsort(-ink.areas, kind="stable").tolist():
        members, box = [i], boxes[i]
        tall, wide = box[2] - box[0], box[3] - box[1]
        if max(tall, wide) < MAX_SPECK * height:
            continue
        if tall <= MAX_HEIGHT * height:  # a taller stroke is a digit of its own
            near = [key for key in grid.near(boxes[i], MAX_GAP_DOWN * height) if key in groups]
            for key in [key for key in near if _belong(groups[key][1], boxes[i], height)]:
                more, other = groups.pop(key)
                members, box = members + more, join(box, other)
            grid.add(i, box)
        groups[i] = members, box
    return [
        members
        for members, (top, left, bottom, right) in groups.values()
        if max(bottom - top, right - left) > MIN_DIGIT * height
    ]


def find_ends(mask: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the first row of ink in each column of a mask, and that after the last.

    In a blank column the first is the height of the mask and the last is 0.
    """
    inked = mask.any(axis=0)
    tops = np.where(inked, mask.argmax(axis=0), len(mask))
    return tops, np.where(inked, len(mask) - mask[::-1].argmax(axis=0), 0)


def find_valley(tops: NDArray[np.intp], bottoms: NDArray[np.intp], height: float) -> int | None:
    """Return the column where two digits touch, given the ends of the ink in each column.

    None if it is one digit.
    """
    edge = max(1, int(0.4 * height))
    tallest = bottoms.max() - tops.min()
    if len(tops) <= max(MAX_WIDTH * max(height, 0.9 * tallest), 2 * edge + 1):
        return None
    # From the top of the ink to its bottom: the middle of a 0 has less ink than its flanks.
    extent = np.maximum(bottoms - tops, 0).astype(np.float64)
    smooth = ndimage.uniform_filter1d(extent, max(1, int(0.05 * height)))
    cut = int(smooth[edge:-edge].argmin()) + edge
    sides = np.s_[:cut], np.s_[cut:]
    tall = all(bottoms[side].max() - tops[side].min() - 1 > MAX_PIECE * height for side in sides)
    peaks = min(smooth[side].max() for side in sides)
    return cut if tall and smooth[cut] < 0.6 * peaks else None


def link_pieces(ink: Ink, gap: float) -> tuple[Ink, list[list[int]]]:
    """Return the ink with strokes that are nearer than `gap` pixels to each other as one.

    And for each of its strokes, of which strokes it is made.
    """
    pen = float(np.median((ink.boxes[:, 2:] - ink.boxes[:, :2]).max(axis=1)))
    radius = min(gap, MAX_GAP_IN_PENS * pen) / 2
    room = int(radius) + 1
    ground = np.pad(ink.labels == 0, room, constant_values=True)
    near = ndimage.distance_transform_edt(ground) <= radius
    number, n_clusters = label(near, connectivity=2, return_num=True)
    owner = np.zeros(len(ink.boxes) + 1, np.intp)
    owner[ink.labels] = number[room:-room, room:-room]
    owner[0] = 0
    clusters: list[list[int]] = [[] for _ in range(n_clusters)]
    for stroke, cluster in enumerate(owner[1:].tolist()):
        clusters[cluster - 1].append(stroke)
    boxes = np.array([ink.join(cluster) for cluster in clusters])
    areas = np.bincount(owner[1:] - 1, ink.areas).astype(np.float64)
    return ink._replace(labels=owner[ink.labels], boxes=boxes, areas=areas), clusters


def _find_lean(mask: NDArray[np.bool_]) -> float:
    """Return by how many degrees the main axis of an elongated shape leans from upright, or 0."""
    y, x = (axis - axis.mean() for axis in np.nonzero(mask))
    down, across, both = y @ y, x @ x, x @ y
    longer, angle = math.hypot(2 * both, down - across), math.atan2(2 * both, down - across) / 2
    is_long = longer > (MIN_ELONGATION - 1) / (MIN_ELONGATION + 1) * (down + across)
    return abs(math.degrees(angle)) if is_long else 0.0


class Shape(NamedTuple):
    """The shape of a group of strokes.

    Attributes
    ----------
    aspect : float
        Width in heights.
    widest, mean : float
        Width of the strokes at their widest and on average, in longer sides of the box.
    lean : float
        Degrees between the main axis and upright; 0 if the shape is not elongated.
    edges : float
        The third largest share of a side of the box that is ink.
    small : ndarray
        The mask, of at most twice 64 pixels a side.
    """

    aspect: float
    widest: float
    mean: float
    lean: float
    edges: float
    small: NDArray[np.bool_]

    @classmethod
    def of(cls, mask: NDArray[np.bool_]) -> Self:
        """Return the shape of the pixels of a mask that is cropped to them."""
        height, width = mask.shape
        step = max(1, max(mask.shape) // SHAPE_PX)
        small = np.pad(mask[::step, ::step], 1)
        # The distance of a pixel to the outline is on average a quarter of the stroke's width.
        inner = ndimage.distance_transform_edt(small)[small] - 0.5
        size = max(small.shape) - 2
        sides = [mask[0], mask[-1], mask[:, 0], mask[:, -1]]
        return cls(
            aspect=width / height,
            widest=2 * float(inner.max()) / size,
            mean=4 * float(inner.mean()) / size,
            lean=_find_lean(small),
            edges=sorted(float(side.mean()) for side in sides)[1],
            small=small,
        )

    @property
    def solidity(self) -> float:
        """Share of the convex hull that is ink."""
        return float(self.small.sum() / convex_hull_image(self.small).sum())

    @property
    def is_a_digits(self) -> bool:
        """Whether a digit may have this shape: it is no dash, no dot and no empty box."""
        is_dash = self.aspect > MAX_ASPECT or (
            self.lean > MAX_LEAN and self.solidity > MIN_DASH_SOLIDITY
        )
        is_dot = self.widest > MAX_STROKE
        is_box = self.edges > MAX_EDGES and self.solidity < MAX_BOX_SOLIDITY
        return not (is_dash or is_dot or is_box)
