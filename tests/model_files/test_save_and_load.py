"""Saved models: the same model back, or a clear error."""

import hashlib
import os
import re
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import safetensors.numpy
import sklearn
import skops.io
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.ensemble import BaggingClassifier
from sklearn.exceptions import InconsistentVersionWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
)
from skorch.callbacks import EpochTimer
from support.model_file_corpus import document_of, split, with_arrays, with_document, with_text

from sk_digits import (
    DigitANN,
    ModelFileError,
    PixelScaler,
    RandomWarp,
    _tensor_file,
    load_model,
    make_digit_pipeline,
    read_metadata,
    save_model,
)
from sk_digits._model_files import save_and_load

TINY = {"hidden_layer_sizes": (16,), "max_epochs": 2, "random_state": 0}


@pytest.fixture
def path(tmp_path):
    """Return a place for a model file."""
    return tmp_path / "model.safetensors"


def round_trip(model, path, **options):
    """Save and load."""
    save_model(model, path, **options)
    return load_model(path)


def edit_metadata(path, **changes):
    """Change what a file says about itself."""
    path.write_bytes(with_document(path.read_bytes(), lambda document: document.update(changes)))


MODELS = {
    "ann": lambda: DigitANN(**TINY),
    "linear": lambda: DigitANN((), max_epochs=2, random_state=0),
    "one width": lambda: DigitANN(np.array(8), max_epochs=2, random_state=0),
    "wide types": lambda: DigitANN(
        np.array([8, 4]),
        max_epochs=np.int64(2),
        lr=np.float64(1e-2),
        dropout=np.float32(0.25),
        image_shape=(np.int64(8), 8),
        device="cpu",
        verbose=False,
    ),
    "all on": lambda: DigitANN(
        **TINY | {"random_state": np.random.RandomState(3)},
        activation="tanh",
        dropout=0.1,
        batch_norm=True,
        augmentation=RandomWarp(rotation=5, elastic=0.01),
        image_shape=(8, 8),
        early_stopping=True,
        class_weight={0: 2.0, np.int64(3): 1},
        label_smoothing=0.1,
    ),
    "recipe": lambda: make_digit_pipeline(**TINY),
    "scalers": lambda: make_pipeline(
        PixelScaler(pixel_max=1.0).set_output(transform="pandas"),
        "passthrough",
        StandardScaler(),
        None,
        MinMaxScaler((-1, 1), clip=True),
        MaxAbsScaler(),
        DigitANN(**TINY),
    ),
    "nested": lambda: make_pipeline(
        make_pipeline(StandardScaler(with_std=False), PCA(0.9, random_state=0)),
        make_pipeline(StandardScaler(with_mean=False, with_std=False), DigitANN(**TINY)),
    ),
    "whitened": lambda: make_pipeline(
        PCA(np.int64(9), whiten=True, svd_solver="full"), DigitANN(**TINY)
    ),
    "arpack": lambda: make_pipeline(PCA(9, svd_solver="arpack", random_state=0), DigitANN(**TINY)),
    "randomized": lambda: make_pipeline(
        PCA(9, svd_solver="randomized", random_state=0), DigitANN(**TINY)
    ),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", MODELS)
def test_a_loaded_model_predicts_the_same_bits(digits, path, name, dtype):
    """Predictions and parameters come back, and the file is as good a second time."""
    X, y = digits[0].astype(dtype), digits[1]
    model = MODELS[name]().fit(X, y)
    expected = model.predict_proba(X)
    loaded = round_trip(model, path)
    np.testing.assert_array_equal(loaded.predict_proba(X), expected)
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    np.testing.assert_array_equal(model.predict_proba(X), expected)
    np.testing.assert_array_equal(round_trip(loaded, path).predict_proba(X), expected)
    assert re.sub("0x[0-9A-F]+", "", repr(loaded)) == re.sub("0x[0-9A-F]+", "", repr(model))


@pytest.mark.parametrize("labels", [str, bool, float, object, int, np.uint8, ">i4"], ids=str)
def test_labels_of_any_type_come_back(digits, path, labels):
    """Labels keep their type, and the weights of classes their keys."""
    X = digits[0]
    names = np.array([f"digit {i}" for i in range(10)])
    y = names[digits[1]] if labels in (str, object) else digits[1] % (2 if labels is bool else 10)
    y = y.astype(labels)
    ann = DigitANN(class_weight={y[0]: 2.0}, **TINY).fit(X, y)
    loaded = round_trip(ann, path)
    assert loaded.classes_.dtype == ann.classes_.dtype.newbyteorder("=")
    assert loaded.class_weight == ann.class_weight
    assert [*map(type, loaded.class_weight)] == [*map(type, ann.class_weight)]
    np.testing.assert_array_equal(loaded.predict(X), ann.predict(X))
    np.testing.assert_array_equal(loaded.fit(X, y).predict_proba(X), ann.fit(X, y).predict_proba(X))


def test_feature_names_come_back(digits, path):
    """A model of named columns checks the names after loading too."""
    import pandas as pd

    X = pd.DataFrame(digits[0], columns=[f"pixel {i}" for i in range(64)])
    model = make_digit_pipeline(**TINY).fit(X, digits[1])
    loaded = round_trip(model, path)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    with pytest.raises(ValueError, match="feature names should match"):
        loaded.predict(X[X.columns[::-1]])


def test_training_goes_on_the_same_after_loading(digits, path):
    """With the optimizer kept, every way to train on gives bits as if nothing had happened."""
    X, y = digits
    for method in ("fit", "partial_fit"):
        ann = DigitANN(dropout=0.2, batch_norm=True, warm_start=True, **TINY)
        getattr(ann, method)(X, y, **{"classes": np.arange(10)} if method == "partial_fit" else {})
        for go_on in ("partial_fit", "fit"):
            loaded = round_trip(ann, path, keep_optimizer=True)
            getattr(ann, go_on)(X, y)
            getattr(loaded, go_on)(X, y)
            np.testing.assert_array_equal(loaded.predict_proba(X), ann.predict_proba(X))
            assert loaded.loss_curve_ == ann.loss_curve_


def test_without_the_optimizer_a_file_is_a_third(digits, path):
    """What fit leaves needs no optimizer; what partial_fit leaves is two more floats a weight."""
    X, y = digits
    ann = DigitANN((64,), max_epochs=2, random_state=0).fit(X, y)
    sizes = {}
    for keep in (False, True):
        save_model(ann, path, keep_optimizer=keep)
        sizes["fit", keep] = path.stat().st_size
    ann.partial_fit(X, y)
    for keep in (False, True):
        save_model(ann, path, keep_optimizer=keep)
        sizes["partial_fit", keep] = path.stat().st_size
    n_bytes = 4 * read_metadata(path)["n_parameters"]
    assert sizes["fit", True] == sizes["fit", False]
    moments = sizes["partial_fit", True] - sizes["partial_fit", False]
    assert 2 * n_bytes < moments < 2 * n_bytes + 8000
    assert ann.net_.optimizer_.state, "saving took the optimizer from the model itself"
    assert not load_without_optimizer(ann, path).net_.optimizer_.state


def load_without_optimizer(ann, path):
    """Save without the optimizer, and load."""
    return round_trip(ann, path, keep_optimizer=False)


def test_callbacks_and_memory_are_left_out(digits, path, tmp_path):
    """What is code, or a place on this machine, is None after loading, and stays in the model."""
    ann = DigitANN(callbacks=[EpochTimer()], **TINY)
    model = Pipeline([("scaler", PixelScaler()), ("ann", ann)], memory=str(tmp_path / "cache"))
    loaded = round_trip(model.fit(*digits), path)
    assert loaded.memory is None
    assert loaded["ann"].callbacks is None
    assert model["ann"].callbacks == ann.callbacks is not None
    assert model.memory is not None


def test_one_model_gives_equal_files_but_for_the_time(digits, path):
    """A file depends on the model alone; only the time of saving differs."""
    ann = DigitANN(**TINY).fit(*digits)
    save_model(ann, path)
    first = path.read_bytes()
    save_model(ann, path)
    second = path.read_bytes()
    assert split(first)[1] == split(second)[1]
    created = {"created": None, "sha256": None}
    assert document_of(first) | created == document_of(second) | created
    if document_of(first)["created"] == document_of(second)["created"]:
        assert first == second


def test_the_sha256_is_that_of_the_file_with_zeros_in_its_place(digits, path):
    """It covers every byte, metadata included, and can be checked without this package."""
    save_model(DigitANN(**TINY).fit(*digits), path, metadata={"zeros": "0" * 64})
    content, stated = path.read_bytes(), read_metadata(path)["sha256"]
    assert content.count(stated.encode()) == 1
    blank = content.replace(stated.encode(), b"0" * 64)
    assert hashlib.sha256(blank).hexdigest() == stated


def test_safetensors_itself_reads_the_arrays(digits, path):
    """Whoever has no sk-digits still has the weights."""
    ann = DigitANN(**TINY).fit(*digits)
    save_model(ann, path)
    arrays = safetensors.numpy.load_file(path)
    for name, tensor in ann.net_.module_.state_dict().items():
        np.testing.assert_array_equal(arrays[f"model.weights/{name}"], tensor.numpy())


def test_skops_stores_fitted_models_too(digits, tmp_path):
    """An estimator's state is plain data: skops gives the same model if told to trust our types."""
    model = make_digit_pipeline(**TINY).fit(*digits)
    skops.io.dump(model, tmp_path / "model.skops")
    ours = skops.io.get_untrusted_types(file=tmp_path / "model.skops")
    assert {name.split(".")[0] for name in ours} == {"sk_digits"}
    other = skops.io.load(tmp_path / "model.skops", trusted=ours)
    np.testing.assert_array_equal(other.predict_proba(digits[0]), model.predict_proba(digits[0]))


def test_a_model_from_a_gpu_loads_without_one(digits, path):
    """The device is kept, its generator's state is not needed, and predictions are the same."""
    X, y = digits
    ann = DigitANN(**TINY).fit(X, y)
    save_model(ann.set_params(device="cuda:99"), path)
    state = {"model.generator": np.zeros(16, np.uint8)}  # a seed and an offset
    path.write_bytes(with_arrays(path.read_bytes(), lambda arrays: arrays.update(state)))
    loaded = load_model(path)
    assert loaded.device == "cuda:99"
    np.testing.assert_array_equal(loaded.predict_proba(X), ann.predict_proba(X))


def test_metadata_tell_of_the_model(digits, path):
    """All that one wants to know before loading, and what the user wrote."""
    mine = {"author": "Ada", "scores": [0.5, None, {"a": True}]}
    model = make_digit_pipeline(early_stopping=True, **TINY).fit(digits[0], digits[1].astype(str))
    save_model(model, path, metadata=mine)
    about = read_metadata(path)
    ann = model[-1]
    assert about["metadata"] == mine
    assert about["classes"] == [str(i) for i in range(10)]
    assert about["n_features_in"] == 64
    assert about["n_parameters"] == 64 * 16 + 2 * 16 + 16 * 10 + 10
    assert about["training"] == {
        "epochs": 2,
        "loss": ann.loss_curve_[-1],
        "validation_score": ann.best_validation_score_,
        "seconds": sum(row["dur"] for row in ann.net_.history),
    }
    names = {"sk-digits", "numpy", "scikit-learn", "torch", "skorch", "safetensors", "python"}
    assert set(about["versions"]) == names
    assert about["format_version"] == 2
    assert "tree" not in about


@pytest.mark.slow
def test_metadata_are_read_without_the_model(digits, path):
    """No torch and no scikit-learn for a look at a file; skops for nothing."""
    save_model(DigitANN(**TINY).fit(*digits), path)
    code = (
        "import sys, sk_digits; sk_digits.read_metadata(sys.argv[1]);"
        "print([m for m in ('torch', 'sklearn', 'skorch', 'skops') if m in sys.modules]);"
        "sk_digits.load_model(sys.argv[1]); print('skops' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(path)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.split("\n")[:2] == ["[]", "False"]


@pytest.mark.parametrize(
    "metadata", [["a"], {"a": (1, 2)}, {1: 2}, {"a": float("nan")}, {"a": object()}, {"a": b"x"}]
)
def test_metadata_that_json_would_change_are_refused(digits, path, metadata):
    """What would not come back as it is, is no metadata."""
    with pytest.raises(TypeError, match="metadata must be a dict with str keys and JSON values"):
        save_model(DigitANN(**TINY).fit(*digits), path, metadata=metadata)
    assert not path.exists()


def test_what_is_not_fitted_is_not_saved(path):
    """Parameters alone are no model."""
    with pytest.raises(NotFittedError, match="not fitted yet"):
        save_model(DigitANN(), path)
    with pytest.raises(NotFittedError, match="not fitted yet"):
        save_model(make_digit_pipeline(), path)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (LogisticRegression(), "the model is a sklearn.linear_model.*model files take DigitANN"),
        (make_pipeline(RobustScaler(), DigitANN(**TINY)), r"\['robustscaler'\] is a .*PixelScaler"),
        (
            make_pipeline(FunctionTransformer(np.sqrt), DigitANN(**TINY)),
            r"\['functiontransformer'\] is a sklearn",
        ),
        (make_pipeline(PixelScaler(), LogisticRegression()), r"\['logisticregression'\] is a skl"),
    ],
)
def test_models_of_other_types_are_refused(digits, path, model, message):
    """The error names what is in the way, and what could stand there."""
    with pytest.raises(TypeError, match=message):
        save_model(model.fit(*digits), path)
    assert not path.exists()


