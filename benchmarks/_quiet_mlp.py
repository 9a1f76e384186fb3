"""scikit-learn's network without its warning. Importing this module imports no torch."""

from __future__ import annotations

import warnings
from typing import Any

from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier


class QuietMLPClassifier(MLPClassifier):
    """An MLPClassifier that does not warn that it did not converge."""

    def fit(self, X: NDArray[Any], y: NDArray[Any]) -> QuietMLPClassifier:
        """Train."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return super().fit(X, y)
