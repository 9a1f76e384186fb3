"""`DigitGridDisplay`: images with their labels, the most confident errors first."""

from __future__ import annotations

import math
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import is_classifier
from sklearn.utils import check_array, check_consistent_length, check_scalar, column_or_1d
from sklearn.utils.multiclass import unique_labels
from sklearn.utils.validation import check_is_fitted

from sk_digits.displays._style import FAINT, LETTER, MUTED, VERMILION, WIDTH, import_pyplot


def _check_images(images: Any, image_shape: tuple[int, int] | None) -> NDArray[Any]:
    """Return images of shape (n_images, height, width), reshaping rows of pixels."""
    images = check_array(images, allow_nd=True, input_name="images")
    shape = images.shape[1:]
    if len(shape) == 1:
        shape = image_shape or (math.isqrt(shape[0]),) * 2
    if len(shape) != 2 or math.prod(shape) != images[0].size:
        raise ValueError(
            f"images of shape {images.shape} are neither (n_images, height, width) nor rows of "
            f"pixels of image_shape={image_shape}. Pass (height, width), or None for square images."
        )
    return images.reshape(-1, *shape)


def _confidence(proba: Any, y_pred: NDArray[Any], classes: NDArray[Any]) -> NDArray[Any]:
    """Return the probability of each predicted label."""
    proba, matches = np.asarray(proba, dtype=np.float64), y_pred[:, np.newaxis] == classes
    if proba.shape != matches.shape or not matches.any(axis=1).all():
        raise ValueError(
            f"proba of shape {proba.shape} must have one row for each of the {len(y_pred)} images "
            f"and one column for each class, which must include all labels in y_pred. Classes: "
            f"{classes.tolist()}. If the columns stand for other labels, pass them as classes."
        )
    if not ((proba >= 0) & (proba < 1 + 1e-6)).all():  # a float32 softmax may round above 1
        raise ValueError(
            f"proba must be probabilities from 0 to 1, as from predict_proba. Got values from "
            f"{proba.min():g} to {proba.max():g}."
        )
    return proba[np.arange(len(proba)), matches.argmax(axis=1)]