@pytest.mark.parametrize(
    ("model", "advice"),
    [
        (GridSearchCV(DigitANN(**TINY), {"lr": [0.01]}, cv=2), "its best_estimator_"),
        (
            RandomizedSearchCV(make_digit_pipeline(**TINY), {"ann__lr": [0.01]}, n_iter=1, cv=2),
            "its best_estimator_",
        ),
        (CalibratedClassifierCV(DigitANN(**TINY), cv=2), r"pickle.*skops.*types that you trust"),
        (BaggingClassifier(DigitANN(**TINY), n_estimators=2), r"pickle.*skops"),
    ],
)
@pytest.mark.parametrize("fitted", [True, False])
def test_how_to_keep_a_meta_estimator_is_said(digits, path, model, advice, fitted):
    """Of a search its best model; other meta-estimators by other means."""
    with pytest.raises(TypeError, match=f"the model is a sklearn.*{advice}"):
        save_model(clone(model).fit(*digits) if fitted else clone(model), path)
    assert not path.exists()


def test_what_would_not_load_is_not_saved(digits, path):
    """Saving reads back: what a file cannot hold is an error at once, not when it is needed."""
    ann = DigitANN(**TINY).fit(*digits)
    ann.net_.module_[0].weight.data[0, 0] = float("nan")
    with pytest.raises(ValueError, match=r"does not fit into a model file: .*is not finite"):
        save_model(ann, path)
    ann = DigitANN(**TINY).fit(*digits)
    ann.colour_ = "blue"
    with pytest.raises(ValueError, match=r"unknown attributes \['colour_'\]"):
        save_model(ann, path)
    ann.colour_ = (i for i in range(3))
    with pytest.raises(ValueError, match=r"does not fit into a .*builtins\.generator is no plain"):
        save_model(ann, path)
    ann.colour_ = []
    ann.colour_.append(ann.colour_)
    with pytest.raises(ValueError, match="does not fit into a model file"):
        save_model(ann, path)
    del ann.colour_
    with pytest.raises(ValueError, match=r"a builtins\.bytes is no plain value"):
        save_model(ann.set_params(class_weight={b"1": 1.0}), path)
    ann.set_params(class_weight=None).net_.history[0]["thing"] = object()
    with pytest.raises(ValueError, match=r"a builtins\.object is no plain value"):
        save_model(ann, path)
    pipeline = make_pipeline(PixelScaler(), DigitANN(**TINY)).fit(*digits)
    pipeline.transform_input = ["X"]
    with pytest.raises(ValueError, match="the model has a transform_input"):
        save_model(pipeline, path)
    assert not path.exists()


