"""Test whether an integer weight equals that many copies of a row where fits depend on the seed.

Where the rows fill several batches, fits with different seeds differ, so that weights can equal
copies in distribution only. Each classifier is fitted 200 times to weighted rows and 200 times,
with other seeds, to repeated rows. The probabilities that it gives to unseen rows are compared row
by row with the Kolmogorov-Smirnov test. The third line is a control: repeated rows against repeated
rows.

    python benchmarks/audit_weights.py --json weights.json
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy.stats import false_discovery_control, ks_2samp
from sklearn.base import ClassifierMixin
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from sk_digits import DigitANN

N_ROWS, N_UNSEEN = 150, 30
SETTING = {"hidden_layer_sizes": (16,), "batch_size": 16}


def digit_ann(seed: int) -> DigitANN:
    """Return a DigitANN."""
    return DigitANN(**SETTING, max_epochs=8, lr=5e-3, random_state=seed)


def mlp_classifier(seed: int) -> MLPClassifier:
    """Return a classifier of scikit-learn that is as similar as possible."""
    return MLPClassifier(**SETTING, max_iter=8, learning_rate_init=5e-3, random_state=seed)


def probabilities(make: Callable[[int], ClassifierMixin], seed: int, how: str) -> NDArray[Any]:
    """Fit to weighted or repeated rows, and return the probabilities of unseen rows."""
    X, y = load_digits(return_X_y=True)
    X, unseen, y = X[:N_ROWS] / 16, X[-N_UNSEEN:] / 16, y[:N_ROWS]
    weight = np.random.default_rng(0).integers(0, 5, N_ROWS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        if how == "weights":
            classifier = make(seed).fit(X, y, sample_weight=weight)
        else:
            classifier = make(seed).fit(np.repeat(X, weight, axis=0), np.repeat(y, weight))
    truth = load_digits().target[-N_UNSEEN:]
    return classifier.predict_proba(unseen)[np.arange(N_UNSEEN), truth]


def audit(make: Callable[[int], ClassifierMixin], n_fits: int, first: str, second: str) -> Any:
    """Compare two ways to pass the weights; their fits have different seeds."""
    tasks = [(first, seed) for seed in range(n_fits)]
    tasks += [(second, seed) for seed in range(n_fits, 2 * n_fits)]
    results = Parallel(n_jobs=-1)(delayed(probabilities)(make, seed, how) for how, seed in tasks)
    a, b = np.split(np.array(results), 2)
    p = np.array([ks_2samp(*pair).pvalue for pair in zip(a.T, b.T, strict=True)])
    return {
        "smallest adjusted p": float(false_discovery_control(p, method="by").min()),
        "rows with p < 0.05": float((p < 0.05).mean()),
        "largest difference of means": float(np.abs(a.mean(axis=0) - b.mean(axis=0)).max()),
    }


def main() -> None:
    """Audit both classifiers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fits", type=int, default=200)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    comparisons = {
        "DigitANN, weights against copies": (digit_ann, "weights", "copies"),
        "MLPClassifier, weights against copies": (mlp_classifier, "weights", "copies"),
        "DigitANN, copies against copies": (digit_ann, "copies", "copies"),
    }
    results = {}
    for name, (make, first, second) in comparisons.items():
        results[name] = audit(make, args.fits, first, second)
        print(name)
        for what, value in results[name].items():
            print(f"    {what:<30} {value:.3g}")
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
