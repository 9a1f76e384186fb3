"""What all tests share: the switch for scipy's array API, small data, and the place of MNIST."""

import os

# check_estimator's array API check needs it, and scipy reads it when it is imported.
os.environ["SCIPY_ARRAY_API"] = "1"
# The tests' networks are so small that a second thread costs more than it gives.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from sklearn.datasets import load_digits

# The same inputs in every run; `pytest --hypothesis-profile=hunt` looks for others at random.
settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.register_profile("hunt", max_examples=1000, deadline=None, database=None)
settings.load_profile("repeatable")


# Helpers and scripts of the tests. Doctest would import them, and scripts run when they are.
collect_ignore = ["support"]


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


@pytest.fixture(scope="session")
def honest_model_file(tmp_path_factory):
    """Return the bytes of a model file that has everything that a model file can have."""
    # Imported here: most tests need none of it.
    from sklearn.decomposition import PCA
    from sklearn.pipeline import Pipeline

    from sk_digits import DigitANN, PixelScaler, RandomWarp, save_model

    rng = np.random.default_rng(0)
    X, y = rng.random((100, 64), dtype=np.float32), np.arange(100) % 10
    ann = DigitANN(
        (8,),
        max_epochs=1,
        batch_norm=True,
        augmentation=RandomWarp(rotation=5),
        class_weight={1: 2.0},
        random_state=np.random.RandomState(0),
    )
    steps = [("scaler", PixelScaler()), ("pca", PCA(9)), ("ann", ann)]
    pipeline = Pipeline(steps).fit(X, y)
    ann.partial_fit(pipeline[:-1].transform(X), y)
    path = tmp_path_factory.mktemp("models") / "honest.safetensors"
    save_model(pipeline, path, keep_optimizer=True)
    return path.read_bytes()
