"""Accuracy on unseen MNIST images after training on 10,000.

Each contender is fitted to the same 10,000 images, once a seed, and scored on the 2,000 test images
of the 12,000 and on the 58,000 others. Nothing is chosen by these scores.

    python examples/benchmarks/bench_accuracy.py --seeds 3
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import sklearn
import torch

from sk_digits import make_digit_pipeline
from sk_digits.datasets import fetch_mnist

CONTENDERS: dict[str, Callable[[int], Any]] = {
    "make_digit_pipeline()": lambda seed: make_digit_pipeline(random_state=seed),
}


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3, help="fits of each contender")
    arguments = parser.parse_args()

    X, y = fetch_mnist(subset="12k", return_X_y=True)
    X_rest, y_rest = fetch_mnist(subset="rest", return_X_y=True)
    print(
        f"{arguments.seeds} seeds, {torch.get_num_threads()} threads, {platform.machine()}, "
        f"torch {torch.__version__}, scikit-learn {sklearn.__version__}"
    )
    print(f"{'':<24} {'2,000 test images':>20} {'58,000 others':>20} {'fit seconds':>14}")
    for name, make in CONTENDERS.items():
        results = []
        for seed in range(arguments.seeds):
            model = make(seed)
            start = time.perf_counter()
            model.fit(X[:10_000], y[:10_000])
            seconds = time.perf_counter() - start
            test = model.score(X[10_000:], y[10_000:])
            results.append((test, model.score(X_rest, y_rest), seconds))
        cells = zip(np.mean(results, axis=0), np.std(results, axis=0, ddof=1), strict=True)
        (test, test_sd), (rest, rest_sd), (seconds, seconds_sd) = cells
        print(
            f"{name:<24} {test:>11.4f} ± {test_sd:.4f} {rest:>11.4f} ± {rest_sd:.4f} "
            f"{seconds:>8.1f} ± {seconds_sd:.1f}"
        )


if __name__ == "__main__":
    main()
