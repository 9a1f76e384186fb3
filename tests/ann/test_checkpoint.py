"""`TrainingCheckpoint`: a training that was interrupted continues as if it had not been."""

import contextlib
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone
from skorch.callbacks import Callback
from support.classifiers import EVERYTHING, TINY, weights_of
from support.model_file_corpus import case, with_arrays, with_document

from sk_digits import DigitANN, RandomWarp, TrainingCheckpoint

TESTS = Path(__file__).parents[1]
SIX_EPOCHS = TINY | {"max_epochs": 6}
STOPS_EARLY = EVERYTHING | {"n_iter_no_change": 2, "tol": 0.3}


class Crash(Callback):
    """Fails after some epochs."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, net, **kwargs):
        """Raise an error after the chosen epoch."""
        if net.epochs_done == self.epoch:
            raise RuntimeError("crash")


def _parts(ann):
    history = [{k: v for k, v in row.items() if k != "dur"} for row in ann.net_.history]
    return weights_of(ann), history


def _assert_equal(ann, other):
    (weights, history), (other_weights, other_history) = _parts(ann), _parts(other)
    assert history == other_history
    assert weights.keys() == other_weights.keys()
    for name, array in weights.items():
        np.testing.assert_array_equal(array, other_weights[name])


@pytest.mark.parametrize("crash", [1, 3, 6])
@pytest.mark.parametrize(
    "params", [{}, {"lr_schedule": "constant"}, STOPS_EARLY, {"precision": "bfloat16"}], ids=str
)
def test_a_resumed_training_equals_an_uninterrupted_one(digits, tmp_path, params, crash):
    """Weights, running statistics of batch norm and history are equal to the bit."""
    X, y = digits
    weight = np.linspace(0.5, 2, len(y))
    whole = DigitANN(**SIX_EPOCHS, **params).fit(X, y, sample_weight=weight)
    ann = DigitANN(**SIX_EPOCHS, **params, callbacks=[TrainingCheckpoint(tmp_path), Crash(crash)])
    if crash <= whole.n_iter_:
        with pytest.raises(RuntimeError, match="crash"):
            ann.fit(X, y, sample_weight=weight)
        assert len(list(tmp_path.iterdir())) == 1
    ann.set_params(callbacks=[TrainingCheckpoint(tmp_path)]).fit(X, y, sample_weight=weight)
    _assert_equal(ann, whole)
    np.testing.assert_array_equal(ann.predict_proba(X), whole.predict_proba(X))


def test_epochs_that_were_saved_are_not_trained_again(digits, tmp_path):
    """Where the whole training was saved, fit returns its result without training an epoch."""
    X, y = digits
    ann = DigitANN(**SIX_EPOCHS, callbacks=[TrainingCheckpoint(tmp_path)]).fit(X, y)
    (file,) = tmp_path.iterdir()
    before = file.stat().st_mtime_ns
    again = DigitANN(**SIX_EPOCHS, callbacks=[TrainingCheckpoint(tmp_path)]).fit(X, y)
    assert file.stat().st_mtime_ns == before
    _assert_equal(ann, again)
    assert again.n_iter_ == 6


def test_warm_started_trainings_have_files_of_their_own(digits, tmp_path):
    """A warm start is another training with its own file, and its result needs no file."""
    X, y = digits
    params = {**SIX_EPOCHS, "warm_start": True}
    ann = DigitANN(**params, callbacks=[TrainingCheckpoint(tmp_path)]).fit(X, y).fit(X, y)
    _assert_equal(ann, DigitANN(**params).fit(X, y).fit(X, y))
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"lr": 1e-3},
        {"max_epochs": 7},
        {"random_state": 1},
        {"dropout": 0.1},
        {"activation": "tanh"},
    ],
    ids=str,
)
def test_another_training_starts_anew(digits, tmp_path, change):
    """A fit with another parameter or seed does not continue from the file."""
    X, y = digits
    DigitANN(**SIX_EPOCHS, callbacks=[TrainingCheckpoint(tmp_path)]).fit(X, y)
    changed = DigitANN(**SIX_EPOCHS | change, callbacks=[TrainingCheckpoint(tmp_path)]).fit(X, y)
    _assert_equal(changed, DigitANN(**SIX_EPOCHS | change).fit(X, y))
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("change", ["row", "label", "weight", "patience"])
def test_other_data_start_anew(digits, tmp_path, change):
    """A fit with one other pixel, label or weight, or another patience, does not continue."""
    X, y = digits[0].copy(), digits[1].copy()
    weight = np.ones(len(y))
    ann = DigitANN(**SIX_EPOCHS, early_stopping=True, callbacks=[TrainingCheckpoint(tmp_path)])
    ann.fit(X, y, sample_weight=weight)
    if change == "row":
        X[5, 5] += 0.25
    elif change == "label":
        y[5] = (y[5] + 1) % 10
    elif change == "weight":
        weight[5] = 2
    else:
        ann.set_params(n_iter_no_change=3)
    ann.fit(X, y, sample_weight=weight)
    assert len(list(tmp_path.iterdir())) == 2


def test_the_weight_of_each_row_counts(digits, tmp_path):
    """Changing the weight of any row makes another training, also of a row that is held out."""
    X, y = digits[0][:100], digits[1][:100]
    params = SIX_EPOCHS | {"max_epochs": 1, "early_stopping": True, "validation_fraction": 0.25}
    ann = DigitANN(**params, callbacks=[TrainingCheckpoint(tmp_path)])
    for i in range(20):
        ann.fit(X, y, sample_weight=1 + 0.5 * (np.arange(100) == i))
    assert len(list(tmp_path.iterdir())) == 20


def test_numbers_of_numpy_are_parameters_too(digits, tmp_path):
    """Parameters may be NumPy's numbers; equal numbers of Python continue from the same file."""
    for number in (np.int64, int):
        warp = RandomWarp(rotation=10, elastic=0.01, elastic_grid=number(4))
        params = {"augmentation": warp, "early_stopping": True, "n_iter_no_change": number(3)}
        DigitANN(**SIX_EPOCHS, **params, callbacks=[TrainingCheckpoint(tmp_path)]).fit(*digits)
    assert len(list(tmp_path.iterdir())) == 1


