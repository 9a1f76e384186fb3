"""Sphinx configuration. Build with ``python -m sphinx -W -n -b html docs docs/_build/html``.

The build needs no network. MyST parses the pages, and sphinx-gallery runs the examples.
"""

import os
import sys
from pathlib import Path

from sphinx.application import Sphinx
from sphinx_gallery.sorting import ExplicitOrder

import sk_digits
from sk_digits import load_reader
from sk_digits.html import to_html

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))
os.environ["COLUMNS"] = "100"  # the output of examples has the same width on every machine

project = "sk-digits"
author = "The sk-digits developers"
project_copyright = author
version = release = sk_digits.__version__

extensions = [
    "external_links",
    "layer_diagram",
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "_templates"]

# MyST: headings are link targets, and ``:::`` starts a directive with Markdown content.
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

# API: the numpydoc sections show the types, so the signatures need not repeat them.
autodoc_typehints = "none"
default_role = "literal"
maximum_signature_line_length = 88
smartquotes = False
toc_object_entries_show_parents = "hide"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/plot_",
    "capture_repr": ("_repr_html_",),
    "backreferences_dir": "gallery/backreferences",
    "doc_module": ("sk_digits",),
    "reference_url": {"sk_digits": None},
    "image_srcset": ["2x"],
    "remove_config_comments": True,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
    "min_reported_time": 1000,
    "thumbnail_size": (640, 448),
    "within_subsection_order": ExplicitOrder(
        [
            "plot_tutorial.py",
            "plot_own_handwriting.py",
            "plot_read_a_page.py",
            "plot_selective.py",
            "plot_training_and_errors.py",
            "plot_augmentation.py",
            "plot_out_of_core.py",
            "plot_search_on_dask.py",
        ]
    ),
}

html_theme = "pydata_sphinx_theme"
html_title = "sk-digits"
html_favicon = "_static/favicon.svg"
html_static_path = ["_static"]
html_css_files = ["sk-digits.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "sk-digits"},
    "header_links_before_dropdown": 6,
    "navbar_align": "left",
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
# Pages without subpages have nothing to show in the left sidebar.
html_sidebars = {
    name: []
    for name in (
        "index",
        "install",
        "gallery/plot_tutorial",
        "results",
        "faq",
        "comparison",
        "architecture",
        "changelog",
        "contributing",
    )
}


def tidy(app: Sphinx, docname: str, source: list[str]) -> None:
    """Drop the blank line that ends a doctest session, and keep "± 0.01" on one line."""
    source[0] = source[0].replace("\n\n```", "\n```").replace("± ", "±\u00a0")


def skip_inherited(
    app: Sphinx, what: str, name: str, obj: object, skip: bool, options: object
) -> bool | None:
    """Skip members that are inherited from other packages, which document them."""
    function = getattr(obj, "fget", obj)  # of a property
    return None if str(getattr(function, "__module__", "")).startswith("sk_digits") else True


def save_reader(app: Sphinx, exception: Exception | None) -> None:
    """Save the page that reads digits, which html.md shows."""
    if exception is None and app.builder.format == "html":
        to_html(load_reader(), Path(app.outdir) / "reader.html")


def setup(app: Sphinx) -> None:
    """Connect the functions above to Sphinx's events."""
    app.connect("source-read", tidy)
    app.connect("autodoc-skip-member", skip_inherited)
    app.connect("build-finished", save_reader)
