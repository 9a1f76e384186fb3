"""What the parameters of `DigitANN` may be, and what they mean to the net."""

from __future__ import annotations

import copy
import math
import operator
import sys
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from skorch.callbacks import Callback

from sk_digits._network.lr_schedules import LR_SCHEDULES
from sk_digits._network.mlp import ACTIVATIONS
from sk_digits._network.random_warp import PRESETS, RandomWarp
from sk_digits._validation import naming

CONSTRAINTS: dict[str, list[Any]] = {
    "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
    "activation": [StrOptions(set(ACTIVATIONS))],
    "dropout": [Interval(Real, 0, 1, closed="left")],
    "batch_norm": ["boolean"],
    "lr": [Interval(Real, 0, None, closed="neither")],
    "lr_schedule": [StrOptions(set(LR_SCHEDULES))],
    "weight_decay": [Interval(Real, 0, None, closed="left")],
    "label_smoothing": [Interval(Real, 0, 1, closed="both")],
    "batch_size": [Interval(Integral, 1, sys.maxsize, closed="both")],
    "max_epochs": [Interval(Integral, 1, sys.maxsize, closed="both")],
    "augmentation": [StrOptions(set(PRESETS)), RandomWarp, None],
    "image_shape": [tuple, list, None],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "n_iter_no_change": [Interval(Integral, 1, sys.maxsize, closed="both")],
    "tol": [Interval(Real, 0, None, closed="left")],
    "class_weight": [StrOptions({"balanced"}), dict, None],
    "warm_start": ["boolean"],
    "callbacks": [list, tuple, None],
    "device": [str, torch.device],
    "precision": [StrOptions({"auto", "bfloat16", "float32"})],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}

# The parameters that are real numbers.
FLOATS = ("dropout", "lr", "weight_decay", "label_smoothing", "validation_fraction", "tol")
MAX_WEIGHTS = 2**38  # in float32 a terabyte


def layer_widths(hidden_layer_sizes: Any) -> tuple[int, ...]:
    """Turn the `hidden_layer_sizes` parameter into a tuple."""
    with naming("hidden_layer_sizes"):
        widths = np.atleast_1d(np.asarray(hidden_layer_sizes, dtype=object)).tolist()
    if not all(isinstance(w, int | np.integer) and type(w) is not bool and w > 0 for w in widths):
        raise ValueError(
            "The 'hidden_layer_sizes' parameter of DigitANN must be a positive int or a sequence "
            f"of positive ints, one a layer. Got {hidden_layer_sizes!r} instead."
        )
    return tuple(int(w) for w in widths)


