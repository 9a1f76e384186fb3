"""ONNX models predict what the models predict from which they are made."""

import importlib
import json
import sys
import warnings

import numpy as np
import onnx
import onnxruntime
import pytest
import skl2onnx
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sk_digits import (
    DigitANN,
    DigitImageNormalizer,
    PixelScaler,
    load_model,
    make_digit_pipeline,
    save_model,
)
from sk_digits.datasets import fetch_mnist
from sk_digits.onnx import to_onnx


def small_ann(**params):
    """Return an unfitted classifier that trains in a moment."""
    return DigitANN((32,), **{"max_epochs": 3, "random_state": 0} | params)


@pytest.fixture(scope="module")
def pixels(digits_28):
    """Return 600 digits as uint8 and their labels."""
    X, y = digits_28
    return X[:600], y[:600]


@pytest.fixture(scope="module")
def pipeline(pixels):
    """Return a small digit pipeline, fitted."""
    params = {"hidden_layer_sizes": (64, 32), "max_epochs": 5, "random_state": 0}
    return make_digit_pipeline(**params).fit(*pixels)


def run(model, X):
    """Run an ONNX model on rows and return its outputs."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    (rows,) = session.get_inputs()
    return session.run(None, {rows.name: X})


def assert_same(model, onnx_model, X, tolerance=1e-6):
    """Check that labels are equal and probabilities within the tolerance."""
    labels, probabilities = run(onnx_model, X)
    np.testing.assert_array_equal(labels, model.predict(X))
    np.testing.assert_allclose(probabilities, model.predict_proba(X), rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("activation", ["identity", "logistic", "relu", "tanh"])
def test_every_kind_of_layer_predicts_the_same(digits, activation, batch_norm, dtype):
    """Each activation, with and without batch norm, is exported in float32 and float64."""
    X = digits[0].astype(dtype)
    ann = DigitANN(
        (32, 16), activation=activation, batch_norm=batch_norm, dropout=0.2, max_epochs=3
    )
    ann.set_params(label_smoothing=0.1, random_state=0).fit(X, digits[1])
    onnx_model = to_onnx(ann, dtype=dtype)
    assert_same(ann, onnx_model, X, 1e-6 if dtype == "float32" else 1e-14)
    assert run(onnx_model, X)[1].dtype == dtype


@pytest.mark.parametrize("rows_dtype", ["float32", "float64", "uint8"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_models_take_rows_of_another_type_than_in_training(pixels, dtype, rows_dtype):
    """Rows are cast to the type of the network, as in DigitANN."""
    X, y = pixels
    model = make_pipeline(PixelScaler(), small_ann()).fit(X.astype(dtype), y)
    assert_same(model, to_onnx(model, dtype=rows_dtype), X.astype(rows_dtype))


def test_a_linear_model_predicts_the_same(digits):
    """A network without hidden layers is exported."""
    ann = DigitANN((), max_epochs=3, random_state=0).fit(*digits)
    assert_same(ann, to_onnx(ann), digits[0])


@pytest.mark.parametrize("pixel_max", [255, 0.1, 1e-38, 1e300])
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int32", "int64", "float32", "float64"])
def test_pixel_scaler_is_equal_to_the_bit(dtype, pixel_max):
    """Types and values are those of transform, also where float32 cannot hold `pixel_max`."""
    rng = np.random.default_rng(0)
    X = rng.random((20, 9)) if "float" in dtype else rng.integers(0, 2, (20, 9))
    if dtype == "int64" and pixel_max != 1e-38:  # which would make it too large
        X = X * (2**24 + 1)  # rounded to float32 before the division
    X = X.astype(dtype)
    scaler = PixelScaler(pixel_max).fit(X)
    (scaled,) = run(skl2onnx.to_onnx(scaler, X[:1]), X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # values beyond pixel_max
        expected = scaler.transform(X)
    assert scaled.dtype == expected.dtype
    np.testing.assert_array_equal(scaled, expected)


@pytest.mark.parametrize(
    ("labels", "dtype"),
    [
        (["ada", "bob", "Zoë"], object),
        ([-5, 0, 2**62], np.int64),
        (np.array([1, 2, 255], dtype=np.uint8), np.int64),
        ([1.0, 2.0, 4.0], np.int64),
        ([False, True], np.int64),
        (["9", "10"], object),
        ([7], np.int64),
    ],
)
def test_labels_come_back(digits, labels, dtype):
    """Strings and numbers come back as labels, and the metadata name the classes."""
    X = digits[0]
    y = np.array(labels)[np.arange(len(X)) % len(labels)]
    ann = small_ann().fit(X, y)
    onnx_model = to_onnx(ann)
    assert_same(ann, onnx_model, X)
    assert run(onnx_model, X)[0].dtype == dtype
    (classes,) = onnx_model.metadata_props
    assert classes.key == "classes"
    assert json.loads(classes.value) == ann.classes_.tolist()


def test_labels_beyond_int64_are_an_error(digits):
    """Labels that int64 cannot hold are a ValueError."""
    y = np.array([1, 2**63 + 1], dtype=np.uint64)[np.arange(len(digits[0])) % 2]
    with pytest.raises(ValueError, match=r"must be strings or integers\. Got \[1, 9223372036854"):
        to_onnx(small_ann().fit(digits[0], y))


@pytest.mark.parametrize("n_rows", [0, 1, 7])
def test_a_batch_may_have_any_number_of_rows(pipeline, pixels, n_rows):
    """A batch may have any number of rows, also none."""
    X = pixels[0]
    onnx_model = to_onnx(pipeline, dtype="uint8")
    labels, probabilities = run(onnx_model, X[:n_rows])
    assert probabilities.shape == (n_rows, 10)
    np.testing.assert_array_equal(labels, pipeline.predict(X)[:n_rows])


def test_the_model_is_plain_onnx(pipeline):
    """The model passes onnx's checks, has standard operators only, and is the same each time."""
    onnx_model = to_onnx(pipeline)
    onnx.checker.check_model(onnx_model, full_check=True)
    assert [domain.domain for domain in onnx_model.opset_import] == [""]
    assert [value.name for value in onnx_model.graph.output] == ["label", "probabilities"]
    assert onnx_model.SerializeToString() == to_onnx(pipeline).SerializeToString()


