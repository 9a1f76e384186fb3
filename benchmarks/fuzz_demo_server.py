"""Find out what the server of ``sk-digits demo`` makes of hostile requests.

Sends seeded requests from many clients at once: pictures that are whole, broken, blank, crowded
and huge; wrong tokens, hosts, origins, methods and lengths, and bytes that are no HTTP; by senders
that are slow and senders that go away. Prints a table of what became of them, and then checks that
a picture is still read, that the memory is bounded, that no file was written, and that Ctrl-C ends
the server within a second.

    python benchmarks/fuzz_demo_server.py --n 5000
"""

from __future__ import annotations

import argparse
import io
import itertools
import os
import platform
import random
import signal
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeAlias
from urllib.parse import urlsplit

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.demo_client import (
    ask,
    children,
    crowded_page,
    head,
    peak_bytes,
    stroke,
)
from support.drawing_page import photo, running_demo

ANSWER_S = 60.0
MEMORY = 3 * 2**30  # of both processes: pictures may have 40 million pixels


def as_file(image: Image.Image, format_: str, **options: object) -> bytes:
    """Return the content of an image file."""
    file = io.BytesIO()
    image.save(file, format_, **options)
    return file.getvalue()


def pictures() -> dict[str, bytes]:
    """Return the pictures that are sent, by what they are."""
    bits = np.unpackbits(np.frombuffer(random.Random(0).randbytes(5000), np.uint8))
    return {
        "stroke": stroke(),
        "photo": as_file(photo(["3"]), "JPEG"),
        "photo of a page": as_file(photo(["3172", "70"]), "JPEG"),
        "blank": as_file(Image.new("L", (300, 200), 255), "PNG"),
        "noise": as_file(Image.fromarray(255 * bits.reshape(200, 200)), "PNG"),
        "39 million pixels": as_file(Image.new("L", (7800, 5000), 200), "PNG"),
        "400 million pixels": as_file(Image.new("1", (20_000, 20_000)), "PNG"),
        "TIFF": as_file(photo(["2"]), "TIFF"),
        "not a picture": b"no picture",
        "empty": b"",
    }


Part: TypeAlias = bytes | float | None


class Kind(NamedTuple):
    """A kind of request: how often it is sent, what may become of it, and what makes it.

    `make` takes a random generator and returns what happens one after another: bytes are sent, a
    float is a pause in seconds, and None closes the connection. At the end the answer is awaited.
    """

    weight: float
    outcomes: set[str]
    make: Callable[[random.Random], list[Part]]


