"""The types that a model file may hold, each with what its fitted state may be.

`KINDS` is all that is trusted. A type that is not in it is not built, whatever the file says; one
that is in it is built only of a state that it could have after a fit. In files types have public
names, so that files outlive moves of modules.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, StandardScaler
from sklearn.utils.validation import check_is_fitted

from sk_digits._ann.digit_ann import DigitANN
from sk_digits._ann.net_state import check_history, name_arrays, take_arrays
from sk_digits._constraints import BOOL, Constraint, read_value, real, whole
from sk_digits._images.digit_image_normalizer import DigitImageNormalizer
from sk_digits._images.pixel_scaler import PixelScaler
from sk_digits._model_files.parameters import read_params, require, require_names, write_params
from sk_digits._network.hyperparameters import Architecture, Training
from sk_digits._network.random_warp import RandomWarp
from sk_digits._plain_values import from_plain, to_plain

_COUNT = whole(1)
_NUMBER = real(-np.inf)
_POSITIVE = real(0, closed="neither")
_NOT_NEGATIVE = ("scale_", "var_", "max_abs_", "data_range_", "n_samples_seen_") + (
    "explained_variance_",
    "explained_variance_ratio_",
    "singular_values_",
)
# How an array lies in memory, and what makes one of another layout of it, and back.
_LAYOUTS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "rows": lambda array: array,
    "columns": lambda array: array.T,
    "reversed rows": lambda array: array[::-1],
}
_VERSION = re.compile(r"\d[\w.+-]{0,40}")


@dataclass(frozen=True)
class Kind:
    """A type of estimator, and what `fit` sets.

    Parameters
    ----------
    cls : type
        The type.
    arrays : dict of str to str
        Fitted arrays, by the letters of their shapes: "f" is the number of features, "k" that of
        components.
    values : dict of str to Constraint or None
        Other fitted attributes; those that are no numbers have None, and are checked elsewhere.
    unless : dict of str to tuple of str
        Arrays that may be None if all of these parameters are false.
    optional : set of str
        Attributes that may be there or not.
    """

    cls: type[Any]
    arrays: dict[str, str] = field(default_factory=dict)
    values: dict[str, Constraint | None] = field(default_factory=dict)
    unless: dict[str, tuple[str, ...]] = field(default_factory=dict)
    optional: frozenset[str] = frozenset({"feature_names_in_", "_sklearn_output_config"})


ANN, PIPELINE = "sk_digits.DigitANN", "sklearn.pipeline.Pipeline"
KINDS: dict[str, Kind] = {
    ANN: Kind(
        DigitANN,
        values={"n_features_in_": _COUNT, "classes_": None},
        optional=frozenset({"feature_names_in_", "validation_scores_", "best_validation_score_"}),
    ),
    PIPELINE: Kind(Pipeline),
    "sk_digits.DigitImageNormalizer": Kind(DigitImageNormalizer),
    "sk_digits.PixelScaler": Kind(
        PixelScaler, values={"n_features_in_": _COUNT, "pixel_max_": _POSITIVE}
    ),
    "sklearn.preprocessing.StandardScaler": Kind(
        StandardScaler,
        arrays={"mean_": "f", "var_": "f", "scale_": "f"},
        values={"n_features_in_": _COUNT, "n_samples_seen_": _POSITIVE},
        unless={
            "mean_": ("with_mean", "with_std"),
            "var_": ("with_std",),
            "scale_": ("with_std",),
        },
    ),
    "sklearn.preprocessing.MinMaxScaler": Kind(
        MinMaxScaler,
        arrays=dict.fromkeys(("min_", "scale_", "data_min_", "data_max_", "data_range_"), "f"),
        values={"n_features_in_": _COUNT, "n_samples_seen_": _POSITIVE},
    ),
    "sklearn.preprocessing.MaxAbsScaler": Kind(
        MaxAbsScaler,
        arrays={"max_abs_": "f", "scale_": "f"},
        values={"n_features_in_": _COUNT, "n_samples_seen_": _POSITIVE},
    ),
    "sklearn.decomposition.PCA": Kind(
        PCA,
        arrays={"components_": "kf", "mean_": "f", "singular_values_": "k"}
        | {"explained_variance_": "k", "explained_variance_ratio_": "k"},
        values={
            "n_features_in_": _COUNT,
            "n_components_": _COUNT,
            "n_samples_": _COUNT,
            "noise_variance_": _NUMBER,
            "_fit_svd_solver": None,
        },
    ),
}
_NAMES = {kind.cls: name for name, kind in KINDS.items()}


class Place(NamedTuple):
    """Where in a model an estimator stands: for messages, and before the names of its arrays."""

    words: str
    prefix: str

    def step(self, index: int, name: str) -> Place:
        """Return the place of a step of a pipeline."""
        return Place(f"{self.words}[{name[:40]!r}]", f"{self.prefix}{index}/")


THE_MODEL = Place("the model", "")


def type_name(model: Any) -> str:
    """Return the public name of an estimator's type."""
    cls = type(model)
    return _NAMES.get(cls, f"{cls.__module__}.{cls.__name__}")


