"""The multilayer perceptron as a torch module: logits out, randomness from one generator."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import nn

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "identity": nn.Identity,
    "logistic": nn.Sigmoid,
    "relu": partial(nn.ReLU, inplace=True),  # no layer before it needs its own output
    "tanh": nn.Tanh,
}


class Dropout(nn.Module):
    """Dropout that draws its masks from a given generator instead of torch's global one.

    Parameters
    ----------
    p : float
        Probability that an input is zeroed while training, kept to 1 / 65,536.
    generator : torch.Generator
        Source of the masks.
    """

    def __init__(self, p: float, generator: torch.Generator) -> None:
        super().__init__()
        self.p = p
        self.generator = generator

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Zero a random share of `x` and scale up the rest; the identity outside training."""
        if not self.training or self.p == 0:
            return x
        # Four 16-bit numbers of one 64-bit draw: a third of the time of bernoulli_.
        draws = torch.empty(-(-x.numel() // 4), dtype=torch.int64, device=x.device)
        draws.random_(-(2**63), None, generator=self.generator)
        numbers = draws.view(torch.int16)[: x.numel()].view(x.shape)
        n_zeroed = min(round(self.p * 65536), 65535)
        kept = (numbers >= n_zeroed - 32768).to(x.dtype)
        return x * kept.mul_(65536 / (65536 - n_zeroed))


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


class Linear(nn.Linear):
    """A linear layer with weights uniform between ``-bound`` and ``bound``, and no bias at first.

    Parameters
    ----------
    n_inputs, n_outputs : int
        Width of input and output.
    bound : float or None
        Largest weight; None leaves the weights unset, for those that come from elsewhere.
    generator : torch.Generator
        Source of the weights, on the device of the layer.
    bias : bool
        Whether there is a bias.
    dtype : torch.dtype
        Type of the parameters.
    """

    def __init__(
        self,
        n_inputs: int,
        n_outputs: int,
        *,
        bound: float | None,
        generator: torch.Generator,
        bias: bool = True,
        dtype: torch.dtype,
    ) -> None:
        super().__init__(n_inputs, n_outputs, bias=bias, dtype=dtype, device=generator.device)
        if bound is None:
            return
        with torch.no_grad():
            self.weight.uniform_(-bound, bound, generator=generator)
            if bias:
                self.bias.zero_()

    def reset_parameters(self) -> None:
        """Leave the parameters alone; torch's own would draw from its global generator."""


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
    draws_weights : bool, default=True
        Whether there are initial weights. Without them it is faster, and needs those of another.
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
        draws_weights: bool = True,
    ) -> None:
        layers: list[nn.Module] = []
        n_inputs = n_features
        for width in hidden_layer_sizes:
            variance = 2 / n_inputs if activation == "relu" else 2 / (n_inputs + width)
            layers.append(
                Linear(
                    n_inputs,
                    width,
                    bound=math.sqrt(3 * variance) if draws_weights else None,
                    generator=generator,
                    bias=not batch_norm,  # batch normalisation would subtract it again
                    dtype=dtype,
                )
            )
            if batch_norm:
                layers.append(BatchNorm(width, dtype=dtype, device=generator.device))
            layers.append(ACTIVATIONS[activation]())
            # Also without dropout, so that weights have the same names when it changes.
            layers.append(Dropout(dropout, generator))
            n_inputs = width
        bound = math.sqrt(1 / n_inputs) if draws_weights else None
        layers.append(Linear(n_inputs, n_outputs, bound=bound, generator=generator, dtype=dtype))
        super().__init__(*layers)

    def __getitem__(self, index: slice | int) -> nn.Module:
        """Give a layer, or a slice of them as a plain ``nn.Sequential``."""
        if isinstance(index, slice):
            return nn.Sequential(*list(self)[index])
        return super().__getitem__(index)
