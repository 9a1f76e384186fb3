"""The recipe: a pixel scaler and a `DigitANN` in one pipeline."""

from __future__ import annotations

from typing import Any

from sklearn.pipeline import Pipeline

from sk_digits._digit_ann import DigitANN
from sk_digits._preprocessing import PixelScaler


def make_digit_pipeline(**ann_params: Any) -> Pipeline:
    """Make the pipeline that recognises digits: pixel scaling, then a `DigitANN`.

    Parameters
    ----------
    **ann_params : dict
        Parameters of :class:`DigitANN`; each overrides its default.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Steps "scaler" (:class:`PixelScaler`) and "ann" (:class:`DigitANN`). It takes raw pixels
        of shape (n_images, n_pixels), integer or float, and any labels.

    Raises
    ------
    TypeError
        If `ann_params` has a name that :class:`DigitANN` does not.

    Examples
    --------
    >>> from sk_digits import make_digit_pipeline
    >>> from sk_digits.datasets import load_digits_28
    >>> X, y = load_digits_28(return_X_y=True)
    >>> pipeline = make_digit_pipeline(hidden_layer_sizes=(64,), max_epochs=5, random_state=0)
    >>> pipeline.fit(X[:1000], y[:1000]).score(X[1000:], y[1000:]) > 0.8
    True
    """
    return Pipeline([("scaler", PixelScaler()), ("ann", DigitANN(**ann_params))])
