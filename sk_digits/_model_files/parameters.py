"""Parameters of estimators as JSON, and back, checked as `fit` checks them."""

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


def write_params(params: dict[str, Any]) -> dict[str, Any]:
    """Return parameters as JSON values; TypeError if one is of a type that no file takes."""
    return {name: _write(value) for name, value in params.items()}


def _write(value: Any) -> Any:
    if type(value) is RandomWarp:
        return {_WARP: to_plain(value.get_params())}
    if type(value) is np.random.RandomState:
        return {_RANDOM_STATE: to_plain(value.get_state(legacy=False))}
    return to_plain(value)


def read_params(cls: type[Any], plain: Any, where: str) -> dict[str, Any]:
    """Return the parameters that `write_params` was given, if `fit` of `cls` would take them."""
    require_names(plain, set(cls._get_param_names()), where)
    params = {name: _read(value) for name, value in plain.items()}
    for name, value in params.items():
        is_long = isinstance(value, list | tuple | np.ndarray) and len(value) > MAX_ARRAYS
        require(not is_long, f"the parameter {name!r} of {where} has more than {MAX_ARRAYS} items")
    checked = params
    if "device" in params:  # one that this machine has not is no error
        is_device = isinstance(params["device"], str) and _DEVICE.fullmatch(params["device"])
        require(bool(is_device), f"the device of {where} is {str(params['device'])[:40]!r}")
        checked = params | {"device": "cpu"}
    estimator = cls(**checked)
    getattr(estimator, "_check_params", estimator._validate_params)()
    return params


def _read(plain: Any) -> Any:
    if isinstance(plain, dict) and set(plain) == {_WARP}:
        warp = RandomWarp(**_read_names(plain[_WARP], set(RandomWarp().get_params())))
        warp.check()
        return warp
    if isinstance(plain, dict) and set(plain) == {_RANDOM_STATE}:
        return _read_random_state(plain[_RANDOM_STATE])
    return from_plain(plain)


def _read_random_state(plain: Any) -> np.random.RandomState:
    state = _read_names(plain, {"bit_generator", "state", "has_gauss", "gauss"})
    numbers = state["state"]
    require_names(numbers, {"key", "pos"}, "a RandomState")
    key = numbers["key"]
    require(
        state["bit_generator"] == "MT19937"
        and isinstance(key, np.ndarray)
        and key.dtype == np.uint32
        and key.shape == (624,),
        "a RandomState has a state of another kind",
    )
    read_value("a RandomState", "pos", whole(0, 624), numbers["pos"])  # NumPy takes any
    read_value("a RandomState", "has_gauss", whole(0, 1), state["has_gauss"])
    read_value("a RandomState", "gauss", real(-np.inf), state["gauss"])
    random_state = np.random.RandomState(0)  # a seed, for without one it asks the system
    random_state.set_state(state)
    return random_state


def _read_names(plain: Any, names: set[str]) -> dict[str, Any]:
    values = from_plain(plain)
    require_names(values, names, "a parameter")
    return values


def require(is_so: bool, problem: str) -> None:
    """Raise ValueError unless all is well."""
    if not is_so:
        raise ValueError(problem)


def require_names(
    values: Any, names: set[str], where: str, optional: frozenset[str] = frozenset()
) -> None:
    """Raise ValueError unless a dict has entries of these names, and no others but optional."""
    require(isinstance(values, dict), f"{where} has no values by name")
    missing, unknown = names - set(values), set(values) - names - optional
    require(not missing, f"{where} lacks {sorted(missing)[:5]}")
    some = [str(name)[:40] for name in list(unknown)[:5]]
    require(not unknown, f"{where} has unknown attributes {some}")
