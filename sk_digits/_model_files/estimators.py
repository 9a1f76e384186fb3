"""The types that a model file may hold, each with what its fitted state may be.

`NAMES` is all that is trusted. A type that is not in it is not built, whatever the file says; one
that is in it is built only of a state that it could have after a fit. In files types have public
names, so that files outlive moves of modules.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, StandardScaler
from sklearn.utils.validation import check_is_fitted

from sk_digits._ann.digit_ann import DigitANN
from sk_digits._ann.net_state import check_history, name_arrays, take_arrays
from sk_digits._constraints import BOOL, Constraint, one_of, read_value, real, whole
from sk_digits._images.digit_image_normalizer import DigitImageNormalizer
from sk_digits._images.pixel_scaler import PixelScaler
from sk_digits._model_files.parameters import read_params, require, write_value
from sk_digits._network.hyperparameters import Architecture, Training
from sk_digits._plain_values import from_plain, to_plain
from sk_digits._selective import SelectiveClassifier, unfreeze

Arrays = dict[str, NDArray[Any]]

NAMES: dict[type, str] = {
    DigitANN: "sk_digits.DigitANN",
    DigitImageNormalizer: "sk_digits.DigitImageNormalizer",
    SelectiveClassifier: "sk_digits.SelectiveClassifier",
    PixelScaler: "sk_digits.PixelScaler",
    Pipeline: "sklearn.pipeline.Pipeline",
    StandardScaler: "sklearn.preprocessing.StandardScaler",
    MinMaxScaler: "sklearn.preprocessing.MinMaxScaler",
    MaxAbsScaler: "sklearn.preprocessing.MaxAbsScaler",
    PCA: "sklearn.decomposition.PCA",
}
_TYPES = {name: cls for cls, name in NAMES.items()}

_NUMBER, _POSITIVE, _COUNT = real(-np.inf), real(0, closed="neither"), whole(1)
# What a fit sets: values by their constraint, arrays by the letters of their shapes, of which "f"
# is the number of features and "k" that of components.
_N_FEATURES = {"n_features_in_": _COUNT}
_N_SAMPLES = {"n_samples_seen_": _POSITIVE}
_FITTED: dict[type, dict[str, Constraint | str]] = {
    DigitImageNormalizer: {},
    PixelScaler: {
        **_N_FEATURES,
        "pixel_max_": _POSITIVE,
        "brightness_min_": _NUMBER,
        "brightness_max_": _NUMBER,
    },
    StandardScaler: {**_N_FEATURES, **_N_SAMPLES, "mean_": "f", "var_": "f", "scale_": "f"},
    MinMaxScaler: _N_FEATURES
    | _N_SAMPLES
    | {"min_": "f", "scale_": "f", "data_min_": "f", "data_max_": "f", "data_range_": "f"},
    MaxAbsScaler: {**_N_FEATURES, **_N_SAMPLES, "max_abs_": "f", "scale_": "f"},
    PCA: _N_FEATURES
    | {"n_components_": _COUNT, "n_samples_": _COUNT, "noise_variance_": _NUMBER}
    | {"_fit_svd_solver": one_of(("full", "covariance_eigh", "arpack", "randomized"))}
    | {"components_": "kf", "mean_": "f", "singular_values_": "k"}
    | {"explained_variance_": "k", "explained_variance_ratio_": "k"},
}
# Of a StandardScaler, an array is None if it was fitted without all of these.
_SWITCHES = {"mean_": ("with_mean", "with_std"), "var_": ("with_std",), "scale_": ("with_std",)}
_NOT_NEGATIVE = {"var_", "max_abs_", "data_range_", "n_samples_seen_", "singular_values_"} | {
    "explained_variance_",
    "explained_variance_ratio_",
}
# How an array lies in memory, and what makes one of another layout of it, and back.
_LAYOUTS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "rows": lambda array: array,
    "columns": lambda array: array.T,
    "reversed rows": lambda array: array[::-1],
}
_SHARE = real(0, 1, closed="right")
_SELECTIVE = {
    "max_risk": _SHARE,
    "confidence": real(0, 1, closed="neither"),
    "method": one_of(("max_probability", "margin")),
    "temperature_": _POSITIVE,
    "threshold_": real(0, 1, closed="both"),
    "coverage_": _SHARE,
    "risk_bound_": _SHARE,
}
_VERSION = re.compile(r"\d[\w.+-]{0,40}")


def type_name(model: Any) -> str:
    """Return the public name of an estimator's type."""
    cls = type(model)
    return NAMES.get(cls, f"{cls.__module__}.{cls.__name__}")


