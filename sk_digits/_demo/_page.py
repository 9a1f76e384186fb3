"""The page: `make_demo`."""

from __future__ import annotations

import html
import json
import os
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from sk_digits._demo._answers import PictureReader
from sk_digits._reader.reading import NOT_SURE

if TYPE_CHECKING:
    import gradio

MAX_BYTES = 20_000_000  # of an uploaded picture: more than a telephone's camera makes


def import_gradio() -> Any:
    """Import gradio such that it tells nobody.

    Raises
    ------
    ImportError
        If it is not installed.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    try:
        import gradio
    except ImportError as error:
        raise ImportError(
            'The demo needs gradio. Install it with: pip install "sk-digits[demo]"'
        ) from error
    return gradio


def make_demo(model: Any, *, threshold: float = NOT_SURE) -> gradio.Blocks:
    """Make a web page on which digits are drawn, or pictures of them dropped, and read.

    The one tab takes a single digit and answers while it is drawn; the other takes a page of
    digits and reads it line by line. Pictures are read in memory and kept nowhere.

    Parameters
    ----------
    model : classifier
        A fitted classifier of rows of 784 pixels, such as :func:`load_model` gives, with
        `predict_proba`.
    threshold : float, default=0.7
        Probability below which the page says that it is not sure. Raising it lets fewer errors
        pass for certain and doubts more right answers. The default marks 4 % of unseen MNIST
        images, and with them four of five errors.

    Returns
    -------
    gradio.Blocks
        The page; its `launch` shows it.

    Raises
    ------
    ImportError
        If gradio is not installed.
    ValueError
        If `model` is no such classifier or `threshold` is not in [0, 1].
    """
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold must be a probability, from 0 to 1; got {threshold!r}.")
    reader = PictureReader(model)
    gr = import_gradio()

    def read(request: Any) -> dict[str, Any]:
        ((_, content),) = request.files
        many, preview = (request.data.get(name) == "yes" for name in ("many", "preview"))
        return reader.read(content, many=many, preview=preview)

    def pad(many: str) -> Any:
        return gr.HTML(
            html_template=_file("pad.html"),
            css_template=_file("pad.css"),
            js_on_load=_file("drawing.js") + _file("answer.js"),
            apply_default_css=False,
            server_functions=[read],
            many=many,
            threshold=threshold,
            labels=html.escape(json.dumps(reader.labels)),
            max_bytes=MAX_BYTES,
        )

    with gr.Blocks(title="sk-digits", analytics_enabled=False, fill_width=True) as demo:
        gr.HTML(_file("head.html"), apply_default_css=False)
        with gr.Tab("One digit"):
            pad("no")
        with gr.Tab("A page of digits"):
            pad("yes")
    return demo


@cache
def _file(name: str) -> str:
    """Read a file of the page."""
    return files("sk_digits._demo").joinpath(name).read_text(encoding="utf-8")
