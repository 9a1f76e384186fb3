"""The contract on side effects: global state is as before after success and after any failure."""

import errno
import os
import warnings

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from support.classifiers import EVERYTHING, TINY
from support.contract import state_of, world

from sk_digits import (
    DigitANN,
    DigitImageNormalizer,
    ModelFileError,
    load_model,
    make_digit_pipeline,
    save_model,
)
from sk_digits._network.gradients import Backpropagation
from sk_digits._network.mlp import MLP

PREDICTIONS = ["predict", "predict_proba", "predict_log_proba", "decision_function"]


@pytest.fixture
def strange_world():
    """Set global state to other values than the defaults, which no call may restore."""
    before = world()
    with warnings.catch_warnings(), np.errstate(under="raise"), torch.no_grad():
        warnings.filterwarnings("ignore", message="a filter of the user's")
        torch.set_num_threads(2)
        torch.set_default_dtype(torch.float64)
        torch.set_float32_matmul_precision("medium")
        torch.use_deterministic_algorithms(True, warn_only=True)
        strange = world()
        usual = {"numpy", "torch", "python", "autocast", "showwarning", "sigint"}
        assert {name for name in strange if strange[name] == before[name]} == usual
        yield strange
        torch.use_deterministic_algorithms(False)
        torch.set_float32_matmul_precision(before["matmul"])
        torch.set_default_dtype(before["dtype"])
        torch.set_num_threads(before["threads"][0])
    assert world() == before


@pytest.fixture
def data(digits):
    """Return 100 digits and their labels."""
    return digits[0][:100], digits[1][:100]


@pytest.fixture(scope="module")
def fitted(digits):
    """Return a fitted classifier, which no test may change."""
    return DigitANN(**TINY, batch_norm=True, dropout=0.2).fit(*digits)


class Fails(Callback):
    """Raises in the hook of the given name."""

    def __init__(self, hook, error):
        self.hook = hook
        self.error = error

    def _fail(self, hook):
        if hook == self.hook:
            raise self.error

    def on_train_begin(self, net, **kwargs):
        """Fail before the first epoch."""
        self._fail("on_train_begin")

    def on_batch_begin(self, net, **kwargs):
        """Fail before a step."""
        self._fail("on_batch_begin")

    def on_grad_computed(self, net, **kwargs):
        """Fail within a step."""
        self._fail("on_grad_computed")

    def on_epoch_end(self, net, **kwargs):
        """Fail between epochs."""
        self._fail("on_epoch_end")


def failing(hook, error):
    """Return parameters with a callback that fails."""
    return {"callbacks": [Fails(hook, error("mine"))]}


def bad_x(X, y):
    """Return the rows with a NaN in them."""
    X = X.copy()
    X[3, 3] = np.nan
    return X, y


FEATURES = {
    "plain": {},
    "all": EVERYTHING,
    "bfloat16": {"precision": "bfloat16", "augmentation": "elastic"},
    "entropy": {"random_state": None, "class_weight": "balanced"},
}


@pytest.mark.parametrize("params", FEATURES.values(), ids=FEATURES)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_trainings_that_succeed_leave_the_world_alone(data, strange_world, method, params):
    """fit, partial_fit and predictions of the net leave global state as it was."""
    X, y = data
    ann = getattr(DigitANN(**TINY | params), method)(X, y, **_classes(method))
    assert world() == strange_world
    ann.net_.predict(X)  # as skorch does it, with a DataLoader
    assert world() == strange_world


def _classes(method):
    return {"classes": range(10)} if method == "partial_fit" else {}


TRAINING_FAILURES = {
    "bad X": ({}, bad_x, ValueError, "NaN"),
    "no X": ({}, lambda X, y: (X[:0], y[:0]), ValueError, "sample"),
    "bad y": ({}, lambda X, y: (X, y + 0.5), ValueError, "label type|among the classes"),
    "short y": ({}, lambda X, y: (X, y[:-1]), ValueError, "inconsistent"),
    "bad parameter": ({"lr": -1.0}, None, ValueError, "'lr'"),
    "bad shape": ({"augmentation": "affine", "image_shape": (3, 3)}, None, ValueError, "pixels"),
    "divergence": ({"lr": 1e30, "max_epochs": 5}, lambda X, y: (X * 1e30, y), ValueError, "diverg"),
    "callback": (failing("on_epoch_end", RuntimeError), None, RuntimeError, "mine"),
    "callback at once": (failing("on_train_begin", OSError), None, OSError, "mine"),
    "callback in a step": (
        failing("on_grad_computed", RuntimeError) | {"precision": "bfloat16"},
        None,
        RuntimeError,
        "mine",
    ),
    "Ctrl-C": (failing("on_batch_begin", KeyboardInterrupt), None, KeyboardInterrupt, "mine"),
    "exit": (failing("on_batch_begin", SystemExit), None, SystemExit, "mine"),
}


