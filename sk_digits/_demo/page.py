"""The files of the page: `make_page`."""

from __future__ import annotations

import html
import json
from importlib.resources import files
from pathlib import PurePath
from string import Template

MAX_BYTES = 20_000_000  # of a picture's file: more than a telephone's camera makes
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}


def make_page(labels: list[str]) -> dict[str, tuple[bytes, str]]:
    """Return the content and the media type of each file of the page, by its name."""
    page = {
        file.name: (file.read_bytes(), f"{TYPES[suffix]}; charset=utf-8")
        for file in files("sk_digits._demo").iterdir()
        if (suffix := PurePath(file.name).suffix) in TYPES
    }
    content, type_ = page["index.html"]
    filled = Template(content.decode()).substitute(
        labels=html.escape(json.dumps(labels)), max_bytes=MAX_BYTES
    )
    return page | {"index.html": (filled.encode(), type_)}
