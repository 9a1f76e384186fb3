"""Compare the bits, labels and accuracy that one seed gives with one thread and with two.

Each network is trained twice with either number of threads, and with a second seed for scale.

    SK_DIGITS_DATA=... python benchmarks/bench_threads.py
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sk_digits import DigitANN, make_digit_pipeline
from sk_digits.datasets import fetch_mnist

NETWORKS: dict[str, dict[str, Any]] = {
    "(32,)": {"hidden_layer_sizes": (32,)},
    "(256, 128)": {"hidden_layer_sizes": (256, 128)},
    "(512, 512)": {},
}


def fit(make: Any, params: dict[str, Any], data: Any, n_threads: int, seed: int) -> NDArray[Any]:
    """Train with this number of threads, and return the probabilities of the test rows."""
    X, y = data
    torch.set_num_threads(n_threads)
    model = make(**params, random_state=seed).fit(X[:10_000], y[:10_000])
    torch.set_num_threads(1)  # so that only the weights can differ
    return model.predict_proba(X[10_000:])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=5, help="of each fit (default: 5)")
    epochs = parser.parse_args().epochs
    X, y = fetch_mnist(return_X_y=True)
    scaled = (X / 255).astype(np.float32)
    cases = [
        (f"{name}, {precision}", DigitANN, params | {"precision": precision}, (scaled, y))
        for precision in ("float32", "bfloat16")
        for name, params in NETWORKS.items()
    ]
    cases.append(("make_digit_pipeline()", make_digit_pipeline, {}, (X, y)))
    print(
        "network | twice 1 | twice 2 | 1 = 2 | largest |Δp| | labels equal | accuracy 1 / 2 | seed"
    )
    for name, make, params, data in cases:
        params = params | {"max_epochs": epochs}
        one, one_again, two, two_again = (fit(make, params, data, n, 0) for n in (1, 1, 2, 2))
        other = fit(make, params, data, 1, 1)
        truth = data[1][10_000:]
        accuracies = [float(np.mean(p.argmax(1) == truth)) for p in (one, two, other)]
        print(
            f"{name} | {np.array_equal(one, one_again)} | {np.array_equal(two, two_again)} "
            f"| {np.array_equal(one, two)} | {np.abs(one - two).max():.1e} "
            f"| {np.mean(one.argmax(1) == two.argmax(1)):.4f} "
            f"| {accuracies[0]:.4f} / {accuracies[1]:.4f} | {accuracies[2]:.4f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
