"""All or nothing: a method that fails or is interrupted leaves the estimator as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self, TypeVar

import numpy as np

Estimator = TypeVar("Estimator")


@contextmanager
def all_or_nothing(estimator: Estimator) -> Iterator[Estimator]:
    """Work on a copy of an estimator, which takes the estimator's place if the block succeeds.

    Parameters
    ----------
    estimator : object
        The estimator. Whatever the block raises, Ctrl-C included, it stays as it was, and so does
        the state of a random generator among its attributes.

    Yields
    ------
    object
        A shallow copy of the estimator: the objects that its attributes refer to are shared.
    """
    changed = object.__new__(type(estimator))
    vars(changed).update(vars(estimator))
    generators = [v for v in vars(estimator).values() if isinstance(v, np.random.RandomState)]
    states = [generator.get_state() for generator in generators]
    try:
        yield changed
    except BaseException:
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)
        raise
    # In one step: another thread that predicts meanwhile uses the old state or the new one.
    estimator.__dict__ = vars(changed)


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
        known = self.get_params(deep=False)  # type: ignore[attr-defined]
        for name in params:
            owner, is_nested, _ = name.partition("__")
            value = params.get(owner, known.get(owner))
            if is_nested and owner in known and not hasattr(value, "set_params"):
                raise ValueError(
                    f"Invalid parameter {name!r} for estimator {type(self).__name__}: "
                    f"{owner}={value!r} has no parameters of its own."
                )
        with all_or_nothing(self) as changed:
            super(AtomicParams, changed).set_params(**params)  # type: ignore[misc]
        return self
