"""The drawing page: `make_demo` builds it, `serve` shows it."""

from sk_digits._demo._page import import_gradio, make_demo
from sk_digits._demo._server import serve

__all__ = ["import_gradio", "make_demo", "serve"]