def test_the_file_is_the_model(pipeline, pixels, tmp_path):
    """The file holds the returned model and replaces the old file."""
    path = tmp_path / "digits.onnx"
    path.write_bytes(b"old")
    onnx_model = to_onnx(pipeline, path)
    assert path.read_bytes() == onnx_model.SerializeToString()
    assert list(tmp_path.iterdir()) == [path]
    assert_same(pipeline, onnx.load(path), pixels[0].astype(np.float32))


def test_a_loaded_model_is_exported_to_the_same_bytes(pipeline, tmp_path):
    """A model from a model file is exported to the same bytes."""
    save_model(pipeline, tmp_path / "digits.safetensors")
    loaded = load_model(tmp_path / "digits.safetensors")
    assert to_onnx(loaded).SerializeToString() == to_onnx(pipeline).SerializeToString()


def test_export_leaves_the_model_as_it_was(pipeline, pixels):
    """The model predicts the same bits after the export."""
    before = pipeline.predict_proba(pixels[0])
    to_onnx(pipeline)
    np.testing.assert_array_equal(pipeline.predict_proba(pixels[0]), before)


def composites():
    """Return scikit-learn's models that hold a DigitANN, by name."""
    plain = make_pipeline(PixelScaler(), small_ann())
    scalers = make_pipeline(PixelScaler(), StandardScaler())
    other = make_pipeline(StandardScaler(), LogisticRegression(max_iter=50, tol=1.0))
    return {
        "standard scaler": make_pipeline(StandardScaler(), small_ann(label_smoothing=0.1)),
        "nested pipeline": make_pipeline(scalers, small_ann()),
        "search": GridSearchCV(plain, {"digitann__dropout": [0.0, 0.1]}, cv=2),
        "vote": VotingClassifier(
            [("ann", plain), ("other", other)], voting="soft", flatten_transform=False
        ),
        "calibration": make_pipeline(PixelScaler(), CalibratedClassifierCV(small_ann(), cv=2)),
        "calibration of one": make_pipeline(
            PixelScaler(), CalibratedClassifierCV(small_ann(), cv=2, ensemble=False)
        ),
    }


@pytest.mark.parametrize("name", composites())
def test_models_that_hold_a_digit_ann_predict_the_same(pixels, name):
    """skl2onnx converts models of scikit-learn that hold a DigitANN."""
    X, y = pixels[0].astype(np.float32), pixels[1].astype(str)
    model = composites()[name].fit(X, y)
    assert_same(model, skl2onnx.to_onnx(model, X[:1], options={"zipmap": False}), X, 5e-6)


