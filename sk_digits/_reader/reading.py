"""`find_digits` finds the digits in an image; `read_digits` classifies them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image

from sk_digits import segment_digits
from sk_digits._images.digit_image_normalizer import normalize_digit
from sk_digits._images.picture import Picture

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Answers with a lower probability are shown as doubtful. Of 20,000 unseen MNIST images, 4 % get
# one, and 82 % of the errors are among them: of the other answers 1 in 430 is wrong, of all answers
# 1 in 81 (a net of 1,024 and 512 units after 30 epochs). A threshold of 0.9 would doubt every
# fourth image, because label smoothing keeps even right answers near 0.9.
NOT_SURE = 0.7


class BlankPicture(ValueError):
    """No digit stands out from the background of a picture."""


class Guess(NamedTuple):
    """A label and its probability."""

    label: Any
    probability: float


class Reading(NamedTuple):
    """One digit of an image: where it is, and what it may be, the likeliest label first."""

    file: str
    line: int | None
    box: tuple[int, int, int, int] | None
    guesses: list[Guess]


class FoundDigits(NamedTuple):
    """An image, and the digits in it as rows of pixels in MNIST's form."""

    file: str
    pixels: NDArray[Any]
    places: list[tuple[int, tuple[int, int, int, int]] | None]
    rows: NDArray[Any]


def find_digits(
    pixels: NDArray[Any], *, file: str = "", many: bool = False, ink: str = "auto"
) -> FoundDigits:
    """Return the one digit of an image, or all digits of a page.

    `ink` is "dark", "light" or "auto", as for `DigitImageNormalizer`.

    Raises
    ------
    BlankPicture
        If there is none.
    SeveralDigits
        If an image of one digit has several.
    """
    if not many:
        row = normalize_digit(Picture.of(pixels, pixels.size), ink)
        if row is None:
            raise BlankPicture("no digit found that stands out from its ground")
        return FoundDigits(file, pixels, [None], row.reshape(1, -1))
    segments = segment_digits(pixels, ink=ink)
    if not segments:
        raise BlankPicture("no digits found that stand out from their ground")
    return FoundDigits(
        file,
        pixels,
        [(segment.line, segment.box) for segment in segments],
        np.array([segment.image.ravel() for segment in segments]),
    )


def read_digits(found: FoundDigits, model: Any, top: int | None = None) -> list[Reading]:
    """Return what the digits of an image are, each with its `top` likeliest labels, or all."""
    probabilities = model.predict_proba(found.rows)
    labels = model.classes_.tolist()
    readings = []
    for place, row in zip(found.places, probabilities, strict=True):
        best = row.argsort()[::-1][:top]
        guesses = [Guess(labels[i], float(row[i])) for i in best]
        line, box = (None, None) if place is None else place
        readings.append(Reading(found.file, line, box, guesses))
    return readings


def as_rgb(pixels: Any) -> Image.Image:
    """Return any image as RGB to draw on; transparent pixels become white."""
    pixels = np.asarray(pixels)
    if pixels.dtype == bool:
        pixels = pixels * np.uint8(255)
    elif pixels.dtype != np.uint8:
        largest = 65535 if pixels.dtype == np.uint16 else max(float(pixels.max()), 1e-9)
        pixels = np.clip(pixels / largest * 255, 0, 255).astype(np.uint8)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    image = Image.fromarray(pixels)
    if image.mode in ("LA", "RGBA"):
        image = image.convert("RGBA")
        paper = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(paper, image).convert("RGB")
    return image.convert("RGB")
