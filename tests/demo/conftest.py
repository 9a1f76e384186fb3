"""A small model in a file, and a running page with it."""

import os
import queue

import pytest
from support.drawing_page import running_demo

from sk_digits import make_digit_pipeline, save_model
from sk_digits.datasets import fetch_mnist, load_digits_28


@pytest.fixture(autouse=True)
def opened(monkeypatch):
    """Open no browser; return a queue of the addresses that would have been opened."""
    addresses = queue.Queue()
    monkeypatch.setattr("webbrowser.open", addresses.put)
    return addresses


@pytest.fixture(scope="session")
def model_file(tmp_path_factory):
    """Return the file of a small model, of MNIST where that is."""
    if "SK_DIGITS_DATA" in os.environ:
        X, y = fetch_mnist(return_X_y=True)
    else:
        X, y = load_digits_28(return_X_y=True)
    pipeline = make_digit_pipeline(hidden_layer_sizes=(256,), max_epochs=5, random_state=0)
    path = tmp_path_factory.mktemp("model") / "small.safetensors"
    save_model(pipeline.fit(X[:10_000], y[:10_000]), path)
    return path


@pytest.fixture(scope="module")
def address(model_file):
    """Return the address of a running page."""
    with running_demo(model_file) as (address, _):
        yield address
