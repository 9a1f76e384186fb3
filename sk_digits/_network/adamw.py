"""The optimizer: torch's AdamW, and a step of it without overhead."""

from __future__ import annotations

from collections.abc import Callable
from inspect import unwrap

import torch


class AdamW(torch.optim.AdamW):
    """torch's AdamW without the wrappers that keep torch's compiler away from it.

    When first called, those wrappers import the compiler: 800 modules, which take a second in each
    new process that fits or loads a network, and leave a warning filter behind.
    """

    add_param_group = unwrap(torch.optim.AdamW.add_param_group)
    load_state_dict = unwrap(torch.optim.AdamW.load_state_dict)
    state_dict = unwrap(torch.optim.AdamW.state_dict)
    step = torch.no_grad()(unwrap(torch.optim.AdamW.step))
    zero_grad = unwrap(torch.optim.AdamW.zero_grad)


def bare_step(optimizer: torch.optim.Optimizer) -> Callable[[float], None]:
    """Return a function that makes one step of a given size: AdamW's fused kernel and nothing else.

    ``optimizer.step()`` runs the same kernel after looking for hooks, closures and devices for
    50 µs, as long as a small network's forward pass. It must have run once before, to make the
    optimizer's state.
    """
    (group,) = optimizer.param_groups
    parameters = group["params"]
    states = [optimizer.state[parameter] for parameter in parameters]
    means, squares = ([state[name] for state in states] for name in ("exp_avg", "exp_avg_sq"))
    # The counts of steps become views of one tensor, which is counted up at once.
    count = torch.stack([state["step"] for state in states])
    counts = list(count)
    for state, one in zip(states, counts, strict=True):
        state["step"] = one
    beta1, beta2 = group["betas"]

    def step(lr: float) -> None:
        gradients = [parameter.grad for parameter in parameters]
        with torch.no_grad():
            count.add_(1)
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
