"""`learning_rates`: the size of each step of a training."""

import itertools
import sys

import numpy as np
import pytest
import torch

from sk_digits._network.lr_schedules import LR_SCHEDULES, learning_rates


@pytest.mark.parametrize("n_steps", [2, 3, 4, 10, 33, 1000])
def test_one_cycle_is_torchs_one_cycle(n_steps):
    """The learning rates are those of torch's OneCycleLR with its defaults."""
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))])
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.02, total_steps=n_steps, cycle_momentum=False
    )
    expected = []
    for _ in range(n_steps):
        expected.append(schedule.get_last_lr()[0])
        optimizer.step()
        if len(expected) < n_steps:
            schedule.step()
    np.testing.assert_allclose(
        list(learning_rates("one_cycle", 0.02, n_steps)), expected, rtol=1e-9
    )


@pytest.mark.parametrize("n_steps", [2, 5, 100])
def test_cosine_is_torchs_cosine_annealing(n_steps):
    """The learning rates fall from lr to almost 0 as those of torch's CosineAnnealingLR do."""
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=0.02)
    *_, end = learning_rates("cosine", 0.02, n_steps)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps - 1, eta_min=end)
    expected = []
    for _ in range(n_steps):
        expected.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    np.testing.assert_allclose(list(learning_rates("cosine", 0.02, n_steps)), expected, rtol=1e-9)
    assert 0 < end < 1e-3 * 0.02


@pytest.mark.parametrize("schedule", LR_SCHEDULES)
@pytest.mark.parametrize("n_steps", [1, 2, 3, 4, 7, 500])
def test_learning_rates_are_as_many_as_steps_and_never_above_lr(schedule, n_steps):
    """There is a positive size of at most lr for each step; a single step has size lr."""
    sizes = list(learning_rates(schedule, 0.1, n_steps))
    assert len(sizes) == n_steps
    assert min(sizes) > 0
    assert max(sizes) <= 0.1 * (1 + 1e-12)
    assert n_steps > 1 or sizes == [0.1]


def test_a_constant_learning_rate_is_constant():
    """With "constant" every step has size lr."""
    assert list(learning_rates("constant", 0.3, 4)) == [0.3] * 4


@pytest.mark.parametrize("schedule", LR_SCHEDULES)
def test_a_training_without_end_can_begin(schedule):
    """The sizes are made one by one, so that max_epochs may be huge."""
    first = list(itertools.islice(learning_rates(schedule, 0.1, sys.maxsize), 3))
    assert all(0 < size <= 0.1 for size in first)
    later = list(learning_rates(schedule, 0.1, 50, 40))
    assert later == list(learning_rates(schedule, 0.1, 50))[40:]
