"""How often the trained reader reads whole numbers and lines of pages right, beside Tesseract.

The digits are MNIST's official test images, whose writers the reader has not seen: six side by
side on a line, five in the boxes of a form, and pages of lines on synthetic paper. A number is
right if its text is exact. Tesseract is told that there are digits alone, in one line or in a
block.

    python benchmarks/bench_numbers.py --n 300 --pages 50 --tesseract
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from bench_hands import as_row
from numpy.typing import NDArray
from PIL import Image, ImageDraw

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.synthetic_paper import PAPER, write_page

from sk_digits import load_reader, read_page
from sk_digits.datasets import fetch_mnist

Bytes = NDArray[np.uint8]
Ask = Callable[[Bytes, bool], list[str]]  # the lines of a picture, which may have several
CELL_PX = 90  # from digit to digit, and side of a form's box
DIGIT_PX = 60  # longer side


def write_number(images: Bytes, *, boxes: bool, rng: np.random.Generator) -> Bytes:
    """Return a line of digits in dark ink on light paper, in the boxes of a form or without."""
    page = Image.new("L", (CELL_PX * (len(images) + 1), 2 * CELL_PX), 245)
    for i, image in enumerate(images):
        left = CELL_PX // 2 + i * CELL_PX
        if boxes:
            corners = (left, CELL_PX // 2, left + CELL_PX, 3 * CELL_PX // 2)
            ImageDraw.Draw(page).rectangle(corners, outline=90, width=3)
        digit = Image.fromarray(image)
        digit = digit.crop(digit.getbbox())
        zoom = DIGIT_PX / max(digit.size)
        size = tuple(max(1, round(side * zoom)) for side in digit.size)
        digit = digit.resize(size, Image.Resampling.BICUBIC)
        corner = [left + (CELL_PX - size[0]) // 2, CELL_PX - size[1] // 2]
        corner = [place + int(rng.integers(-4, 5)) for place in corner]
        page.paste(30, tuple(corner), digit)
    return np.asarray(page)


def ask_tesseract(picture: Bytes, is_page: bool) -> list[str]:
    """Return the lines that Tesseract reads."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "picture.png"
        Image.fromarray(picture).save(file)
        options = ["--psm", "6" if is_page else "7", "-c", "tessedit_char_whitelist=0123456789"]
        command = ["tesseract", str(file), "-", *options]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return text.replace(" ", "").split()


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--n", type=int, default=300, help="numbers of each kind")
    parser.add_argument("--pages", type=int, default=50)
    parser.add_argument("--tesseract", action="store_true", help="ask Tesseract too")
    options = parser.parse_args()

    test = fetch_mnist(subset="test")
    reader = load_reader()
    rng = np.random.default_rng(0)
    readers: dict[str, Ask] = {
        "load_reader()": lambda picture, _: read_page(picture, reader).text.split()
    }
    if options.tesseract:
        readers["Tesseract"] = ask_tesseract
    kinds: dict[str, list[tuple[Bytes, list[str]]]] = {}
    for name, n_digits, boxes in (("six digits", 6, False), ("five digits in boxes", 5, True)):
        kinds[name] = []
        for _ in range(options.n):
            chosen = rng.integers(len(test.images), size=n_digits)
            picture = write_number(test.images[chosen], boxes=boxes, rng=rng)
            kinds[name].append((picture, ["".join(map(str, test.target[chosen]))]))
    kinds["lines of pages"] = []
    for _ in range(options.pages):
        page = write_page(test.images, test.target, rng, PAPER)
        lines = ["".join(map(str, line)) for line in page.lines]
        kinds["lines of pages"].append((page.image, lines))
    for kind, pictures in kinds.items():
        print(kind)
        for name, ask in readers.items():
            is_right: list[Any] = []
            for picture, lines in pictures:
                found = ask(picture, len(lines) > 1)
                is_right += [
                    len(found) == len(lines) and line == found[i] for i, line in enumerate(lines)
                ]
            print(as_row(name, np.array(is_right)))


if __name__ == "__main__":
    main()