def kinds(address: str) -> dict[str, Kind]:
    """Return the kinds of requests."""
    pool, crowded = pictures(), crowded_page()
    small = [pool[name] for name in ("stroke", "photo", "blank", "noise", "TIFF")]
    netloc, token = urlsplit(address).netloc, urlsplit(address).path.strip("/")
    read = {"200", "200 error", "200 blank"}

    def post(rng: random.Random, content: bytes, method: str = "POST", path: str = "") -> bytes:
        name, length = rng.choice(["digit", "page"]), f"Content-Length: {len(content)}"
        return head(address, method, name, length, path=path or None) + content

    def honest(rng: random.Random) -> bytes:
        return post(rng, rng.choice([*pool.values()]))

    def broken(rng: random.Random) -> bytes:
        content = bytearray(rng.choice(small))
        for _ in range(rng.randrange(1, 20)):
            content[rng.randrange(len(content))] = rng.randrange(256)
        return post(rng, bytes(content[: rng.choice([None, rng.randrange(len(content))])]))

    def in_part(rng: random.Random) -> bytes:
        request = post(rng, rng.randbytes(200_000))
        return request[: rng.randrange(1, len(request))]

    def slowly(rng: random.Random) -> list[Part]:
        request = post(rng, pool["stroke"])
        cuts = [0, *sorted(rng.sample(range(1, len(request)), 5)), len(request)]
        return [x for a, b in itertools.pairwise(cuts) for x in (request[a:b], 0.1)]

    def with_token(rng: random.Random) -> bytes:
        wrong = rng.choice(["", token[:-1], token + "x", token.swapcase(), "..", "%00", "\xff"])
        path = f"/{wrong}/{rng.choice(['', 'digit', 'page.js'])}"
        return post(rng, pool["stroke"], rng.choice(["GET", "POST"]), path)

    def with_line(rng: random.Random, name: str, old: str, *new: str) -> bytes:
        line = f"{name}: {rng.choice(new)}".encode("latin-1")
        return post(rng, pool["stroke"]).replace(f"{name}: {old}".encode(), line, 1)

    def with_length(rng: random.Random) -> bytes:
        wrong = ["-1", "1e9", "", "0x10", "9" * 5000, "\xb2", "300000000", "20000001"]
        line = f"Content-Length: {rng.choice(wrong)}"
        return head(address, "POST", "digit", line) + rng.randbytes(100_000)

    chunked = head(address, "POST", "digit", "Transfer-Encoding: chunked") + b"ffffffff\r\n"
    lines = [["X: " + "a" * 200_000], ["X: " + "a" * 60_000] * 90, ["X: a"] * 200, ["no colon"]]
    methods = ["PUT", "HEAD", "OPTIONS", "CONNECT", "post", "X" * 3000]
    files = ["", "page.js", "style.css", "no.js"]
    evil = ["evil.example", "127.0.0.1.evil.example", "", "\xff", "a" * 5000]
    origins = ["http://evil.example", "null", "", "http://localhost"]
    begun = [b"", b"G", b"POST / HTTP/1.1\r\nA: "]
    length = f"Content-Length: {len(crowded)}"
    slow = head(address, "POST", "page", length) + crowded
    return {
        "honest": Kind(8, read, lambda rng: [honest(rng)]),
        "the page": Kind(3, {"200", "404"}, lambda rng: [head(address, "GET", rng.choice(files))]),
        "broken picture": Kind(4, read, lambda rng: [broken(rng)]),
        "random body": Kind(
            1, {"200 error"}, lambda rng: [post(rng, rng.randbytes(rng.randrange(10**5)))]
        ),
        "slow body": Kind(2, read, slowly),
        "crowded page, then gone": Kind(0.2, {"gone"}, lambda rng: [slow, rng.random(), None]),
        "picture, then gone": Kind(2, {"gone"}, lambda rng: [honest(rng), None]),
        "half a body, then gone": Kind(2, {"gone"}, lambda rng: [in_part(rng), None]),
        "wrong token": Kind(3, {"403"}, lambda rng: [with_token(rng)]),
        "wrong host": Kind(3, {"400"}, lambda rng: [with_line(rng, "Host", netloc, *evil)]),
        "wrong origin": Kind(
            3, {"403"}, lambda rng: [with_line(rng, "Origin", f"http://{netloc}", *origins)]
        ),
        "wrong method": Kind(
            2, {"501"}, lambda rng: [post(rng, pool["stroke"], rng.choice(methods))]
        ),
        "wrong length": Kind(3, {"411", "413"}, lambda rng: [with_length(rng)]),
        "body in chunks": Kind(1, {"411"}, lambda rng: [chunked + rng.randbytes(10_000)]),
        "long or broken head": Kind(
            2,
            {"404", "431", "closed"},
            lambda rng: [head(address, "GET", "no.js", *rng.choice(lines))],
        ),
        "no HTTP": Kind(2, {"gone"}, lambda rng: [rng.randbytes(2000) + b"\r\n\r\n", 0.1, None]),
        "silence": Kind(1, {"gone"}, lambda rng: [rng.choice(begun), 0.3, None]),
    }


def send(address: str, parts: list[Part]) -> str:
    """Send a request and return what became of it."""
    url = urlsplit(address)
    try:
        with socket.create_connection((url.hostname, url.port), timeout=ANSWER_S) as connection:
            for part in parts:
                if part is None:
                    return "gone"
                if isinstance(part, float):
                    time.sleep(part)
                else:
                    connection.sendall(part)
            with connection.makefile("rb") as file:
                answer = file.read()
    except TimeoutError:
        return "no answer"
    except ConnectionError:
        return "gone" if None in parts else "closed"
    if not answer:
        return "closed"
    status = answer.split()[1].decode()
    if status == "200" and b"application/json" in answer:
        about = {b'"error"': " error", b'"digits": []': " blank"}
        return status + next((text for key, text in about.items() if key in answer), "")
    return status


def fuzz(
    address: str, n: int, n_clients: int, seed: int, seconds: float
) -> tuple[Counter[tuple[str, str]], dict[str, float]]:
    """Send requests from many threads; return how often what became of which kind, and its time."""
    all_kinds, counter = kinds(address), itertools.count()
    weights = [kind.weight for kind in all_kinds.values()]
    outcomes: Counter[tuple[str, str]] = Counter()
    slowest = dict.fromkeys(all_kinds, 0.0)
    lock, end = threading.Lock(), time.monotonic() + seconds

    def client() -> None:
        while (i := next(counter)) < n and time.monotonic() < end:
            rng = random.Random(f"{seed} {i}")
            (kind,) = rng.choices([*all_kinds], weights)
            parts = all_kinds[kind].make(rng)
            while True:
                start = time.monotonic()
                outcome = send(address, parts)
                is_last = outcome != "503" or start > end
                with lock:
                    outcomes[kind, outcome if is_last else "503, again"] += 1
                    slowest[kind] = max(slowest[kind], time.monotonic() - start)
                if is_last:
                    break
                time.sleep(0.5)

    clients = [threading.Thread(target=client) for _ in range(n_clients)]
    for one in clients:
        one.start()
    for one in clients:
        one.join()
    return outcomes, slowest


