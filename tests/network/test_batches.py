"""`Batches`: which rows each batch of an epoch holds."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.seeded import seeded

from sk_digits._network.batches import Batches


def numbered(n_rows, batch_size, *, weighted=False, generator=None):
    """Return batches of rows that carry their own number in X, y and the weight."""
    numbers = torch.arange(n_rows)
    return Batches(
        numbers[:, None] * torch.ones(1, 3),
        numbers,
        numbers.float() + 1 if weighted else None,
        batch_size=batch_size,
        generator=generator,
    )


def order_of(batches):
    """Return the numbers of the rows in the order of an epoch."""
    return torch.cat([y for _, y, _ in batches]).tolist()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(n_rows=st.integers(1, 50), batch_size=st.integers(1, 60), weighted=st.booleans())
def test_an_epoch_visits_every_row_once(n_rows, batch_size, weighted):
    """All batches together hold each row once; its features, label and weight stay together."""
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
    """Rows that fit into one batch keep their order, and no random number is drawn."""
    generator = seeded()
    state = generator.get_state()
    batches = numbered(10, batch_size, generator=generator)
    assert [y.tolist() for _, y, _ in batches] == [list(range(10))]
    assert torch.equal(generator.get_state(), state)


def test_without_a_generator_the_rows_keep_their_order():
    """Without a generator, as for scoring, the rows are not shuffled."""
    assert order_of(numbered(10, 3)) == list(range(10))


def test_each_epoch_has_another_order_that_the_seed_decides():
    """The orders are those of torch.randperm from an equal generator."""
    batches, generator = numbered(40, 7, generator=seeded(5)), seeded(5)
    orders = [order_of(batches) for _ in range(3)]
    assert orders == [torch.randperm(40, generator=generator).tolist() for _ in range(3)]
    assert orders[0] != orders[1] != orders[2]


def test_shuffling_leaves_the_data_and_the_global_generator_alone():
    """The batches are copies, and torch's global generator is not used."""
    before, batches = torch.get_rng_state(), numbered(40, 7, generator=seeded())
    for X, _, _ in batches:
        X.zero_()
    assert torch.equal(batches.X[:, 0], torch.arange(40.0))
    assert torch.equal(torch.get_rng_state(), before)
