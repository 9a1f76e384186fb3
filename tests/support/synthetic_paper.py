"""Digits on synthetic paper: rungs of rising difficulty, and pages with lines of digits.

All randomness comes from one seeded generator, so that results can be reproduced. The strokes come
from images of 28x28 pixels, light ink on dark, that the caller chooses.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage.morphology import skeletonize

Floats = NDArray[np.floating[Any]]

INKS = {  # red, green, blue of what people write with
    "black": (0.08, 0.08, 0.1),
    "grey": (0.35, 0.35, 0.36),
    "blue": (0.1, 0.2, 0.65),
    "light blue": (0.25, 0.45, 0.85),
    "red": (0.8, 0.12, 0.15),
    "green": (0.1, 0.5, 0.2),
    "purple": (0.45, 0.15, 0.55),
    "orange": (0.95, 0.45, 0.1),
}


@dataclass(frozen=True)
class Rung:
    """How difficult the pictures of one rung of the ladder are; the defaults are a clean scan."""

    size: tuple[int, int] = (100, 200)  # of the digit's longer side, in pixels
    margin: tuple[float, float] = (0.15, 0.6)  # of paper around the digit, in digit sizes
    touches: float = 0.0  # how often the digit touches one border or two
    pens: tuple[float, ...] = (0.0,)  # widths in digit sizes; 0 keeps the stroke of the image
    rotation: float = 0.0  # degrees
    light_ink: float = 0.0  # how often the ink is lighter than the paper
    contrast: tuple[float, float] = (1.0, 1.0)
    colours: bool = False
    canvas: bool = False  # a drawing program's RGBA
    grain: float = 0.0  # largest standard deviation, of a range of 1
    blur: float = 0.0  # largest standard deviation, in digit sizes
    specks: bool = False
    jpeg: bool = False
    shadows: float = 0.0  # depth of the deepest
    ruled: bool = False


PENS = (0.0, 0.025, 0.04, 0.12, 0.2)
LADDER = {
    "clean": Rung(),
    "polarity": Rung(light_ink=0.5, contrast=(0.3, 1.0), touches=0.3),
    "scale": Rung(size=(20, 600), margin=(0.05, 2.0), light_ink=0.5),
    "pen": Rung(pens=PENS, rotation=15, light_ink=0.3),
    "canvas": Rung(canvas=True, margin=(0.05, 1.0)),
    "colour": Rung(colours=True, contrast=(0.6, 1.0), light_ink=0.2),
    "grain": Rung(
        grain=0.08, blur=0.02, jpeg=True, specks=True, contrast=(0.4, 1.0), light_ink=0.3
    ),
    "light": Rung(shadows=0.6, grain=0.02, contrast=(0.6, 1.0)),
    "ruled": Rung(ruled=True, grain=0.02, margin=(0.3, 1.5), contrast=(0.6, 1.0)),
    "everything": Rung(
        size=(40, 600),
        margin=(0.1, 1.5),
        touches=0.1,
        pens=PENS,
        rotation=15,
        light_ink=0.2,
        contrast=(0.5, 1.0),
        colours=True,
        grain=0.05,
        blur=0.01,
        specks=True,
        jpeg=True,
        shadows=0.5,
        ruled=True,
    ),
}


def draw_strokes(image: NDArray[np.uint8], size: int, pen: float, angle: float) -> Floats:
    """Return a 28x28 digit redrawn as coverage in [0, 1], `size` pixels on its longer side.

    The outline is the contour of the enlarged image at half of the full intensity. With a pen, the
    skeleton of the digit is drawn with a round nib of that width.
    """
    rows, columns = (np.flatnonzero(image.any(axis=axis)) for axis in (1, 0))
    box = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] / 255
    work = min(max(size, 160), 320)  # enough for any outline; the result is resized
    factor = work / max(box.shape)
    large = ndimage.zoom(np.pad(box, 2), factor, order=3, grid_mode=True, mode="grid-constant")
    if angle:
        large = ndimage.rotate(large, angle, order=1)
    inside = large > 0.5
    if pen:
        # Smoothed first, because the skeleton of a rough outline has a spur at each bump.
        spine = skeletonize(ndimage.gaussian_filter(large, 0.02 * work) > 0.45)
        room = int(pen * work / 2) + 2
        distance = pen * work / 2 - ndimage.distance_transform_edt(~np.pad(spine, room))
    else:
        distance = ndimage.distance_transform_edt(inside) - ndimage.distance_transform_edt(~inside)
    coverage = np.clip(distance + 0.5, 0, 1).astype(np.float32)
    rows, columns = (np.flatnonzero((coverage > 0).any(axis=axis)) for axis in (1, 0))
    coverage = coverage[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = size / max(coverage.shape)
    height, width = (max(1, round(side * scale)) for side in coverage.shape)
    drawn = Image.fromarray(coverage).resize((width, height), Image.Resampling.BICUBIC)
    return np.clip(np.asarray(drawn), 0, 1)


def lay_out(strokes: Floats, rung: Rung, rng: np.random.Generator) -> Floats:
    """Return strokes at a random place on an empty paper."""
    low, high = rung.margin
    before, after = rng.uniform(low, high, (2, 2)) * max(strokes.shape)
    if rng.random() < rung.touches:
        for side in rng.choice(4, rng.integers(1, 3), replace=False):
            (before, after)[side // 2][side % 2] = 0
    pads = [(int(b), int(a)) for b, a in zip(before, after, strict=True)]
    return np.pad(strokes, pads)


def rule(shape: tuple[int, int], spacing: float, rng: np.random.Generator) -> Floats:
    """Return ruled or squared lines, slightly tilted, as coverage."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    width = rng.uniform(1, max(1.5, spacing * 0.03))
    tilt = np.tan(np.radians(rng.uniform(-2, 2)))
    lines = np.zeros(shape, np.float32)
    for across, along in ((y, x), (x, -y))[: 1 + (rng.random() < 0.4)]:
        phase = np.abs((across + along * tilt + rng.uniform(0, spacing)) % spacing - spacing / 2)
        lines = np.maximum(lines, np.clip(width / 2 + 0.5 - phase, 0, 1))
    return lines


