"""`defer_ctrl_c`: what tells a callback that ends a training from Ctrl-C."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def defer_ctrl_c() -> Iterator[None]:
    """Let Ctrl-C wait until the block has ended; pressed a second time, it does not wait.

    skorch's callbacks end a training by raising KeyboardInterrupt, which is also what Ctrl-C
    raises. Within this block it comes from a callback.
    """
    handler = signal.getsignal(signal.SIGINT)
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or not callable(handler):  # then Ctrl-C raises nothing here
        yield
        return
    n_pressed = 0

    def wait(number: int, frame: FrameType | None) -> None:
        nonlocal n_pressed
        n_pressed += 1
        if n_pressed > 1:
            handler(number, frame)

    signal.signal(signal.SIGINT, wait)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is wait:  # else the block has set a handler of its own
            signal.signal(signal.SIGINT, handler)
        if n_pressed:
            signal.raise_signal(signal.SIGINT)
