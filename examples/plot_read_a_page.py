"""
How do I read a whole page of digits?
=====================================

:func:`~sk_digits.read_page` finds the digits of a page, reads them with the reader that comes with
the package, and joins them to numbers.
"""

import numpy as np
from PIL import Image

from sk_digits import read_page
from sk_digits.datasets import load_digits_28

# %%
# Make a page of numbers from images by many writers, in blue ink on paper that is darker on one side.
# To read a photo of your own, write ``page = "page.jpg"``.

images, labels = load_digits_28().images, load_digits_28().target
rng = np.random.default_rng(3)
NUMBERS = ["2718", "31415", "1618", "14142"]
ink = Image.new("L", (520, 90 * len(NUMBERS) + 50))
for line, number in enumerate(NUMBERS):
    for place, digit in enumerate(number):
        row = rng.choice(np.flatnonzero(labels == int(digit)))
        size = int(rng.integers(56, 70))
        drawn = Image.fromarray(images[row]).resize((size, size))
        corner = 40 + 85 * place + int(rng.integers(-5, 6)), 30 + 90 * line + int(rng.integers(12))
        ink.paste(drawn, corner)
cover = np.asarray(ink)[..., np.newaxis] / 255
light = np.linspace(245, 165, ink.width)[np.newaxis, :, np.newaxis]
page = light * (1 - cover * [0.85, 0.7, 0.3]) + rng.normal(0, 3, (*cover.shape[:2], 1))
page = page.clip(0, 255).astype(np.uint8)

# %%
# Read it, and draw the boxes and answers.

reading = read_page(page)
ax = reading.plot()
ax.set_title("The page with the boxes of its digits and the predicted labels")

# %%
# The numbers, line by line. The same from the command line is
# ``sk-digits predict page.jpg --many``.

right = sum(read == [written] for read, written in zip(reading.numbers, NUMBERS, strict=False))
print(reading.text)
print(f"{right} of {len(NUMBERS)} numbers are correct")