@pytest.mark.parametrize("failure", TRAINING_FAILURES)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_trainings_that_fail_leave_the_world_alone(data, strange_world, method, failure):
    """A training that fails leaves global state and the classifier as they were."""
    params, spoil, error, message = TRAINING_FAILURES[failure]
    X, y = (spoil or (lambda X, y: (X, y)))(*data)
    ann = DigitANN(**TINY | params)
    before = dict(vars(ann))
    with pytest.raises(error, match=message):
        getattr(ann, method)(X, y, **_classes(method))
    assert world() == strange_world
    assert vars(ann) == before


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize(
    ("method", "precision"),
    [
        *((method, p) for method in ("fit", "partial_fit") for p in ("float32", "bfloat16")),
        *((method, "float32") for method in [*PREDICTIONS, "score"]),
    ],
)
def test_errors_within_the_network_leave_the_world_alone(
    data, fitted, strange_world, monkeypatch, method, precision, error
):
    """So does an error within a forward pass, of a training or of a prediction."""

    def fail(self, *args):
        raise error("mine")

    state = state_of(fitted)
    monkeypatch.setattr(MLP, "forward", fail)
    monkeypatch.setattr(Backpropagation, "__call__", fail)
    is_training = method in ("fit", "partial_fit")
    ann = DigitANN(**TINY, precision=precision) if is_training else fitted
    arguments = data[:1] if method in PREDICTIONS else data
    with pytest.raises(error, match="mine"):
        getattr(ann, method)(*arguments, **_classes(method))
    assert world() == strange_world
    assert state_of(fitted) == state


PREDICTION_FAILURES = {
    "NaN": (lambda X: bad_x(X, None)[0], ValueError, "NaN"),
    "width": (lambda X: X[:, 1:], ValueError, "63 features"),
    "no rows": (lambda X: X[:0], ValueError, "0 sample"),
    "one row": (lambda X: X[0], ValueError, "1D array"),
    "huge": (lambda X: X + np.float32(3e38), ValueError, "too large"),
    "words": (lambda X: [["a"] * 64], ValueError, "could not convert"),
    "none": (lambda X: None, ValueError, "Expected 2D array"),
}


@pytest.mark.parametrize("method", PREDICTIONS)
@pytest.mark.parametrize("failure", [None, *PREDICTION_FAILURES])
def test_predictions_leave_the_world_and_the_classifier_alone(
    data, fitted, strange_world, method, failure
):
    """Predictions of good and of bad rows change neither."""
    state = state_of(fitted)
    if failure is None:
        assert len(getattr(fitted, method)(data[0])) == 100
    else:
        spoil, error, message = PREDICTION_FAILURES[failure]
        with pytest.raises(error, match=message):
            getattr(fitted, method)(spoil(data[0]))
    assert world() == strange_world
    assert state_of(fitted) == state


def test_score_leaves_the_world_and_the_classifier_alone(data, fitted, strange_world):
    """score changes neither, with good labels and with labels of another length."""
    state = state_of(fitted)
    assert 0 <= fitted.score(*data) <= 1
    with pytest.raises(ValueError, match="inconsistent"):
        fitted.score(data[0], data[1][1:])
    assert world() == strange_world
    assert state_of(fitted) == state


def raising(error):
    """Return a function that raises the error."""

    def fail(*args, **kwargs):
        raise error

    return fail


NO_SPACE = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("error", [None, NO_SPACE, MemoryError("mine"), KeyboardInterrupt("mine")])
def test_saving_leaves_the_world_and_the_model_alone(
    fitted, strange_world, tmp_path, monkeypatch, error
):
    """After success, on a full disk and after Ctrl-C, the model and global state are as before."""
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"the old file")
    state = state_of(fitted)
    if error is None:
        save_model(fitted, path)
        assert path.stat().st_size > 100
    else:
        monkeypatch.setattr(os, "fsync", raising(error))
        with pytest.raises(type(error), match=r"No space left|mine"):
            save_model(fitted, path)
        assert path.read_bytes() == b"the old file"
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.safetensors"]
    assert world() == strange_world
    assert state_of(fitted) == state