def shade(shape: tuple[int, int], depth: float, rng: np.random.Generator) -> Floats:
    """Return the light on a paper: a gradient, and often the edge of a shadow."""
    y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j].astype(np.float32)
    angle, edge_angle = rng.uniform(0, 2 * np.pi, 2)
    slope = (x * np.cos(angle) + y * np.sin(angle)) / 2
    light = 1 - depth * rng.uniform(0, 0.6) * (slope + 0.7) / 1.4
    if rng.random() < 0.6:
        edge = x * np.cos(edge_angle) + y * np.sin(edge_angle) - rng.uniform(-0.7, 0.7)
        light *= 1 - depth * rng.uniform(0.3, 0.9) / (1 + np.exp(-edge / rng.uniform(0.01, 0.15)))
    return light


def paint(coverage: Floats, rung: Rung, size: int, rng: np.random.Generator) -> Floats:
    """Return strokes of ink on paper with lines, light, blur and grain; RGB in [0, 1]."""
    paper, ink = np.full(3, 1.0), np.array(INKS["black"])
    if rung.colours:
        paper = rng.uniform(0.85, 1.0, 3)
        ink = np.array(INKS[str(rng.choice(list(INKS)))])
    ink = paper + (ink - paper) * rng.uniform(*rung.contrast)
    if light := rng.random() < rung.light_ink:
        paper, ink = (1 - paper, 1 - ink) if not rung.colours else (ink * 0.5, paper)
    image = np.broadcast_to(paper, (*coverage.shape, 3))
    if rung.ruled:
        lines = rule(coverage.shape, size * rng.uniform(0.5, 1.6), rng)[..., np.newaxis]
        target = paper + (np.array([0.3, 0.45, 0.8]) - paper) * rng.uniform(0.2, 0.8)
        image = image + lines * (target - image)
    image = image + coverage[..., np.newaxis] * (ink - image)
    if rung.shadows and not light:
        image = image * shade(coverage.shape, rung.shadows, rng)[..., np.newaxis]
    if rung.specks:
        n = int(rng.integers(0, 12))
        y, x = (rng.integers(0, side, n) for side in coverage.shape)
        radius = max(1, int(0.012 * size))
        for top, left in zip(y, x, strict=True):
            image[top : top + radius, left : left + radius] = ink
    if rung.blur:
        sigma = rng.uniform(0, rung.blur) * size
        image = ndimage.gaussian_filter(image, (sigma, sigma, 0))
    if rung.grain:
        amount = rng.uniform(0, rung.grain)
        grain = rng.normal(0, amount, coverage.shape)
        if rng.random() < 0.5:  # the grain of paper is coarser than that of a sensor
            grain = ndimage.gaussian_filter(grain, 0.8) * 2
        image = image + grain[..., np.newaxis]
    return np.clip(image, 0, 1)


