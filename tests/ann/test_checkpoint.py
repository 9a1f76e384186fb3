"""`TrainingCheckpoint`: a training that was interrupted continues as if it had not been."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from skorch.callbacks import Callback
from support.classifiers import EVERYTHING, TINY, weights_of

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


@pytest.mark.parametrize("n_bytes", [0, 10, 1000, -10])
def test_a_damaged_file_is_an_error_that_names_it(digits, tmp_path, n_bytes):
    """A file that is cut off is a ValueError that names it, not a start for the training."""
    X, y = digits
    ann = DigitANN(**SIX_EPOCHS, callbacks=[TrainingCheckpoint(tmp_path)]).fit(X, y)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:n_bytes])
    with pytest.raises(ValueError, match=rf"{file.name}' is damaged .* Delete it"):
        ann.fit(X, y)


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
