"""Requests to the server of ``sk-digits demo``, honest ones and others, and what it uses."""

import http.client
import io
import json
import re
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from PIL import Image


def ask(
    address: str, content: bytes, name: str = "digit", *, timeout: float = 60, **headers: str
) -> tuple[int, Any]:
    """Post a picture as the page does; return the status, and the answer or the refusal."""
    url = urlsplit(address)
    connection = http.client.HTTPConnection(url.netloc, timeout=timeout)
    headers = {"Origin": f"http://{url.netloc}"} | headers
    connection.request("POST", url.path + name, content, headers)
    with connection.getresponse() as response:
        body = response.read()
    connection.close()
    is_json = response.headers["Content-Type"] == "application/json"
    return response.status, json.loads(body) if is_json else body.decode()


def begin(
    address: str, content: bytes, name: str = "digit", *, length: int | None = None
) -> socket.socket:
    """Send a picture, or its beginning where `length` is more, and return the open connection."""
    url = urlsplit(address)
    connection = socket.create_connection((url.hostname, url.port), timeout=60)
    n_bytes = len(content) if length is None else length
    connection.sendall(head(address, "POST", name, f"Content-Length: {n_bytes}") + content)
    return connection


def head(address: str, method: str, name: str, *lines: str, path: str | None = None) -> bytes:
    """Return the head of a request as the page makes it, with more lines."""
    url = urlsplit(address)
    first = f"{method} {url.path + name if path is None else path} HTTP/1.1"
    lines = (first, f"Host: {url.netloc}", f"Origin: http://{url.netloc}", *lines, "", "")
    return "\r\n".join(lines).encode("latin-1")


def exchange(address: str, request: bytes) -> tuple[int, str, bytes]:
    """Send any bytes; return the status, the head and the body of the answer."""
    url = urlsplit(address)
    with socket.create_connection((url.hostname, url.port), timeout=60) as connection:
        connection.sendall(request)
        with connection.makefile("rb") as answer:
            answer_head, _, body = answer.read().partition(b"\r\n\r\n")
    return int(answer_head.split()[1]), answer_head.decode("latin-1"), body


def send_until_closed(
    connection: socket.socket, chunk: bytes, n_chunks: int, pause: float = 0
) -> int:
    """Send the same bytes again and again until the other side is gone; return how often."""
    for i in range(n_chunks):
        try:
            connection.sendall(chunk)
        except ConnectionError:
            return i
        time.sleep(pause)
    return n_chunks


def as_png(pixels: np.ndarray) -> bytes:
    """Return the content of a PNG file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=True)
    return file.getvalue()


def stroke() -> bytes:
    """Return a picture of one stroke."""
    pixels = np.full((90, 90), 230, np.uint8)
    pixels[15:75, 40:48] = 30
    return as_png(pixels)


def crowded_page() -> bytes:
    """Return a page of 15,741 strokes in some 5 kB, which takes long to read."""
    pixels = np.full((1600, 1600), 255, np.uint8)
    for top in range(6, 1584, 16):
        for left in range(6, 1590, 10):
            pixels[top : top + 10, left : left + 4] = 0
    return as_png(pixels)


def children(pid: int) -> set[int]:
    """Return the processes that a process has started. Linux only."""
    started = set()
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError):  # a thread that has just ended
            started.update(map(int, path.read_text().split()))
    return started


def is_running(pid: int) -> bool:
    """Return whether a process runs, and has not only left its exit code. Linux only."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def peak_bytes(pid: int) -> int:
    """Return the most memory that a process has used so far. Linux only."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return 1024 * int(found[1])
