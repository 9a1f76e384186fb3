"""What is answered about a picture, as values that the page shows."""

import base64
import io
import json

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from support.demo_client import as_png, stroke
from support.slow_model import SlowModel

from sk_digits import DigitImageNormalizer
from sk_digits._demo.answers import answer


def picture_of(url):
    """Return the picture in a data URL."""
    kind, _, content = url.partition(",")
    assert kind == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(content)))


def test_a_digit_is_answered_with_what_the_network_sees():
    """The answer has the digit's probabilities and pixels, and it is JSON."""
    result = answer(stroke(), SlowModel(), many=False)
    (digit,) = json.loads(json.dumps(result))["digits"]
    assert digit["probability"] == max(digit["probabilities"].values()) == 0.1
    assert digit["probabilities"].keys() == {*"0123456789"}
    assert digit["sure"] is True  # a model that rejects nothing
    assert digit["line"] is digit["box"] is None
    seen = np.frombuffer(base64.b64decode(digit["seen"]), np.uint8)
    assert_array_equal(seen, DigitImageNormalizer().transform([stroke()])[0])


def test_a_digit_of_a_page_has_its_place():
    """The box is that of the stroke, in pixels of the picture."""
    result = answer(stroke(), SlowModel(), many=True)
    (digit,) = result["digits"]
    assert digit["line"] == 0
    assert np.abs(np.subtract(digit["box"], (15, 40, 75, 48))).max() <= 2
    assert result["size"] == (90, 90)


@pytest.mark.parametrize("many", [False, True])
def test_a_blank_picture_has_no_digits(many):
    """That is an answer, with the picture, and no error."""
    result = answer(as_png(np.full((30, 40), 200, np.uint8)), SlowModel(), many=many)
    assert result["digits"] == []
    assert picture_of(result["preview"]).size == (40, 30)


def test_the_preview_is_no_larger_than_a_screen():
    """A picture of 3000 x 1500 pixels is shown with 1200 x 600."""
    result = answer(as_png(np.full((1500, 3000), 200, np.uint8)), SlowModel(), many=False)
    assert picture_of(result["preview"]).size == (1200, 600)


@pytest.mark.parametrize("content", [b"", b"no picture", stroke()[:100]])
def test_what_is_no_picture_is_a_sentence(content):
    """The sentence is about the picture, and names nothing of Python."""
    error = answer(content, SlowModel(), many=False)["error"]
    assert error.startswith("The picture is")
    assert error.endswith(".")
    assert "BytesIO" not in error


def test_a_bug_is_told_in_the_terminal(caplog):
    """The page shows a sentence; the stack trace is for the terminal."""
    result = answer(stroke(), None, many=False)
    assert result == {"error": "Something went wrong. The terminal of sk-digits demo shows what."}
    assert "Traceback" in caplog.text
