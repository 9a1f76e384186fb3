"""A picture of one digit: which strokes are the digit, and the digit in MNIST's frame."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from sk_digits._images.brightness import View
from sk_digits._images.ink import Box, Ink, find_ink
from sk_digits._images.mnist_frame import Bytes, frame, is_framed
from sk_digits._images.pictures import Picture

OVERVIEW = 512  # pixels on the longer side in which a digit is looked for
DETAIL = 128  # pixels on the longer side of a digit that is looked at closely
NEAR = 0.35  # of the digit's longer side: strokes this near belong to it
LEAST = 5  # pixels on the longer side of a digit
SHARPEST = 2.5  # pixels that a sharp outline takes
ENLARGED = 4  # times, where a picture is tiny
TINY = 24  # pixels on the longer side of a picture that is enlarged first


def _gap(box: Box, other: Box) -> float:
    down = max(box[0] - other[2], other[0] - box[2], 0)
    across = max(box[1] - other[3], other[1] - box[3], 0)
    return float(np.hypot(down, across))


def _choose_digit(ink: Ink) -> list[int]:
    """Give the strokes, by index, that make up a picture's one digit."""
    height, width = ink.depth.shape
    edges = np.array(ink.boxes)
    sizes = (edges[:, 2:] - edges[:, :2]).max(axis=1)
    rows = (edges[:, 2] - edges[:, 0]) * ((edges[:, 1] == 0) | (edges[:, 3] == width))
    columns = (edges[:, 3] - edges[:, 1]) * ((edges[:, 0] == 0) | (edges[:, 2] == height))
    # What lies along a border may be a shadow or another page.
    along_border = np.maximum(rows, columns) / sizes
    main = int(np.argmax(ink.areas * np.maximum(0.05, 1 - along_border)))
    levels = ndimage.mean(ink.depth, ink.labels, np.arange(1, len(edges) + 1))
    # A small piece, unlike the bar of a 5, belongs only where it is close.
    reach = np.where(ink.areas > 0.06 * ink.areas[main], 1.0, 0.3) * NEAR * sizes[main]
    gaps = np.array([_gap(ink.boxes[main], box) for box in ink.boxes])
    chosen = (gaps <= reach) & (along_border == 0) & (levels > 0.6 * levels[main])
    chosen[main] = True
    return [int(i) for i in np.flatnonzero(chosen)]


def _is_writing(ink: Ink, chosen: list[int], blur: float) -> bool:
    """Tell strokes of a digit from shadows and from the largest grain of a noisy surface."""
    top, left, bottom, right = ink.join(chosen)
    rivals = np.delete(ink.areas, chosen) > 0.2 * ink.areas[chosen].sum()
    return (
        max(bottom - top, right - left) >= LEAST
        and int(rivals.sum()) < 12
        and ink.is_sharp(chosen, blur)
    )


def _enlarge(picture: Picture) -> Picture:
    """Enlarge a tiny picture and give it a margin, as a digit may fill it to the borders."""
    pixels = picture.pixels.astype(np.float32)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    paper = np.median(border, axis=0)
    pad = max(pixels.shape[:2]) // 2
    height, width = pixels.shape[:2]
    padded = np.full((height + 2 * pad, width + 2 * pad, *pixels.shape[2:]), paper, np.float32)
    padded[pad : pad + height, pad : pad + width] = pixels
    zoom = (ENLARGED, ENLARGED, 1)[: pixels.ndim]
    enlarged = ndimage.zoom(padded, zoom, order=3, mode="nearest", grid_mode=True)
    return picture._replace(pixels=np.clip(enlarged, 0, picture.white))


def read_digit(picture: Picture, ink: str) -> Bytes | None:
    """Bring a picture of one digit into MNIST's frame; None if there is no digit."""
    pixels = picture.pixels
    if (ink != "dark" or picture.is_opacity) and is_framed(pixels):
        return pixels
    blur = SHARPEST
    if max(pixels.shape[:2]) <= TINY:
        picture, blur = _enlarge(picture), SHARPEST * ENLARGED
        pixels = picture.pixels
    factor = -(-max(pixels.shape[:2]) // OVERVIEW)
    view = View.of(picture, factor, ink)
    overview = view.see(picture, factor)
    longer = max(overview.shape)
    found = find_ink(overview, longer * (0.25 if longer > 100 else 0.5))
    if not found.boxes or not _is_writing(found, chosen := _choose_digit(found), blur):
        return None
    top, left, bottom, right = (edge * factor for edge in found.join(chosen))
    size = max(bottom - top, right - left)
    margin = int(0.4 * size) + 2 * factor
    near = np.s_[max(0, top - margin) : bottom + margin, max(0, left - margin) : right + margin]
    factor = max(1, size // DETAIL)
    # Close to, the paper's light is that around the digit and its outline is sharp.
    found = find_ink(view.see(picture._replace(pixels=pixels[near]), factor), 0.6 * size / factor)
    if not found.boxes or not _is_writing(found, chosen := _choose_digit(found), blur):
        return None
    return frame(found.draw(chosen))
