"""From ink to MNIST's frame: a digit in a box of 20x20 pixels, centred by mass in 28x28."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from sk_digits._ink import (
    Box,
    Floats,
    Ink,
    find_colour_axis,
    find_ink,
    ink_is_light,
    merge_colours,
    shrink,
)

SIDE, BOX = 28, 20
OVERVIEW = 512  # pixels on the longer side in which a digit is looked for
DETAIL = 128  # pixels on the longer side of a digit that is looked at closely
NEAR = 0.35  # of the digit's longer side: strokes this near belong to it

Bytes = NDArray[np.uint8]


def _corner(box: Bytes) -> tuple[int, int]:
    """Give where a box goes in the frame so that its centre of mass is at pixel (14, 14)."""
    mass = box.astype(np.float64)
    centre = [
        float(mass.sum(axis=1 - axis) @ np.arange(box.shape[axis]) / mass.sum()) for axis in (0, 1)
    ]
    top, left = (
        int(np.clip(np.rint(SIDE / 2 - c), 0, SIDE - side))
        for c, side in zip(centre, box.shape, strict=True)
    )
    return top, left


def _crop(image: NDArray[Any]) -> tuple[slice, slice]:
    rows, columns = (np.flatnonzero(image.any(axis=axis)) for axis in (1, 0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def is_framed(image: NDArray[Any]) -> bool:
    """Tell whether an image is already as :func:`frame` would make it."""
    if image.shape != (SIDE, SIDE) or image.dtype != np.uint8 or image.max() < 250:
        return False
    rows, columns = _crop(image)
    box = image[rows, columns]
    return max(box.shape) == BOX and _corner(box) == (rows.start, columns.start)


def frame(strokes: Floats) -> Bytes:
    """Scale strokes into the box, the longer side filling it, and centre them by mass."""
    strokes = strokes[_crop(strokes)]
    factor = BOX / max(strokes.shape)
    height, width = (max(1, round(side * factor)) for side in strokes.shape)
    if factor != 1:
        kind = Image.Resampling.BOX if factor < 0.5 else Image.Resampling.BILINEAR
        if factor > 1:
            kind = Image.Resampling.BICUBIC
        small = Image.fromarray(np.ascontiguousarray(strokes)).resize((width, height), kind)
        strokes = np.maximum(np.asarray(small), 0)
    scaled = np.minimum(strokes * (255 / strokes.max()), 255)
    # What has any ink keeps some, so that the box has just this size.
    box = np.where(scaled > 1e-3, np.maximum(np.rint(scaled), 1), 0).astype(np.uint8)
    top, left = _corner(box)
    image = np.zeros((SIDE, SIDE), np.uint8)
    image[top : top + box.shape[0], left : left + box.shape[1]] = box
    return image


def _distance(box: Box, other: Box) -> float:
    gaps = (
        max(box[0] - other[2], other[0] - box[2], 0),
        max(box[1] - other[3], other[1] - box[3], 0),
    )
    return float(np.hypot(*gaps))


def _join(boxes: list[Box]) -> Box:
    top, left, bottom, right = np.array(boxes).T
    return int(top.min()), int(left.min()), int(bottom.max()), int(right.max())


def choose_digit(ink: Ink) -> list[int]:
    """Give the strokes, by index, that make up the picture's one digit."""
    chosen = [int(np.argmax(ink.areas))]
    main = ink.boxes[chosen[0]]
    size = max(main[2] - main[0], main[3] - main[1])
    for i, box in enumerate(ink.boxes):
        if i in chosen:
            continue
        share = ink.areas[i] / ink.areas[chosen[0]]
        if _distance(main, box) <= NEAR * size * (1 if share > 0.06 else 0.3):
            chosen.append(i)
    return chosen


class Look(NamedTuple):
    """How a picture is to be read as brightness."""

    axis: Floats | None
    light: bool

    def see(self, picture: NDArray[Any], factor: int, scale: float) -> Floats:
        """Give the brightness of a picture, with dark ink."""
        small = (shrink(picture, factor) / np.float32(scale)).astype(np.float32)
        merged = small if self.axis is None else merge_colours(small, self.axis)
        return 1 - merged if self.light else merged


def look(picture: NDArray[Any], factor: int, scale: float, ink: str) -> Look:
    plain = (shrink(picture, factor) / np.float32(scale)).astype(np.float32)
    axis = find_colour_axis(plain) if picture.ndim == 3 else None
    merged = plain if axis is None else merge_colours(plain, axis)
    return Look(axis, ink == "light" or (ink == "auto" and ink_is_light(merged)))


def draw_strokes(ink: Ink, chosen: list[int]) -> Floats | None:
    kept = np.isin(ink.labels, np.array(chosen) + 1)
    level = float(np.quantile(ink.depth[kept], 0.75))
    size = max(kept[_crop(kept)].shape)
    steep = 0.3 * float(np.clip((size - 28) / 72, 0, 1))
    low = max(3 * ink.noise, steep * level)
    high = max((1 - steep) * level, low * 1.5)
    strokes = np.clip((ink.depth - low) / (high - low), 0, 1)
    reach = ndimage.binary_dilation(kept, np.ones((3, 3)), iterations=2)
    others = (ink.labels > 0) & ~kept
    return np.where(reach & ~others, strokes, 0).astype(np.float32)


def read_digit(picture: NDArray[Any], scale: float, ink: str) -> Bytes | None:
    factor = -(-max(picture.shape[:2]) // OVERVIEW)
    seen = look(picture, factor, scale, ink)
    brightness = seen.see(picture, factor, scale)
    found = find_ink(brightness, 0.4 * max(brightness.shape))
    if not found.boxes:
        return None
    chosen = choose_digit(found)
    top, left, bottom, right = (edge * factor for edge in _join([found.boxes[i] for i in chosen]))
    size = max(bottom - top, right - left)
    margin = int(0.4 * size) + 2 * factor
    crop = picture[max(0, top - margin) : bottom + margin, max(0, left - margin) : right + margin]
    factor = max(1, size // DETAIL)
    brightness = seen.see(crop, factor, scale)
    found = find_ink(brightness, 0.6 * size / factor)
    if not found.boxes:
        return None
    return frame(draw_strokes(found, choose_digit(found)))
