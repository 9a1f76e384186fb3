"""The directive ``layer-diagram``: the package's layers, drawn from the contract in pyproject.toml.

The text beside the name of a module or folder is the first line of its docstring.
"""

import ast
import re
import tomllib
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]


def _paths(layer: str) -> list[Path]:
    """Return the files and folders of a layer such as "_model_files | onnx | (html)".

    import-linter separates siblings by "|" or ":"; names in parentheses may be missing.
    """
    paths = []
    for entry in re.split(r"[|:]", layer):
        name = entry.strip().removeprefix("(").removesuffix(")")
        folder = ROOT / "sk_digits" / name
        path = folder if folder.is_dir() else folder.with_suffix(".py")
        if path.exists() or name == entry.strip():
            paths.append(path)
    return paths


def _describe(path: Path) -> nodes.paragraph:
    """Return the name of a module or folder and the first line of its docstring."""
    is_folder = path.is_dir()
    source = (path / "__init__.py" if is_folder else path).read_text(encoding="utf-8")
    summary = (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]
    name = f"{path.name}/" if is_folder else path.stem
    paragraph = nodes.paragraph("", "", nodes.strong(text=name), nodes.Text(" "))
    for i, part in enumerate(re.split("`+", summary)):
        paragraph += nodes.literal(text=part) if i % 2 else nodes.Text(part)
    return paragraph


class LayerDiagram(Directive):
    """Draw one box per layer, from top to bottom, with the modules and folders of the layer."""

    def run(self) -> list[nodes.Node]:
        """Return the boxes."""
        self.state.document.settings.env.note_dependency(str(ROOT / "pyproject.toml"))
        settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        contracts = settings["tool"]["importlinter"]["contracts"]
        (layers,) = [c["layers"] for c in contracts if c["type"] == "layers"]
        diagram = nodes.container(classes=["layers"])
        for paths in filter(None, map(_paths, layers)):
            diagram += nodes.container("", *map(_describe, paths), classes=["layer"])
        return [diagram]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("layer-diagram", LayerDiagram)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
