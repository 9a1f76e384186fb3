"""The server of the drawing page, against other web pages, hostile requests and slow pictures."""

import json
import os
import re
import signal
import socket
import threading
import time
from contextlib import contextmanager
from functools import partial
from urllib.parse import urlsplit

import pytest
from support.demo_client import (
    ask,
    begin,
    children,
    crowded_page,
    exchange,
    head,
    is_running,
    peak_bytes,
    send_until_closed,
    stroke,
)
from support.drawing_page import running_demo
from support.slow_model import SlowModel

from sk_digits import load_model
from sk_digits._demo import picture_reader, server
from sk_digits._demo.picture_reader import PictureReader

pytestmark = pytest.mark.slow  # servers are started, filled and killed


def wait_until(is_true, seconds=20):
    """Wait until something is true, or fail."""
    end = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.02)


@contextmanager
def serving(reader):
    """Run a server in this process, with a reader of its own; return the server."""
    with server._Server("127.0.0.1", 0) as running:
        running.reader = reader
        running.page, running.policy = getattr(reader, "page", (b"", "default-src 'none'"))
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


class Gate:
    """A reader of pictures that answers when it is opened."""

    def __init__(self):
        self.opened = threading.Event()

    def read(self, content, *, many, asker):
        """Return how many bytes the picture has."""
        return json.dumps([len(content), many]).encode() if self.opened.wait(20) else None


@pytest.fixture(scope="module")
def address(model_file):
    """Return the address of a server in this process, with a process that reads pictures."""
    with PictureReader(partial(load_model, model_file)) as reader, serving(reader) as running:
        yield running.url


# ---------- who may ask


def test_the_page_may_ask(address):
    """A picture with the token, from the page's own origin, is answered with its digit."""
    status, answer = ask(address, stroke())
    assert status == 200
    (digit,) = answer["digits"]
    assert digit["label"] == max(digit["probabilities"], key=digit["probabilities"].get)
    assert answer["size"] == [90, 90]
    status, answer = ask(address, stroke(), "page")
    assert (status, len(answer["digits"]), answer["digits"][0]["line"]) == (200, 1, 0)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "https://127.0.0.1"}, 403),
        ({"Host": "evil.example"}, 400),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 400),
        ({"Host": "127.0.0.1.evil.example"}, 400),
        ({"Host": ""}, 400),
    ],
)
def test_other_origins_and_names_are_refused(address, headers, status):
    """Even with the token, no other web page gets an answer, nor by a name that points here."""
    assert ask(address, stroke(), **headers)[0] == status


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/", "/digit", "/x/digit", "//digit", "/\xe9/", "digit", "*"])
def test_without_the_token_nothing_is_answered(address, method, path):
    """The page and its answers are only for who knows the address that the terminal shows."""
    status, _, body = exchange(address, head(address, method, "", "Content-Length: 0", path=path))
    assert status == 403
    assert b"Open the address that sk-digits demo shows" in body


def test_each_run_has_another_token():
    """The token is random, and long enough that nobody guesses it."""
    tokens = set()
    for _ in range(20):
        with server._Server("127.0.0.1", 0) as one:
            tokens.add(one.token)
            assert one.url.endswith(f"/{one.token}/")
    assert len(tokens) == 20
    assert min(map(len, tokens)) >= 22  # 128 bits in base64


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "HEAD", "TRACE", "get", "X" * 300])
def test_other_methods_are_refused(address, method):
    """There are GET for the page and POST for pictures, and no more."""
    assert exchange(address, head(address, method, ""))[0] == 501


def test_pages_that_are_not_there_are_not_found(address):
    """An unknown name is 404, for files as for pictures."""
    assert exchange(address, head(address, "GET", "server.py"))[0] == 404
    assert ask(address, stroke(), "upload")[0] == 404


@pytest.mark.parametrize("request_line", ["GET", "GET /", "GET / HTTP/9", "\x00\xff", "a b c d"])
def test_what_is_not_http_is_refused(address, request_line):
    """A broken request line is answered with a status, and with no more."""
    request = request_line.encode("latin-1") + b"\r\n\r\n"
    assert exchange(address, request)[0] in (400, 505)


@pytest.mark.parametrize(
    "path",
    [
        "/file=/etc/passwd",
        "/{token}/file=/etc/passwd",
        "/{token}/../../../../../../../../../etc/passwd",
        "/{token}//etc/passwd",
        "/{token}/..%2f..%2f..%2f..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/{token}/__init__.py",
        "/docs",
        "/openapi.json",
    ],
)
def test_no_file_of_the_server_can_be_read(address, path):
    """Neither the machine's files nor a description of the server are given out."""
    path = path.format(token=urlsplit(address).path.strip("/"))
    status, _, body = exchange(address, head(address, "GET", "", path=path))
    assert status in (400, 403, 404, 405)
    assert b"root:" not in body