def _check_type(name: Any, place: Place, is_last: bool) -> None:
    """Raise TypeError unless a type of this name may stand here; a classifier only if last."""
    known = {ANN, PIPELINE} if is_last else set(KINDS) - {ANN}
    if not isinstance(name, str) or name not in known:
        kinds = "DigitANN or a Pipeline that ends in one"
        if not is_last:
            kinds = ", ".join(sorted(name.rpartition(".")[2] for name in known))
        raise TypeError(f"{place.words} is a {str(name)[:80]}; model files take {kinds} here.")


def write_model(
    model: Any,
    arrays: dict[str, NDArray[Any]],
    *,
    keep_optimizer: bool,
    place: Place = THE_MODEL,
    is_last: bool = True,
) -> Any:
    """Return a fitted model as JSON values, and put its arrays into `arrays`.

    Raises
    ------
    NotFittedError
        If it is not fitted.
    TypeError, ValueError
        If it is of a type, or in a state, that no file takes. Not all of those are found here, but
        all by `ModelReader`.
    """
    if not is_last and (model is None or (type(model) is str and model == "passthrough")):
        return model
    name = type_name(model)
    _check_type(name, place, is_last)
    check_is_fitted(model)
    state = dict(model.__getstate__())
    state.pop("_skl_callbacks", None)
    state.pop("_sklearn_version", None)  # it stands in the file once
    if isinstance(model, Pipeline):
        require_names(state, {"steps", "verbose", "memory", "transform_input"}, place.words)
        require(model.transform_input is None, f"{place.words} has a transform_input")
        steps = [
            [
                step_name,
                write_model(
                    step,
                    arrays,
                    keep_optimizer=keep_optimizer,
                    place=place.step(index, step_name),
                    is_last=is_last and index == len(model.steps) - 1,
                ),
            ]
            for index, (step_name, step) in enumerate(model.steps)
        ]
        return {"type": name, "verbose": model.verbose, "steps": steps}
    tree: dict[str, Any] = {"type": name}
    params = {param: state.pop(param) for param in model._get_param_names()}
    if isinstance(model, DigitANN):
        params |= {"callbacks": None, "device": str(model.device)}
        net = state.pop("net_")
        if not keep_optimizer:
            net["optimizer"] = {}
        arrays |= {f"{place.prefix}{key}": value for key, value in name_arrays(net).items()}
        tree["net"] = {
            "architecture": net["architecture"],
            "training": net["training_params"],
            "history": to_plain(net["history"]),
        }
        del state["loss_curve_"], state["n_iter_"]  # they stand in the history
    tree["params"] = write_params(params)
    tree["fitted"] = {key: _write_fitted(key, v, arrays, place) for key, v in state.items()}
    return tree


