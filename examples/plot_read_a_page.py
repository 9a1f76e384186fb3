"""
How do I read a whole page of digits?
=====================================

:func:`~sk_digits.segment_digits` finds the digits of a page in reading order. Each digit's image
then goes through :class:`~sk_digits.DigitImageNormalizer` and the network, like any other picture.
"""

# %%
# Train a small model quickly, on MNIST if it is available, and otherwise on the digits bundled with
# scikit-learn.

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image
from sklearn.pipeline import Pipeline

from sk_digits import DigitImageNormalizer, make_digit_pipeline, segment_digits
from sk_digits.datasets import fetch_mnist, load_digits_28

try:
    X, y = fetch_mnist(return_X_y=True)
except OSError:
    X, y = load_digits_28(return_X_y=True)
X_train, y_train, X_test, y_test = X[:-200], y[:-200], X[-200:], y[-200:]

trained = make_digit_pipeline(hidden_layer_sizes=(512, 512), max_epochs=15, random_state=0)
trained.fit(X_train[:10_000], y_train[:10_000])
reader = Pipeline([("image", DigitImageNormalizer()), *trained.steps])

# %%
# Make a page of numbers from unseen images by many writers, in blue ink on paper that is darker on
# one side. To use a photo of your own page, write ``page = np.asarray(Image.open("page.jpg"))``.

rng = np.random.default_rng(3)
NUMBERS = ["2718", "31415", "1618", "14142"]
ink = Image.new("L", (520, 90 * len(NUMBERS) + 50))
for line, number in enumerate(NUMBERS):
    for place, digit in enumerate(number):
        row = rng.choice(np.flatnonzero(y_test == int(digit)))
        size = int(rng.integers(56, 70))
        drawn = Image.fromarray(X_test[row].reshape(28, 28)).resize((size, size))
        corner = 40 + 85 * place + int(rng.integers(-5, 6)), 30 + 90 * line + int(rng.integers(12))
        ink.paste(drawn, corner)
cover = np.asarray(ink)[..., np.newaxis] / 255
light = np.linspace(245, 165, ink.width)[np.newaxis, :, np.newaxis]
page = light * (1 - cover * [0.85, 0.7, 0.3]) + rng.normal(0, 3, (*cover.shape[:2], 1))
page = page.clip(0, 255).astype(np.uint8)

# %%
# Segment the page, classify each digit, and draw the boxes and answers.

segments = segment_digits(page)
answers = reader.predict([segment.image for segment in segments])
lines = [
    "".join(str(a) for a, s in zip(answers, segments, strict=True) if s.line == line)
    for line in range(segments[-1].line + 1)
]

figure, ax = plt.subplots(figsize=(6.4, 5), layout="constrained")
ax.imshow(page)
ax.set_title("The page with the boxes of its digits and the predicted labels")
ax.set_axis_off()
for segment, answer in zip(segments, answers, strict=True):
    top, left, bottom, right = segment.box
    frame = plt.Rectangle((left, top), right - left, bottom - top, fill=False, ec="#D55E00", lw=1.2)
    ax.add_patch(frame)
    ax.text(left, top - 3, answer, color="#D55E00", fontweight="bold", va="bottom")

# %%
# The numbers, line by line. The same from the command line is
# ``sk-digits predict digits.safetensors page.jpg --many``.

right = sum(read == written for read, written in zip(lines, NUMBERS, strict=False))
print("\n".join(lines))
print(f"{right} of {len(NUMBERS)} numbers are correct")
