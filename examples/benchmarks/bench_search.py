"""Wall time, memory and scores of one grid search over DigitANN, MLPClassifier and stock skorch.

Three hidden sizes, three folds, 20 epochs, 10,000 rows, two workers. Each contender searches once a
round, in an order that changes; ratios are medians of the rounds with a bootstrap 95 % interval.
Memory is the largest proportional set size of the process and its workers, sampled during a search.

    python examples/benchmarks/bench_search.py --json search.json
    python examples/benchmarks/bench_search.py --stacked

``--stacked`` measures something else: whether many small networks, trained at once as one stack of
matrices by batched products, outrun the parallel fits of a grid search. Nothing is validated,
scored or recorded there, so this is the most that a search built on stacks could gain.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from _contenders import LR, WEIGHT_DECAY, Data, load_data, make_module
from _quiet_mlp import QuietMLPClassifier
from bench_speed import interleave, ratio
from joblib.externals.loky import get_reusable_executor
from sklearn.model_selection import GridSearchCV, KFold
from skorch import NeuralNetClassifier
from torch import nn
from torch.nn import functional as F

from sk_digits import DigitANN

HIDDEN = [(128,), (256,), (512,)]
BATCH_SIZE = 128
N_WORKERS = 2


class Perceptron(nn.Module):
    """The network of the hand-written loop, of parameters that a search can set."""

    def __init__(self, hidden: tuple[int, ...] = (128,)) -> None:
        super().__init__()
        self.layers = make_module(hidden)

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Give the logits."""
        return self.layers(X)


def make_searches(epochs: int) -> dict[str, GridSearchCV]:
    """Make the same search over each contender."""
    ours = {"max_epochs": epochs, "lr": LR, "weight_decay": WEIGHT_DECAY, "batch_size": BATCH_SIZE}
    skorch = NeuralNetClassifier(
        Perceptron,
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW,
        optimizer__weight_decay=WEIGHT_DECAY,
        lr=LR,
        batch_size=BATCH_SIZE,
        max_epochs=epochs,
        train_split=None,
        verbose=0,
    )
    mlp = QuietMLPClassifier(
        batch_size=BATCH_SIZE,
        max_iter=epochs,
        learning_rate_init=LR,
        n_iter_no_change=epochs + 1,
        random_state=0,
    )
    contenders: dict[str, tuple[Any, str]] = {
        "DigitANN auto": (
            DigitANN(**ours, precision="auto", random_state=0),
            "hidden_layer_sizes",
        ),
        "DigitANN float32": (DigitANN(**ours, random_state=0), "hidden_layer_sizes"),
        "MLPClassifier": (mlp, "hidden_layer_sizes"),
        "skorch": (skorch, "module__hidden"),
    }
    return {
        name: GridSearchCV(
            classifier, {parameter: HIDDEN}, cv=KFold(3), n_jobs=N_WORKERS, refit=False
        )
        for name, (classifier, parameter) in contenders.items()
    }


def memory_mib() -> float:
    """Give the proportional set size of this process and all below it."""
    total = 0
    process = psutil.Process()
    for each in [process, *process.children(recursive=True)]:
        try:
            total += each.memory_full_info().pss
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


def compare(data: Data, epochs: int, rounds: int) -> dict[str, Any]:
    """Search in turns, each time with new workers, as a script does that searches once."""
    X, y = data.X[:10_000], data.y[:10_000]
    searches = make_searches(epochs)
    mib: dict[str, list[float]] = {name: [] for name in searches}

    def task(name: str) -> Callable[[], float]:
        def search() -> float:
            get_reusable_executor().shutdown(wait=True)
            with PeakMemory() as peak:
                start = time.perf_counter()
                searches[name].fit(X, y)
                seconds = time.perf_counter() - start
            mib[name].append(peak.mib)
            print(f"{name:<18} {seconds:6.1f} s {peak.mib:6.0f} MiB", flush=True)
            return seconds

        return search

    seconds = interleave({name: task(name) for name in searches}, rounds)
    return {
        name: {
            "seconds": float(np.median(seconds[name])),
            "MiB": float(np.median(mib[name][1:])),
            "scores": searches[name].cv_results_["mean_test_score"].round(4).tolist(),
            "time of ours over it": {
                mine: ratio(seconds[mine], seconds[name]) for mine in searches if "Digit" in mine
            },
            "memory of ours over it": {
                mine: ratio(mib[mine][1:], mib[name][1:]) for mine in searches if "Digit" in mine
            },
        }
        for name in searches
    }


def fit_stacked(data: Data, hidden: int, rates: list[float], epochs: int) -> None:
    """Train a network a fold and step size, all at once, by batched products."""
    X, y = torch.from_numpy(data.X[:10_000]), torch.from_numpy(data.y[:10_000])
    folds = [torch.from_numpy(train) for train, _ in KFold(3).split(X)] * len(rates)
    n_nets, n_rows = len(folds), min(map(len, folds))
    step = torch.tensor(rates).repeat_interleave(3).view(-1, 1, 1) / LR
    widths = [(784, hidden), (hidden, 10)]
    weights = [torch.randn(n_nets, a, b) * a**-0.5 for a, b in widths]
    biases = [torch.zeros(n_nets, 1, b) for _, b in widths]
    parameters = [tensor.requires_grad_() for tensor in (*weights, *biases)]
    # AdamW has one step size; the rates are applied as a change of units of the parameters.
    optimizer = torch.optim.AdamW(parameters, lr=LR, weight_decay=WEIGHT_DECAY, fused=True)
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


def compare_stacked(data: Data, epochs: int, rounds: int) -> dict[str, Any]:
    """Pit stacks of four step sizes by three folds against the same grid search."""
    rates = [5e-4, 1e-3, 2e-3, 4e-3]
    X, y = data.X[:10_000], data.y[:10_000]
    results = {}
    for hidden in (16, 32, 64, 128):
        ann = DigitANN((hidden,), batch_size=BATCH_SIZE, max_epochs=epochs, random_state=0)
        search = GridSearchCV(ann, {"lr": rates}, cv=KFold(3), n_jobs=N_WORKERS, refit=False)

        def seconds_of(call: Callable[[], Any]) -> float:
            start = time.perf_counter()
            call()
            return time.perf_counter() - start

        tasks = {
            "stacked": lambda h=hidden: seconds_of(lambda: fit_stacked(data, h, rates, epochs)),
            "search": lambda s=search: seconds_of(lambda: s.fit(X, y)),
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
    parser.add_argument("--stacked", action="store_true", help="stacks of networks instead")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    measure = compare_stacked if args.stacked else compare
    results = measure(load_data(), args.epochs, args.rounds)
    if not args.stacked:
        for name, result in results.items():
            print(f"\n{name}: {result['seconds']:.1f} s, {result['MiB']:.0f} MiB")
            print(f"    mean scores of {HIDDEN}: {result['scores']}")
            for what in ("time", "memory"):
                for mine, r in result[f"{what} of ours over it"].items():
                    print(
                        f"    {what} of {mine} over it: "
                        "{median:.2f} [{low:.2f}, {high:.2f}]".format(**r)
                    )
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