def _write_fitted(name: str, value: Any, arrays: dict[str, NDArray[Any]], place: Place) -> Any:
    is_array = isinstance(value, np.ndarray) and value.ndim > 0 and value.dtype.kind in "fiu"
    if name == "classes_" or not is_array:
        return to_plain(value)
    # Products of arrays that lie otherwise in memory may differ in their last bits.
    layout = "rows"
    if value.ndim == 2 and value.strides[0] < value.strides[1]:
        layout = "reversed rows" if value.strides[0] < 0 else "columns"
    arrays[f"{place.prefix}{name}"] = _LAYOUTS[layout](value)
    return {"tensor": layout}


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

    def __init__(self, arrays: dict[str, NDArray[Any]], sklearn_version: Any) -> None:
        is_version = isinstance(sklearn_version, str) and _VERSION.fullmatch(sklearn_version)
        require(bool(is_version), "it names no version of scikit-learn")
        self.arrays = arrays
        self.sklearn_version = sklearn_version

    def read(self, tree: Any) -> Built:
        """Return the model; ValueError or TypeError if it is in a state that no fit leaves."""
        built = self._read(tree, THE_MODEL, is_last=True)
        require(not self.arrays, f"its array {min(self.arrays, default='')[:80]!r} is of no use")
        return built

    def _read(self, tree: Any, place: Place, *, is_last: bool) -> Built:
        require(isinstance(tree, dict), f"{place.words} is no estimator")
        name = tree.get("type")
        _check_type(name, place, is_last)
        if name == PIPELINE:
            return self._read_pipeline(tree, place, is_last)
        kind = KINDS[name]
        keys = {"type", "params", "fitted"} | ({"net"} if name == ANN else set())
        require_names(tree, keys, place.words)
        params = read_params(kind.cls, tree["params"], place.words)
        fitted = self._read_fitted(kind, tree["fitted"], place, params)
        if name == ANN:
            return self._read_ann(tree["net"], params, fitted, place)
        if kind.cls is MinMaxScaler:
            low, high = (_NUMBER.read(bound) for bound in params["feature_range"])
            require(low < high, f"{place.words} has a feature_range that does not rise")
        model = self._set_state(kind.cls(), params | fitted)
        if kind.cls is DigitImageNormalizer:  # which takes pictures for columns
            return Built(model, 0, len(model.get_feature_names_out()))
        n_inputs = fitted["n_features_in_"]
        return Built(model, n_inputs, fitted.get("n_components_", n_inputs))

    def _set_state(self, model: Any, state: dict[str, Any]) -> Any:
        if type(model).__module__.startswith("sklearn."):
            state = state | {"_sklearn_version": self.sklearn_version}  # it warns of another
        model.__setstate__(state)
        return model

    def _read_pipeline(self, tree: dict[str, Any], place: Place, is_last: bool) -> Built:
        require_names(tree, {"type", "verbose", "steps"}, place.words)
        read_value(place.words, "verbose", BOOL, tree["verbose"])
        pairs = tree["steps"]
        require(
            isinstance(pairs, list)
            and len(pairs) > 0
            and all(isinstance(p, list) and len(p) == 2 and type(p[0]) is str for p in pairs),
            f"{place.words} has steps that are no pairs of a name and an estimator",
        )
        steps: list[tuple[str, Any]] = []
        n_inputs = n_outputs = 0
        for index, (name, step) in enumerate(pairs):
            step_is_last = is_last and index == len(pairs) - 1
            if not step_is_last and (step is None or step == "passthrough"):
                steps.append((name, step))
                continue
            built = self._read(step, place.step(index, name), is_last=step_is_last)
            require(
                not n_outputs or built.n_inputs in (0, n_outputs),
                f"{place.step(index, name).words} takes {built.n_inputs} columns, but gets "
                f"{n_outputs}",
            )
            n_inputs, n_outputs = n_inputs or built.n_inputs, built.n_outputs or n_outputs
            steps.append((name, built.model))
        pipeline = Pipeline(steps)
        pipeline._validate_names([name for name, _ in steps])
        state = {"steps": steps, "verbose": tree["verbose"], "memory": None}
        self._set_state(pipeline, state | {"transform_input": None})
        return Built(pipeline, n_inputs, n_outputs)

    def _read_fitted(
        self, kind: Kind, plain: Any, place: Place, params: dict[str, Any]
    ) -> dict[str, Any]:
        where = place.words
        require_names(plain, {*kind.arrays, *kind.values}, where, kind.optional)
        fitted = {name: self._read_value(name, entry, place) for name, entry in plain.items()}
        for name, constraint in kind.values.items():
            is_array = isinstance(fitted[name], np.ndarray)
            if constraint is not None and not (is_array and name == "n_samples_seen_"):
                read_value(where, name, constraint, fitted[name])
        sides = {"f": fitted.get("n_features_in_", 0), "k": fitted.get("n_components_", 0)}
        shapes = {
            name: tuple(sides[letter] for letter in letters)
            for name, letters in kind.arrays.items()
            if fitted[name] is not None or any(params[p] for p in kind.unless.get(name, params))
        }
        if isinstance(fitted.get("n_samples_seen_"), np.ndarray):  # where values were missing
            shapes["n_samples_seen_"] = (sides["f"],)
        for name, shape in shapes.items():
            _check_array(fitted[name], shape, f"{where}.{name}")
        if "feature_names_in_" in fitted:
            _check_feature_names(fitted["feature_names_in_"], sides["f"], where)
        output = fitted.get("_sklearn_output_config", {})
        require(
            isinstance(output, dict)
            and set(output) <= {"transform"}
            and output.get("transform") in (None, "default", "pandas", "polars"),
            f"{where} has an unknown output container",
        )
        solver = fitted.get("_fit_svd_solver", "")
        require(isinstance(solver, str), f"{where}._fit_svd_solver is no str")
        return fitted

    def _read_value(self, name: str, entry: Any, place: Place) -> Any:
        if not isinstance(entry, dict) or set(entry) != {"tensor"}:
            return from_plain(entry)
        require(place.prefix + name in self.arrays, f"there is no array {place.prefix + name!r}")
        require(entry["tensor"] in _LAYOUTS, f"{place.words}.{name} is an array of unknown layout")
        return _LAYOUTS[entry["tensor"]](self.arrays.pop(place.prefix + name))

    def _read_ann(
        self, net: Any, params: dict[str, Any], fitted: dict[str, Any], place: Place
    ) -> Built:
        where = place.words
        require(params["callbacks"] is None, f"{where}.callbacks are not None")
        if isinstance(params["class_weight"], dict):
            for weight in params["class_weight"].values():
                read_value(where, "class_weight", _POSITIVE, weight)
        classes = fitted["classes_"]
        require(
            isinstance(classes, np.ndarray)
            and classes.ndim == 1
            and len(classes) > 0
            and np.array_equal(np.unique(classes), classes),
            f"{where}.classes_ is no array of different labels in their order",
        )
        scores, best = fitted.get("validation_scores_", []), fitted.get("best_validation_score_", 0)
        require(isinstance(scores, list), f"{where}.validation_scores_ is no list")
        for score in [*scores, best]:
            read_value(where, "validation_scores_", real(0), score)
        require_names(net, {"architecture", "training", "history"}, f"{where}.net_")
        architecture = _read_architecture(net["architecture"], len(self.arrays), f"{where}.net_")
        expected = (fitted["n_features_in_"], len(classes))
        require(
            (architecture.n_features, architecture.n_outputs) == expected,
            f"{where}.net_ has n_features={architecture.n_features} and "
            f"n_outputs={architecture.n_outputs}, but the classifier {expected}",
        )
        training = _read_training(net["training"], architecture, f"{where}.net_")
        history = from_plain(net["history"])
        check_history(history)
        arrays = take_arrays(self.arrays, place.prefix, architecture) | {
            "architecture": asdict(architecture),
            "training_params": training.to_plain(),
            "history": history,
        }
        curve = [row["train_loss"] for row in history]
        state = params | fitted | {"loss_curve_": curve, "n_iter_": len(curve), "net_": arrays}
        return Built(self._set_state(DigitANN(), state), architecture.n_features)


