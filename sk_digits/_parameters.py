"""What the parameters of `DigitANN` may be, and what they mean to the net."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from skorch.callbacks import Callback

from sk_digits._mlp import ACTIVATIONS
from sk_digits._net import LR_SCHEDULES

CONSTRAINTS: dict[str, list[Any]] = {
    "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
    "activation": [StrOptions(set(ACTIVATIONS))],
    "dropout": [Interval(Real, 0, 1, closed="left")],
    "batch_norm": ["boolean"],
    "lr": [Interval(Real, 0, None, closed="neither")],
    "lr_schedule": [StrOptions(set(LR_SCHEDULES))],
    "weight_decay": [Interval(Real, 0, None, closed="left")],
    "label_smoothing": [Interval(Real, 0, 1, closed="both")],
    "batch_size": [Interval(Integral, 1, None, closed="left")],
    "max_epochs": [Interval(Integral, 1, None, closed="left")],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
    "tol": [Interval(Real, 0, None, closed="left")],
    "class_weight": [StrOptions({"balanced"}), dict, None],
    "warm_start": ["boolean"],
    "callbacks": [list, tuple, None],
    "device": [str, torch.device],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}


def layer_widths(hidden_layer_sizes: Any) -> tuple[int, ...]:
    """Turn the `hidden_layer_sizes` parameter into a tuple."""
    widths = np.atleast_1d(np.asarray(hidden_layer_sizes, dtype=object)).tolist()
    if not all(isinstance(w, int | np.integer) and w > 0 for w in widths):
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
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(
            f"The 'device' parameter of DigitANN is {str(device)!r}, which this torch cannot use: "
            f"{str(error).splitlines()[0]} Take 'auto' or 'cpu', or install a torch that can."
        ) from error
    return resolved


def draw_seed(random_state: int | np.random.RandomState | None) -> int:
    """Turn the `random_state` parameter into the seed of a torch generator."""
    if random_state is None:  # check_random_state would draw from numpy's global generator
        return int(np.random.SeedSequence().generate_state(1)[0])
    return int(check_random_state(random_state).randint(2**31))


def check_callbacks(callbacks: list[Any] | tuple[Any, ...] | None) -> None:
    """Raise TypeError unless the `callbacks` parameter is as documented."""
    for item in callbacks or ():
        callback = item[1] if isinstance(item, tuple) and len(item) == 2 else item
        is_callback_class = isinstance(callback, type) and issubclass(callback, Callback)
        if not (is_callback_class or isinstance(callback, Callback)):
            raise TypeError(
                "The 'callbacks' parameter of DigitANN must hold skorch callbacks or pairs of a "
                f"name and a callback. Got {item!r} instead."
            )


def architecture(
    params: dict[str, Any], n_features: int, n_outputs: int, dtype: str
) -> dict[str, Any]:
    """Pick what defines the network, as plain values that `build_net` takes."""
    return {
        "n_features": n_features,
        "hidden_layer_sizes": layer_widths(params["hidden_layer_sizes"]),
        "n_outputs": n_outputs,
        "activation": params["activation"],
        "dropout": float(params["dropout"]),
        "batch_norm": bool(params["batch_norm"]),
        "dtype": dtype,
    }


def training(params: dict[str, Any], lr_schedule: str) -> dict[str, Any]:
    """Pick what defines its training, as plain values that `build_net` takes."""
    return {
        "lr": float(params["lr"]),
        "lr_schedule": lr_schedule,
        "weight_decay": float(params["weight_decay"]),
        "label_smoothing": float(params["label_smoothing"]),
        "batch_size": int(params["batch_size"]),
        "max_epochs": int(params["max_epochs"]),
        "verbose": int(params["verbose"]),
    }
