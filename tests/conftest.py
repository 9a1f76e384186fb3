"""What all tests share: the settings of their libraries, small data, and the folder of MNIST."""

import os
import signal

# scikit-learn's check of the array API needs it, and scipy reads it when it is imported.
os.environ["SCIPY_ARRAY_API"] = "1"
# The networks of the tests are so small that a second thread costs more time than it saves.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from sklearn.datasets import load_digits

# Each run tries the same inputs; `pytest --hypothesis-profile=hunt` tries others at random.
settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.register_profile("hunt", max_examples=1000, deadline=None, database=None)
settings.load_profile("repeatable")

# It holds helpers and scripts. Doctest would import them, and a script runs when it is imported.
collect_ignore = ["support"]


@pytest.hookimpl(tryfirst=True)  # before the marks select the tests
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that read MNIST, and the pages, which train as readers would, as slow."""
    for item in items:
        if "mnist_home" in getattr(item, "fixturenames", ()) or item.path.suffix == ".md":
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def keyboard():
    """Install Python's own handler of Ctrl-C, which a process in the background does not have."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def mnist_home() -> Path:
    """Return the folder of the real MNIST files."""
    if "SK_DIGITS_DATA" not in os.environ:
        pytest.skip("SK_DIGITS_DATA does not name the folder of the MNIST files")
    return Path(os.environ["SK_DIGITS_DATA"])


@pytest.fixture(scope="session")
def digits() -> tuple[np.ndarray, np.ndarray]:
    """Return scikit-learn's bundled digits as float32 in [0, 1], and their labels."""
    X, y = load_digits(return_X_y=True)
    return (X / 16).astype(np.float32), y


@pytest.fixture(scope="session")
def digits_28() -> tuple[np.ndarray, np.ndarray]:
    """Return the same digits in MNIST's layout: 784 pixels of uint8, and their labels."""
    # Imported here: not all tests need the package.
    from sk_digits.datasets import load_digits_28

    return load_digits_28(return_X_y=True)


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
