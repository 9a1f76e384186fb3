"""How well a model reads unseen images: `measure`, `describe` and `report_and_save`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import typer
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.metrics import classification_report, confusion_matrix

from sk_digits._cli.app import say

if TYPE_CHECKING:
    from sk_digits._cli.data import Split


def measure(y_true: NDArray[Any], y_pred: NDArray[Any]) -> dict[str, Any]:
    """Return the accuracy with its 95 % interval, scores by class and the confusion matrix."""
    n_correct = int(np.sum(y_true == y_pred))
    interval = binomtest(n_correct, len(y_true)).proportion_ci(0.95, method="wilson")
    labels = np.unique(np.concatenate([y_true, y_pred]))
    return {
        "accuracy": n_correct / len(y_true),
        "interval": [float(interval.low), float(interval.high)],
        "n_images": len(y_true),
        "classes": classification_report(y_true, y_pred, output_dict=True, zero_division=0),
        "labels": labels.tolist(),
        "confusion_matrix": confusion_matrix(y_true, y_pred, labels=labels).tolist(),
    }


def describe(y_true: NDArray[Any], y_pred: NDArray[Any]) -> str:
    """Return the same as text."""
    measures = measure(y_true, y_pred)
    low, high = measures["interval"]
    rows = [measures["labels"], *measures["confusion_matrix"]]
    heads = ["true\\predicted", *measures["labels"]]
    lines = [
        f"{head!s:>14}  " + " ".join(f"{cell!s:>5}" for cell in row)
        for head, row in zip(heads, rows, strict=True)
    ]
    return (
        f"accuracy {measures['accuracy']:.4f} on {len(y_true):,} unseen images "
        f"(95 % interval {low:.4f} to {high:.4f})\n\n"
        f"{classification_report(y_true, y_pred, digits=4, zero_division=0)}\n" + "\n".join(lines)
    )


def report_and_save(
    pipeline: Any,
    split: Split,
    out: Path | None,
    seed: int,
    **facts: Any,
) -> None:
    """Print how well a pipeline reads unseen images, and save it with that and more facts."""
    from sk_digits import save_model

    y_pred = pipeline.predict(split.X_test)
    measures = measure(split.y_test, y_pred)
    typer.echo(describe(split.y_test, y_pred))
    if out is not None:
        facts |= {
            "data": split.name,
            "seed": seed,
            "test_accuracy": measures["accuracy"],
            "test_accuracy_interval": measures["interval"],
            "n_test_images": measures["n_images"],
        }
        save_model(pipeline, out, metadata=facts)
        typer.echo(f"saved {out} ({out.stat().st_size / 1e6:.1f} MB)")
    else:
        say("the model was not saved; to keep one: sk-digits train --out digits.safetensors")
    if split.note:
        say(f"warning: {split.note}")
