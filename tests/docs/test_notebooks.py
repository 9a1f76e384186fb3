"""The gallery's notebooks run in Jupyter, with the digits that come with scikit-learn.

Two stand for all: the build of the docs runs every example as a script.
"""

import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from sphinx_gallery.notebook import python_to_jupyter_cli
from support.no_mnist import WITHOUT_MNIST

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.slow
@pytest.mark.parametrize("example", ["plot_tutorial", "plot_search_on_dask"])
def test_a_notebook_runs(example, tmp_path):
    """The notebook that readers download runs to its end, and its figures are drawn."""
    script = shutil.copy(EXAMPLES / f"{example}.py", tmp_path)
    python_to_jupyter_cli([str(script)])
    notebook = nbformat.read(Path(script).with_suffix(".ipynb"), as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(WITHOUT_MNIST))
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": tmp_path}}).execute()
    shown = [out for cell in notebook.cells for out in cell.get("outputs", []) if "data" in out]
    assert any("image/png" in out["data"] for out in shown)
