"""The rule of types: float32 and float64 stay, every other becomes float32."""

from __future__ import annotations

from typing import Any

import numpy as np


def float_types(X: Any) -> list[type[np.floating[Any]]]:
    """Give the types that validation may leave `X` in; it turns every other into the first.

    scikit-learn sees the type of arrays, sparse matrices and pandas frames for itself, but not
    that of a frame whose columns are typed elsewhere, such as polars'.
    """
    if hasattr(X, "to_numpy") and not hasattr(X, "iloc") and X.to_numpy().dtype == np.float64:
        return [np.float64]
    return [np.float32, np.float64]
