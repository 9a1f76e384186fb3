"""``sk-digits train``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from sk_digits._cli.app import app
from sk_digits._cli.data import Split, load_split
from sk_digits._cli.options import MODELS, Data, Epochs, Quiet, Seed, check_writable, parse_hidden


@app.command()
def train(
    data: Data = "auto",
    epochs: Epochs = 60,
    hidden: Annotated[
        Any,
        typer.Option(metavar="N,N,...", parser=parse_hidden, help="Units in each hidden layer."),
    ] = None,
    seed: Seed = 0,
    out: Annotated[
        Path | None, typer.Option(help="File to save the model to: FILE.safetensors.")
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Save the training to this folder after each epoch."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume the training that --checkpoint has saved.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Train the digit pipeline and report its accuracy on unseen images."""
    params = {} if hidden is None else {"hidden_layer_sizes": hidden}
    if out is not None:
        check_writable(out, MODELS)
    _check_checkpoint(checkpoint, resume)
    split = load_split(data)

    from sk_digits import make_digit_pipeline
    from sk_digits._cli.report import report_and_save

    typer.echo(f"data: {split.name}")
    pipeline = make_digit_pipeline(max_epochs=epochs, random_state=seed, **params)
    fit(pipeline, split, checkpoint=checkpoint, resume=resume, quiet=quiet)
    report_and_save(pipeline, split, out, seed)
    if checkpoint is not None:
        dict(pipeline["ann"].net_.callbacks_)["TrainingCheckpoint"].path_.unlink(missing_ok=True)


def fit(
    pipeline: Any,
    split: Split,
    *,
    checkpoint: Path | None = None,
    resume: bool = False,
    quiet: bool = False,
) -> None:
    """Train the digit pipeline, show the progress, and print how long it took."""
    from sk_digits import TrainingCheckpoint

    epochs = pipeline.named_steps["ann"].max_epochs
    callbacks = [] if checkpoint is None else [TrainingCheckpoint(checkpoint)]
    progress, callback = _make_progress(epochs, quiet, checkpoint if resume else None)
    start = time.perf_counter()
    with progress:
        pipeline.set_params(ann__callbacks=[*callbacks, callback])
        pipeline.fit(split.X_train, split.y_train)
    pipeline.set_params(ann__callbacks=None)
    typer.echo(f"trained {epochs} epochs in {time.perf_counter() - start:.1f} s")


def _make_progress(n_epochs: int, quiet: bool, resumed: Path | None) -> Any:
    """Return a progress display and its callback, which checks that `resumed` was resumed."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn
    from skorch.callbacks import Callback

    console = Console(stderr=True, quiet=quiet)
    columns = (TextColumn("epoch {task.completed}/{task.total}"), BarColumn())
    progress = Progress(
        *columns, TextColumn("{task.description}"), console=console, disable=not console.is_terminal
    )

    class EpochProgress(Callback):
        def __deepcopy__(self, memo: dict[int, Any]) -> EpochProgress:
            return self  # a terminal cannot be copied

        def on_train_begin(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
            self.start, self.n_before = time.perf_counter(), net.epochs_done
            if self.n_before:
                console.print(f"resuming after epoch {self.n_before}")
            elif resumed is not None:
                raise ValueError(
                    f"{resumed} holds no training with these options on these images. Give the "
                    "options that it began with, or another folder without --resume."
                )
            self.task = progress.add_task("starting", total=n_epochs, completed=self.n_before)

        def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
            row = net.history[-1]
            seconds = time.perf_counter() - self.start
            left = seconds / (row["epoch"] - self.n_before) * (n_epochs - row["epoch"])
            line = f"loss {row['train_loss']:.4f}  {left:.0f} s left"
            progress.update(self.task, advance=1, description=line)
            if progress.disable:
                console.print(f"epoch {row['epoch']}/{n_epochs}  {line}", highlight=False)

    return progress, EpochProgress()


def _check_checkpoint(checkpoint: Path | None, resume: bool) -> None:
    """Raise an error if there is a training without ``--resume``, or ``--resume`` without one."""
    if resume and checkpoint is None:
        raise typer.BadParameter("--resume needs --checkpoint FOLDER.")
    has_training = checkpoint is not None and any(checkpoint.glob("training-*"))
    if resume and not has_training:
        raise typer.BadParameter(f"{checkpoint} holds no training to resume.")
    if has_training and not resume:
        raise typer.BadParameter(
            f"{checkpoint} holds an unfinished training. Add --resume to resume it, or give "
            "another folder."
        )
