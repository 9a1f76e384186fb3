"""Minibatches and step sizes: what each epoch and each step is made of."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sk_digits._network.batches import Batches
from sk_digits._network.lr_schedules import LR_SCHEDULES, step_sizes


def seeded(seed=0):
    """Give a seeded generator."""
    return torch.Generator().manual_seed(seed)


def numbered(n_rows, batch_size, *, weighted=False, generator=None):
    """Make batches of rows that carry their own number in X, y and the weight."""
    numbers = torch.arange(n_rows)
    return Batches(
        numbers[:, None] * torch.ones(1, 3),
        numbers,
        numbers.float() + 1 if weighted else None,
        batch_size=batch_size,
        generator=generator,
    )


def order_of(batches):
    """Give the numbers of the rows in the order of an epoch."""
    return torch.cat([y for _, y, _ in batches]).tolist()


# Minibatches


@settings(max_examples=60, deadline=None, derandomize=True)
@given(n_rows=st.integers(1, 50), batch_size=st.integers(1, 60), weighted=st.booleans())
def test_an_epoch_visits_every_row_once(n_rows, batch_size, weighted):
    """All batches together are all rows; features, label and weight of a row stay together."""
    batches = numbered(n_rows, batch_size, weighted=weighted, generator=seeded())
    epoch = list(batches)
    assert len(epoch) == len(batches)
    assert sorted(torch.cat([y for _, y, _ in epoch]).tolist()) == list(range(n_rows))
    sizes = [len(y) for _, y, _ in epoch]
    assert all(size == batch_size for size in sizes[:-1])
    assert 1 <= sizes[-1] <= batch_size
    for X, y, weight in epoch:
        assert torch.equal(X, y[:, None] * torch.ones(1, 3))
        assert torch.equal(weight, y + 1.0) if weighted else weight is None


@pytest.mark.parametrize("batch_size", [10, 11, 1000])
def test_rows_that_fit_into_one_batch_keep_their_order(batch_size):
    """Whole data comes whole, in its own order, and nothing is drawn."""
    generator = seeded()
    state = generator.get_state()
    batches = numbered(10, batch_size, generator=generator)
    assert [y.tolist() for _, y, _ in batches] == [list(range(10))]
    assert torch.equal(generator.get_state(), state)


def test_without_a_generator_the_rows_keep_their_order():
    """Data to be scored, not trained on, is not shuffled."""
    assert order_of(numbered(10, 3)) == list(range(10))


def test_each_epoch_has_another_order_that_the_seed_decides():
    """The orders are those of torch.randperm from the same generator, one after the other."""
    batches, generator = numbered(40, 7, generator=seeded(5)), seeded(5)
    orders = [order_of(batches) for _ in range(3)]
    assert orders == [torch.randperm(40, generator=generator).tolist() for _ in range(3)]
    assert orders[0] != orders[1] != orders[2]


def test_shuffling_leaves_the_data_and_the_global_generator_alone():
    """The tensors are read and torch's own state stays."""
    before, batches = torch.get_rng_state(), numbered(40, 7, generator=seeded())
    for X, _, _ in batches:
        X.zero_()
    assert torch.equal(batches.X[:, 0], torch.arange(40.0))
    assert torch.equal(torch.get_rng_state(), before)


# Step sizes


@pytest.mark.parametrize("n_steps", [2, 3, 4, 10, 33, 1000])
def test_one_cycle_is_torchs_one_cycle(n_steps):
    """Every step size is that of OneCycleLR with its defaults."""
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
    np.testing.assert_allclose(list(step_sizes("one_cycle", 0.02, n_steps)), expected, rtol=1e-9)


@pytest.mark.parametrize("n_steps", [2, 5, 100])
def test_cosine_is_torchs_cosine_annealing(n_steps):
    """It falls from lr to almost nothing along torch's CosineAnnealingLR."""
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=0.02)
    *_, end = step_sizes("cosine", 0.02, n_steps)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps - 1, eta_min=end)
    expected = []
    for _ in range(n_steps):
        expected.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    np.testing.assert_allclose(list(step_sizes("cosine", 0.02, n_steps)), expected, rtol=1e-9)
    assert 0 < end < 1e-3 * 0.02


@pytest.mark.parametrize("schedule", LR_SCHEDULES)
@pytest.mark.parametrize("n_steps", [1, 2, 3, 4, 7, 500])
def test_step_sizes_are_as_many_as_steps_and_never_above_lr(schedule, n_steps):
    """Each step has a positive size of at most lr, and where there is one step it is lr."""
    sizes = list(step_sizes(schedule, 0.1, n_steps))
    assert len(sizes) == n_steps
    assert min(sizes) > 0
    assert max(sizes) <= 0.1 * (1 + 1e-12)
    assert n_steps > 1 or sizes == [0.1]


def test_a_constant_step_size_is_constant():
    """Every step is of size lr."""
    assert list(step_sizes("constant", 0.3, 4)) == [0.3] * 4