def _find_problem(name: Any, where: str, is_last: bool) -> str:
    """Return why a type of this name may not stand here; a classifier stands last, and only so."""
    ends = {DigitANN, SelectiveClassifier}
    known = {*ends, Pipeline} if is_last else set(NAMES) - ends
    if name in {NAMES[cls] for cls in known}:
        return ""
    kinds = ", ".join(sorted(cls.__name__ for cls in known))
    if is_last:
        kinds = "DigitANN, a SelectiveClassifier of one or a Pipeline that ends in one of these"
    return f"the {where} is a {str(name)[:80]}; model files take {kinds} here."


def _say_how_to_keep(model: Any) -> str:
    """Return what to do with a model that no file takes."""
    if hasattr(model, "refit"):  # as all searches have, and nothing else
        return "Save the best model of the search: its best_estimator_."
    return (
        "Keep it with pickle, for yourself alone, because loading a pickle runs code; or with "
        "skops, whose load takes a list of the types that you trust."
    )


def write_model(
    model: Any, arrays: Arrays, keep_optimizer: bool, where: str = "model", is_last: bool = True
) -> Any:
    """Return a fitted model as JSON values, and put its arrays into `arrays`.

    Raises
    ------
    NotFittedError, TypeError, ValueError
        If it is not fitted, of a type that no file takes, or has attributes of such a type. Whether
        it is in a state that no file takes is for `ModelReader` to find.
    """
    if not is_last and (model is None or (type(model) is str and model == "passthrough")):
        return model
    if problem := _find_problem(type_name(model), where, is_last):
        raise TypeError(f"{problem} {_say_how_to_keep(model)}")
    check_is_fitted(model)
    state = dict(model.__getstate__())
    for name in ("_skl_callbacks", "_sklearn_version"):  # which stands in the file once
        state.pop(name, None)
    written: dict[str, Any] = {}
    if isinstance(model, Pipeline):
        state.pop("memory")
        require(state.pop("transform_input") is None, f"the {where} has a transform_input")
        steps = [(name, step, f"{where}[{name!r}]") for name, step in state.pop("steps")]
        written["steps"] = [
            [name, write_model(step, arrays, keep_optimizer, place, is_last and i == len(steps))]
            for i, (name, step, place) in enumerate(steps, start=1)
        ]
    if isinstance(model, SelectiveClassifier):
        inner, place = unfreeze(model.estimator_), f"{where}.estimator"
        written["estimator"] = write_model(inner, arrays, keep_optimizer, place)
        arrays[f"{where}.calibration_curve_"] = state["calibration_curve_"]
        state = {name: state[name] for name in (*_SELECTIVE, "background_label", "reject_label_")}
    if isinstance(model, DigitANN):
        del state["loss_curve_"], state["n_iter_"]  # they stand in the history
        state |= {"callbacks": None, "device": str(model.device)}
        net = state.pop("net_")
        if not keep_optimizer:
            net["optimizer"] = {}
        arrays |= {f"{where}.{name}": _halve(array) for name, array in name_arrays(net).items()}
        written["net_"] = {name: net[name] for name in ("architecture", "training_params")}
        written["net_"]["history"] = to_plain(net["history"])
    for name, value in state.items():
        is_array = isinstance(value, np.ndarray) and value.ndim > 0 and value.dtype.kind in "fiu"
        if is_array and isinstance(_FITTED.get(type(model), {}).get(name), str):
            # Products of arrays that lie otherwise in memory may differ in their last bits.
            layout = "rows"
            if value.ndim == 2 and value.strides[0] < value.strides[1]:
                layout = "reversed rows" if value.strides[0] < 0 else "columns"
            arrays[f"{where}.{name}"] = _LAYOUTS[layout](value)
            written[name] = {"tensor": layout}
        else:
            written[name] = write_value(value)
    return {"type": type_name(model), "state": written}


