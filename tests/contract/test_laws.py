"""What every public object and every folder of the package keeps to."""

import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest
from numpydoc.docscrape import NumpyDocString
from numpydoc.validate import validate

import sk_digits

ROOT = Path(__file__).parents[2]
MODULES = (
    "sk_digits",
    "sk_digits.cluster",
    "sk_digits.datasets",
    "sk_digits.displays",
    "sk_digits.html",
    "sk_digits.onnx",
)
EXEMPT = {
    "ES01",  # a summary may say everything
    "SA01",  # not everything has a relative to see also
}


def public_names(module):
    """Return the public names of a module: those in its __all__, or those that it defines."""
    if hasattr(module, "__all__"):
        return module.__all__
    own = inspect.getmembers(module, lambda it: inspect.isclass(it) or inspect.isfunction(it))
    return [n for n, it in own if not n.startswith("_") and it.__module__ == module.__name__]


def public_objects():
    """Return the public classes and functions by dotted name."""
    found = {}
    for module in map(importlib.import_module, MODULES):
        for name in public_names(module):
            if callable(it := getattr(module, name)):
                found[f"{it.__module__}.{name}"] = it
    return found


def public_members():
    """Return the dotted names of the methods and properties that public classes define."""
    return [
        f"{path}.{name}"
        for path, it in public_objects().items()
        if inspect.isclass(it)
        for base in own_classes(it)
        for name, member in vars(base).items()
        if not name.startswith("_")
        and name not in getattr(base, "_fields", ())  # a named tuple's, documented as attributes
        and (callable(member) or hasattr(member, "__get__"))
        and not re.fullmatch(r"set_\w+_request", name)  # scikit-learn makes and documents them
    ]


def has_own_parameters(it):
    """Return whether a class or function has parameters that the package defines."""
    return not inspect.isclass(it) or any("__init__" in vars(c) for c in own_classes(it))


def own_classes(it):
    """Return the class and those of its bases that the package defines."""
    return [c for c in it.__mro__ if c.__module__.startswith("sk_digits.")]


OBJECTS = public_objects()


@pytest.mark.parametrize("path", OBJECTS)
def test_public_objects_have_whole_docstrings(path):
    """numpydoc finds nothing wrong with sections, parameters, types and examples."""
    exempt = EXEMPT if has_own_parameters(OBJECTS[path]) else EXEMPT | {"PR01", "PR02"}
    assert [e for e in validate(path)["errors"] if e[0] not in exempt] == []


@pytest.mark.parametrize("path", public_members())
def test_public_methods_have_whole_docstrings(path):
    """numpydoc finds nothing wrong; the example may be that of the class."""
    assert [e for e in validate(path)["errors"] if e[0] not in EXEMPT | {"EX01"}] == []


WITH_DEFAULTS = [path for path, it in OBJECTS.items() if has_own_parameters(it)]


@pytest.mark.parametrize("path", WITH_DEFAULTS)
def test_documented_defaults_are_those_of_the_signature(path):
    """Each ``default=`` in the docstring equals the default in the signature."""
    it = OBJECTS[path]
    documented = {
        parameter.name: ast.literal_eval(match[1])
        for parameter in NumpyDocString(inspect.getdoc(it))["Parameters"]
        if (match := re.search(r"default=(.*)$", parameter.type))
    }
    signature = inspect.signature(it).parameters.values()
    assert documented == {p.name: p.default for p in signature if p.default is not p.empty}


def test_the_changelog_begins_with_this_version():
    """The newest entry of CHANGELOG.md has the version of the package."""
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert newest is not None
    assert newest[1] == sk_digits.__version__


FOLDERS = sorted(path.parent for path in Path(sk_digits.__file__).parent.rglob("__init__.py"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_each_folder_says_what_lives_there(folder):
    """The docstring of its ``__init__`` says what it holds; no folder of modules lacks the file."""
    tree = ast.parse((folder / "__init__.py").read_text())
    assert ast.get_docstring(tree)
    with_modules = {path.parent for path in folder.rglob("*.py")}
    assert with_modules <= set(FOLDERS)


def test_names_without_underscore_are_in_all():
    """A class or function that a public module defines without an underscore is in __all__."""
    for module in map(importlib.import_module, MODULES):
        shown = {
            name
            for name, it in vars(module).items()
            if not name.startswith("_")
            and getattr(it, "__module__", None) == module.__name__
            and (inspect.isclass(it) or inspect.isfunction(it))
        }
        assert shown <= set(public_names(module))


def test_the_api_page_lists_every_public_object():
    """docs/api.rst lists each public name of each public module, and no other."""
    page = (ROOT / "docs" / "api.rst").read_text()
    listed = set()
    for part in page.split(".. currentmodule:: ")[1:]:
        module = part.partition("\n")[0]
        listed |= {f"{module}.{name}" for name in re.findall(r"^   (\w+)$", part, flags=re.M)}
    modules = map(importlib.import_module, MODULES)
    assert listed == {f"{m.__name__}.{name}" for m in modules for name in public_names(m)}
