"""What the page is told about a picture: `PictureReader`."""

from __future__ import annotations

import base64
import io
import logging
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from sk_digits._images.image_files import read_image
from sk_digits._reader.reading import as_rgb, find_digits, read_digits

if TYPE_CHECKING:
    from numpy.typing import NDArray

PREVIEW = 1200  # pixels of the longer side: what a screen can show of an uploaded picture
N_PIXELS = 28 * 28


class picture(io.BytesIO):
    """The content of a picture."""


_logger = logging.getLogger(__name__)


class PictureReader:
    """Read the digits in the bytes of a picture, for a web page.

    Parameters
    ----------
    model : classifier
        A fitted classifier of 28x28 images with `predict_proba`.

    Raises
    ------
    ValueError
        If `model` is not such a classifier.
    """

    def __init__(self, model: Any) -> None:
        n_pixels = getattr(model, "n_features_in_", N_PIXELS)
        if not hasattr(model, "predict_proba") or not hasattr(model, "classes_"):
            raise ValueError(
                "The demo needs a fitted classifier with predict_proba, such as load_model or "
                f"make_digit_pipeline().fit(X, y) gives; got {type(model).__name__}."
            )
        if n_pixels != N_PIXELS:
            raise ValueError(
                f"The demo shows a model images of 28x28 = {N_PIXELS} pixels; this one was trained "
                f"on rows of {n_pixels}. Train it on load_digits_28 or fetch_mnist."
            )
        self.model = model
        self.labels = [str(label) for label in model.classes_]
        # Gradio answers in threads. Two nets at work at once are slower than one after the other.
        self._lock = threading.Lock()
        # The first answer brings libraries with it, for a second that no visitor should wait.
        stroke = np.full((60, 60), 255, np.uint8)
        stroke[15:45, 28:32] = 0
        read_digits(find_digits(stroke, many=True), model)

    def read(self, content: bytes, *, many: bool, preview: bool) -> dict[str, Any]:
        """Give the digits as JSON values, or a sentence that says why there are none.

        Parameters
        ----------
        content : bytes
            An image file.
        many : bool
            Whether it is a page of digits.
        preview : bool
            Whether to give the picture itself, as the page may not know its format.

        Returns
        -------
        dict
            With "error", a sentence for the user; or with "digits", "size" (height, width) and
            "preview", the address of a picture with its content in it, or None.
        """
        try:
            pixels = read_image(picture(content))
            found = find_digits(pixels, many=many)
            with self._lock:
                readings = read_digits(found, self.model)
        except ValueError as error:
            return {"error": _as_sentence(error)}
        except Exception:
            # A page is no place for a stack trace; the terminal is.
            _logger.exception("a picture could not be read")
            return {"error": "Something went wrong here. The terminal of sk-digits says what."}
        digits = [
            {
                "label": str(reading.guesses[0].label),
                "probability": reading.guesses[0].probability,
                "probabilities": {str(guess.label): guess.probability for guess in reading.guesses},
                "line": reading.line,
                "box": reading.box,
                "seen": base64.b64encode(np.asarray(row, np.uint8).tobytes()).decode(),
            }
            for reading, row in zip(readings, found.rows, strict=True)
        ]
        return {
            "digits": digits,
            "size": list(pixels.shape[:2]),
            "preview": _preview(pixels) if preview else None,
        }


def _as_sentence(error: ValueError) -> str:
    """Give an error's message as a sentence for who sees the page, not for who calls a function."""
    text = " ".join(str(error).removeprefix("Image 0: ").split())
    text = text.replace("the picture given", "the picture").replace(" or raise max_pixels", "")
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def _preview(pixels: NDArray[Any]) -> str:
    """Give the picture as an address that holds its content."""
    image = as_rgb(pixels)
    image.thumbnail((PREVIEW, PREVIEW))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=88)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
