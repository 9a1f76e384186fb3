"""The gradients that are written out equal those that autograd finds."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.seeded import seeded
from torch import nn
from torch.nn.functional import cross_entropy

from sk_digits._network.gradients import Backpropagation
from sk_digits._network.hyperparameters import ACTIVATIONS, Architecture
from sk_digits._network.mlp import MLP


def two_networks(**changes):
    """Return a pair of equal networks, in training mode, whose parameters are all random."""
    params = {"activation": "relu", "dropout": 0.0, "batch_norm": False, "dtype": "float64"}
    params |= {"n_features": 5, "hidden_layer_sizes": (8, 6), "n_outputs": 3}
    pair = []
    for _ in range(2):
        module, generator = MLP(Architecture(**params | changes), seeded(1)).train(), seeded(2)
        for parameter in module.parameters():
            nn.init.normal_(parameter, generator=generator)
        pair.append(module)
    return pair


def a_batch(n_rows, *, dtype=torch.float64, weighted=False, seed=3):
    """Return rows, classes, and positive weights or None."""
    generator = seeded(seed)
    X = torch.randn(n_rows, 5, generator=generator, dtype=dtype)
    y = torch.randint(3, (n_rows,), generator=generator)
    weight = torch.rand(n_rows, generator=generator, dtype=dtype) + 0.1
    return X, y, weight if weighted else None


def by_autograd(module, X, y, weight, label_smoothing):
    """Set the gradients by autograd; return the loss and the logits."""
    logits = module(X)
    losses = cross_entropy(logits, y, reduction="none", label_smoothing=label_smoothing)
    loss = (losses if weight is None else losses * weight).mean()
    module.zero_grad()
    loss.backward()
    return loss.detach(), logits.detach()


def assert_equal(module, oracle, tolerance):
    """Compare the gradients, and the statistics of batch normalisation."""
    for (name, ours), theirs in zip(module.named_parameters(), oracle.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, **tolerance, msg=name)
    for (name, ours), theirs in zip(module.named_buffers(), oracle.buffers(), strict=True):
        torch.testing.assert_close(ours, theirs, **tolerance, msg=name)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    activation=st.sampled_from(sorted(ACTIVATIONS)),
    batch_norm=st.booleans(),
    dropout=st.sampled_from([0.0, 0.3, 0.9]),
    sizes=st.lists(st.integers(1, 9), max_size=3),
    n_outputs=st.integers(3, 5),
    label_smoothing=st.sampled_from([0.0, 0.2, 1.0]),
    weighted=st.booleans(),
    batches=st.lists(st.integers(1, 20), min_size=1, max_size=3),
)
def test_gradients_equal_those_of_autograd(
    activation, batch_norm, dropout, sizes, n_outputs, label_smoothing, weighted, batches
):
    """In float64 they differ by rounding alone, batch for batch, with the same dropout masks."""
    module, oracle = two_networks(
        activation=activation,
        batch_norm=batch_norm,
        dropout=dropout,
        hidden_layer_sizes=sizes,
        n_outputs=n_outputs,
    )
    backpropagate = Backpropagation(module, torch.float64)
    tolerance = {"rtol": 1e-12, "atol": 1e-12}
    for seed, n_rows in enumerate(batches):
        batch = a_batch(n_rows, weighted=weighted, seed=seed)
        loss, logits = backpropagate(*batch, label_smoothing)
        expected = by_autograd(oracle, *batch, label_smoothing)
        torch.testing.assert_close((loss, logits), expected, **tolerance)
        assert_equal(module, oracle, tolerance)


@pytest.mark.parametrize("extra", [{}, {"batch_norm": True, "dropout": 0.3}], ids=str)
def test_products_in_bfloat16_have_its_precision(extra):
    """The gradients are those of autograd in float32 but for the rounding of the factors."""
    module, oracle = two_networks(dtype="float32", hidden_layer_sizes=(64, 32), **extra)
    batch = a_batch(100, dtype=torch.float32)
    Backpropagation(module, torch.bfloat16)(*batch, 0.1)
    by_autograd(oracle, *batch, 0.1)
    for ours, theirs in zip(module.parameters(), oracle.parameters(), strict=True):
        assert ours.grad.dtype == torch.float32
        difference, size = (ours.grad - theirs.grad).norm(), theirs.grad.norm()
        assert 0 < difference < 0.05 * size


def test_the_next_batch_sees_weights_that_changed_in_place():
    """A step of the optimizer counts from the next call on, also with products in bfloat16."""
    module, oracle = two_networks(dtype="float32")
    batch = a_batch(9, dtype=torch.float32)
    backpropagate = Backpropagation(module, torch.bfloat16)
    before = backpropagate(*batch, 0.0)[1]
    with torch.no_grad():
        for parameter in (*module.parameters(), *oracle.parameters()):
            parameter.neg_()
    after = backpropagate(*batch, 0.0)[1]
    torch.testing.assert_close(after, oracle(*batch[:1]), rtol=0.05, atol=0.1)
    assert (before - after).abs().max() > 1


def test_a_frozen_parameter_has_no_gradient():
    """What does not require a gradient gets none, so that the optimizer leaves it alone."""
    module, _ = two_networks()
    module[0].weight.requires_grad_(False)
    Backpropagation(module, torch.float64)(*a_batch(4), 0.0)
    assert module[0].weight.grad is None
    assert all(p.grad is not None for p in list(module.parameters())[1:])


def test_a_gradient_that_somebody_replaced_is_set_again():
    """A callback may set `grad` to another tensor, or to None: the next call sets its own."""
    module, oracle = two_networks()
    backpropagate = Backpropagation(module, torch.float64)
    batch = a_batch(4)
    backpropagate(*batch, 0.0)
    module[0].weight.grad = None
    module[0].bias.grad = torch.zeros(8, dtype=torch.float64)
    backpropagate(*batch, 0.0)
    by_autograd(oracle, *batch, 0.0)
    assert_equal(module, oracle, {"rtol": 1e-12, "atol": 1e-12})


def test_the_batch_is_not_changed():
    """Rows, classes and weights are read, never written."""
    module, _ = two_networks(batch_norm=True, dropout=0.3)
    batch = a_batch(6, weighted=True)
    kept = [tensor.clone() for tensor in batch]
    Backpropagation(module, torch.float64)(*batch, 0.1)
    assert all(torch.equal(tensor, copy) for tensor, copy in zip(batch, kept, strict=True))
