"""What the parameters of `DigitANN` mean to the net: device, seed, callbacks, hyperparameters."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import torch
from sklearn.utils import check_random_state
from skorch.callbacks import Callback

from sk_digits._network.hyperparameters import Training
from sk_digits._validation import naming


def resolve_device(device: str | torch.device) -> torch.device:
    """Return the device that the `device` parameter names, if this torch can use it."""
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
    """Return a seed for a torch generator, drawn from the `random_state` parameter."""
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
    """Return a copy of the `callbacks` parameter for a net to keep; classes become instances."""

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
    """Return whether the processor multiplies matrices faster in bfloat16 than in float32."""
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))


def uses_bfloat16(precision: str, dtype: str, device: str) -> bool:
    """Return whether training multiplies matrices in bfloat16, by the `precision` parameter.

    "auto" depends on the processor alone: where it has the units, bfloat16 was faster at every
    width and batch size that benchmarks/bench_speed.py measures.
    """
    if dtype == "float64":
        return False
    if precision == "auto":
        return device == "cpu" and has_bfloat16_units()
    return precision == "bfloat16"


def make_training(
    params: dict[str, Any], *, n_features: int, dtype: str, device: str, lr_schedule: str
) -> Training:
    """Return how to train, by the parameters of a `DigitANN` and the kind of its data."""
    names = ("lr", "weight_decay", "label_smoothing", "batch_size", "max_epochs", "augmentation")
    return Training(
        **{name: params[name] for name in names},
        lr_schedule=lr_schedule,
        image_shape=_image_shape(params, n_features),
        bfloat16=uses_bfloat16(params["precision"], dtype, device),
    )


def _image_shape(params: dict[str, Any], n_features: int) -> tuple[int, int] | None:
    """Return the height and width of the images; None if nothing needs them."""
    shape = params["image_shape"]
    if shape is None and params["augmentation"] is None:
        return None
    if shape is None:
        side = math.isqrt(n_features)
        if side * side != n_features:
            raise ValueError(
                f"{n_features} features are no square image. Give image_shape=(height, width), "
                "or set augmentation=None."
            )
        return side, side
    height, width = (int(side) for side in shape)
    if height * width != n_features:
        raise ValueError(
            f"image_shape={shape!r} is {height * width} pixels, but X has {n_features} features."
        )
    return height, width
