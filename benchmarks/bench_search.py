"""Wall time, memory and scores of one grid search over DigitANN, MLPClassifier and stock skorch.

The search has three hidden sizes, three folds, 20 epochs, 10,000 rows and two workers, which are
new processes, the same processes again, or threads. Each round has another seed, and each contender
searches once in each of these ways, in an order that changes. Ratios are medians of the rounds with
a bootstrap 95 % interval. Memory is the largest proportional set size of the worker processes.

    python benchmarks/bench_search.py --json search.json
    python benchmarks/bench_search.py --step-sizes
    python benchmarks/bench_search.py --stacked

``--step-sizes`` prints the mean scores of each contender by step size; `STEP_SIZES` holds the best.

``--stacked`` measures whether many small networks that are trained at once, as one stack of
matrices by batched products, are faster than the parallel fits of a grid search. It validates,
scores and records nothing, so that it shows the most that a search by stacks could gain.
"""

from __future__ import annotations

import argparse
import itertools
import json
import threading
import time
import warnings
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
import torch
from _contenders import WEIGHT_DECAY, load_data, make_module
from _quiet_mlp import QuietMLPClassifier
from bench_speed import interleave, ratio, seconds_of
from joblib import parallel_config
from joblib.externals.loky import get_reusable_executor
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, KFold
from skorch import NeuralNetClassifier
from torch import nn
from torch.nn import functional as F

from sk_digits import DigitANN

HIDDEN = [(128,), (256,), (512,)]
BATCH_SIZE = 128
N_WORKERS = 2
WAYS = ("new workers", "same workers", "threads")
STEP_SIZES = {
    "DigitANN auto": 1.6e-2,
    "DigitANN float32": 1.6e-2,
    "MLPClassifier": 8e-3,
    "skorch": 8e-3,
}

Rows = tuple[NDArray[np.float32], NDArray[np.int64]]


class Search(NamedTuple):
    """The seconds and the scores of a search."""

    seconds: float
    scores: NDArray[np.float64]


class Perceptron(nn.Module):
    """The network of the hand-written loop, with a parameter that a search can set."""

    def __init__(self, hidden: tuple[int, ...] = (128,)) -> None:
        super().__init__()
        self.layers = make_module(hidden)

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        return self.layers(X)


def make_contenders(epochs: int) -> dict[str, Any]:
    """Return the classifiers, with the same batches and epochs."""
    ours = {"max_epochs": epochs, "weight_decay": WEIGHT_DECAY, "batch_size": BATCH_SIZE}
    return {
        "DigitANN auto": DigitANN(**ours, precision="auto"),
        "DigitANN float32": DigitANN(**ours),
        "MLPClassifier": QuietMLPClassifier(
            batch_size=BATCH_SIZE, max_iter=epochs, n_iter_no_change=epochs + 1
        ),
        "skorch": NeuralNetClassifier(
            Perceptron,
            criterion=nn.CrossEntropyLoss,
            optimizer=torch.optim.AdamW,
            optimizer__weight_decay=WEIGHT_DECAY,
            batch_size=BATCH_SIZE,
            max_epochs=epochs,
            train_split=None,
            verbose=0,
        ),
    }


def make_search(name: str, classifier: Any, step_sizes: list[float], seed: int) -> GridSearchCV:
    """Return the search over step sizes and hidden sizes; skorch has no seed."""
    if name != "skorch":
        classifier.set_params(random_state=seed)
    hidden = "module__hidden" if name == "skorch" else "hidden_layer_sizes"
    step = "learning_rate_init" if name == "MLPClassifier" else "lr"
    grid = [{step: [step_size], hidden: HIDDEN} for step_size in step_sizes]
    return GridSearchCV(classifier, grid, cv=KFold(3), n_jobs=N_WORKERS, refit=False)


def compare_step_sizes(rows: Rows, epochs: int, rounds: int) -> dict[str, Any]:
    """Return the mean scores of each contender for each step size and hidden size."""
    step_sizes = [1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2]
    results: dict[str, Any] = {}
    contenders = make_contenders(epochs)
    del contenders["DigitANN float32"]  # its scores are the same
    for name, classifier in contenders.items():
        scores = [
            make_search(name, classifier, step_sizes, seed)
            .fit(*rows)
            .cv_results_["mean_test_score"]
            for seed in range(rounds)
        ]
        table = np.mean(scores, axis=0).reshape(len(step_sizes), len(HIDDEN))
        results[name] = {}
        for step_size, row in zip(step_sizes, table, strict=True):
            results[name][str(step_size)] = row.tolist()
            print(f"{name:<18} {step_size:<6} {row.round(4)} mean {row.mean():.4f}", flush=True)
    return results


def memory_mib() -> float:
    """Return the proportional set size of the worker processes."""
    total = 0
    for worker in psutil.Process().children(recursive=True):
        try:
            total += worker.memory_full_info().pss
        except psutil.Error:  # it has just ended
            continue
    return total / 2**20


class PeakMemory:
    """Context that samples the memory until it ends."""

    def __enter__(self) -> PeakMemory:
        """Start sampling."""
        self.mib = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()
        return self

    def _sample(self) -> None:
        while not self._over.wait(0.2):
            self.mib = max(self.mib, memory_mib())

    def __exit__(self, *error: object) -> None:
        """Stop."""
        self._over.set()
        self._thread.join()


