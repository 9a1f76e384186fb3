"""`to_onnx` of a `SelectiveClassifier`: the threshold is in the graph."""

import numpy as np
import onnxruntime
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline

from sk_digits import DigitANN, PixelScaler, SelectiveClassifier, make_digit_pipeline
from sk_digits.onnx import to_onnx


def run(model, X, **options):
    """Return what onnxruntime makes of rows."""
    content = to_onnx(model, **options).SerializeToString()
    return onnxruntime.InferenceSession(content).run(None, {"X": X})


@pytest.mark.parametrize("method", ["max_probability", "margin"])
@pytest.mark.parametrize("words", [False, True])
@pytest.mark.parametrize("place", ["around", "last", "frozen"])
def test_rejected_rows_have_the_reject_label(digits_28, method, words, place):
    """Labels and probabilities are those of the classifier, wherever it stands."""
    X, y = digits_28
    y = np.array([f"number {digit}" for digit in range(10)])[y] if words else y
    inner = make_digit_pipeline(
        hidden_layer_sizes=(32,), max_epochs=12, augmentation=None, random_state=0
    )
    if place == "last":
        ann = DigitANN((32,), max_epochs=6, random_state=0)
        selective = SelectiveClassifier(ann, max_risk=0.05, method=method, cv=2)
        model = make_pipeline(PixelScaler(), selective).fit(X[:1200], y[:1200])
    else:
        if place == "frozen":
            inner = FrozenEstimator(inner.fit(X[:600], y[:600]))
        model = SelectiveClassifier(inner, max_risk=0.05, method=method, cv=2)
        model.fit(X[600:1200], y[600:1200])
    labels, probabilities = run(model, X[1200:], dtype="uint8")
    expected = model.predict(X[1200:])
    assert_array_equal(labels, expected)
    assert_allclose(probabilities, model.predict_proba(X[1200:]), atol=1e-5)
    assert 0 < np.mean(expected == ("?" if words else -1)) < 0.9


@pytest.mark.parametrize("method", ["max_probability", "margin"])
@pytest.mark.parametrize("words", [False, True])
def test_the_background_has_no_column(digits_28, method, words):
    """Its rows are rejected, its probability counts in the confidence."""
    X, y = digits_28
    y = np.array([f"number {digit}" for digit in range(10)])[y] if words else y
    nothing = "nothing" if words else -1
    X, y = np.concatenate([X, 255 - X]), np.concatenate([y, np.full(len(y), nothing)])
    ann = DigitANN((32,), max_epochs=6, random_state=0)
    selective = SelectiveClassifier(
        ann, max_risk=0.05, method=method, cv=2, background_label=nothing
    )
    model = make_pipeline(PixelScaler(), selective).fit(X, y)
    labels, probabilities = run(model, X, dtype="uint8")
    assert_array_equal(labels, model.predict(X))
    assert (labels == nothing)[len(X) // 2 :].mean() > 0.95
    assert_allclose(probabilities, model.predict_proba(X), atol=1e-5)
    assert probabilities.shape == (len(X), 10)
    model[-1].set_max_risk(1)
    labels, _ = run(model, X, dtype="uint8")
    assert_array_equal(labels, model.classes_[model.predict_proba(X).argmax(axis=1)])


def test_two_classes_are_calibrated_alike(digits_28):
    """The probabilities of two classes are those of the classifier too."""
    X, y = digits_28
    inner = make_pipeline(PixelScaler(), DigitANN((16,), max_epochs=2, random_state=0))
    model = SelectiveClassifier(inner, max_risk=0.5, cv=2).fit(X[:600], y[:600] % 2)
    _, probabilities = run(model, X, dtype="uint8")
    assert_allclose(probabilities, model.predict_proba(X), atol=1e-5)
