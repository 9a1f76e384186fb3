"""Links into other projects' documentation, by rule, so that a build asks no other machine.

What no rule covers is unknown, and with Sphinx's ``-n`` an error.
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
    """Give the link of a Python name that a rule covers."""
    name = node.get("reftarget", "")
    for rule, address in RULES.items():
        if node.get("refdomain") == "py" and re.fullmatch(rule, name):
            return nodes.reference(
                "", "", contents, internal=False, refuri=address.format(name=name)
            )
    return None


def setup(app: Sphinx) -> dict[str, bool]:
    """Enter the rules."""
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