def timed_search(name: str, classifier: Any, way: str, seed: int, rows: Rows) -> Search:
    """Search once in one of the ways."""
    search = make_search(name, classifier, [STEP_SIZES[name]], seed)
    with parallel_config("threading" if way == "threads" else "loky"):
        if way == "new workers":
            get_reusable_executor().shutdown(wait=True)
        else:  # let the workers import what they need
            search.fit(*(part[:300] for part in rows))
        start = time.perf_counter()
        search.fit(*rows)
        return Search(time.perf_counter() - start, search.cv_results_["mean_test_score"])


def compare(rows: Rows, epochs: int, rounds: int) -> dict[str, Any]:
    """Search in turns, in all ways."""
    classifiers = make_contenders(epochs)
    tasks = list(itertools.product(classifiers, WAYS))
    mib: dict[Any, list[float]] = {task: [] for task in tasks}
    scores: dict[Any, list[NDArray[Any]]] = {task: [] for task in tasks}

    def run(task: tuple[str, str]) -> float:
        name, way = task
        with PeakMemory() if way == "new workers" else nullcontext() as peak:
            search = timed_search(name, classifiers[name], way, len(scores[task]), rows)
        scores[task].append(search.scores)
        if peak is not None:
            mib[task].append(peak.mib)
        print(f"{name:<18} {way:<14} {search.seconds:6.1f} s", flush=True)
        return search.seconds

    seconds = interleave({task: partial(run, task) for task in tasks}, rounds)
    results: dict[str, Any] = {}
    for name in classifiers:
        of_seeds = np.array(scores[name, "new workers"][1:])  # the first round is not recorded
        results[name] = {
            "scores": of_seeds.mean(axis=0).tolist(),
            "mean score": float(of_seeds.mean()),
            "its standard deviation": float(of_seeds.mean(axis=1).std(ddof=1)),
            "MiB": float(np.median(mib[name, "new workers"][1:])),
            "seconds": {way: float(np.median(seconds[name, way])) for way in WAYS},
        }
        for mine in (name for name in classifiers if name.startswith("DigitANN")):
            results[name][f"time of {mine} over it"] = {
                way: ratio(seconds[mine, way], seconds[name, way]) for way in WAYS
            }
            results[name][f"memory of {mine} over it"] = ratio(
                mib[mine, "new workers"][1:], mib[name, "new workers"][1:]
            )
    return results


def fit_stacked(rows: Rows, hidden: int, rates: list[float], epochs: int) -> None:
    """Train a network for each fold and step size, all at once, by batched products."""
    X, y = (torch.from_numpy(part) for part in rows)
    folds = [torch.from_numpy(train) for train, _ in KFold(3).split(X)] * len(rates)
    n_nets, n_rows = len(folds), min(map(len, folds))
    step = torch.tensor(rates).repeat_interleave(3).view(-1, 1, 1) / max(rates)
    widths = [(784, hidden), (hidden, 10)]
    weights = [torch.randn(n_nets, a, b) * a**-0.5 for a, b in widths]
    biases = [torch.zeros(n_nets, 1, b) for _, b in widths]
    parameters = [tensor.requires_grad_() for tensor in (*weights, *biases)]
    # AdamW has one step size, so the rates are applied as a change of the parameters' units.
    optimizer = torch.optim.AdamW(parameters, lr=max(rates), weight_decay=WEIGHT_DECAY, fused=True)
    for _ in range(epochs):
        orders = torch.stack([fold[torch.randperm(n_rows)] for fold in folds])
        for chosen in orders.split(BATCH_SIZE, dim=1):
            activations = X[chosen.reshape(-1)].view(n_nets, -1, 784)
            activations = torch.baddbmm(biases[0] * step, activations, weights[0] * step).relu_()
            logits = torch.baddbmm(biases[1] * step, activations, weights[1] * step)
            loss = F.cross_entropy(logits.flatten(0, 1), y[chosen].flatten()) * n_nets
            for parameter in parameters:
                parameter.grad = None
            loss.backward()
            optimizer.step()


def compare_stacked(rows: Rows, epochs: int, rounds: int) -> dict[str, Any]:
    """Compare stacks of four step sizes by three folds with the same grid search."""
    rates = [5e-4, 1e-3, 2e-3, 4e-3]
    results = {}
    for hidden in (16, 32, 64, 128):
        ann = DigitANN((hidden,), batch_size=BATCH_SIZE, max_epochs=epochs, random_state=0)
        search = GridSearchCV(ann, {"lr": rates}, cv=KFold(3), n_jobs=N_WORKERS, refit=False)

        tasks = {
            "stacked": lambda h=hidden: seconds_of(lambda: fit_stacked(rows, h, rates, epochs)),
            "search": lambda s=search: seconds_of(lambda: s.fit(*rows)),
        }
        seconds = interleave(tasks, rounds)
        results[f"({hidden},)"] = ratio(seconds["stacked"], seconds["search"])
        print(
            f"({hidden},)  stacked {np.median(seconds['stacked']):.2f} s  "
            f"search {np.median(seconds['search']):.2f} s  "
            "ratio {median:.2f} [{low:.2f}, {high:.2f}]".format(**results[f"({hidden},)"]),
            flush=True,
        )
    return results


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--step-sizes", action="store_true", help="scores by step size instead")
    parser.add_argument("--stacked", action="store_true", help="stacks of networks instead")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)  # the fits have few epochs
    data = load_data()
    rows = data.X[:10_000].copy(), data.y[:10_000].copy()
    del data
    if args.step_sizes:
        measure = compare_step_sizes
    else:
        measure = compare_stacked if args.stacked else compare
    results = measure(rows, args.epochs, args.rounds)
    if measure is compare:
        print(json.dumps(results, indent=1))
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
