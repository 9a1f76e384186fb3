"""``sk-digits evaluate``, as a user runs it."""

import json
import shutil
import sys

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from sk_digits import read_metadata
from sk_digits._cli import app
from sk_digits.datasets import load_digits_28

runner = CliRunner()


def test_evaluate_finds_the_accuracy_that_training_reported(model):
    """Text and JSON have the figure that is in the model's metadata."""
    command = ["evaluate", "--model", str(model), "--data", "digits"]
    accuracy = read_metadata(model)["metadata"]["test_accuracy"]
    text = runner.invoke(app, command)
    assert text.exit_code == 0
    assert f"accuracy {accuracy:.4f} on 360 unseen images" in text.stdout
    report = json.loads(runner.invoke(app, [*command, "--json"]).stdout)
    assert report["accuracy"] == accuracy
    assert np.trace(report["confusion_matrix"]) == round(360 * accuracy)
    assert np.sum(report["confusion_matrix"]) == 360


def test_evaluate_draws_confusion_matrix_and_errors(model, tmp_path):
    """--plot saves one picture of both."""
    path = tmp_path / "report.png"
    result = runner.invoke(
        app, ["evaluate", "--model", str(model), "--data", "digits", "--plot", str(path)]
    )
    assert result.exit_code == 0
    with Image.open(path) as picture:
        assert picture.height > picture.width > 600


def test_a_plot_without_matplotlib_is_refused_before_the_work(model, tmp_path, monkeypatch):
    """Nothing is scored first, and the message says what to install."""
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    command = [
        "evaluate",
        "--model",
        str(model),
        "--data",
        "digits",
        "--plot",
        str(tmp_path / "a.png"),
    ]
    result = runner.invoke(app, command)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert 'pip install "sk-digits[plot]"' in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Return a folder with ten pictures of each of two letters: bundled digits by other names."""
    folder = tmp_path_factory.mktemp("letters")
    X, y = load_digits_28(return_X_y=True)
    for digit, letter in [(0, "o"), (1, "l")]:
        (folder / letter).mkdir()
        for i in np.flatnonzero(y == digit)[:10]:
            Image.fromarray(255 - X[i].reshape(28, 28)).save(folder / letter / f"{i}.png")
    return folder


def test_own_pictures_train_and_score_a_model(pictures, tmp_path):
    """A fifth is held out, by train and by evaluate of that model; the labels are the folders'."""
    out = tmp_path / "letters.safetensors"
    options = ["--data", str(pictures), "--epochs", "20", "--hidden", "32"]
    trained = runner.invoke(app, ["train", *options, "--out", str(out)])
    assert trained.exit_code == 0, trained.stderr
    assert f"data: pictures in {pictures}, 16 images to train on and 4 unseen" in trained.stdout
    assert read_metadata(out)["classes"] == ["l", "o"]
    scored = runner.invoke(
        app, ["evaluate", "--model", str(out), "--data", str(pictures), "--json"]
    )
    report = json.loads(scored.stdout)
    assert report["accuracy"] == read_metadata(out)["metadata"]["test_accuracy"]
    assert (report["n_images"], report["labels"]) == (4, ["l", "o"])


def test_a_model_of_other_data_is_scored_on_all_own_pictures(model, pictures, tmp_path):
    """The bundled digits trained it, so that no picture was seen; wrong labels are an error."""
    unknown = runner.invoke(app, ["evaluate", "--model", str(model), "--data", str(pictures)])
    assert unknown.exit_code == 2
    assert "['l', 'o'], not [0, 1, 2" in unknown.stderr
    for letter, digit in [("o", "0"), ("l", "1")]:
        shutil.copytree(pictures / letter, tmp_path / digit)
    scored = runner.invoke(
        app, ["evaluate", "--model", str(model), "--data", str(tmp_path), "--json"]
    )
    report = json.loads(scored.stdout)
    assert report["n_images"] == 20
    assert report["accuracy"] >= 0.9


@pytest.mark.parametrize("n_each", [(2, 1), (3,)])
def test_too_few_pictures_are_an_error(pictures, tmp_path, n_each):
    """Each of two labels needs one picture to train on and one to test with."""
    for letter, n in zip("ol", n_each, strict=False):
        (tmp_path / letter).mkdir()
        for file in sorted((pictures / letter).iterdir())[:n]:
            shutil.copy(file, tmp_path / letter)
    result = runner.invoke(app, ["train", "--data", str(tmp_path)])
    assert result.exit_code == 2
    assert "At least two labels with two pictures each are needed" in result.stderr


def test_a_folder_of_nothing_is_an_error(tmp_path):
    """The message says what a folder may hold."""
    result = runner.invoke(app, ["train", "--data", str(tmp_path)])
    assert result.exit_code == 2
    assert "neither MNIST's four files nor, for each label, a folder" in result.stderr