def print_table(outcomes: Counter[tuple[str, str]], slowest: dict[str, float]) -> None:
    """Print what became of each kind as a table in Markdown."""
    columns = sorted({outcome for _, outcome in outcomes})
    print("| request |", " | ".join(columns), "| slowest, s |")
    print("|---|" + "--:|" * (len(columns) + 1))
    for kind in slowest:
        cells = [f"{outcomes[kind, column] or ''}" for column in columns]
        print(f"| {kind} |", " | ".join(cells), f"| {slowest[kind]:.1f} |")


def main() -> None:
    """Run the server, send the requests, and check what is left."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, nargs="?", help="by default a small one is trained")
    parser.add_argument("--n", type=int, default=5000, help="number of requests")
    parser.add_argument("--clients", type=int, default=50, help="number of clients at once")
    parser.add_argument("--seconds", type=float, default=900, help="after which no more are sent")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model, place = args.model, Path(folder) / "place"
        place.mkdir()
        if model is None:
            from sk_digits import make_digit_pipeline, save_model
            from sk_digits.datasets import load_digits_28

            model = Path(folder) / "digits.model"
            pipeline = make_digit_pipeline(hidden_layer_sizes=(128,), max_epochs=10, random_state=0)
            save_model(pipeline.fit(*load_digits_28(return_X_y=True)), model)
        failed = run(model.resolve(), place, args)
    sys.exit(1 if failed else 0)


def run(model: Path, place: Path, args: argparse.Namespace) -> bool:
    """Fuzz a server that could write its files to `place` only; return whether a check failed."""
    peaks: dict[int, int] = {}
    done = threading.Event()

    def watch(pid: int) -> None:
        while not done.wait(0.05):
            for one in {pid} | children(pid):
                try:
                    peaks[one] = peak_bytes(one)
                except (FileNotFoundError, AssertionError):  # it has just ended
                    continue

    start = time.monotonic()
    with running_demo(model, cwd=place, env={"TMPDIR": str(place), "HOME": str(place)}) as demo:
        address, process = demo
        watcher = threading.Thread(target=watch, args=(process.pid,))
        watcher.start()
        outcomes, slowest = fuzz(address, args.n, args.clients, args.seed, args.seconds)
        seconds = time.monotonic() - start
        expected = {name: {*kind.outcomes, "503, again"} for name, kind in kinds(address).items()}
        status, answer = 503, {}
        while status == 503:  # as the page would tell its user to
            status, answer = ask(address, stroke(), timeout=ANSWER_S)
        done.set()
        watcher.join()
        server_peak = peaks.pop(process.pid)
        files = [*place.rglob("*")]
        process.send_signal(signal.SIGINT)
        start = time.monotonic()
        code = process.wait(30)
        end_s = time.monotonic() - start
        errors = process.stderr.read() if process.stderr else ""
    print(
        f"{args.n:,} requests from {args.clients} clients in {seconds:.0f} s, seed {args.seed}; "
        f"Python {platform.python_version()}, {os.cpu_count()} cores. Those that got a 503 were "
        "sent again after half a second.\n"
    )
    print_table(outcomes, slowest)
    checks = {
        "every request ended as it should": all(o in expected[kind] for kind, o in outcomes),
        "a picture is read afterwards": status == 200 and len(answer["digits"]) == 1,
        "no file was written": not files,
        f"Ctrl-C ended it with {code} in {end_s:.2f} s": code == 130 and end_s < 1,
        "the terminal shows nothing else": errors == "sk-digits: stopped\n",
        f"the server had at most {server_peak / 2**20:.0f} MiB": server_peak < MEMORY / 10,
        f"a reading process had at most {max(peaks.values()) / 2**20:.0f} MiB, {len(peaks)} were "
        "started": max(peaks.values()) < MEMORY,
    }
    print()
    for check, holds in checks.items():
        print(f"- {check}: {'yes' if holds else 'NO'}")
    if errors != "sk-digits: stopped\n":
        print(errors[-3000:])
    return not all(checks.values())


if __name__ == "__main__":
    main()
