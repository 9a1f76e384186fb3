"""The contract on threads: what several may call at once, and what it then returns."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from skorch.callbacks import Callback
from support.classifiers import EVERYTHING, TINY
from support.contract import sha256_of, state_of, world

from sk_digits import DigitANN, DigitImageNormalizer, PixelScaler

pytestmark = pytest.mark.no_cover  # other tests run the same lines, in a fraction of the time

N_THREADS = 8
N_CALLS = 1_000  # in each thread


@pytest.fixture(autouse=True)
def eager_switches():
    """Let threads take turns 10 times as often as usual."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(5e-4)
    yield
    sys.setswitchinterval(before)


@pytest.fixture(scope="module")
def ann(digits):
    """Return a classifier with every feature that is different in training mode."""
    params = {"dropout": 0.5, "batch_norm": True, "augmentation": "affine"}
    return DigitANN(**TINY, **params).fit(*digits)


def in_threads(call, n_threads, n_calls):
    """Call with the number of the thread in all threads at once; return each thread's results."""
    barrier = threading.Barrier(n_threads)

    def work(i):
        barrier.wait()
        return [call(i) for _ in range(n_calls)]

    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(work, range(n_threads)))


CALLS = {
    "predict": lambda ann, X, y: ann.predict(X).tobytes(),
    "predict_proba": lambda ann, X, y: ann.predict_proba(X).tobytes(),
    "score": lambda ann, X, y: ann.score(X, y),
    "clone": lambda ann, X, y: vars(clone(ann)),
    "get_params": lambda ann, X, y: ann.get_params(),
}


@pytest.mark.slow
@pytest.mark.parametrize("method", CALLS)
def test_calls_from_eight_threads_equal_serial_ones(digits, ann, method):
    """8,000 calls from 8 threads return the same bits as serial ones and change nothing."""
    parts = [[a[4 * i : 4 * i + 4] for a in digits] for i in range(N_THREADS)]
    serial = [CALLS[method](ann, *part) for part in parts]
    state, before = state_of(ann), world()
    results = in_threads(lambda i: CALLS[method](ann, *parts[i]), N_THREADS, N_CALLS)
    assert [len(calls) for calls in results] == [N_CALLS] * N_THREADS
    for calls, expected in zip(results, serial, strict=True):
        assert all(result == expected for result in calls)
    assert state_of(ann) == state
    assert world() == before


@pytest.mark.slow
def test_whole_pipelines_predict_in_threads(digits, tmp_path):
    """Pipelines that read image files in several threads return the same bits as serially."""
    images = (digits[0][:N_THREADS].reshape(-1, 8, 8) * 255).astype(np.uint8)
    for i, image in enumerate(images):
        Image.fromarray(np.kron(image, np.ones((5, 5), np.uint8))).save(tmp_path / f"{i}.png")
    paths = [tmp_path / f"{i}.png" for i in range(N_THREADS)]
    normalizer = DigitImageNormalizer(on_blank="zeros")
    rows = normalizer.transform(paths)
    ann = DigitANN(**TINY)
    model = Pipeline([("image", normalizer), ("scaler", PixelScaler()), ("ann", ann)])
    model.fit(paths, np.arange(N_THREADS))
    tail = model[1:]
    serial = [tail.predict_proba(rows[i : i + 1]).tobytes() for i in range(N_THREADS)]
    state, before = state_of(model), world()

    def call(i):
        if i % 2:
            return tail.predict_proba(rows[i : i + 1]).tobytes()
        return model.predict_proba(paths[i : i + 1]).tobytes()

    results = in_threads(call, N_THREADS, 25)
    assert results == [[expected] * 25 for expected in serial]
    assert state_of(model) == state
    assert world() == before


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"augmentation": "affine"},
        {"precision": "bfloat16", "dropout": 0.3},
        EVERYTHING | {"class_weight": "balanced"},
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_fits_in_threads_equal_fits_in_sequence(digits, params, method):
    """Fits of four seeds in four threads give the SHA-256 of fits in sequence."""
    X, y = (a[:500] for a in digits)

    def train(seed):
        ann = DigitANN(**TINY | params | {"random_state": seed})
        if method == "fit":
            ann.fit(X, y)
        else:
            for _ in range(3):
                ann.partial_fit(X, y, classes=range(10))
        return sha256_of(ann)

    in_sequence = [train(seed) for seed in range(4)]
    assert len(set(in_sequence)) == 4
    before = world()
    assert in_threads(train, 4, 2) == [[sha] * 2 for sha in in_sequence]
    assert world() == before


class AtEpochEnd(Callback):
    """Calls a function at the end of each epoch."""

    def __init__(self, function):
        self.function = function

    def on_epoch_end(self, net, **kwargs):
        """Call the function."""
        self.function()


