"""The net that a fit trains, and what it leaves in a classifier."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray

from sk_digits._ann import parameters
from sk_digits._ann.digit_net import DigitNet
from sk_digits._ann.net_state import build_net
from sk_digits._ann.rows import Rows
from sk_digits._network.early_stopper import EarlyStopper


def make_net(
    params: dict[str, Any],
    rows: Rows,
    classes: NDArray[Any],
    seed: int,
    lr_schedule: str,
    *,
    draws_weights: bool = True,
) -> DigitNet:
    """Make the net that parameters ask for.

    Parameters
    ----------
    params : dict
        The parameters of a `DigitANN`.
    rows : Rows
        What it will train on, in its type.
    classes : ndarray of shape (n_classes,)
        The labels.
    seed : int
        Of the generator that everything is drawn from.
    lr_schedule : str
        Course of the step size.
    draws_weights : bool
        Whether there are initial weights; without them others must be loaded.
    """
    device = parameters.resolve_device(params["device"])
    architecture = parameters.architecture(params, rows.X.shape[1], len(classes), str(rows.X.dtype))
    return build_net(
        architecture,
        parameters.training(params, architecture, device.type, lr_schedule),
        torch.Generator(device).manual_seed(seed),
        parameters.copy_callbacks(params["callbacks"]),
        draws_weights=draws_weights,
    )


def check_same_network(fitted: Any, net: DigitNet, classes: NDArray[Any]) -> None:
    """Raise ValueError if a new net, with its classes, cannot go on from a fitted classifier's."""
    compared = [("classes", fitted.classes_.tolist(), classes.tolist())] + [
        (name, fitted.net_.architecture[name], net.architecture[name])
        for name in ("hidden_layer_sizes", "activation", "batch_norm")
    ]
    for name, before, asked in compared:
        if before != asked:
            raise ValueError(
                f"The network was fitted with {name}={before!r} and cannot go on with "
                f"{asked!r}. Set it back, or start anew: fit with warm_start=False."
            )


def fitted_attributes(
    net: DigitNet, classes: NDArray[Any], stopper: EarlyStopper | None
) -> dict[str, Any]:
    """Give what a fit that trained `net` leaves in the classifier."""
    curve = [row["train_loss"] for row in net.history]
    fitted = {"classes_": classes, "loss_curve_": curve, "n_iter_": len(curve)}
    if stopper is not None:
        scores = [row["valid_acc"] for row in net.history if "valid_acc" in row]
        fitted |= {"validation_scores_": scores, "best_validation_score_": stopper.best_score}
    return fitted | {"net_": net}  # last: with it a classifier is fitted, also for other threads