def as_canvas(coverage: Floats, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the RGBA of a drawing program: ink in alpha alone, or on white or black ground."""
    alpha = np.rint(coverage * 255).astype(np.uint8)
    kind = rng.choice(["black in alpha", "colour in alpha", "on white", "on black"])
    rgb = np.zeros((*alpha.shape, 3), np.uint8)
    if kind == "colour in alpha":
        rgb[:] = rng.integers(0, 256, 3)
        if rng.random() < 0.5:
            rgb[alpha == 0] = 0
    elif kind != "black in alpha":
        rgb[:] = (alpha if kind == "on black" else 255 - alpha)[..., np.newaxis]
        alpha = np.full_like(alpha, 255)
    return np.dstack([rgb, alpha])


def through_jpeg(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return an image saved as JPEG of a quality between 40 and 95, and read again."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=int(rng.integers(40, 96)))
    return np.asarray(Image.open(file))


def photograph(image: NDArray[np.uint8], rung: Rung, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a random picture of one digit of a rung.

    Parameters
    ----------
    image : ndarray of shape (28, 28)
        The digit, light ink on dark.
    rung : Rung
        How difficult the picture is.
    rng : numpy.random.Generator
        Source of all randomness.

    Returns
    -------
    ndarray of shape (height, width, 3) or (height, width, 4)
        RGB or RGBA.
    """
    size = round(np.exp(rng.uniform(*np.log(rung.size))))
    pen = float(rng.choice(rung.pens))
    pen = max(pen, 1.2 / size) if pen else 0.0
    strokes = draw_strokes(image, size, pen, rng.uniform(-1, 1) * rung.rotation)
    coverage = lay_out(strokes, rung, rng)
    if rung.canvas:
        return as_canvas(coverage, rng)
    picture = np.rint(paint(coverage, rung, size, rng) * 255).astype(np.uint8)
    return through_jpeg(picture, rng) if rung.jpeg else picture


class Page(NamedTuple):
    """A page, the digits of each line, and the box of each digit."""

    image: NDArray[np.uint8]
    lines: list[list[int]]
    boxes: list[list[tuple[int, int, int, int]]]  # top, left, bottom, right


PAPER = Rung(contrast=(0.6, 1.0), grain=0.03, shadows=0.4, specks=True, jpeg=True)


def write_page(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    rng: np.random.Generator,
    rung: Rung = PAPER,
) -> Page:
    """Return a page of two to five lines of digits, chosen at random from `images`.

    Lines slant by up to 2 degrees. The sizes, heights and distances of the digits vary.
    """
    size = int(rng.integers(40, 90))
    n_lines, n_columns = int(rng.integers(2, 6)), int(rng.integers(3, 9))
    coverage = np.zeros((int((1.8 * n_lines + 1.5) * size), int((1.5 * n_columns + 2) * size)))
    slant, pen = np.tan(np.radians(rng.uniform(-2, 2))), float(rng.choice(PENS[:-1]))
    lines: list[list[int]] = []
    boxes: list[list[tuple[int, int, int, int]]] = []
    for line in range(n_lines):
        left, says, where = size * rng.uniform(0.7, 1.3), [], []
        for _ in range(int(rng.integers(2, n_columns + 1))):
            chosen = int(rng.integers(len(images)))
            strokes = draw_strokes(images[chosen], int(size * rng.uniform(0.85, 1.1)), pen, 0)
            top = (1.8 * line + 1) * size + slant * left + rng.uniform(-0.07, 0.07) * size
            place = np.s_[int(top) :, int(left) :]
            height, width = strokes.shape
            view = coverage[place][:height, :width]
            np.maximum(view, strokes, out=view)
            where.append((int(top), int(left), int(top) + height, int(left) + width))
            says.append(int(labels[chosen]))
            left += width + size * rng.uniform(0.15, 0.5)
        lines.append(says)
        boxes.append(where)
    picture = np.rint(paint(coverage, rung, size, rng) * 255).astype(np.uint8)
    return Page(through_jpeg(picture, rng) if rung.jpeg else picture, lines, boxes)
