"""Seconds and memory of DigitANN beside four other ways to train the same network.

The others are a hand-written PyTorch loop, stock skorch, scikit-learn's MLPClassifier, and Keras 3
on its torch backend (if installed). All have the same rows, batches, epochs and threads. After a
warm-up each runs once in each round, in an order that changes. A ratio is the median, over the
rounds, of the quotient of two times of one round, with a percentile bootstrap 95 % interval.

    python benchmarks/bench_speed.py --json speed.json --plot speed.png
    python benchmarks/bench_speed.py --quick --only fit,predict

Rows are MNIST if SK_DIGITS_DATA names its folder, else random numbers, which take as long.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import json
import multiprocessing
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _contenders import (
    CONTENDERS,
    HAS_BFLOAT16_UNITS,
    Contender,
    Data,
    Shape,
    Task,
    load_data,
    make_digit_ann,
    peak_mib,
    present_contenders,
)
from _speed_report import describe_environment, plot_fit, print_targets, show

HIDDEN = ((128,), (256, 128), (512, 512), (1024, 1024))
SMALL, LARGE = Shape((256, 128), 128), Shape((1024, 1024), 512)
# DigitANN and the loop predict in float32, whatever they were trained in.
PREDICTING = ("DigitANN float32", "torch loop float32", "skorch", "MLPClassifier", "Keras")
SECTIONS = ("fit", "memory", "growth", "augmentation", "predict")
ONE_ROW_SECONDS = 0.2  # for the calls on one row of one contender in one round


@dataclass(frozen=True)
class Settings:
    """How much to measure."""

    rounds: int = 7
    epochs: int = 3
    device: str = "cpu"
    n_rows: int = 10_000
    n_predict: int = 58_000
    shapes: tuple[Shape, ...] = tuple(Shape(h, batch) for h in HIDDEN for batch in (128, 512))
    growth: tuple[int, ...] = (1_000, 3_000, 10_000, 30_000, 60_000)


QUICK: dict[str, Any] = {
    "n_rows": 2_000,
    "n_predict": 5_000,
    "shapes": (Shape((128,), 512), SMALL, LARGE),
    "growth": (500, 1_000, 2_000),
}


def seconds_of(call: Callable[[], Any], device: str = "cpu") -> float:
    """Return the seconds of one call, from an empty heap and an idle device to an idle device."""
    gc.collect()
    if device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    call()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def interleave(tasks: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Run every task once unrecorded, then once in each round, in another order each round."""
    for task in tasks.values():
        task()
    rng = np.random.default_rng(0)
    names = list(tasks)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        for i in rng.permutation(len(names)):
            seconds[names[i]].append(tasks[names[i]]())
    return seconds


def ratio(mine: list[float], theirs: list[float]) -> dict[str, float]:
    """Return the median of paired ratios with its bootstrap interval over the rounds."""
    ratios = np.array(mine) / np.array(theirs)
    samples = np.random.default_rng(0).choice(ratios, size=(10_000, len(ratios)))
    low, high = np.percentile(np.median(samples, axis=1), [2.5, 97.5])
    return {"median": float(np.median(ratios)), "low": float(low), "high": float(high)}


def fit_timer(contender: Contender, task: Task, data: Data, n_rows: int) -> Callable[[], float]:
    """Return a function that times a fit of a new classifier to the first rows."""
    X, y = data.X[:n_rows], data.y[:n_rows]

    def timer() -> float:
        model = contender.make(task)
        return seconds_of(lambda: model.fit(X, y), task.device)

    return timer


