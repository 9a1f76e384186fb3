"""Images with their labels, the surest errors first: `DigitGridDisplay`."""

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

from sk_digits.displays._style import (
    FAINT,
    LETTER,
    MUTED,
    VERMILION,
    WIDTH,
    import_pyplot,
)


def _check_images(images: Any, image_shape: tuple[int, int] | None) -> NDArray[Any]:
    """Give images of shape (n_images, height, width), also of rows of pixels."""
    images = check_array(images, allow_nd=True, input_name="images")
    shape = images.shape[1:]
    if len(shape) == 1:
        shape = image_shape or (math.isqrt(shape[0]),) * 2
    if len(shape) != 2 or math.prod(shape) != images[0].size:
        raise ValueError(
            f"images of shape {images.shape} are neither (n_images, height, width) nor rows of the "
            f"pixels of image_shape={image_shape}. Give (height, width); None is square."
        )
    return images.reshape(-1, *shape)


def _confidence(proba: Any, y_pred: NDArray[Any], classes: NDArray[Any]) -> NDArray[Any]:
    """Give the probability of each predicted label."""
    proba, matches = np.asarray(proba, dtype=np.float64), y_pred[:, np.newaxis] == classes
    if proba.shape != matches.shape or not matches.any(axis=1).all():
        raise ValueError(
            f"proba of shape {proba.shape} must have a row for each of {len(y_pred)} images and a "
            f"column for each label, which y_pred's are among: {classes.tolist()}. Give classes, "
            "the labels of its columns, if they are others."
        )
    if not ((proba >= 0) & (proba < 1 + 1e-6)).all():  # a softmax in float32 may round above 1
        values = f"{proba.min():g} to {proba.max():g}"
        raise ValueError(f"proba has values from {values}. Give predict_proba's, from 0 to 1.")
    return proba[np.arange(len(proba)), matches.argmax(axis=1)]


class DigitGridDisplay:
    """Grid of images with true label, predicted label and its probability: ``4 → 9  98 %``.

    :meth:`from_estimator` and :meth:`from_predictions` make one. The labels of errors are bold and
    vermilion, those of right answers grey.

    Parameters
    ----------
    images : array-like of shape (n_images, height, width)
        Images, in the order of the grid.
    y_true, y_pred : array-like of shape (n_images,)
        Their true and predicted labels.
    confidence : array-like of shape (n_images,) or None, default=None
        Probabilities of the predicted labels.
    indices : array-like of shape (n_images,) or None, default=None
        Where the images stand in the data that they were chosen from. Not drawn.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure
        The figure.
    axes_ : ndarray of shape (n_cells,)
        The Axes of the cells, row by row; those beyond the last image are empty.

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
            Images, in the units that `estimator` expects.
        y : array-like of shape (n_rows,)
            True labels.
        **kwargs : dict
            As for :meth:`from_predictions`, but for `classes`.

        Returns
        -------
        DigitGridDisplay
            The display, drawn.

        Raises
        ------
        NotFittedError, TypeError
            If `estimator` is not fitted; if it is not a classifier. Others as for
            :meth:`from_predictions`.
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
        """Plot images with predictions that are at hand.

        Parameters
        ----------
        images : array-like of shape (n_rows, height, width) or (n_rows, n_pixels)
            Images, in any unit.
        y_true, y_pred : array-like of shape (n_rows,)
            True and predicted labels.
        proba : array-like of shape (n_rows, n_classes) or None, default=None
            Probabilities of all labels, from ``predict_proba``. None shows none.
        classes : array-like of shape (n_classes,) or None, default=None
            Labels of the columns of `proba`. None takes those in `y_true` and `y_pred`, sorted.
        n_images : int, default=24
            Images to show, if there are so many.
        image_shape : (int, int) or None, default=None
            Height and width of the images that rows of pixels are; None takes them as square.
        worst_first : bool, default=True
            Whether to show the errors with the highest probability first and, after all errors,
            the right answers with the lowest. False shows the first rows.

        Returns
        -------
        DigitGridDisplay
            The display, drawn.

        Raises
        ------
        ValueError, TypeError, ImportError
            If an argument is not as described; if matplotlib is missing.
        """
        images = _check_images(images, image_shape)
        true, pred = column_or_1d(y_true), column_or_1d(y_pred)
        check_consistent_length(images, true, pred)
        labels = unique_labels(true, pred)  # which refuses a mix of strings and numbers
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
        """Draw a new figure of black on white: six images in a row, fewer if labels are long.

        Returns
        -------
        DigitGridDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is missing.
        """
        plt = import_pyplot()
        images, y_true, y_pred = map(np.asarray, (self.images, self.y_true, self.y_pred))
        labels = [f"{true} → {pred}" for true, pred in zip(y_true, y_pred, strict=True)]
        notes, key = [""] * len(labels), "True → predicted label"
        if self.confidence is not None:
            key += " and its probability"  # which stays below 100 % where it is not certain
            notes = [">99 %" if 0.995 <= p < 1 else f"{100 * p:.0f} %" for p in self.confidence]
        longest = max(len(f"{label}  {note}") for label, note in zip(labels, notes, strict=True))
        n_columns = max(1, min(6, int(WIDTH / LETTER / longest)))
        n_rows = math.ceil(len(images) / n_columns)
        row_height = WIDTH / n_columns * images.shape[1] / images.shape[2] + 0.2
        size = (WIDTH, n_rows * row_height + 0.3)
        self.figure_, axes = plt.subplots(n_rows, n_columns, figsize=size, layout="constrained")
        self.figure_.get_layout_engine().set(w_pad=0.07, h_pad=0.05)
        self.figure_.suptitle(key, x=0.011, ha="left", fontsize="medium", color=MUTED)
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
            # A dollar sign in a label starts no formula.
            axes.set_title(label, loc="left", pad=4, parse_math=False, **style)
            axes.set_title(note, loc="right", pad=4, fontsize="small", color=MUTED)
        return self
