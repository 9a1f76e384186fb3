"""MNIST's digits drawn with other pens and other habits of writing: `draw_variants`.

What a digit of MNIST lacks that people elsewhere write is added as strokes: the upstroke and the
foot of a 1, the bar through a 7, the tail of a 9 that curls to the left. Some digits are redrawn
with a thinner pen. Each is then framed as the package frames what it finds in a picture.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage
from skimage.morphology import skeletonize

from sk_digits._images.mnist_frame import crop_to_ink, frame

ZOOM = 5  # drawing is done in images so many times as large
ROOM = 90  # pixels around a digit to draw in
# Shares of the digits that are changed so.
UPSTROKES, FEET, BARS, TAILS, THIN_PENS = 0.4, 0.4, 0.3, 0.35, 0.35

Cover = NDArray[np.float32]


def draw_variants(images: NDArray[np.uint8], labels: NDArray[np.integer], seed: int) -> Cover:
    """Return another version of each digit.

    Parameters
    ----------
    images : ndarray of shape (n, 28, 28)
        Light ink on dark.
    labels : ndarray of shape (n,)
        Digits from 0 to 9.
    seed : int
        Seed of all random numbers.

    Returns
    -------
    ndarray of shape (n, 28, 28)
        uint8.
    """
    rng = np.random.default_rng(seed)
    return np.array([_draw(image, int(y), rng) for image, y in zip(images, labels, strict=True)])


def _draw(image: NDArray[np.uint8], label: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    cover = _enlarge(image)
    if label == 1 and rng.random() < UPSTROKES:
        cover = _add_upstroke(cover, rng)
    elif label == 7 and rng.random() < BARS:
        cover = _add_bar(cover, rng)
    elif label == 9 and rng.random() < TAILS:
        cover = _add_tail(cover, rng)
    if rng.random() < THIN_PENS:
        distance = ndimage.distance_transform_edt(~skeletonize(cover > 0.5))
        cover = np.clip(rng.uniform(1, 4.5) - distance, 0, 1).astype(np.float32)
    return frame(cover)


def _enlarge(image: NDArray[np.uint8]) -> Cover:
    """Return how much of each pixel is ink in a digit enlarged, with sharp outlines."""
    image = np.pad(image[crop_to_ink(image)], 3)
    size = image.shape[1] * ZOOM, image.shape[0] * ZOOM
    large = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)) / 255
    return np.pad(np.clip((large - 0.45) * 3 + 0.5, 0, 1), ROOM).astype(np.float32)


def _measure(cover: Cover) -> tuple[float, int, NDArray[np.intp], NDArray[np.intp]]:
    """Return the width of the pen, the height of the digit, and the rows and columns of ink."""
    radii = ndimage.distance_transform_edt(cover > 0.5)[skeletonize(cover > 0.5)]
    rows, columns = np.nonzero(cover > 0.5)
    return 2 * float(np.median(radii)), int(np.ptp(rows)), rows, columns


def _add_stroke(cover: Cover, points: NDArray[np.floating], width: float) -> Cover:
    """Draw a quadratic Bézier curve of three points, (x, y), with a round pen."""
    t = np.linspace(0, 1, 12)[:, np.newaxis]
    start, middle, end = points
    curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * end
    canvas = Image.new("L", cover.shape[::-1])
    draw = ImageDraw.Draw(canvas)
    draw.line([tuple(point) for point in curve], fill=255, width=max(1, round(width)))
    for x, y in curve:
        draw.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=255)
    return np.maximum(cover, np.asarray(canvas, np.float32) / 255)


def _add_upstroke(cover: Cover, rng: np.random.Generator) -> Cover:
    pen, height, rows, columns = _measure(cover)
    top = np.array([columns[rows <= rows.min() + pen / 2].mean(), rows.min() + pen / 2])
    angle = np.radians(rng.uniform(20, 55))
    end = top + height * rng.uniform(0.2, 0.6) * np.array([-np.sin(angle), np.cos(angle)])
    middle = (top + end) / 2 + rng.normal(0, 0.05 * height, 2)
    cover = _add_stroke(cover, np.array([top, middle, end]), pen * rng.uniform(0.7, 1.1))
    if rng.random() < FEET:
        bottom = np.array([columns[rows >= rows.max() - pen / 2].mean(), rows.max() - pen / 2])
        left, right = rng.uniform(0.1, 0.35, 2) * height
        foot = bottom + np.array([[-left, rng.normal(0, 3)], [0, 0], [right, rng.normal(0, 3)]])
        cover = _add_stroke(cover, foot, pen)
    return cover


def _add_bar(cover: Cover, rng: np.random.Generator) -> Cover:
    pen, height, rows, columns = _measure(cover)
    y = rows.min() + height * rng.uniform(0.4, 0.6)
    x = columns[np.abs(rows - y) < 3].mean()
    half = np.array([height * rng.uniform(0.12, 0.3), height * rng.normal(-0.02, 0.03)])
    centre = np.array([x, y])
    points = np.array([centre - half, centre, centre + half])
    return _add_stroke(cover, points, pen * rng.uniform(0.7, 1.1))


def _add_tail(cover: Cover, rng: np.random.Generator) -> Cover:
    pen, height, rows, columns = _measure(cover)
    bottom = np.array([columns[rows >= rows.max() - pen / 2].mean(), rows.max() - pen / 2])
    length = height * rng.uniform(0.2, 0.6)
    middle = bottom + [-length * rng.uniform(0.3, 0.7), height * rng.uniform(0.05, 0.25)]
    end = bottom + [-length, -height * rng.uniform(-0.05, 0.3)]
    return _add_stroke(cover, np.array([bottom, middle, end]), pen * rng.uniform(0.8, 1.1))
