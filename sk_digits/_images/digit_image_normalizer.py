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
from sk_digits._images.grouping import (
    MAX_ASPECT,
    MAX_PIECE,
    find_ends,
    find_valley,
    group_strokes,
    is_rule,
    link_pieces,
    overlap,
)
from sk_digits._images.image_files import MAX_PIXELS, ImageFileError, describe
from sk_digits._images.ink import Ink, find_ink, find_steps
from sk_digits._images.mnist_frame import FRAME_PX, frame, is_framed
from sk_digits._images.picture import Picture
from sk_digits._images.writing import Writing, find_writing
from sk_digits._validation import as_readable, naming

ONE_IMAGE = (str, os.PathLike, bytes, bytearray, Image.Image)

OVERVIEW_PX = 400  # longer side of the picture in which the digit is looked for
DETAIL_PX = 128  # longer side of the digit when it is looked at closely
ENLARGED_PX = 200  # longer side to which a smaller picture is enlarged
SMALL_PX = 64  # longer side of a picture whose noise is measured before it is enlarged
MIN_DIGIT_PX = 5  # longer side of a digit, in pixels of the picture and of the overview
WINDOW = 0.3  # of the longer side of the picture; no stroke is as wide
NEAR_WINDOW = 0.6  # of the longer side of the digit
LINKS = (0.08, 0.14)  # gaps between pieces of broken strokes, in longer sides of the digit
MIN_BAND = 0.07  # width of the blank between two digits, in their heights
MAX_STROKE_GAP = 0.35  # between a digit and its small strokes, in longer sides of the digit
MIN_STACKED = 0.3  # height of each of two digits above each other, of both together
MIN_TOUCHING = 1.3  # more width than on a page makes one digit two, as there is no other
MIN_SECOND = 0.45  # longer side of a second digit, in longer sides of the first
MIN_SECOND_AREA = 0.15  # ink of a second digit, in that of the first; less is a piece
MAX_STRAY = 0.2  # area of a digit's main stroke, in those of a shadow or a line
MIN_LEVEL = 0.6  # depth of a piece, in depths of the main stroke
MAX_AT_BORDERS = 4  # strokes that touch the borders; noise has more
MAX_MARKS = 80  # strokes in a picture of one digit, even if it is dotted


class SeveralDigits(ValueError):
    """A picture that should show one digit shows several."""


def _enlarge(pixels: NDArray[np.float32], zoom: int) -> NDArray[np.float32]:
    """Return small pixels enlarged by splines."""
    if zoom == 1:
        return pixels
    zooms = (zoom, zoom, 1)[: pixels.ndim]
    return np.clip(ndimage.zoom(pixels, zooms, order=3, mode="nearest", grid_mode=True), 0, 1)


def _measure_noise(pixels: NDArray[np.float32]) -> float:
    """Return the standard deviation of the noise of pixels, which may be few.

    The smallest differences are those on plain ground or in plain ink. They are taken three pixels
    apart, as the grain of paper is coarser than a pixel, unless strokes are hardly wider.
    """
    grey = pixels if pixels.ndim == 2 else pixels.mean(axis=2)
    lag = 3 if min(grey.shape) >= 16 else 1
    return 1.5 * float(np.quantile(find_steps(grey, lag), 0.15)) / 0.189 / math.sqrt(2)


def _group(ink: Ink, gap: float) -> list[list[int]]:
    """Return the groups of strokes that may be digits, with pieces linked across a gap."""
    linked, clusters = link_pieces(ink, gap)
    height = float((linked.boxes[:, 2] - linked.boxes[:, 0]).max())
    groups = group_strokes(linked, height)
    return [[member for i in group for member in clusters[i]] for group in groups]


def _leave_strays(ink: Ink) -> Ink:
    """Return the ink without what is beside the main stroke: shadows, page edges, underlines."""
    if not len(ink.boxes):
        return ink
    top, left, bottom, right = ink.boxes.T
    height, width = ink.depth.shape
    touches = (top == 0) | (left == 0) | (bottom == height) | (right == width)
    if touches.sum() > MAX_AT_BORDERS:
        return ink.keep(np.zeros(len(touches), np.bool_))
    is_flat = right - left > MAX_ASPECT * (bottom - top)
    main = int(np.argmax(ink.areas * np.where(touches | is_flat, MAX_STRAY, 1)))
    levels = ndimage.mean(ink.depth, ink.labels, np.arange(1, len(touches) + 1))
    kept = (levels > MIN_LEVEL * levels[main]) & (~touches | touches[main])
    for i in np.flatnonzero(kept & is_flat):
        others = np.flatnonzero(kept & (np.arange(len(kept)) != i))
        if i != main and is_rule(ink.join(others), ink.join(np.array([i]))):
            kept[i] = False
    return ink.keep(kept)


def _find_groups(ink: Ink) -> list[list[int]]:
    """Return the groups of strokes that may be digits."""
    if not 0 < len(ink.boxes) <= MAX_MARKS:
        return []
    size = ink.size(np.flatnonzero(ink.areas >= 0.1 * ink.areas.max()))
    groups = _group(ink, LINKS[0] * size)
    if len(groups) > 1:
        joined = _group(ink, LINKS[1] * size)  # pieces that stayed apart
        if len(joined) == 1 and not _is_split(ink.mask(joined[0])[2]):
            return joined
    return groups


