"""What must hold of every call, whatever it is given.

An error is a ValueError or TypeError, of scikit-learn or of ours, with the name of an argument that
is at fault in it, as a word of its own: "X", "y", "sample_weight", "lr". It leaves the estimator as
it was, to the bit. No warning comes but those that are documented.
"""

import re
import warnings
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from sklearn.exceptions import NotFittedError

from sk_digits import RandomWarp
from sk_digits._ann.digit_net import DigitNet
from sk_digits._ann.net_state import net_to_arrays

KNOWN_WARNINGS = (
    "X has feature names, but",
    "X does not have valid feature names, but",
    "A column-vector y was passed",
    "PixelScaler: values up to",
    "The number of unique classes is greater than 50%",
    "A single label was found in",
)


class Outcome(NamedTuple):
    """What a call gave: an answer or an error."""

    answer: Any
    error: Exception | None


def attempt(call, *args, **kwargs):
    """Call, with warnings that are not known made errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for message in KNOWN_WARNINGS:
            warnings.filterwarnings("ignore", message=message)
        try:
            return Outcome(call(*args, **kwargs), None)
        except Exception as error:
            return Outcome(None, error)


def check_error(error, culprits):
    """Check that an error is one that a user can do something about."""
    if not isinstance(error, ValueError | TypeError) or isinstance(error, NotFittedError):
        raise AssertionError(f"it raised {type(error).__name__}: {error}") from error
    named = any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", str(error)) for name in culprits)
    if not named:
        raise AssertionError(f"it blames none of {sorted(culprits)}: {error}") from error


def judge(outcome, arguments, culprits=()):
    """Check that sound arguments were taken and flawed ones refused, by name.

    Parameters
    ----------
    outcome : Outcome
        Of a call.
    arguments : dict of str to Given
        The arguments by name.
    culprits : sequence of str
        What else an error may name.

    Returns
    -------
    bool
        Whether there is an answer.
    """
    suspects = {name for name, given in arguments.items() if given.sound is not True}
    if outcome.error is None:
        refused = {name: given.kind for name, given in arguments.items() if given.sound is False}
        assert not refused, f"flawed arguments were taken: {refused}"
        return True
    if not suspects and not culprits:
        raise AssertionError(f"sound arguments were refused: {outcome.error!r}") from outcome.error
    check_error(outcome.error, suspects | set(culprits))
    return False


def has_bits(value):
    """Tell whether an array's bytes are its values."""
    is_array = isinstance(value, np.ndarray) and value.dtype != object
    return is_array and value is not np.ma.masked


def frozen(value):
    """Give what tells whether an attribute was changed: identity, and the bits that it holds."""
    if isinstance(value, DigitNet):
        return id(value), frozen(net_to_arrays(value))
    if has_bits(value):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, np.random.RandomState):
        return id(value), frozen(value.get_state(legacy=False))
    if isinstance(value, dict):
        return [(key, frozen(item)) for key, item in value.items()]
    if isinstance(value, list | tuple):
        return [type(value), *map(frozen, value)]
    if isinstance(value, RandomWarp):
        return id(value), frozen(vars(value))
    if isinstance(value, int | float | str):
        return type(value), repr(value)
    return id(value)


def state_of(estimator):
    """Give all attributes of an estimator, in a form to compare."""
    return {name: frozen(value) for name, value in vars(estimator).items()}


def bits_of(value):
    """Give the bits of an argument that a call might write to."""
    if isinstance(value, torch.Tensor) and value.layout == torch.strided and not value.is_meta:
        value = value.detach().to(torch.complex128).resolve_conj().resolve_neg().numpy()
    if sp.issparse(value) and hasattr(value, "data") and isinstance(value.data, np.ndarray):
        value = value.data
    if has_bits(value):
        return value.tobytes()
    return repr(value) if isinstance(value, list | tuple | dict) else None


def check_probabilities(ann, X):
    """Check that what a classifier says of sound rows is valid and consistent."""
    proba = ann.predict_proba(X)
    assert proba.shape == (len(X), len(ann.classes_))
    assert ((proba >= 0) & (proba <= 1)).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)
    assert np.isin(ann.predict(X), ann.classes_).all()
    return proba
