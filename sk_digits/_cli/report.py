"""What predictions are worth: `describe` for people, `measure` for programs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.metrics import classification_report, confusion_matrix


def measure(y_true: NDArray[Any], y_pred: NDArray[Any]) -> dict[str, Any]:
    """Give accuracy with its 95 % interval, scores by class and the confusion matrix."""
    right = int(np.sum(y_true == y_pred))
    interval = binomtest(right, len(y_true)).proportion_ci(0.95, method="wilson")
    labels = np.unique(np.concatenate([y_true, y_pred]))
    return {
        "accuracy": right / len(y_true),
        "interval": [float(interval.low), float(interval.high)],
        "n_images": len(y_true),
        "classes": classification_report(y_true, y_pred, output_dict=True, zero_division=0),
        "labels": labels.tolist(),
        "confusion_matrix": confusion_matrix(y_true, y_pred, labels=labels).tolist(),
    }


def describe(y_true: NDArray[Any], y_pred: NDArray[Any]) -> str:
    """Write the same as text: what is right, each class, who is taken for whom."""
    measures = measure(y_true, y_pred)
    low, high = measures["interval"]
    head = "true\\predicted"
    lines = [f"{head}  " + " ".join(f"{label!s:>5}" for label in measures["labels"])]
    for label, row in zip(measures["labels"], measures["confusion_matrix"], strict=True):
        lines.append(f"{label!s:>{len(head)}}  " + " ".join(f"{count:>5}" for count in row))
    return (
        f"accuracy {measures['accuracy']:.4f} on {len(y_true):,} unseen images "
        f"(95 % interval {low:.4f} to {high:.4f})\n\n"
        f"{classification_report(y_true, y_pred, digits=4, zero_division=0)}\n" + "\n".join(lines)
    )
