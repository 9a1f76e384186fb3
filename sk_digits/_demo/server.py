"""The server of the page: `serve`."""

from __future__ import annotations

import io
import logging
import re
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingTCPServer
from typing import TYPE_CHECKING, Any

from sk_digits._demo.page import MAX_BYTES
from sk_digits._demo.picture_reader import PictureReader

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

LOOPBACK = ("127.0.0.1", "localhost", "::1")
MAX_CONNECTIONS = 256  # each has a thread
MAX_HEAD = 128_000  # bytes of a request before its body
MAX_PICTURES = 4  # in memory at once: one is read, the others wait for their turn
ARRIVAL_SECONDS = 20.0  # for a request to arrive, and then for its answer to be taken
BUSY = "Other pictures are being read. Try again in a moment."
HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}

_logger = logging.getLogger(__name__)


def serve(model: Path | None, *, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve the page until Ctrl-C.

    The one tab takes a single digit and answers while it is drawn; the other takes a page of
    digits and reads it line by line. Pictures are read in memory, and nothing is written to disk.
    Only who knows the page's address, which contains a random token, can use the server; `ready` is
    called with it when the page can be visited. If `host` is this machine's own, requests by other
    names are refused, so that no web page can reach the server by a name that it makes point here.
    """
    with _Server(host, port) as server, PictureReader(partial(_load, model)) as server.reader:
        server.page, server.policy = server.reader.page
        ready(server.url)
        server.serve_forever()


def _load(path: Path | None) -> Any:
    """Return the reader to use. It is called in the process that reads pictures."""
    from sk_digits import load_model, load_reader

    return load_reader() if path is None else load_model(path)


class _Server(ThreadingTCPServer):
    """Answers each connection in a thread of its own."""

    allow_reuse_address = True
    daemon_threads = True  # Ctrl-C does not wait for them
    request_queue_size = MAX_CONNECTIONS
    reader: PictureReader
    page: bytes
    policy: str

    def __init__(self, host: str, port: int) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            super().__init__((host, port), _Handler)
        except OSError as error:
            raise OSError(
                f"Cannot listen on {host} port {port}: {error.strerror or error}. "
                "Give another one with --port, or 0 for any that is free."
            ) from error
        self.token = secrets.token_urlsafe(16)
        self.names = {*LOOPBACK, "[::1]"} if host in LOOPBACK else None
        name = f"[{host}]" if ":" in host else host
        self.url = f"http://{name}:{self.server_address[1]}/{self.token}/"
        self.pictures = threading.BoundedSemaphore(MAX_PICTURES)
        self._connections = threading.BoundedSemaphore(MAX_CONNECTIONS)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        if not self._connections.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):  # such as a visitor who is gone
            _logger.exception("a request could not be answered")


class _Input(socket.SocketIO):
    """Bytes from a connection, so many at most, and until a deadline.

    So a sender can neither fill the memory nor keep a thread, whether it is fast or slow.
    """

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(connection, "r")
        self._connection = connection
        self.n_left = MAX_HEAD
        self.deadline = time.monotonic() + ARRIVAL_SECONDS

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        if self.n_left <= 0:
            raise OSError("more was sent than this server reads")
        self._connection.settimeout(max(self.deadline - time.monotonic(), 0.001))
        n = super().readinto(buffer)
        self.n_left -= n or 0
        return n


class _Handler(BaseHTTPRequestHandler):
    """Answers one request, which is all that a connection is used for (HTTP/1.0)."""

    server: _Server
    default_request_version = "HTTP/1.0"  # not 0.9, whose answers have neither status nor headers
    disable_nagle_algorithm = True  # an answer is written in two parts

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self._input = _Input(self.connection)
        self.rfile = io.BufferedReader(self._input)

    def do_GET(self) -> None:
        """Answer with the page, which is one file."""
        name = self._asked_for()
        if name == "":
            self._answer(200, self.server.page, "text/html; charset=utf-8")
        elif name is not None:
            self.send_error(404, "There is no such page.")

    def do_POST(self) -> None:
        """Answer with what is read in a picture, which is the request's body."""
        name = self._asked_for()
        if name is None:
            return
        length = self.headers.get("Content-Length", "")
        if name not in ("digit", "page"):
            self.send_error(404, "There is no such page.")
        elif self.headers.get("Origin") != f"http://{self.headers['Host']}":
            self.send_error(403, "Only the page of this server may ask it to read pictures.")
        elif "Transfer-Encoding" in self.headers or not re.fullmatch("[0-9]{1,15}", length):
            self.send_error(411, "The length of the picture must be given as Content-Length.")
        elif int(length) > MAX_BYTES:
            self.send_error(413, f"A picture may have at most {MAX_BYTES:,} bytes.")
        elif not self.server.pictures.acquire(timeout=1):
            self.send_error(503, BUSY)
        else:
            try:
                self._input.n_left = int(length)
                content = self.rfile.read(int(length))
                if len(content) < int(length):  # whoever sent it is gone
                    return
                answer = self.server.reader.read(
                    content, many=name == "page", asker=self.connection
                )
            finally:
                self.server.pictures.release()
            if answer is None:
                self.send_error(503, BUSY)
            else:
                self._answer(200, answer, "application/json")

    def _asked_for(self) -> str | None:
        """Return the part of the path after the token; or refuse the request and return None."""
        host = re.sub(":[0-9]*$", "", self.headers.get("Host", "")).lower()
        path = re.fullmatch("/([^/]*)/(.*)", self.path)
        if self.server.names is not None and host not in self.server.names:
            self.send_error(400, "This server answers only to the names of its own computer.")
        elif path is None or not secrets.compare_digest(
            path[1].encode(), self.server.token.encode()
        ):
            self.send_error(
                403, "Open the address that sk-digits demo shows in its terminal, with its token."
            )
        else:
            return path[2]
        return None

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer with one sentence."""
        text = message or self.responses[code][0]
        self._answer(code, text.encode(), "text/plain; charset=utf-8")
        # A connection that is closed with bytes unread is reset, and the answer may get lost.
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self._input.n_left, self._input.deadline = 1_000_000, time.monotonic() + 1
            while self.rfile.read1():
                pass

    def _answer(self, code: int, content: bytes, type_: str) -> None:
        self.connection.settimeout(ARRIVAL_SECONDS)
        self.send_response(code)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        # Nothing may frame the page, which its own policy cannot say.
        policy = f"{self.server.policy}; frame-ancestors 'none'"
        self.send_header("Content-Security-Policy", policy)
        self.send_header("Content-Type", type_)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def version_string(self) -> str:
        """Return the name of the server, without versions."""
        return "sk-digits"

    def log_message(self, *args: Any) -> None:
        """Keep requests out of the terminal."""
