"""
Can it read my own handwriting?
===============================

MNIST's digits are cropped, centred and white on black. A photo of your notebook is not.
:class:`~sk_digits.DigitImageNormalizer` converts such a picture to MNIST's format before the network
classifies it.
"""

# %%
# Train a small model quickly, on MNIST if it is available, and otherwise on the digits bundled with
# scikit-learn.

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from sklearn.pipeline import Pipeline

from sk_digits import DigitImageNormalizer, make_digit_pipeline
from sk_digits.datasets import fetch_mnist, load_digits_28

try:
    X, y = fetch_mnist(return_X_y=True)
except OSError:
    X, y = load_digits_28(return_X_y=True)

trained = make_digit_pipeline(hidden_layer_sizes=(512, 512), max_epochs=15, random_state=0)
trained.fit(X[:10_000], y[:10_000])

# %%
# Put the normalizer before the fitted steps. It learns nothing from data, so nothing has to be
# fitted again.

reader = Pipeline([("image", DigitImageNormalizer()), *trained.steps])

# %%
# Three different pictures: pencil on paper in the shadow of a hand, chalk on a board, and a drawing
# whose ink is only in the alpha channel. Here they are drawn by the code. For your own pictures, with
# one digit each, write ``pictures = [Image.open("three.jpg"), Image.open("seven.png")]``.

TWO = [(60, 90), (80, 55), (125, 50), (145, 85), (120, 130), (70, 190), (155, 186)]
FOUR = [(125, 50), (75, 140), (165, 138)], [(135, 95), (128, 200)]
SEVEN = [(65, 62), (150, 58), (120, 120), (95, 200)]


def draw(strokes, size, pen):
    """Draw strokes with a round pen and return the ink of each pixel, from 0 to 1."""
    sheet = Image.new("L", size)
    for stroke in strokes:
        ImageDraw.Draw(sheet).line(stroke, fill=255, width=pen, joint="curve")
    return np.asarray(sheet.filter(ImageFilter.GaussianBlur(1.2))) / 255


rng = np.random.default_rng(0)
pencil = draw([TWO], (240, 260), 7)
light = np.linspace(235, 120, 240)  # a shadow on the right side
paper = light - 60 * pencil * light / 235 + rng.normal(0, 4, pencil.shape)

chalk = draw(FOUR, (240, 240), 13)
board = 40 + 170 * chalk + rng.normal(0, 6, chalk.shape)

ink = draw([SEVEN], (220, 250), 10)
canvas = np.zeros((*ink.shape, 4))
canvas[..., 3] = 255 * ink  # black on a transparent background

pictures = [a.clip(0, 255).astype(np.uint8) for a in (paper, board, canvas)]

# %%
# One call classifies all of them, although their shapes, colours and sizes differ.

answers = reader.predict(pictures)
probabilities = reader.predict_proba(pictures).max(axis=1)
seen = reader["image"].transform(pictures).reshape(-1, 28, 28)

size = {"figsize": (6.4, 4.6), "layout": "constrained"}
figure, axes = plt.subplots(2, len(pictures), squeeze=False, **size)
figure.suptitle("Pictures, what the network sees of them, and what it answers")
for i, picture in enumerate(pictures):
    axes[0, i].imshow(picture, cmap="gray", vmin=0, vmax=255)
    axes[1, i].imshow(seen[i], cmap="gray")
    axes[1, i].set_title(f"{answers[i]}  ({100 * probabilities[i]:.0f} %)", fontweight="bold")
for ax in axes.ravel():
    ax.set(xticks=[], yticks=[])
axes[0, 0].set_ylabel("picture")
axes[1, 0].set_ylabel("input of the network")

# %%
# After normalization, the pencil 2, the chalk 4 and the drawn 7 look like MNIST images, so a network
# that was trained on MNIST can classify them. With the digits bundled with scikit-learn, whose
# strokes are softer, expect more errors.

print(answers)
