"""Compare a model with its ONNX export: its predictions of 58,000 unseen images, and its time.

    SK_DIGITS_DATA=... python benchmarks/bench_onnx.py digits.safetensors

The model is one that ``sk-digits train --out digits.safetensors`` saved.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
import torch

from sk_digits import load_model
from sk_digits.datasets import fetch_mnist
from sk_digits.onnx import to_onnx


def seconds(function: Callable[[], Any]) -> float:
    """Return the seconds of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def compare_times(name: str, ours: Callable[[], Any], theirs: Callable[[], Any], n: int) -> None:
    """Print the medians of `n` calls of both, in turns, and of their ratios."""
    ours(), theirs()
    pairs = np.array([(seconds(ours), seconds(theirs)) for _ in range(n)])
    ratios = np.quantile(pairs[:, 1] / pairs[:, 0], [0.5, 0.025, 0.975])
    model, onnx = 1e3 * np.median(pairs, axis=0)
    print(
        f"{name}: model {model:.3f} ms, ONNX {onnx:.3f} ms, ratio {ratios[0]:.2f} "
        f"[{ratios[1]:.2f}, {ratios[2]:.2f}] in {n} rounds"
    )


def main(path: str) -> None:
    """Print all figures of docs/onnx.md."""
    model = load_model(path)
    pixels = fetch_mnist(subset="rest").data
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    for dtype in ("uint8", "float32", "float64"):
        X = pixels.astype(dtype)
        content = to_onnx(model, dtype=dtype).SerializeToString()
        session = onnxruntime.InferenceSession(content, options)
        labels, probabilities = session.run(None, {"X": X})
        n_other = np.sum(labels != model.predict(X))
        difference = np.abs(probabilities - model.predict_proba(X)).max()
        print(f"{dtype}: {len(content):,} bytes; of {len(X):,} images {n_other} labels differ, ")
        print(f"    probabilities by {difference:.1e} at most")
    X = pixels
    session = onnxruntime.InferenceSession(
        to_onnx(model, dtype="uint8").SerializeToString(), options
    )
    print(f"{torch.get_num_threads()} threads, uint8")
    for name, rows, n in (("1 row", X[:1], 1001), ("58,000 rows", X, 7)):
        compare_times(
            name,
            lambda rows=rows: model.predict_proba(rows),
            lambda rows=rows: session.run(["probabilities"], {"X": rows}),
            n,
        )


if __name__ == "__main__":
    main(sys.argv[1])