def resolve_device(device: str | torch.device) -> torch.device:
    """Turn the `device` parameter into a device that is there."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
        torch.empty(0, device=resolved)
        torch.Generator(resolved)
    except Exception as error:  # each of torch's backends has its own
        raise ValueError(
            f"The 'device' parameter of DigitANN is {str(device)!r}, which this torch cannot use: "
            f"{str(error).partition(chr(10))[0]} Take 'auto' or 'cpu', or install a torch that can."
        ) from error
    return resolved


def draw_seed(random_state: int | np.random.RandomState | None) -> int:
    """Turn the `random_state` parameter into the seed of a torch generator."""
    if random_state is None:  # check_random_state would draw from numpy's global generator
        return int(np.random.SeedSequence().generate_state(1)[0])
    return int(check_random_state(random_state).randint(2**31))


def check_callbacks(callbacks: list[Any] | tuple[Any, ...] | None) -> None:
    """Raise TypeError unless the `callbacks` parameter is as documented."""
    names = [item[0] for item in callbacks or () if isinstance(item, tuple) and len(item) == 2]
    if not all(type(name) is str for name in names) or len(set(names)) < len(names):
        raise TypeError(
            "The 'callbacks' parameter of DigitANN must have names that are str, each once. Got "
            f"{names!r} instead."
        )
    for item in callbacks or ():
        callback = item[1] if isinstance(item, tuple) and len(item) == 2 else item
        is_callback_class = isinstance(callback, type) and issubclass(callback, Callback)
        if not (is_callback_class or isinstance(callback, Callback)):
            raise TypeError(
                "The 'callbacks' parameter of DigitANN must hold skorch callbacks or pairs of a "
                f"name and a callback. Got {item!r} instead."
            )


def copy_callbacks(callbacks: list[Any] | tuple[Any, ...] | None) -> list[Any]:
    """Copy the `callbacks` parameter, for a net to keep, with instances in place of classes."""

    def make(callback: Any) -> Any:
        return callback() if isinstance(callback, type) else callback

    with naming("callbacks"):
        return copy.deepcopy(
            [
                (item[0], make(item[1])) if isinstance(item, tuple) else make(item)
                for item in callbacks or ()
            ]
        )


def has_bfloat16_units() -> bool:
    """Tell whether the processor multiplies matrices faster in bfloat16 than in float32."""
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))


def uses_bfloat16(precision: str, dtype: str, device: str) -> bool:
    """Apply the rule of the `precision` parameter.

    "auto" looks at nothing but the processor: where it has the units, bfloat16 was faster at every
    width and batch size that benchmarks/bench_speed.py measures.
    """
    if dtype == "float64":
        return False
    if precision == "auto":
        return device == "cpu" and has_bfloat16_units()
    return precision == "bfloat16"


def architecture(
    params: dict[str, Any], n_features: int, n_outputs: int, dtype: str
) -> dict[str, Any]:
    """Pick what defines the network, as plain values that `build_net` takes."""
    widths = layer_widths(params["hidden_layer_sizes"])
    sides = (n_features, *widths, n_outputs)
    if sum(map(operator.mul, sides, sides[1:])) > MAX_WEIGHTS:
        raise ValueError(
            "The 'hidden_layer_sizes' parameter of DigitANN must be such that the weights fit into "
            f"a terabyte. Got {params['hidden_layer_sizes']!r} instead."
        )
    return {
        "n_features": n_features,
        "hidden_layer_sizes": widths,
        "n_outputs": n_outputs,
        "activation": params["activation"],
        "dropout": float(params["dropout"]),
        "batch_norm": bool(params["batch_norm"]),
        "dtype": dtype,
    }


def image_shape(params: dict[str, Any], n_features: int) -> tuple[int, int] | None:
    """Give the height and width of the images; None if nothing needs them."""
    shape = params["image_shape"]
    if shape is None:
        if params["augmentation"] is None:
            return None
        side = math.isqrt(n_features)
        if side * side != n_features:
            raise ValueError(
                f"{n_features} features are no square image. Give image_shape=(height, width), "
                "or set augmentation=None."
            )
        return side, side
    height_width = tuple(shape)
    if len(height_width) != 2 or not all(
        isinstance(side, int | np.integer) and side > 0 for side in height_width
    ):
        raise ValueError(
            "The 'image_shape' parameter of DigitANN must be None or two positive ints, height "
            f"and width. Got {shape!r} instead."
        )
    if height_width[0] * height_width[1] != n_features:
        raise ValueError(
            f"image_shape={shape!r} is {height_width[0] * height_width[1]} pixels, but X has "
            f"{n_features} features."
        )
    return int(height_width[0]), int(height_width[1])


def training(
    params: dict[str, Any], architecture: dict[str, Any], device: str, lr_schedule: str
) -> dict[str, Any]:
    """Pick what defines its training, as plain values that `build_net` takes."""
    warp = params["augmentation"]
    if isinstance(warp, str):
        warp = PRESETS[warp]
    if warp is not None:
        warp.check()
    return {
        "augmentation": None if warp is None else warp.get_params(),
        "image_shape": image_shape(params, architecture["n_features"]),
        "bfloat16": uses_bfloat16(params["precision"], architecture["dtype"], device),
        "lr": float(params["lr"]),
        "lr_schedule": lr_schedule,
        "weight_decay": float(params["weight_decay"]),
        "label_smoothing": float(params["label_smoothing"]),
        "batch_size": int(params["batch_size"]),
        "max_epochs": int(params["max_epochs"]),
        "verbose": int(params["verbose"]),
    }
