"""A fitted net as plain values and NumPy arrays, and back, also from files that may be damaged."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sk_digits._ann.digit_net import DigitNet
from sk_digits._constraints import read_value, real, whole
from sk_digits._network.batches import as_tensor
from sk_digits._network.hyperparameters import Architecture, Training
from sk_digits._network.mlp import MLP

# torch's state of a generator on a CPU: a Mersenne twister, and normal numbers in reserve.
_CPU_GENERATOR = np.dtype(
    [("seed", "u8"), ("left", "i4"), ("seeded", "i4"), ("next", "u8"), ("words", "u8", 624)]
    + [("normals", "f8", 3), ("has_normal", "i8"), ("normal", "f4"), ("has_float_normal", "i4")]
)
_OTHER_GENERATOR_BYTES = 64  # at most, on other devices: a seed and an offset
_NOT_NEGATIVE = ("running_var", "num_batches_tracked", "exp_avg_sq", "step")
_NUMBER = real(-math.inf)


def net_to_arrays(net: DigitNet) -> dict[str, Any]:
    """Return a net as NumPy arrays, which share its memory on a CPU, and plain values."""
    optimizer = net.optimizer_.state_dict()["state"]
    return {
        "architecture": asdict(net.architecture),
        "training_params": net.training_params.to_plain(),
        "weights": {name: t.cpu().numpy() for name, t in net.module_.state_dict().items()},
        "optimizer": {
            index: {name: t.cpu().numpy() for name, t in moments.items()}
            for index, moments in optimizer.items()
        },
        "generator": net.generator.get_state().numpy(),
        "history": net.history.to_list(),
    }


def net_from_arrays(arrays: dict[str, Any], device: torch.device) -> DigitNet:
    """Return the net that `net_to_arrays` was given, on any device, without its callbacks."""
    net = DigitNet(
        Architecture(**arrays["architecture"]),
        Training.from_plain(arrays["training_params"]),
        torch.Generator(device),
        draws_weights=False,
    ).initialize()
    load_arrays(net, arrays)
    return net


def copy_net(net: DigitNet) -> DigitNet:
    """Return a net with copies of the weights and of the generator, but no optimizer state."""
    return net_from_arrays(net_to_arrays(net) | {"optimizer": {}}, torch.device(net.device))


def load_arrays(net: DigitNet, arrays: dict[str, Any]) -> None:
    """Copy weights, history and, where given, optimizer and generator states into a net."""
    weights = {name: as_tensor(v, "cpu") for name, v in arrays["weights"].items()}
    net.module_.load_state_dict(weights)  # it copies them
    net.module_.eval()
    net.history.clear()
    net.history.extend(arrays["history"])
    for group in net.optimizer_.param_groups:
        group["initial_lr"] = group["lr"]  # what torch's schedulers ask for to go on
    if "optimizer" in arrays:
        optimizer = net.optimizer_.state_dict()
        optimizer["state"] = {
            index: {name: torch.tensor(v) for name, v in moments.items()}
            for index, moments in arrays["optimizer"].items()
        }
        net.optimizer_.load_state_dict(optimizer)
    if "generator" in arrays:
        state = torch.tensor(arrays["generator"])
        if state.shape == net.generator.get_state().shape:  # else from another kind of device
            net.generator.set_state(state)


def name_arrays(arrays: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """Return the arrays of a net, as `net_to_arrays` returns them, by names of their own."""
    named = {f"weights/{name}": array for name, array in arrays["weights"].items()}
    for index, moments in arrays["optimizer"].items():
        named |= {f"optimizer/{index}/{name}": array for name, array in moments.items()}
    return named | {"generator": arrays["generator"]}


def take_arrays(
    named: dict[str, NDArray[Any]], prefix: str, architecture: Architecture
) -> dict[str, Any]:
    """Take the arrays of a net of some architecture out of named ones.

    Parameters
    ----------
    named : dict of str to ndarray
        Arrays as `name_arrays` returns them, with `prefix` before their names, and others. Those
        that are taken are removed.
    prefix : str
        Beginning of their names.
    architecture : Architecture
        Architecture of the net.

    Returns
    -------
    dict
        "weights", "optimizer" and "generator" as `net_to_arrays` returns them.

    Raises
    ------
    ValueError
        If an array is missing, of another shape or type, or has values that no training leaves.
    """
    module = MLP(architecture, None)
    optimizer = {}
    if f"{prefix}optimizer/0/step" in named:
        step = torch.empty((), dtype=torch.float32, device="meta")  # whatever torch's default
        for index, parameter in enumerate(module.parameters()):
            likes = {"step": step, "exp_avg": parameter, "exp_avg_sq": parameter}
            optimizer[index] = {
                name: _take(named, f"{prefix}optimizer/{index}/{name}", like)
                for name, like in likes.items()
            }
    return {
        "weights": _take_state(named, f"{prefix}weights/", module),
        "optimizer": optimizer,
        "generator": _take_generator(named, f"{prefix}generator"),
    }


def take_weights(
    named: dict[str, NDArray[Any]], prefix: str, architecture: Architecture
) -> dict[str, NDArray[Any]]:
    """Take the weights of a net out of named arrays, as `take_arrays` does."""
    return _take_state(named, prefix, MLP(architecture, None))


def _take_state(
    named: dict[str, NDArray[Any]], prefix: str, module: MLP
) -> dict[str, NDArray[Any]]:
    return {
        name: _take(named, f"{prefix}{name}", like) for name, like in module.state_dict().items()
    }


def _take(named: dict[str, NDArray[Any]], name: str, like: torch.Tensor) -> NDArray[Any]:
    if name not in named:
        raise ValueError(f"there is no array {name!r}")
    array = named.pop(name)
    shape, dtype = tuple(like.shape), str(like.dtype).removeprefix("torch.")
    if array.dtype == np.float16 and dtype == "float32":  # as model files keep what fits into it
        array = array.astype(np.float32)
    if array.shape != shape or array.dtype != dtype:
        raise ValueError(
            f"{name} has shape {array.shape} and type {array.dtype}; by its architecture it has "
            f"shape {shape} and type {dtype}"
        )
    with np.errstate(invalid="ignore"):
        lowest, highest = array.min(), array.max()  # NaN comes through as both
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        raise ValueError(f"{name} is not finite")
    if lowest < 0 and name.endswith(_NOT_NEGATIVE):
        raise ValueError(f"{name} has negative values")
    return array


def _take_generator(named: dict[str, NDArray[Any]], name: str) -> NDArray[Any]:
    state = named.pop(name, None)
    if state is None or state.dtype != np.uint8 or state.ndim != 1 or not _is_state(state):
        raise ValueError(f"{name} is no state of a torch generator")
    return state


def _is_state(state: NDArray[Any]) -> bool:
    """Return whether bytes are the state of a generator.

    torch takes states that point past their numbers, and then draws from foreign memory.
    """
    if state.size != _CPU_GENERATOR.itemsize:
        return state.size <= _OTHER_GENERATOR_BYTES
    fields = state.view(_CPU_GENERATOR)[0]
    # Of the 624 numbers `next` are used up, and `left` - 1 are left; none are there at first.
    n_left, n_used = int(fields["left"]), int(fields["next"])
    is_within = 1 <= n_left <= 624 and n_left + n_used in (1, 625)
    if not is_within or fields["seeded"] != 1:
        return False
    if not (np.isfinite(fields["normals"]).all() and np.isfinite(fields["normal"])):
        return False
    generator = torch.Generator()
    generator.set_state(torch.tensor(state))
    return bool((generator.get_state().numpy() == state).all())


def check_history(history: Any) -> None:
    """Raise ValueError unless a history is a list of epochs with number, loss and seconds."""
    if not isinstance(history, list) or not history:
        raise ValueError("the history is no list of epochs")
    for row in history:
        if not isinstance(row, dict) or not all(type(name) is str for name in row):
            raise ValueError("an epoch of the history is no dict of values by name")
        read_value("an epoch of the history", "epoch", whole(1), row.get("epoch"))
        for name in ("train_loss", "dur", *({"valid_acc"} & set(row))):
            read_value("an epoch of the history", name, _NUMBER, row.get(name))
