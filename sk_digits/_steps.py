"""Optimizer steps: how large each is, and the shortest way to make one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from inspect import unwrap

import torch

LR_SCHEDULES = ("constant", "cosine", "one_cycle")


def step_sizes(schedule: str, lr: float, n_steps: int, first: int = 0) -> Iterator[float]:
    """Yield the step size of each of `n_steps` optimizer steps, from the `first` on.

    "one_cycle" is that of Smith and Topin (2018) as torch's ``OneCycleLR`` has it by default: up
    from ``lr / 25`` over the first 30 % of the steps, then down to almost nothing, both along a
    cosine. "cosine" only goes down.
    """
    if schedule == "constant" or n_steps == 1:
        for _ in range(first, n_steps):
            yield lr
        return
    start, end = lr / 25, lr / 25e4
    peak = 0.3 * n_steps - 1 if schedule == "one_cycle" else 0.0

    def between(a: float, b: float, share: float) -> float:
        return b + (a - b) / 2 * (1 + math.cos(math.pi * share))

    for step in range(first, n_steps):
        if step < peak:
            yield between(start, lr, step / peak)
        else:
            yield between(lr, end, (step - peak) / (n_steps - 1 - peak))


class AdamW(torch.optim.AdamW):
    """torch's AdamW, without what hides it from torch's compiler.

    When first called, those wrappers import the compiler: 800 modules, for a second, in each new
    process that fits or loads a network, and a warning filter left behind.
    """

    add_param_group = unwrap(torch.optim.AdamW.add_param_group)
    load_state_dict = unwrap(torch.optim.AdamW.load_state_dict)
    state_dict = unwrap(torch.optim.AdamW.state_dict)
    step = torch.no_grad()(unwrap(torch.optim.AdamW.step))
    zero_grad = unwrap(torch.optim.AdamW.zero_grad)


def bare_step(optimizer: torch.optim.Optimizer) -> Callable[[float], None]:
    """Give a function that makes a step of the given size: the fused kernel of AdamW and no more.

    ``optimizer.step()`` runs the same kernel after 50 µs of looking for hooks, closures and
    devices: as long as a small network's forward pass. It must have run once, to make the state.
    """
    (group,) = optimizer.param_groups
    parameters = group["params"]
    states = [optimizer.state[parameter] for parameter in parameters]
    means, squares, counts = (
        [state[name] for state in states] for name in ("exp_avg", "exp_avg_sq", "step")
    )
    beta1, beta2 = group["betas"]

    def step(lr: float) -> None:
        gradients = [parameter.grad for parameter in parameters]
        with torch.no_grad():
            torch._foreach_add_(counts, 1)
            torch._fused_adamw_(
                parameters,
                gradients,
                means,
                squares,
                [],
                counts,
                lr=lr,
                beta1=beta1,
                beta2=beta2,
                weight_decay=group["weight_decay"],
                eps=group["eps"],
                amsgrad=False,
                maximize=False,
            )

    return step