def test_one_pass_is_not_taken_for_a_whole_training(digits, tmp_path):
    """partial_fit with the same seed and folder starts from new weights and trains one epoch."""
    params = SIX_EPOCHS | {"lr_schedule": "constant", "callbacks": [TrainingCheckpoint(tmp_path)]}
    DigitANN(**params).fit(*digits)
    assert DigitANN(**params).partial_fit(*digits, classes=range(10)).n_iter_ == 1


def test_what_another_process_writes_is_left_to_it(digits, tmp_path):
    """A torn file is deleted only when it is so old that no process can still be writing it."""
    ann = DigitANN(**SIX_EPOCHS, callbacks=[TrainingCheckpoint(tmp_path)]).fit(*digits)
    (file,) = tmp_path.iterdir()
    new, old = (tmp_path / f".{file.name}.{name}.tmp" for name in ("new", "old"))
    for path in (new, old):
        path.write_bytes(b"torn")
    os.utime(old, (0, 0))
    ann.fit(*digits)
    assert set(tmp_path.iterdir()) == {file, new}


@pytest.fixture(scope="module")
def interrupted(digits, tmp_path_factory):
    """Return a training with early stopping, its file, and the bytes of that after two epochs."""
    folder = tmp_path_factory.mktemp("run")
    ann = DigitANN(
        **SIX_EPOCHS, early_stopping=True, callbacks=[TrainingCheckpoint(folder), Crash(2)]
    )
    with pytest.raises(RuntimeError, match="crash"):
        ann.fit(*digits)
    (file,) = folder.iterdir()
    return ann.set_params(callbacks=[TrainingCheckpoint(folder)]), file, file.read_bytes()


