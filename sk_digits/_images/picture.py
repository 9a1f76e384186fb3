"""`Picture`: an array, an image file or a PIL image, read in small parts at the size needed."""

from __future__ import annotations

import math
import os
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sk_digits._images.image_files import ImageFileError, describe, parts, read_image
from sk_digits._images.pixel_scaler import guess_pixel_max
from sk_digits._validation import as_readable

MIN_VISIBLE_ALPHA = 0.5  # of full alpha; less counts as transparent
MIN_OPAQUE_ALPHA = 0.98  # of full alpha; if no pixel has less, the alpha channel says nothing
ALPHA_SAMPLE_PX = 1000  # longer side of the sample in which the visible colours are looked at


def shrink(pixels: NDArray[Any], factor: int) -> NDArray[Any]:
    """Average blocks of `factor` x `factor` pixels; the last row and column may hold less."""
    if factor == 1:
        return pixels
    if pixels.ndim == 3 and pixels.dtype != np.uint8:
        return np.dstack([shrink(pixels[..., i], factor) for i in range(pixels.shape[2])])
    return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).reduce(factor))


class Picture(NamedTuple):
    """Pixels as they were given, and how to read them.

    They are read part by part: converted as a whole, they would take several times their memory.

    Attributes
    ----------
    pixels : ndarray of shape (height, width), (height, width, 3) or (height, width, 4)
        Grey, RGB or RGBA, of any numeric type.
    black, white : float
        The values that are read as 0 and as 1.
    paper : ndarray of shape (3,) or None
        The colour, from 0 to 1, under RGBA pixels that are transparent; else None.
    is_opacity : bool
        Whether the pixels are the opacity of a drawing, whose colours say nothing.
    """

    pixels: NDArray[Any]
    black: float
    white: float
    paper: NDArray[np.float32] | None = None
    is_opacity: bool = False

    @classmethod
    def of(cls, source: Any, max_pixels: int) -> Self:
        """Return an image of any kind as a picture.

        Raises
        ------
        ImageFileError, OSError
            As :func:`read_image` does, and if a file holds NaN or infinity.
        ValueError, TypeError
            If it is not an image.
        """
        is_file = isinstance(source, str | os.PathLike | bytes | bytearray | Image.Image)
        if is_file or hasattr(source, "read"):
            pixels = read_image(source, max_pixels)
            try:
                return cls._of_array(pixels, max_pixels)
            except ValueError as error:
                raise ImageFileError(f"{describe(source)} cannot be read: {error}") from error
        try:
            array = np.asarray(as_readable(source, "the image"))
        except Exception as error:  # objects that are no arrays raise errors of their own
            raise ValueError(f"{describe(source)} is not an image: {error}") from error
        return cls._of_array(array, max_pixels)

    @classmethod
    def _of_array(cls, array: NDArray[Any], max_pixels: int) -> Self:
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
        with np.errstate(all="ignore"):  # NaN, and long doubles that are beyond all other numbers
            lowest, highest = min(float(array.min()), 0.0), float(array.max())
        if not math.isfinite(highest - lowest):
            raise ValueError(
                "the image holds NaN or infinity. Replace them, by the background for example."
            )
        if array.ndim == 3 and array.shape[2] == 1:
            array = array[..., 0]
        white = guess_pixel_max(highest - lowest)
        if array.dtype != np.uint8 and lowest == 0 and white in (16, 255):
            small = array.astype(np.uint8)
            array = small if np.array_equal(small, array) else array
        picture = cls(array, lowest, lowest + white)
        return picture._with_paper() if array.ndim == 3 and array.shape[2] == 4 else picture

    def _with_paper(self) -> Self:
        """Return an RGBA picture with its paper, or as RGB or opacity if it needs none."""
        least = float(self.pixels[..., 3].min())
        if least - self.black >= MIN_OPAQUE_ALPHA * (self.white - self.black):
            return self._replace(pixels=self.pixels[..., :3])
        step = math.ceil(max(self.pixels.shape) / ALPHA_SAMPLE_PX)
        sample = self._as_unit(self.pixels[::step, ::step])
        visible = sample[..., 3] > MIN_VISIBLE_ALPHA
        colours = sample[visible, :3]
        # The strokes of a drawing have one colour and leave most of the canvas free.
        if visible.mean() < 0.5 or colours.std(axis=0).max() < 0.05:
            return self._replace(pixels=self.pixels[..., 3], is_opacity=True)
        return self._replace(paper=np.median(colours, axis=0))

    def _as_unit(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Return some of the pixels as numbers from 0 to 1."""
        span = self.white - self.black
        exact: NDArray[Any] = pixels.astype(np.float32 if span < 1e30 else np.float64)
        return ((exact - self.black) / span).astype(np.float32)

    def _merge_alpha(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Return RGBA pixels as RGB from 0 to 1; other pixels of 8 bits as they are."""
        if self.paper is None:
            return pixels if pixels.dtype == np.uint8 else self._as_unit(pixels)
        unit = self._as_unit(pixels)
        return self.paper + (unit[..., :3] - self.paper) * unit[..., 3:]

    def read(
        self, factor: int = 1, rows: slice = np.s_[:], columns: slice = np.s_[:]
    ) -> NDArray[np.float32]:
        """Return grey or RGB from 0 to 1 of the picture, or a part of it, shrunk by a factor."""
        pixels = self.pixels[rows, columns]
        height, width = (math.ceil(side / factor) for side in pixels.shape[:2])
        result = np.empty((height, width, *((3,) if pixels.ndim == 3 else ())), np.float32)
        for part in parts(pixels.shape[:2], factor):
            small = shrink(self._merge_alpha(pixels[part]), factor)
            top, left = (side.start // factor for side in part)
            result[top : top + small.shape[0], left : left + small.shape[1]] = small
        if pixels.dtype == np.uint8 and self.paper is None:
            result /= np.float32(self.white)
        return result
