"""The multilayer perceptron as a torch module: logits out, randomness from one generator."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import nn

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "identity": nn.Identity,
    "logistic": nn.Sigmoid,
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
}


class Dropout(nn.Module):
    """Dropout that draws its masks from a given generator instead of torch's global one.

    Parameters
    ----------
    p : float
        Probability that an input is zeroed while training.
    generator : torch.Generator
        Source of the masks.
    """

    def __init__(self, p: float, generator: torch.Generator) -> None:
        super().__init__()
        self.p = p
        self.generator = generator

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Zero a random share of `x` and scale up the rest; the identity outside training."""
        if not self.training:
            return x
        mask = torch.empty_like(x).bernoulli_(1 - self.p, generator=self.generator)
        return x * mask.mul_(1 / (1 - self.p))


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation that also takes a batch of one row.

    One row has no variance, so it is normalised by the running statistics, and leaves them alone.
    Without this the last batch of an epoch or a chunk of one row would end the fit.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise each column of `x`."""
        if self.training and len(x) == 1:
            return nn.functional.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(x)


class MLP(nn.Sequential):
    """A fully connected network that ends in logits.

    Weights start uniform with the variance that He et al. (2015) derive for relu, Glorot and
    Bengio (2010) for the other activations; the output layer starts small, so that the first
    loss is close to ``log(n_outputs)``. Biases start at zero.

    Parameters
    ----------
    n_features : int
        Width of the input.
    hidden_layer_sizes : sequence of int
        Width of each hidden layer; empty for a linear model.
    n_outputs : int
        Number of logits.
    activation : {"identity", "logistic", "relu", "tanh"}
        Function after each hidden layer.
    dropout : float
        Probability that a hidden unit is dropped while training.
    batch_norm : bool
        Whether each hidden layer is batch-normalised before its activation.
    generator : torch.Generator
        Source of the initial weights and of the dropout masks, on the device of the parameters.
    dtype : torch.dtype
        Type of the parameters.
    """

    def __init__(
        self,
        n_features: int,
        hidden_layer_sizes: Sequence[int],
        n_outputs: int,
        *,
        activation: str,
        dropout: float,
        batch_norm: bool,
        generator: torch.Generator,
        dtype: torch.dtype,
    ) -> None:
        device = generator.device
        layers: list[nn.Module] = []
        fan_in = n_features
        for width in hidden_layer_sizes:
            # A bias before batch normalisation would be subtracted again.
            linear = nn.utils.skip_init(
                nn.Linear, fan_in, width, bias=not batch_norm, dtype=dtype, device=device
            )
            gain = 6 / fan_in if activation == "relu" else 6 / (fan_in + width)
            _initialize(linear, math.sqrt(gain), generator)
            layers.append(linear)
            if batch_norm:
                layers.append(BatchNorm(width, dtype=dtype, device=device))
            layers.append(ACTIVATIONS[activation]())
            if dropout > 0:
                layers.append(Dropout(dropout, generator))
            fan_in = width
        output = nn.utils.skip_init(nn.Linear, fan_in, n_outputs, dtype=dtype, device=device)
        _initialize(output, math.sqrt(1 / fan_in), generator)
        super().__init__(*layers, output)


@torch.no_grad()
def _initialize(linear: nn.Linear, bound: float, generator: torch.Generator) -> None:
    linear.weight.uniform_(-bound, bound, generator=generator)
    if linear.bias is not None:
        linear.bias.zero_()
