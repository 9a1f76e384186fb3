"""A picture of images with the digits that were read in them: `draw_answers`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from sk_digits._reader.reading import NOT_SURE, as_rgb

if TYPE_CHECKING:
    from sk_digits._reader.reading import FoundDigits, Reading

CERTAIN, UNCERTAIN = "#0072B2", "#D55E00"
PAGE, TILE, MARGIN = 1200, 220, 12  # pixels


def draw_answers(pictures: list[FoundDigits], readings: list[Reading]) -> Image.Image:
    """Return one picture of all images with their answers: pages with boxes, digits in a grid."""
    answers = iter(readings)
    panels = []
    for picture in pictures:
        own = [next(answers) for _ in picture.places]
        draw = _draw_digit if own[0].box is None else _draw_page
        panels.append(draw(as_rgb(picture.pixels), own))
    widest = max(panel.width for panel in panels)
    n_columns = max(1, min(len(panels), PAGE // (widest + MARGIN)))
    n_rows = math.ceil(len(panels) / n_columns)
    heights = [
        max(panel.height for panel in panels[row * n_columns : (row + 1) * n_columns])
        for row in range(n_rows)
    ]
    size = (
        n_columns * (widest + MARGIN) + MARGIN,
        sum(heights) + (n_rows + 1) * MARGIN,
    )
    sheet = Image.new("RGB", size, "white")
    for i, panel in enumerate(panels):
        row, column = divmod(i, n_columns)
        left = MARGIN + column * (widest + MARGIN)
        sheet.paste(panel, (left, MARGIN + sum(heights[:row]) + row * MARGIN))
    return sheet


def _color(reading: Reading) -> str:
    return CERTAIN if reading.guesses[0].probability >= NOT_SURE else UNCERTAIN


def _draw_digit(image: Image.Image, readings: list[Reading]) -> Image.Image:
    """Return the image with the answer and its probability below it."""
    (reading,) = readings
    image.thumbnail((TILE, TILE))
    tile = Image.new("RGB", (TILE, TILE + 40), "white")
    tile.paste(image, ((TILE - image.width) // 2, (TILE - image.height) // 2))
    draw = ImageDraw.Draw(tile)
    best = reading.guesses[0]
    draw.text(
        (TILE // 2, TILE + 20),
        f"{best.label}   {100 * best.probability:.0f} %",
        fill=_color(reading),
        font=ImageFont.load_default(24),
        anchor="mm",
    )
    return tile


def _draw_page(image: Image.Image, readings: list[Reading]) -> Image.Image:
    """Return the page with a box around each digit and the answer above the box."""
    scale = min(PAGE / image.width, PAGE / image.height, 4.0)
    size = round(image.width * scale), round(image.height * scale)
    image = image.resize(size, Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for reading in readings:
        assert reading.box is not None
        top, left, bottom, right = (round(edge * scale) for edge in reading.box)
        color = _color(reading)
        draw.rectangle((left - 2, top - 2, right + 1, bottom + 1), outline=color, width=2)
        letters = int(np.clip(0.4 * (bottom - top), 14, 40))
        font = ImageFont.load_default(letters)
        label = str(reading.guesses[0].label)
        corner = (left - 2, max(top - 3, letters))
        draw.rectangle(draw.textbbox(corner, label, font=font, anchor="lb"), fill="white")
        draw.text(corner, label, fill=color, font=font, anchor="lb")
    return image