def test_what_cannot_be_saved_leaves_the_world_alone(fitted, strange_world, tmp_path):
    """A failed save leaves global state as it was, and no file."""
    calls = [
        (TypeError, "model files take", ("no model", tmp_path / "a")),
        (ValueError, "not fitted", (DigitANN(), tmp_path / "a")),
        (OSError, "No such file", (fitted, tmp_path / "none" / "a")),
    ]
    for error, message, arguments in calls:
        with pytest.raises(error, match=message):
            save_model(*arguments)
    assert world() == strange_world
    assert list(tmp_path.iterdir()) == []


LOADING_FAILURES = {
    "cut": (lambda content: content[:-100], ModelFileError, "only the beginning of one"),
    "changed": (
        lambda content: content.replace(b"ANN", b"XNN"),
        ModelFileError,
        "damaged",
    ),
    "empty": (lambda content: b"", ModelFileError, "no model file"),
}


@pytest.mark.parametrize("failure", [None, *LOADING_FAILURES])
def test_loading_leaves_the_world_alone(
    honest_model_file, strange_world, tmp_path, digits, failure
):
    """Loading a good or a damaged file leaves global state as it was."""
    path = tmp_path / "model.safetensors"
    if failure is None:
        path.write_bytes(honest_model_file)
        assert load_model(path).predict(digits[0][:5]).shape == (5,)
    else:
        spoil, error, message = LOADING_FAILURES[failure]
        path.write_bytes(spoil(honest_model_file))
        with pytest.raises(error, match=message):
            load_model(path)
    assert world() == strange_world


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
def test_errors_in_loading_leave_the_world_alone(
    honest_model_file, strange_world, tmp_path, monkeypatch, error
):
    """A missing file, missing memory and Ctrl-C while loading leave global state as it was."""
    path = tmp_path / "model.safetensors"
    with pytest.raises(FileNotFoundError, match="model"):
        load_model(path)
    path.write_bytes(honest_model_file)
    monkeypatch.setattr(MLP, "load_state_dict", raising(error("mine")))
    with pytest.raises(error, match="mine"):
        load_model(path)
    assert world() == strange_world


def picture():
    """Return a picture of a 1."""
    image = np.full((60, 60), 230, dtype=np.uint8)
    image[15:45, 27:33] = 20
    return image


PICTURES = {
    "good": (lambda: [picture()], None, ""),
    "blank": (lambda: [np.full((50, 50), 255, np.uint8)], ValueError, "no digit"),
    "broken file": (lambda: [b"\x89PNG\r\n\x1a\nbroken"], ValueError, "Image 0"),
    "no file": (lambda: ["not-there.png"], FileNotFoundError, "not-there"),
    "NaN": (lambda: [np.full((50, 50), np.nan)], ValueError, "Image 0"),
    "one image": (lambda: picture().tobytes(), TypeError, "one image"),
    "empty": (lambda: [], ValueError, "no images"),
}


@pytest.mark.parametrize("case", PICTURES)
def test_pictures_leave_the_world_alone(strange_world, case):
    """DigitImageNormalizer leaves global state as it was, with digits and with bad input."""
    make, error, message = PICTURES[case]
    normalizer = DigitImageNormalizer()
    before = dict(vars(normalizer))
    if error is None:
        assert normalizer.transform(make()).max() == 255
    else:
        with pytest.raises(error, match=message):
            normalizer.transform(make())
    assert world() == strange_world
    assert vars(normalizer) == before


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
def test_errors_within_pictures_leave_the_world_alone(strange_world, tmp_path, monkeypatch, error):
    """So does an error while Pillow decodes a file, also the warning filters."""
    from PIL import Image, PngImagePlugin

    path = tmp_path / "1.png"
    Image.fromarray(picture()).save(path)
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", raising(error("mine")))
    with pytest.raises((error, ValueError), match="mine"):
        DigitImageNormalizer().transform([path])
    assert world() == strange_world


def test_whole_pipelines_leave_the_world_alone(data, strange_world):
    """fit, predict and score of the recipe leave global state as it was."""
    X, y = (data[0] * 255).astype(np.uint8), data[1]
    model = make_digit_pipeline(hidden_layer_sizes=(8,), max_epochs=1, random_state=0)
    model.fit(X, y).predict(X)
    model.score(X, y)
    assert world() == strange_world
