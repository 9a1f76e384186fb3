"""When to stop training, and which weights to keep: `EarlyStopper`."""

from __future__ import annotations

import math

import torch


class EarlyStopper:
    """Remember the best weights by validation, and say when patience is over.

    The higher accuracy is better; of equal ones, which saturate on easy or strongly weighted rows,
    the smaller loss.

    Parameters
    ----------
    patience : int
        Epochs in which neither accuracy nor loss gets better after which it is over.
    tol : float
        Differences up to this count as none.
    """

    def __init__(self, patience: int, tol: float) -> None:
        self.patience = patience
        self.tol = tol
        self.best_score = -math.inf
        self._highest_score = -math.inf
        self._lowest_loss = self._loss_of_best = math.inf
        self._epochs_without_improvement = 0
        self._best_state: dict[str, torch.Tensor] = {}

    def is_over(self, score: float, loss: float, module: torch.nn.Module) -> bool:
        """Take note of an epoch's accuracy and loss; tell whether to stop after it."""
        rises = score > self._highest_score + self.tol
        falls = loss < self._lowest_loss - self.tol
        self._epochs_without_improvement = (
            0 if rises or falls else self._epochs_without_improvement + 1
        )
        equals = score >= self._highest_score - self.tol
        if rises or (equals and loss < self._loss_of_best):
            self.best_score, self._loss_of_best = score, loss
            self._best_state = {k: v.clone() for k, v in module.state_dict().items()}
        self._highest_score = max(score, self._highest_score)
        self._lowest_loss = min(loss, self._lowest_loss)
        return self._epochs_without_improvement >= self.patience

    def restore(self, module: torch.nn.Module) -> None:
        """Put the best weights back."""
        module.load_state_dict(self._best_state)