def _halve(array: NDArray[Any]) -> NDArray[Any]:
    """Return a matrix of float32 as float16 if that holds all its values exactly."""
    if array.dtype != np.float32 or array.ndim != 2:
        return array
    with np.errstate(over="ignore", under="ignore"):
        half = array.astype(np.float16)
    return half if np.array_equal(half, array) else array


class Built(NamedTuple):
    """A model with the number of columns that go in and, of a transformer, that come out."""

    model: Any
    n_inputs: int
    n_outputs: int = 0


class ModelReader:
    """Reader of what `write_model` wrote, as if an enemy had.

    Parameters
    ----------
    arrays : dict of str to ndarray
        Arrays of the file. Those that are used are removed.
    sklearn_version : object
        Version of scikit-learn that stands in the file.
    """

    def __init__(self, arrays: Arrays, sklearn_version: Any) -> None:
        is_version = isinstance(sklearn_version, str) and _VERSION.fullmatch(sklearn_version)
        require(bool(is_version), "it names no version of scikit-learn")
        self.arrays = arrays
        self.sklearn_version = sklearn_version

    def read(self, tree: Any) -> Built:
        """Return the model; ValueError, or an error of Python's, if no fit leaves such a state."""
        built = self._read(tree, "model", is_last=True)
        require(not self.arrays, f"its array {min(self.arrays, default='')[:80]!r} is of no use")
        return built

    def _read(self, tree: Any, where: str, *, is_last: bool) -> Built:
        name, state = tree["type"], dict(tree["state"])
        problem = _find_problem(name, where, is_last)
        require(not problem, problem)
        cls = _TYPES[name]
        if cls is Pipeline:
            return self._read_pipeline(state, where, is_last)
        if cls is SelectiveClassifier:
            return self._read_selective(state, where)
        params = read_params(cls, state, where)
        if cls is DigitANN:
            return self._read_ann(params, state, where)
        if cls is MinMaxScaler:
            low, high = (_NUMBER.read(bound) for bound in params["feature_range"])
            require(low < high, f"{where}.feature_range does not rise")
        fitted = self._read_fitted(cls, params, state, where)
        if cls is PixelScaler:
            low, high = fitted["brightness_min_"], fitted["brightness_max_"]
            require(low <= high, f"{where}.brightness_min_ is larger than brightness_max_")
        model = self._set_state(cls(), params | fitted)
        if cls is DigitImageNormalizer:  # which takes pictures for columns
            return Built(model, 0, len(model.get_feature_names_out()))
        n_inputs = fitted["n_features_in_"]
        return Built(model, n_inputs, fitted.get("n_components_", n_inputs))

    def _set_state(self, model: Any, state: dict[str, Any]) -> Any:
        if type(model).__module__.startswith("sklearn."):
            state = state | {"_sklearn_version": self.sklearn_version}  # it warns of another
        model.__setstate__(state)
        return model

    def _read_pipeline(self, state: dict[str, Any], where: str, is_last: bool) -> Built:
        _require_names(state, {"verbose", "steps"}, where)
        read_value(where, "verbose", BOOL, state["verbose"])
        steps: list[tuple[str, Any]] = []
        n_inputs = n_outputs = 0
        for index, (name, step) in enumerate(state["steps"], start=1):
            step_is_last, place = is_last and index == len(state["steps"]), f"{where}[{name!r}]"
            if not step_is_last and (step is None or step == "passthrough"):
                steps.append((name, step))
                continue
            built = self._read(step, place, is_last=step_is_last)
            require(
                not n_outputs or built.n_inputs in (0, n_outputs),
                f"the {place} takes {built.n_inputs} columns, but gets {n_outputs}",
            )
            n_inputs, n_outputs = n_inputs or built.n_inputs, built.n_outputs or n_outputs
            steps.append((name, built.model))
        pipeline = Pipeline(steps)
        names = [name for name, _ in steps]
        require(
            len(names) > 0 and all(type(name) is str for name in names), f"{where} has no steps"
        )
        pipeline._validate_names(names)
        state = vars(pipeline) | {"verbose": state["verbose"]}
        return Built(self._set_state(pipeline, state), n_inputs, n_outputs)

    def _read_selective(self, state: dict[str, Any], where: str) -> Built:
        """Return a selective classifier of a classifier that is not to be fitted again."""
        names = {*_SELECTIVE, "background_label", "reject_label_", "estimator"}
        _require_names(state, names, where)
        built = self._read(state.pop("estimator"), f"{where}.estimator", is_last=True)
        frozen, label = FrozenEstimator(built.model), from_plain(state.pop("reject_label_"))
        background = from_plain(state.pop("background_label"))
        curve = self.arrays.pop(f"{where}.calibration_curve_")
        _check_curve(curve, where)
        values = {
            name: read_value(where, name, constraint, state[name])
            for name, constraint in _SELECTIVE.items()
        }
        params = {name: values[name] for name in ("max_risk", "confidence", "method")}
        model = SelectiveClassifier(
            frozen, **params, background_label=background, reject_label=label
        )
        model.calibration_curve_ = curve
        for name, value in values.items():
            setattr(model, name, value)
        model._set_estimator(frozen)
        return built._replace(model=model)

    def _read_fitted(
        self, cls: type, params: dict[str, Any], state: dict[str, Any], where: str
    ) -> dict[str, Any]:
        specs = _FITTED[cls]
        optional = {"_sklearn_output_config"} | ({"feature_names_in_"} if specs else set())
        _require_names(state, set(specs), where, optional)
        fitted: dict[str, Any] = {}
        for name, entry in state.items():
            is_tensor = isinstance(entry, dict) and "tensor" in entry
            if is_tensor and isinstance(specs.get(name), str):
                require(f"{where}.{name}" in self.arrays, f"there is no array '{where}.{name}'")
                fitted[name] = _LAYOUTS[entry["tensor"]](self.arrays.pop(f"{where}.{name}"))
            else:
                fitted[name] = from_plain(entry)
        sides = {"f": fitted.get("n_features_in_", 0), "k": fitted.get("n_components_", 0)}
        for name, spec in specs.items():
            value, switches = fitted[name], _SWITCHES.get(name, ()) if cls is StandardScaler else ()
            if name == "n_samples_seen_" and isinstance(value, np.ndarray):
                spec = "f"  # where some values were missing
            if isinstance(spec, Constraint):
                read_value(where, name, spec, value)
            elif value is not None or not switches or any(params[switch] for switch in switches):
                _check_array(value, tuple(sides[side] for side in spec), name, where)
        _check_feature_names(fitted, sides["f"], where)
        output = fitted.get("_sklearn_output_config", {})
        require(
            set(output) <= {"transform"}
            and output.get("transform") in (None, "default", "pandas", "polars"),
            f"{where} has an unknown output container",
        )
        return fitted

    def _read_ann(self, params: dict[str, Any], state: dict[str, Any], where: str) -> Built:
        optional = {"feature_names_in_", "validation_scores_", "best_validation_score_"}
        _require_names(state, {"classes_", "n_features_in_", "net_"}, where, optional)
        require(params["callbacks"] is None, f"{where}.callbacks are not None")
        if isinstance(params["class_weight"], dict):
            for weight in params["class_weight"].values():
                read_value(where, "class_weight", _POSITIVE, weight)
        net = state.pop("net_")
        fitted = {name: from_plain(value) for name, value in state.items()}
        classes, n_features = fitted["classes_"], fitted["n_features_in_"]
        read_value(where, "n_features_in_", _COUNT, n_features)
        _check_feature_names(fitted, n_features, where)
        require(
            isinstance(classes, np.ndarray)
            and classes.ndim == 1
            and np.array_equal(np.unique(classes), classes),
            f"{where}.classes_ is no array of different labels in their order",
        )
        scores, best = fitted.get("validation_scores_", []), fitted.get("best_validation_score_")
        is_list = isinstance(scores, list) and (best is None or len(scores) > 0)
        require(is_list, f"{where}.validation_scores_ is no list of scores")
        for score in scores if best is None else [*scores, best]:
            read_value(where, "validation_scores_", real(0), score)
        n_layers = len(net["architecture"]["hidden_layer_sizes"])
        # Each has a weight and a bias. It takes long to make thousands of layers.
        require(2 * n_layers < len(self.arrays), f"{where} has {n_layers} layers, and fewer arrays")
        architecture = Architecture(**net["architecture"])
        require(
            (architecture.n_features, architecture.n_outputs) == (n_features, len(classes)),
            f"{where} has {n_features} features and {len(classes)} classes, but its net "
            f"{architecture.n_features} and {architecture.n_outputs}",
        )
        training = Training.from_plain(net["training_params"])
        height, width = training.image_shape or (1, n_features)
        require(
            height * width == n_features
            and bool(training.image_shape or not training.augmentation),
            f"{where} has {n_features} features, and image_shape={training.image_shape}",
        )
        history = from_plain(net["history"])
        check_history(history)
        net_state = {
            "architecture": asdict(architecture),
            "training_params": training.to_plain(),
            "history": history,
            **take_arrays(self.arrays, f"{where}.", architecture),
        }
        curve = [row["train_loss"] for row in history]
        learned = fitted | {"loss_curve_": curve, "n_iter_": len(curve), "net_": net_state}
        return Built(self._set_state(DigitANN(), params | learned), n_features)


