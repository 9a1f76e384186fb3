"""The command line, ``sk-digits``. Whatever imports torch is imported when a command runs."""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)


class Split(NamedTuple):
    """Images to train on, unseen ones to score, and what they are."""

    X_train: NDArray[np.uint8]
    X_test: NDArray[np.uint8]
    y_train: NDArray[np.int64]
    y_test: NDArray[np.int64]
    name: str


def _fail(message: object) -> typer.Exit:
    """Say in one line what went wrong, and give the exit for wrong input."""
    typer.echo(f"sk-digits: {message}", err=True)
    return typer.Exit(code=2)


def _load_mnist(folder: str | None) -> Split:
    from sk_digits.datasets import fetch_mnist

    with warnings.catch_warnings():  # of network errors, which the final error tells
        warnings.simplefilter("ignore")
        mnist: Any = fetch_mnist(subset="12k", data_home=folder, download_if_missing=folder is None)
    X, y = mnist.data, mnist.target
    name = "MNIST, 10,000 images to train on and 2,000 unseen ones"
    return Split(X[:10_000], X[10_000:], y[:10_000], y[10_000:], name)


def _load_digits() -> Split:
    from sklearn.model_selection import train_test_split

    from sk_digits.datasets import load_digits_28

    X, y = load_digits_28(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=360, stratify=y, random_state=0
    )
    name = "scikit-learn's bundled digits, 1,437 images to train on and 360 unseen ones"
    return Split(X_train, X_test, y_train, y_test, name)


def _load(data: str) -> Split:
    """Load what ``--data`` names; say so if that is not MNIST for want of it."""
    if data == "digits":
        return _load_digits()
    try:
        return _load_mnist(None if data in ("auto", "mnist") else data)
    except OSError as error:
        if data != "auto":
            raise _fail(error) from error
        typer.echo(f"{error}\nTraining on scikit-learn's 1,797 bundled digits instead.", err=True)
        return _load_digits()
    except ValueError as error:  # it is there and damaged: no case for a substitute
        raise _fail(error) from error


def _parse_hidden(hidden: str) -> tuple[int, ...]:
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


def _report(y_true: NDArray[Any], y_pred: NDArray[Any]) -> str:
    """Describe predictions: accuracy with its interval, each class, who is taken for whom."""
    import numpy as np
    from scipy.stats import binomtest
    from sklearn.metrics import classification_report, confusion_matrix

    right = int(np.sum(y_true == y_pred))
    interval = binomtest(right, len(y_true)).proportion_ci(0.95, method="wilson")
    labels = np.unique(y_true)
    matrix = confusion_matrix(y_true, y_pred, labels=labels)
    head = "true\\predicted"
    lines = [f"{head}  " + " ".join(f"{label:>5}" for label in labels)]
    for label, row in zip(labels, matrix, strict=True):
        lines.append(f"{label:>{len(head)}}  " + " ".join(f"{count:>5}" for count in row))
    return (
        f"accuracy {right / len(y_true):.4f} on {len(y_true):,} unseen images "
        f"(95 % interval {interval.low:.4f} to {interval.high:.4f})\n\n"
        f"{classification_report(y_true, y_pred, digits=4, zero_division=0)}\n" + "\n".join(lines)
    )


@app.callback()
def _root() -> None:
    """Recognise handwritten digits."""


@app.command()
def train(
    data: Annotated[
        str,
        typer.Option(
            metavar="auto|mnist|digits|FOLDER",
            help="Images: MNIST, scikit-learn's bundled digits, or a folder with MNIST's files. "
            "auto is MNIST where it can be had, else the bundled digits.",
        ),
    ] = "auto",
    epochs: Annotated[int, typer.Option(min=1, help="Times to go over the images.")] = 60,
    hidden: Annotated[
        str | None, typer.Option(metavar="N,N,...", help="Units in each hidden layer.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Source of all chance.")] = 0,
) -> None:
    """Train the digit pipeline and report its accuracy on unseen images."""
    params: dict[str, Any] = {} if hidden is None else {"hidden_layer_sizes": _parse_hidden(hidden)}
    split = _load(data)

    from sk_digits import make_digit_pipeline

    typer.echo(f"data: {split.name}")
    progress, callback = _progress_callback(epochs)
    pipeline = make_digit_pipeline(
        max_epochs=epochs, random_state=seed, callbacks=[callback], **params
    )
    start = time.perf_counter()
    with progress:
        pipeline.fit(split.X_train, split.y_train)
    typer.echo(f"trained {epochs} epochs in {time.perf_counter() - start:.1f} s")
    typer.echo(_report(split.y_test, pipeline.predict(split.X_test)))


def main() -> None:
    """Run the command line."""
    app(prog_name="sk-digits")
