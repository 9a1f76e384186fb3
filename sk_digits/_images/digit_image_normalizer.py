"""From people's pictures of digits to MNIST's rows: `DigitImageNormalizer`."""

from __future__ import annotations

import math
import os
from numbers import Integral
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from PIL import Image
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils import Tags
from sklearn.utils._param_validation import Interval, StrOptions

from sk_digits._all_or_nothing import AtomicParams
from sk_digits._images.digit_picture import read_digit
from sk_digits._images.image_files import ImageFileError, describe
from sk_digits._images.mnist_frame import SIDE
from sk_digits._images.pictures import Picture, as_picture
from sk_digits._validation import as_readable, naming

ONE_IMAGE = (str, os.PathLike, bytes, bytearray, Image.Image)


class DigitImageNormalizer(CallbackSupportMixin, TransformerMixin, AtomicParams, BaseEstimator):
    """Normalizer of pictures of single digits: photos, scans and drawings become MNIST's rows.

    It stands before :class:`PixelScaler` in a pipeline. In each picture it finds the writing,
    whether dark or light, on paper that may be unevenly lit, grainy, ruled or transparent, and
    prepares it as MNIST was prepared: the digit's box, its aspect kept, is scaled to 20x20 pixels
    with smooth outlines and placed in 28x28 with its centre of mass in the middle, light ink on
    dark, with full contrast. Strokes thinner than MNIST's are widened. A picture that already is
    so, such as a row of MNIST, comes out as it was.

    It learns nothing: `fit` only checks the parameters. It is not for pages with several digits;
    :func:`segment_digits` cuts those up.

    Parameters
    ----------
    ink : {"auto", "dark", "light"}, default="auto"
        Whether the writing is darker or lighter than its ground; "auto" finds out in each picture.
        Ignored where transparency alone tells ink from ground.
    on_blank : {"error", "nan", "zeros"}, default="error"
        What becomes of a picture in which no digit is found: an error that names it, a row of NaN
        (then all rows are float32), or a row of zeros, which a classifier will take for a digit.
    image_shape : tuple of int, default=None
        (height, width) of images that are given as flat rows. None takes them to be square.
        Ignored for other images.
    max_pixels : int, default=40_000_000
        Largest width times height of a picture. It guards the memory against hostile files: a
        pixel takes up to 12 bytes while it is read.

    See Also
    --------
    segment_digits : Cuts a page into digits.
    PixelScaler : Takes the rows from here to [0, 1].

    References
    ----------
    Y. LeCun, L. Bottou, Y. Bengio and P. Haffner. "Gradient-based learning applied to document
    recognition." Proceedings of the IEEE 86(11), 1998.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_digits import DigitImageNormalizer
    >>> photo = np.full((300, 200), 230, dtype=np.uint8)  # a dark 1 on light paper
    >>> photo[80:220, 90:104] = 40
    >>> row = DigitImageNormalizer().transform([photo])
    >>> row.shape, row.dtype, int(row.max())
    ((1, 784), dtype('uint8'), 255)
    >>> rows, columns = np.nonzero(row.reshape(28, 28))
    >>> int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1
    (20, 2)
    """

    _parameter_constraints = {  # noqa: RUF012 - scikit-learn's convention
        "ink": [StrOptions({"auto", "dark", "light"})],
        "on_blank": [StrOptions({"error", "nan", "zeros"})],
        "image_shape": [tuple, None],
        "max_pixels": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        *,
        ink: str = "auto",
        on_blank: str = "error",
        image_shape: tuple[int, int] | None = None,
        max_pixels: int = 40_000_000,
    ) -> None:
        self.ink = ink
        self.on_blank = on_blank
        self.image_shape = image_shape
        self.max_pixels = max_pixels

    @with_callbacks
    def fit(self, X: Any, y: object = None) -> Self:
        """Check the parameters and the form of the input; nothing is learned.

        Parameters
        ----------
        X : sequence of images, or array-like of shape (n_images, n_pixels)
            As for :meth:`transform`. Files are not opened.
        y : None
            Ignored.

        Returns
        -------
        DigitImageNormalizer
            The normalizer itself.

        Raises
        ------
        ValueError
            If a parameter or the form of `X` is invalid.
        TypeError
            If `X` is one image or no sequence.
        """
        self._check_params()
        self._list_images(X)
        task = self._init_callback_context()
        task.call_on_fit_task_begin(estimator=self, X=X)
        task.call_on_fit_task_end(estimator=self, X=X, reconstruction_attributes={})
        return self

    def fit_transform(self, X: Any, y: object = None) -> NDArray[Any]:
        """Bring pictures into MNIST's form, as :meth:`transform` does.

        Parameters
        ----------
        X : sequence of images, or array-like of shape (n_images, n_pixels)
            As for :meth:`transform`.
        y : None
            Ignored.

        Returns
        -------
        ndarray of shape (n_images, 784)
            As of :meth:`transform`.

        Raises
        ------
        ImageFileError, ValueError, OSError, TypeError
            As :meth:`transform` does.
        """
        images = self._list_images(X)  # a generator gives them once
        return self.fit(images).transform(images)

    def transform(self, X: Any) -> NDArray[Any]:
        """Bring pictures into MNIST's form.

        Parameters
        ----------
        X : sequence of images, or array-like of shape (n_images, n_pixels)
            Each image is an array of shape (height, width) or (height, width, 1), (height, width,
            3) or (height, width, 4), RGB or RGBA, of numbers or booleans, whose white is the
            smallest of 1, 16, 255 and 65535 that bounds it; or a PIL image, a path, or the bytes
            of a file. Images may differ in size and kind. Or an array of images of one size, or
            numeric flat rows: see `image_shape`.

        Returns
        -------
        ndarray of shape (n_images, 784)
            From 0, background, to 255, ink: uint8, or float32 with ``on_blank="nan"``.

        Raises
        ------
        ImageFileError
            If a file is no image, broken or too large; the message names it.
        ValueError
            If a picture has no digit and ``on_blank="error"``, if an array is not an image, or if
            a parameter or the form of `X` is invalid.
        OSError
            If a file cannot be opened.
        TypeError
            If `X` is one image or no sequence.
        """
        self._check_params()
        images = self._list_images(X)
        dtype = np.float32 if self.on_blank == "nan" else np.uint8
        rows = np.zeros((len(images), SIDE * SIDE), dtype=dtype)
        for i, image in enumerate(images):
            digit = read_digit(self._open(i, image), self.ink)
            if digit is not None:
                rows[i] = digit.ravel()
            elif self.on_blank == "nan":
                rows[i] = np.nan
            elif self.on_blank == "error":
                raise ValueError(
                    f"Image {i}, {describe(image)}, has no digit that can be told from its ground. "
                    'Leave it out, or set on_blank to "nan" or "zeros" to get such a row for it.'
                )
        return rows

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """Give the names of the output pixels.

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        ndarray of shape (784,)
            "pixel1" to "pixel784", as `fetch_mnist` names them.
        """
        return np.array([f"pixel{i}" for i in range(1, SIDE * SIDE + 1)], dtype=object)

    def _check_params(self) -> None:
        self._validate_params()
        shape = self.image_shape
        if shape is not None and not (
            len(shape) == 2 and all(isinstance(side, int) and side > 0 for side in shape)
        ):
            raise ValueError(
                "The 'image_shape' parameter of DigitImageNormalizer must be None or a tuple of "
                f"two positive ints, (height, width). Got {shape!r} instead."
            )

    def _open(self, index: int, image: Any) -> Picture:
        try:
            return as_picture(image, self.max_pixels)
        except ImageFileError as error:
            raise ImageFileError(f"Image {index}: {error}") from error
        except (ValueError, TypeError) as error:
            raise ValueError(f"Image {index}: {error}") from error

    @naming("X")
    def _list_images(self, X: Any) -> list[Any]:
        """Give the images one by one, from any form that they may come in."""
        if isinstance(X, ONE_IMAGE) or hasattr(X, "read"):
            raise TypeError(
                f"X is one image, {describe(X)}; a sequence of images is expected. "
                "Put it into a list: [image]."
            )
        if sp.issparse(X):
            raise TypeError("X is a sparse matrix; images are dense. Use X.toarray().")
        X = as_readable(X, "X")
        if hasattr(X, "to_numpy"):  # a frame of flat rows, or a series of paths
            X = X.to_numpy()
        if not isinstance(X, np.ndarray):
            try:
                X = list(X)
            except TypeError as error:
                raise TypeError(f"X is {describe(X)}; a sequence of images is expected.") from error
            if X and all(isinstance(row, list | tuple | np.ndarray) for row in X):
                lengths = {len(row) if np.ndim(row[0]) == 0 else 0 for row in X if len(row)}
                # Rows of numbers in lists, as scikit-learn takes them; else images of any sizes.
                if len(lengths) == 1 and 0 not in lengths:
                    X = np.array(X)
        if isinstance(X, np.ndarray) and X.dtype != object:
            if X.ndim == 2:
                return list(self._unflatten(X))
            if X.ndim == 3 and X.shape[2] in (3, 4) and min(X.shape[:2]) > 4:
                raise ValueError(
                    f"X of shape {X.shape} looks like one image in colours; a sequence of images "
                    "is expected. Put it into a list: [image]."
                )
            if X.ndim not in (1, 3, 4):
                raise ValueError(f"X of shape {X.shape} is no sequence of images.")
        images = list(X)
        if not images:
            raise ValueError("X has no images: found array with 0 sample(s), minimum of 1 needed.")
        return images

    def _unflatten(self, rows: NDArray[Any]) -> NDArray[Any]:
        n_images, n_pixels = rows.shape
        shape = self.image_shape or (math.isqrt(n_pixels), math.isqrt(n_pixels))
        if n_images == 0 or shape[0] * shape[1] != n_pixels or n_pixels == 0:
            raise ValueError(
                f"X of shape {rows.shape} does not hold flat rows of "
                + (f"image_shape={self.image_shape}" if self.image_shape else "square images")
                + ". Set image_shape to (height, width), or, if X is one image, put it into a "
                "list: [image]."
            )
        return rows.reshape(n_images, *shape)

    def __sklearn_is_fitted__(self) -> bool:
        """Tell scikit-learn that it can transform without `fit`."""
        return True

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.transformer_tags.preserves_dtype = []
        # Flat rows are two-dimensional, but only those of whole images with writing on them are
        # taken: not the random columns that this tag promises.
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.one_d_array = True  # of paths
        tags.input_tags.string = True
        return tags