@pytest.mark.parametrize("name", ["", "index.html", "page.js", "nothing", "../"])
def test_each_answer_tells_the_browser_to_be_strict(address, model_file, name):
    """No script but the page's own runs, nothing frames or keeps it, and no path is named."""
    status, headers, body = exchange(address, head(address, "GET", name))
    assert status == (404 if name else 200)
    assert re.search("default-src 'none'; script-src 'sha256-[^' ]{44}'; worker-src blob:", headers)
    assert re.search("; style-src 'sha256-[^' ]{44}'; img-src blob: data:", headers)
    assert "; connect-src 'self'; base-uri 'none'; form-action 'none'; " in headers
    assert "frame-ancestors 'none'" in headers
    assert "unsafe" not in headers
    assert "X-Content-Type-Options: nosniff" in headers
    assert "Referrer-Policy: no-referrer" in headers
    assert "Cache-Control: no-store" in headers
    assert "Python" not in headers
    for text in (str(model_file.parent), os.getcwd(), "http://", "https://"):
        assert text not in body.decode()


# ---------- how much may be asked


def test_a_huge_body_is_refused_before_it_is_read(model_file):
    """Of 300 MB the server takes next to nothing, and its memory does not grow."""
    with running_demo(model_file) as (address, process):
        ask(address, stroke())
        before = peak_bytes(process.pid)
        with begin(address, b"", length=300_000_000) as connection:
            assert send_until_closed(connection, bytes(1_000_000), 300) < 30
        assert peak_bytes(process.pid) - before < 10_000_000
        length = "Content-Length: 20000001"
        status, _, body = exchange(address, head(address, "POST", "digit", length))
        assert (status, body) == (413, b"A picture may have at most 20,000,000 bytes.")


@pytest.mark.parametrize(
    "line",
    [
        "Content-Length: " + length
        for length in ("", "-1", "1e3", "abc", "0x10", "+5", "\xb2", "9" * 5000)
    ]
    + ["X: no length at all", "Transfer-Encoding: chunked"],
)
def test_a_body_without_a_length_is_refused(address, line):
    """Whoever sends a picture must say first how long it is."""
    status, _, _ = exchange(address, head(address, "POST", "digit", line) + stroke())
    assert status == 411


