"""What must hold for every call, whatever its arguments.

An error is a ValueError or TypeError whose message names an argument that is at fault as a word of
its own: "X", "y", "sample_weight", "lr". It leaves the estimator as it was, to the bit. Only
documented warnings are shown.
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
    "PixelScaler: the images seem to be inverted",
    "The number of unique classes is greater than 50%",
    "A single label was found in",
)


class Outcome(NamedTuple):
    """What a call returned, or the error that it raised."""

    answer: Any
    error: Exception | None


def attempt(call, *args, **kwargs):
    """Call with unknown warnings as errors, and return the outcome."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for message in KNOWN_WARNINGS:
            warnings.filterwarnings("ignore", message=message)
        try:
            return Outcome(call(*args, **kwargs), None)
        except Exception as error:
            return Outcome(None, error)


def check_error(error, culprits):
    """Check that an error is a ValueError or TypeError that names one of the culprits."""
    if not isinstance(error, ValueError | TypeError) or isinstance(error, NotFittedError):
        raise AssertionError(f"it raised {type(error).__name__}: {error}") from error
    named = any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", str(error)) for name in culprits)
    if not named:
        raise AssertionError(f"it names none of {sorted(culprits)}: {error}") from error


def judge(outcome, arguments, culprits=()):
    """Check that sound arguments were taken and flawed ones refused by name.

    Parameters
    ----------
    outcome : Outcome
        What the call returned or raised.
    arguments : dict of str to Given
        The arguments by name.
    culprits : sequence of str
        Other words that an error may name.

    Returns
    -------
    bool
        Whether the call returned an answer.
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
    """Return whether an array's bytes are its values."""
    is_array = isinstance(value, np.ndarray) and value.dtype != object
    return is_array and value is not np.ma.masked


def frozen(value):
    """Return what changes when an attribute changes: its identity, and the bits that it holds."""
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


def attributes_of(estimator):
    """Return all attributes of an estimator in a form to compare."""
    return {name: frozen(value) for name, value in vars(estimator).items()}


def bits_of(value):
    """Return the bits of an argument that a call might write to."""
    if isinstance(value, torch.Tensor) and value.layout == torch.strided and not value.is_meta:
        value = value.detach().to(torch.complex128).resolve_conj().resolve_neg().numpy()
    if sp.issparse(value) and hasattr(value, "data") and isinstance(value.data, np.ndarray):
        value = value.data
    if has_bits(value):
        return value.tobytes()
    return repr(value) if isinstance(value, list | tuple | dict) else None


def check_probabilities(ann, X):
    """Check that the probabilities and labels of sound rows are valid, and return the former."""
    proba = ann.predict_proba(X)
    assert proba.shape == (len(X), len(ann.classes_))
    assert ((proba >= 0) & (proba <= 1)).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)
    assert np.isin(ann.predict(X), ann.classes_).all()
    return proba
