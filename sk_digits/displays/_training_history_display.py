"""`TrainingHistoryDisplay`: loss, validation accuracy and learning rate by training epoch."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sk_digits.displays._style import BLUE, FAINT, MUTED, WIDTH, import_pyplot


def _find_ann(estimator: Any) -> Any:
    """Return the fitted DigitANN at the end of an estimator, pipeline or search."""
    while True:
        check_is_fitted(estimator)
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif isinstance(estimator, Pipeline):
            estimator = estimator.steps[-1][1]
        elif hasattr(estimator, "loss_curve_") and hasattr(estimator, "net_"):
            return estimator
        else:
            raise TypeError(
                f"{type(estimator).__name__} keeps no training history. Pass a DigitANN, or a "
                "pipeline or a search (with refit=True) that ends in one."
            )


def _draw_panel(axes: Any, title: str, values: Any, which: str, index: int, style: Any) -> None:
    epochs = np.arange(1, len(values) + 1)
    (line,) = axes.plot(epochs, values, **style)
    color = line.get_color()
    axes.plot(epochs[index], values[index], "o", color=color, clip_on=False)
    axes.set_title(title, loc="left", fontsize="medium", fontweight="bold")
    note = f"{which} {values[index]:.4g}, epoch {epochs[index]}"
    axes.set_title(note, loc="right", fontsize="medium", color=color)
    axes.set_xlim(0.5, axes.dataLim.x1 + 0.5)
    axes.locator_params(axis="x", integer=True, min_n_ticks=1)
    axes.locator_params(axis="y", nbins=4)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis="y", color=FAINT)


class TrainingHistoryDisplay:
    """Plot of loss, validation accuracy (if there is one) and learning rate by training epoch.

    Create one with :meth:`from_estimator`. A dot marks the value written next to a panel's title.

    Parameters
    ----------
    loss : array-like of shape (n_epochs,)
        Mean training loss in each epoch.
    learning_rate : array-like of shape (n_epochs,)
        Learning rate at the end of each epoch.
    validation_accuracy : array-like of shape (n_epochs,) or None, default=None
        Validation accuracy after each epoch; NaN for an epoch without validation. If None, there is
        no such panel.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
        The figure.
    axes_ : ndarray of shape (n_panels,)
        The panels' Axes, from top to bottom.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sk_digits import DigitANN
    >>> from sk_digits.displays import TrainingHistoryDisplay
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> ann = DigitANN(hidden_layer_sizes=(32,), max_epochs=5, early_stopping=True)
    >>> display = TrainingHistoryDisplay.from_estimator(ann.fit(X / 16, y))
    >>> [axes.get_title(loc="left") for axes in display.axes_]
    ['Training loss', 'Validation accuracy', 'Learning rate']
    >>> plt.close(display.figure_)
    """

    def __init__(
        self, *, loss: Any, learning_rate: Any, validation_accuracy: ArrayLike | None = None
    ) -> None:
        self.loss = loss
        self.learning_rate = learning_rate
        self.validation_accuracy = validation_accuracy

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None, **line_kwargs: Any) -> Self:
        """Plot the training history of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            A fitted :class:`~sk_digits.DigitANN`, or a fitted pipeline or search that ends in one.
        ax : array-like of Axes of shape (n_panels,) or None, default=None
            As for :meth:`plot`.
        **line_kwargs : dict
            As for :meth:`plot`.

        Returns
        -------
        TrainingHistoryDisplay
            The display, drawn.

        Raises
        ------
        NotFittedError
            If `estimator` is not fitted.
        TypeError
            If `estimator` does not end in a DigitANN, or is a search without ``refit``.
        ValueError, ImportError
            As in :meth:`plot`.
        """
        rows = _find_ann(estimator).net_.history
        scores = [row.get("valid_acc", math.nan) for row in rows]
        display = cls(
            loss=[row["train_loss"] for row in rows],
            learning_rate=[row["lr"] for row in rows],
            validation_accuracy=None if np.isnan(scores).all() else scores,
        )
        return display.plot(ax, **line_kwargs)

    def plot(self, ax: Any = None, **line_kwargs: Any) -> Self:
        """Draw the panels.

        Parameters
        ----------
        ax : array-like of Axes of shape (n_panels,) or None, default=None
            Where to draw. Pass the `axes_` of another display to compare two trainings; the values
            next to the titles are then those of this display. If None, a new figure is made.
        **line_kwargs : dict
            Arguments of matplotlib's ``Axes.plot`` for the curves, such as ``color``.

        Returns
        -------
        TrainingHistoryDisplay
            The display itself.

        Raises
        ------
        ValueError
            If `ax` does not hold exactly one Axes per panel.
        ImportError
            If matplotlib is not installed.
        """
        plt = import_pyplot()
        panels = [("Training loss", self.loss, "last", len(self.loss) - 1)]
        if self.validation_accuracy is not None:
            best = int(np.nanargmax(self.validation_accuracy))
            panels.append(("Validation accuracy", self.validation_accuracy, "best", best))
        panels.append(
            ("Learning rate", self.learning_rate, "largest", int(np.argmax(self.learning_rate)))
        )
        if ax is None:
            size = (WIDTH, 0.6 + 1.5 * len(panels))
            ax = plt.subplots(len(panels), sharex=True, figsize=size, layout="constrained")[1]
        self.axes_ = np.asarray(ax, dtype=object)
        if self.axes_.shape != (len(panels),):
            raise ValueError(
                f"ax must hold {len(panels)} Axes in one dimension, as plt.subplots({len(panels)})"
                f"[1] does. Got an array of shape {self.axes_.shape}."
            )
        self.figure_ = self.axes_[0].figure
        for axes, panel in zip(self.axes_, panels, strict=True):
            _draw_panel(axes, *panel, {"color": BLUE, "linewidth": 2} | line_kwargs)
        for axes in self.axes_[[0, -1]]:
            axes.lines[0].sticky_edges.y.append(0)  # start at 0, but still allow a log scale
            axes.update_datalim([(1, 0)])
            axes.autoscale_view(scalex=False)
        self.axes_[-1].set_xlabel("Epoch", color=MUTED)
        return self
