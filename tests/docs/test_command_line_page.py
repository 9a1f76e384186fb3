"""docs/command_line.md names every option, output field and environment variable."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from sk_digits import make_digit_pipeline, read_metadata
from sk_digits._cli import app

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/command_line.md").read_text()
COMMANDS = typer.main.get_command(app).commands


def section(command):
    """Return the part of the page about a command."""
    (found,) = re.findall(rf"^## {command}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return found


def missing(names, text):
    """Return the names that do not stand in the text as code."""
    return {name for name in names if f"`{name}`" not in text}


def keys(value):
    """Return all names of fields in a JSON value."""
    if isinstance(value, list):
        return set().union(*map(keys, value))
    return set(value).union(*map(keys, value.values())) if isinstance(value, dict) else set()


@pytest.fixture(scope="module")
def run():
    """Return a function that runs a command and returns its standard output."""

    def run(*args):
        done = CliRunner().invoke(app, [str(arg) for arg in args])
        assert done.exit_code == 0, done.output
        return done.stdout

    return run


@pytest.fixture(scope="module")
def folder(tmp_path_factory, digits_28, run):
    """Return a folder with a model and a picture of a digit."""
    folder = tmp_path_factory.mktemp("command_line")
    out = folder / "model.safetensors"
    run("train", "--data", "digits", "--epochs", 1, "--hidden", 8, "--out", out)
    pixels = 255 - digits_28[0][0].reshape(28, 28).astype(np.uint8)
    Image.fromarray(pixels).resize((200, 200)).save(folder / "digit.png")
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_all_options_are_there(command):
    """The section of a command has its options, and those alone, with their defaults."""
    rows = re.findall(r"^\| (`-.*?) \| (.*?) ?\|", section(command), re.MULTILINE)
    documented = {names: default.strip("`") for names, default in rows}
    recipe = make_digit_pipeline()["ann"]
    defaults = {
        "hidden": ",".join(map(str, recipe.hidden_layer_sizes)),
        "lr": str(recipe.lr),
        "n_jobs": "one per core",
    }
    options = {}
    for param in COMMANDS[command].params:
        if param.param_type_name == "option":
            default = defaults.get(param.name, "none") if param.default is None else param.default
            default = "required" if param.required else "" if param.is_flag else str(default)
            options[", ".join(f"`{name}`" for name in param.opts)] = default
    assert documented == options


def test_all_commands_and_common_options_are_there():
    """The page has a section for each command, and names the options of the program."""
    assert set(re.findall(r"^## (\w+)$", PAGE, re.MULTILINE)) == set(COMMANDS)
    root = typer.main.get_command(app)
    names = {name for param in root.params for name in param.opts}
    assert missing(names, PAGE) == {"--version"}  # it stands with the program's name before it
    assert "`sk-digits --version`" in PAGE


def test_all_exit_codes_are_there():
    """The table has the exit codes of the help."""
    epilog = typer.main.get_command(app).epilog
    codes = re.findall(r"(\d+) [a-z]", epilog.partition(".")[0])
    assert re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE) == codes


def test_all_environment_variables_are_there():
    """The page names each environment variable that the package reads."""
    sources = "\n".join(path.read_text() for path in (ROOT / "sk_digits").rglob("*.py"))
    names = re.findall(r"environ[^\"\n]*\"(\w+)\"", sources)
    assert names
    assert not missing(names, PAGE)


def test_all_fields_of_evaluate_are_there(run, folder):
    """The section names each field of the JSON but the labels."""
    model = folder / "model.safetensors"
    found = json.loads(run("evaluate", "--model", model, "--data", "digits", "--json"))
    assert not missing(keys(found) - set(map(str, range(10))), section("evaluate"))


@pytest.mark.parametrize("many", [[], ["--many"]])
def test_all_fields_of_predict_are_there(run, folder, many):
    """The section names each field of the JSON, and each column of the CSV."""
    model, picture = folder / "model.safetensors", folder / "digit.png"
    found = json.loads(run("predict", "--model", model, picture, "--top", 2, "--json", *many))
    assert not missing(keys(found), section("predict"))
    table = run("predict", "--model", model, picture, "--top", 2, "--csv", *many)
    head, row = csv.reader(table.splitlines())
    assert len(head) == len(row)
    assert not missing(head, section("predict"))


@pytest.mark.slow
def test_all_columns_of_search_are_there(run, folder):
    """The section names each column, each file and all that the model file says of the search."""
    out = folder / "search"
    run("search", "--data=digits", "--epochs=1", "--hidden=8", "--lr=0.01", "--cv=2", "--out", out)
    with open(out / "cv_results.csv") as file:
        assert not missing(next(csv.reader(file)), section("search"))
    assert not missing([path.name for path in out.iterdir()], section("search"))
    of_train = set(read_metadata(folder / "model.safetensors")["metadata"])
    assert not missing(of_train, section("train"))
    of_search = set(read_metadata(out / "best.safetensors")["metadata"])
    assert not missing(of_search - of_train, section("search"))
