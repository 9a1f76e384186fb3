"""Pictures of digits as hands draw them: leaning, turned, of any size, with thin and thick pens."""

import numpy as np
from PIL import Image, ImageDraw
from support.drawing_page import CURVES, strokes_of

SIDE = 320  # of the picture, as the page reads its drawing
FINER = 4  # pixels are averages of so many by so many


def draw_digit(digit: str, rng: np.random.Generator) -> np.ndarray:
    """Draw a digit black on white, with a hand and a pen that are chosen at random."""
    angle, shear = np.radians(rng.uniform(-15, 15)), rng.uniform(-0.5, 0.3)
    size, aspect = rng.uniform(0.3, 0.95), rng.uniform(0.7, 1.2)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = size * turn @ np.array([[aspect, shear], [0, 1]])
    place = 0.5 + rng.uniform(-0.5, 0.5, 2) * (0.9 - size * 0.8) * 0.5
    pen = rng.uniform(0.015, 0.09)
    image = Image.new("L", (SIDE * FINER, SIDE * FINER), 255)
    draw = ImageDraw.Draw(image)
    for stroke in strokes_of(digit):
        shaky = stroke + rng.normal(0, 0.006, stroke.shape)
        points = ((shaky - 0.5) @ matrix.T + place) * 280 + 20
        points *= FINER
        width = pen * 280 * FINER
        draw.line([tuple(point) for point in points], fill=0, width=round(width), joint="curve")
        for x, y in points[[0, -1]]:  # round ends
            draw.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=0)
    return np.asarray(image.reduce(FINER))


def draw_digits(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return drawn pictures of shape (n, 320, 320) and the digits that they show."""
    rng = np.random.default_rng(seed)
    digits = np.arange(n) % len(CURVES)
    return np.stack([draw_digit(str(digit), rng) for digit in digits]), digits


def on_paper(pictures: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return drawn pictures as pencil on grainy paper in uneven light, as a photo shows them."""
    light = 230 - np.linspace(0, 60, pictures.shape[2])
    noise = rng.normal(0, 4, pictures.shape)
    return (light - 0.55 * (255.0 - pictures) + noise).clip(0, 255).astype(np.uint8)
