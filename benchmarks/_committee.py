"""`make_committee`: a vote of networks that see digits in different ways.

Cireşan, Meier, Gambardella and Schmidhuber ("Handwritten Digit Recognition with a Committee of Deep
Neural Nets on GPUs", 2011) found that networks make fewer common errors if each sees digits of
another width. Here one member sees the images as they are, the others see them upright, and three
of these stretched to 10, 14 and 18 pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform
from sklearn.ensemble import VotingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from sk_digits import PixelScaler, RandomWarp, make_digit_pipeline

SIDE, HEIGHT = 28, 20
INK = 0.1  # of full intensity


def _restyle(image: NDArray[np.float32], width: float | None) -> NDArray[np.float32]:
    """Return a digit made upright and, with a width, stretched to it and 20 pixels high."""
    y, x = np.nonzero(image > INK)
    if len(y) < 2:
        return image
    mass = image[y, x]
    centre_y, centre_x = np.average(y, weights=mass), np.average(x, weights=mass)
    dy, dx = y - centre_y, x - centre_x
    slant = (mass * dx * dy).sum() / max((mass * dy * dy).sum(), 1e-6)
    zoom_y = zoom_x = 1.0
    target = np.array([centre_y, centre_x])
    if width is not None:
        upright = dx - slant * dy
        left, right, top, bottom = upright.min(), upright.max() + 1, y.min(), y.max() + 1
        zoom_y = (bottom - top) / HEIGHT
        zoom_x = max((right - left) / width, 1 / 3)  # a 1 stays thin
        centre_x += (left + right - 1) / 2 + slant * ((top + bottom - 1) / 2 - centre_y)
        centre_y = (top + bottom - 1) / 2
        target = np.full(2, (SIDE - 1) / 2)
    matrix = np.array([[zoom_y, 0.0], [slant * zoom_y, zoom_x]])
    offset = np.array([centre_y, centre_x]) - matrix @ target
    return affine_transform(image, matrix, offset, order=1)


def restyle(X: NDArray[np.float32], width: float | None = None) -> NDArray[np.float32]:
    """Return rows of 784 pixels in [0, 1] with upright digits, all of the width if one is given."""
    images = X.reshape(-1, SIDE, SIDE)
    return np.stack([_restyle(image, width) for image in images]).reshape(len(X), -1)


def _member(seed: int, style: dict[str, float] | None) -> Pipeline:
    recipe = make_digit_pipeline(random_state=seed)
    if style is None:
        return recipe
    warp: RandomWarp = recipe["ann"].augmentation
    warp.set_params(shear=warp.shear / 2)  # upright digits slant less
    view = FunctionTransformer(restyle, kw_args=style)
    return Pipeline([("scaler", PixelScaler()), ("view", view), ("ann", recipe["ann"])])


def make_committee(seed: int) -> VotingClassifier:
    """Return a soft vote of five recipes on five views of a digit."""
    styles = [None, {}, {"width": 10.0}, {"width": 14.0}, {"width": 18.0}]
    members = [(f"view_{i}", _member(seed + i, style)) for i, style in enumerate(styles)]
    return VotingClassifier(members, voting="soft")
