"""`DigitImageNormalizer`: pictures of single digits as rows of pixels in MNIST's form."""

from __future__ import annotations

import math
import os
from numbers import Integral
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils import Tags
from sklearn.utils._param_validation import Interval, StrOptions

from sk_digits._all_or_nothing import AtomicParams
from sk_digits._images.grey_conversion import GreyConversion
from sk_digits._images.image_files import MAX_PIXELS, ImageFileError, describe
from sk_digits._images.ink import SHARP_PX, Ink, find_ink
from sk_digits._images.mnist_frame import FRAME_PX, frame, is_framed
from sk_digits._images.picture import Picture
from sk_digits._validation import as_readable, naming

ONE_IMAGE = (str, os.PathLike, bytes, bytearray, Image.Image)

OVERVIEW_PX = 512  # longer side of the picture in which the digit is looked for
DETAIL_PX = 128  # longer side of the digit when it is looked at closely
TINY_PX = 24  # longer side of a picture that is enlarged first
ENLARGEMENT = 4  # factor by which a tiny picture is enlarged
MIN_DIGIT_PX = 5  # longer side of a digit in the overview
MAX_STROKE_GAP = (
    0.35  # between a digit's main stroke and its others, in longer sides of the main stroke
)


def _choose_digit(ink: Ink) -> list[int]:
    """Return the indices of the strokes that make up the one digit of a picture."""
    height, width = ink.depth.shape
    top, left, bottom, right = ink.boxes.T
    sizes = np.maximum(bottom - top, right - left)
    rows = (bottom - top) * ((left == 0) | (right == width))
    columns = (right - left) * ((top == 0) | (bottom == height))
    # What lies along a border may be a shadow or another page.
    along_border = np.maximum(rows, columns) / sizes
    main = int(np.argmax(ink.areas * np.maximum(0.05, 1 - along_border)))
    levels = ndimage.mean(ink.depth, ink.labels, np.arange(1, len(sizes) + 1))
    # A small piece, unlike the bar of a 5, belongs to the digit only if it is close.
    reach = np.where(ink.areas > 0.06 * ink.areas[main], 1.0, 0.3) * MAX_STROKE_GAP * sizes[main]
    down = np.maximum(top - bottom[main], top[main] - bottom)
    across = np.maximum(left - right[main], left[main] - right)
    gaps = np.hypot(np.maximum(down, 0), np.maximum(across, 0))
    chosen = (gaps <= reach) & (along_border == 0) & (levels > 0.6 * levels[main])
    chosen[main] = True
    return [int(i) for i in np.flatnonzero(chosen)]


def _is_writing(ink: Ink, chosen: list[int], sharp_px: float) -> bool:
    """Return whether strokes are a digit, and not shadows or the grain of a noisy surface."""
    top, left, bottom, right = ink.join(chosen)
    rivals = np.delete(ink.areas, chosen) > 0.2 * ink.areas[chosen].sum()
    return (
        max(bottom - top, right - left) >= MIN_DIGIT_PX
        and int(rivals.sum()) < 12
        and ink.is_sharp(chosen, sharp_px)
    )


def _enlarge(picture: Picture) -> Picture:
    """Return a tiny picture enlarged, with a margin, as a digit may fill it to the borders."""
    pixels = picture.read()
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    paper = np.median(border, axis=0)
    pad = max(pixels.shape[:2]) // 2
    height, width = pixels.shape[:2]
    padded = np.full((height + 2 * pad, width + 2 * pad, *pixels.shape[2:]), paper, np.float32)
    padded[pad : pad + height, pad : pad + width] = pixels
    zoom = (ENLARGEMENT, ENLARGEMENT, 1)[: pixels.ndim]
    enlarged = ndimage.zoom(padded, zoom, order=3, mode="nearest", grid_mode=True)
    return Picture(np.clip(enlarged, 0, 1), 0, 1, is_opacity=picture.is_opacity)


