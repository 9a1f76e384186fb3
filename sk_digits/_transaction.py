"""All or nothing: a method that fails leaves the estimator as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def unchanged_on_error(estimator: object) -> Iterator[dict[str, Any]]:
    """Put an object's attributes back if the block raises anything, Ctrl-C included.

    Parameters
    ----------
    estimator : object
        Whose attributes are put back. Objects that they refer to are not copied.

    Yields
    ------
    dict
        The attributes to put back; the block may drop what should not return.
    """
    before = dict(vars(estimator))
    try:
        yield before
    except BaseException:
        # Never without what it had: other threads may be predicting.
        vars(estimator).update(before)
        for name in vars(estimator).keys() - before.keys():
            delattr(estimator, name)
        raise
