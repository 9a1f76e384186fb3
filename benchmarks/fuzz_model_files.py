"""Find out what the readers of files make of damaged and hostile ones.

Feeds a corpus of damaged and crafted files, made by a random seed, to `sk_digits.load_model` and to
a fit with `sk_digits.TrainingCheckpoint`, in processes of limited memory. Prints a table.

    python benchmarks/fuzz_model_files.py --n 20000
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import select
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

KILL_S = 10.0
MEMORY = 2 * 2**30


class Stop(Exception):
    """The interruption of a training."""


def prepare_load_model(folder: Path) -> tuple[Path, Callable[[], object]]:
    """Save a model that has all that a file can have; return its path and what loads it."""
    from sklearn.decomposition import PCA
    from sklearn.pipeline import Pipeline

    from sk_digits import DigitANN, ModelFileError, PixelScaler, RandomWarp, load_model, save_model

    X, y = np.random.default_rng(0).random((200, 64), dtype=np.float32), np.arange(200) % 10
    ann = DigitANN(
        (16,),
        max_epochs=2,
        batch_norm=True,
        augmentation=RandomWarp(rotation=10),
        class_weight={1: 2.0},
        random_state=np.random.RandomState(0),
    )
    pipeline = Pipeline([("scaler", PixelScaler()), ("pca", PCA(16)), ("ann", ann)]).fit(X, y)
    ann.partial_fit(pipeline[:-1].transform(X), y)
    save_model(pipeline, folder / "model", keep_optimizer=True)

    def load() -> str:
        try:
            model = load_model(folder / "model")
        except ModelFileError:
            return "refused"
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            try:
                model.predict(X)
            except ValueError as error:
                if "overflow" not in str(error) and "too large" not in str(error):
                    raise
        return "loaded"

    return folder / "model", load


def prepare_checkpoint(folder: Path) -> tuple[Path, Callable[[], object]]:
    """Interrupt a training; return the path of its checkpoint and what goes on from there."""
    from skorch.callbacks import Callback

    from sk_digits import DigitANN, TrainingCheckpoint

    class Interruption(Callback):
        def on_epoch_end(self, net: object, **kwargs: object) -> None:
            raise Stop

    X, y = np.random.default_rng(0).random((80, 16), dtype=np.float32), np.arange(80) % 3
    params = {"max_epochs": 3, "dropout": 0.2, "early_stopping": True, "random_state": 0}
    checkpoint = TrainingCheckpoint(folder)
    try:
        DigitANN((5,), **params, callbacks=[checkpoint, Interruption()]).fit(X, y)
    except Stop:
        (path,) = folder.glob("training-*")

    def go_on() -> str:
        try:
            DigitANN((5,), **params, callbacks=[checkpoint]).fit(X, y)
        except ValueError as error:
            if "Delete it to start anew" in str(error):
                return "refused"
            if "Training diverged" not in str(error):
                raise
        return "loaded"

    return path, go_on


READERS = {"load_model": prepare_load_model, "TrainingCheckpoint": prepare_checkpoint}


def work(reader: str, folder: Path, first: int, stop: int, seed: int) -> None:
    """Read files one by one, and print a line before and after each."""
    from support.model_file_corpus import case

    warnings.simplefilter("ignore")
    path, read = READERS[reader](folder)
    read()
    honest, canary = path.read_bytes(), folder / "canary"
    if reader == "TrainingCheckpoint":  # which has gone on to the end
        path.unlink()
        path, read = READERS[reader](folder)
        honest = path.read_bytes()
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + MEMORY,) * 2)
    for i in range(first, stop):
        kind, content = case(honest, i, str(canary), seed)
        path.write_bytes(content)
        print(json.dumps({"begin": i}), flush=True)
        begin = time.process_time()
        try:
            outcome = read()
        except BaseException as error:
            outcome = f"other: {kind} {i} {type(error).__name__}: {str(error)[:100]}"
        line = {
            "end": i,
            "outcome": outcome,
            "seconds": time.process_time() - begin,
            "ran": canary.exists(),
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - rss,
        }
        canary.unlink(missing_ok=True)
        print(json.dumps(line), flush=True)


def judge(reader: str, first: int, n: int, seed: int) -> tuple[Counter, float, float, list[str]]:
    """Run the corpus against a reader; start anew after a crash or a hang."""
    counts: Counter = Counter()
    slowest = peak = 0.0
    others: list[str] = []
    begun = first - 1
    while begun < first + n - 1:
        with tempfile.TemporaryDirectory() as name:
            command = [sys.executable, __file__, "--work", reader, "--folder", name]
            command += ["--first", str(begun + 1), "--n", str(first + n - 1 - begun)]
            command += ["--seed", str(seed)]
            worker = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=name)
            is_open, last = False, begun
            while True:
                ready, _, _ = select.select([worker.stdout], [], [], KILL_S if is_open else 120)
                line = worker.stdout.readline() if ready else b""
                if not line.startswith(b'{"'):
                    worker.kill()
                    worker.wait()
                    if is_open:
                        counts["crash" if ready else "hang"] += 1
                        others.append(f"{'crash' if ready else 'hang'}: {begun}")
                    break
                event = json.loads(line)
                if is_open := "begin" in event:
                    begun = event["begin"]
                    continue
                counts[event["outcome"].partition(":")[0]] += 1
                if event["outcome"].startswith("other"):
                    others.append(event["outcome"])
                counts["hang"] += event["seconds"] > 1
                counts["ran"] += event["ran"]
                slowest, peak = max(slowest, event["seconds"]), max(peak, event["peak"] / 1024)
        if begun == last:
            raise RuntimeError(f"the worker for {reader} does not start")
    return counts, slowest, peak, others


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=20_000, help="files for each reader")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reader", action="append", choices=READERS, help="default: all")
    parser.add_argument("--first", type=int, default=0, help="number of the first file")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        work(args.work, args.folder, args.first, args.first + args.n, args.seed)
        return
    packages = ("sk-digits", "torch", "safetensors", "skorch")
    print(f"Python {platform.python_version()},", ", ".join(f"{p} {version(p)}" for p in packages))
    print(f"files {args.first:,} to {args.first + args.n - 1:,}, seed {args.seed}\n")
    columns = ("loaded", "refused", "other", "crash", "hang", "ran")
    print("| reader | loads | its error | other exception | crash | over 1 s | code ran", end=" ")
    print("| slowest, s | peak memory, MB |\n|---|" + "--:|" * 8, flush=True)
    problems = []
    for reader in args.reader or READERS:
        counts, slowest, peak, others = judge(reader, args.first, args.n, args.seed)
        numbers = " | ".join(f"{counts[column]:,}" for column in columns)
        print(f"| {reader} | {numbers} | {slowest:.2f} | {peak:.0f} |", flush=True)
        problems += others
    print("", *problems[:20], sep="\n")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
