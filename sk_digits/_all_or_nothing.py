"""All or nothing: a method that fails leaves the estimator as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import numpy as np


@contextmanager
def unchanged_on_error(estimator: object) -> Iterator[dict[str, Any]]:
    """Put an object's attributes back if the block raises anything, Ctrl-C included.

    Parameters
    ----------
    estimator : object
        Whose attributes are put back. Objects that they refer to are not copied, but a random
        state gives again the numbers that the block drew.

    Yields
    ------
    dict
        The attributes to put back; the block may drop what should not return.
    """
    before = dict(vars(estimator))
    generators = [value for value in before.values() if isinstance(value, np.random.RandomState)]
    states = [generator.get_state() for generator in generators]
    try:
        yield before
    except BaseException:
        # Never without what it had: other threads may be predicting.
        vars(estimator).update(before)
        for name in vars(estimator).keys() - before.keys():
            delattr(estimator, name)
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)
        raise


class AtomicParams:
    """Mixin whose `set_params` sets all parameters or, where one is unknown, none.

    It stands before scikit-learn's `BaseEstimator`, whose own sets those before the unknown one.
    """

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name; all of them, or none if there is no parameter of a name.

        Parameters
        ----------
        **params : dict
            New values by name; ``augmentation__rotation`` is the `rotation` of `augmentation`.

        Returns
        -------
        estimator
            The estimator itself.

        Raises
        ------
        ValueError
            If there is no parameter of a name. The values are checked by `fit`.
        """
        with unchanged_on_error(self):
            known = self.get_params(deep=False)  # type: ignore[attr-defined]
            for name in params:
                owner, is_nested, _ = name.partition("__")
                value = params.get(owner, known.get(owner))
                if is_nested and owner in known and not hasattr(value, "set_params"):
                    raise ValueError(
                        f"Invalid parameter {name!r} for estimator {type(self).__name__}: "
                        f"{owner}={value!r} has no parameters of its own."
                    )
            return super().set_params(**params)  # type: ignore[misc]
