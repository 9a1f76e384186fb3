"""Parameters and other attributes of estimators as JSON, and back."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from sk_digits._constraints import read_value, real, whole
from sk_digits._network.random_warp import RandomWarp
from sk_digits._plain_values import from_plain, to_plain
from sk_digits._tensor_file import MAX_ARRAYS

_WARP, _RANDOM_STATE = "sk_digits.RandomWarp", "numpy.random.RandomState"
_DEVICE = re.compile(r"auto|(?:cpu|cuda|mps|xpu)(?::\d{1,3})?")


def write_value(value: Any) -> Any:
    """Return an attribute as JSON values; ValueError if it is of a type that no file takes."""
    if type(value) is RandomWarp:
        return {_WARP: to_plain(value.get_params())}
    if type(value) is np.random.RandomState:
        return {_RANDOM_STATE: to_plain(value.get_state(legacy=False))}
    return to_plain(value)


def read_params(cls: type[Any], state: dict[str, Any], where: str) -> dict[str, Any]:
    """Take the parameters of an estimator out of its state as JSON, checked as `fit` does."""
    params = {name: _read_param(state.pop(name)) for name in cls._get_param_names()}
    for name, value in params.items():
        n_items = len(value) if isinstance(value, list | tuple) else np.size(value)
        require(n_items <= MAX_ARRAYS, f"{where}.{name} has {n_items} items")
    checked = params
    if "device" in params:  # one that this machine has not is no error
        device = str(params["device"])
        require(bool(_DEVICE.fullmatch(device)), f"{where}.device is {device[:40]!r}")
        checked = params | {"device": "cpu"}
    estimator = cls(**checked)
    getattr(estimator, "_check_params", estimator._validate_params)()
    return params


def _read_param(plain: Any) -> Any:
    if isinstance(plain, dict) and set(plain) == {_WARP}:
        warp = RandomWarp(**from_plain(plain[_WARP]))
        warp.check()
        return warp
    if isinstance(plain, dict) and set(plain) == {_RANDOM_STATE}:
        return _make_random_state(from_plain(plain[_RANDOM_STATE]))
    return from_plain(plain)


def _make_random_state(state: dict[str, Any]) -> np.random.RandomState:
    key = state["state"]["key"]
    require(
        state["bit_generator"] == "MT19937" and key.dtype == np.uint32 and key.shape == (624,),
        "a RandomState has a state of another kind",
    )
    read_value("a RandomState", "pos", whole(0, 624), state["state"]["pos"])  # NumPy takes any
    read_value("a RandomState", "has_gauss", whole(0, 1), state["has_gauss"])
    read_value("a RandomState", "gauss", real(-np.inf), state["gauss"])
    random_state = np.random.RandomState(0)  # a seed, for without one it asks the system
    random_state.set_state(state)
    return random_state


def require(is_so: bool, problem: str) -> None:
    """Raise ValueError unless all is well."""
    if not is_so:
        raise ValueError(problem)
