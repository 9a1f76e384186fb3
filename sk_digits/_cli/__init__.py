"""The command line, ``sk-digits``. Whatever imports torch is imported when a command runs."""

from sk_digits._cli import _demo_command, _evaluate, _predict, _search, _train  # noqa: F401  (each adds its command)
from sk_digits._cli._app import app, main

__all__ = ["app", "main"]
