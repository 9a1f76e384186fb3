"""`frame`: a digit as MNIST has it, in a box of 20x20 pixels whose mass is centred in 28x28."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage.morphology import skeletonize

FRAME_PX = 28  # side of the frame
BOX_PX = 20  # longer side of the digit in the frame
# MNIST's strokes are 1.5 to 4 pixels wide, half of them over 2.3. Thin pens, drawn this wide, are
# read right in 98 of 100 cases instead of 94; thinning the strokes of thick markers does not help.
MIN_STROKE_PX = 2.2  # of the frame
# Slants are the columns that the ink moves to the right in each row.
SLANTS = np.linspace(-1, 1, 41)  # that are tried
MAX_SLANT = 0.45  # that is left as it is
KEPT_SLANT = 0.35  # of a digit that slants more
MIN_REDRAWN_PX = 40  # longer side of a digit; outlines of smaller ones are too coarse to redraw


def crop_to_ink(image: NDArray[Any]) -> tuple[slice, slice]:
    """Return the rows and columns from the first to the last that are not empty."""
    rows, columns = (np.flatnonzero(image.any(axis=axis)) for axis in (1, 0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _corner(box: NDArray[np.uint8]) -> tuple[int, int]:
    """Return the top and left of a box in the frame that put its centre of mass at (14, 14)."""
    corner = []
    for axis in (0, 1):
        mass = box.sum(axis=1 - axis, dtype=np.float64)
        centre = float(mass @ np.arange(len(mass)) / mass.sum())
        corner.append(int(np.clip(np.rint(FRAME_PX / 2 - centre), 0, FRAME_PX - len(mass))))
    return corner[0], corner[1]


def is_framed(image: NDArray[Any]) -> bool:
    """Return whether an image is in MNIST's form, so that :func:`frame` would not change it.

    It then has the frame's size, full contrast, and a digit of the right size in the right place.
    """
    if image.shape != (FRAME_PX, FRAME_PX) or image.dtype != np.uint8 or image.max() < 250:
        return False
    if np.count_nonzero(image) > image.size / 2:
        return False
    rows, columns = crop_to_ink(image)
    box = image[rows, columns]
    return max(box.shape) == BOX_PX and _corner(box) == (rows.start, columns.start)


def _thicken(strokes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Widen the strokes of a thin pen to the width that they have in MNIST."""
    size = max(strokes.shape)
    inside = np.pad(strokes > 0.5, 1)
    if size < MIN_REDRAWN_PX or not inside.any():
        return strokes
    radii = ndimage.distance_transform_edt(inside)[skeletonize(inside)]
    wanted = MIN_STROKE_PX * size / BOX_PX / 2
    missing = wanted - float(np.median(radii))
    if missing <= 0:
        return strokes
    room = int(missing) + 2
    distance = ndimage.distance_transform_edt(~np.pad(inside, room)).astype(np.float32)
    return np.maximum(np.pad(strokes, room + 1), np.clip(missing + 1 - distance, 0, 1))


def _find_slant(strokes: NDArray[np.float32]) -> float:
    """Return the slant of strokes if it is strong, else 0.

    It is measured by the moments of the ink, and as the slant at which the strokes stand most
    upright: a shear by it puts most ink into few columns, so that the sum of the squared
    projections is largest. The flag of a 1 misleads the first, the diagonal of a 2 the second; so
    the smaller of the two counts, and none if they contradict each other.
    """
    places = np.nonzero(strokes)
    ink = strokes[places].astype(np.float64)
    y, x = (place - np.average(place, weights=ink) for place in places)
    by_moments = (ink * x * y).sum() / max((ink * y * y).sum(), 1e-9)
    if abs(by_moments) <= MAX_SLANT:
        return 0.0
    columns = [np.rint(x - slant * y).astype(np.intp) for slant in SLANTS]
    projections = [np.bincount(column - column.min(), ink) for column in columns]
    upright = SLANTS[np.argmax([projection @ projection for projection in projections])]
    slant = float(min(by_moments, upright, key=abs))
    return slant if by_moments * upright > 0 and abs(slant) > MAX_SLANT else 0.0


def straighten(strokes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return strokes that slant strongly sheared until they slant as in MNIST."""
    slant = _find_slant(strokes)
    if slant == 0:
        return strokes
    excess = slant - math.copysign(KEPT_SLANT, slant)
    room = math.ceil(abs(excess) * len(strokes) / 2) + 1
    wide = np.pad(strokes, ((0, 0), (room, room)))
    middle = (len(strokes) - 1) / 2
    return ndimage.affine_transform(
        wide, [[1, 0], [excess, 1]], [0, -excess * middle], order=1
    ).astype(np.float32)


def frame(strokes: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return strokes scaled to the box of 20x20 pixels and centred by mass in 28x28.

    Parameters
    ----------
    strokes : ndarray of shape (height, width)
        How much of each pixel is ink, from 0 to 1; not all zeros.

    Returns
    -------
    ndarray of shape (28, 28)
        From 0, background, to 255, ink.
    """
    strokes = _thicken(straighten(strokes[crop_to_ink(strokes)]))
    strokes = strokes[crop_to_ink(strokes)]
    factor = BOX_PX / max(strokes.shape)
    if factor != 1:
        height, width = (max(1, round(side * factor)) for side in strokes.shape)
        # Averages where the digit is shrunk, splines where it is enlarged.
        method = Image.Resampling.BOX if factor < 1 else Image.Resampling.BICUBIC
        resized = Image.fromarray(np.ascontiguousarray(strokes)).resize((width, height), method)
        strokes = np.asarray(resized)
    levels = np.clip(strokes * (255 / strokes.max()), 0, 255)
    # A pixel with any ink keeps some, so that the box has the same size when it is framed again.
    box = np.where(levels > 1e-3, np.maximum(np.rint(levels), 1), 0).astype(np.uint8)
    top, left = _corner(box)
    image = np.zeros((FRAME_PX, FRAME_PX), np.uint8)
    image[top : top + box.shape[0], left : left + box.shape[1]] = box
    return image
