"""`PixelScaler`: pixel intensities to [0, 1]."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Self, TypeAlias

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils import Tags, check_array
from sklearn.utils.validation import check_is_fitted

from sk_digits._all_or_nothing import AtomicParams, all_or_nothing
from sk_digits._constraints import Constraint, read_value, real
from sk_digits._validation import float_types, read_features, reading

Pixels: TypeAlias = NDArray[Any] | sp.spmatrix | sp.sparray

# White, or full ink, in binary and unit images, scikit-learn's digits, 8-bit and 16-bit images.
COMMON_MAXIMA = (1.0, 16.0, 255.0, 65535.0)


# Images without any value above this part of full ink are in other units: 0 to 1, or 0 to 16, where
# 255 is full ink. The faintest of MNIST's training images reaches 254.
OTHER_UNITS = 1 / 15
# How much nearer a batch must be to the training images when it is inverted, in parts of full ink.
INVERTED = 0.1


def guess_pixel_max(magnitude: float) -> float:
    """Return the smallest common maximum that bounds a magnitude, else the magnitude itself."""
    return next((m for m in COMMON_MAXIMA if magnitude <= m), magnitude)


def _largest_magnitude(X: Any) -> float:
    values = X.data if sp.issparse(X) else X
    return float(max(np.max(values, initial=0), -np.min(values, initial=0)))


def _mean_values(X: Any) -> NDArray[np.float64]:
    """Return the mean of each row."""
    with np.errstate(over="ignore", invalid="ignore"):
        means = np.asarray(X.sum(axis=1, dtype=np.float64)).ravel() / X.shape[1]
    largest = _largest_magnitude(X)  # where the sum overflows
    return np.nan_to_num(np.clip(means, -largest, largest))


def _map_values(X: Any, function: Callable[[NDArray[Any]], NDArray[Any]]) -> Pixels:
    """Return the pixels after a function that maps 0 to 0; sparse stays sparse."""
    if not sp.issparse(X):
        return function(X).astype(X.dtype, copy=False)
    mapped = X.copy()
    mapped.data = function(X.data).astype(X.dtype, copy=False)
    return mapped


def _read_pixel_max(value: Any) -> float | str:
    if isinstance(value, str) and value == "auto":
        return "auto"
    number: float = real(0, closed="neither").read(value)
    return number


_PIXEL_MAX = Constraint(_read_pixel_max, "'auto' or a float in the range (0, inf)")


class PixelScaler(
    CallbackSupportMixin, OneToOneFeatureMixin, TransformerMixin, AtomicParams, BaseEstimator
):
    """Scaler of pixel intensities to [0, 1] by one number for all pixels.

    `fit` learns that number, the intensity of full ink, and how bright images are. Unlike
    :class:`~sklearn.preprocessing.MinMaxScaler` it scales all pixels alike, so that a pixel that
    was always empty in training is not amplified later. Unlike ``X / X.max()`` it uses the
    maximum of the image format, so that a dim picture does not set the scale. It is not for
    features that are measured in different units.

    Parameters
    ----------
    pixel_max : float or "auto", default="auto"
        Intensity that becomes 1. "auto" is the smallest of 1, 16, 255 and 65535 that bounds the
        magnitudes in the training data, or the largest magnitude if it exceeds 65535.

    Attributes
    ----------
    pixel_max_ : float
        The intensity that becomes 1.
    brightness_min_, brightness_max_ : float
        Mean intensity of the darkest and of the brightest training image. `transform` warns of
        images that are much more like these when they are inverted.
    n_features_in_ : int
        Number of pixels.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the pixels, if the training data has string names.

    See Also
    --------
    sk_digits.make_digit_pipeline : This scaler and a classifier in one pipeline.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_digits import PixelScaler
    >>> images = np.array([[0, 51, 255], [0, 102, 204]], dtype=np.uint8)
    >>> PixelScaler().fit_transform(images)
    array([[0. , 0.2, 1. ],
           [0. , 0.4, 0.8]], dtype=float32)
    """

    def __init__(self, pixel_max: float | str = "auto") -> None:
        self.pixel_max = pixel_max

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Learn the intensity of full ink, and how bright images are.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_images, n_pixels)
            Pixel intensities, of any numeric type.
        y : None
            Ignored.

        Returns
        -------
        PixelScaler
            The scaler itself.

        Raises
        ------
        ValueError
            If `pixel_max` is not a positive number or "auto", or `X` is not numeric, finite and
            two-dimensional.
        """
        return self._learn(X, reset=True)

    def partial_fit(self, X: ArrayLike, y: object = None) -> Self:
        """Learn from a further chunk of images; the intensity of full ink never falls.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_images, n_pixels)
            Pixel intensities.
        y : None
            Ignored.

        Returns
        -------
        PixelScaler
            The scaler itself.

        Raises
        ------
        ValueError
            As for :meth:`fit`, or if the number of pixels changes.
        """
        return self._learn(X, reset=not hasattr(self, "pixel_max_"))

    def transform(self, X: ArrayLike) -> Pixels:
        """Scale images.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_images, n_pixels)
            Pixel intensities, in the units of the training data.

        Returns
        -------
        {ndarray, sparse matrix} of shape (n_images, n_pixels)
            Intensities over `pixel_max_`: float64 for float64, else float32.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        ValueError
            If `X` is not numeric and finite, or does not have as many pixels as in training.

        Warns
        -----
        UserWarning
            If `X` cannot be in the units of the training data: it has values beyond `pixel_max_`,
            or none above a fifteenth of it, where `pixel_max_` is 255 or more. If it seems to be
            inverted, such as dark digits on light ground for a model of light digits on dark. All
            images of `X` are judged as one, so that a single unusual image is no reason.
        """
        check_is_fitted(self)
        pixels = self._validate(X, reset=False)
        magnitude = _largest_magnitude(pixels)
        self._check_range(pixels, magnitude / self.pixel_max_)
        self._warn_of_other_images(pixels, magnitude)
        return _map_values(pixels, lambda values: values / self._factor(values.dtype))

    def inverse_transform(self, X: ArrayLike) -> Pixels:
        """Scale back to the units of the training data.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_images, n_pixels)
            Scaled images.

        Returns
        -------
        {ndarray, sparse matrix} of shape (n_images, n_pixels)
            Intensities: float64 for float64, else float32.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        ValueError
            If `X` is not numeric and finite, or does not have as many pixels as in training.
        """
        check_is_fitted(self)
        # Not validate_data: it would ask for feature names, which the output of transform lacks.
        with reading(X, "X") as X:
            pixels = check_array(X, accept_sparse=("csr", "csc"), dtype=float_types(X))
        if pixels.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X has {pixels.shape[1]} features, but PixelScaler is expecting "
                f"{self.n_features_in_} features as input."
            )
        self._check_range(pixels, _largest_magnitude(pixels) * self.pixel_max_)
        return _map_values(pixels, lambda values: values * self._factor(values.dtype))

    def _check_range(self, pixels: Any, largest: float) -> None:
        """Raise ValueError if the dtype of the pixels cannot hold the result."""
        if largest > float(np.finfo(pixels.dtype).max):
            raise ValueError(
                f"X is too large for pixel_max_={self.pixel_max_:g}: values up to {largest:g} do "
                f"not fit into {pixels.dtype}."
            )

    def _factor(self, dtype: np.dtype[Any]) -> np.floating[Any]:
        """Return `pixel_max_` in a dtype, or in float64 if the dtype cannot hold it."""
        limits = np.finfo(dtype)
        fits = float(limits.tiny) <= self.pixel_max_ <= float(limits.max)
        return dtype.type(self.pixel_max_) if fits else np.float64(self.pixel_max_)

    def _learn(self, X: ArrayLike, *, reset: bool) -> Self:
        with all_or_nothing(self) as changed:
            pixel_max = changed._check_params()
            pixels = changed._validate(X, reset=reset)
            changed._learn_from(pixels, pixel_max, reset=reset)
        return self

    def _check_params(self) -> float | str:
        return read_value("PixelScaler", "pixel_max", _PIXEL_MAX, self.pixel_max)

    @with_callbacks
    def _learn_from(self, pixels: Any, pixel_max: float | str, *, reset: bool) -> None:
        task = self._init_callback_context()
        task.call_on_fit_task_begin(estimator=self, X=pixels)
        if isinstance(pixel_max, float):
            self.pixel_max_ = pixel_max
        else:
            guess = guess_pixel_max(_largest_magnitude(pixels))
            self.pixel_max_ = guess if reset else max(guess, self.pixel_max_)
        means = _mean_values(pixels)
        # To seven digits, which do not depend on the order of summation.
        extremes = [float(f"{mean:.7g}") for mean in (means.min(), means.max())]
        if not reset:
            extremes += [self.brightness_min_, self.brightness_max_]
        self.brightness_min_: float = min(extremes)
        self.brightness_max_: float = max(extremes)
        task.call_on_fit_task_end(estimator=self, X=pixels, reconstruction_attributes={})

    def _validate(self, X: ArrayLike, *, reset: bool) -> Any:
        return read_features(self, X, reset=reset, accept_sparse=("csr", "csc"))

    def _warn_of_other_images(self, X: Any, magnitude: float) -> None:
        """Warn of images in other units than those of training, or inverted."""
        values = f"values up to {magnitude:g}"
        if magnitude > self.pixel_max_ * (1 + 1e-5):  # interpolated pixels may be rounded up
            problem = f"{values} are beyond pixel_max_={self.pixel_max_:g}"
        elif self.pixel_max_ >= 255 and 0 < magnitude <= self.pixel_max_ * OTHER_UNITS:
            problem = f"{values} are mere fractions of pixel_max_={self.pixel_max_:g}"
        elif magnitude > 0 and self._is_inverted(X):
            warnings.warn(
                "PixelScaler: the images seem to be inverted, such as dark digits on light ground "
                "where those of training were light on dark. Give pixel_max - X, or use "
                "DigitImageNormalizer.",
                stacklevel=4,
            )
            return
        else:
            return
        warnings.warn(
            f"PixelScaler: {problem}, which was learned in training. Give images in the same units "
            "as in training, or set pixel_max.",
            stacklevel=4,  # past this method, transform and the wrapper of set_output
        )

    def _is_inverted(self, X: Any) -> bool:
        """Return whether images are much more like those of training when they are inverted."""
        with np.errstate(over="ignore", invalid="ignore"):  # the sum of huge pixels is no reason
            mean = float(X.sum()) / (X.shape[0] * X.shape[1])
        low, high, margin = self.brightness_min_, self.brightness_max_, INVERTED * self.pixel_max_
        distance, inverted = (
            max(low - value, value - high, 0) for value in (mean, self.pixel_max_ - mean)
        )
        return distance > inverted + margin

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
