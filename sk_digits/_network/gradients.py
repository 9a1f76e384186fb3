"""Backpropagation, written out: the loss of a batch and its gradient by every parameter.

As in textbooks, a batch is a matrix with a column for each row of the data, and `dZ` is the
gradient of the loss by `Z`. A linear layer computes ``Z = W H + b``; its parameters learn from

    dW = dZ Hᵀ        db = sum of the columns of dZ

and the layer below from ``dH = Wᵀ dZ``. torch's own layers transpose all this. The numbers are the
same, but two processors multiply the matrices in this form in up to a third less time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from sk_digits._network.mlp import MLP, BatchNorm, Dropout, Linear

aten = torch.ops.aten


class Backpropagation:
    """Function that returns the loss of a batch and sets `grad` of every parameter of a network.

    It does in training what ``module(X)``, `cross_entropy` and ``loss.backward()`` do, with the
    same random numbers, but does not call the hooks of the module.

    Parameters
    ----------
    module : MLP
        Network. Its parameters may change from call to call, but only in place.
    product_dtype : torch.dtype
        Type of the matrix products. Everything else has the type of the parameters.
    """

    def __init__(self, module: MLP, product_dtype: torch.dtype) -> None:
        self.parameters = list(module.parameters())
        self.gradients = [torch.empty_like(p, requires_grad=False) for p in self.parameters]
        gradient_of = dict(zip(self.parameters, self.gradients, strict=True))
        self.layers: list[Any] = []
        for layer in module:
            gradients = [gradient_of[p] for p in layer.parameters()]
            if isinstance(layer, Linear):
                self.layers.append(_Linear(layer, gradients, product_dtype))
            elif isinstance(layer, BatchNorm):
                self.layers.append(_BatchNorm(layer, gradients))
            elif isinstance(layer, Dropout) and layer.p > 0:
                self.layers.append(_Dropout(layer))
            elif type(layer) in _ACTIVATIONS:
                self.layers.append(_Activation(*_ACTIVATIONS[type(layer)]))

    def __call__(
        self, X: torch.Tensor, y: torch.Tensor, weight: torch.Tensor | None, label_smoothing: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the loss, which is the mean over the rows times their weights, and the logits."""
        H = X.t()
        for layer in self.layers:
            H = layer.forward(H)
        loss, dH = _cross_entropy(H, y, weight, label_smoothing)
        for layer in reversed(self.layers[1:]):
            dH = layer.backward(dH)
        self.layers[0].learn(dH)  # nobody asks for the gradient by X
        for parameter, gradient in zip(self.parameters, self.gradients, strict=True):
            parameter.grad = gradient if parameter.requires_grad else None
        return loss, H.t()


