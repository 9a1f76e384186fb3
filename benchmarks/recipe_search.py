"""Search for the recipe of make_digit_pipeline on the 10,000 training images alone.

Each candidate is cross-validated on the training images; the test images are not used. Results are
appended to a file of JSON lines, and candidates that are in it are not run again.

    python benchmarks/recipe_search.py --out recipe_search.jsonl
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from sk_digits import RandomWarp, make_digit_pipeline
from sk_digits.datasets import fetch_mnist

# Each candidate says what it changes in these parameters.
BASE: dict[str, Any] = {
    "hidden_layer_sizes": (1024, 1024),
    "batch_norm": True,
    "dropout": 0.1,
    "label_smoothing": 0.1,
    "lr": 6e-3,
    "weight_decay": 1e-2,
    "batch_size": 128,
    "max_epochs": 60,
    "precision": "bfloat16",
}
WARP = {"rotation": 15, "shear": 0.25, "scale": 0.15, "translation": 0.07, "elastic": 0.015}

CANDIDATES: list[dict[str, Any]] = [
    {"warp": {"elastic": 0.0}},
    {},
    {"warp": {"elastic": 0.02}},
    {"warp": {"elastic": 0.03}},
    {"warp": {"elastic": 0.02}, "dropout": 0.2},
    {"warp": None},
    {"warp": None, "dropout": 0.5},
    {"warp": None, "dropout": 0.5, "hidden_layer_sizes": (2048, 2048), "lr": 3e-3},
    {"warp": {"elastic": 0.02}, "hidden_layer_sizes": (2048, 1024)},
    {"warp": {"elastic": 0.02}, "hidden_layer_sizes": (2048, 1024), "batch_size": 256},
    {"warp": {"elastic": 0.02}, "label_smoothing": 0.0},
    {"warp": {"elastic": 0.02}, "weight_decay": 5e-2},
    {"warp": {"elastic": 0.02}, "hidden_layer_sizes": (2048, 2048), "batch_size": 256},
]


def score(candidate: dict[str, Any], X: np.ndarray, y: np.ndarray, n_folds: int) -> dict[str, Any]:
    """Cross-validate a candidate, and return its error in percent and the seconds of a fit."""
    params = BASE | {name: value for name, value in candidate.items() if name != "warp"}
    warp = candidate.get("warp", {})
    pipeline = make_digit_pipeline(
        **params, augmentation=None if warp is None else RandomWarp(**WARP | warp), random_state=0
    )
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=0)
    start = time.perf_counter()
    errors = cross_val_predict(pipeline, X, y, cv=folds) != y
    seconds = (time.perf_counter() - start) / n_folds
    return {"error_percent": round(100 * errors.mean(), 2), "seconds": round(seconds, 1)}


def main() -> None:
    """Score the candidates that have no result yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("recipe_search.jsonl"))
    parser.add_argument("--folds", type=int, default=5)
    arguments = parser.parse_args()

    X, y = fetch_mnist(subset="12k", return_X_y=True)
    X, y = X[:10_000], y[:10_000]
    lines = arguments.out.read_text().splitlines() if arguments.out.exists() else []
    done = [json.loads(line)["candidate"] for line in lines]
    for candidate in CANDIDATES:
        plain = json.loads(json.dumps(candidate))
        if plain in done:
            continue
        line = json.dumps({"candidate": plain} | score(candidate, X, y, arguments.folds))
        print(line, flush=True)
        with arguments.out.open("a") as file:
            file.write(line + "\n")


if __name__ == "__main__":
    main()