def _check_array(array: Any, shape: tuple[int, ...], where: str) -> None:
    require(
        isinstance(array, np.ndarray) and array.dtype.kind in "fiu" and array.shape == shape,
        f"{where} is no array of shape {shape}",
    )
    require(bool(np.isfinite(array).all()), f"{where} is not finite")
    lowest = array.min(initial=1)
    is_signed = not where.endswith(_NOT_NEGATIVE)
    require(is_signed or lowest >= 0, f"{where} has negative values")
    require(lowest != 0 or not where.endswith("scale_"), f"{where} has zeros")


def _check_feature_names(names: Any, n_features: int, where: str) -> None:
    is_array = isinstance(names, np.ndarray) and names.dtype == object
    require(
        is_array and names.shape == (n_features,),
        f"{where}.feature_names_in_ are not {n_features} names",
    )


def _read_architecture(plain: Any, n_arrays: int, where: str) -> Architecture:
    """Return an architecture, if it has not more layers than there are arrays."""
    sizes = plain.get("hidden_layer_sizes") if isinstance(plain, dict) else None
    require(
        isinstance(sizes, list) and len(sizes) < n_arrays,
        f"{where} has other hidden_layer_sizes than arrays",
    )
    require_names(plain, {f.name for f in fields(Architecture)}, where)
    return Architecture(**plain)


def _read_training(plain: Any, architecture: Architecture, where: str) -> Training:
    require_names(plain, {f.name for f in fields(Training)}, where)
    if plain["augmentation"] is not None:
        require_names(plain["augmentation"], set(RandomWarp().get_params()), where)
    training = Training.from_plain(plain)
    shape = training.image_shape
    require(
        training.augmentation is None
        if shape is None
        else shape[0] * shape[1] == architecture.n_features,
        f"{where} has image_shape={shape!r} for {architecture.n_features} features",
    )
    return training
