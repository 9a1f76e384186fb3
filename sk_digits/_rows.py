"""Training rows: validated, weighted, split, and brought to the net."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, validate_data

from sk_digits._batches import as_tensor


class Rows(NamedTuple):
    """Features, labels or class indices, and weights of some rows."""

    X: NDArray[Any]
    y: NDArray[Any]
    weight: NDArray[Any] | None

    def take(self, chosen: NDArray[Any]) -> Rows:
        """Give the rows of a mask or of positions."""
        weight = None if self.weight is None else self.weight[chosen]
        return Rows(self.X[chosen], self.y[chosen], weight)

    def tensors(
        self, dtype: str, device: str
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Bring the rows to a device, features and weights in a type."""
        weight = None
        if self.weight is not None:
            weight = as_tensor((self.weight / self.weight.max()).astype(dtype), device)
        return (
            as_tensor(self.X.astype(dtype, copy=False), device),
            as_tensor(self.y, device),
            weight,
        )


def as_numpy(X: Any) -> Any:
    """Turn a torch tensor on any device into an array; leave all else to scikit-learn."""
    if not isinstance(X, torch.Tensor):
        return X
    X = X.detach().cpu()
    return (X.float() if X.dtype == torch.bfloat16 else X).numpy()


def check_rows(
    estimator: BaseEstimator, X: Any, y: Any, sample_weight: Any, *, reset: bool
) -> Rows:
    """Validate rows and make them dense; those of weight 0 are dropped.

    float32 and float64 keep their type, every other becomes float32.
    """
    X, y = validate_data(
        estimator,
        as_numpy(X),
        as_numpy(y),
        reset=reset,
        accept_sparse="csr",
        dtype=[np.float32, np.float64],
        order="C",
    )
    check_classification_targets(y)
    rows = Rows(X.toarray() if sp.issparse(X) else X, y, None)
    if sample_weight is None:
        return rows
    weight = _check_sample_weight(
        as_numpy(sample_weight), X, dtype=np.float64, ensure_non_negative=True
    )
    rows = rows._replace(weight=weight)
    return rows if weight.all() else rows.take(weight > 0)


def encode(rows: Rows, classes: NDArray[Any]) -> Rows:
    """Replace each label by its index in the sorted `classes`."""
    unknown = np.setdiff1d(rows.y, classes)
    if len(unknown):
        raise ValueError(
            f"y has labels that are not among the classes: {unknown.tolist()[:10]}. "
            f"The classes are {classes.tolist()[:20]}."
        )
    return rows._replace(y=np.searchsorted(classes, rows.y))


def weight_classes(
    rows: Rows, class_weight: dict[Any, float] | str | None, classes: NDArray[Any]
) -> Rows:
    """Multiply the weights of encoded rows by those of their classes."""
    if class_weight is None:
        return rows
    by_class = compute_class_weight(
        class_weight, classes=classes, y=classes[rows.y], sample_weight=rows.weight
    )
    if not (np.isfinite(by_class).all() and (by_class > 0).all()):
        raise ValueError(
            "The 'class_weight' parameter of DigitANN must give positive, finite numbers. "
            f"Got {class_weight!r} instead."
        )
    weight = by_class[rows.y]
    return rows._replace(weight=weight if rows.weight is None else weight * rows.weight)


def hold_out(rows: Rows, validation_fraction: float, seed: int) -> tuple[Rows, Rows]:
    """Split encoded rows into those to train on and, stratified, those to score."""
    n_rows, n_held_out = len(rows.y), int(np.ceil(validation_fraction * len(rows.y)))
    counts = np.unique(rows.y, return_counts=True)[1]
    if counts.min() < 2 or min(n_held_out, n_rows - n_held_out) < len(counts):
        raise ValueError(
            "early_stopping=True needs at least 2 rows of each class, and as many rows as classes, "
            f"{len(counts)}, on either side of the split. Got {counts.min()} of the rarest class, "
            f"and validation_fraction={validation_fraction!r} of {n_rows} rows holds out "
            f"{n_held_out}."
        )
    parts = train_test_split(
        np.arange(n_rows), test_size=n_held_out, stratify=rows.y, random_state=seed
    )
    return rows.take(parts[0]), rows.take(parts[1])
