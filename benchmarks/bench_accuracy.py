"""Accuracy on unseen MNIST images after training on 10,000, beside scikit-learn's and skorch's own.

Every contender is fitted to the same 10,000 images and scored on the 2,000 test images of the
12,000 and on the 58,000 others, once for each seed if it has seeds. Nothing is chosen by these
scores.

    python benchmarks/bench_accuracy.py --json accuracy.json
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
import torch
from _committee import make_committee
from scipy.stats import binomtest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import SVC
from skorch import NeuralNetClassifier

from sk_digits import DigitANN, PixelScaler, make_digit_pipeline
from sk_digits.datasets import fetch_mnist

EPOCHS = 60
GOAL = 0.9789  # the reported accuracy of the reference recipe
OURS = "make_digit_pipeline()"
ENSEMBLE = "soft vote of 5 of them"
COMMITTEE = "soft vote of 5 views"


class StockSkorch(NeuralNetClassifier):
    """skorch's classifier, which needs labels of int64."""

    def fit(self, X: np.ndarray, y: np.ndarray, **fit_params: Any) -> StockSkorch:
        """Fit to labels of int64."""
        return super().fit(X, y.astype(np.int64), **fit_params)


def stock_skorch(seed: int) -> Pipeline:
    """Return skorch's classifier around the reference network, with Adam."""
    torch.manual_seed(seed)
    module = torch.nn.Sequential(
        torch.nn.Linear(784, 512),
        torch.nn.ReLU(),
        torch.nn.Linear(512, 512),
        torch.nn.ReLU(),
        torch.nn.Linear(512, 10),
    )
    net = StockSkorch(
        module,
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=1e-3,
        max_epochs=EPOCHS,
        verbose=0,
    )
    return make_pipeline(PixelScaler(), net)


def reference(seed: int) -> Pipeline:
    """Return the plain recipe: relu, softmax, 60 epochs and nothing else."""
    ann = DigitANN((512, 512), lr=1e-3, lr_schedule="constant", weight_decay=0, random_state=seed)
    return make_pipeline(PixelScaler(), ann)


def tuned_svc(seed: int) -> GridSearchCV:
    """Return a support vector machine that is tuned by cross-validation on the training images."""
    grid = {"svc__C": [3, 10], "svc__gamma": [0.02, 0.03]}
    return GridSearchCV(make_pipeline(PixelScaler(), SVC()), grid, cv=3, n_jobs=2)


@dataclass
class Contender:
    """A model, whether it has seeds, and the results of its fits."""

    make: Callable[[int], Any]
    has_seeds: bool = True
    test: list[float] = field(default_factory=list)
    rest: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


CONTENDERS: dict[str, Contender] = {
    "HistGradientBoosting": Contender(
        lambda seed: HistGradientBoostingClassifier(random_state=seed), has_seeds=False
    ),
    "MLPClassifier (512, 512)": Contender(
        lambda seed: make_pipeline(
            PixelScaler(), MLPClassifier((512, 512), max_iter=EPOCHS, random_state=seed)
        )
    ),
    "stock skorch (512, 512)": Contender(stock_skorch),
    "SVC, tuned by CV": Contender(tuned_svc, has_seeds=False),
    "DigitANN, plain recipe": Contender(reference),
    "DigitANN, no augmentation": Contender(
        lambda seed: make_digit_pipeline(random_state=seed, **NO_AUGMENTATION)
    ),
    "DigitANN, 12 epochs": Contender(lambda seed: make_digit_pipeline(random_state=seed, **QUICK)),
    OURS: Contender(lambda seed: make_digit_pipeline(random_state=seed)),
    COMMITTEE: Contender(make_committee, has_seeds=False),
}

# Usual parameters without augmentation, and those of a quick fit.
NO_AUGMENTATION: dict[str, Any] = {
    "hidden_layer_sizes": (1024, 1024),
    "augmentation": None,
    "dropout": 0.5,
}
QUICK: dict[str, Any] = {"hidden_layer_sizes": (512, 512), "max_epochs": 12}


def mcnemar(right: np.ndarray, other_right: np.ndarray) -> tuple[int, int, float]:
    """Return how many images only one of two models reads, for either, and the exact p-value."""
    only, only_other = int(np.sum(right & ~other_right)), int(np.sum(other_right & ~right))
    return only, only_other, float(binomtest(only, only + only_other).pvalue)


