"""``sk-digits export``."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sk_digits._cli.app import app
from sk_digits._cli.options import HTML, ONNX, Model, check_writable, open_reader

if TYPE_CHECKING:
    from numpy.typing import NDArray

N_ROWS = 1000


@app.command()
def export(
    onnx: Annotated[
        Path | None, typer.Option(metavar="FILE", help="ONNX file to save: FILE.onnx.")
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Page that reads digits in any browser: FILE.html."),
    ] = None,
    model: Model = None,
    dtype: Annotated[
        str | None,
        typer.Option(
            metavar="float32|float64|uint8",
            help="Type of the input rows of the ONNX file. The default is float32.",
            show_default=False,
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            metavar="int8|float16|float32",
            help="How the page stores the weights. The default is int8.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Export a model to ONNX, or to a page that reads digits in a browser.

    The ONNX model takes rows of pixels; what finds the digit in a picture is left out. Before it is
    saved, its labels and probabilities are compared with the model's on generated rows. The page is
    one file that needs no server and no network.
    """
    if (onnx is None) == (html is None):
        raise typer.BadParameter("Give either --onnx FILE.onnx or --html FILE.html.")
    if html is not None:
        if dtype is not None:
            raise typer.BadParameter("--dtype is for --onnx. With --html, give --precision.")
        _export_html(html, model, precision or "int8")
    elif onnx is not None:
        if precision is not None:
            raise typer.BadParameter("--precision is for --html. With --onnx, give --dtype.")
        _export_onnx(onnx, model, dtype or "float32")


def _export_html(path: Path, model: Path | None, precision: str) -> None:
    check_writable(path, HTML)
    from sk_digits.html import to_html

    to_html(open_reader(model), path, precision=precision)
    typer.echo(f"saved {path} ({path.stat().st_size / 1e6:.1f} MB)")


def _export_onnx(path: Path, model: Path | None, dtype: str) -> None:
    check_writable(path, ONNX)
    from sk_digits._atomic_write import write_atomically
    from sk_digits._reader.pretrained import split_reader
    from sk_digits.onnx import to_onnx

    classifier = split_reader(open_reader(model))[1]
    content = to_onnx(classifier, dtype=dtype).SerializeToString()
    rows = _generate_rows(classifier, dtype)
    difference = _compare(classifier, content, rows)
    write_atomically(path, content)
    typer.echo(
        f"checked on {len(rows):,} generated rows: the same labels, probabilities within "
        f"{difference:.1e}"
    )
    typer.echo(f"saved {path} ({len(content) / 1e6:.1f} MB)")


def _generate_rows(classifier: Any, dtype: str) -> NDArray[Any]:
    """Return rows of noise, from blank to full, in the units that the model was trained on."""
    import numpy as np
    from sklearn.pipeline import Pipeline

    has_steps = isinstance(classifier, Pipeline) and len(classifier) > 1
    last = classifier[-1] if has_steps else classifier
    rng = np.random.default_rng(0)
    shape = (N_ROWS, last.n_features_in_)
    rows = np.where(rng.random(shape) < rng.random((N_ROWS, 1)), rng.random(shape), 0.0)
    if has_steps:
        rows = classifier[:-1].inverse_transform(rows)
    if dtype == "uint8":
        rows = np.clip(np.rint(rows), 0, 255)
    return rows.astype(dtype)


def _compute_logits(classifier: Any, rows: NDArray[Any]) -> tuple[NDArray[Any], Any]:
    """Return the logits of rows, and how far the confidence of each is from being rejected."""
    import numpy as np

    from sk_digits._reader.pretrained import find_selective

    selective = find_selective(classifier)
    if selective is None:
        return classifier.decision_function(rows), np.inf
    inner = rows if selective is classifier else classifier[:-1].transform(rows)
    logits = selective.estimator_.decision_function(inner) / selective.temperature_
    return logits, np.abs(classifier.score_samples(rows) - selective.threshold_)


def _compare(classifier: Any, content: bytes, rows: NDArray[Any]) -> float:
    """Return the largest difference of probabilities; raise ValueError if it is not rounding."""
    import numpy as np
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    parts = [session.run(None, {"X": part}) for part in (rows[:1], rows[1:])]  # any number of rows
    labels, probabilities = (np.concatenate(outputs) for outputs in zip(*parts, strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # noise may lie outside the range of the training data
        expected = classifier.predict_proba(rows)
        own_labels = classifier.predict(rows)
        logits, margins = _compute_logits(classifier, rows)
    # Rounding grows with the logits: by up to 3e-7 times the largest in networks of twelve layers.
    tolerance = 2e-6 * max(1.0, float(np.abs(logits).max()))
    difference = float(np.abs(probabilities - expected).max())
    ordered = np.sort(expected, axis=1)
    margins = np.minimum(margins, ordered[:, -1] - ordered[:, -2:-1].sum(axis=1))
    is_close = margins <= tolerance  # either label may win
    n_other = int(np.sum((labels != own_labels) & ~is_close))
    if n_other or not difference <= tolerance:
        raise ValueError(
            f"The ONNX model differs: on {len(rows):,} generated rows, {n_other} "
            f"labels differ, and probabilities differ by up to {difference:.1e}, where rounding "
            f"explains at most {tolerance:.1e}. No file was saved."
        )
    return difference
