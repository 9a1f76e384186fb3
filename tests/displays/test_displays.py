"""What all displays have in common."""

import sys

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sk_digits import DigitANN, PixelScaler
from sk_digits.displays import DigitGridDisplay, TrainingHistoryDisplay


@pytest.mark.parametrize(
    "estimator",
    [
        DigitANN(),
        make_pipeline(PixelScaler(), DigitANN()),
        GridSearchCV(DigitANN(), {"lr": [0.1]}),
    ],
)
def test_displays_of_unfitted_estimators_are_refused(estimator):
    """An unfitted estimator is a NotFittedError."""
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        TrainingHistoryDisplay.from_estimator(estimator)
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        DigitGridDisplay.from_estimator(estimator, np.zeros((2, 4)), [0, 1])


@pytest.mark.parametrize(
    "display",
    [
        TrainingHistoryDisplay(loss=[1.0], learning_rate=[0.1]),
        DigitGridDisplay(images=np.zeros((1, 2, 2)), y_true=[0], y_pred=[1]),
    ],
)
def test_missing_matplotlib_is_named_with_the_extra(monkeypatch, display):
    """Without matplotlib, plot is an ImportError that names the extra to install."""
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r'pip install "sk-digits\[plot\]"'):
        display.plot()
