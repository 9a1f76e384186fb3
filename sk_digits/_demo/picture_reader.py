"""Pictures are read in a process that can be stopped at any time: `PictureReader`."""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import socket

SECONDS = 20.0  # for one picture; a photo of a page of digits takes one or two
# A new process takes some seconds to start. So work that nobody waits for any more may still end by
# itself for one: most pictures take less.
GRACE_SECONDS = 1.0


class PictureReader:
    """Reads pictures, one after another, in a process of its own that holds the model.

    The process is killed when a picture takes too long, or when who asked is gone; a new one takes
    its place. Use it in a ``with`` statement. This process itself imports neither torch nor NumPy,
    so that it starts and ends at once: the other one calls `load`, which returns the model.
    """

    def __init__(self, load: Callable[[], Any]) -> None:
        self._load = load
        self._turn = threading.Lock()
        self._closed = False
        self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        self._process.kill()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would copy locks of other threads
        self._pipe, end = context.Pipe()
        self._process = context.Process(target=_work, args=(end, self._load), daemon=True)
        # A Ctrl-C in the terminal goes to both processes, but this one decides what it ends. The
        # other inherits the mask. multiprocessing's own helper lifts it when it is started, so that
        # has to come first. Windows has no masks.
        if hasattr(signal, "pthread_sigmask"):
            resource_tracker.ensure_running()
            mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            self._process.start()
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        else:
            self._process.start()
        end.close()
        page = self._pipe.recv()
        if isinstance(page, Exception):
            raise page
        self.page: tuple[bytes, str] = page

    def read(self, content: bytes, *, many: bool, asker: socket.socket) -> bytes | None:
        """Return the answer about an image file as JSON, or None if its turn does not come.

        The connection `asker` can be read from only when whoever asked is gone.
        """
        end = time.monotonic() + SECONDS
        while not self._turn.acquire(timeout=0.1):
            if wait([asker], 0) or time.monotonic() > end:
                return None
        try:
            try:
                self._pipe.send((content, many))
                ready = wait([self._pipe, asker], SECONDS)
                if ready == [asker]:
                    ready = wait([self._pipe], GRACE_SECONDS)
                if self._pipe in ready:
                    return self._pipe.recv_bytes()
                error = f"Reading this picture took more than {SECONDS:.0f} seconds and was stopped"
            except (EOFError, OSError):  # the system has killed it, for want of memory
                error = "There was not enough memory to read this picture"
            self._process.kill()
            if not self._closed:
                self._start()
            return json.dumps({"error": f"{error}. Make the picture smaller."}).encode()
        finally:
            self._turn.release()


def _work(pipe: Connection, load: Callable[[], Any]) -> None:
    """Answer the pictures that come through `pipe`, as long as its other end is open."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        from PIL import Image, ImageOps

        from sk_digits._demo.answers import answer, labels_of
        from sk_digits._demo.page import make_page

        model = load()
        page = make_page(model, labels_of(model))
        # The first picture takes a second longer than others, because of imports. No visitor waits.
        file = io.BytesIO()
        ImageOps.expand(Image.new("L", (4, 30)), 25, 255).save(file, "PNG")
        answer(file.getvalue(), model, many=True)
    except Exception as error:
        pipe.send(error)
        return
    pipe.send(page)
    while True:
        try:
            content, many = pipe.recv()
        except EOFError:
            return
        pipe.send_bytes(json.dumps(answer(content, model, many=many)).encode())


def _end_with_parent() -> None:
    """End this process when the one that started it has ended, even in the middle of a picture."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
