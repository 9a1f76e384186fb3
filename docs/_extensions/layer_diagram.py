"""The directive ``layer-diagram``: the package's layers, drawn from the contract in pyproject.toml.

What stands beside a module's name is the first line of its docstring.
"""

import ast
import re
import tomllib
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]


def _summary(module: str) -> str:
    """Give the first line of a module's docstring, without importing it."""
    path = ROOT / "sk_digits" / module
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    return (docstring or "").partition("\n")[0]


class LayerDiagram(Directive):
    """Draw one box a layer, from the top down, with its modules."""

    def run(self) -> list[nodes.Node]:
        """Make the boxes."""
        self.state.document.settings.env.note_dependency(str(ROOT / "pyproject.toml"))
        settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        contracts = settings["tool"]["importlinter"]["contracts"]
        (layers,) = [c["layers"] for c in contracts if c["type"] == "layers"]
        diagram = nodes.container(classes=["layers"])
        for layer in layers:
            box = nodes.container(classes=["layer"])
            for module in layer.split(" | "):
                paragraph = nodes.paragraph("", "", nodes.strong(text=module), nodes.Text(" "))
                for i, part in enumerate(re.split("`+", _summary(module))):
                    paragraph += nodes.literal(text=part) if i % 2 else nodes.Text(part)
                box += paragraph
            diagram += box
        return [diagram]


def setup(app: Sphinx) -> dict[str, bool]:
    """Enter the directive."""
    app.add_directive("layer-diagram", LayerDiagram)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
