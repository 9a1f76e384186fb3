"""`describe_model`: a fitted model as the values that the page computes with."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sk_digits._ann.digit_ann import DigitANN
from sk_digits._images.digit_image_normalizer import DigitImageNormalizer
from sk_digits._images.pixel_scaler import PixelScaler
from sk_digits._network.mlp import BatchNorm, Linear
from sk_digits._selective import SelectiveClassifier, unfreeze

PRECISIONS = ("float32", "float16", "int8")
N_PIXELS = 28 * 28
# The largest intensity of the page's images, and what a DigitANN alone takes them to be divided by.
WHITE = 255.0


def describe_model(model: Any, precision: str) -> dict[str, Any]:
    """Return a fitted model as JSON values, or raise TypeError, ValueError or NotFittedError.

    "background" is the place of the output for what has none of the labels, or -1. "layers" has the
    width and the activation of each layer. "weights" is base64 of the deflated bytes,
    little-endian: for each layer its biases in float32, in int8 the float32 scale of each row, and
    the rows of weights of its units in `precision`.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {list(PRECISIONS)}. Got {precision!r}.")
    steps, selective = _flatten(model)
    ann = steps.pop() if steps else None
    if not isinstance(ann, DigitANN):
        raise TypeError(
            "model must be a fitted DigitANN, or a Pipeline or SelectiveClassifier that ends in "
            f"one. Got {model!r:.80}. For a search, pass its best_estimator_."
        )
    for step in steps:
        if not isinstance(step, DigitImageNormalizer | PixelScaler):
            raise TypeError(
                "The page computes no step but DigitImageNormalizer, PixelScaler and DigitANN. "
                f"Got {type(step).__name__}. Fit a pipeline without it, such as "
                "make_digit_pipeline()."
            )
    check_is_fitted(ann)
    if ann.n_features_in_ != N_PIXELS:
        raise ValueError(
            f"The page shows a model images of 28x28 = {N_PIXELS} pixels; this one was trained on "
            f"rows of {ann.n_features_in_}. Train it on load_digits_28 or fetch_mnist."
        )
    layers = _fold(ann)
    content = b"".join(_encode(*layer, precision) for layer in layers)
    activation = ann.net_.architecture.activation
    classes = ann.classes_.tolist()
    background = getattr(selective, "background_label", None)
    return {
        "labels": [str(label) for label in classes if label != background],
        "background": -1 if background is None else classes.index(background),
        "divisor": _find_divisor(steps),
        "layers": [
            {"width": len(bias), "activation": activation if i < len(layers) - 1 else "identity"}
            for i, (_, bias) in enumerate(layers)
        ],
        "precision": precision,
        "temperature": 1.0 if selective is None else float(1 / selective._logit_scale),
        "threshold": getattr(selective, "threshold_", 0.0),
        "method": getattr(selective, "method", "max_probability"),
        "rejects": selective is not None,
        "weights": base64.b64encode(zlib.compress(content, 9)).decode(),
    }


def _flatten(model: Any) -> tuple[list[Any], SelectiveClassifier | None]:
    """Return the steps of nested pipelines, and the SelectiveClassifier around or in them."""
    model = unfreeze(model)
    if isinstance(model, SelectiveClassifier):
        check_is_fitted(model)
        steps, inner = _flatten(model.estimator_)
        if inner is not None:
            raise TypeError("The page knows one SelectiveClassifier. Got one within another.")
        return steps, model
    if not isinstance(model, Pipeline):
        return [] if model in (None, "passthrough") else [model], None
    parts = [_flatten(step) for _, step in model.steps]
    return [step for part, _ in parts for step in part], parts[-1][1]


def _find_divisor(steps: list[Any]) -> float:
    """Return what pixels from 0 to 255 are divided by before they come to the network."""
    scalers = [step for step in steps if isinstance(step, PixelScaler)]
    if scalers:
        return float(np.prod([scaler.pixel_max_ for scaler in scalers]))
    return 1.0 if steps else WHITE


def _fold(ann: DigitANN) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """Return the weights and biases of each layer, with batch normalisation folded in."""
    layers: list[tuple[NDArray[Any], NDArray[Any]]] = []
    for layer in ann.net_.module_:
        values = {name: v.detach().cpu().double().numpy() for name, v in layer.state_dict().items()}
        if isinstance(layer, Linear):
            weights = values["weight"]
            layers.append((weights, values.get("bias", np.zeros(len(weights)))))
        elif isinstance(layer, BatchNorm):
            weights, bias = layers.pop()
            factor = values["weight"] / np.sqrt(values["running_var"] + layer.eps)
            shifted = (bias - values["running_mean"]) * factor + values["bias"]
            layers.append((weights * factor[:, np.newaxis], shifted))
    return layers


def _encode(weights: NDArray[Any], bias: NDArray[Any], precision: str) -> bytes:
    """Return the bytes of a layer."""
    head = bias.astype("<f4").tobytes()
    if precision == "int8":
        scale = np.abs(weights).max(axis=1).astype("<f4") / np.float32(127)
        scale[scale == 0] = 1
        levels = np.rint(weights / scale[:, np.newaxis]).astype("i1")
        return head + scale.tobytes() + levels.tobytes()
    with np.errstate(over="ignore"):
        rounded = weights.astype("<f4" if precision == "float32" else "<f2")
    if not np.isfinite(rounded).all():
        raise ValueError(
            f"A weight of {np.abs(weights).max():.3g} is too large for precision={precision!r}. "
            "Use 'int8' or 'float32'."
        )
    return head + rounded.tobytes()
