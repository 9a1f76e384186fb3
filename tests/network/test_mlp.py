"""The parts of the network: dropout, batch normalisation, initial weights."""

import math

import numpy as np
import pytest
import torch
from support.seeded import seeded
from torch import nn

from sk_digits._network.hyperparameters import ACTIVATIONS, Architecture
from sk_digits._network.mlp import MLP, BatchNorm, Dropout


def make_mlp(sizes=(8, 6), *, seed=0, **changes):
    """Return a network from 5 features to 3 classes."""
    params = {"activation": "relu", "dropout": 0.0, "batch_norm": False, "dtype": "float32"}
    params |= {"n_features": 5, "hidden_layer_sizes": sizes, "n_outputs": 3}
    return MLP(Architecture(**params | changes), seeded(seed))


# Dropout


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_keeps_the_mean(p):
    """A fraction p becomes 0 and the rest grows by 1 / (1 - p), so that the mean stays."""
    x = torch.full((400, 500), 3.0)
    out = Dropout(p, seeded()).train()(x)
    assert (out == 0).double().mean().item() == pytest.approx(p, abs=0.01)
    kept = out[out != 0]
    np.testing.assert_allclose(kept.numpy(), 3 / (1 - round(p * 65536) / 65536), rtol=1e-5)
    assert out.double().mean().item() == pytest.approx(3, rel=0.02)


def test_dropout_is_the_identity_outside_training():
    """In evaluation mode nothing is dropped and no random number is drawn."""
    generator = seeded()
    state = generator.get_state()
    x = torch.randn(4, 5, generator=seeded(1))
    assert Dropout(0.5, generator).eval()(x) is x
    assert torch.equal(generator.get_state(), state)


def test_dropout_draws_from_its_generator_alone():
    """Equal generators give equal masks, and torch's global generator is not used."""
    x = torch.ones(50, 50)
    before = torch.get_rng_state()
    first, second, other = (Dropout(0.5, seeded(s)).train()(x) for s in (0, 0, 1))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_gradients_pass_through_what_dropout_keeps():
    """The gradient is the factor of the kept values, and 0 elsewhere."""
    x = torch.ones(20, 20, requires_grad=True)
    out = Dropout(0.25, seeded()).train()(x)
    out.sum().backward()
    torch.testing.assert_close(x.grad, out.detach())


# Batch normalisation


def test_batch_norm_of_many_rows_is_torchs():
    """With two rows or more, outputs and running statistics equal those of torch's BatchNorm1d."""
    ours, theirs = BatchNorm(6).train(), nn.BatchNorm1d(6).train()
    for n_rows in (2, 7, 100):
        x = torch.randn(n_rows, 6, generator=seeded(n_rows)) * 3 + 1
        torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=0)
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=0, atol=0)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x), rtol=0, atol=0)


def test_batch_norm_of_one_row_uses_the_running_statistics():
    """A single row is normalised as in evaluation mode and does not change the statistics."""
    layer = BatchNorm(6).train()
    layer(torch.randn(50, 6, generator=seeded()) * 3 + 1)
    before = {name: t.clone() for name, t in layer.state_dict().items()}
    row = torch.randn(1, 6, generator=seeded(1))
    in_training = layer(row)
    torch.testing.assert_close(layer.state_dict(), before, rtol=0, atol=0)
    torch.testing.assert_close(in_training, layer.eval()(row), rtol=0, atol=0)


def test_batch_norm_of_one_row_has_gradients():
    """A single row has gradients for scale and shift."""
    layer = BatchNorm(4).train()
    layer(torch.ones(1, 4)).sum().backward()
    assert layer.bias.grad.tolist() == [1.0] * 4
    assert torch.isfinite(layer.weight.grad).all()


# The network


@pytest.mark.parametrize("sizes", [(), (8,), (8, 6, 4)])
@pytest.mark.parametrize("extra", [{}, {"dropout": 0.2, "batch_norm": True}], ids=str)
def test_layers_have_the_widths_that_were_asked_for(sizes, extra):
    """Linear layers connect the given widths and end in logits."""
    model = make_mlp(sizes, **extra)
    linear = [layer for layer in model if isinstance(layer, nn.Linear)]
    widths = [(layer.in_features, layer.out_features) for layer in linear]
    assert widths == list(zip([5, *sizes], [*sizes, 3], strict=True))
    assert model[-1] is linear[-1]
    dropping = [layer for layer in model if isinstance(layer, Dropout) and layer.p > 0]
    assert len(dropping) == (len(sizes) if extra else 0)
    assert model(torch.zeros(7, 5)).shape == (7, 3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_generator_decides_the_initial_weights(dtype):
    """Equal seeds give equal weights, and torch's global generator is not used."""
    before = torch.get_rng_state()
    first, second, other = (make_mlp(dtype=dtype, seed=s) for s in (0, 0, 1))
    assert {p.dtype for p in first.parameters()} == {getattr(torch, dtype)}
    torch.testing.assert_close(first.state_dict(), second.state_dict(), rtol=0, atol=0)
    assert not torch.equal(first[0].weight, other[0].weight)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_initial_weights_have_the_variance_of_the_papers(activation):
    """The variance is that of He et al. for relu, else that of Glorot and Bengio; biases are 0."""
    model = make_mlp((400, 300), activation=activation)
    weight = next(p for p in model.parameters() if p.shape == (300, 400)).double()
    expected = 2 / 400 if activation == "relu" else 2 / 700
    assert weight.var().item() == pytest.approx(expected, rel=0.02)
    assert abs(weight.mean().item()) < 4 * math.sqrt(expected / weight.numel())
    assert not any(p.any() for name, p in model.named_parameters() if name.endswith("bias"))


def test_the_signal_keeps_its_size_through_many_relu_layers():
    """The activations of the sixth layer have the magnitude of those of the first."""
    model = make_mlp((300,) * 6)
    x = torch.randn(200, 5, generator=seeded(1))
    sizes = []
    for layer in list(model)[:-1]:
        x = layer(x)
        if isinstance(layer, nn.ReLU):
            sizes.append(x.square().mean().item())
    assert 0.3 < sizes[-1] / sizes[0] < 3


def test_a_slice_of_layers_is_a_network():
    """The layers below the logits can be used alone."""
    model = make_mlp((8, 6)).eval()
    x = torch.randn(4, 5, generator=seeded(0))
    assert model[:-1](x).shape == (4, 6)
    torch.testing.assert_close(model[-1](model[:-1](x)), model(x))


def test_dropout_and_initial_weights_share_one_generator():
    """The masks are drawn after the weights, so that one seed determines both."""
    x = torch.ones(10, 5)
    one, two = (make_mlp(dropout=0.5, seed=3).train() for _ in range(2))
    assert torch.equal(one(x), two(x))
    assert not torch.equal(one(x), one(x))
