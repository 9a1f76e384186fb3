"""``sk-digits demo``."""

from __future__ import annotations

import sys
import threading
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from sk_digits._cli.app import app, say
from sk_digits._cli.data import warn_of_bundled_digits
from sk_digits._cli.options import Data
from sk_digits._cli.train import train

OUT = Path("digits.safetensors")


@app.command()
def demo(
    model: Annotated[
        Path | None,
        typer.Argument(metavar="MODEL", help="Model file, as train --out saves it."),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; the default is this computer only.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = 7860,
    data: Data = "auto",
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address and open no browser.")
    ] = False,
) -> None:
    """Open a page in the browser that reads the digits you draw. Ctrl-C ends it.

    Without MODEL it offers to train a small one on --data first.
    """
    from sk_digits._demo import LOOPBACK, serve

    if model is None:
        _train(data)
        model = OUT

    warn_of_bundled_digits(model)

    def ready(address: str) -> None:
        if host not in LOOPBACK:
            say("warning: anyone who knows the address can use the page, unencrypted")
        typer.echo(f"Draw digits at {address} (Ctrl-C ends it)")
        if not no_browser:
            # In a thread of its own, because some browsers return only when they are closed.
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    serve(model, host=host, port=port, ready=ready)


def _train(data: str) -> None:
    """Train a small model and save it, if the user agrees."""
    if not _is_interactive():
        raise ValueError(
            "demo needs a model. Train one with: sk-digits train --out digits.safetensors; "
            "then: sk-digits demo digits.safetensors"
        )
    question = f"No model is given. Train a small one, and save it to {OUT}"
    if OUT.exists():
        question += ", replacing the file that exists"
    if not typer.confirm(f"{question}?", default=not OUT.exists()):
        typer.echo("Give a model: sk-digits demo MODEL")
        raise typer.Exit
    # Seconds rather than minutes, at a point of accuracy below the defaults.
    train(data=data, epochs=20, hidden=(512, 512), out=OUT)


def _is_interactive() -> bool:
    return sys.stdin.isatty()
