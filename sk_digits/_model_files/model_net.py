"""`check_net_arrays`: the net of a model file, told from what no fit would leave."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_digits._model_files.model_values import is_int, is_number, is_shape, require
from sk_digits._network.lr_schedules import LR_SCHEDULES
from sk_digits._network.mlp import ACTIVATIONS
from sk_digits._network.random_warp import RandomWarp

Shape = tuple[int, ...]

MAX_GENERATOR_BYTES = 8192  # torch's on a CPU has 5,056, on CUDA 16


def parameter_shapes(architecture: dict[str, Any]) -> tuple[dict[str, Shape], dict[str, Shape]]:
    """Give the shapes of what an `MLP` learns, in its order, and of what it counts beside it."""
    parameters: dict[str, Shape] = {}
    buffers: dict[str, Shape] = {}
    n_inputs, layer = architecture["n_features"], 0
    batch_norm = architecture["batch_norm"]
    for width in architecture["hidden_layer_sizes"]:
        parameters[f"{layer}.weight"] = (width, n_inputs)
        if batch_norm:
            layer += 1
            parameters[f"{layer}.weight"] = parameters[f"{layer}.bias"] = (width,)
            buffers[f"{layer}.running_mean"] = buffers[f"{layer}.running_var"] = (width,)
            buffers[f"{layer}.num_batches_tracked"] = ()
        else:
            parameters[f"{layer}.bias"] = (width,)
        layer += 3  # past the activation and the dropout
        n_inputs = width
    parameters[f"{layer}.weight"] = (architecture["n_outputs"], n_inputs)
    parameters[f"{layer}.bias"] = (architecture["n_outputs"],)
    return parameters, buffers


def check_net_arrays(arrays: Any, n_features: int, n_outputs: int) -> None:
    """Raise ValueError unless a net can be made of `arrays` and is one that could be trained.

    Parameters
    ----------
    arrays : object
        What should be as `net_to_arrays` gives it.
    n_features, n_outputs : int
        Numbers of features and classes of the classifier that the net belongs to.
    """
    keys = {"architecture", "training", "weights", "optimizer", "generator", "history"}
    require(isinstance(arrays, dict) and set(arrays) == keys, f"net_ has other parts than {keys}")
    architecture = arrays["architecture"]
    _check_architecture(architecture, n_features, n_outputs)
    _check_training(arrays["training"], n_features)
    parameters, buffers = parameter_shapes(architecture)
    dtype = architecture["dtype"]
    _check_arrays(arrays["weights"], parameters | buffers, dtype, "weights")
    _check_optimizer(arrays["optimizer"], list(parameters.values()), dtype)
    generator = arrays["generator"]
    require(
        isinstance(generator, np.ndarray)
        and generator.dtype == np.uint8
        and generator.ndim == 1
        and generator.size <= MAX_GENERATOR_BYTES,
        "net_.generator is no state of a torch generator",
    )
    history = arrays["history"]
    require(
        isinstance(history, list) and all(_is_epoch(row) for row in history),
        "net_.history is no list of epochs with their train_loss and dur",
    )


def _is_epoch(row: Any) -> bool:
    return (
        isinstance(row, dict)
        and all(type(name) is str for name in row)
        and all(is_number(row.get(name)) for name in ("train_loss", "dur"))
    )


def _check_architecture(architecture: Any, n_features: int, n_outputs: int) -> None:
    keys = {"n_features", "hidden_layer_sizes", "n_outputs", "activation", "dropout"}
    keys |= {"batch_norm", "dtype"}
    require(
        isinstance(architecture, dict) and set(architecture) == keys,
        f"net_.architecture has other parts than {sorted(keys)}",
    )
    widths, dropout = architecture["hidden_layer_sizes"], architecture["dropout"]
    for name, expected in (("n_features", n_features), ("n_outputs", n_outputs)):
        require(
            is_int(architecture[name], 1) and architecture[name] == expected,
            f"net_.architecture has {name}={architecture[name]!r}, but the classifier {expected}",
        )
    require(
        isinstance(widths, tuple) and all(is_int(width, 1, 2**31) for width in widths),
        "net_.architecture has hidden_layer_sizes that are no positive ints",
    )
    require(_is_one_of(architecture["activation"], ACTIVATIONS), "unknown activation of net_")
    require(is_number(dropout, 0) and dropout < 1, "the dropout of net_ is outside [0, 1)")
    require(type(architecture["batch_norm"]) is bool, "batch_norm of net_ is no bool")
    require(
        _is_one_of(architecture["dtype"], ("float32", "float64")),
        "the dtype of net_ is neither float32 nor float64",
    )


def _check_training(training: Any, n_features: int) -> None:
    checks = {
        "augmentation": lambda value: value is None or _is_warp(value),
        "image_shape": lambda value: (
            value is None or (is_shape(value) and value[0] * value[1] == n_features)
        ),
        "bfloat16": lambda value: type(value) is bool,
        "lr": lambda value: is_number(value, 0) and value > 0,
        "lr_schedule": lambda value: _is_one_of(value, LR_SCHEDULES),
        "weight_decay": lambda value: is_number(value, 0),
        "label_smoothing": lambda value: is_number(value, 0) and value <= 1,
        "batch_size": lambda value: is_int(value, 1),
        "max_epochs": lambda value: is_int(value, 1),
        "verbose": lambda value: is_int(value, 0),
    }
    require(
        isinstance(training, dict) and set(training) == set(checks),
        f"net_.training has other parts than {sorted(checks)}",
    )
    for name, is_valid in checks.items():
        require(is_valid(training[name]), f"net_.training has an invalid {name}")


def _is_one_of(value: Any, known: Any) -> bool:
    return type(value) is str and value in known


def _is_warp(params: Any) -> bool:
    if not isinstance(params, dict) or set(params) != set(RandomWarp().get_params()):
        return False
    RandomWarp(**params).check()
    return True


def _check_arrays(arrays: Any, shapes: dict[str, Shape], dtype: str, where: str) -> None:
    require(
        isinstance(arrays, dict) and set(arrays) == set(shapes),
        f"net_.{where} are not those of its architecture",
    )
    for name, shape in shapes.items():
        is_count = name.endswith("num_batches_tracked")
        array = arrays[name]
        require(isinstance(array, np.ndarray), f"net_.{where} has no array {name!r}")
        require(
            array.shape == shape and array.dtype == ("int64" if is_count else dtype),
            f"net_.{where}[{name!r}] has shape {array.shape} and type {array.dtype}; by its "
            f"architecture it has shape {shape} and type {dtype}",
        )
        require(bool(np.isfinite(array).all()), f"net_.{where}[{name!r}] is not finite")
        if is_count or name.endswith(("running_var", "exp_avg_sq", "step")):
            _require_not_negative(array, f"net_.{where}[{name!r}]")


def _require_not_negative(array: NDArray[Any], name: str) -> None:
    require(bool((array >= 0).all()), f"{name} has negative values")


def _check_optimizer(optimizer: Any, shapes: list[Shape], dtype: str) -> None:
    require(
        isinstance(optimizer, dict)
        and (not optimizer or set(optimizer) == set(range(len(shapes)))),
        "net_.optimizer has not one entry for each parameter",
    )
    for index, moments in optimizer.items():
        where = f"optimizer[{index}]"
        require(isinstance(moments, dict) and "step" in moments, f"net_.{where} has no step")
        _check_arrays({"step": moments["step"]}, {"step": ()}, "float32", where)
        averages = {name: array for name, array in moments.items() if name != "step"}
        expected = {"exp_avg": shapes[index], "exp_avg_sq": shapes[index]}
        _check_arrays(averages, expected, dtype, where)
