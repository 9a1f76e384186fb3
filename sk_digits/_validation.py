"""Arrays that users give: read in one way, with errors that name the argument."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

# scikit-learn changes the warning filters, which the process shares, in each validation of data.
# Two threads at it restore each other's filters, and those of one may stay for good. Reentrant, for
# a callback may predict.
filters_lock = threading.RLock()

if hasattr(os, "register_at_fork"):  # else a child could inherit it locked, by a thread it has not
    os.register_at_fork(
        before=filters_lock.acquire,
        after_in_parent=filters_lock.release,
        after_in_child=filters_lock.release,
    )


@contextmanager
def naming(argument: str) -> Iterator[None]:
    """Turn what goes wrong in reading an argument into a ValueError or TypeError that names it.

    scikit-learn's and NumPy's messages do not always say which argument they are about, and
    objects that are no arrays fail in ways of their own. MemoryError and warnings stay as they are.
    NumPy does not warn within: what is not finite, or does not fit into a dtype, is an error.
    """
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            yield
    except (MemoryError, Warning):
        raise
    except Exception as error:
        is_named = re.search(rf"(?<!\w){argument}(?!\w)", str(error)) is not None
        if is_named and isinstance(error, ValueError | TypeError):
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(str(error) if is_named else f"{argument}: {error}") from error


@contextmanager
def reading(value: Any, argument: str) -> Iterator[Any]:
    """Open an argument for validation by scikit-learn: named in errors, one thread at a time.

    Yields
    ------
    object
        The value as `as_readable` returns it.
    """
    with naming(argument):
        value = as_readable(value, argument)  # not within the lock: dask has threads of its own
        with filters_lock:
            yield value


def as_readable(value: Any, name: str) -> Any:
    """Return an array for a torch tensor or a dask collection, and any other object as it is.

    Raises
    ------
    ValueError
        If it has what scikit-learn would misread: masked values, dates or durations.
    """
    if hasattr(value, "__dask_graph__"):
        value = value.compute()
    if hasattr(value, "resolve_conj"):  # a tensor, recognised without importing torch
        return _tensor_as_array(value)
    if np.ma.is_masked(value):
        raise ValueError(
            f"{name} has masked values, and masks are not supported. Fill them: "
            f"{name}.filled(0) for example."
        )
    is_frame = hasattr(value, "to_numpy") and hasattr(value, "columns")
    if any(map(_is_time, value.dtypes if is_frame else [getattr(value, "dtype", None)])):
        raise ValueError(f"{name} has dates or durations, which are no numbers.")
    return value


def read_features(
    estimator: BaseEstimator,
    X: Any,
    *,
    reset: bool,
    accept_sparse: str | tuple[str, ...],
    dtype: str | None = None,
) -> Any:
    """Return the validated `X` of an estimator, C-contiguous, dense or sparse.

    Parameters
    ----------
    estimator : BaseEstimator
        Its `n_features_in_` and `feature_names_in_` are set or checked.
    X : object
        Features, of shape (n_rows, n_features).
    reset : bool
        Whether to set them.
    accept_sparse : str or tuple of str
        Sparse formats that stay; others become the first.
    dtype : str or None, default=None
        dtype of the result. None keeps float32 and float64 and makes all else float32.
    """
    with reading(X, "X") as X:
        shape = getattr(X, "shape", ())
        if len(shape) > 2:
            raise ValueError(
                f"Found array with dim {len(shape)}: X has shape {tuple(shape)}, and "
                f"{type(estimator).__name__} takes each image as one row. Give "
                "X.reshape(len(X), -1)."
            )
        dtypes = float_types(X) if dtype is None else dtype
        return validate_data(
            estimator, X, reset=reset, accept_sparse=accept_sparse, dtype=dtypes, order="C"
        )


def _tensor_as_array(tensor: Any) -> Any:
    tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
    if str(tensor.layout) != "torch.strided":
        tensor = tensor.to_dense()
    # Of the floats of 16 and 8 bits NumPy has only one.
    is_small = tensor.is_floating_point() and tensor.dtype.itemsize <= 2
    return (tensor.float() if is_small else tensor).numpy()


def _is_time(dtype: Any) -> bool:
    """Return whether a dtype of NumPy, pandas or polars is one of dates or durations."""
    return getattr(dtype, "kind", "") in ("m", "M") or getattr(dtype, "is_temporal", bool)()


def float_types(X: Any) -> list[type[np.floating[Any]]]:
    """Return the dtypes that validation keeps for `X`; every other becomes the first of them.

    scikit-learn sees the dtype of arrays, sparse matrices and pandas frames for itself, but not
    that of a frame whose columns are typed elsewhere, such as polars' or pandas' Float64, nor of
    an array whose bytes are in another order than this machine's.

    Returns
    -------
    list of type
        As for the `dtype` parameter of scikit-learn's validation: the first is the default.
    """
    if hasattr(X, "iloc"):
        dtypes = {_numpy_dtype(dtype) for dtype in getattr(X, "dtypes", [])}
        is_numeric = all(isinstance(d, np.dtype) and d.kind in "biuf" for d in dtypes)
        dtype = np.result_type(*dtypes) if dtypes and is_numeric else None
    else:
        dtype = getattr(X.to_numpy() if hasattr(X, "to_numpy") else X, "dtype", None)
    if isinstance(dtype, np.dtype) and dtype.newbyteorder("=") == np.float64:
        return [np.float64]
    return [np.float32, np.float64]


def _numpy_dtype(dtype: Any) -> Any:
    """Return the dtype of the numbers in a column of pandas, which may be nullable or sparse."""
    return getattr(dtype, "numpy_dtype", getattr(dtype, "subtype", dtype))
