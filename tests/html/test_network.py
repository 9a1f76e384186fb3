"""The network in the page answers as the model does."""

import itertools

import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from support.drawing_page import Page
from support.drawn_pictures import draw_digits, on_paper
from support.html_page import labels_and_probabilities, read_pictures

from sk_digits import (
    DigitANN,
    DigitImageNormalizer,
    PixelScaler,
    SelectiveClassifier,
    load_reader,
    segment_digits,
)
from sk_digits._images.mnist_frame import is_framed
from sk_digits._reader.pretrained import read_rows
from sk_digits.datasets import fetch_mnist, load_digits_28
from sk_digits.html import to_html

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]  # a browser


@pytest.fixture(scope="module")
def images():
    """Return bundled digits in MNIST's form."""
    rows = DigitImageNormalizer().transform(list(load_digits_28().images[:100]))
    return rows.reshape(-1, 28, 28)


def open_page(browser, model, path, precision="float32"):
    """Save a model as a page and open it."""
    to_html(model, path, precision=precision)
    return Page(browser, path.as_uri())


def fit(images, *steps, labels=None, **params):
    """Return a small fitted model of these images."""
    X, y = images.reshape(len(images), -1), load_digits_28().target[: len(images)]
    ann = DigitANN(**{"hidden_layer_sizes": (16,), "max_epochs": 3, "random_state": 0} | params)
    y = y if labels is None else np.array(labels)[y % len(labels)]
    return make_pipeline(*steps, ann).fit(X if steps else X / np.float32(255), y)


