"""Find out what becomes of damaged and hostile image files.

Damages files of every format and mode that is read, seeded, and gives each to DigitImageNormalizer
and to segment_digits, in processes of their own with limited memory. Prints a table.

    python benchmarks/fuzz_pictures.py --n 20000
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import signal
import struct
import subprocess
import sys
import time
import warnings
import zlib
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.picture_files import FILES, files, mutate

from sk_digits import DigitImageNormalizer, ImageFileError, segment_digits

SIZES = [(40, 30), (240, 180)]  # width, height
MAX_PIXELS = 1_000_000
MEMORY = 512 * 2**20  # bytes beyond what a worker has when it starts
KILL_S = 60
COLUMNS = ("read", "ImageFileError", "too many marks", "other exception", "crash", "slow")


def repair_png(content: bytes) -> bytes:
    """Return a PNG file with right checksums, so that its damage reaches the decoder."""
    repaired, at = content[:8], 8
    while at + 12 <= len(content):
        length = min(struct.unpack(">I", content[at : at + 4])[0], len(content) - at - 12)
        body = content[at + 4 : at + 8 + length]
        repaired += struct.pack(">I", length) + body + struct.pack(">I", zlib.crc32(body))
        at += 12 + length
    return repaired


def read(content: bytes) -> str:
    """Return the outcome of reading a file as one digit and as a page."""
    try:
        DigitImageNormalizer(on_blank="zeros", max_pixels=MAX_PIXELS).transform([content])
        segment_digits(content, max_pixels=MAX_PIXELS)
    except ImageFileError:
        return "ImageFileError"
    except BaseException as error:
        is_documented = type(error) is ValueError and "marks of the page" in str(error)
        return "too many marks" if is_documented else f"other {type(error).__name__}: {error}"
    return "read"


def work(format_: str, first: int, stop: int, seed: int) -> None:
    """Read files one by one, and print a line before and after each."""
    warnings.simplefilter("error")
    pictures = [content for size in SIZES for _, content in files(format_, *size)]
    read(pictures[-1])
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + MEMORY,) * 2)
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for i in range(first, stop):
        rng = np.random.default_rng([seed, i])
        content = mutate(pictures[i % len(pictures)], rng)
        if format_ == "PNG" and rng.random() < 0.7:
            content = repair_png(content)
        print(json.dumps({"begin": i}), flush=True)
        signal.alarm(KILL_S)
        start = time.process_time()
        outcome = read(content)
        seconds = time.process_time() - start
        signal.alarm(0)
        peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) / 1024
        line = {"outcome": outcome, "seconds": seconds, "peak": peak}
        print(json.dumps(line), flush=True)


def judge(format_: str, n: int, seed: int) -> tuple[Counter, float, float]:
    """Return the outcomes, the slowest file's seconds and the peak memory in MB of a format."""
    counts: Counter = Counter()
    slowest = peak = 0.0
    next_file = 0
    while next_file < n:
        span = ["--first", str(next_file), "--stop", str(n), "--seed", str(seed)]
        command = [sys.executable, __file__, "--work", format_, *span]
        worker = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        first, is_open = next_file, False
        for line in worker.stdout:
            event = json.loads(line)
            if is_open := "begin" in event:
                next_file = event["begin"] + 1
                continue
            outcome = event["outcome"]
            if outcome.startswith("other"):
                print(f"{format_} {next_file - 1}: {outcome}", file=sys.stderr)
                outcome = "other exception"
            counts[outcome] += 1
            # No picture is larger than MAX_PIXELS, one megapixel.
            counts["slow"] += event["seconds"] > 1
            slowest, peak = max(slowest, event["seconds"]), max(peak, event["peak"])
        worker.wait()
        counts["crash"] += is_open
        if next_file == first:
            raise RuntimeError(f"the worker for {format_} does not start")
    return counts, slowest, peak


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=20_000, help="files, of all formats together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--stop", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        work(args.work, args.first, args.stop, args.seed)
        return
    versions = ", ".join(f"{name} {version(name)}" for name in ("sk-digits", "pillow", "numpy"))
    print(f"Python {platform.python_version()}, {versions}, seed {args.seed}\n")
    print("| format | files | " + " | ".join(COLUMNS) + " | slowest, s | peak memory, MB |")
    print("|---|" + "--:|" * (len(COLUMNS) + 3), flush=True)
    n_kinds = sum(map(len, FILES.values()))
    for format_, kinds in FILES.items():
        n = -(-args.n * len(kinds) // n_kinds)
        counts, slowest, peak = judge(format_, n, args.seed)
        numbers = " | ".join(f"{counts[column]:,}" for column in COLUMNS)
        print(f"| {format_} | {n:,} | {numbers} | {slowest:.2f} | {peak:.0f} |", flush=True)


if __name__ == "__main__":
    main()
