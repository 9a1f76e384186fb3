"""`RiskCoverageDisplay`: how many errors remain when the least confident answers are left out."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_consistent_length, column_or_1d
from sklearn.utils.validation import check_is_fitted

from sk_digits.displays._style import BLUE, MUTED, VERMILION, WIDTH, import_pyplot


class RiskCoverageDisplay:
    """Curve of the share of errors among the most confident answers, by how many are given.

    Create one with :meth:`from_estimator` or :meth:`from_predictions`. Draw several classifiers
    into one figure by passing the `ax_` of the first to the others.

    Parameters
    ----------
    coverage : array-like of shape (n_points,)
        Share of the rows that are answered, rising to 1.
    risk : array-like of shape (n_points,)
        Share of errors among those.
    max_risk : float or None, default=None
        Risk that is promised, drawn as a line.
    chosen : tuple of float or None, default=None
        Coverage and risk at the threshold of the classifier, drawn as a point.
    name : str or None, default=None
        Name of the curve in the legend.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The Axes.
    figure_ : matplotlib.figure.Figure
        The figure.
    line_ : matplotlib.lines.Line2D
        The curve.

    See Also
    --------
    sk_digits.SelectiveClassifier : Chooses a threshold that keeps a stated risk.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sk_digits import SelectiveClassifier
    >>> from sk_digits.displays import RiskCoverageDisplay
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> X, y = load_digits(return_X_y=True)
    >>> model = SelectiveClassifier(LogisticRegression(max_iter=500), max_risk=0.02)
    >>> model = model.fit(X[:1400] / 16, y[:1400])
    >>> display = RiskCoverageDisplay.from_estimator(model, X[1400:] / 16, y[1400:])
    >>> round(float(display.risk[-1]), 2)
    0.08
    >>> plt.close(display.figure_)
    """

    def __init__(
        self,
        *,
        coverage: Any,
        risk: Any,
        max_risk: float | None = None,
        chosen: tuple[float, float] | None = None,
        name: str | None = None,
    ) -> None:
        self.coverage = coverage
        self.risk = risk
        self.max_risk = max_risk
        self.chosen = chosen
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        *,
        name: str | None = None,
        ax: Any = None,
        **line_kwargs: Any,
    ) -> Self:
        """Draw the curve of a fitted classifier on rows that it has not seen.

        Parameters
        ----------
        estimator : classifier
            A fitted classifier with `predict_proba`. Of a :class:`~sk_digits.SelectiveClassifier`,
            the promised risk and the point that it chose are drawn, too.
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,)
            Their labels.
        name : str or None, default=None
            Name of the curve; None is the name of the class.
        ax : matplotlib.axes.Axes or None, default=None
            As for :meth:`plot`.
        **line_kwargs : dict
            As for :meth:`plot`.

        Returns
        -------
        RiskCoverageDisplay
            The display, drawn.

        Raises
        ------
        ValueError, ImportError
            As :meth:`from_predictions` does.
        """
        check_is_fitted(estimator)
        proba = estimator.predict_proba(X)
        if hasattr(estimator, "score_samples"):
            confidence = estimator.score_samples(X)
        else:
            confidence = proba.max(axis=1)
        return cls.from_predictions(
            y,
            estimator.classes_[proba.argmax(axis=1)],
            confidence,
            threshold=getattr(estimator, "threshold_", None),
            max_risk=getattr(estimator, "max_risk", None),
            name=type(estimator).__name__ if name is None else name,
            ax=ax,
            **line_kwargs,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        confidence: ArrayLike,
        *,
        threshold: float | None = None,
        max_risk: float | None = None,
        name: str | None = None,
        ax: Any = None,
        **line_kwargs: Any,
    ) -> Self:
        """Draw the curve of any predictions.

        Parameters
        ----------
        y_true, y_pred : array-like of shape (n_samples,)
            True and predicted labels.
        confidence : array-like of shape (n_samples,)
            Confidence of the predictions: any number that is higher for the surer ones.
        threshold : float or None, default=None
            Lowest confidence that is answered, to be drawn as a point.
        max_risk : float or None, default=None
            Risk that is promised, to be drawn as a line.
        name : str or None, default=None
            Name of the curve in the legend.
        ax : matplotlib.axes.Axes or None, default=None
            As for :meth:`plot`.
        **line_kwargs : dict
            As for :meth:`plot`.

        Returns
        -------
        RiskCoverageDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the arrays are of different lengths, or empty.
        ImportError
            If matplotlib is not installed.
        """
        check_consistent_length(y_true, y_pred, confidence)
        is_error = column_or_1d(y_true) != column_or_1d(y_pred)
        sureness: NDArray[Any] = column_or_1d(confidence)
        if len(is_error) == 0:
            raise ValueError("There are no predictions to draw. Give at least one.")
        order = np.argsort(-sureness, kind="stable")
        sureness = sureness[order]
        is_last = np.append(np.diff(sureness) < 0, True)  # equally sure ones go together
        n_answered = np.arange(1, len(order) + 1)[is_last]
        n_errors = np.cumsum(is_error[order])[is_last]
        coverage, risk = n_answered / len(order), n_errors / n_answered
        chosen = None
        if threshold is not None and sureness[0] >= threshold:
            i = np.count_nonzero(sureness[is_last] >= threshold) - 1
            chosen = float(coverage[i]), float(risk[i])
        display = cls(coverage=coverage, risk=risk, max_risk=max_risk, chosen=chosen, name=name)
        return display.plot(ax, **line_kwargs)

    def plot(self, ax: Any = None, **line_kwargs: Any) -> Self:
        """Draw the curve.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or None, default=None
            Where to draw; None makes a new figure.
        **line_kwargs : dict
            Arguments of matplotlib's ``Axes.plot`` for the curve, such as ``color``.

        Returns
        -------
        RiskCoverageDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        plt = import_pyplot()
        if ax is None:
            _, ax = plt.subplots(figsize=(WIDTH, 0.6 * WIDTH), layout="constrained")
            ax.set_xlabel("Coverage: share of the rows that are answered", color=MUTED)
            ax.set_title("Selective risk: share of errors among the answers", loc="left")
            ax.xaxis.set_major_formatter(lambda share, _: f"{100 * share:.3g} %")
            ax.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.3g} %")
            ax.spines[["top", "right"]].set_visible(False)
        first = not ax.lines
        style = {"linewidth": 2, "label": self.name} | ({"color": BLUE} if first else {})
        (self.line_,) = ax.plot(self.coverage, self.risk, **style | line_kwargs)
        if self.max_risk is not None and first:
            ax.axhline(self.max_risk, color=VERMILION, linewidth=1, linestyle="--")
            ax.annotate(
                f"promised: {100 * self.max_risk:.3g} %",
                (0, self.max_risk),
                xycoords=("axes fraction", "data"),
                xytext=(4, 3),
                textcoords="offset points",
                color=VERMILION,
            )
        if self.chosen is not None:
            ax.plot(*self.chosen, "o", color=self.line_.get_color(), markersize=8)
            ax.annotate(
                f"{100 * self.chosen[0]:.1f} % answered, {100 * self.chosen[1]:.2g} % wrong",
                self.chosen,
                xytext=(-8, 10),
                textcoords="offset points",
                ha="right",
                color=self.line_.get_color(),
            )
        if self.name is not None and not first:
            ax.legend(frameon=False)
        ax.set_xlim(right=1)
        ax.set_ylim(bottom=0)
        self.ax_, self.figure_ = ax, ax.figure
        return self
