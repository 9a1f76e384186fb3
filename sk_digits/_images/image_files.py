"""`read_image`: image files, read so that broken and hostile ones do no harm."""

from __future__ import annotations

import math
import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError, features
from PIL.TiffImagePlugin import TILELENGTH, TILEWIDTH, TiffImageFile

from sk_digits._validation import filters_lock

ImageSource: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO | Image.Image

# Strangers' bytes reach only these decoders of Pillow, not those for PostScript, PDF and the like.
FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF")
# The brands at the start of files that need a Pillow with AVIF, or the extra "heif".
AVIF_BRANDS = (b"avif", b"avis")
HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
SUFFIXES = frozenset(
    [
        ".png",
        ".jpg",
        ".jpeg",
        ".jfif",
        ".bmp",
        ".tif",
        ".tiff",
        ".webp",
        ".gif",
        ".avif",
        ".heic",
        ".heif",
    ]
)
MAX_PIXELS = 40_000_000  # width times height of the largest picture that is read by default
PART_PIXELS = 2**18  # of a picture that are converted at once
MIN_TILE_PIXELS = 2**20  # of a TIFF file that are decoded whatever max_pixels is


class ImageFileError(ValueError):
    """An image file that cannot be read: not an image, broken, cut short or too large.

    A file that does not exist or may not be opened raises an :class:`OSError` instead.

    See Also
    --------
    sk_digits.DigitImageNormalizer : Reads images and brings them into MNIST's form.

    Examples
    --------
    >>> from sk_digits import DigitImageNormalizer, ImageFileError
    >>> try:
    ...     DigitImageNormalizer().transform([b"no image"])
    ... except ImageFileError as error:
    ...     print(error)
    Image 0: the 8 bytes given are not an image in one of the formats PNG, JPEG, BMP, ...
    """


@contextmanager
def _silence() -> Iterator[None]:
    """Hide Pillow's warnings: each file is either read or raises an error."""
    with filters_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def describe(source: object) -> str:
    """Return the name of an image's source for a message."""
    if isinstance(source, str | os.PathLike):
        return f"the file {os.fspath(source)!r}"
    if isinstance(source, bytes | bytearray):
        return f"the {len(source)} bytes given"
    return f"the {type(source).__name__} given"


def _check_size(image: Image.Image, max_pixels: int, name: str) -> None:
    """Raise ImageFileError if an image is empty or too large to be decoded."""
    width, height = image.size
    if width * height > max_pixels:
        raise ImageFileError(
            f"{name} is too large: {width} x {height} pixels, more than max_pixels={max_pixels}. "
            "Make it smaller or raise max_pixels."
        )
    if width * height == 0:
        raise ImageFileError(f"{name} is empty: {width} x {height} pixels.")
    if isinstance(image, TiffImageFile):  # a tile is decoded whole, and may exceed the image
        tile = image.tag_v2.get(TILEWIDTH, 0) * image.tag_v2.get(TILELENGTH, 0)
        if tile > max(max_pixels, MIN_TILE_PIXELS):
            raise ImageFileError(
                f"{name} is stored in tiles of {tile} pixels, more than max_pixels={max_pixels}. "
                "Save it with smaller tiles."
            )


def parts(shape: tuple[int, ...], step: int = 1) -> Iterator[tuple[slice, slice]]:
    """Return parts of a picture, of at most `PART_PIXELS`, that can be converted one by one.

    Their sides are multiples of `step`, except at the last row and column.
    """
    width = math.ceil(min(shape[1], PART_PIXELS) / step) * step
    height = max(PART_PIXELS // width // step, 1) * step
    for top in range(0, shape[0], height):
        for left in range(0, shape[1], width):
            yield np.s_[top : min(top + height, shape[0]), left : min(left + width, shape[1])]


def _convert(image: Image.Image) -> NDArray[Any]:
    """Return the pixels of a small image as grey, RGB or RGBA."""
    has_transparency = "transparency" in image.info
    if image.mode in ("I", "F") or (image.mode == "L" and not has_transparency):
        return np.asarray(image)
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)
    if image.mode == "1":
        return np.asarray(image.convert("L"))
    if image.mode == "LAB":  # Pillow cannot convert it to RGB; the first channel is lightness
        return np.asarray(image.getchannel(0))
    has_alpha = image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or has_transparency
    if image.mode == "La":
        image = image.convert("LA")
    return np.asarray(image.convert("RGBA" if has_alpha else "RGB"))


def _to_array(image: Image.Image) -> NDArray[Any]:
    """Return the pixels of a decoded image as grey, RGB or RGBA."""
    first = _convert(image.crop((0, 0, 1, 1)))
    pixels = np.empty((image.height, image.width, *first.shape[2:]), first.dtype)
    for rows, columns in parts(pixels.shape):
        part = image.crop((columns.start, rows.start, columns.stop, rows.stop))
        pixels[rows, columns] = _convert(part)
    return pixels


