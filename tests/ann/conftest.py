"""What the tests of `DigitANN` share."""

import signal

import pytest


@pytest.fixture
def keyboard():
    """Install Python's own handler of Ctrl-C, which a process in the background does not have."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
