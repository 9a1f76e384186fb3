"""What the page is told about a picture: `answer`; and by what model: `labels_of`."""

from __future__ import annotations

import base64
import io
import logging
from typing import TYPE_CHECKING, Any

from sk_digits._images.image_files import read_image
from sk_digits._reader.page_reading import as_rgb, read_digit, read_page

if TYPE_CHECKING:
    from numpy.typing import NDArray

N_PIXELS = 28 * 28
PREVIEW = 1200  # pixels of the longer side: as many as a screen shows of a picture

_logger = logging.getLogger(__name__)


def labels_of(model: Any) -> list[str]:
    """Return the labels of a fitted classifier of 28x28 images, or raise ValueError."""
    n_pixels = getattr(model, "n_features_in_", N_PIXELS)
    if not hasattr(model, "predict_proba") or not hasattr(model, "classes_"):
        raise ValueError(
            "The demo needs a fitted classifier with predict_proba, such as "
            f"make_digit_pipeline().fit(X, y) returns; got {type(model).__name__}."
        )
    if n_pixels != N_PIXELS:
        raise ValueError(
            f"The demo shows a model images of 28x28 = {N_PIXELS} pixels; this one was trained "
            f"on rows of {n_pixels}. Train it on load_digits_28 or fetch_mnist."
        )
    return [str(label) for label in model.classes_]


def answer(content: bytes, model: Any, *, many: bool) -> dict[str, Any]:
    """Return the digits in an image file as JSON values, or an "error", a sentence for the user.

    "seen" is what the network sees, 784 pixels in base64; "box" is top, left, bottom and right;
    "size" is height and width. "preview" is the picture as it was read, because a browser does not
    know all formats, nor turn them all upright. A blank picture has no digits.
    """
    try:
        pixels = read_image(io.BytesIO(content))
        page = (read_page if many else read_digit)(pixels, model)
        digits = [
            {
                "label": str(digit.label),
                "probability": digit.probability,
                "sure": digit.accepted,
                "probabilities": {str(label): p for label, p in digit.guesses(None)},
                "line": number if many else None,
                "box": digit.box if many else None,
                "seen": base64.b64encode(digit.image.tobytes()).decode(),
            }
            for number, line in enumerate(page.lines)
            for digit in line
        ]
        return {"digits": digits, "size": pixels.shape[:2], "preview": _preview(pixels)}
    except ValueError as error:
        return {"error": _as_sentence(error)}
    except Exception:
        # The page shows no stack trace; the terminal does.
        _logger.exception("a picture could not be read")
        return {"error": "Something went wrong. The terminal of sk-digits demo shows what."}


def _as_sentence(error: ValueError) -> str:
    """Return an error's message as a sentence for a visitor, who calls no function."""
    text = " ".join(str(error).removeprefix("Image 0: ").split())
    text = text.replace("the BytesIO given", "the picture").replace(" or raise max_pixels", "")
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def _preview(pixels: NDArray[Any]) -> str:
    """Return a picture as a data URL, made smaller where it is large."""
    image = as_rgb(pixels)
    image.thumbnail((PREVIEW, PREVIEW))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=88)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