@pytest.mark.parametrize("ensemble", [True, False])
def test_binary_calibration_takes_the_decision_function(digits, ensemble):
    """Calibration of two classes uses the difference of the logits, as scikit-learn's does."""
    X, y = digits[0], digits[1] > 4
    model = CalibratedClassifierCV(small_ann(), cv=2, ensemble=ensemble).fit(X, y)
    assert_same(model, skl2onnx.to_onnx(model, X[:1], options={"zipmap": False}), X)


@pytest.mark.parametrize("name", ["standard scaler", "nested pipeline"])
def test_any_pipeline_that_ends_in_a_digit_ann_is_exported(pixels, name):
    """The other steps may be scikit-learn's."""
    X, y = pixels[0].astype(np.float32), pixels[1]
    model = composites()[name].fit(X, y)
    assert_same(model, to_onnx(model), X, 5e-6)


@pytest.mark.parametrize("idle", [None, "passthrough"])
def test_steps_that_do_nothing_are_left_out(pixels, idle):
    """Steps that are None or "passthrough" are left out, also in nested pipelines."""
    X, y = pixels
    inner = Pipeline([("idle", idle), ("scaler", PixelScaler())])
    model = Pipeline([("idle", idle), ("inner", inner), ("ann", small_ann())]).fit(X, y)
    onnx_model = to_onnx(model, dtype="uint8")
    assert_same(model, onnx_model, X)
    assert onnx_model.graph.input[0].type.tensor_type.shape.dim[1].dim_value == 784


def test_skl2onnx_returns_dicts_by_default(pipeline, pixels):
    """skl2onnx's options zipmap and output_class_labels have their usual effect."""
    X = pixels[0]
    P = pipeline.predict_proba(X)

    labels, dicts = run(skl2onnx.to_onnx(pipeline, X[:1]), X)
    np.testing.assert_array_equal(labels, pipeline.predict(X))
    assert list(dicts[0]) == list(range(10))
    np.testing.assert_allclose([list(row.values()) for row in dicts], P, rtol=0, atol=1e-6)

    assert_same(pipeline, skl2onnx.to_onnx(pipeline, X[:1], options={"zipmap": False}), X)

    columns = run(skl2onnx.to_onnx(pipeline, X[:1], options={"zipmap": "columns"}), X)[1:]
    np.testing.assert_allclose(np.stack(columns, axis=1), P, rtol=0, atol=1e-6)

    options = {"zipmap": False, "output_class_labels": True}
    classes = run(skl2onnx.to_onnx(pipeline, X[:1], options=options), X)[2]
    np.testing.assert_array_equal(classes, pipeline.classes_)


@pytest.mark.parametrize("n_classes", [1, 2, 10])
def test_raw_scores_are_the_decision_function(pixels, n_classes):
    """raw_scores gives decision_function, for two classes with a column for either."""
    X, y = pixels[0], pixels[1] % n_classes
    model = make_pipeline(PixelScaler(), small_ann()).fit(X, y)
    options = {id(model[-1]): {"zipmap": False, "raw_scores": True}}
    labels, scores = run(skl2onnx.to_onnx(model, X[:1], options=options), X)
    np.testing.assert_array_equal(labels, model.predict(X))
    expected = model.decision_function(X)
    if n_classes == 2:
        expected = np.stack([-expected, expected], axis=1)
    np.testing.assert_allclose(scores, expected.reshape(len(X), -1), rtol=0, atol=1e-5)


def test_nocl_gives_indices_for_labels(digits):
    """The option nocl leaves the strings of the labels out of the file."""
    names = np.array(["ada", "bob", "cid"])
    ann = small_ann().fit(digits[0], names[digits[1] % 3])
    options = {id(ann): {"nocl": True, "zipmap": False}}
    onnx_model = skl2onnx.to_onnx(ann, digits[0][:1], options=options)
    labels, _ = run(onnx_model, digits[0])
    np.testing.assert_array_equal(names[labels], ann.predict(digits[0]))
    assert b"ada" not in onnx_model.SerializeToString()


@pytest.mark.parametrize("opset", [11, 13, 17, 21])
def test_every_usual_opset_is_a_target(pipeline, pixels, opset):
    """target_opset is followed."""
    X = pixels[0]
    onnx_model = skl2onnx.to_onnx(pipeline, X[:1], target_opset=opset, options={"zipmap": False})
    assert {domain.domain: domain.version for domain in onnx_model.opset_import}[""] == opset
    onnx.checker.check_model(onnx_model, full_check=True)
    assert_same(pipeline, onnx_model, X)


