"""Whether repeated fits and predictions take more and more memory.

Each of several fresh processes makes 200 unmeasured fits of one classifier, which fill the pools of
the allocator, and then 200 measured ones; then 200 unmeasured and 100,000 measured predictions. The
slope of the resident memory over the measured calls, by least squares, is the growth per call. The
processes are independent, and the interval is Student's over them.

    python benchmarks/bench_memory.py

Rows are MNIST if SK_DIGITS_DATA names its folder, else random numbers, which serve as well here.
Linux only.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from _contenders import load_data
from scipy.stats import t as student

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.resident_memory import resident_bytes

from sk_digits import DigitANN

N_UNMEASURED = 200  # calls
N_SAMPLES = 100  # of the memory, in each process


def trace(call: Callable[[], Any], n_calls: int) -> list[int]:
    """Call to warm up, then again; return the memory after each hundredth of these calls."""
    for _ in range(N_UNMEASURED):
        call()
    sizes = []
    for _ in range(N_SAMPLES):
        for _ in range(n_calls // N_SAMPLES):
            call()
        sizes.append(resident_bytes())
    return sizes


def trace_process(n_fits: int, n_predictions: int) -> dict[str, list[int]]:
    """Fit and predict in this process; return the memory during the calls."""
    data = load_data()
    X, y = data.X[:1000], data.y[:1000]
    ann = DigitANN((256, 128), max_epochs=1, random_state=0)
    return {
        "fit": trace(lambda: ann.fit(X, y), n_fits),
        "predict": trace(lambda: ann.predict(X[:10]), n_predictions),
    }


def slope(sizes: list[int], n_calls: int) -> float:
    """Return the growth in bytes for each call."""
    return float(np.polyfit(np.arange(N_SAMPLES) * (n_calls // N_SAMPLES), sizes, 1)[0])


def interval(values: list[float]) -> tuple[float, float, float]:
    """Return the mean of independent values and its 95 % interval."""
    half = student.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return float(np.mean(values)), float(np.mean(values) - half), float(np.mean(values) + half)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fits", type=int, default=200, help="a process (default: 200)")
    parser.add_argument("--predictions", type=int, default=100_000, help="(default: 100000)")
    parser.add_argument("--processes", type=int, default=5, help="one after the other (default: 5)")
    parser.add_argument("--json", type=Path, help="file for all numbers")
    arguments = parser.parse_args()
    n_calls = {"fit": arguments.fits, "predict": arguments.predictions}
    if min(n_calls.values()) < N_SAMPLES or arguments.processes < 2:
        parser.error(f"it takes {N_SAMPLES} calls of each, and 2 processes")
    traces = []
    for _ in range(arguments.processes):
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(max_workers=1, mp_context=spawn) as pool:
            traces.append(pool.submit(trace_process, *n_calls.values()).result())
    results = {}
    for name, n in n_calls.items():
        slopes = [slope(one[name], n) for one in traces]
        mean, low, high = interval(slopes)
        rise = max(one[name][-1] - one[name][0] for one in traces)
        results[name] = {"slopes": slopes, "mean": mean, "low": low, "high": high, "rise": rise}
        print(
            f"{n:,} calls of {name}: {mean:+.2f} bytes a call, 95 % interval [{low:+.2f}, "
            f"{high:+.2f}]; at most {rise / 1024:.0f} KiB from the first to the last"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps({"results": results, "traces": traces}, indent=1))


if __name__ == "__main__":
    main()