def _require_names(
    state: dict[str, Any], names: set[str], where: str, optional: Collection[str] = ()
) -> None:
    missing, unknown = names - set(state), [str(n)[:40] for n in set(state) - names - {*optional}]
    require(not missing, f"the {where} lacks {sorted(missing)}")
    require(not unknown, f"the {where} has unknown attributes {sorted(unknown)[:5]}")


def _check_array(array: Any, shape: tuple[int, ...], name: str, where: str) -> None:
    is_array = isinstance(array, np.ndarray) and array.dtype.kind in "fiu" and array.shape == shape
    require(is_array, f"{where}.{name} is no array of shape {shape}")
    require(bool(np.isfinite(array).all()), f"{where}.{name} is not finite")
    is_positive = (array > 0).all() if name == "scale_" else (array >= 0).all()
    is_signed = name != "scale_" and name not in _NOT_NEGATIVE
    require(is_signed or bool(is_positive), f"{where}.{name} is not positive")


def _check_curve(curve: NDArray[Any], where: str) -> None:
    """Require what `SelectiveClassifier` calibrates with: falling scores, rising numbers."""
    is_array = curve.dtype == np.float64 and curve.ndim == 2 and curve.shape[1] == 3
    require(
        is_array
        and len(curve) > 0
        and bool((np.diff(curve, axis=0) * [-1, 1, 1] >= 0).all())
        and bool(((curve >= 0) & (curve <= [1, np.inf, np.inf]) & np.isfinite(curve)).all())
        and bool((curve[:, 1] > 0).all() and (curve[:, 2] <= curve[:, 1]).all()),
        f"{where}.calibration_curve_ is none",
    )


def _check_feature_names(fitted: dict[str, Any], n_features: int, where: str) -> None:
    if "feature_names_in_" in fitted:
        names = fitted["feature_names_in_"]
        is_array = isinstance(names, np.ndarray) and names.dtype == object
        is_complete = is_array and names.shape == (n_features,)
        require(is_complete, f"{where}.feature_names_in_ are not {n_features} names")
