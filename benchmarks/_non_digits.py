"""Pictures that are no digits, made of digits alone: `make_non_digits`.

Digits are turned, mirrored, cut, folded, bent, or put together from parts of one or two of them.
Some of what comes out is a digit after all, such as the half of an 8 that is a 0; these are few.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from sk_digits._images.mnist_frame import frame

ZOOM = 3  # digits are cut and joined in images so many times as large
ROOM = 8  # pixels added around an image before it is enlarged
SIDE = (28 + 2 * ROOM) * ZOOM
CENTRE = (SIDE - 1) / 2
SAME_MIRRORED = {0, 1, 8}  # labels of digits that look much the same when they are mirrored
SAME_TURNED = {0, 8}

Cover = NDArray[np.float32]
Random = np.random.Generator


def make_non_digits(
    images: NDArray[np.uint8], labels: NDArray[np.integer], n: int, seed: int
) -> NDArray[np.uint8]:
    """Return pictures that are no digits, of all `KINDS` equally often.

    Parameters
    ----------
    images : ndarray of shape (n_digits, 28, 28)
        Light ink on dark.
    labels : ndarray of shape (n_digits,)
        Digits from 0 to 9.
    n : int
        Number of pictures to make.
    seed : int
        Seed of all random numbers.

    Returns
    -------
    ndarray of shape (n, 28, 28)
        uint8, in MNIST's frame.
    """
    rng = np.random.default_rng(seed)
    makers = list(KINDS.values())
    made = np.empty((n, *images.shape[1:]), np.uint8)
    for i in range(n):
        make, cover = makers[rng.integers(len(makers))], None
        while cover is None or (cover > 0.5).sum() < 50:
            first, second = rng.integers(len(images), size=2)
            a, b = _enlarge(images[first]), _enlarge(images[second])
            cover = make(a, int(labels[first]), b, int(labels[second]), rng)
        made[i] = frame(cover)
    return made


def _enlarge(image: NDArray[np.uint8]) -> Cover:
    """Return how much of each pixel is ink in a digit enlarged, with sharp outlines."""
    large = Image.fromarray(np.pad(image, ROOM)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return np.clip((np.asarray(large, np.float32) / 255 - 0.45) * 3 + 0.5, 0, 1)


def _move(cover: Cover, angle: float = 0, shift: tuple[float, float] = (0, 0)) -> Cover:
    """Return an image turned by an angle in degrees about its middle, then shifted (x, y)."""
    turned = Image.fromarray(cover).rotate(angle, Image.Resampling.BILINEAR, translate=shift)
    return np.asarray(turned)


def _cut(cover: Cover, rng: Random, angle: float | None = None) -> NDArray[np.bool_]:
    """Return one side of a line through a digit, which leaves at least 30 % of the ink on each."""
    rows, columns = np.nonzero(cover > 0.5)
    radians = rng.uniform(0, 2 * np.pi) if angle is None else np.radians(angle)
    normal = np.array([np.sin(radians), np.cos(radians)])
    place = np.quantile(rows * normal[0] + columns * normal[1], rng.uniform(0.3, 0.7))
    y, x = np.indices(cover.shape)
    return y * normal[0] + x * normal[1] < place


def _two(a: Cover, _: int, b: Cover, __: int, rng: Random) -> Cover:
    """Join two digits, side by side or over each other."""
    radians, distance = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 1) * 20 * ZOOM
    shift = distance * np.cos(radians) / 2, distance * np.sin(radians) / 2
    return np.maximum(_move(a, 0, shift), _move(b, 0, (-shift[0], -shift[1])))


def _part(a: Cover, label: int, _: Cover, __: int, rng: Random) -> Cover | None:
    """Cut a part of a digit off."""
    return None if label in (1, 7) else a * _cut(a, rng)


def _halves(a: Cover, label: int, b: Cover, other: int, rng: Random) -> Cover | None:
    """Join the part of a digit on one side of a line and the part of another on the other side."""
    if label == other:
        return None
    side = _cut(a, rng)
    return np.where(side, a, _move(b, 0, tuple(rng.normal(0, 2 * ZOOM, 2))))


def _fold(a: Cover, _: int, __: Cover, ___: int, rng: Random) -> Cover:
    """Join one half of a digit and its mirror image."""
    a = _move(a, rng.uniform(0, 360), tuple(rng.uniform(-6, 6, 2) * ZOOM))
    left = a * (np.arange(SIDE) < CENTRE)
    folded = np.maximum(left, left[:, ::-1])
    return _move(folded if rng.random() < 0.5 else folded.T, rng.uniform(-20, 20))


def _twist(a: Cover, _: int, __: Cover, ___: int, rng: Random) -> Cover:
    """Turn the part of a digit on one side of a line."""
    side = _cut(a, rng)
    moved = _move(a * ~side, rng.uniform(60, 300), tuple(rng.normal(0, 3 * ZOOM, 2)))
    return np.maximum(a * side, moved)


def _turn(a: Cover, label: int, _: Cover, __: int, rng: Random) -> Cover | None:
    """Turn a digit."""
    if label in SAME_TURNED:
        return None
    half = {1: (65, 115), 6: (60, 130), 9: (60, 130)}.get(label, (60, 180))
    return _move(a, rng.choice([-1, 1]) * rng.uniform(*half))


def _mirror(a: Cover, label: int, _: Cover, __: int, rng: Random) -> Cover | None:
    """Mirror a digit."""
    if label in SAME_MIRRORED:
        return None
    return _move(np.ascontiguousarray(a[:, ::-1]), rng.uniform(-20, 20))


def _add(a: Cover, _: int, b: Cover, __: int, rng: Random) -> Cover:
    """Add a part of another digit, turned, to a digit."""
    part = _move(b * _cut(b, rng), rng.uniform(0, 360), tuple(rng.uniform(-8, 8, 2) * ZOOM))
    return np.maximum(a, part)


def _patch(a: Cover, _: int, b: Cover, __: int, rng: Random) -> Cover:
    """Join parts of two digits, each turned anyhow."""
    parts = [
        _move(c * _cut(c, rng), rng.uniform(0, 360), tuple(rng.uniform(-7, 7, 2) * ZOOM))
        for c in (a, b)
    ]
    return np.maximum(*parts)


def _bend(a: Cover, _: int, __: Cover, ___: int, rng: Random) -> Cover:
    """Bend a digit until it is none."""
    coarse = rng.normal(0, rng.uniform(4, 9) * ZOOM, (2, 4, 4))
    field = np.array([ndimage.zoom(c, SIDE / 4, order=3) for c in coarse])
    return ndimage.map_coordinates(a, np.indices(a.shape) + field, order=1).astype(np.float32)


def _many(a: Cover, _: int, b: Cover, __: int, rng: Random) -> Cover:
    """Fill an image with small copies of two digits, each turned or mirrored anyhow."""
    n_tiles = rng.integers(3, 10)
    side = SIDE // n_tiles
    room = ROOM * ZOOM
    tiles = [
        np.asarray(Image.fromarray(c[room:-room, room:-room]).resize((side, side))) for c in (a, b)
    ]
    rows = []
    for _row in range(n_tiles):
        row = [np.rot90(tiles[rng.integers(2)], rng.integers(4)) for _tile in range(n_tiles)]
        rows.append(np.hstack([tile[:, :: rng.choice([-1, 1])] for tile in row]))
    return np.vstack(rows)


KINDS: dict[str, Callable[[Cover, int, Cover, int, Random], Cover | None]] = {
    "two": _two,
    "part": _part,
    "halves": _halves,
    "fold": _fold,
    "twist": _twist,
    "turn": _turn,
    "mirror": _mirror,
    "add": _add,
    "patch": _patch,
    "bend": _bend,
    "many": _many,
}