@cache
def readable_formats() -> tuple[str, ...]:
    """Return the formats that are read here: AVIF and HEIF only where Pillow can."""
    formats: tuple[str, ...] = FORMATS
    if features.check("avif"):
        formats += ("AVIF",)
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return formats
    register_heif_opener()
    return (*formats, "HEIF")


def _name_format(source: Any, name: str) -> str:
    """Return what is known about a file that is in none of the formats read here."""
    verb = "are" if "bytes" in name else "is"
    source.seek(0)
    start = source.read(12)
    brand = start[8:] if start[4:8] == b"ftyp" else b""
    if brand in HEIF_BRANDS and "HEIF" not in readable_formats():
        return (
            f"{name} {verb} a HEIC or HEIF picture, which needs pillow-heif. "
            "Install sk-digits[heif], or save the picture as JPEG or PNG."
        )
    if brand in AVIF_BRANDS and "AVIF" not in readable_formats():
        return (
            f"{name} {verb} an AVIF picture, which needs Pillow 11.3 or later with AVIF. "
            "Install it, or save the picture as JPEG or PNG."
        )
    return (
        f"{name} {verb} not an image in one of the formats {', '.join(readable_formats())}, or its "
        "header is broken. Save the image in one of these."
    )


def _read(source: BinaryIO | Image.Image, max_pixels: int, name: str) -> NDArray[Any]:
    with _silence():
        try:
            if isinstance(source, Image.Image):
                _check_size(source, max_pixels, name)
                return _to_array(ImageOps.exif_transpose(source))
            with Image.open(source, formats=readable_formats()) as image:
                _check_size(image, max_pixels, name)  # from the header: nothing is decoded yet
                ImageOps.exif_transpose(image, in_place=True)
                return _to_array(image)
        except ImageFileError:
            raise
        except UnidentifiedImageError as error:
            raise ImageFileError(_name_format(source, name)) from error
        except Image.DecompressionBombError as error:
            raise ImageFileError(
                f"{name} is too large for any max_pixels: {error} Make it smaller."
            ) from error
        except Exception as error:  # a broken byte may raise anything in a decoder
            raise ImageFileError(
                f"{name} is broken or cut short and cannot be decoded "
                f"({type(error).__name__}: {error}). Save or copy the image again."
            ) from error


def read_image(source: ImageSource, max_pixels: int = MAX_PIXELS) -> NDArray[Any]:
    """Read an image: its first frame, upright as its EXIF data says.

    Parameters
    ----------
    source : str, path-like, bytes, binary file object or PIL.Image.Image
        Path or content of a PNG, JPEG, BMP, TIFF, WebP, GIF, AVIF or HEIF file, or an image opened
        by Pillow. HEIF needs the extra ``sk-digits[heif]``, AVIF a Pillow that has it.
    max_pixels : int, default=40_000_000
        Largest width times height. It is checked before anything is decoded, so that a small file
        cannot fill the memory: a pixel takes up to 20 bytes while it is read. WebP takes the most.

    Returns
    -------
    ndarray of shape (height, width), (height, width, 3) or (height, width, 4)
        Grey, RGB or RGBA: uint8; grey may be uint16, int32 or float32 where the file is.

    Raises
    ------
    ImageFileError
        If `source` is not an image in one of these formats, is broken, cut short or too large.
    OSError
        If a file does not exist, is a directory or may not be opened.
    TypeError
        If `source` is of another type.

    Examples
    --------
    >>> from io import BytesIO
    >>> from PIL import Image
    >>> from sk_digits._images.image_files import read_image
    >>> file = BytesIO()
    >>> Image.new("L", (3, 2), 200).save(file, "PNG")
    >>> read_image(file.getvalue())
    array([[200, 200, 200],
           [200, 200, 200]], dtype=uint8)
    """
    name = describe(source)
    if isinstance(source, str | os.PathLike):
        # Opening a named pipe would wait forever for a writer.
        if not stat.S_ISREG(os.stat(source).st_mode) and not os.path.isdir(source):
            raise ImageFileError(f"{name} is not a regular file. Give the path of an image file.")
        with open(source, "rb") as stream:
            return _read(stream, max_pixels, name)
    if isinstance(source, bytes | bytearray):
        return _read(BytesIO(source), max_pixels, name)
    if isinstance(source, Image.Image) or hasattr(source, "read"):
        return _read(source, max_pixels, name)
    raise TypeError(f"{name} is not an image: give a path, bytes, a binary file or a PIL image.")