@pytest.mark.parametrize("sent", [b"", b"POST /", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nA: b"])
def test_a_slow_head_is_cut_off(monkeypatch, sent):
    """A connection whose request does not arrive in time is closed."""
    monkeypatch.setattr(server, "ARRIVAL_SECONDS", 0.3)
    with serving(Gate()) as running:
        connection = socket.create_connection(running.server_address, timeout=10)
        connection.sendall(sent)
        assert connection.recv(100) == b""
        connection.close()


def test_a_slow_body_is_cut_off(monkeypatch):
    """A byte now and then does not put off the end, and the place of the picture becomes free."""
    monkeypatch.setattr(server, "ARRIVAL_SECONDS", 0.5)
    monkeypatch.setattr(server, "MAX_PICTURES", 1)
    gate = Gate()
    gate.opened.set()
    with serving(gate) as running:
        with begin(running.url, b"x", length=1000) as connection:
            assert send_until_closed(connection, b"x", 1000, pause=0.05) < 100
        assert ask(running.url, b"123") == (200, [3, False])


def test_only_so_many_pictures_are_taken_at_once():
    """Beyond that the answer is to try again, and so it is until one of them is answered."""
    gate = Gate()
    with serving(gate) as running:
        connections = [begin(running.url, b"12", "page") for _ in range(server.MAX_PICTURES)]
        wait_until(lambda: running.pictures._value == 0)
        assert ask(running.url, b"123") == (503, server.BUSY)
        gate.opened.set()
        for connection in connections:
            with connection, connection.makefile("rb") as answer:
                assert answer.read().endswith(b"[2, true]")
        assert ask(running.url, b"123") == (200, [3, False])


def test_only_so_many_connections_are_kept(monkeypatch):
    """One too many is closed at once; when others end, there is room again."""
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 2)
    gate = Gate()
    gate.opened.set()
    with serving(gate) as running:
        connections = [socket.create_connection(running.server_address) for _ in range(2)]
        wait_until(lambda: running._connections._value == 0)
        with socket.create_connection(running.server_address, timeout=10) as third:
            assert third.recv(1) == b""
        for connection in connections:
            connection.close()
        wait_until(lambda: running._connections._value == 2)
        assert ask(running.url, b"123") == (200, [3, False])


def test_a_turn_that_does_not_come_is_told():
    """Where no time is left to read a picture, the answer is to try again."""

    class Never:
        def read(self, content, *, many, asker):
            """Return no answer."""

    with serving(Never()) as running:
        assert ask(running.url, b"123") == (503, server.BUSY)


def test_an_error_of_the_server_is_told_in_its_terminal(caplog):
    """A bug ends one request, not the server."""

    class Broken:
        def read(self, content, *, many, asker):
            """Fail."""
            raise ZeroDivisionError("a bug")

    with serving(Broken()) as running:
        for _ in range(2):
            with begin(running.url, b"123") as connection:
                assert connection.recv(1) == b""
    assert caplog.text.count("ZeroDivisionError: a bug") == 2


# ---------- nothing is kept, and nothing goes on for nobody


def test_nothing_is_written_to_disk(model_file, tmp_path):
    """Neither pictures that were read nor uploads that broke off leave a file."""
    places = {name: tmp_path / name for name in ("TMPDIR", "HOME", "XDG_CACHE_HOME", "cwd")}
    for place in places.values():
        place.mkdir()
    environment = {name: str(place) for name, place in places.items()}
    with running_demo(model_file, cwd=places["cwd"], env=environment) as (address, _):
        assert ask(address, stroke())[0] == 200
        for _ in range(3):
            begin(address, os.urandom(9_000_000), length=10_000_000).close()
        assert ask(address, stroke(), "page")[0] == 200
        assert {*tmp_path.rglob("*")} == {*places.values()}
    assert {*tmp_path.rglob("*")} == {*places.values()}


def test_work_for_nobody_is_stopped(monkeypatch):
    """When who asked is gone, the process is killed, and another one reads the next picture."""
    monkeypatch.setattr(picture_reader, "GRACE_SECONDS", 0.1)
    with PictureReader(SlowModel) as reader, serving(reader) as running:
        first = reader._process
        connection = begin(running.url, crowded_page(), "page")
        wait_until(reader._turn.locked)
        connection.close()
        status, answer = ask(running.url, stroke())
        assert (status, len(answer["digits"])) == (200, 1)
        assert reader._process.pid != first.pid
        assert first.exitcode == -signal.SIGKILL


def test_work_that_takes_too_long_is_stopped(monkeypatch):
    """A picture has its seconds; then the answer says so, and the next one is read."""
    with PictureReader(SlowModel) as reader, serving(reader) as running:
        monkeypatch.setattr(picture_reader, "SECONDS", 0.5)
        status, answer = ask(running.url, crowded_page(), "page")
        assert status == 200
        assert answer["error"].endswith("seconds and was stopped. Make the picture smaller.")
        monkeypatch.setattr(picture_reader, "SECONDS", 60)
        assert len(ask(running.url, stroke())[1]["digits"]) == 1


def test_who_waits_too_long_for_a_turn_is_told(monkeypatch):
    """While another picture is read, the next one waits no longer than it would be read."""
    with (
        PictureReader(SlowModel) as reader,
        serving(reader) as running,
        begin(running.url, crowded_page(), "page"),
    ):
        wait_until(reader._turn.locked)
        monkeypatch.setattr(picture_reader, "SECONDS", 0.5)
        assert ask(running.url, stroke()) == (503, server.BUSY)


def test_a_process_that_was_killed_is_replaced():
    """Where the system kills the process for its memory, the answer says so; then it goes on."""
    with PictureReader(SlowModel) as reader, serving(reader) as running:
        reader._process.kill()
        reader._process.join()
        status, answer = ask(running.url, stroke())
        assert status == 200
        assert "not enough memory" in answer["error"]
        assert len(ask(running.url, stroke())[1]["digits"]) == 1


def test_ctrl_c_in_a_terminal_ends_it_without_noise(model_file):
    """The terminal sends it to all processes of the program; only one of them says something."""
    with running_demo(model_file) as (address, process):
        started = children(process.pid)
        for pid in started:
            os.kill(pid, signal.SIGINT)
        assert ask(address, stroke())[0] == 200
        assert children(process.pid) == started
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(10) == 130
        assert process.stderr.read() == "sk-digits: stopped\n"


def test_pages_that_nobody_waits_for_lock_nothing(model_file):
    """After 41 crowded pages whose senders are gone, a picture is read, and Ctrl-C ends at once."""
    with running_demo(model_file) as (address, process):
        connections = [begin(address, crowded_page(), "page") for _ in range(41)]
        time.sleep(1)
        for connection in connections:
            connection.close()
        status, answer = ask(address, stroke())
        assert (status, len(answer["digits"])) == (200, 1)
        with begin(address, crowded_page(), "page"):
            time.sleep(1)
            process.send_signal(signal.SIGINT)
            assert process.wait(1) == 130
        assert process.stderr.read() == "sk-digits: stopped\n"


def test_a_killed_server_leaves_no_process(model_file):
    """Also where the server has no time to say goodbye, no process goes on with a picture."""
    with running_demo(model_file) as (address, process):
        ask(address, stroke())
        started = children(process.pid)
        assert started
        with begin(address, crowded_page(), "page"):
            time.sleep(0.5)
            process.kill()
            wait_until(lambda: not any(map(is_running, started)))
