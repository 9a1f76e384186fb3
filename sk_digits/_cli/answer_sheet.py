"""A picture of images with the digits that were read in them: `draw_answers`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont, ImageOps

from sk_digits._reader.page_reading import as_rgb

if TYPE_CHECKING:
    from sk_digits import PageReading

CERTAIN, UNCERTAIN = "#0072B2", "#D55E00"
PAGE, TILE, MARGIN, LETTER = 1200, 220, 12, 24  # pixels


def draw_answers(panels: list[Image.Image]) -> Image.Image:
    """Return one picture of all panels, in a grid of equal cells."""
    width = MARGIN + max(panel.width for panel in panels)
    height = MARGIN + max(panel.height for panel in panels)
    n_columns = max(1, min(len(panels), PAGE // width))
    n_rows = math.ceil(len(panels) / n_columns)
    sheet = Image.new("RGB", (n_columns * width + MARGIN, n_rows * height + MARGIN), "white")
    for i, panel in enumerate(panels):
        row, column = divmod(i, n_columns)
        sheet.paste(panel, (MARGIN + column * width, MARGIN + row * height))
    return sheet


def draw_panel(page: PageReading, many: bool) -> Image.Image:
    """Return a page with a box and the label at each digit, or a digit with its label below."""
    image = as_rgb(page.pixels)
    panel = ImageOps.contain(image, (PAGE, PAGE) if many else (TILE, TILE))
    scale = panel.width / image.width
    if not many:
        panel = ImageOps.expand(panel, (0, 0, 0, 2 * LETTER), "white")
    draw, font = ImageDraw.Draw(panel), ImageFont.load_default(LETTER)
    for digit in (digit for line in page.lines for digit in line):
        color = CERTAIN if digit.accepted else UNCERTAIN
        if many:
            top, left, bottom, right = (round(edge * scale) for edge in digit.box)
            draw.rectangle((left - 2, top - 2, right + 1, bottom + 1), outline=color, width=2)
            text, corner = digit.text, (left, max(top - 4, LETTER))
        else:
            guess = f"{digit.label}  {100 * digit.probability:.0f} %"
            text, corner = guess if digit.accepted else f"? ({guess})", (0, panel.height)
        draw.text(corner, text, color, font, anchor="lb", stroke_width=2, stroke_fill="white")
    return panel