def test_what_callbacks_record_in_the_history_comes_back(digits, path):
    """Numbers of any kind, texts and lists keep their types; NaN is a number, too."""
    ann = DigitANN(**TINY).fit(*digits)
    recorded = {"a": np.float32(0.1), "b": [1, {"c": float("nan")}], "d": ("x", None), "e": True}
    ann.net_.history[0].update(recorded)
    row = round_trip(ann, path).net_.history[0]
    assert repr({name: row[name] for name in recorded}) == repr(recorded)


def test_too_much_metadata_is_refused(digits, path):
    """What load_model would refuse for its size is not written."""
    with pytest.raises(ValueError, match=r"its header is .* bytes, .* Shorten the metadata"):
        save_model(DigitANN(**TINY).fit(*digits), path, metadata={"a": "x" * 2**20})
    assert not path.exists()


def test_a_file_of_a_newer_format_names_the_version_that_reads_it(digits, path):
    """An old release says what to install."""
    save_model(DigitANN(**TINY).fit(*digits), path)
    edit_metadata(path, format_version=3, needs_sk_digits="7.1.0")
    for read in (load_model, read_metadata):
        with pytest.raises(ModelFileError, match=r"has format 3.*Install sk-digits 7\.1\.0"):
            read(path)


def test_a_file_of_the_format_before_says_so(path):
    """Until format 2 a model file was a zip archive, of skops."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", "{}")
    for read in (load_model, read_metadata):
        with pytest.raises(ModelFileError, match="a zip archive, as older releases wrote them"):
            read(path)


@pytest.mark.parametrize("version", [0, True, "1", None, 1.0])
def test_a_file_of_no_format_is_refused(digits, path, version):
    """A format is a positive int."""
    save_model(DigitANN(**TINY).fit(*digits), path)
    edit_metadata(path, format_version=version)
    with pytest.raises(ModelFileError, match="names no format version"):
        load_model(path)


@pytest.mark.parametrize(
    ("name", "value"), [("n_parameters", 3), ("classes", [0]), ("n_features_in", None)]
)
def test_metadata_of_another_model_are_refused(digits, path, name, value):
    """What read_metadata told of a file that loads was true."""
    save_model(DigitANN(**TINY).fit(*digits), path)
    edit_metadata(path, **{name: value})
    with pytest.raises(ModelFileError, match=f"describe another model: {name}"):
        load_model(path)


def test_another_version_of_scikit_learn_is_warned_of(digits, path):
    """scikit-learn's own warning comes through, and names the versions."""
    save_model(make_digit_pipeline(**TINY).fit(*digits), path)
    text = with_text(path.read_bytes(), lambda text: text.replace(sklearn.__version__, "1.0.0"))
    path.write_bytes(text)
    with pytest.warns(InconsistentVersionWarning, match=r"Pipeline from version 1\.0\.0"):
        load_model(path)


