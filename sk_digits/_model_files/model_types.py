"""The types that a model file may hold, each with what its state may be: `build_model`.

This table is all that is trusted. A type that is not in it is not built, whatever the file says;
one that is in it is built only of a state that it could have after a fit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, StandardScaler

from sk_digits._ann.digit_ann import DigitANN
from sk_digits._images.digit_image_normalizer import DigitImageNormalizer
from sk_digits._images.pixel_scaler import PixelScaler
from sk_digits._model_files.model_net import check_net_arrays
from sk_digits._model_files.model_params import (
    build_params,
    check_names,
    n_features_of,
    type_name,
)
from sk_digits._model_files.model_schema import Stored
from sk_digits._model_files.model_values import is_int, is_number, is_shape, require

_DEVICE = re.compile(r"auto|(?:cpu|cuda|mps|xpu)(?::\d{1,3})?")


@dataclass(frozen=True)
class Transformer:
    """A transformer's type and what `fit` sets.

    Parameters
    ----------
    cls : type
        The type.
    arrays : dict of str to str
        Fitted attributes, by the letters of their shapes: "f" is the number of features, "k" that
        of components; "" is a number. Any may be None, as scikit-learn has those not asked for.
    n_outputs : str
        Attribute with the number of columns that come out.
    texts : tuple of str
        Fitted attributes that are short strings.
    """

    cls: type[Any]
    arrays: dict[str, str]
    n_outputs: str = "n_features_in_"
    texts: tuple[str, ...] = ()


_TRANSFORMERS = [
    Transformer(PixelScaler, {"pixel_max_": ""}),
    Transformer(StandardScaler, {"mean_": "f", "var_": "f", "scale_": "f", "n_samples_seen_": ""}),
    Transformer(
        MinMaxScaler,
        dict.fromkeys(("min_", "scale_", "data_min_", "data_max_", "data_range_"), "f")
        | {"n_samples_seen_": ""},
    ),
    Transformer(MaxAbsScaler, {"max_abs_": "f", "scale_": "f", "n_samples_seen_": ""}),
    Transformer(
        PCA,
        {"components_": "kf", "mean_": "f", "explained_variance_": "k", "singular_values_": "k"}
        | {"explained_variance_ratio_": "k", "noise_variance_": "", "n_samples_": ""}
        | {"n_components_": ""},
        n_outputs="n_components_",
        texts=("_fit_svd_solver",),
    ),
]


_TRANSFORMER_BY_NAME = {type_name(kind.cls): kind for kind in _TRANSFORMERS}
_DIGIT_ANN, _PIPELINE = type_name(DigitANN), type_name(Pipeline)
_NORMALIZER = type_name(DigitImageNormalizer)


class Built(NamedTuple):
    """A model with the number of columns that go in and, of a transformer, that come out."""

    model: Any
    n_inputs: int
    n_outputs: int = 0


def build_model(value: Any) -> Built:
    """Build a fitted model of what `read_schema` read.

    Parameters
    ----------
    value : object
        What should be a stored `DigitANN`, or a `Pipeline` that ends in one.

    Returns
    -------
    Built
        The model and the number of columns that it takes.

    Raises
    ------
    ValueError, TypeError
        If it is anything else, or in a state that it cannot have.
    """
    return _build(value, "the model", is_last=True)


def _build(value: Any, where: str, *, is_last: bool) -> Built:
    name = value.type_name if isinstance(value, Stored) else type_name(type(value))
    check_type(name, where, is_last=is_last)
    if name == _PIPELINE:
        return _build_pipeline(value, where, is_last=is_last)
    if name == _NORMALIZER:
        return _build_normalizer(value, where)
    return _build_ann(value, where) if is_last else _build_transformer(value, where)


def check_type(name: str, where: str, *, is_last: bool) -> None:
    """Raise TypeError if a model file does not take the type of this name here.

    Parameters
    ----------
    name : str
        Full name of a type.
    where : str
        What in the model has this type.
    is_last : bool
        Whether a classifier has to stand there, and not a transformer.
    """
    known = {_DIGIT_ANN} if is_last else {_NORMALIZER, *_TRANSFORMER_BY_NAME}
    if name not in known | {_PIPELINE}:
        kinds = "DigitANN or a Pipeline that ends in one"
        if not is_last:
            names = [DigitImageNormalizer.__name__, *(k.cls.__name__ for k in _TRANSFORMERS)]
            kinds = "Pipeline, " + ", ".join(names)
        raise TypeError(f"{where} is a {name[:80]}; model files take {kinds} here.")


def _build_pipeline(stored: Stored, where: str, *, is_last: bool) -> Built:
    state = stored.state
    check_names(state, {"steps", "transform_input", "memory", "verbose"}, {"_sklearn_version"})
    require(state["memory"] is None, f"{where} has a memory, from which fit would load pickles")
    require(state["transform_input"] is None, f"{where} has a transform_input")
    require(type(state["verbose"]) is bool, f"{where} has a verbose that is no bool")
    steps = state["steps"]
    require(
        isinstance(steps, list)
        and len(steps) > 0
        and all(isinstance(s, tuple) and len(s) == 2 and type(s[0]) is str for s in steps),
        f"{where} has steps that are no pairs of a name and an estimator",
    )
    built_steps: list[tuple[str, Any]] = []
    n_inputs = n_outputs = 0
    for index, (name, value) in enumerate(steps):
        step_is_last = is_last and index == len(steps) - 1
        if value is None or (type(value) is str and value == "passthrough"):
            require(not step_is_last, f"{where} ends in no classifier")
            built_steps.append((name, value))
            continue
        built = _build(value, f"{where}[{name[:40]!r}]", is_last=step_is_last)
        require(
            not n_outputs or built.n_inputs in (0, n_outputs),
            f"{where}[{name[:40]!r}] takes {built.n_inputs} columns, but gets {n_outputs}",
        )
        n_inputs, n_outputs = n_inputs or built.n_inputs, built.n_outputs or n_outputs
        built_steps.append((name, built.model))
    names = [name for name, _ in steps]
    require(
        len(set(names)) == len(names) and not any("__" in name for name in names),
        f"{where} has steps of one name, or names with '__'",
    )
    pipeline = Pipeline([("none", None)])
    pipeline.__setstate__(state | {"steps": built_steps})
    return Built(pipeline, n_inputs, n_outputs)


def _build_transformer(stored: Stored, where: str) -> Built:
    kind = _TRANSFORMER_BY_NAME[stored.type_name]
    params = build_params(kind.cls, stored, where)
    bounds = params.get("feature_range", (0, 1))
    require(
        len(bounds) == 2 and all(map(is_number, bounds)) and bounds[0] < bounds[1],
        f"{where}.feature_range is no pair of rising numbers",
    )
    state = stored.state | params
    optional = {"_sklearn_version", "_sklearn_output_config", "feature_names_in_"}
    check_names(state, {*params, *kind.arrays, *kind.texts, "n_features_in_"}, optional)
    sides = {"f": n_features_of(state, where)}
    sides["k"] = state.get("n_components_", 0)
    for name, letters in kind.arrays.items():
        value = state[name]
        shape = tuple(sides[letter] for letter in letters)
        # scikit-learn counts by the feature where some values are missing.
        shapes = {shape, (sides["f"],)} if name == "n_samples_seen_" else {shape}
        array = np.asarray(value)
        require(
            value is None
            or (array.dtype.kind in "fiu" and array.shape in shapes and np.isfinite(array).all()),
            f"{where}.{name} is not finite or not of shape {shape}",
        )
    for name in kind.texts:
        require(type(state[name]) is str, f"{where}.{name} is no str")
    pixel_max = state.get("pixel_max_", 1.0)
    require(is_number(pixel_max) and pixel_max > 0, f"{where}.pixel_max_ is not positive")
    n_outputs = state[kind.n_outputs]
    require(is_int(n_outputs, 1), f"{where}.{kind.n_outputs} is no positive int")
    _check_output_container(state, where)
    model = kind.cls()
    model.__setstate__(state)
    return Built(model, sides["f"], n_outputs)


def _build_normalizer(stored: Stored, where: str) -> Built:
    """Build a `DigitImageNormalizer`, which learns nothing and takes pictures for columns."""
    params = build_params(DigitImageNormalizer, stored, where)
    state = stored.state | params
    check_names(state, set(params), {"_sklearn_version", "_sklearn_output_config"})
    _check_output_container(state, where)
    model = DigitImageNormalizer(**params)
    model._check_params()
    model.__setstate__(state)
    return Built(model, 0, len(model.get_feature_names_out()))


def _check_output_container(state: dict[str, Any], where: str) -> None:
    output = state.get("_sklearn_output_config", {})
    require(
        isinstance(output, dict)
        and set(output) <= {"transform"}
        and output.get("transform") in (None, "default", "pandas", "polars"),
        f"{where} has an unknown output container",
    )


def _build_ann(stored: Stored, where: str) -> Built:
    state = stored.state
    require("net_" in state, f"{where} is not fitted")
    params = build_params(DigitANN, stored, where)
    _check_ann_params(params, where)
    state = state | params
    fitted = {"classes_", "n_features_in_", "net_", "n_iter_", "loss_curve_"}
    optional = {"feature_names_in_", "validation_scores_", "best_validation_score_"}
    check_names(state, {*params, *fitted}, optional)
    n_features = n_features_of(state, where)
    classes = state["classes_"]
    require(
        isinstance(classes, np.ndarray)
        and classes.ndim == 1
        and classes.dtype.kind in "biufUO"
        and len(set(classes.tolist())) == len(classes) > 0,
        f"{where}.classes_ is no array of different labels",
    )
    curve = state["loss_curve_"]
    require(_are_numbers(curve), f"{where}.loss_curve_ is no list of numbers")
    require(
        is_int(state["n_iter_"], 1) and state["n_iter_"] == len(curve),
        f"{where}.n_iter_ is not the length of loss_curve_",
    )
    scores, best = state.get("validation_scores_", []), state.get("best_validation_score_", 0)
    require(_are_numbers(scores), f"{where}.validation_scores_ is no list of numbers")
    require(is_number(best), f"{where}.best_validation_score_ is no number")
    check_net_arrays(state["net_"], n_features, len(classes))
    ann = DigitANN()
    ann.__setstate__(state)
    return Built(ann, n_features)


def _check_ann_params(params: dict[str, Any], where: str) -> None:
    shape = params["image_shape"]
    require(
        shape is None or is_shape(shape),
        f"{where}.image_shape is no pair of positive ints",
    )
    device = params["device"]
    require(
        type(device) is str and _DEVICE.fullmatch(device) is not None,
        f"{where}.device is {str(device)[:40]!r}",
    )
    require(params["callbacks"] is None, f"{where}.callbacks are not None")
    weights = params["class_weight"]
    require(
        not isinstance(weights, dict)
        or all(is_number(np.asarray(weight).item(), 0) for weight in weights.values()),
        f"{where}.class_weight has weights that are no numbers of 0 or more",
    )


def _are_numbers(values: Any) -> bool:
    return isinstance(values, list) and all(is_number(value) for value in values)
