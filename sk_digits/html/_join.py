"""`join_page`: the sources in the folder ``page`` and a model as one HTML file."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from importlib.resources import files
from string import Template
from typing import Any

_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=async function|function|class|const)", re.MULTILINE)


def _read(name: str) -> str:
    return (files("sk_digits.html") / "page" / name).read_text("utf-8")


def _join_modules(name: str, seen: set[str]) -> str:
    """Return a module after those that it imports, as one script in one scope.

    So top-level names have to differ in all modules of a script: two of one name are a SyntaxError.
    """
    if name in seen:
        return ""
    seen.add(name)
    source = _read(f"{name}.js")
    before = "".join(_join_modules(other, seen) for other in _IMPORT.findall(source))
    return before + _EXPORT.sub("", _IMPORT.sub("", source))


def _hash(text: str) -> str:
    """Return a script or style as the policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def join_page(
    *, labels: list[str], model: dict[str, Any] | None, server: dict[str, Any] | None = None
) -> tuple[str, str]:
    """Return the page, one HTML file, and its Content-Security-Policy.

    Parameters
    ----------
    labels : list of str
        Names of the classes.
    model : dict or None
        What `describe_model` returns; None if the server reads all pictures.
    server : dict or None, default=None
        "maxBytes", the largest file that the page's server reads. None if there is no server, and
        the page may connect to nothing.
    """
    style, page, worker = _read("style.css"), _join_modules("page", set()), ""
    if model is not None:
        worker = _join_modules("worker", set())
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src {_hash(page)}",
            "worker-src blob:",
            f"style-src {_hash(style)}",
            "img-src blob: data:",
            "connect-src 'none'" if server is None else "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    config = json.dumps({"labels": labels, "model": model, "server": server})
    html = Template(_read("index.html")).substitute(
        policy=policy,
        style=style,
        # No label ends the script, as no "<" is left: JSON may write any character in this way.
        config=config.replace("<", "\\u003c"),
        worker=worker,
        page=page,
    )
    return html, policy
