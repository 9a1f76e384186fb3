"""Training rows: validated, weighted, split into training and validation, and made tensors."""

from __future__ import annotations

import math
import warnings
from numbers import Number, Real
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    assert_all_finite,
    column_or_1d,
)

from sk_digits._network.batches import as_tensor
from sk_digits._validation import filters_lock, read_features, reading

# Whole weights of a higher mean count as ratios: a fit should not last for ever by surprise.
MAX_MEAN_COPIES = 100


class Rows(NamedTuple):
    """Features, labels or class indices, and weights of some rows."""

    X: NDArray[Any]
    y: NDArray[Any]
    weight: NDArray[Any] | None

    def take(self, chosen: NDArray[Any]) -> Rows:
        """Return the rows of a mask or of positions."""
        weight = None if self.weight is None else self.weight[chosen]
        return Rows(self.X[chosen], self.y[chosen], weight)

    def tensors(self, device: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Return the rows as tensors on a device.

        Weights become int64 if they count copies, else they get mean 1 and the features' type.
        """
        weight = None
        if self.weight is not None and _count_copies(self.weight):
            weight = as_tensor(self.weight.astype(np.int64), device)
        elif self.weight is not None:
            relative = self.weight / self.weight.max()
            weight = as_tensor((relative / relative.mean()).astype(self.X.dtype), device)
        return as_tensor(self.X, device), as_tensor(self.y, device), weight


def _count_copies(weight: NDArray[Any]) -> bool:
    """Return whether weights are whole numbers, and few enough to train on that many copies."""
    with np.errstate(over="ignore"):
        few = weight.sum() <= MAX_MEAN_COPIES * len(weight)
    return bool(few and (weight >= 1).all() and (weight == np.floor(weight)).all())


def check_rows(
    estimator: BaseEstimator,
    X: Any,
    y: Any,
    sample_weight: Any,
    *,
    reset: bool,
    dtype: str | None = None,
) -> Rows:
    """Return validated, dense rows, of `dtype` or by `float_types`, without those of weight 0."""
    X = read_features(estimator, X, reset=reset, accept_sparse="csr", dtype=dtype)
    rows = Rows(X.toarray() if sp.issparse(X) else X, read_labels(y, X.shape[0]), None)
    if sample_weight is None:
        return rows
    weight = read_weights(sample_weight, X)
    rows = rows._replace(weight=weight)
    return rows if weight.all() else rows.take(weight > 0)


def read_labels(y: Any, n_rows: int) -> NDArray[Any]:
    """Return the validated labels of `n_rows` rows."""
    if y is None:
        raise ValueError("DigitANN requires y to be passed, but the target y is None.")
    y = _read_labels(y, "y")
    if len(y) != n_rows:
        raise ValueError(
            f"X and y have inconsistent numbers of samples: {n_rows} rows and {len(y)} labels."
        )
    return y


def read_classes(classes: Any) -> NDArray[Any]:
    """Return the validated `classes` argument, sorted, each class once."""
    return np.unique(_read_labels(classes, "classes"))


def _read_labels(labels: Any, argument: str) -> NDArray[Any]:
    with reading(labels, argument) as labels, warnings.catch_warnings():
        # Few rows of many classes are what chunks and the `classes` argument are.
        warnings.filterwarnings("ignore", "The number of unique classes is greater than 50%")
        labels = column_or_1d(_plain_integers(labels), input_name=argument, warn=True)
        if labels.dtype.kind == "V":
            raise ValueError(f"{argument} has dtype {labels.dtype}. Give labels: str, bool or int.")
        assert_all_finite(labels, input_name=argument)
        check_classification_targets(labels)
        np.unique(labels)  # labels of mixed types have no order
        return labels


def _plain_integers(labels: Any) -> Any:
    """Return a NumPy array for pandas' nullable integers, which would become floats and merge."""
    if not hasattr(labels, "iloc"):
        return labels
    dtypes = {getattr(dtype, "numpy_dtype", None) for dtype in np.atleast_1d(labels.dtypes)}
    is_integer = all(isinstance(dtype, np.dtype) and dtype.kind in "iu" for dtype in dtypes)
    if not dtypes or not is_integer or np.any(labels.isna()):
        return labels
    return labels.to_numpy(np.result_type(*dtypes))


def read_weights(sample_weight: Any, X: Any) -> NDArray[Any]:
    """Return the validated weights of some rows: finite, none negative, not all zero."""
    with reading(sample_weight, "sample_weight") as weight:
        if isinstance(weight, Number):  # of which scikit-learn takes any
            weight = np.full(X.shape[0], weight)
        return _check_sample_weight(weight, X, dtype=np.float64, ensure_non_negative=True)


def encode(rows: Rows, classes: NDArray[Any]) -> Rows:
    """Return the rows with each label replaced by its index in the sorted `classes`."""
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
    """Return encoded rows with their weights multiplied by those of their classes."""
    if class_weight is None:
        return rows
    try:
        by_class = _weights_by_index(class_weight, classes, rows)
        valid, reason = bool(np.isfinite(by_class).all() and (by_class > 0).all()), ""
    except (TypeError, ValueError, OverflowError) as error:
        valid, reason = False, f": {error}"
    if not valid:
        raise ValueError(
            "The 'class_weight' parameter of DigitANN must give positive, finite numbers by label"
            f"{reason}. Got {class_weight!r} instead."
        )
    weight = by_class[rows.y]
    if rows.weight is not None:
        with np.errstate(over="ignore", under="ignore"):
            weight = weight * rows.weight
        if not (np.isfinite(weight).all() and weight.all()):  # out of float64: save the ratios
            weight = (by_class / by_class.max())[rows.y] * (rows.weight / rows.weight.max())
    return rows._replace(weight=weight)


def _weights_by_index(class_weight: Any, classes: NDArray[Any], rows: Rows) -> NDArray[Any]:
    """Return the weight of each class; 1 for a class that a dict does not name."""
    weights = np.ones(len(classes))
    if class_weight == "balanced":
        present = np.unique(rows.y)
        # Relative to the largest, as sums of weights may overflow.
        relative = None if rows.weight is None else rows.weight / rows.weight.max()
        with filters_lock:
            weights[present] = compute_class_weight(
                "balanced", classes=present, y=rows.y, sample_weight=relative
            )
        return weights
    # Not by compute_class_weight, which looks up the labels "0" and "1" as the ints 0 and 1.
    labels = classes.tolist()
    unknown = [label for label in class_weight if label not in labels]
    if unknown and set(labels) - set(class_weight):  # as scikit-learn's, lenient if none is missing
        raise ValueError(f"{unknown} are none of the labels {labels}")
    for index, label in enumerate(labels):
        weight = class_weight.get(label, 1.0)
        if not isinstance(weight, Real):
            raise TypeError(f"{weight!r} is no number")
        weights[index] = float(weight)
    return weights


def hold_out(rows: Rows, validation_fraction: float, seed: int) -> tuple[Rows, Rows]:
    """Return encoded rows to train on and a stratified part of them to validate on."""
    n_rows = len(rows.y)
    counts = np.unique(rows.y, return_counts=True)[1]
    n_held_out = max(math.ceil(validation_fraction * n_rows), len(counts))
    if counts.min() < 2 or min(n_held_out, n_rows - n_held_out) < len(counts):
        raise ValueError(
            "early_stopping=True needs at least 2 rows of each class, and as many rows as classes, "
            f"{len(counts)}, on either side of the split. Got n_samples = {n_rows}, "
            f"{counts.min()} of the rarest class, and validation_fraction={validation_fraction!r} "
            f"holds out {n_held_out}."
        )
    with filters_lock:
        parts = train_test_split(
            np.arange(n_rows), test_size=n_held_out, stratify=rows.y, random_state=seed
        )
    return rows.take(parts[0]), rows.take(parts[1])
