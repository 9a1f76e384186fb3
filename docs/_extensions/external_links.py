"""Links to the documentation of other projects, by rules instead of downloaded inventories.

The build therefore needs no network. With Sphinx's ``-n``, a name that no rule covers is an error.
"""

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

RULES = {
    r"sklearn\.[\w.]+": "https://scikit-learn.org/stable/modules/generated/{name}.html",
    r"numpy\.[\w.]+": "https://numpy.org/doc/stable/reference/generated/{name}.html",
    r"torch\.[\w.]+": "https://docs.pytorch.org/docs/stable/generated/{name}.html",
    r"distributed\.Client[\w.]*": "https://distributed.dask.org/en/stable/api.html#{name}",
    r"joblib\.parallel_config": (
        "https://joblib.readthedocs.io/en/stable/generated/joblib.parallel_config.html"
    ),
    r"skorch\.NeuralNetClassifier": (
        "https://skorch.readthedocs.io/en/stable/classifier.html"
        "#skorch.classifier.NeuralNetClassifier"
    ),
    r"skorch\.callbacks\.[\w.]+": "https://skorch.readthedocs.io/en/stable/callbacks.html#{name}",
}


def resolve(
    app: Sphinx, env: Any, node: nodes.Element, contents: nodes.TextElement
) -> nodes.reference | None:
    """Return the link for a Python name, or None if no rule covers it."""
    name = node.get("reftarget", "")
    for rule, address in RULES.items():
        if node.get("refdomain") == "py" and re.fullmatch(rule, name):
            return nodes.reference(
                "", "", contents, internal=False, refuri=address.format(name=name)
            )
    return None


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the rules."""
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
