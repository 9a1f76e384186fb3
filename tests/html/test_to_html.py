"""`to_html`: what it takes, what it refuses, and the file that it saves."""

import json
import re

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sk_digits import DigitANN, PixelScaler, load_reader, make_digit_pipeline
from sk_digits.datasets import load_digits_28
from sk_digits.html import to_html


def config_of(path):
    """Return the values that a page computes with."""
    text = path.read_text("utf-8")
    return json.loads(
        re.search('<script type="application/json" id="config">(.*)</script>', text)[1]
    )


def fit_small(*steps, n=200, **params):
    """Return a small fitted model of 784 pixels."""
    X, y = load_digits_28(return_X_y=True)
    return make_pipeline(*steps, DigitANN((8,), max_epochs=1, **params)).fit(X[:n], y[:n])


@pytest.mark.slow
def test_the_reader_is_at_most_five_megabytes(tmp_path):
    """By default, so that it can be mailed; in float32 it is larger."""
    to_html(load_reader(), tmp_path / "reader.html")
    assert (tmp_path / "reader.html").stat().st_size <= 5_000_000


def test_the_same_model_gives_the_same_file(pipeline, tmp_path):
    """And int8 is the default."""
    to_html(pipeline, tmp_path / "a.html")
    to_html(pipeline, tmp_path / "b.html", precision="int8")
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_fewer_bits_make_a_smaller_file(pipeline, tmp_path):
    """And the file has one model, whatever its precision."""
    sizes = []
    for precision in ("float32", "float16", "int8"):
        to_html(pipeline, tmp_path / "a.html", precision=precision)
        sizes.append((tmp_path / "a.html").stat().st_size)
        assert config_of(tmp_path / "a.html")["model"]["precision"] == precision
    assert sizes == sorted(sizes, reverse=True)


def test_nothing_in_the_file_names_another(pipeline, tmp_path):
    """There is no address, no src, no import and nothing else that a browser would load."""
    to_html(pipeline, tmp_path / "a.html")
    text = (tmp_path / "a.html").read_text("utf-8")
    assert re.findall(r"https?:|\bsrc=|\bimport\b|url\(|@import", text) == []
    assert "default-src 'none'" in text
    assert "connect-src 'none'" in text
    assert "unsafe" not in text


def test_a_label_cannot_end_the_script(tmp_path):
    """No "<" of a label is left in the file, and the labels are what they were."""
    X, digits = load_digits_28(return_X_y=True)
    names = ["</script><script>alert(1)</script>", "<!--", "\u2028 \"'", "$page"]
    model = make_digit_pipeline(hidden_layer_sizes=(8,), max_epochs=1)
    to_html(model.fit(X, np.array(names, dtype=object)[digits % 4]), tmp_path / "a.html")
    assert config_of(tmp_path / "a.html")["labels"] == sorted(names)
    assert "alert(1)</" not in (tmp_path / "a.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: LogisticRegression(), TypeError, "must be a fitted DigitANN"),
        (lambda: make_pipeline(PixelScaler()), TypeError, "must be a fitted DigitANN"),
        (lambda: fit_small(PCA(9)), TypeError, "no step but .* Got PCA"),
        (lambda: DigitANN(), NotFittedError, "not fitted"),
        (
            lambda: DigitANN((4,), max_epochs=1).fit(np.eye(9, 64), np.arange(9)),
            ValueError,
            "28x28 = 784 pixels; this one was trained on rows of 64",
        ),
    ],
)
def test_other_models_are_refused(tmp_path, make, error, message):
    """The message says what is taken, and no file is saved."""
    with pytest.raises(error, match=message):
        to_html(make(), tmp_path / "a.html")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_precision_is_refused(pipeline, tmp_path):
    """The message lists the known ones, and what was there is kept."""
    (tmp_path / "a.html").write_text("before")
    with pytest.raises(ValueError, match=r"precision must be one of .*'int8'.* Got 'int4'"):
        to_html(pipeline, tmp_path / "a.html", precision="int4")
    assert (tmp_path / "a.html").read_text() == "before"


def test_a_weight_beyond_float16_is_refused(tmp_path):
    """It would become infinite."""
    model = fit_small(PixelScaler())
    model[-1].net_.module_[0].weight.data[0, 0] = 1e6
    with pytest.raises(ValueError, match="1e\\+06 is too large for precision='float16'"):
        to_html(model, tmp_path / "a.html", precision="float16")
    to_html(model, tmp_path / "a.html", precision="int8")
