"""scikit-learn's validation of data, made safe to call in many threads at once."""

from __future__ import annotations

from typing import Any

from sklearn.utils.validation import validate_data

from sk_digits._filters_lock import filters_lock


def validate(estimator: object, X: Any, *y: Any, **options: Any) -> Any:
    """Call `validate_data` in one thread at a time, for it changes the process's warning filters.

    Parameters
    ----------
    estimator : estimator
        Whose `X` it is.
    X, *y : array-like
        Features, and labels if there are any.
    **options : dict
        Further arguments of `validate_data`.
    """
    arrays = [compute(array) for array in (X, *y)]
    with filters_lock:
        return validate_data(estimator, *arrays, **options)


def compute(X: Any) -> Any:
    """Let a dask collection compute what it stands for; leave all else.

    Under the lock its threads, which may predict, would wait for ever.
    """
    return X.compute() if hasattr(X, "__dask_graph__") else X
