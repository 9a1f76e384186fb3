"""What all tests share: the switch for scipy's array API, small data, and the place of MNIST."""

import os

# check_estimator's array API check needs it, and scipy reads it when it is imported.
os.environ["SCIPY_ARRAY_API"] = "1"
# The tests' networks are so small that a second thread costs more than it gives.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits


@pytest.fixture
def mnist_home() -> Path:
    """Give the folder of the real MNIST files."""
    if "SK_DIGITS_DATA" not in os.environ:
        pytest.skip("SK_DIGITS_DATA does not name the folder of the MNIST files")
    return Path(os.environ["SK_DIGITS_DATA"])


@pytest.fixture(scope="session")
def digits() -> tuple[np.ndarray, np.ndarray]:
    """Give scikit-learn's bundled digits, pixels in [0, 1], float32."""
    X, y = load_digits(return_X_y=True)
    return (X / 16).astype(np.float32), y
