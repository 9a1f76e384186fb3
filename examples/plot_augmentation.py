"""
How does augmentation change a digit, and how much does it improve accuracy?
============================================================================

A :class:`~sk_digits.RandomWarp` rotates, shears, scales, shifts and elastically deforms each
training image at random, differently in each epoch. This example shows each distortion of one digit,
alone and combined. Then it trains the same network with and without augmentation.
"""

# %%
# One digit and three random samples of each distortion, with the strengths that
# ``make_digit_pipeline`` uses.

import matplotlib.pyplot as plt
import torch

from sk_digits import RandomWarp, make_digit_pipeline
from sk_digits.datasets import fetch_mnist, load_digits_28

try:
    X, y = fetch_mnist(return_X_y=True)
except OSError:
    X, y = load_digits_28(return_X_y=True)

strengths = {"rotation": 15, "shear": 0.25, "scale": 0.15, "translation": 0.07, "elastic": 0.02}
warps = {name: RandomWarp(**{name: strength}) for name, strength in strengths.items()}
warps["all of them"] = RandomWarp(**strengths)

digit = torch.from_numpy(X[y == 3][0].reshape(1, 28, 28)) / 255
generator = torch.Generator().manual_seed(1)

figure, axes = plt.subplots(4, len(warps), figsize=(6.4, 4.6), layout="constrained")
figure.suptitle("A digit, and three random samples of each distortion")
for column, (name, warp) in zip(axes.T, warps.items(), strict=True):
    drawn = torch.cat([digit, warp(digit.expand(3, 28, 28), generator)])
    for ax, image in zip(column, drawn, strict=True):
        ax.imshow(image, cmap="gray_r", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_color("#DDDDDD")
    column[0].set_title(name)
axes[0, 0].set_ylabel("original")

# %%
# Accuracy of the same small network without and with augmentation, trained on 600 images for
# different numbers of epochs and scored on 1,000 other images.

train, test = slice(0, 600), slice(-1000, None)
epochs = [5, 10, 20, 40]
accuracy = {}
for label, augmentation in {"without": None, "with augmentation": warps["all of them"]}.items():
    fits = [
        make_digit_pipeline(
            hidden_layer_sizes=(256,), augmentation=augmentation, max_epochs=n, random_state=0
        ).fit(X[train], y[train])
        for n in epochs
    ]
    accuracy[label] = [fit.score(X[test], y[test]) for fit in fits]

figure, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
for (label, scores), color in zip(accuracy.items(), ("#666666", "#0072B2"), strict=True):
    ax.plot(epochs, scores, "o-", color=color, linewidth=2, label=label)
ax.set(title="Accuracy on 1,000 unseen images", xlabel="Epochs", xscale="log")
ax.legend()
ax.set_xticks(epochs, epochs)
ax.minorticks_off()
ax.spines[["top", "right"]].set_visible(False)

# %%
# Without augmentation, the network memorises its training images, and further epochs help less and
# less. With augmentation, no image is repeated, and further epochs continue to help.

plain, warped = (scores[-1] for scores in accuracy.values())
print(f"after {epochs[-1]} epochs: {plain:.3f} without, {warped:.3f} with augmentation")
