"""The contract on reproducibility: where one seed gives one SHA-256 of the weights."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed
from sklearn.model_selection import GridSearchCV, cross_validate
from support import fit_and_hash
from support.classifiers import TINY
from support.contract import sha256_of

from sk_digits import DigitANN, TrainingCheckpoint

TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """Return what two interpreters print: one that is killed, and one that resumes its training."""
    folder = tmp_path_factory.mktemp("checkpoint")
    results = [
        subprocess.run(
            [sys.executable, "-m", fit_and_hash.__name__, folder, *epoch],
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(TESTS)},
            check=False,
        )
        for seed, epoch in (("1", ["2"]), ("2", []))
    ]
    assert [result.returncode for result in results] == [-signal.SIGKILL, 0]
    lines = [result.stdout.splitlines() for result in results]
    assert [len(one) for one in lines] == [1, 2]
    return [json.loads(line) for one in lines for line in one]


@pytest.mark.slow
def test_every_process_gives_the_same_bits(printed):
    """Interpreters with other seeds of hashes give the SHA-256 of this one."""
    here = {name: sha256_of(fit_and_hash.train(name)) for name in fit_and_hash.PRECISIONS}
    assert len(set(here.values())) == 2
    assert [one["sha256"] for one in printed[:2]] == [here, here]


@pytest.mark.slow
def test_the_first_fit_of_a_process_leaves_the_world_alone(printed):
    """The first fit of a process leaves global state as it was."""
    assert [one["changed"] for one in printed[:2]] == [[], []]


@pytest.mark.slow
def test_a_training_resumed_in_another_process_gives_the_same_bits(printed):
    """A training killed in one interpreter and resumed in another gives one SHA-256."""
    assert printed[2] == printed[0]["sha256"]["float32"]


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_one_and_two_jobs_give_the_same_bits(digits, precision):
    """Cross-validation in two processes gives the SHA-256 of one, with as many threads in each."""
    ann = DigitANN(**TINY, dropout=0.2, augmentation="affine", precision=precision)

    def shas(n_jobs):
        folds = cross_validate(ann, *digits, cv=3, n_jobs=n_jobs, return_estimator=True)
        return [sha256_of(estimator) for estimator in folds["estimator"]]

    in_workers = Parallel(n_jobs=2)(delayed(torch.get_num_threads)() for _ in range(2))
    assert in_workers == [torch.get_num_threads()] * 2
    assert len(set(shas(1))) == 3
    assert shas(2) == shas(1)


@pytest.mark.slow
def test_searches_with_one_and_two_jobs_find_the_same_bits(digits):
    """The best estimator and the scores of a search are the same with one and two jobs."""
    grid = {"dropout": [0.0, 0.3], "lr": [1e-3, 1e-2]}

    def sha(n_jobs):
        search = GridSearchCV(DigitANN(**TINY), grid, cv=2, n_jobs=n_jobs).fit(*digits)
        return sha256_of(search.best_estimator_), search.cv_results_["mean_test_score"].tolist()

    assert sha(1) == sha(2)


@pytest.fixture(params=[1, 2])
def n_threads(request):
    """Let torch use this number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_each_number_of_threads_gives_its_bits_every_time(digits, n_threads, precision):
    """One thread, or two that share each product, give one SHA-256 each time."""
    X, y = np.tile(digits[0][:500], 4), digits[1][:500]  # wide enough for torch to share the work
    params = {"hidden_layer_sizes": (256,), "max_epochs": 2, "batch_norm": True, "dropout": 0.2}
    shas = {
        sha256_of(DigitANN(**params, precision=precision, random_state=0).fit(X, y))
        for _ in range(3)
    }
    assert len(shas) == 1


def test_other_numbers_of_threads_learn_as_well(digits):
    """One and two threads may round differently, but predict nearly the same labels."""
    X, y = digits
    before, labels = torch.get_num_threads(), []
    for n in (1, 2):
        torch.set_num_threads(n)
        try:
            ann = DigitANN((256,), max_epochs=5, random_state=0).fit(X[:1200], y[:1200])
            labels.append(ann.predict(X[1200:]))
        finally:
            torch.set_num_threads(before)
    assert np.mean(labels[0] == labels[1]) > 0.98


def test_a_checkpoint_changes_no_bit(digits, tmp_path):
    """A training with a checkpoint gives the SHA-256 of one without."""
    plain = DigitANN(**TINY, dropout=0.2).fit(*digits)
    saved = DigitANN(**TINY, dropout=0.2, callbacks=[TrainingCheckpoint(tmp_path)]).fit(*digits)
    assert sha256_of(saved) == sha256_of(plain)
