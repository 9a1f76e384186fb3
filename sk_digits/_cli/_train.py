"""``sk-digits train``."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from sk_digits import _atomic_write
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
            self.start, self.n_resumed = time.perf_counter(), net.epochs_done
            if self.n_resumed:
                typer.echo(f"going on after epoch {self.n_resumed}", err=True)
            self.task = progress.add_task("starting", total=n_epochs, completed=self.n_resumed)

        def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
            row = net.history[-1]
            seconds = time.perf_counter() - self.start
            left = seconds / (row["epoch"] - self.n_resumed) * (n_epochs - row["epoch"])
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
    checkpoint: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Save the training here after each epoch."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the training saved by --checkpoint.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Train the digit pipeline and report its accuracy on unseen images."""
    params: dict[str, Any] = {} if hidden is None else {"hidden_layer_sizes": parse_hidden(hidden)}
    if out is not None:
        check_writable(out)
    _check_checkpoint(checkpoint, resume)
    split = load_split(data)

    from sk_digits import make_digit_pipeline
    from sk_digits._cli._report import describe, measure

    typer.echo(f"data: {split.name}")
    pipeline = make_digit_pipeline(max_epochs=epochs, random_state=seed, **params)
    fit(pipeline, split, checkpoint=checkpoint, resume=resume, quiet=quiet)
    y_pred = pipeline.predict(split.X_test)
    typer.echo(describe(split.y_test, y_pred))
    if out is not None:
        save(pipeline, out, split, measure(split.y_test, y_pred), seed)
    if checkpoint is not None:
        _checkpoint_of(pipeline).path_.unlink(missing_ok=True)


def fit(
    pipeline: Any,
    split: Split,
    *,
    checkpoint: Path | None = None,
    resume: bool = False,
    quiet: bool = False,
) -> None:
    """Train the digit pipeline, show how far it is, and say how long it took."""
    from sk_digits import TrainingCheckpoint

    epochs = pipeline.named_steps["ann"].max_epochs
    callbacks = [] if checkpoint is None else [TrainingCheckpoint(checkpoint)]
    if resume:
        callbacks.append(_resumption_callback(checkpoint))
    progress: Any = contextlib.nullcontext()
    if not quiet:
        progress, callback = _progress_callback(epochs)
        callbacks.append(callback)
    start = time.perf_counter()
    with progress:
        pipeline.set_params(ann__callbacks=callbacks or None).fit(split.X_train, split.y_train)
    pipeline.set_params(ann__callbacks=None)
    typer.echo(f"trained {epochs} epochs in {time.perf_counter() - start:.1f} s")


def save(
    pipeline: Any,
    out: Path,
    split: Split,
    measures: dict[str, Any],
    seed: int,
    more: dict[str, Any] | None = None,
) -> None:
    """Save a pipeline with what is known about it, and `more`."""
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
        }
        | (more or {}),
    )
    typer.echo(f"saved {out} ({out.stat().st_size / 1e6:.1f} MB)")


def check_writable(path: Path) -> None:
    """Complain of a bad place for a file before the work, not after it."""
    if path.is_dir() or not path.parent.is_dir():
        reason = "is a folder" if path.is_dir() else f"cannot be made: there is no {path.parent}"
        raise typer.BadParameter(f"{path} {reason}. Give a file in a folder that exists.")
    _atomic_write.check_writable(path)


def _check_checkpoint(checkpoint: Path | None, resume: bool) -> None:
    """Complain if ``--checkpoint`` would go on unasked, or ``--resume`` has nothing to go on."""
    if checkpoint is None:
        if resume:
            raise typer.BadParameter("--resume needs --checkpoint FOLDER.")
        return
    is_there = any(checkpoint.glob("training-*.safetensors"))
    if is_there and not resume:
        raise typer.BadParameter(
            f"{checkpoint} holds an unfinished training. Add --resume to go on with it, or give "
            "another folder."
        )
    if resume and not is_there:
        raise typer.BadParameter(f"{checkpoint} holds no training to go on with.")


def _resumption_callback(checkpoint: Path | None) -> Any:
    """Make a callback that complains of a training which nothing was saved of."""
    from skorch.callbacks import Callback

    class Resumption(Callback):
        def on_train_begin(self, net: Any, **kwargs: Any) -> None:
            if not net.epochs_done:
                raise ValueError(
                    f"{checkpoint} holds no training with these options on these images. Give the "
                    "options that it began with, or another folder without --resume."
                )

    return Resumption()


def _checkpoint_of(pipeline: Any) -> Any:
    """Give the checkpoint callback as the fit has used it."""
    from sk_digits import TrainingCheckpoint

    callbacks = (callback for _, callback in pipeline["ann"].net_.callbacks_)
    return next(c for c in callbacks if isinstance(c, TrainingCheckpoint))