def _cross_entropy(
    logits: torch.Tensor, y: torch.Tensor, weight: torch.Tensor | None, label_smoothing: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mean cross-entropy with smoothed targets, and its gradient by the logits."""
    n_classes, n_rows = logits.shape
    low = label_smoothing / n_classes
    # With probabilities p and targets t the loss is -Σ t log p, and its gradient p - t.
    gradient = torch.full_like(logits, -low / n_rows)
    gradient.scatter_(0, y.unsqueeze(0), (label_smoothing - 1 - low) / n_rows)
    log_p = logits.log_softmax(0)
    if weight is not None:
        gradient *= weight
    loss = torch.dot(gradient.view(-1), log_p.view(-1))
    p = log_p.exp_()
    if weight is not None:
        p *= weight
    return loss, gradient.add_(p, alpha=1 / n_rows)


class _Linear:
    def __init__(
        self, layer: Linear, gradients: list[torch.Tensor], product_dtype: torch.dtype
    ) -> None:
        self.weight = layer.weight.detach()
        self.bias = None if layer.bias is None else layer.bias.detach().unsqueeze(1)
        self.weight_gradient, *self.bias_gradient = gradients
        # The weight and its gradient themselves, unless products have a type of their own.
        self.W, self.dW = self.weight.to(product_dtype), self.weight_gradient.to(product_dtype)

    def forward(self, H: torch.Tensor) -> torch.Tensor:
        if self.W is not self.weight:
            self.W.copy_(self.weight)
        self.H = H.to(self.W.dtype)
        Z = (self.W @ self.H).to(H.dtype)
        return Z if self.bias is None else Z.add_(self.bias)

    def learn(self, dZ: torch.Tensor) -> None:
        torch.mm(dZ.to(self.W.dtype), self.H.t(), out=self.dW)
        if self.dW is not self.weight_gradient:
            self.weight_gradient.copy_(self.dW)
        for db in self.bias_gradient:
            torch.sum(dZ, 1, out=db)

    def backward(self, dZ: torch.Tensor) -> torch.Tensor:
        self.learn(dZ)
        return (self.W.t() @ dZ.to(self.W.dtype)).to(dZ.dtype)


class _BatchNorm:
    def __init__(self, layer: BatchNorm, gradients: list[torch.Tensor]) -> None:
        self.scale, self.shift = (p.detach().unsqueeze(1) for p in layer.parameters())
        self.scale_gradient, self.shift_gradient = gradients
        self.running_mean, self.running_variance, self.n_batches = layer.buffers()
        self.momentum: Any = layer.momentum
        self.eps = layer.eps

    def forward(self, Z: torch.Tensor) -> torch.Tensor:
        n_rows = Z.shape[1]
        self.uses_batch = n_rows > 1  # one row has no variance
        mean, variance = self.running_mean, self.running_variance
        if self.uses_batch:
            mean = Z.mean(1)
            self.running_mean.lerp_(mean, self.momentum)
        Z -= mean.unsqueeze(1)
        if self.uses_batch:
            variance = torch.linalg.vector_norm(Z, dim=1).square_() / n_rows
            self.running_variance.lerp_(variance * (n_rows / (n_rows - 1)), self.momentum)
            self.n_batches += 1
        self.inverse_sd = torch.rsqrt(variance + self.eps).unsqueeze(1)
        self.normal = Z.mul_(self.inverse_sd)
        return (self.normal * self.scale).add_(self.shift)

    def backward(self, dY: torch.Tensor) -> torch.Tensor:
        n_rows = dY.shape[1]
        torch.sum(dY, 1, out=self.shift_gradient)
        torch.sum(dY * self.normal, 1, out=self.scale_gradient)
        if self.uses_batch:  # each row has a part in the mean and in the variance
            dY -= self.shift_gradient.unsqueeze(1) / n_rows
            dY -= self.normal.mul_(self.scale_gradient.unsqueeze(1) / n_rows)
        return dY.mul_(self.scale * self.inverse_sd)


class _Activation:
    def __init__(self, function: Callable[..., Any], derivative: Callable[..., Any]) -> None:
        self.function, self.derivative = function, derivative

    def forward(self, Z: torch.Tensor) -> torch.Tensor:
        self.A = self.function(Z)
        return self.A

    def backward(self, dA: torch.Tensor) -> torch.Tensor:
        return self.derivative(dA, self.A, grad_input=dA)


# Functions, in place, and their derivatives times a gradient, at what the functions returned.
_ACTIVATIONS: dict[type[nn.Module], tuple[Callable[..., Any], Callable[..., Any]]] = {
    nn.ReLU: (torch.relu_, partial(aten.threshold_backward.grad_input, threshold=0)),
    nn.Sigmoid: (torch.sigmoid_, aten.sigmoid_backward.grad_input),
    nn.Tanh: (torch.tanh_, aten.tanh_backward.grad_input),
}


class _Dropout:
    def __init__(self, layer: Dropout) -> None:
        self.layer = layer

    def forward(self, A: torch.Tensor) -> torch.Tensor:
        self.factors = self.layer.draw_factors(A)
        return A * self.factors

    def backward(self, dH: torch.Tensor) -> torch.Tensor:
        return dH.mul_(self.factors)
