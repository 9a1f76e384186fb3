"""Small models, their pages, and a browser that opens them from the disk, without a network."""

import pytest
from support.drawing_page import open_chromium

from sk_digits import make_digit_pipeline
from sk_digits.datasets import load_digits_28


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """Return a Chromium that is offline."""
    browser = open_chromium(tmp_path_factory.mktemp("chromium"))
    browser.set_script_timeout(300)
    browser.execute_cdp_cmd("Network.enable", {})
    offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    browser.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
    yield browser
    browser.quit()


@pytest.fixture(scope="session")
def pipeline():
    """Return a small pipeline that reads the bundled digits."""
    X, y = load_digits_28(return_X_y=True)
    pipeline = make_digit_pipeline(hidden_layer_sizes=(64, 32), max_epochs=8, random_state=0)
    return pipeline.fit(X, y)
