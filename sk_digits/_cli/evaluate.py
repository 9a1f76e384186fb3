"""``sk-digits evaluate``."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sk_digits._cli.app import app
from sk_digits._cli.data import load_unseen
from sk_digits._cli.options import PICTURES, AsJson, Data, Ink, Model, check_writable, open_reader

if TYPE_CHECKING:
    from numpy.typing import NDArray


@app.command()
def evaluate(
    model: Model = None,
    data: Data = "auto",
    ink: Ink = "auto",
    plot: Annotated[
        Path | None,
        typer.Option(help="Picture to save: confusion matrix and most confident errors."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score a model on unseen images, by all its guesses."""
    if plot is not None:
        from sk_digits.displays._style import import_pyplot

        check_writable(plot, PICTURES)
        import_pyplot()
    from sk_digits._reader.pretrained import split_reader

    pipeline = split_reader(open_reader(model, max_risk=1))[1]
    X, y, name = load_unseen(data, model, ink)
    given, known = sorted(set(y.tolist())), pipeline.classes_.tolist()
    if not set(given) & set(known):
        raise ValueError(f"{data} has only labels that the model has not: {given}, not {known}.")

    from sk_digits._cli.report import describe, measure

    y_pred = pipeline.predict(X)
    if as_json:
        typer.echo(json.dumps({"data": name} | measure(y, y_pred), indent=1))
    else:
        typer.echo(f"data: {name}")
        typer.echo(describe(y, y_pred))
    if plot is not None:
        _draw(plot, pipeline, X, y)
        typer.echo(f"saved {plot}", err=True)


def _draw(path: Path, pipeline: Any, X: NDArray[Any], y: NDArray[Any]) -> None:
    """Save the confusion matrix above the most confident errors as one picture."""
    import numpy as np
    from PIL import Image
    from sklearn.metrics import ConfusionMatrixDisplay

    from sk_digits.displays import DigitGridDisplay
    from sk_digits.displays._style import import_pyplot

    plt = import_pyplot()
    errors = DigitGridDisplay.from_estimator(pipeline, X, y, n_images=18)
    width = errors.figure_.get_figwidth()
    figure, ax = plt.subplots(figsize=(width, 0.7 * width), layout="constrained")
    matrix = ConfusionMatrixDisplay.from_estimator(
        pipeline, X, y, ax=ax, cmap="Blues", colorbar=False
    )
    accuracy = matrix.confusion_matrix.trace() / len(y)
    ax.set_title(f"{100 * accuracy:.2f} % of {len(y):,} unseen images are correct", loc="left")
    matrix.im_.set_norm("log")  # makes a count of 3 visible beside one of 200
    pictures = []
    for part in (figure, errors.figure_):  # of the same width
        file = io.BytesIO()
        part.savefig(file, dpi=120, format="png")
        plt.close(part)
        pictures.append(np.asarray(Image.open(file).convert("RGB")))
    Image.fromarray(np.vstack(pictures)).save(path)