def test_too_large_a_model_is_refused(digits, path, monkeypatch):
    """What load_model would not open for its length is not written."""
    monkeypatch.setattr(save_and_load, "MAX_FILE_BYTES", 1000)
    with pytest.raises(ValueError, match=r"it is [\d,]+ bytes; a file has 1,000 at most"):
        save_model(DigitANN(**TINY).fit(*digits), path)
    assert not path.exists()


def test_too_many_arrays_are_refused(digits, path, monkeypatch):
    """A net of thousands of layers fits into no model file."""
    monkeypatch.setattr(_tensor_file, "MAX_ARRAYS", 4)
    with pytest.raises(ValueError, match="it has 5 arrays; 4 are allowed"):
        save_model(DigitANN(**TINY).fit(*digits), path)
    assert not path.exists()


def test_metadata_of_any_length_are_refused_soon(digits, path):
    """The header is not read beyond its limit."""
    path.write_bytes((2**21).to_bytes(8, "little") + b"{" * 2**21)
    for read in (load_model, read_metadata):
        with pytest.raises(ModelFileError, match="its header is 2,097,152 bytes long; at most 1,0"):
            read(path)


def test_a_changed_byte_is_found(digits, path):
    """The checksum is over everything: here a digit of the date, and the last of the arrays."""
    save_model(DigitANN(**TINY).fit(*digits), path)
    honest = path.read_bytes()
    for position in (honest.index(b"created") + 14, len(honest) - 1):
        content = bytearray(honest)
        content[position] ^= 1
        path.write_bytes(content)
        with pytest.raises(ModelFileError, match="its SHA-256 is not the one that it states"):
            load_model(path)


def test_errors_of_the_system_stay_what_they_are(tmp_path):
    """A missing file and a folder are no damaged files, and a pipe is not waited for."""
    for read in (load_model, read_metadata):
        with pytest.raises(FileNotFoundError, match=r"none\.safetensors"):
            read(tmp_path / "none.safetensors")
        with pytest.raises(IsADirectoryError, match="Is a directory"):
            read(tmp_path)
        os.mkfifo(tmp_path / read.__name__)
        with pytest.raises(ModelFileError, match="is no regular file"):
            read(tmp_path / read.__name__)
