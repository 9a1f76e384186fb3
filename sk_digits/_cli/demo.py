"""``sk-digits demo``."""

from __future__ import annotations

import threading
import webbrowser
from typing import Annotated

import typer

from sk_digits._cli.app import app, say
from sk_digits._cli.data import warn_of_bundled_digits
from sk_digits._cli.options import Model


@app.command()
def demo(
    model: Model = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; the default is this computer only.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = 7860,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address and open no browser.")
    ] = False,
) -> None:
    """Open a page in the browser that reads the digits you draw. Ctrl-C ends it."""
    from sk_digits._demo import LOOPBACK, serve

    warn_of_bundled_digits(model)

    def ready(address: str) -> None:
        if host not in LOOPBACK:
            say("warning: anyone who knows the address can use the page, unencrypted")
        typer.echo(f"Draw digits at {address} (Ctrl-C ends it)")
        if not no_browser:
            # In a thread of its own, because some browsers return only when they are closed.
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    serve(model, host=host, port=port, ready=ready)