def products_timer(shape: Shape, dtype: torch.dtype, settings: Settings) -> Callable[[], float]:
    """Return a function that times the matrix products of a fit: forward, and for the gradients."""
    options: dict[str, Any] = {"dtype": dtype, "device": settings.device}
    weights = [torch.rand(n_out, n_in, **options) for n_in, n_out in shape.layers]
    inputs = [torch.rand(shape.batch_size, W.shape[1], **options) for W in weights]
    outputs = [torch.rand(shape.batch_size, W.shape[0], **options) for W in weights]
    n_steps = settings.epochs * -(-settings.n_rows // shape.batch_size)

    def products() -> None:
        for _ in range(n_steps):
            for W, x in zip(weights, inputs, strict=True):
                torch.mm(x, W.t())
            for W, x, y in zip(weights, inputs, outputs, strict=True):
                torch.mm(y.t(), x)
                if x is not inputs[0]:  # the rows themselves need no gradient
                    torch.mm(y, W)

    return lambda: seconds_of(products, settings.device)


def measure_shape(data: Data, shape: Shape, settings: Settings) -> dict[str, Any]:
    """Time the fits of all contenders at one shape."""
    task = Task(shape, settings.epochs, settings.device)
    tasks = {
        name: fit_timer(contender, task, data, settings.n_rows)
        for name, contender in present_contenders().items()
    }
    for dtype in (torch.float32, torch.bfloat16) if HAS_BFLOAT16_UNITS else (torch.float32,):
        tasks[str(dtype)] = products_timer(shape, dtype, settings)
    seconds = interleave(tasks, settings.rounds)
    contenders = {}
    for name, contender in present_contenders().items():
        products = seconds.get(f"torch.{contender.precision}")
        contenders[name] = {
            "seconds": seconds[name],
            "seconds_per_epoch": float(np.median(seconds[name])) / settings.epochs,
            # these seconds over those of the matrix products alone, in the same precision
            "over_products": products and ratio(seconds[name], products),
            # DigitANN's seconds over these seconds, by DigitANN's precision
            "ratios": {
                mine.removeprefix("DigitANN "): ratio(seconds[mine], seconds[name])
                for mine in tasks
                if mine.startswith("DigitANN") and mine != name
            },
        }
    products = {name: seconds[name] for name in seconds if name.startswith("torch.")}
    return {**shape._asdict(), "products": products, "contenders": contenders}


def run_fit(data: Data, settings: Settings) -> list[dict[str, Any]]:
    """Time fits at every shape."""
    results = []
    precisions = [
        p for p in ("float32", "bfloat16", "auto") if p != "bfloat16" or HAS_BFLOAT16_UNITS
    ]
    print(f"\nFIT: {settings.n_rows:,} rows, {settings.epochs} epochs")
    for shape in settings.shapes:
        result = measure_shape(data, shape, settings)
        results.append(result)
        titles = ["it / its products", *(f"DigitANN {precision} / it" for precision in precisions)]
        print(f"\n{shape!s:<30}{'s/epoch':>9}" + "".join(f"{title:>25}" for title in titles))
        for dtype, seconds in result["products"].items():
            title = f"matrix products alone, {dtype.removeprefix('torch.')}"
            print(f"{title:<32}{np.median(seconds) / settings.epochs:>7.4f}")
        for name in CONTENDERS:
            print(f"{name:<30}" + _fit_cells(name, result["contenders"].get(name), precisions))
    return results


def _fit_cells(name: str, row: dict[str, Any] | None, precisions: list[str]) -> str:
    if row is None:
        return "  not installed" if name == "Keras" else "  no units for it in this processor"
    ratios = [row["over_products"], *(row["ratios"].get(precision) for precision in precisions)]
    cells = "".join(f"{show(value) if value else '':>25}" for value in ratios)
    return f"{row['seconds_per_epoch']:>9.4f}{cells}"


def run_memory(data: Data, settings: Settings) -> list[dict[str, Any]]:
    """Measure the peak memory of a fit, each in its own process."""
    print(f"\nMEMORY: rise of the peak in a fit to {settings.n_rows:,} rows, MiB")
    if not Path("/proc/self/clear_refs").exists():
        print("  not measured: it takes Linux")
        return []
    results = []
    print(f"{'':<20}{SMALL!s:>24}{LARGE!s:>26}")
    for name in present_contenders():
        row: dict[str, Any] = {"contender": name}
        for shape in (SMALL, LARGE):
            task = Task(shape, 1, settings.device)
            spawn = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(max_workers=1, mp_context=spawn) as pool:
                row[str(shape)] = pool.submit(peak_mib, name, task, settings.n_rows).result()
        results.append(row)
        print(f"{name:<20}{row[str(SMALL)]:>24.1f}{row[str(LARGE)]:>26.1f}")
    return results


def run_growth(data: Data, settings: Settings) -> dict[str, Any]:
    """Time fits to more and more rows."""
    task, contender = Task(SMALL, settings.epochs, settings.device), CONTENDERS["DigitANN float32"]
    timers = {str(n): fit_timer(contender, task, data, n) for n in settings.growth}
    seconds = interleave(timers, settings.rounds)
    medians = [float(np.median(values)) for values in seconds.values()]
    exponent = float(np.polyfit(np.log(settings.growth), np.log(medians), 1)[0])
    print(f"\nGROWTH: DigitANN float32, {SMALL}, {settings.epochs} epochs")
    for n, median in zip(settings.growth, medians, strict=True):
        per_thousand = median / settings.epochs / n * 1e6
        print(f"{n:>7,} rows {per_thousand:>8.2f} ms per 1,000 rows and epoch")
    print(f"seconds grow as rows to the power of {exponent:.3f}")
    return {"seconds": seconds, "exponent": exponent}


def run_augmentation(data: Data, settings: Settings) -> dict[str, Any]:
    """Time fits with and without augmentation."""
    shape = Shape((1024, 1024), 128)
    task = Task(shape, settings.epochs, settings.device)
    precisions = [p for p in ("float32", "bfloat16") if p == "float32" or HAS_BFLOAT16_UNITS]
    timers = {}
    for precision in precisions:
        for augmentation in (None, "elastic"):
            contender = Contender(
                partial(make_digit_ann, precision=precision, augmentation=augmentation)
            )
            timers[f"{precision} {augmentation}"] = fit_timer(
                contender, task, data, settings.n_rows
            )
    seconds = interleave(timers, settings.rounds)
    print(f"\nAUGMENTATION: 'elastic' beside none, {shape}")
    extra = {}
    for precision in precisions:
        value = ratio(seconds[f"{precision} elastic"], seconds[f"{precision} None"])
        extra[precision] = {name: 100 * (x - 1) for name, x in value.items()}
        percent = "{median:+.1f} % [{low:+.1f}, {high:+.1f}]".format(**extra[precision])
        print(f"{precision:<9} {percent} seconds")
    return {"seconds": seconds, "extra_percent": extra}


def one_row_timer(model: Any, data: Data) -> Callable[[], float]:
    """Return a function that returns the median time of predictions of one row."""
    row = data.X[-1:]

    def timer() -> float:
        times: list[float] = []
        while sum(times) < ONE_ROW_SECONDS:
            start = time.perf_counter()
            model.predict(row)
            times.append(time.perf_counter() - start)
        return float(np.median(times))

    return timer


def run_predict(data: Data, settings: Settings) -> list[dict[str, Any]]:
    """Time predictions of many rows and of one."""
    X, results = data.X[-settings.n_predict :], []
    print(
        f"\nPREDICT: {settings.n_predict:,} rows, and one, all in float32; DigitANN's / its seconds"
    )
    for shape in (SMALL, LARGE):
        task = Task(shape, 1, settings.device)
        models = {
            name: contender.make(task).fit(data.X[:2_000], data.y[:2_000])
            for name, contender in present_contenders().items()
            if name in PREDICTING
        }
        many = {
            name: partial(seconds_of, partial(model.predict, X)) for name, model in models.items()
        }
        one = {name: one_row_timer(model, data) for name, model in models.items()}
        times = {"many": interleave(many, settings.rounds), "one": interleave(one, settings.rounds)}
        title = "DigitANN / it"
        print(f"\n{shape.hidden!s:<20}{'ms':>9}{title:>20}{'µs, one row':>14}{title:>20}")
        for name in models:
            row: dict[str, Any] = {"hidden": shape.hidden, "contender": name}
            cells = ""
            for kind, unit, width in (("many", 1e3, 9), ("one", 1e6, 14)):
                seconds = times[kind]
                row[kind] = {"seconds": seconds[name]}
                row[kind]["ratio"] = ratio(seconds[PREDICTING[0]], seconds[name])
                text = "" if name == PREDICTING[0] else show(row[kind]["ratio"])
                cells += f"{np.median(seconds[name]) * unit:>{width}.0f}{text:>20}"
            results.append(row)
            print(f"{name:<20}{cells}")
    return results


RUNNERS: dict[str, Callable[[Data, Settings], Any]] = {
    "fit": run_fit,
    "memory": run_memory,
    "growth": run_growth,
    "augmentation": run_augmentation,
    "predict": run_predict,
}


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, help="of each measurement (default: 7)")
    parser.add_argument("--epochs", type=int, help="of each fit (default: 3)")
    parser.add_argument(
        "--quick", action="store_true", help="a smoke run; its numbers mean nothing"
    )
    parser.add_argument(
        "--only",
        type=lambda text: text.split(","),
        default=list(RUNNERS),
        help=f"sections, separated by commas, of {','.join(RUNNERS)} (default: all)",
    )
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="(default: cpu)")
    parser.add_argument("--json", type=Path, help="file for all numbers")
    parser.add_argument(
        "--plot", type=Path, help="file for a picture of the fits; needs matplotlib"
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.only) - set(RUNNERS):
        parser.error(f"--only: unknown sections {', '.join(sorted(unknown))}")
    if arguments.plot and not ("fit" in arguments.only and importlib.util.find_spec("matplotlib")):
        parser.error("--plot needs matplotlib and the section fit")
    return arguments


def make_settings(arguments: argparse.Namespace) -> Settings:
    """Return the settings: the defaults, those of --quick, and those of the command line."""
    chosen = QUICK if arguments.quick else {}
    given = {name: getattr(arguments, name) for name in ("rounds", "epochs", "device")}
    return Settings(**chosen | {name: value for name, value in given.items() if value})


def main() -> None:
    """Measure, print tables, compare with the targets, and write the files."""
    arguments = parse_arguments()
    settings = make_settings(arguments)
    start = time.perf_counter()
    data = load_data()
    environment = describe_environment(settings.device, data.source)
    results: dict[str, Any] = {"environment": environment, "settings": asdict(settings)}
    print(", ".join(f"{name} {value}" for name, value in environment["versions"].items()))
    print(
        f"{environment['processor']}, {environment['device']}, "
        f"{environment['threads']['torch']} threads, {data.source}, {settings.rounds} rounds"
    )
    for section, run in RUNNERS.items():
        if section in arguments.only:
            results[section] = run(data, settings)
    print_targets(results)
    results["seconds"] = time.perf_counter() - start
    print(f"\n{results['seconds'] / 60:.1f} minutes")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")
    if arguments.plot:
        plot_fit(results, arguments.plot)


if __name__ == "__main__":
    main()
