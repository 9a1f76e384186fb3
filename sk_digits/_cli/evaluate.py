"""``sk-digits evaluate``."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sk_digits._cli.app import command
from sk_digits._cli.data import Data, load_split

if TYPE_CHECKING:
    from numpy.typing import NDArray

Model = Annotated[Path, typer.Argument(metavar="MODEL", help="File that train --out has saved.")]


@command
def evaluate(
    model: Model,
    data: Data = "auto",
    plot: Annotated[
        Path | None,
        typer.Option(help="Picture to save: who is taken for whom, and the surest errors."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score a saved model on unseen images."""
    from sk_digits import load_model

    pipeline = load_model(model)
    split = load_split(data)

    from sk_digits._cli.report import describe, measure

    y_pred = pipeline.predict(split.X_test)
    if as_json:
        typer.echo(json.dumps({"data": split.name} | measure(split.y_test, y_pred), indent=1))
    else:
        typer.echo(f"data: {split.name}")
        typer.echo(describe(split.y_test, y_pred))
    if plot is not None:
        _draw(plot, pipeline, split.X_test, split.y_test)
        typer.echo(f"saved {plot}", err=True)


def _draw(path: Path, pipeline: Any, X: NDArray[Any], y: NDArray[Any]) -> None:
    """Save the confusion matrix above the surest errors as one picture."""
    from PIL import Image
    from sklearn.metrics import ConfusionMatrixDisplay

    from sk_digits.displays import DigitGridDisplay

    errors = DigitGridDisplay.from_estimator(pipeline, X, y, n_images=18)
    import matplotlib.pyplot as plt  # which a display has asked for in better words

    width = errors.figure_.get_figwidth()
    figure, ax = plt.subplots(figsize=(width, 0.7 * width), layout="constrained")
    matrix = ConfusionMatrixDisplay.from_estimator(
        pipeline, X, y, ax=ax, cmap="Blues", colorbar=False
    )
    for count in matrix.text_.ravel():
        if count.get_text() == "0":  # most are, and hide the others
            count.set_text("")
    accuracy = matrix.confusion_matrix.trace() / len(y)
    ax.set_title(f"{100 * accuracy:.2f} % of {len(y):,} unseen images are right", loc="left")
    matrix.im_.set_norm("log")  # a count of 3 is to be seen beside one of 200
    pictures = []
    for part in (figure, errors.figure_):
        file = io.BytesIO()
        part.savefig(file, dpi=120, format="png")
        plt.close(part)
        pictures.append(Image.open(file).convert("RGB"))
    size = max(p.width for p in pictures), sum(p.height for p in pictures)
    sheet = Image.new("RGB", size, "white")
    top = 0
    for picture in pictures:
        sheet.paste(picture, (0, top))
        top += picture.height
    sheet.save(path)
