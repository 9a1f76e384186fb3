"""``sk-digits demo``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from sk_digits._cli._app import command, say
from sk_digits._cli._data import Data, load_split
from sk_digits._cli._train import fit, save

OUT = Path("digits.skops")


@command
def demo(
    model: Annotated[
        Path | None,
        typer.Argument(metavar="[MODEL]", help="File that train --out has saved."),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; the default is for this computer only.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = 7860,
    data: Data = "auto",
) -> None:
    """Open a page in the browser to draw digits on and have them read. Ctrl-C ends it.

    Without MODEL it offers to train a quick one first, on --data.
    """
    from sk_digits._demo import LOOPBACK, serve

    if model is None:
        _train(data)
        model = OUT

    def ready(address: str) -> None:
        if host not in LOOPBACK:
            say("warning: whoever knows the address can use the page, and it is not encrypted")
        typer.echo(f"Draw digits at {address} (Ctrl-C ends it)")

    serve(model, host=host, port=port, ready=ready)


def _train(data: str) -> None:
    """Offer a quick training, and save what comes of it."""
    if not _is_asked_by_a_person():
        raise ValueError(
            "demo needs a model. Train one with: sk-digits train --out digits.skops; "
            "then: sk-digits demo digits.skops"
        )
    if OUT.exists():
        question = f"No model is given, but {OUT} is here. Train another one in its place?"
    else:
        question = f"No model is given. Train a quick one, and save it to {OUT}?"
    if not typer.confirm(question, default=not OUT.exists()):
        typer.echo(f"Give a model: sk-digits demo {OUT if OUT.exists() else 'MODEL'}")
        raise typer.Exit
    split = load_split(data)

    from sk_digits import make_digit_pipeline
    from sk_digits._cli._report import measure

    typer.echo(f"data: {split.name}")
    # Seconds rather than minutes, for a point of accuracy less than `sk-digits train`.
    n_epochs = 15 if len(split.y_train) > 5_000 else 40
    pipeline = make_digit_pipeline(
        hidden_layer_sizes=(512, 512), max_epochs=n_epochs, random_state=0
    )
    fit(pipeline, split)
    measures = measure(split.y_test, pipeline.predict(split.X_test))
    typer.echo(f"accuracy {measures['accuracy']:.4f} on {measures['n_images']:,} unseen images")
    save(pipeline, OUT, split, measures, seed=0)


def _is_asked_by_a_person() -> bool:
    return sys.stdin.isatty()
