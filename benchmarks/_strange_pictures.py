"""Pictures that are no digits, to judge a reader by that has not learned them: `draw_strange`.

The letters are those of the fonts of the system; `_non_digits.py` makes what the reader learns.
"""

from __future__ import annotations

import numpy as np
from matplotlib.font_manager import findSystemFonts
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.interpolate import make_interp_spline

from sk_digits._images.mnist_frame import frame

# Without O, I, l, S, Z and others that some people write as a digit.
LETTERS = "ACDEFGHJKLMNPQRTUVWXYacdefhijkmnprtuvwxy"
FONTS = ("dejavu", "liberation")
SAME_TURNED = (0, 1, 8)
N_EACH = 1000

Images = NDArray[np.uint8]


def draw_strange(images: Images, labels: NDArray[np.integer], seed: int = 0) -> dict[str, Images]:
    """Return pictures in MNIST's frame by what they show; the digits are for three of the kinds."""
    rng = np.random.default_rng(seed)
    others = images[~np.isin(labels, SAME_TURNED)][:N_EACH]
    return {
        "letters": _draw_letters(),
        "noise": rng.integers(0, 256, (N_EACH, 28, 28)).astype(np.uint8),
        "noise, framed": np.array([frame(rng.random((40, 40), np.float32)) for _ in range(N_EACH)]),
        "scribbles": np.array([_scribble(rng) for _ in range(N_EACH)]),
        "two digits": np.array(
            [_join(*images[rng.integers(len(images), size=2)]) for _ in range(N_EACH)]
        ),
        "turned by 90 degrees": np.array([_frame(np.rot90(image)) for image in others]),
        "mirrored": np.array([_frame(image[:, ::-1]) for image in others]),
    }


def _frame(image: Images) -> Images:
    return frame(np.ascontiguousarray(image, np.float32) / 255)


def _draw_letters() -> Images:
    files = [file for file in sorted(findSystemFonts()) if any(name in file for name in FONTS)]
    if not files:
        raise FileNotFoundError(f"No fonts named {' or '.join(FONTS)} found. Install them.")
    drawn = []
    for font in (ImageFont.truetype(file, 100) for file in files if "Math" not in file):
        for letter in LETTERS:
            image = Image.new("L", (260, 260))
            ImageDraw.Draw(image).text((70, 60), letter, 255, font)
            drawn.append(_frame(np.asarray(image)))
    return np.array(drawn)


def _scribble(rng: np.random.Generator) -> Images:
    """Draw a smooth curve through 6 to 13 random points, with a round pen."""
    n_points, width = rng.integers(6, 14), rng.uniform(8, 16)
    points = rng.uniform(50, 150, (n_points, 2))
    curve = make_interp_spline(np.linspace(0, 1, n_points), points, k=3)(np.linspace(0, 1, 120))
    image = Image.new("L", (200, 200))
    draw = ImageDraw.Draw(image)
    draw.line([tuple(point) for point in curve], fill=255, width=int(width))
    for x, y in curve:
        draw.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=255)
    return _frame(np.asarray(image))


def _join(left: Images, right: Images) -> Images:
    """Put two digits side by side."""
    columns = [np.flatnonzero(image.any(axis=0)) for image in (left, right)]
    parts = zip((left, right), columns, strict=True)
    return _frame(np.hstack([image[:, c[0] : c[-1] + 1] for image, c in parts]))
