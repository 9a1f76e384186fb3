"""Model files of a `SelectiveClassifier`."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sk_digits import (
    DigitANN,
    ModelFileError,
    PixelScaler,
    SelectiveClassifier,
    load_model,
    make_digit_pipeline,
    read_metadata,
    save_model,
)
from sk_digits._model_files.model_file import KIND
from sk_digits._tensor_file import pack, read


@pytest.fixture(scope="module")
def models(digits_28):
    """Return fitted models: around a pipeline, as its last step, frozen, with a background."""
    X, y = digits_28
    words = np.array([f"number {digit}" for digit in range(10)])[y]
    ann = DigitANN((32,), max_epochs=6, random_state=0)
    pipeline = make_digit_pipeline(
        hidden_layer_sizes=(32,), max_epochs=6, augmentation=None, random_state=0
    )
    options = {"max_risk": 0.05, "cv": 2}
    inverted = 255 - X
    rows, labels = np.concatenate([X, inverted]), np.concatenate([y, np.full(len(y), -1)])
    return {
        "background": SelectiveClassifier(ann, background_label=-1, **options).fit(
            rows / np.float32(255), labels
        ),
        "around": SelectiveClassifier(pipeline, **options).fit(X, words),
        "last": make_pipeline(
            PixelScaler(), SelectiveClassifier(ann, method="margin", **options)
        ).fit(X, y),
        "frozen": SelectiveClassifier(
            FrozenEstimator(pipeline.fit(X[:600], y[:600])), max_risk=0.1, reject_label=99
        ).fit(X[600:], y[600:]),
    }


@pytest.mark.parametrize("kind", ["around", "last", "frozen", "background"])
def test_a_loaded_model_answers_the_same(models, digits_28, tmp_path, kind):
    """Labels, probabilities and rejections are equal to the bit, also when saved once more."""
    model, X, path = models[kind], digits_28[0], tmp_path / "model.safetensors"
    save_model(model, path)
    for _ in range(2):
        loaded = load_model(path)
        assert_array_equal(loaded.predict(X), model.predict(X))
        assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
        save_model(loaded, path)
    selective = loaded if isinstance(loaded, SelectiveClassifier) else loaded[-1]
    original = model if isinstance(model, SelectiveClassifier) else model[-1]
    for name in ("max_risk", "confidence", "method", "threshold_", "coverage_", "risk_bound_"):
        assert getattr(selective, name) == getattr(original, name)
    assert selective.background_label == original.background_label
    assert_array_equal(selective.calibration_curve_, original.calibration_curve_)
    assert selective.set_max_risk(0.2).threshold_ == original.set_max_risk(0.2).threshold_
    assert read_metadata(path)["n_features_in"] == 784


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("threshold_", 1.5),
        ("temperature_", 0.0),
        ("max_risk", {"float": "nan"}),
        ("method", "other"),
        ("coverage_", None),
        ("reject_label_", 3),
        ("background_label", 10),
        ("estimator", None),
        ("more", 1),
    ],
)
def test_a_state_that_no_fit_leaves_is_an_error(models, tmp_path, name, value):
    """Values out of range, a label that is a class, and what does not belong there."""
    path = tmp_path / "model.safetensors"
    save_model(models["frozen"], path)
    document, arrays = read(path, KIND, 2**20)
    document["tree"]["state"][name] = value
    path.write_bytes(pack(KIND, {k: v for k, v in document.items() if k != "sha256"}, arrays))
    with pytest.raises(ModelFileError):
        load_model(path)


@pytest.mark.parametrize(
    ("row", "column", "value"),
    [(0, 0, 1.5), (0, 0, np.nan), (1, 0, 1.0), (0, 1, 0), (1, 1, 0.5), (0, 2, -1), (-1, 2, 1e9)],
)
def test_a_calibration_curve_that_no_fit_leaves_is_an_error(models, tmp_path, row, column, value):
    """Its scores fall, its numbers of rows and errors rise."""
    path = tmp_path / "model.safetensors"
    save_model(models["frozen"], path)
    document, arrays = read(path, KIND, 2**20)
    curve = arrays["model.calibration_curve_"].copy()
    curve[row, column] = value
    arrays = arrays | {"model.calibration_curve_": curve}
    path.write_bytes(pack(KIND, {k: v for k, v in document.items() if k != "sha256"}, arrays))
    with pytest.raises(ModelFileError):
        load_model(path)


def test_another_classifier_inside_is_an_error(digits_28, tmp_path):
    """Model files hold networks."""
    X, y = digits_28
    model = SelectiveClassifier(LogisticRegression(max_iter=20), max_risk=0.9, cv=2)
    with pytest.warns(UserWarning, match="lbfgs failed"):
        model.fit(X / 255, y)
    with pytest.raises(TypeError, match="LogisticRegression"):
        save_model(model, tmp_path / "model.safetensors")
