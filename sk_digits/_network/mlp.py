"""The multilayer perceptron as a torch module: logits out, randomness from one generator."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from sk_digits._network.hyperparameters import ACTIVATIONS, Architecture


class Dropout(nn.Module):
    """Dropout that draws its masks from a given generator instead of torch's global one.

    `p` is the probability that an input is zeroed while training, rounded to a multiple of
    1 / 65,536.
    """

    def __init__(self, p: float, generator: torch.Generator | None) -> None:
        super().__init__()
        self.p = p
        self.generator = generator

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return `x` with a random fraction zeroed, the rest scaled up; `x` itself in eval mode."""
        if not self.training or self.p == 0:
            return x
        return x * self.draw_factors(x.t()).t()

    def draw_factors(self, like: torch.Tensor) -> torch.Tensor:
        """Return new factors for a tensor: 0 for what is dropped, the scale for what is kept."""
        # Four 16-bit numbers of one 64-bit draw: a third of the time of bernoulli_.
        draws = torch.empty(-(-like.numel() // 4), dtype=torch.int64, device=like.device)
        draws.random_(-(2**63), None, generator=self.generator)
        numbers = draws.view(torch.int16)[: like.numel()].view(like.shape)
        n_zeroed = min(round(self.p * 65536), 65535)
        factors = torch.empty_like(like)
        torch.ge(numbers, n_zeroed - 32768, out=factors)  # 1 or 0
        return factors.mul_(65536 / (65536 - n_zeroed))


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation that also accepts a batch of one row.

    One row has no variance, so the running statistics normalise it and are left alone. torch's own
    layer raises, which would end a fit whose last batch, or chunk, has one row.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return `x` with each column normalised."""
        if self.training and len(x) == 1:
            return nn.functional.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(x)


class Linear(nn.Linear):
    """A linear layer with initial weights uniform in [-bound, bound] and initial biases of zero.

    A `bound` of None leaves the parameters unset, for others to be loaded.
    """

    def __init__(
        self,
        n_inputs: int,
        n_outputs: int,
        *,
        bound: float | None,
        generator: torch.Generator | None,
        bias: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(n_inputs, n_outputs, bias=bias, **options)
        if bound is not None:
            with torch.no_grad():
                self.weight.uniform_(-bound, bound, generator=generator)
                if bias:
                    self.bias.zero_()

    def reset_parameters(self) -> None:
        """Leave the parameters alone: torch's own method would draw from its global generator."""


class MLP(nn.Sequential):
    """A fully connected network that returns logits.

    Initial weights are uniform with the variance that He et al. (2015) derive for relu, Glorot and
    Bengio (2010) for the other activations; the output layer starts small, so that the first
    loss is close to ``log(n_outputs)``. Biases start at zero.

    Parameters
    ----------
    architecture : Architecture
        Widths, activation, dropout, batch normalisation and dtype.
    generator : torch.Generator or None
        Source of the initial weights and of the dropout masks, on the device of the parameters.
        None puts the parameters on torch's meta device: names, shapes and types without memory.
    draws_weights : bool, default=True
        Whether to draw initial weights. Without them it is faster, and others must be loaded.
    """

    def __init__(
        self,
        architecture: Architecture,
        generator: torch.Generator | None,
        *,
        draws_weights: bool = True,
    ) -> None:
        activation = architecture.activation
        options = {
            "device": "meta" if generator is None else generator.device,
            "dtype": getattr(torch, architecture.dtype),
        }
        draws_weights = draws_weights and generator is not None
        layers: list[nn.Module] = []
        n_inputs = architecture.n_features
        for width in architecture.hidden_layer_sizes:
            variance = 2 / n_inputs if activation == "relu" else 2 / (n_inputs + width)
            bound = math.sqrt(3 * variance) if draws_weights else None
            # Batch normalisation would subtract a bias again.
            bias = not architecture.batch_norm
            layers.append(
                Linear(n_inputs, width, bound=bound, generator=generator, bias=bias, **options)
            )
            if architecture.batch_norm:
                layers.append(BatchNorm(width, **options))
            layers.append(ACTIVATIONS[activation]())
            # Also without dropout, so that weights have the same names when it changes.
            layers.append(Dropout(architecture.dropout, generator))
            n_inputs = width
        bound = math.sqrt(1 / n_inputs) if draws_weights else None
        layers.append(
            Linear(n_inputs, architecture.n_outputs, bound=bound, generator=generator, **options)
        )
        super().__init__(*layers)

    def __getitem__(self, index: slice | int) -> nn.Module:
        """Return a layer, or a slice of layers as a plain ``nn.Sequential``."""
        if isinstance(index, slice):
            return nn.Sequential(*list(self)[index])
        return super().__getitem__(index)
