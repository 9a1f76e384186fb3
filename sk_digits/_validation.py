"""Arguments: errors that name them, and values that would be misread without one."""

from __future__ import annotations

import math
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Real
from typing import Any

import numpy as np

# scikit-learn changes them in each validation of data. Two threads at it restore each other's
# filters, and those of the one may stay for good. Reentrant, for a callback may predict.
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
    objects that are no arrays fail in ways of their own. NumPy does not warn within: what is not
    finite, or does not fit into a type, is found, and an error.

    Parameters
    ----------
    argument : str
        Its name.
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


def as_readable(argument: Any, name: str) -> Any:
    """Make arrays of torch tensors and dask collections; refuse what scikit-learn would misread.

    Parameters
    ----------
    argument : object
        What is to become an array.
    name : str
        Its name.

    Returns
    -------
    object
        The argument; of a tensor on any device, an array; of a dask collection, its value, which
        other threads may compute: call this outside of locks.

    Raises
    ------
    ValueError
        If it has masked values, dates or durations.
    """
    if hasattr(argument, "__dask_graph__"):
        argument = argument.compute()
    if hasattr(argument, "resolve_conj"):  # a tensor, told without the import of torch
        return _tensor_as_array(argument)
    if np.ma.is_masked(argument):
        raise ValueError(
            f"{name} has masked values, and an array's mask is not looked at. Fill them: "
            f"{name}.filled(0) for example."
        )
    is_frame = hasattr(argument, "to_numpy") and hasattr(argument, "columns")
    if any(map(_is_time, argument.dtypes if is_frame else [getattr(argument, "dtype", None)])):
        raise ValueError(f"{name} has dates or durations, which are no numbers.")
    return argument


def _tensor_as_array(tensor: Any) -> Any:
    tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
    if str(tensor.layout) != "torch.strided":
        tensor = tensor.to_dense()
    # Of the floats of 16 and 8 bits NumPy has only one.
    is_small = tensor.is_floating_point() and tensor.dtype.itemsize <= 2
    return (tensor.float() if is_small else tensor).numpy()


def _is_time(dtype: Any) -> bool:
    """Tell NumPy's, pandas' and polars' types of dates and durations from others."""
    return getattr(dtype, "kind", "") in ("m", "M") or getattr(dtype, "is_temporal", bool)()


def check_floats(owner: str, params: dict[str, Any]) -> None:
    """Raise ValueError for real numbers that no float can hold, or NumPy cannot compute with.

    Parameters
    ----------
    owner : str
        Whose parameters they are.
    params : dict
        Parameters by name. What is no real number, and infinity, is left to other checks.
    """
    for name, value in params.items():
        if not isinstance(value, Real):
            continue
        fits = isinstance(value, int | float | np.integer | np.floating)
        try:
            fits = fits and math.isinf(float(value)) == (abs(value) == math.inf)
        except OverflowError:
            fits = False
        if not fits:
            raise ValueError(
                f"The {name!r} parameter of {owner} must be a number that fits into a float. "
                f"Got {value!r} instead."
            )


def float_types(X: Any) -> list[type[np.floating[Any]]]:
    """Give the types that validation may leave `X` in; it turns every other into the first.

    scikit-learn sees the type of arrays, sparse matrices and pandas frames for itself, but not
    that of a frame whose columns are typed elsewhere, such as polars' or pandas' Float64, nor of
    an array whose bytes are in another order than this machine's.
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
    """Give the type of the numbers in a column of pandas, which may be nullable or sparse."""
    return getattr(dtype, "numpy_dtype", getattr(dtype, "subtype", dtype))
