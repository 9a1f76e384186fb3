"""What all estimators in a model file have: parameters, features, attributes by name."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from sk_digits._model_files.model_schema import Stored
from sk_digits._model_files.model_values import is_int, is_number, require
from sk_digits._network.random_warp import RandomWarp

_VERSION = re.compile(r"\d[\w.+-]{0,40}")


def type_name(cls: type) -> str:
    """Give the name of a type as it stands in a file."""
    return f"{cls.__module__}.{cls.__name__}"


PARAMETER_TYPES = {type_name(RandomWarp), type_name(np.random.RandomState)}


def build_params(cls: type[Any], stored: Stored, where: str) -> dict[str, Any]:
    """Give the parameters in a state, checked as `fit` checks them."""
    params = {}
    for name in cls._get_param_names():
        require(name in stored.state, f"{where} has no parameter {name!r}")
        params[name] = _build_parameter(stored.state[name], f"{where}.{name}")
    estimator = cls(**params)
    getattr(estimator, "_check_params", estimator._validate_params)()
    return params


def _build_parameter(value: Any, where: str) -> Any:
    if not isinstance(value, Stored):
        return value
    state = value.state
    require(value.type_name in PARAMETER_TYPES, f"{where} is a {value.type_name[:80]}")
    if value.type_name == type_name(RandomWarp):
        check_names(state, set(RandomWarp().get_params()))
        warp = RandomWarp(**state)
        warp.check()
        return warp
    check_names(state, {"bit_generator", "state", "has_gauss", "gauss"})
    numbers = state["state"]
    check_names(numbers, {"key", "pos"})
    key = numbers["key"]
    require(
        state["bit_generator"] == "MT19937"
        and isinstance(key, np.ndarray)
        and key.dtype == np.uint32
        and key.shape == (624,)
        and is_int(numbers["pos"], 0, 624)  # NumPy takes any, and reads past its numbers
        and is_int(state["has_gauss"], 0, 1)
        and is_number(state["gauss"]),
        f"{where} is no state of a RandomState",
    )
    random_state = np.random.RandomState(0)  # a seed, for without one it asks the system
    random_state.set_state(state)
    return random_state


def check_names(
    state: Any, required: set[str], optional: frozenset[str] | set[str] = frozenset()
) -> None:
    """Raise ValueError unless a state has all attributes that it must, and no others."""
    require(isinstance(state, dict), "a state is no dict")
    missing, unknown = required - set(state), set(state) - required - optional
    require(not missing, f"a state lacks {sorted(missing)[:5]}")
    require(not unknown, f"a state has unknown attributes {[n[:40] for n in sorted(unknown)[:5]]}")
    version = state.get("_sklearn_version", "1")
    require(
        type(version) is str and _VERSION.fullmatch(version) is not None,
        "a state names no version of scikit-learn",
    )


def n_features_of(state: dict[str, Any], where: str) -> int:
    """Give the number of features in a state, checked together with their names."""
    n_features: int = state.get("n_features_in_", 0)
    require(is_int(n_features, 1), f"{where}.n_features_in_ is no positive int")
    names = state.get("feature_names_in_")
    require(
        names is None
        or (
            isinstance(names, np.ndarray) and names.dtype == object and names.shape == (n_features,)
        ),
        f"{where}.feature_names_in_ are not {n_features} names",
    )
    return n_features
