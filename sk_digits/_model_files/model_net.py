"""`check_net_arrays`: the net of a model file, told from what no fit would leave."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_digits._model_files.model_values import is_number, require
from sk_digits._network.hyperparameters import Architecture, Training
from sk_digits._network.mlp import MLP
from sk_digits._network.random_warp import RandomWarp

Shape = tuple[int, ...]

MAX_GENERATOR_BYTES = 8192  # torch's on a CPU has 5,056, on CUDA 16


def parameter_shapes(architecture: Architecture) -> tuple[dict[str, Shape], dict[str, Shape]]:
    """Return the shapes of an MLP's parameters, in its order, and those of its buffers."""
    module = MLP(architecture, None)
    parameters = {name: tuple(p.shape) for name, p in module.named_parameters()}
    buffers = {name: tuple(b.shape) for name, b in module.named_buffers()}
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
    keys = {"architecture", "training_params", "weights", "optimizer", "generator", "history"}
    require(isinstance(arrays, dict) and set(arrays) == keys, f"net_ has other parts than {keys}")
    architecture = _read_architecture(arrays["architecture"], n_features, n_outputs)
    _check_training(arrays["training_params"], n_features)
    parameters, buffers = parameter_shapes(architecture)
    dtype = architecture.dtype
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


def _read_architecture(plain: Any, n_features: int, n_outputs: int) -> Architecture:
    keys = {field.name for field in fields(Architecture)}
    require(
        isinstance(plain, dict) and set(plain) == keys,
        f"net_.architecture has other parts than {sorted(keys)}",
    )
    architecture = Architecture(**plain)
    for name, expected in [("n_features", n_features), ("n_outputs", n_outputs)]:
        require(
            plain[name] == expected,
            f"net_.architecture has {name}={plain[name]!r}, but the classifier {expected}",
        )
    return architecture


def _check_training(plain: Any, n_features: int) -> None:
    keys = {field.name for field in fields(Training)}
    require(
        isinstance(plain, dict) and set(plain) == keys,
        f"net_.training_params has other parts than {sorted(keys)}",
    )
    require(
        plain["augmentation"] is None
        or (
            isinstance(plain["augmentation"], dict)
            and set(plain["augmentation"]) == set(RandomWarp().get_params())
        ),
        "net_.training_params has an invalid augmentation",
    )
    shape = Training.from_plain(plain).image_shape
    require(
        shape is None or shape[0] * shape[1] == n_features,
        "net_.training_params has an invalid image_shape",
    )


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