@pytest.mark.parametrize("method", ["partial_fit", "warm start"])
def test_predictions_while_it_trains_on_are_those_of_before(digits, method):
    """Training that continues changes a copy; other threads use the old weights meanwhile."""
    X, y = digits
    ann = DigitANN(**TINY, warm_start=True).fit(X, y)
    before, seen = ann.predict_proba(X), []
    with ThreadPoolExecutor(1) as pool:
        ann.callbacks = [
            AtEpochEnd(lambda: seen.append(pool.submit(ann.predict_proba, X).result()))
        ]
        (ann.fit if method == "warm start" else ann.partial_fit)(X, y)
    assert len(seen) == (3 if method == "warm start" else 1)
    for proba in seen:
        np.testing.assert_array_equal(proba, before)
    assert not np.array_equal(ann.predict_proba(X), before)


def test_predictions_go_on_with_the_old_fit_until_the_new_one_succeeds(digits):
    """While a new fit trains, other threads predict with the weights of the previous fit."""
    X, y = digits
    ann = DigitANN(**TINY).fit(X, y)
    old, seen = ann.predict_proba(X), []
    with ThreadPoolExecutor(1) as pool:
        proba = AtEpochEnd(lambda: seen.append(pool.submit(ann.predict_proba, X).result()))
        ann.set_params(callbacks=[proba], lr=1e-3).fit(X, y)
    assert len(seen) == 3
    for probabilities in seen:
        np.testing.assert_array_equal(probabilities, old)
    assert not np.array_equal(ann.predict_proba(X), old)


def test_predictions_go_on_while_partial_fits_succeed_and_fail(digits):
    """Each prediction belongs to one state between two calls, and none fails."""
    X, y = (a[:200] for a in digits)
    ann = DigitANN(**TINY).fit(X, y)
    known, seen, is_over = [ann.predict_proba(X[:20]).tobytes()], set(), threading.Event()

    def predict():
        while not is_over.is_set():
            seen.add(ann.predict_proba(X[:20]).tobytes())

    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(predict) for _ in range(3)]
        for _ in range(40):
            with pytest.raises(ValueError, match="not among the classes"):
                ann.partial_fit(X, y + 1)
            ann.partial_fit(X, y)
            known.append(ann.predict_proba(X[:20]).tobytes())
        is_over.set()
        assert [future.result() for future in futures] == [None] * 3
    assert len(seen) > 2
    assert seen <= set(known)


class Planned:
    """A dask collection that predicts in another thread when it is computed."""

    def __init__(self, model, X):
        self.model = model
        self.X = X

    def __dask_graph__(self):
        """Return a graph, as collections do."""
        return {}

    def compute(self):
        """Return the probabilities."""
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(self.model.predict_proba, self.X).result(timeout=10)


@pytest.mark.parametrize("final", [DigitANN(**TINY), PixelScaler()])
def test_rows_that_other_threads_compute_lock_nothing(digits, ann, final):
    """Features may be predictions that are not yet computed."""
    proba = ann.predict_proba(digits[0])
    final = clone(final).fit(Planned(ann, digits[0]), digits[1])
    method = final.predict if isinstance(final, DigitANN) else final.transform
    np.testing.assert_array_equal(method(Planned(ann, digits[0])), method(proba))


FORKS = """
import os, threading, warnings
import numpy as np
from sk_digits import DigitANN
warnings.simplefilter("ignore")  # Python warns of forks in processes with threads
X = np.random.default_rng(0).random((20, 4), dtype=np.float32)
ann = DigitANN((2,), max_epochs=1, random_state=0).fit(X, np.arange(20) % 2)
expected = ann.predict(X).tolist()
over = threading.Event()
def predict():
    while not over.is_set():
        ann.predict(X)
threads = [threading.Thread(target=predict) for _ in range(3)]
for thread in threads:
    thread.start()
for _ in range(12):
    child = os.fork()
    if child == 0:
        os._exit(0 if ann.predict(X).tolist() == expected else 1)
    assert os.waitpid(child, 0)[1] == 0
over.set()
for thread in threads:
    thread.join()
"""


@pytest.mark.slow
def test_a_process_forked_while_threads_predict_can_predict():
    """A forked process inherits no lock that a thread of its parent held."""
    result = subprocess.run([sys.executable, "-c", FORKS], check=False, timeout=60)
    assert result.returncode == 0


WIDE_FORK = """
import os, signal
import numpy as np, torch
from sk_digits import DigitANN
torch.set_num_threads(max(2, torch.get_num_threads()))
X = np.random.default_rng(0).random((200, 784), dtype=np.float32)
ann = DigitANN((512, 512), max_epochs=1, random_state=0).fit(X, np.arange(200) % 10)
expected = ann.predict(X)
child = os.fork()
if child == 0:
    signal.alarm(60)
    same = (ann.predict(X) == expected).all() and ann.fit(X, np.arange(200) % 10).n_iter_ == 1
    os._exit(0 if same and torch.get_num_threads() == 1 else 1)
assert os.waitpid(child, 0)[1] == 0
assert torch.get_num_threads() >= 2
"""


@pytest.mark.slow
def test_a_fork_of_a_process_with_several_threads_predicts_and_trains():
    """torch's threads do not come with a fork; the child has one, and does not wait for them."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    environment = {k: v for k, v in os.environ.items() if k not in names}
    command = [sys.executable, "-W", "ignore", "-c", WIDE_FORK]
    result = subprocess.run(command, env=environment, check=False, timeout=120)
    assert result.returncode == 0
