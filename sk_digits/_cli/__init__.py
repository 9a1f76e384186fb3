"""The command line, ``sk-digits``: one module a command, named after it.

Start with `app` (the application and its errors) and `options` (what several commands take), then
read `train`. Whatever imports torch or scikit-learn is imported when a command runs.
"""

# Importing a command's module adds the command.
from sk_digits._cli import demo, evaluate, export, predict, search, train  # noqa: F401
from sk_digits._cli.app import app, main

__all__ = ["app", "main"]