class DigitGridDisplay:
    """Grid of images with true label, predicted label and its probability: ``4 → 9  98 %``.

    Create one with :meth:`from_estimator` or :meth:`from_predictions`. The labels of misclassified
    images are bold and vermilion, those of correctly classified images grey.

    Parameters
    ----------
    images : array-like of shape (n_images, height, width)
        Images, in the order in which they are shown.
    y_true, y_pred : array-like of shape (n_images,)
        True and predicted labels of the images.
    confidence : array-like of shape (n_images,) or None, default=None
        Probabilities of the predicted labels.
    indices : array-like of shape (n_images,) or None, default=None
        Row numbers of the images in the data that they were selected from. Not drawn.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
        The figure.
    axes_ : ndarray of shape (n_cells,)
        The Axes of the cells, row by row. Cells after the last image are empty.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sk_digits.displays import DigitGridDisplay
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.naive_bayes import GaussianNB
    >>> X, y = load_digits(return_X_y=True)
    >>> classifier = GaussianNB().fit(X[:1000], y[:1000])
    >>> display = DigitGridDisplay.from_estimator(classifier, X[1000:], y[1000:], n_images=12)
    >>> display.images.shape
    (12, 8, 8)
    >>> plt.close(display.figure_)
    """

    def __init__(
        self, *, images: Any, y_true: Any, y_pred: Any, confidence: Any = None, indices: Any = None
    ) -> None:
        self.images = images
        self.y_true = y_true
        self.y_pred = y_pred
        self.confidence = confidence
        self.indices = indices

    @classmethod
    def from_estimator(cls, estimator: Any, X: Any, y: ArrayLike, **kwargs: Any) -> Self:
        """Predict images with a fitted classifier and plot them.

        Parameters
        ----------
        estimator : estimator
            A fitted classifier, or a pipeline or search that ends in one. Probabilities are shown
            if it has ``predict_proba``.
        X : array-like of shape (n_rows, n_pixels)
            Images, in the units that `estimator` was trained on.
        y : array-like of shape (n_rows,)
            True labels.
        **kwargs : dict
            The keyword arguments of :meth:`from_predictions` except `classes`.

        Returns
        -------
        DigitGridDisplay
            The display, drawn.

        Raises
        ------
        NotFittedError
            If `estimator` is not fitted.
        TypeError
            If `estimator` is not a classifier.
        ValueError, ImportError
            As in :meth:`from_predictions`.
        """
        check_is_fitted(estimator)
        if not is_classifier(estimator):
            raise TypeError(f"{type(estimator).__name__} is not a classifier.")
        y_pred, proba, classes = estimator.predict(X), None, None
        if hasattr(estimator, "predict_proba"):
            proba, classes = estimator.predict_proba(X), estimator.classes_
        return cls.from_predictions(X, y, y_pred, proba, classes=classes, **kwargs)

    @classmethod
    def from_predictions(
        cls,
        images: Any,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        proba: ArrayLike | None = None,
        *,
        classes: ArrayLike | None = None,
        n_images: int = 24,
        image_shape: tuple[int, int] | None = None,
        worst_first: bool = True,
    ) -> Self:
        """Plot images with predictions that have been made before.

        Parameters
        ----------
        images : array-like of shape (n_rows, height, width) or (n_rows, n_pixels)
            Images, in any unit.
        y_true, y_pred : array-like of shape (n_rows,)
            True and predicted labels.
        proba : array-like of shape (n_rows, n_classes) or None, default=None
            Probabilities of all classes, from ``predict_proba``. If None, no probabilities are
            shown.
        classes : array-like of shape (n_classes,) or None, default=None
            Class labels of the columns of `proba`. If None, the sorted labels that occur in
            `y_true` or `y_pred`.
        n_images : int, default=24
            Maximum number of images to show.
        image_shape : (int, int) or None, default=None
            Height and width of the images if they are given as rows of pixels. If None, they are
            square.
        worst_first : bool, default=True
            Whether to show the most confident errors first and, after all errors, the least
            confident correct predictions. If False, the first rows are shown.

        Returns
        -------
        DigitGridDisplay
            The display, drawn.

        Raises
        ------
        ValueError, TypeError
            If an argument is not as described.
        ImportError
            If matplotlib is not installed.
        """
        images = _check_images(images, image_shape)
        true, pred = column_or_1d(y_true), column_or_1d(y_pred)
        check_consistent_length(images, true, pred)
        labels = unique_labels(true, pred)  # raises an error for a mix of strings and numbers
        check_scalar(n_images, "n_images", Integral, min_val=1)
        sure, wrong = np.zeros(len(images)), true != pred
        if proba is not None:
            sure = _confidence(proba, pred, labels if classes is None else np.asarray(classes))
        worst = np.lexsort((np.where(wrong, -sure, sure), ~wrong))
        rows = (worst if worst_first else np.arange(len(images)))[:n_images]
        chosen = {"images": images[rows], "y_true": true[rows], "y_pred": pred[rows]}
        confidence = None if proba is None else sure[rows]
        return cls(**chosen, confidence=confidence, indices=rows).plot()

    def plot(self) -> Self:
        """Draw the images, black on white, in a new figure.

        A row has six images, or fewer if the labels are long.

        Returns
        -------
        DigitGridDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        plt = import_pyplot()
        images, y_true, y_pred = map(np.asarray, (self.images, self.y_true, self.y_pred))
        labels = [f"{true} → {pred}" for true, pred in zip(y_true, y_pred, strict=True)]
        notes, key = [""] * len(labels), "True → predicted label"
        if self.confidence is not None:
            key += " and its probability"  # a probability below 1 is never rounded to 100 %
            notes = [">99 %" if 0.995 <= p < 1 else f"{100 * p:.0f} %" for p in self.confidence]
        longest = max(len(f"{label}  {note}") for label, note in zip(labels, notes, strict=True))
        n_columns = max(1, min(6, int(WIDTH / LETTER / longest)))
        n_rows = math.ceil(len(images) / n_columns)
        row_height = WIDTH / n_columns * images.shape[1] / images.shape[2] + 0.2
        size = (WIDTH, n_rows * row_height + 0.3)
        self.figure_, axes = plt.subplots(n_rows, n_columns, figsize=size, layout="constrained")
        self.figure_.suptitle(key, fontsize="medium", color=MUTED)
        self.axes_ = np.ravel(axes)
        for empty in self.axes_[len(images) :]:
            empty.set_axis_off()
        scale = {"cmap": "gray_r", "vmin": images.min(), "vmax": images.max()}
        cells = zip(self.axes_, images, labels, notes, y_true != y_pred, strict=False)
        for axes, image, label, note, wrong in cells:
            axes.imshow(image, interpolation="nearest", **scale)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_color(FAINT)
            weight, color = ("bold", VERMILION) if wrong else ("normal", MUTED)
            style = {"fontsize": "medium", "fontweight": weight, "color": color}
            # With parse_math, a dollar sign in a label would start a formula.
            axes.set_title(label, loc="left", pad=4, parse_math=False, **style)
            axes.set_title(note, loc="right", pad=4, fontsize="small", color=MUTED)
        return self
