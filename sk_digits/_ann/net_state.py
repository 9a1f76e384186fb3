"""A net from plain values and NumPy arrays, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from sk_digits._ann.digit_net import DigitNet
from sk_digits._network.adamw import AdamW
from sk_digits._network.batches import as_tensor
from sk_digits._network.mlp import MLP
from sk_digits._network.random_warp import RandomWarp


def build_net(
    architecture: dict[str, Any],
    training: dict[str, Any],
    generator: torch.Generator,
    callbacks: list[Any] | None = None,
    *,
    draws_weights: bool = True,
) -> DigitNet:
    """Make an initialised net.

    Parameters
    ----------
    architecture : dict
        Arguments of :class:`MLP` as plain values: the dtype by its name, no generator.
    training : dict
        "lr", "lr_schedule", "weight_decay", "label_smoothing", "batch_size", "max_epochs",
        "image_shape" and "verbose", as in `DigitANN`; "bfloat16", and the parameters of
        :class:`RandomWarp` or None as "augmentation".
    generator : torch.Generator
        Source of all randomness, on the device of the net.
    callbacks : list or None
        skorch callbacks.
    draws_weights : bool
        Whether there are initial weights; without them `load_arrays` must follow.
    """
    module_params = architecture | {"dtype": getattr(torch, architecture["dtype"])}
    net_params = dict(training)
    weight_decay = net_params.pop("weight_decay")
    label_smoothing = net_params.pop("label_smoothing")
    if net_params["augmentation"] is not None:
        net_params["augmentation"] = RandomWarp(**net_params["augmentation"])
    net = DigitNet(
        MLP,
        **{f"module__{name}": value for name, value in module_params.items()},
        module__generator=generator,
        module__draws_weights=draws_weights,
        criterion=torch.nn.CrossEntropyLoss,
        criterion__label_smoothing=label_smoothing,
        optimizer=AdamW,
        optimizer__weight_decay=weight_decay,
        optimizer__fused=True,
        # A DataLoader, which callbacks may start, would draw from torch's global generator.
        iterator_valid__generator=torch.Generator(),
        train_split=None,
        classes=np.arange(architecture["n_outputs"]),
        callbacks=callbacks,
        device=str(generator.device),
        generator=generator,
        architecture=architecture,
        training=training,
        **net_params,
    )
    return net.initialize()


def net_to_arrays(net: DigitNet) -> dict[str, Any]:
    """Give a net as NumPy arrays, which share its memory on a CPU, and plain values."""
    optimizer = net.optimizer_.state_dict()["state"]
    return {
        "architecture": net.architecture,
        "training": net.training,
        "weights": {name: t.cpu().numpy() for name, t in net.module_.state_dict().items()},
        "optimizer": {
            index: {name: t.cpu().numpy() for name, t in moments.items()}
            for index, moments in optimizer.items()
        },
        "generator": net.generator.get_state().numpy(),
        "history": net.history.to_list(),
    }


def net_from_arrays(arrays: dict[str, Any], device: torch.device) -> DigitNet:
    """Make a net of what `net_to_arrays` gave, on any device; user callbacks are not part of it."""
    generator = torch.Generator(device)
    net = build_net(arrays["architecture"], arrays["training"], generator, draws_weights=False)
    load_arrays(net, arrays)
    return net


def copy_net(net: DigitNet) -> DigitNet:
    """Make a net with copies of the weights and the generator, but no optimizer state."""
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
