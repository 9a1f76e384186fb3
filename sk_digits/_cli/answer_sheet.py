"""A picture of images with the digits that were read in them: `draw_answers`."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont, ImageOps

from sk_digits._reader.reading import NOT_SURE, as_rgb

if TYPE_CHECKING:
    from sk_digits._reader.reading import FoundDigits, Reading

CERTAIN, UNCERTAIN = "#0072B2", "#D55E00"
PAGE, TILE, MARGIN, LETTER = 1200, 220, 12, 24  # pixels


def draw_answers(pictures: list[FoundDigits], readings: list[Reading]) -> Image.Image:
    """Return one picture of all images with their answers, in a grid of equal cells."""
    answers = iter(readings)
    panels = [
        _draw(as_rgb(picture.pixels), list(itertools.islice(answers, len(picture.places))))
        for picture in pictures
    ]
    width = MARGIN + max(panel.width for panel in panels)
    height = MARGIN + max(panel.height for panel in panels)
    n_columns = max(1, min(len(panels), PAGE // width))
    n_rows = math.ceil(len(panels) / n_columns)
    sheet = Image.new("RGB", (n_columns * width + MARGIN, n_rows * height + MARGIN), "white")
    for i, panel in enumerate(panels):
        row, column = divmod(i, n_columns)
        sheet.paste(panel, (MARGIN + column * width, MARGIN + row * height))
    return sheet


def _draw(image: Image.Image, readings: list[Reading]) -> Image.Image:
    """Return a page with a box and the answer at each digit, or a digit with its answer below."""
    size = TILE if readings[0].box is None else PAGE
    panel = ImageOps.contain(image, (size, size))
    scale = panel.width / image.width
    if readings[0].box is None:
        panel = ImageOps.expand(panel, (0, 0, 0, 2 * LETTER), "white")
    draw, font = ImageDraw.Draw(panel), ImageFont.load_default(LETTER)
    for reading in readings:
        best = reading.guesses[0]
        color = CERTAIN if best.probability >= NOT_SURE else UNCERTAIN
        if reading.box is None:
            text, corner = f"{best.label}  {100 * best.probability:.0f} %", (0, panel.height)
        else:
            top, left, bottom, right = (round(edge * scale) for edge in reading.box)
            draw.rectangle((left - 2, top - 2, right + 1, bottom + 1), outline=color, width=2)
            text, corner = str(best.label), (left, max(top - 4, LETTER))
        draw.text(corner, text, color, font, anchor="lb", stroke_width=2, stroke_fill="white")
    return panel
