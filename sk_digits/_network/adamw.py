"""The optimizer: torch's AdamW, and the shortest way to make one of its steps."""

from __future__ import annotations

from collections.abc import Callable
from inspect import unwrap

import torch


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