@pytest.mark.parametrize("model", [small_ann(), make_digit_pipeline()])
def test_an_unfitted_model_is_an_error(pixels, model):
    """An unfitted model is a NotFittedError, in to_onnx and in skl2onnx."""
    with pytest.raises(NotFittedError, match="not fitted"):
        to_onnx(model)
    with pytest.raises(NotFittedError, match="not fitted"):
        skl2onnx.to_onnx(model, pixels[0][:1], options={"zipmap": False})


@pytest.mark.parametrize(
    "model",
    [
        DigitANN,
        "digits.safetensors",
        make_pipeline(PixelScaler()),
        GridSearchCV(small_ann(), {}),
        None,
    ],
)
def test_anything_but_a_digit_model_is_an_error(model):
    """Anything else is a TypeError that shows it and says what to pass of a search."""
    with pytest.raises(TypeError, match=r"(?s)must be a fitted DigitANN.*Got .*best_estimator_"):
        to_onnx(model)


def test_an_unknown_dtype_is_an_error(pipeline):
    """An unknown dtype is a ValueError that lists the known ones."""
    with pytest.raises(ValueError, match=r"dtype must be one of \['float32', .*Got 'int8'"):
        to_onnx(pipeline, dtype="int8")


def test_a_step_that_does_not_take_the_dtype_is_an_error(pixels):
    """A step that skl2onnx cannot convert for this dtype is a ValueError."""
    model = make_pipeline(StandardScaler(), small_ann()).fit(*pixels)
    with pytest.raises(ValueError, match=r"no rows of dtype='uint8'.*Try another dtype.*Scaler"):
        to_onnx(model, dtype="uint8")


@pytest.mark.parametrize("width", [783, 785])
def test_rows_of_another_width_are_an_error(pipeline, width):
    """An example row of another width is a ValueError during the conversion."""
    with pytest.raises(ValueError, match=rf"takes one input of shape \[None, 784\].*{width}"):
        skl2onnx.to_onnx(pipeline, np.zeros((1, width), dtype=np.uint8))


def test_an_image_normalizer_cannot_be_exported(pipeline, pixels):
    """DigitImageNormalizer cannot be exported; the error says how to export the rest."""
    images = 255 - pixels[0][:20].reshape(-1, 28, 28)
    reader = Pipeline([("image", DigitImageNormalizer().fit(images)), *pipeline.steps])
    with pytest.raises(
        TypeError, match=r"DigitImageNormalizer cannot be converted to ONNX.*pipeline\[1:\]"
    ):
        to_onnx(reader)
    rows = reader[:1].transform(images)
    labels, _ = run(to_onnx(reader[1:], dtype="uint8"), rows)
    np.testing.assert_array_equal(labels, reader.predict(images))


def test_a_place_that_cannot_be_written_is_an_error(pipeline, tmp_path):
    """A folder that does not exist is a FileNotFoundError."""
    with pytest.raises(FileNotFoundError, match="nowhere"):
        to_onnx(pipeline, tmp_path / "nowhere" / "digits.onnx")


@pytest.mark.parametrize("package", ["skl2onnx", "onnxruntime"])
def test_a_missing_extra_says_what_to_install(monkeypatch, package):
    """Without the extra, the import is an ImportError with the command for pip."""
    monkeypatch.setitem(sys.modules, package, None)
    for module in ("sk_digits.onnx", "sk_digits.onnx._to_onnx"):
        monkeypatch.delitem(sys.modules, module)
    with pytest.raises(ImportError, match=r'pip install "sk-digits\[onnx\]"'):
        importlib.import_module("sk_digits.onnx")


def test_the_recipe_predicts_the_same_on_mnist(mnist_home):
    """On 2,000 unseen images all labels are equal and probabilities are within 1e-6."""
    X, y = fetch_mnist(return_X_y=True)
    model = make_digit_pipeline(max_epochs=1, random_state=0).fit(X[:10_000], y[:10_000])
    unseen = X[10_000:]
    assert model.score(unseen, y[10_000:]) > 0.9
    assert_same(model, to_onnx(model, dtype="uint8"), unseen)
    assert_same(model, to_onnx(model), unseen.astype(np.float32))
