"""The command line, ``sk-digits``. Whatever imports torch is imported when a command runs."""

# Each adds its command.
from sk_digits._cli import _demo_command, _evaluate, _export, _predict, _search, _train  # noqa: F401
from sk_digits._cli._app import app, main

__all__ = ["app", "main"]
