"""The rule of types: float32 and float64 stay, every other becomes float32."""

from __future__ import annotations

from typing import Any

import numpy as np


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
