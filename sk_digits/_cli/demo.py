"""``sk-digits demo``."""

from __future__ import annotations

from typing import Annotated

import typer

from sk_digits._cli.app import app, say
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
) -> None:
    """Open a page in the browser that reads the digits you draw. Ctrl-C ends it."""
    from sk_digits._demo import LOOPBACK, serve

    def ready(address: str) -> None:
        if host not in LOOPBACK:
            say("warning: anyone who knows the address can use the page, unencrypted")
        typer.echo(f"Draw digits at {address} (Ctrl-C ends it)")

    serve(model, host=host, port=port, ready=ready)