def spread(values: list[float], digits: int) -> str:
    """Return a mean and, of several values, their standard deviation as text."""
    mean = f"{np.mean(values):.{digits}f}"
    return f"{mean} ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else mean


def main() -> None:
    """Measure, and print a table and the comparisons."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="fits of each contender that has one")
    parser.add_argument("--only", nargs="*", choices=list(CONTENDERS), default=list(CONTENDERS))
    parser.add_argument("--json", type=Path, help="file for all numbers")
    arguments = parser.parse_args()

    X, y = fetch_mnist(subset="12k", return_X_y=True)
    X_train, y_train, X_test, y_test = X[:10_000], y[:10_000], X[10_000:], y[10_000:]
    X_rest, y_rest = fetch_mnist(subset="rest", return_X_y=True)
    machine = {
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
        "torch": torch.__version__,
        "scikit-learn": sklearn.__version__,
    }
    print(machine)
    head = f"{'':<26} {'2,000 test images':>18} {'58,000 others':>18} {'fit seconds':>14}"
    print(head, flush=True)
    right: dict[str, np.ndarray] = {}
    votes: list[np.ndarray] = []
    for name in arguments.only:
        contender = CONTENDERS[name]
        for seed in range(arguments.seeds if contender.has_seeds else 1):
            model = contender.make(seed)
            start = time.perf_counter()
            model.fit(X_train, y_train)
            contender.seconds.append(time.perf_counter() - start)
            right_rest = model.predict(X_rest) == y_rest
            right.setdefault(name, right_rest)
            contender.rest.append(float(right_rest.mean()))
            contender.test.append(float(np.mean(model.predict(X_test) == y_test)))
            if name == OURS:
                votes.append(model.predict_proba(np.concatenate([X_test, X_rest])))
        row(name, contender)
    results = {name: CONTENDERS[name] for name in arguments.only}
    if len(votes) >= 5:
        winners = np.mean(votes[:5], axis=0).argmax(axis=1)  # labels are 0 to 9
        right[ENSEMBLE] = winners[len(y_test) :] == y_rest
        ensemble = Contender(lambda seed: None)
        ensemble.test.append(float(np.mean(winners[: len(y_test)] == y_test)))
        ensemble.rest.append(float(right[ENSEMBLE].mean()))
        ensemble.seconds.append(sum(CONTENDERS[OURS].seconds[:5]))
        results[ENSEMBLE] = ensemble
        row(ENSEMBLE, ensemble)
    compare(results, right)
    if arguments.json:
        numbers = {
            name: {k: v for k, v in vars(c).items() if k in ("test", "rest", "seconds")}
            for name, c in results.items()
        }
        arguments.json.write_text(json.dumps({"machine": machine, "results": numbers}, indent=1))


def row(name: str, contender: Contender) -> None:
    """Print a contender's line of the table."""
    cells = f"{spread(contender.test, 4):>18} {spread(contender.rest, 4):>18}"
    print(f"{name:<26} {cells} {spread(contender.seconds, 1):>14}", flush=True)


def compare(results: dict[str, Contender], right: dict[str, np.ndarray]) -> None:
    """Print how soon the goal is reached, and whether the lead over the best peer is chance."""
    there = {n: c for n, c in results.items() if np.mean(c.rest) >= GOAL}
    print(f"\n{GOAL} on the 58,000 is reached by:")
    for name, contender in sorted(there.items(), key=lambda item: np.mean(item[1].seconds)):
        print(f"  {name:<26} {np.mean(contender.seconds):8.1f} s of fit")
    peers = [n for n in results if "DigitANN" not in n and n not in (OURS, ENSEMBLE, COMMITTEE)]
    if OURS in results and peers:
        best = max(peers, key=lambda n: np.mean(results[n].rest))
        only, only_other, p = mcnemar(right[OURS], right[best])
        print(
            f"\nMcNemar on the 58,000, first seeds: {only} images only {OURS} reads, {only_other} "
            f"only {best}; p = {p:.2g}"
        )


if __name__ == "__main__":
    main()