def _assert_damaged(interrupted, digits, content, reason):
    ann, file, _ = interrupted
    file.write_bytes(content)
    message = rf"{file.name}' is damaged \(.*{reason}.*\)\. Delete it to start anew\."
    with pytest.raises(ValueError, match=message):
        clone(ann).fit(*digits)
    assert file.read_bytes() == content


@pytest.mark.parametrize("n_bytes", [0, 7, 10, 1000, -10])
def test_a_truncated_file_is_an_error_that_names_it(interrupted, digits, n_bytes):
    """What is cut off is not gone on from."""
    _assert_damaged(interrupted, digits, interrupted[2][:n_bytes], "only the beginning of one")


def test_every_damaged_byte_is_found(interrupted, digits):
    """A changed bit, wherever it is, is one error, and never an interpreter that dies."""
    rng = np.random.default_rng(0)
    for position in [*range(8), *rng.integers(8, len(interrupted[2]), 40)]:
        content = bytearray(interrupted[2])
        content[position] ^= 1 << rng.integers(8)
        _assert_damaged(interrupted, digits, bytes(content), "")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Training hardly converged")  # a file may have any losses
def test_hostile_files_are_errors_or_trainings(interrupted, digits, tmp_path):
    """Of files with a right checksum each is that error, or what a training can go on from."""
    ann, file, honest = interrupted
    n_refused = 0
    for i in range(400):
        file.write_bytes(case(honest, i, str(tmp_path / "canary")).content)
        resumed = clone(ann)
        with contextlib.suppress(ValueError):
            resumed.fit(*digits)
        n_refused += not hasattr(resumed, "net_")
    assert n_refused > 300
    assert not (tmp_path / "canary").exists()


def _set(name, array):
    return lambda arrays: arrays.update({name: array})


def _point_elsewhere(arrays):
    arrays["generator"][8:12] = np.frombuffer(np.int32(624).tobytes(), np.uint8)
    arrays["generator"][16:24] = np.frombuffer(np.int64(624).tobytes(), np.uint8)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_set("optimizer/0/exp_avg", np.zeros(1, np.float32)), "by its architecture it has shape"),
        (_set("optimizer/0/step", np.zeros(2, np.float32)), "by its architecture it has shape"),
        (_set("weights/0.weight", np.zeros((16, 64))), "by its architecture it has shape"),
        (_set("best/0.bias", np.full(16, np.nan, np.float32)), "best/0.bias is not finite"),
        (_set("generator", np.zeros(5056, np.uint8)), "no state of a torch generator"),
        (_point_elsewhere, "no state of a torch generator"),
        (_set("more", np.zeros(3)), "there is an array 'more'"),
        (lambda arrays: arrays.pop("best/0.bias"), "there is no array 'best/0.bias'"),
        (lambda arrays: arrays.pop("optimizer/0/step"), "no state of the optimizer"),
        (lambda arrays: arrays.pop("generator"), "no state of a torch generator"),
    ],
)
def test_arrays_of_another_training_are_refused(interrupted, digits, change, reason):
    """With moments of another shape, or a generator beyond its numbers, torch reads anywhere."""
    _assert_damaged(interrupted, digits, with_arrays(interrupted[2], change), reason)


EPOCH = [["epoch", 1], ["train_loss", 1], ["dur", 1]]
EPOCH_WITH_AN_ARRAY = {"dict": [*EPOCH, ["x", {"array": ["i8", [1, 2]]}]]}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"epochs_done": 3}, "its history has other epochs"),
        ({"epochs_done": None}, "its history has other epochs"),
        ({"history": []}, "no list of epochs"),
        ({"history": [{"dict": [["epoch", 1]]}] * 2}, "'train_loss'"),
        ({"history": {"os.system": ["true"]}}, "'os.system' is no type"),
        ({"history": [EPOCH_WITH_AN_ARRAY] * 2}, "ndarray is not JSON serializable"),
        ({"stopper": None}, "the state of early stopping has other parts"),
        ({"stopper": {"dict": [["tol", 1]]}}, "the state of early stopping has other parts"),
    ],
)
def test_documents_of_another_training_are_refused(interrupted, digits, changes, reason):
    """Epochs, history and the state of early stopping belong together."""
    content = with_document(interrupted[2], lambda document: document.update(changes))
    _assert_damaged(interrupted, digits, content, reason)


