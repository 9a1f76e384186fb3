"""Minibatches of data that is in memory: one permutation an epoch, then contiguous slices of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from numpy.typing import NDArray

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]


def as_tensor(X: NDArray[Any], device: str) -> torch.Tensor:
    """Return a tensor that shares an array's memory, or a copy if torch does not take the array.

    torch warns of read-only arrays and refuses negative strides, which an array of one row can
    have although it counts as contiguous.
    """
    is_taken = X.flags.writeable and all(stride >= 0 for stride in X.strides)
    return torch.from_numpy(X if is_taken else X.copy()).to(device)


class Batches:
    """Iterable over minibatches of rows, in a new random order in each epoch.

    If all rows fit into one batch, it has them in their own order, and nothing is random.

    Parameters
    ----------
    X : torch.Tensor of shape (n_rows, n_features)
        Inputs.
    y : torch.Tensor of shape (n_rows,)
        Class indices.
    sample_weight : torch.Tensor of shape (n_rows,) or None
        Weights of the rows, all positive. Floats are part of the batches; integers are numbers of
        copies of a row, each of which is drawn as if it were a row of its own.
    batch_size : int
        Rows in a batch; the last batch may be smaller.
    generator : torch.Generator or None
        Source of the permutations, on the device of the data. None keeps the order of the rows.

    Attributes
    ----------
    n_rows : int
        Rows in an epoch, with all copies.
    """

    def __init__(
        self,
        X: torch.Tensor,
        y: torch.Tensor,
        sample_weight: torch.Tensor | None,
        *,
        batch_size: int,
        generator: torch.Generator | None,
    ) -> None:
        self.X = X
        self.y = y
        self.sample_weight = sample_weight
        self.batch_size = batch_size
        self.generator = generator
        self.n_rows = len(X)
        self.copies: torch.Tensor | None = None  # index of the row that each copy is of
        if sample_weight is not None and not sample_weight.is_floating_point():
            self.copies = torch.arange(len(X), device=X.device).repeat_interleave(sample_weight)
            self.n_rows = len(self.copies)
            self.sample_weight = None

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return -(-self.n_rows // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        """Yield ``(X, y, sample_weight)`` of each batch."""
        X, y, weight, copies = self.X, self.y, self.sample_weight, self.copies
        in_order = self.generator is None or self.n_rows <= self.batch_size
        if in_order and copies is None:
            for start in range(0, len(X), self.batch_size):
                rows = slice(start, start + self.batch_size)
                yield X[rows], y[rows], None if weight is None else weight[rows]
            return
        order = copies
        if not in_order:
            order = torch.randperm(self.n_rows, generator=self.generator, device=X.device)
            order = order if copies is None else copies[order]
        assert order is not None
        for chosen in order.split(self.batch_size):
            yield (
                X.index_select(0, chosen),
                y.index_select(0, chosen),
                None if weight is None else weight.index_select(0, chosen),
            )
