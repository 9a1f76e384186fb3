"""The page of the demo: that of `to_html`, with a server behind it: `make_page`."""

from __future__ import annotations

from typing import Any

MAX_BYTES = 20_000_000  # of a picture's file: more than a telephone's camera makes


def make_page(model: Any, labels: list[str]) -> tuple[bytes, str]:
    """Return the page, an HTML file, and its Content-Security-Policy.

    The browser reads drawn digits itself if it can compute the model; else the server does.
    """
    from sk_digits.html._join import join_page
    from sk_digits.html._network import describe_model

    try:
        description = describe_model(model, "float32")
    except TypeError:  # a classifier without a DigitANN, or with other steps
        description = None
    html, policy = join_page(labels=labels, model=description, server={"maxBytes": MAX_BYTES})
    return html.encode(), policy