def test_a_model_file_is_no_checkpoint(interrupted, digits, honest_model_file):
    """Nor is a file of NumPy, as checkpoints were until they became safetensors."""
    _assert_damaged(interrupted, digits, honest_model_file, "it is no checkpoint file")
    _assert_damaged(interrupted, digits, b"PK\3\4" + bytes(100), "it is no checkpoint file")


def test_a_file_that_another_process_deletes_is_no_error(digits, tmp_path, monkeypatch):
    """Two of one training share a file; the one that ends first may delete it."""
    ann = DigitANN(**SIX_EPOCHS, callbacks=[TrainingCheckpoint(tmp_path)]).fit(*digits)
    (file,) = tmp_path.iterdir()
    file.unlink()
    monkeypatch.setattr(Path, "exists", lambda path: True)  # as it was a moment ago
    again = DigitANN(**SIX_EPOCHS, callbacks=[TrainingCheckpoint(tmp_path)]).fit(*digits)
    _assert_equal(again, ann)


def test_numbers_of_torch_in_the_history_are_saved(digits, tmp_path):
    """Other callbacks record what they like, as long as it is a number: also none, or a tensor."""

    class Recorder(Callback):
        def on_epoch_end(self, net, **kwargs):
            net.history.record("tensor", torch.tensor(0.5))
            net.history.record("nan", float("nan"))

    callbacks = [Recorder(), TrainingCheckpoint(tmp_path)]
    DigitANN(**SIX_EPOCHS, callbacks=callbacks).fit(*digits)
    resumed = DigitANN(**SIX_EPOCHS, callbacks=callbacks).fit(*digits)
    assert resumed.net_.history[0]["tensor"] == 0.5
    assert np.isnan(resumed.net_.history[0]["nan"])


def test_a_full_disk_keeps_the_last_epoch(digits, tmp_path):
    """A full disk is an OSError; the file of the epoch before stays, and no other file is left."""
    X, y = digits
    callbacks = [TrainingCheckpoint(tmp_path), Crash(2)]
    with pytest.raises(RuntimeError, match="crash"):
        DigitANN(**SIX_EPOCHS, callbacks=callbacks).fit(X, y)
    (file,) = tmp_path.iterdir()
    before = file.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, hard))  # Python ignores SIGXFSZ
    try:
        with pytest.raises(OSError, match="too large"):
            DigitANN(**SIX_EPOCHS, callbacks=callbacks[:1]).fit(X, y)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == [file]
    assert file.read_bytes() == before
    ann = DigitANN(**SIX_EPOCHS, callbacks=callbacks[:1]).fit(X, y)
    _assert_equal(ann, DigitANN(**SIX_EPOCHS).fit(X, y))


@pytest.mark.slow
def test_two_hundred_kills_lose_nothing(tmp_path):
    """A training that is killed at random instants and resumed ends in the same bits."""
    result = subprocess.run(
        [sys.executable, "-m", "support.kill_trainings", tmp_path, "200"],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(TESTS)},
        check=False,
    )
    assert result.returncode == 0, result.stderr
    counts = json.loads(result.stdout)
    assert counts["kills"] == 200
    assert counts["kills_with_a_file_half_written"] > 0  # else no kill fell into a save
    assert counts["finished"] > 5
    assert counts["torn_files"] == counts["lost_epochs"] == counts["wrong_results"] == 0
