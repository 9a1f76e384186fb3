"""The drawing page: `make_demo` builds it, `serve` shows it."""

from sk_digits._demo._page import import_gradio, make_demo
from sk_digits._demo._server import LOOPBACK, serve

__all__ = ["LOOPBACK", "import_gradio", "make_demo", "serve"]
