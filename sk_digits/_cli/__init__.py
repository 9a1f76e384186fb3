"""The command line, ``sk-digits``. Whatever imports torch is imported when a command runs."""

# Each adds its command.
from sk_digits._cli import demo, evaluate, export, predict, search, train  # noqa: F401
from sk_digits._cli.app import app, main

__all__ = ["app", "main"]