@pytest.mark.parametrize(
    ("activation", "batch_norm", "sizes"),
    [
        *itertools.product(["relu", "logistic", "tanh", "identity"], [False, True], [(30, 20)]),
        ("relu", False, ()),
        ("relu", True, (5,)),
    ],
)
def test_any_architecture_has_the_same_probabilities(
    browser, tmp_path, images, activation, batch_norm, sizes
):
    """Labels are equal and probabilities within 1e-5 of those in Python."""
    model = fit(
        images, PixelScaler(), activation=activation, batch_norm=batch_norm,
        hidden_layer_sizes=sizes,
    )  # fmt: skip
    open_page(browser, model, tmp_path / "a.html")
    labels, probabilities = labels_and_probabilities(browser, images)
    X = images.reshape(len(images), -1)
    np.testing.assert_array_equal(model.classes_[labels], model.predict(X))
    np.testing.assert_allclose(probabilities, model.predict_proba(X), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("precision", "tolerance"), [("float32", 1e-5), ("float16", 1e-2), ("int8", 0.1)]
)
def test_fewer_bits_change_little(browser, tmp_path, pipeline, images, precision, tolerance):
    """Each precision has its tolerance."""
    open_page(browser, pipeline, tmp_path / "a.html", precision)
    _, probabilities = labels_and_probabilities(browser, images)
    expected = pipeline.predict_proba(images.reshape(len(images), -1))
    np.testing.assert_allclose(probabilities, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("steps", [(), (DigitImageNormalizer(),)])
def test_units_of_pixels_are_those_of_training(browser, tmp_path, images, steps):
    """A DigitANN alone takes pixels in [0, 1]; behind DigitImageNormalizer alone, up to 255."""
    model = fit(images, *steps, batch_norm=True)
    open_page(browser, model, tmp_path / "a.html")
    _, probabilities = labels_and_probabilities(browser, images)
    X = images.reshape(len(images), -1)
    expected = model.predict_proba(X if steps else X / np.float32(255))
    np.testing.assert_allclose(probabilities, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("labels", [["one"], ["no", "yes"], [False, True], [3, 7, 9]])
@pytest.mark.parametrize("method", ["max_probability", "margin"])
def test_what_is_rejected_is_rejected_in_the_page(browser, tmp_path, images, labels, method):
    """Around a pipeline and in it, with any labels: probabilities and rejections are equal."""
    X = images.reshape(len(images), -1)
    inner = fit(images, PixelScaler(), labels=labels)
    y = np.array(labels)[load_digits_28().target[: len(images)] % len(labels)]
    around = SelectiveClassifier(FrozenEstimator(inner), max_risk=0.6, method=method).fit(X, y)
    within = make_pipeline(
        inner[0],
        SelectiveClassifier(FrozenEstimator(inner[1]), max_risk=0.6, method=method).fit(
            inner[0].transform(X), y
        ),
    )
    for model, selective in [(around, around), (within, within[-1])]:
        if len(labels) > 1:  # rejects half of the rows
            selective.threshold_ = float(np.median(selective._measure(model.predict_proba(X))))
        open_page(browser, model, tmp_path / "a.html")
        answers = [answer["digits"][0] for answer in read_pictures(browser, images)]
        probabilities = [answer["probabilities"] for answer in answers]
        np.testing.assert_allclose(probabilities, model.predict_proba(X), rtol=0, atol=1e-5)
        rejected = np.array([not answer["sure"] for answer in answers])
        margin = abs(selective._measure(model.predict_proba(X)) - selective.threshold_)
        expected = model.predict(X) == selective.reject_label_
        np.testing.assert_array_equal(rejected[margin > 1e-5], expected[margin > 1e-5])


@pytest.mark.parametrize("method", ["max_probability", "margin"])
@pytest.mark.parametrize("labels", [[-1, 3, 5], [-1, 3]])
def test_the_background_is_no_answer_in_the_page(browser, tmp_path, images, labels, method):
    """Its probability is what those of the labels lack, and counts in the confidence."""
    X = images.reshape(len(images), -1)
    inner = fit(images, PixelScaler(), labels=labels)
    y = np.array(labels)[load_digits_28().target[: len(images)] % len(labels)]
    model = SelectiveClassifier(
        FrozenEstimator(inner), max_risk=1, method=method, background_label=-1
    ).fit(X, y)
    model.threshold_ = float(np.median(model.score_samples(X)))
    open_page(browser, model, tmp_path / "a.html")
    answers = [answer["digits"][0] for answer in read_pictures(browser, images)]
    expected, accepted = read_rows(model, X)
    probabilities = [answer["probabilities"] for answer in answers]
    np.testing.assert_allclose(probabilities, expected, rtol=0, atol=1e-5)
    margin = abs(model.score_samples(X) - model.threshold_)
    sure = np.array([answer["sure"] for answer in answers])
    np.testing.assert_array_equal(sure[margin > 1e-5], accepted[margin > 1e-5])


@pytest.mark.mnist
@pytest.mark.parametrize(("precision", "share"), [("float32", 0.999), ("int8", 0.997)])
def test_the_official_test_digits_are_read_the_same(
    browser, tmp_path, mnist_home, precision, share
):
    """Nearly all digits have the same label, and close probabilities in float32."""
    X = fetch_mnist(subset="test").data[:2000]
    reader = load_reader()
    open_page(browser, reader, tmp_path / "reader.html", precision)
    labels, probabilities = labels_and_probabilities(browser, X.reshape(-1, 28, 28))
    expected, _ = read_rows(reader[1:], X)
    assert (labels == expected.argmax(axis=1)).mean() >= share
    if precision == "float32":
        # Python frames the few others anew, as the page does.
        framed = np.array([is_framed(row.reshape(28, 28)) for row in X])
        assert framed.mean() > 0.999
        np.testing.assert_allclose(probabilities[framed], expected[framed], rtol=0, atol=1e-5)


def test_drawn_pictures_are_read_the_same(browser, tmp_path):
    """Of 200 drawn digits, at least 99 of 100 are read as DigitImageNormalizer has them read."""
    pictures, digits = draw_digits(200)
    reader = load_reader()
    rows = DigitImageNormalizer(on_blank="nan").transform(list(pictures))
    found = ~np.isnan(rows).any(axis=1)
    assert found.mean() > 0.95
    expected = np.full(len(rows), -1)
    expected[found] = reader[1:].predict_proba(rows[found].astype(np.uint8)).argmax(axis=1)
    open_page(browser, reader, tmp_path / "reader.html", "float32")
    answers = []
    for start in range(0, len(pictures), 50):
        answers += read_pictures(browser, pictures[start : start + 50], is_drawing=True)
    labels = np.array([a["digits"][0]["best"] if a["digits"] else -1 for a in answers])
    assert (labels == expected).mean() >= 0.99
    assert (labels == digits).mean() >= 0.97
    # And most of what the network sees is equal, pixel by pixel.
    images = np.array([a["digits"][0]["image"] if a["digits"] else [0] * 784 for a in answers])
    difference = abs(images[found] - rows[found]).max(axis=1)
    assert np.median(difference) <= 2


@pytest.mark.parametrize("is_light", [False, True])
def test_photos_are_read_nearly_the_same(browser, tmp_path, is_light):
    """Of 60 digits in pencil or chalk, at least 95 of 100 are read as in Python."""
    drawn, _ = draw_digits(60, seed=1)
    pictures = on_paper(drawn, np.random.default_rng(0))
    pictures = 255 - pictures if is_light else pictures
    reader = load_reader()
    rows = DigitImageNormalizer(on_blank="zeros").transform(list(pictures))
    expected = reader[1:].predict_proba(rows).argmax(axis=1)
    open_page(browser, reader, tmp_path / "reader.html")
    answers = read_pictures(browser, pictures)
    labels = np.array([a["digits"][0]["best"] if a["digits"] else -1 for a in answers])
    assert (labels == expected).mean() >= 0.95


def test_small_pictures_cut_out_along_boxes_are_read(browser, tmp_path):
    """Digits of 20 pixels that touch the edges of their picture are no surroundings."""
    rows = DigitImageNormalizer().transform(list(load_digits_28().images[:60]))
    pictures = rows.reshape(-1, 28, 28)[:, 4:24, 4:24]
    reader = load_reader()
    expected = reader[1:].predict_proba(rows).argmax(axis=1)
    open_page(browser, reader, tmp_path / "reader.html")
    answers = read_pictures(browser, pictures)
    labels = np.array([a["digits"][0]["best"] if a["digits"] else -1 for a in answers])
    assert (labels == expected).mean() >= 0.9


@pytest.mark.parametrize("many", [False, True])
def test_blank_paper_has_no_digit(browser, tmp_path, pipeline, many):
    """Whatever its grain and its light, and where the light falls off."""
    rng = np.random.default_rng(0)
    ramp = np.linspace(120, 220, 400)
    papers = [np.full((300, 400), 128.0), np.tile(ramp, (300, 1))]
    papers += [paper + rng.normal(0, scale, paper.shape) for paper in papers for scale in (3, 8)]
    open_page(browser, pipeline, tmp_path / "a.html")
    answers = read_pictures(browser, np.clip(papers, 0, 255).astype(np.uint8), many=many)
    assert answers == [{"error": None, "digits": []}] * len(papers)


def test_lines_are_found_as_in_python(browser, tmp_path, pipeline):
    """Drawn digits in two lines have the boxes, the lines and the images of segment_digits."""
    pictures, _ = draw_digits(8, seed=3)
    page = np.vstack([np.hstack(pictures[:4]), np.hstack(pictures[4:])])
    expected = segment_digits(page)
    open_page(browser, pipeline, tmp_path / "a.html")
    for is_drawing in (True, False):
        (answer,) = read_pictures(browser, page[np.newaxis], many=True, is_drawing=is_drawing)
        found = answer["digits"]
        assert [digit["line"] for digit in found] == [digit.line for digit in expected]
        boxes = np.array([digit["box"] for digit in found])
        assert abs(boxes - [digit.box for digit in expected]).max() <= 2
        images = np.array([digit["image"] for digit in found])
        expected_images = np.array([digit.image.ravel() for digit in expected])
        assert np.median(abs(images - expected_images.astype(int)).max(axis=1)) <= 20
