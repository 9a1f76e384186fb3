"""Find out what loaders make of damaged and hostile files.

Feeds the same corpus, seeded, of damaged and crafted files to `sk_digits.load_model` and to
joblib.load, torch.load and skops.io.load of a skorch net, each from an honest file in the loader's
own format, each in processes of its own with limited memory. Prints a table.

    python benchmarks/fuzz_model_files.py --n 20000
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import platform
import resource
import select
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

LOADERS = {
    "sk_digits.load_model": "model",
    "skops.io.load of a skorch net": "skops",
    "torch.load": "torch",
    "joblib.load": "joblib",
}
HANG_S = 1.0
KILL_S = 10.0
MEMORY = 2 * 2**30


def write_honest_file(format_: str, path: Path) -> None:
    """Train a small model and save it as people do."""
    import torch
    from skorch import NeuralNetClassifier

    X = np.random.default_rng(0).random((200, 64), dtype=np.float32)
    y = np.arange(200) % 10
    if format_ in ("model", "joblib"):
        from sklearn.decomposition import PCA
        from sklearn.pipeline import Pipeline

        from sk_digits import DigitANN, PixelScaler, RandomWarp, save_model

        warp = RandomWarp(rotation=10)
        ann = DigitANN((16,), max_epochs=2, batch_norm=True, augmentation=warp, random_state=0)
        pipeline = Pipeline([("scaler", PixelScaler()), ("pca", PCA(16)), ("ann", ann)]).fit(X, y)
        ann.partial_fit(pipeline[:-1].transform(X), y)
        if format_ == "model":
            save_model(pipeline, path, keep_optimizer=True)
        else:
            import joblib

            joblib.dump(pipeline, path)
        return
    if format_ == "torch":
        torch.save(
            torch.nn.Sequential(torch.nn.Linear(64, 16), torch.nn.Linear(16, 10)).state_dict(), path
        )
        return
    import skops.io

    net = NeuralNetClassifier(
        torch.nn.Linear,
        module__in_features=64,
        module__out_features=10,
        criterion=torch.nn.CrossEntropyLoss,
        max_epochs=1,
        verbose=0,
        train_split=None,
    )
    skops.io.dump(net.fit(X, y), path)


def make_loader(format_: str, honest: Path):
    """Give a function that loads a file, and the type of the error that the loader documents."""
    if format_ == "model":
        from sk_digits import ModelFileError, load_model

        return load_model, ModelFileError
    if format_ == "joblib":
        import joblib

        return joblib.load, pickle.UnpicklingError
    if format_ == "torch":
        import torch

        return torch.load, pickle.UnpicklingError
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    trusted = skops.io.get_untrusted_types(file=honest)  # what the honest file makes one trust
    return (lambda path: skops.io.load(path, trusted=trusted)), UntrustedTypesFoundException


def work(format_: str, folder: Path, start: int, stop: int, seed: int) -> None:
    """Load files one by one, and print a line before and after each."""
    from _model_file_corpus import case

    warnings.simplefilter("ignore")
    honest, file, canary = folder / "honest", folder / "case", folder / "canary"
    load, documented = make_loader(format_, honest)
    load(honest)
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + MEMORY,) * 2)
    base = honest.read_bytes()
    for i in range(start, stop):
        kind, content = case(base, format_, i, str(canary), seed)
        file.write_bytes(content)
        print(json.dumps({"begin": i, "kind": kind}), flush=True)
        begin = time.perf_counter()
        try:
            load(file)
            outcome = "loaded"
        except documented:
            outcome = "documented error"
        except BaseException as error:
            outcome = f"other error {type(error).__name__}"
        seconds = time.perf_counter() - begin
        ran = canary.exists()
        canary.unlink(missing_ok=True)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - rss
        line = {"end": i, "outcome": outcome, "seconds": seconds, "ran": ran, "peak": peak}
        print(json.dumps(line), flush=True)


def judge(format_: str, first: int, n: int, seed: int) -> dict[str, float | Counter]:
    """Run the corpus against a loader; start anew after a crash or a hang."""
    counts: Counter = Counter()
    others: Counter = Counter()
    peak = slowest = 0.0
    begun = first - 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_honest_file(format_, folder / "honest")
        while begun < first + n - 1:
            command = [sys.executable, __file__, "--work", format_, "--folder", name]
            command += [
                "--first",
                str(begun + 1),
                "--n",
                str(first + n - 1 - begun),
                "--seed",
                str(seed),
            ]
            worker = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=name
            )
            is_open, last = False, begun
            while True:
                ready, _, _ = select.select([worker.stdout], [], [], KILL_S if is_open else 120)
                line = worker.stdout.readline() if ready else b""
                if not line.startswith(b'{"'):
                    if line:
                        continue  # what the file's own code printed
                    worker.kill()
                    worker.wait()
                    if is_open:
                        counts["crash" if ready else "hang"] += 1
                        counts["ran"] += (folder / "canary").exists()
                        (folder / "canary").unlink(missing_ok=True)
                    break
                event = json.loads(line)
                if "begin" in event:
                    begun, is_open = event["begin"], True
                    continue
                is_open = False
                counts[event["outcome"].split(" error")[0]] += 1
                if event["outcome"].startswith("other"):
                    others[event["outcome"].split()[-1]] += 1
                counts["hang"] += event["seconds"] > HANG_S
                counts["ran"] += event["ran"]
                slowest, peak = max(slowest, event["seconds"]), max(peak, event["peak"] / 1024)
            if begun == last:
                raise RuntimeError(f"the worker for {format_} does not start")
    return {"counts": counts, "others": others, "peak": peak, "slowest": slowest}


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=20_000, help="files for each loader")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--loader", action="append", choices=LOADERS, help="default: all")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, default=0, help="number of the first file")
    args = parser.parse_args()
    if args.work:
        work(args.work, args.folder, args.first, args.first + args.n, args.seed)
        return
    packages = ("sk-digits", "torch", "joblib", "skops", "skorch")
    print(f"Python {platform.python_version()},", ", ".join(f"{p} {version(p)}" for p in packages))
    print(f"{args.n:,} files from number {args.first:,}, seed {args.seed}\n")
    print(
        "| loader | loads | its own error | other exception | crash | over 1 s | code ran "
        "| slowest, s | peak memory, MB |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|", flush=True)
    notes = []
    for loader in args.loader or LOADERS:
        result = judge(LOADERS[loader], args.first, args.n, args.seed)
        counts = result["counts"]
        columns = [counts[c] for c in ("loaded", "documented", "other", "crash", "hang", "ran")]
        numbers = " | ".join(f"{column:,}" for column in columns)
        print(
            f"| {loader} | {numbers} | {result['slowest']:.2f} | {result['peak']:.0f} |", flush=True
        )
        notes.append(
            f"{loader}: " + ", ".join(f"{k} {v}" for k, v in result["others"].most_common(8))
        )
    print("\nOther exceptions:", *notes, sep="\n- ")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