def _is_split(mask: NDArray[np.bool_]) -> bool:
    """Return whether ink is two digits, beside or above each other, with a blank between them."""
    rows = np.flatnonzero(mask.any(axis=1))
    for i in np.flatnonzero(np.diff(rows) - 1 >= MIN_BAND * len(mask)):
        if min(rows[i] + 1, len(mask) - rows[i + 1]) > MIN_STACKED * len(mask):
            return True
    tops, bottoms = find_ends(mask)
    inked = np.flatnonzero(bottoms)
    for i in np.flatnonzero(np.diff(inked) - 1 >= MIN_BAND * len(mask)):
        sides = np.s_[: inked[i] + 1], np.s_[inked[i + 1] :]
        heights = [bottoms[side].max() - tops[side].min() for side in sides]
        if min(heights) > MAX_PIECE * len(mask):
            return True
    return find_valley(tops, bottoms, MIN_TOUCHING * len(mask)) is not None


def _choose_digit(writing: Writing) -> list[int] | None:
    """Return the strokes of the one digit of a picture; None if there is none.

    Raises
    ------
    SeveralDigits
        If there is a second digit.
    """
    ink, digits = writing.ink, writing.groups
    if not digits:
        return None
    first = list(digits[0])
    for other in digits[1:]:
        box, main = ink.join(other), ink.join(first)
        size, largest = (max(b - t, r - left) for t, left, b, r in (box, main))
        if ink.areas[other].sum() >= MIN_SECOND_AREA * ink.areas[first].sum():
            if size >= MIN_SECOND * largest:
                raise SeveralDigits
        elif math.hypot(*(min(overlap(box, main, axis), 0) for axis in (0, 1))) <= (
            MAX_STROKE_GAP * largest
        ):
            first += other
    if _is_split(ink.mask(digits[0])[2]):
        raise SeveralDigits
    return first


def normalize_digit(picture: Picture, ink: str) -> NDArray[np.uint8] | None:
    """Return the digit of a picture in MNIST's frame; None if there is no digit."""
    pixels = picture.pixels
    if (ink != "dark" or picture.is_opacity) and is_framed(pixels):
        return pixels
    longer = max(pixels.shape[:2])
    factor = math.ceil(longer / OVERVIEW_PX)
    zoom = max(1, round(ENLARGED_PX / longer))
    colours = picture.read(factor)
    small_noise = _measure_noise(colours) if longer <= SMALL_PX else None
    colours = _enlarge(colours, zoom)
    window = WINDOW * max(colours.shape[:2])
    writing = find_writing(
        colours,
        "auto" if picture.is_opacity else ink,
        window,
        _find_groups,
        small_noise,
        _leave_strays,
    )
    chosen = _choose_digit(writing)
    if chosen is None or not writing.ink.is_sharp(chosen, zoom):
        return None
    scale = factor / zoom
    box, shape = writing.ink.join(chosen), writing.ink.labels.shape
    is_at_border = min(box[:2]) == 0 or box[2] == shape[0] or box[3] == shape[1]
    top, left, bottom, right = (edge * scale for edge in box)
    size = max(bottom - top, right - left)
    if size < MIN_DIGIT_PX * factor:
        return None
    margin = 0.4 * size + 2 * factor
    rows = slice(max(0, int(top - margin)), math.ceil(bottom + margin))
    columns = slice(max(0, int(left - margin)), math.ceil(right + margin))
    # A close look measures the paper around the digit and sees a sharp outline.
    factor, zoom = max(1, int(size // DETAIL_PX)), max(1, round(DETAIL_PX / size))
    detail = writing.conversion.convert(_enlarge(picture.read(factor, rows, columns), zoom))
    found = find_ink(detail, NEAR_WINDOW * size * zoom / factor, small_noise)
    labels = writing.ink.labels
    near = ndimage.binary_dilation(np.isin(labels, np.array(chosen) + 1), iterations=2)
    y, x = (
        np.minimum(((np.arange(side) + 0.5) * factor / zoom + start) / scale, limit - 1).astype(int)
        for side, start, limit in zip(
            detail.shape, (rows.start, columns.start), labels.shape, strict=True
        )
    )
    found = found.within(near[np.ix_(y, x)])
    if not len(found.boxes):  # seen from near, a shadow and the digit are one
        return None if is_at_border else frame(writing.ink.draw(chosen, 1 / scale))
    return frame(found.draw(list(range(len(found.boxes))), zoom))


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
        (height, width) of images given as flat rows; None means MNIST's (28, 28). Ignored for
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
            array of images of one size. A two-dimensional `X` is never one image: it holds flat
            rows of `image_shape`, and is an error if its width is not theirs.

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
            problem = (
                "has no digit that can be told from its ground. Leave it out, or set on_blank to "
                '"nan" or "zeros" to get such a row for it.'
            )
            digit = None
            try:
                digit = normalize_digit(self._open(i, image), self.ink)
            except SeveralDigits:
                problem = (
                    "has several digits. Cut it into single digits with segment_digits, or set "
                    'on_blank to "nan" or "zeros" to get such a row for it.'
                )
            if digit is not None:
                rows[i] = digit.ravel()
            elif self.on_blank == "nan":
                rows[i] = np.nan
            elif self.on_blank == "error":
                raise ValueError(f"Image {i}, {describe(image)}, {problem}")
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
        """Return images of flat rows, which are MNIST's or those that `image_shape` describes."""
        n_images, n_pixels = rows.shape
        shape = self.image_shape or (FRAME_PX, FRAME_PX)
        if n_images == 0 or shape[0] * shape[1] != n_pixels:
            raise ValueError(
                f"X of shape {rows.shape} does not hold flat rows of {shape[0]} x {shape[1]} = "
                f"{shape[0] * shape[1]} pixels. If X is one image, put it into a list: [image]. "
                "If its rows are images, set image_shape to their (height, width)."
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
