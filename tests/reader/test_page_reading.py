"""`read_page`: the digits of a page as lines, numbers and text."""

import json

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image, ImageDraw, ImageFont
from sklearn.linear_model import LogisticRegression

from sk_digits import PageReading, load_reader, make_digit_pipeline, read_page, segment_digits


def one(page, top, left, height=60):
    """Draw a 1."""
    page[top : top + height, left : left + 8] = 30


@pytest.fixture
def page():
    """Return a page with the numbers 11 and 111 on one line, and 1 below."""
    page = np.full((220, 700), 230, dtype=np.uint8)
    for left in (40, 90, 240, 290, 340):
        one(page, 40, left)
    one(page, 140, 100)
    return page


def test_numbers_are_what_stands_close_together(page):
    """A gap as wide as a digit parts two numbers."""
    reading = read_page(page)
    assert reading.numbers == [["11", "111"], ["1"]]
    assert reading.text == "11 111\n1"
    assert repr(reading) == "<PageReading: '11 111\\n1'>"


def test_evenly_spaced_digits_are_one_number(page):
    """As in the boxes of a form, which are wider than digits."""
    form = np.full((140, 700), 230, dtype=np.uint8)
    for left in range(60, 600, 90):
        one(form, 40, left)
    assert read_page(form).numbers == [["111111"]]


def test_digits_far_apart_are_numbers_of_their_own():
    """Columns of a table are wider than any form's boxes."""
    table = np.full((140, 700), 230, dtype=np.uint8)
    for left in range(60, 600, 180):
        one(table, 40, left)
    assert read_page(table).numbers == [["1", "1", "1"]]


def test_boxes_and_images_are_those_of_the_segments(page):
    """Each digit is where `segment_digits` finds it."""
    segments = segment_digits(page)
    digits = [digit for line in read_page(page).lines for digit in line]
    assert [digit.box for digit in digits] == [segment.box for segment in segments]
    for digit, segment in zip(digits, segments, strict=True):
        assert_array_equal(digit.image, segment.image)
        assert digit.probability == digit.probabilities.max()
        assert digit.accepted
        assert digit.text == "1"
        assert digit.label == digit.classes[digit.probabilities.argmax()] == 1
        assert digit.guesses(None)[0] == (digit.label, digit.probability)
        assert len(digit.guesses(None)) == 10


def test_an_empty_page_has_no_text():
    """That is no error."""
    reading = read_page(np.full((100, 100), 200, np.uint8))
    assert (reading.text, reading.lines, reading.numbers) == ("", [], [])


@pytest.mark.parametrize("kind", ["path", "PIL", "bytes"])
def test_files_are_read(page, tmp_path, kind):
    """A page is given in any way that a picture is."""
    path = tmp_path / "page.png"
    Image.fromarray(page).save(path)
    source = {"path": path, "PIL": Image.fromarray(page), "bytes": path.read_bytes()}[kind]
    assert read_page(source).text == "11 111\n1"


def test_any_classifier_of_rows_reads(page, digits_28):
    """Also one without a step for pictures, and one that is not of this package."""
    X, y = digits_28
    words = np.array(["zero", "one", "two", *"3456789"])
    for classifier in (
        make_digit_pipeline(hidden_layer_sizes=(32,), max_epochs=3, random_state=0),
        LogisticRegression(max_iter=20, tol=1),
    ):
        reading = read_page(page, classifier.fit(X / 1.0, words[y]))
        assert {digit.label for line in reading.lines for digit in line} <= set(words)
        assert len(reading.lines) == 2


def test_what_the_reader_rejects_is_a_question_mark(page):
    """The text has all guesses, and the reading says that they are rejected."""
    reader = load_reader()
    reader["selective"].threshold_ = 1.1
    reading = read_page(page, reader)
    assert reading.accepted_numbers == [["??", "???"], ["?"]]
    assert reading.text == "11 111\n1"
    assert {digit.label for line in reading.lines for digit in line} == {1}
    about = reading.to_dict()
    assert [digit["accepted"] for digit in about["lines"][0]["digits"]] == [False] * 5
    assert about["lines"][0]["digits"][0]["label"] == 1
    reader["selective"].set_max_risk(1)
    assert read_page(page, reader).text == "11 111\n1"


def test_the_probability_is_low_where_no_digit_is():
    """Those of the labels sum to less than 1: the rest is for what is no digit."""
    page = Image.new("L", (200, 160), 255)
    ImageDraw.Draw(page).text((100, 80), "M", 0, ImageFont.load_default(90), anchor="mm")
    ((digit,),) = read_page(page).lines
    assert not digit.accepted
    assert digit.probability < digit.probabilities.sum() < 0.5


def test_a_reading_is_plain_values(page):
    """JSON holds it."""
    about = json.loads(json.dumps(read_page(page).to_dict(top=3)))
    assert about["text"] == "11 111\n1"
    assert [line["numbers"] for line in about["lines"]] == [["11", "111"], ["1"]]
    digit = about["lines"][0]["digits"][0]
    assert digit["label"] == 1
    assert digit["accepted"] is True
    assert digit["box"] == [40, 40, 100, 48]
    assert [guess["probability"] for guess in digit["top"]] == sorted(
        (guess["probability"] for guess in digit["top"]), reverse=True
    )
    assert len(digit["top"]) == 3


def test_a_reading_draws_itself(page):
    """The page has a box and a label at each digit."""
    import matplotlib.pyplot as plt

    reading = read_page(page)
    ax = reading.plot()
    assert isinstance(reading, PageReading)
    assert [text.get_text() for text in ax.texts] == ["1"] * 6
    assert ax.patches[0].get_xy() == (40, 40)
    assert reading.plot(ax=ax) is ax
    plt.close(ax.figure)


def test_the_ink_is_that_of_the_caller(page):
    """Light writing on dark ground is read, and is not found where dark writing is asked for."""
    assert read_page(255 - page, ink="light").text == read_page(page, load_reader()).text
