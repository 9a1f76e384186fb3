"""scikit-learn's searches work, and their workers take no more than their share."""

import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import loguniform, uniform
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
    RandomizedSearchCV,
    StratifiedKFold,
    cross_val_score,
)

from sk_digits import DigitANN, make_digit_pipeline
from sk_digits.datasets import load_digits_28

TINY = {"hidden_layer_sizes": (16,), "max_epochs": 2, "random_state": 0}


@pytest.fixture(scope="module")
def images():
    """Return 600 of the bundled digits as raw pixels, and their labels."""
    X, y = load_digits_28(return_X_y=True)
    return X[:600], y[:600]


def _in_workers(call, **variables):
    """Return the result of a function of search_workers.py, run on two cores in a new process."""
    env = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    result = subprocess.run(
        [sys.executable, Path(__file__).parent / "support" / "search_workers.py", call],
        capture_output=True,
        text=True,
        check=True,
        env=env | {"LOKY_MAX_CPU_COUNT": "2"} | variables,
    )
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def workers_with_exported_threads():
    """Return what workers see if OMP_NUM_THREADS is 2 and joblib's inner_max_num_threads is 1."""
    return _in_workers(
        "[search_threads('loky', inner_max_num_threads=1), search_memory()]",
        OMP_NUM_THREADS="2",
        MKL_NUM_THREADS="2",
    )


@pytest.mark.slow
def test_two_workers_on_two_cores_take_one_thread_each():
    """Processes do so by themselves, threads after torch.set_num_threads(1)."""
    call = "[search_threads('loky'), torch.set_num_threads(1), search_threads('threading')]"
    assert _in_workers(call) == [[1, 1], None, [1, 1]]


@pytest.mark.slow
def test_threads_keep_to_an_exported_setting():
    """OMP_NUM_THREADS holds for joblib's threads."""
    assert _in_workers("search_threads('threading')", OMP_NUM_THREADS="1") == [1, 1]


@pytest.mark.slow
def test_inner_max_num_threads_wins_over_an_exported_setting(workers_with_exported_threads):
    """Each worker takes one thread, not the number that the parent's environment has."""
    assert workers_with_exported_threads[0] == [1, 1]


@pytest.mark.slow
def test_a_candidate_leaves_nothing_behind(workers_with_exported_threads):
    """Peak memory does not grow from fit to fit, and all fits map one copy of the data."""
    fits = workers_with_exported_threads[1]
    assert len(fits) == 16
    assert len({fit["inode"] for fit in fits}) == 1
    assert fits[0]["inode"] != 0
    weights = (785 * 1500 + 1501 * 10) * 4 / 2**20
    of_workers = [
        sorted(fit["peak"] for fit in fits if fit["pid"] == worker)
        for worker in {fit["pid"] for fit in fits}
    ]
    assert max(map(len, of_workers)) >= 8  # the other worker may start late
    for peaks in of_workers:
        assert peaks[-1] - peaks[0] < 4 * weights  # weights, gradients and moments of one fit


def test_rows_are_not_copied_beyond_the_tensors():
    """float32 rows are not copied, read-only rows are copied once."""
    X, y = np.random.default_rng(0).random((4000, 256), dtype=np.float32), np.arange(4000) % 10
    ann = DigitANN((4,), max_epochs=1, random_state=0).fit(X, y)
    for writeable, n_copies in [(True, 0), (False, 1)]:
        X.flags.writeable = writeable
        tracemalloc.start()
        ann.fit(X, y)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < (n_copies + 0.5) * X.nbytes


