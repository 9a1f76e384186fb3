"""A fitted net as plain values and NumPy arrays, and back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch

from sk_digits._ann.digit_net import DigitNet
from sk_digits._network.batches import as_tensor
from sk_digits._network.hyperparameters import Architecture, Training


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
