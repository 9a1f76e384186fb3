"""Backpropagation, written out: the loss of a batch and its gradient by every parameter.

As in textbooks, a batch is a matrix with a column for each row of the data, and `dZ` is the
gradient of the loss by `Z`. A linear layer computes ``Z = W H + b``; its parameters learn from

    dW = dZ Hᵀ        db = sum of the columns of dZ

and the layer below from ``dH = Wᵀ dZ``. That torch's own layers transpose all this makes no
difference to what is computed, but two cores multiply these matrices up to a third faster.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.ops import aten

from sk_digits._network.mlp import MLP, BatchNorm, Dropout, Linear


class Backpropagation:
    """Function that returns the loss of a batch and sets `grad` of every parameter of a network.

    It does in training what ``module(X)``, `cross_entropy` and ``loss.backward()`` do, with the
    same random numbers and without hooks of the module.

    Parameters
    ----------
    module : MLP
        Network. Its parameters may change from call to call, but only in place.
    product_dtype : torch.dtype
        Type of the matrix products. Everything else has the type of the parameters.
    """

    def __init__(self, module: MLP, product_dtype: torch.dtype) -> None:
        self.gradients = {p: torch.zeros_like(p, requires_grad=False) for p in module.parameters()}
        self.layers: list[_Linear | _BatchNorm | _Activation | _Dropout] = []
        for layer in module:
            if isinstance(layer, Linear):
                self.layers.append(_Linear(layer, self.gradients, product_dtype))
            elif isinstance(layer, BatchNorm):
                self.layers.append(_BatchNorm(layer, self.gradients))
            elif isinstance(layer, Dropout) and layer.p > 0:
                self.layers.append(_Dropout(layer))
            elif type(layer) in _ACTIVATIONS:
                self.layers.append(_Activation(*_ACTIVATIONS[type(layer)]))

    def __call__(
        self, X: torch.Tensor, y: torch.Tensor, weight: torch.Tensor | None, label_smoothing: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the loss, the mean over the rows times their weights, and the logits."""
        H = X.t()
        for layer in self.layers:
            H = layer.forward(H)
        loss, dH = _cross_entropy(H, y, weight, label_smoothing)
        for layer in reversed(self.layers[1:]):
            dH = layer.backward(dH)
        self.layers[0].learn(dH)  # nobody asks for the gradient of X
        for parameter, gradient in self.gradients.items():
            parameter.grad = gradient if parameter.requires_grad else None
        return loss, H.t()


def _cross_entropy(
    logits: torch.Tensor, y: torch.Tensor, weight: torch.Tensor | None, label_smoothing: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the cross-entropy of the softmax with smoothed targets, and its gradient."""
    n_classes, n_rows = logits.shape
    low = label_smoothing / n_classes
    gradient = torch.full_like(logits, -low / n_rows)  # of t · log p, with the targets t, is p - t
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
        self, layer: Linear, gradients: dict[nn.Parameter, torch.Tensor], product_dtype: torch.dtype
    ) -> None:
        self.weight, self.weight_grad = layer.weight.detach(), gradients[layer.weight]
        # The weight and its gradient themselves, unless products have a type of their own.
        self.W, self.dW = self.weight.to(product_dtype), self.weight_grad.to(product_dtype)
        self.b = self.db = None
        if layer.bias is not None:
            self.b, self.db = layer.bias.detach()[:, None], gradients[layer.bias]

    def forward(self, H: torch.Tensor) -> torch.Tensor:
        if self.W is not self.weight:
            self.W.copy_(self.weight)
        self.H = H.to(self.W.dtype)
        Z = (self.W @ self.H).to(H.dtype)
        return Z if self.b is None else Z.add_(self.b)

    def learn(self, dZ: torch.Tensor) -> None:
        torch.mm(dZ.to(self.W.dtype), self.H.t(), out=self.dW)
        if self.dW is not self.weight_grad:
            self.weight_grad.copy_(self.dW)
        if self.db is not None:
            torch.sum(dZ, 1, out=self.db)

    def backward(self, dZ: torch.Tensor) -> torch.Tensor:
        self.learn(dZ)
        return (self.W.t() @ dZ.to(self.W.dtype)).to(dZ.dtype)


class _BatchNorm:
    def __init__(self, layer: BatchNorm, gradients: dict[nn.Parameter, torch.Tensor]) -> None:
        self.layer = layer
        self.scale, self.shift = layer.weight.detach()[:, None], layer.bias.detach()[:, None]
        self.d_scale, self.d_shift = gradients[layer.weight], gradients[layer.bias]

    def forward(self, Z: torch.Tensor) -> torch.Tensor:
        layer, n_rows = self.layer, Z.shape[1]
        self.learns_statistics = n_rows > 1  # one row has no variance
        if self.learns_statistics:
            mean = Z.mean(1)
            centred = Z.sub_(mean[:, None])
            variance = torch.linalg.vecdot(centred, centred) / n_rows
            layer.running_mean.lerp_(mean, layer.momentum)
            layer.running_var.lerp_(variance * (n_rows / (n_rows - 1)), layer.momentum)
            layer.num_batches_tracked.add_(1)
        else:
            centred, variance = Z.sub_(layer.running_mean[:, None]), layer.running_var
        self.inverse_sd = torch.rsqrt(variance + layer.eps)[:, None]
        self.normal = centred.mul_(self.inverse_sd)
        return torch.addcmul(self.shift, self.scale, self.normal)

    def backward(self, dY: torch.Tensor) -> torch.Tensor:
        torch.sum(dY, 1, out=self.d_shift)
        torch.linalg.vecdot(dY, self.normal, out=self.d_scale)
        if self.learns_statistics:  # they depend on every row
            n_rows = dY.shape[1]
            dY = dY.sub(self.d_shift[:, None] / n_rows)
            dY.addcmul_(self.normal, self.d_scale[:, None], value=-1 / n_rows)
        return dY * (self.scale * self.inverse_sd)


class _Activation:
    def __init__(self, function: Callable[..., torch.Tensor], derivative) -> None:
        self.function, self.derivative = function, derivative

    def forward(self, Z: torch.Tensor) -> torch.Tensor:
        self.A = self.function(Z)
        return self.A

    def backward(self, dA: torch.Tensor) -> torch.Tensor:
        return self.derivative(dA, self.A)


class _Dropout:
    def __init__(self, layer: Dropout) -> None:
        self.layer = layer

    def forward(self, A: torch.Tensor) -> torch.Tensor:
        self.factors = self.layer.draw_factors(A)
        return A * self.factors

    def backward(self, dH: torch.Tensor) -> torch.Tensor:
        return dH * self.factors


# Each function, in place, and its derivative times a gradient, by what the function returned.
_ACTIVATIONS = {
    nn.ReLU: (torch.relu_, lambda dA, A: aten.threshold_backward(dA, A, 0)),
    nn.Sigmoid: (torch.sigmoid_, aten.sigmoid_backward),
    nn.Tanh: (torch.tanh_, aten.tanh_backward),
}
