"""Early stopping: when to end a training, and which weights to keep."""

from __future__ import annotations

import math

import torch


class EarlyStopper:
    """Keeper of the best weights, which ends a training that no longer improves.

    Higher validation accuracy is better. Accuracy saturates on easy or strongly weighted rows; of
    equal accuracies the one with the smaller validation loss is better. The training is over after
    `patience` epochs in which neither improved by more than `tol`.
    """

    def __init__(self, patience: int, tol: float) -> None:
        self.patience = patience
        self.tol = tol
        self.best_score = -math.inf
        self._highest_score = -math.inf
        self._lowest_loss = self._loss_of_best = math.inf
        self._epochs_without_improvement = 0
        self._best_state: dict[str, torch.Tensor] = {}

    @property
    def is_over(self) -> bool:
        """Whether the training should end."""
        return self._epochs_without_improvement >= self.patience

    def judge(self, score: float, loss: float, module: torch.nn.Module) -> None:
        """Record an epoch's validation accuracy and loss, and the weights if they are the best."""
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

    def restore(self, module: torch.nn.Module) -> None:
        """Load the best weights into the module."""
        module.load_state_dict(self._best_state)

    def get_state(self) -> tuple[dict[str, float], dict[str, torch.Tensor]]:
        """Return the record as numbers, and the best weights."""
        numbers = {name: value for name, value in vars(self).items() if name != "_best_state"}
        return numbers, self._best_state

    def set_state(self, numbers: dict[str, float], best_state: dict[str, torch.Tensor]) -> None:
        """Restore what `get_state` returned."""
        vars(self).update(numbers, _best_state=best_state)