@pytest.mark.parametrize("kind", ["grid", "random"])
def test_halving_spends_epochs(images, kind):
    """Each round trains half the candidates twice as long; those that learn nothing go first."""
    options = {"min_resources": 2, "max_resources": 8, "cv": 2, "factor": 2, "random_state": 0}
    pipeline = make_digit_pipeline(**TINY | {"max_epochs": 1}, augmentation=None)
    rates = [1e-9, 1e-2, 2e-9, 2e-2]
    if kind == "grid":
        search = HalvingGridSearchCV(
            pipeline, {"ann__lr": rates}, resource="ann__max_epochs", **options
        )
    else:
        search = HalvingRandomSearchCV(
            pipeline, {"ann__lr": rates}, n_candidates=4, resource="ann__max_epochs", **options
        )
    search.fit(*images)
    assert search.n_resources_ == [2, 4, 8]
    assert search.n_candidates_ == [4, 2, 1]
    second_round = search.cv_results_["iter"] == 1
    kept = search.cv_results_["param_ann__lr"][second_round]
    assert sorted(kept) == [1e-2, 2e-2]
    assert search.best_estimator_["ann"].n_iter_ == 8
    assert search.best_score_ > 0.7


@pytest.mark.slow
def test_random_search_over_learning_rate_and_rotation(images):
    """Parameters of the augmentation are searched as any other, and scores are reproducible."""
    pipeline = make_digit_pipeline(**TINY)
    rotation = pipeline["ann"].augmentation.rotation
    distributions = {
        "ann__lr": loguniform(1e-4, 1e-1),
        "ann__augmentation__rotation": uniform(0, 45),
    }
    search = RandomizedSearchCV(pipeline, distributions, n_iter=3, cv=2, random_state=0, n_jobs=2)
    search.fit(*images)
    rotations = [params["ann__augmentation__rotation"] for params in search.cv_results_["params"]]
    assert len(set(rotations)) == 3
    best = search.best_estimator_["ann"]
    assert (
        best.net_.training_params.augmentation.rotation
        == search.best_params_["ann__augmentation__rotation"]
    )
    assert best.lr == search.best_params_["ann__lr"]
    assert pipeline["ann"].augmentation.rotation == rotation
    again = clone(pipeline).set_params(**search.best_params_)
    assert cross_val_score(again, *images, cv=2).mean() == search.best_score_


def test_nested_cross_validation(images):
    """The best candidate of each inner search is scored on rows that the search has not seen."""
    X, y = images
    grid = {"ann__hidden_layer_sizes": [(2,), (32,)]}
    pipeline = make_digit_pipeline(**TINY | {"max_epochs": 4}, augmentation=None)
    search = GridSearchCV(pipeline, grid, cv=2)
    scores = cross_val_score(search, X, y, cv=StratifiedKFold(3))
    for score, (train, test) in zip(scores, StratifiedKFold(3).split(X, y), strict=True):
        chosen = clone(search).fit(X[train], y[train])
        assert chosen.best_params_ == {"ann__hidden_layer_sizes": (32,)}
        assert chosen.score(X[test], y[test]) == score


def _n_epochs(pipeline, X, y):
    return pipeline["ann"].n_iter_


def test_early_stopping_within_a_search(images):
    """Each candidate stops by the score on rows held out of its own training fold."""
    X, y = images
    params = TINY | {"max_epochs": 60, "early_stopping": True, "n_iter_no_change": 3}
    pipeline = make_digit_pipeline(**params, augmentation=None, lr_schedule="constant")
    search = GridSearchCV(
        pipeline,
        {"ann__lr": [1e-2, 0.1]},
        cv=2,
        scoring={"accuracy": "accuracy", "epochs": _n_epochs},
        refit="accuracy",
    ).fit(X, y)
    for i, (train, test) in enumerate(StratifiedKFold(2).split(X, y)):
        for j, lr in enumerate([1e-2, 0.1]):
            alone = clone(pipeline).set_params(ann__lr=lr).fit(X[train], y[train])
            assert search.cv_results_[f"split{i}_test_accuracy"][j] == alone.score(X[test], y[test])
            assert search.cv_results_[f"split{i}_test_epochs"][j] == alone["ann"].n_iter_ < 60
