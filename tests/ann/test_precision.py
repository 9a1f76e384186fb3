"""The parameter `precision`: what bfloat16 changes, and what it must not change."""

import numpy as np
import pytest
from support.classifiers import weights_of

from sk_digits import DigitANN
from sk_digits._ann import parameters


def _ann(precision, **params):
    return DigitANN((64,), max_epochs=15, precision=precision, random_state=0, **params)


def test_bfloat16_learns_and_keeps_float32_weights(digits):
    """Training with products in bfloat16 learns; weights and probabilities are float32."""
    X, y = digits
    ann = _ann("bfloat16").fit(X[:1200], y[:1200])
    assert ann.score(X[1200:], y[1200:]) > 0.85
    assert {w.dtype for w in weights_of(ann).values()} == {np.dtype(np.float32)}
    assert ann.predict_proba(X[:5]).dtype == np.float32


def test_bfloat16_changes_the_weights_but_little(digits):
    """bfloat16 gives other probabilities than float32, but nearly the same labels."""
    low, full = (_ann(p).fit(*digits).predict_proba(digits[0]) for p in ("bfloat16", "float32"))
    assert not np.array_equal(low, full)
    assert np.mean(low.argmax(1) == full.argmax(1)) > 0.97


@pytest.mark.parametrize("precision", ["bfloat16", "auto"])
def test_float64_data_ignores_precision(digits, precision):
    """float64 data is trained in float64, to the bit, whatever the precision."""
    X, y = digits[0].astype(np.float64), digits[1]
    other, float32 = (weights_of(_ann(p).fit(X, y)) for p in (precision, "float32"))
    assert all(np.array_equal(other[name], float32[name]) for name in float32)
    assert float32["0.weight"].dtype == np.float64


@pytest.mark.parametrize(
    "feature", [{"batch_norm": True}, {"dropout": 0.2}, {"augmentation": "affine"}]
)
def test_bfloat16_works_with_other_features(digits, feature):
    """Batch norm, dropout and augmentation learn in bfloat16."""
    X, y = digits
    assert _ann("bfloat16", **feature).fit(X[:1200], y[:1200]).score(X[1200:], y[1200:]) > 0.8


@pytest.mark.parametrize("has_units", [True, False])
def test_auto_is_bfloat16_on_processors_with_units_for_it(digits, monkeypatch, has_units):
    """The choice depends on the processor alone, so that a seed gives the same bits each time."""
    monkeypatch.setattr(parameters, "has_bfloat16_units", lambda: has_units)
    ann = DigitANN((16,), max_epochs=1, precision="auto", device="cpu").fit(*digits)
    assert ann.net_.training_params.bfloat16 == has_units
