"""``sk-digits train``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from sk_digits._cli._app import Quiet, command
from sk_digits._cli._data import Data, Split, load_split


def parse_hidden(hidden: str) -> tuple[int, ...]:
    """Read widths of hidden layers: ``"512,512"``."""
    try:
        widths = tuple(int(width) for width in hidden.split(","))
    except ValueError:
        widths = (0,)
    if min(widths) < 1:
        raise typer.BadParameter(f"{hidden!r} is not a list of positive widths such as 512,512.")
    return widths


def _progress_callback(n_epochs: int) -> Any:
    """Make a skorch callback that shows epoch, loss and seconds left on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn
    from skorch.callbacks import Callback

    console = Console(stderr=True)
    columns = (TextColumn("epoch {task.completed}/{task.total}"), BarColumn())
    progress = Progress(
        *columns, TextColumn("{task.description}"), console=console, disable=not console.is_terminal
    )

    class EpochProgress(Callback):
        def __deepcopy__(self, memo: dict[int, Any]) -> EpochProgress:
            return self  # a terminal is not copied

        def on_train_begin(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
            self.start = time.perf_counter()
            self.task = progress.add_task("starting", total=n_epochs)

        def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
            row = net.history[-1]
            seconds = time.perf_counter() - self.start
            left = seconds / row["epoch"] * (n_epochs - row["epoch"])
            line = f"loss {row['train_loss']:.4f}  {left:.0f} s left"
            progress.update(self.task, advance=1, description=line)
            if progress.disable:
                typer.echo(f"epoch {row['epoch']}/{n_epochs}  {line}", err=True)

    return progress, EpochProgress()


@command
def train(
    data: Data = "auto",
    epochs: Annotated[int, typer.Option(min=1, help="Times to go over the images.")] = 60,
    hidden: Annotated[
        str | None, typer.Option(metavar="N,N,...", help="Units in each hidden layer.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Source of all chance.")] = 0,
    out: Annotated[Path | None, typer.Option(help="File to save the model to: FILE.skops.")] = None,
    quiet: Quiet = False,
) -> None:
    """Train the digit pipeline and report its accuracy on unseen images."""
    params: dict[str, Any] = {} if hidden is None else {"hidden_layer_sizes": parse_hidden(hidden)}
    if out is not None:
        _check_writable(out)
    split = load_split(data)

    from sk_digits import make_digit_pipeline
    from sk_digits._cli._report import describe, measure

    typer.echo(f"data: {split.name}")
    pipeline = make_digit_pipeline(max_epochs=epochs, random_state=seed, **params)
    fit(pipeline, split, quiet=quiet)
    y_pred = pipeline.predict(split.X_test)
    typer.echo(describe(split.y_test, y_pred))
    if out is not None:
        save(pipeline, out, split, measure(split.y_test, y_pred), seed)


def fit(pipeline: Any, split: Split, *, quiet: bool = False) -> None:
    """Train the digit pipeline, show how far it is, and say how long it took."""
    epochs = pipeline.named_steps["ann"].max_epochs
    start = time.perf_counter()
    if quiet:
        pipeline.fit(split.X_train, split.y_train)
    else:
        progress, callback = _progress_callback(epochs)
        with progress:
            pipeline.set_params(ann__callbacks=[callback]).fit(split.X_train, split.y_train)
        pipeline.set_params(ann__callbacks=None)
    typer.echo(f"trained {epochs} epochs in {time.perf_counter() - start:.1f} s")


def save(pipeline: Any, out: Path, split: Split, measures: dict[str, Any], seed: int) -> None:
    """Save a pipeline with what is known about it."""
    from sk_digits import save_model

    save_model(
        pipeline,
        out,
        metadata={
            "data": split.name,
            "seed": seed,
            "test_accuracy": measures["accuracy"],
            "test_accuracy_interval": measures["interval"],
            "n_test_images": measures["n_images"],
        },
    )
    typer.echo(f"saved {out} ({out.stat().st_size / 1e6:.1f} MB)")


def _check_writable(path: Path) -> None:
    """Complain of a bad ``--out`` before the training, not after it."""
    if path.is_dir() or not path.parent.is_dir():
        reason = "is a folder" if path.is_dir() else f"cannot be made: there is no {path.parent}"
        raise typer.BadParameter(f"{path} {reason}. Give a file in a folder that exists.")
