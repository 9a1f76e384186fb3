"""Learning rate schedules: `learning_rates`."""

from __future__ import annotations

import math
from collections.abc import Iterator

LR_SCHEDULES = ("constant", "cosine", "one_cycle")


def learning_rates(schedule: str, lr: float, n_steps: int, first: int = 0) -> Iterator[float]:
    """Yield the learning rate of each of `n_steps` optimizer steps, from step `first` on.

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
