"""`RiskCoverageDisplay`: risk by coverage."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from sk_digits import SelectiveClassifier
from sk_digits.displays import RiskCoverageDisplay


def test_the_curve_is_counted():
    """Of four predictions, the second surest is wrong; equally sure ones are answered together."""
    display = RiskCoverageDisplay.from_predictions(
        [1, 2, 3, 4, 5], [1, 0, 3, 4, 5], [0.9, 0.8, 0.5, 0.5, 0.4], threshold=0.5, max_risk=0.3
    )
    assert_allclose(display.coverage, [0.2, 0.4, 0.8, 1.0])
    assert_allclose(display.risk, [0, 1 / 2, 1 / 4, 1 / 5])
    assert display.chosen == (0.8, 0.25)
    assert display.ax_.texts[0].get_text() == "promised: 30 %"
    assert display.ax_.texts[1].get_text() == "80.0 % answered, 25 % wrong"


def test_the_chosen_point_is_that_of_the_classifier(digits):
    """Its coverage is the share of rows that are accepted."""
    X, y = digits
    inner = FrozenEstimator(LogisticRegression(max_iter=300).fit(X[:600], y[:600]))
    model = SelectiveClassifier(inner, max_risk=0.05).fit(X[600:1200], y[600:1200])
    X, y = X[1200:], y[1200:]
    display = RiskCoverageDisplay.from_estimator(model, X, y)
    answered = model.accepts(X)
    assert display.chosen[0] == pytest.approx(answered.mean())
    assert display.chosen[1] == pytest.approx((model.predict(X) != y)[answered].mean())
    assert display.risk[-1] == pytest.approx((inner.predict(X) != y).mean())
    other = RiskCoverageDisplay.from_estimator(inner, X, y, name="bare", ax=display.ax_)
    assert other.ax_ is display.ax_
    assert other.chosen is None
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels == ["SelectiveClassifier", "bare"]


@pytest.mark.parametrize(("y_true", "match"), [([], "no predictions"), ([1, 2], "inconsistent")])
def test_wrong_arrays_are_errors(y_true, match):
    """Nothing, and lengths that differ."""
    with pytest.raises(ValueError, match=match):
        RiskCoverageDisplay.from_predictions(y_true, y_true, np.ones(len(y_true) // 2))
