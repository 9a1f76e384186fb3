"""`Picture`: an array, an image file or a PIL image as pixels of one kind."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sk_digits._images.image_files import ImageFileError, describe, read_image
from sk_digits._images.pixel_scaler import guess_pixel_max
from sk_digits._validation import as_readable

MIN_VISIBLE_ALPHA = 0.5  # of full alpha; less counts as transparent
MIN_OPAQUE_ALPHA = 0.98  # of full alpha; if no pixel has less, the alpha channel says nothing


class Picture(NamedTuple):
    """Pixels, and the value that is white in them.

    Attributes
    ----------
    pixels : ndarray of shape (height, width) or (height, width, 3)
        uint8 or float32, from 0.
    white : float
        1, 16 or 255.
    is_opacity : bool
        Whether the pixels are the opacity of a drawing, whose colours say nothing.
    """

    pixels: NDArray[Any]
    white: float
    is_opacity: bool = False


def shrink(pixels: NDArray[Any], factor: int) -> NDArray[Any]:
    """Average blocks of `factor` x `factor` pixels; the last row and column may hold less."""
    if factor == 1:
        return pixels
    if pixels.ndim == 3 and pixels.dtype != np.uint8:
        return np.dstack([shrink(pixels[..., i], factor) for i in range(pixels.shape[2])])
    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).reduce(factor))


def _merge_alpha(pixels: NDArray[Any], white: float) -> NDArray[Any]:
    """Return RGB with paper in place of what is transparent, or the opacity of a drawing."""
    alpha = pixels[..., 3]
    visible = alpha > MIN_VISIBLE_ALPHA * white
    if alpha.min() >= MIN_OPAQUE_ALPHA * white:
        return pixels[..., :3]
    spread = pixels[..., :3][visible].astype(np.float32).std(axis=0).max() if visible.any() else 0
    # The strokes of a drawing have one colour and leave most of the canvas free.
    if visible.mean() < 0.5 or spread < 0.05 * white:
        return alpha
    colours = pixels[..., :3].astype(np.float32)
    paper = np.median(colours[visible], axis=0)
    share = (alpha / np.float32(white))[..., np.newaxis]
    mixed = paper + (colours - paper) * share
    return np.rint(mixed).astype(np.uint8) if pixels.dtype == np.uint8 else mixed


def _to_unit(array: NDArray[Any]) -> tuple[NDArray[Any], float]:
    """Return pixels of 8 bits, or from 0 to 1, and the value that is white."""
    lowest, highest = min(float(array.min()), 0.0), float(array.max())
    white = guess_pixel_max(highest - lowest)
    if array.dtype == np.uint8:
        return array, white
    if lowest == 0 and white in (16, 255):
        small = array.astype(np.uint8)
        if np.array_equal(small, array):
            return small, white
    # float32 would overflow.
    exact: NDArray[Any] = array.astype(np.float32 if white < 1e30 else np.float64)
    return ((exact - lowest) / white).astype(np.float32), 1.0


def picture_of_array(array: NDArray[Any], max_pixels: int) -> Picture:
    """Check an array of pixels and return it as a picture."""
    kinds = "(height, width), (height, width, 1), (height, width, 3) or (height, width, 4)"
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise ValueError(f"an array of shape {array.shape} is not an image. Give {kinds}.")
    if array.size == 0:
        raise ValueError(f"an image of shape {array.shape} has no pixels. Leave it out.")
    if array.dtype.kind not in "buif":
        raise ValueError(f"an array of {array.dtype} is not an image. Give numbers.")
    if array.shape[0] * array.shape[1] > max_pixels:
        raise ImageFileError(
            f"an array of shape {array.shape} has more than max_pixels={max_pixels} pixels. "
            "Make the image smaller or raise max_pixels."
        )
    if array.dtype == np.longdouble:  # its numbers may exceed those of all other types
        with np.errstate(over="ignore"):
            array = array.astype(np.float64)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(
            "the image holds NaN or infinity. Replace them, by the background for example."
        )
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    array, white = _to_unit(array)
    if array.ndim == 3 and array.shape[2] == 4:
        array = _merge_alpha(array, white)
        return Picture(array, white, is_opacity=array.ndim == 2)
    return Picture(array, white)


def as_picture(source: Any, max_pixels: int) -> Picture:
    """Return an image of any kind as a picture.

    Raises
    ------
    ImageFileError, OSError
        As :func:`read_image` does.
    ValueError, TypeError
        If it is not an image.
    """
    is_file = isinstance(source, str | os.PathLike | bytes | bytearray | Image.Image)
    if is_file or hasattr(source, "read"):
        return picture_of_array(read_image(source, max_pixels), max_pixels)
    try:
        array = np.asarray(as_readable(source, "the image"))
    except Exception as error:  # objects that are no arrays raise errors of their own
        raise ValueError(f"{describe(source)} is not an image: {error}") from error
    return picture_of_array(array, max_pixels)