def _normalize_digit(picture: Picture, ink: str) -> NDArray[np.uint8] | None:
    """Return the digit of a picture in MNIST's frame; None if there is no digit."""
    pixels = picture.pixels
    if (ink != "dark" or picture.is_opacity) and is_framed(pixels):
        return pixels
    sharp_px = SHARP_PX
    if max(pixels.shape[:2]) <= TINY_PX:
        picture, sharp_px = _enlarge(picture), SHARP_PX * ENLARGEMENT
    factor = math.ceil(max(picture.pixels.shape[:2]) / OVERVIEW_PX)
    colours = picture.read(factor)
    conversion = GreyConversion.choose(colours, "auto" if picture.is_opacity else ink)
    overview = conversion.convert(colours)
    longer = max(overview.shape)
    found = find_ink(overview, longer * (0.25 if longer > 100 else 0.5))
    if not len(found.boxes) or not _is_writing(found, chosen := _choose_digit(found), sharp_px):
        return None
    top, left, bottom, right = (edge * factor for edge in found.join(chosen))
    size = max(bottom - top, right - left)
    margin = int(0.4 * size) + 2 * factor
    rows = slice(max(0, top - margin), bottom + margin)
    columns = slice(max(0, left - margin), right + margin)
    factor = max(1, size // DETAIL_PX)
    # A close look measures the paper around the digit and sees a sharp outline.
    detail = conversion.convert(picture.read(factor, rows, columns))
    found = find_ink(detail, 0.6 * size / factor)
    if not len(found.boxes) or not _is_writing(found, chosen := _choose_digit(found), sharp_px):
        return None
    return frame(found.draw(chosen))


class DigitImageNormalizer(CallbackSupportMixin, TransformerMixin, AtomicParams, BaseEstimator):
    """Normalizer of photos, scans and drawings of single digits to rows of pixels as in MNIST.

    It stands before :class:`PixelScaler` in a pipeline. In each picture it finds the writing,
    dark or light, on paper that may be unevenly lit, grainy, ruled or transparent, and prepares
    it as MNIST was prepared: the digit is scaled, without distortion, to a box of 20x20 pixels
    and placed in 28x28 with its centre of mass in the middle, light ink on dark, with full
    contrast. Strokes thinner than those of MNIST are widened. A picture that is already in this
    form, such as a row of MNIST, is returned unchanged.

    `fit` only checks the parameters; nothing is learned. It is not for pages with several digits:
    :func:`segment_digits` finds each of those.

    Parameters
    ----------
    ink : {"auto", "dark", "light"}, default="auto"
        Whether the writing is darker or lighter than its ground; "auto" finds out for each
        picture. Ignored for drawings that only their transparency shows.
    on_blank : {"error", "nan", "zeros"}, default="error"
        What to do with a picture in which no digit is found: raise an error that names it, return
        a row of NaN (all rows are then float32), or return a row of zeros, which a classifier
        takes for a digit.
    image_shape : tuple of int, default=None
        (height, width) of images given as flat rows; None means that they are square. Ignored for
        other images.
    max_pixels : int, default=40_000_000
        Largest width times height of a picture. It protects the memory from hostile files:
        while a picture is read, a pixel takes up to 20 bytes, besides up to 50 MB for its digit.

    See Also
    --------
    segment_digits : Finds the digits of a page.
    PixelScaler : Scales the rows to [0, 1].

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
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        self.ink = ink
        self.on_blank = on_blank
        self.image_shape = image_shape
        self.max_pixels = max_pixels

    @with_callbacks
    def fit(self, X: Any, y: object = None) -> Self:
        """Check the parameters and the form of the input.

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
            If `X` is one image, or not a sequence.
        """
        self._check_params()
        self._list_images(X)
        task = self._init_callback_context()
        task.call_on_fit_task_begin(estimator=self, X=X)
        task.call_on_fit_task_end(estimator=self, X=X, reconstruction_attributes={})
        return self

    def fit_transform(self, X: Any, y: object = None) -> NDArray[Any]:
        """Return pictures as rows in MNIST's form, as :meth:`transform` does.

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
        images = self._list_images(X)  # a generator can be read only once
        return self.fit(images).transform(images)

    def transform(self, X: Any) -> NDArray[Any]:
        """Return pictures as rows in MNIST's form.

        Parameters
        ----------
        X : sequence of images, or array-like of shape (n_images, n_pixels)
            Each image is an array, a PIL image, a path, or the bytes of a file. Images may differ
            in size and kind. Arrays hold numbers or booleans and are of shape (height, width) or
            (height, width, 1), grey, (height, width, 3), RGB, or (height, width, 4), RGBA; white
            is the smallest of 1, 16, 255 and 65535 that bounds the values. `X` may also be one
            array of images of one size, or of numeric flat rows: see `image_shape`.

        Returns
        -------
        ndarray of shape (n_images, 784)
            From 0, background, to 255, ink; uint8, or float32 with ``on_blank="nan"``.

        Raises
        ------
        ImageFileError
            If a file is not an image, is broken or too large; the message names it.
        ValueError
            If a picture has no digit and ``on_blank="error"``, if an array is not an image, or if
            a parameter or the form of `X` is invalid.
        OSError
            If a file cannot be opened.
        TypeError
            If `X` is one image, or not a sequence.
        """
        self._check_params()
        images = self._list_images(X)
        dtype = np.float32 if self.on_blank == "nan" else np.uint8
        rows = np.zeros((len(images), FRAME_PX**2), dtype=dtype)
        for i, image in enumerate(images):
            digit = _normalize_digit(self._open(i, image), self.ink)
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
        """Return the names of the output pixels.

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        ndarray of shape (784,)
            "pixel1" to "pixel784", as in `fetch_mnist`.
        """
        return np.array([f"pixel{i}" for i in range(1, FRAME_PX**2 + 1)], dtype=object)

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
            return Picture.of(image, self.max_pixels)
        except ImageFileError as error:
            raise ImageFileError(f"Image {index}: {error}") from error
        except (ValueError, TypeError) as error:
            raise ValueError(f"Image {index}: {error}") from error

    @naming("X")
    def _list_images(self, X: Any) -> list[Any]:
        """Return a list of images from any accepted form of them."""
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
                # Lists of numbers are flat rows, as in scikit-learn; other lists hold images.
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
                raise ValueError(f"X of shape {X.shape} is not a sequence of images.")
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
        """Return True: it transforms without `fit`."""
        return True

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.transformer_tags.preserves_dtype = []
        # Flat rows are two-dimensional, but must be images with writing on them. This tag would
        # promise that random columns are accepted.
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.one_d_array = True  # of paths
        tags.input_tags.string = True
        return tags
