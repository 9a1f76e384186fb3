"""The precision parameter: what bfloat16 changes, and what it must not."""

import numpy as np
import pytest

from sk_digits import DigitANN
from sk_digits._ann import parameters


def _weights(ann):
    return {name: value.numpy() for name, value in ann.net_.module_.state_dict().items()}


def _ann(precision, **params):
    return DigitANN((64,), max_epochs=15, precision=precision, random_state=0, **params)


def test_bfloat16_learns_and_keeps_float32_weights(digits):
    """Products in bfloat16 train as well; weights and probabilities are float32."""
    X, y = digits
    ann = _ann("bfloat16").fit(X[:1200], y[:1200])
    assert ann.score(X[1200:], y[1200:]) > 0.85
    assert {w.dtype for w in _weights(ann).values()} == {np.dtype(np.float32)}
    assert ann.predict_proba(X[:5]).dtype == np.float32


def test_bfloat16_changes_the_weights_but_little(digits):
    """bfloat16 training goes another way than float32, and not far."""
    low, full = (_ann(p).fit(*digits).predict_proba(digits[0]) for p in ("bfloat16", "float32"))
    assert not np.array_equal(low, full)
    assert np.mean(low.argmax(1) == full.argmax(1)) > 0.97


def test_bfloat16_gives_the_same_bits_every_time(digits):
    """One seed, one result, in bfloat16 too."""
    first, second = (_weights(_ann("bfloat16").fit(*digits)) for _ in range(2))
    assert all(np.array_equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("precision", ["bfloat16", "auto"])
def test_float64_data_ignores_precision(digits, precision):
    """float64 data trains in float64, bit by bit, whatever the precision."""
    X, y = digits[0].astype(np.float64), digits[1]
    other, float32 = (_weights(_ann(p).fit(X, y)) for p in (precision, "float32"))
    assert all(np.array_equal(other[name], float32[name]) for name in float32)
    assert float32["0.weight"].dtype == np.float64


@pytest.mark.parametrize(
    "feature", [{"batch_norm": True}, {"dropout": 0.2}, {"augmentation": "affine"}]
)
def test_bfloat16_works_with_other_features(digits, feature):
    """Batch norm, dropout and augmentation train in bfloat16."""
    X, y = digits
    assert _ann("bfloat16", **feature).fit(X[:1200], y[:1200]).score(X[1200:], y[1200:]) > 0.8


@pytest.mark.parametrize("has_units", [True, False])
def test_auto_is_bfloat16_on_processors_with_units_for_it(digits, monkeypatch, has_units):
    """The rule looks at the processor only: no stopwatch, so that a seed gives the same bits."""
    monkeypatch.setattr(parameters, "has_bfloat16_units", lambda: has_units)
    ann = DigitANN((16,), max_epochs=1, precision="auto", device="cpu").fit(*digits)
    assert ann.net_.training_params.bfloat16 == has_units
