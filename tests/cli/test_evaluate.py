"""``sk-digits evaluate``, as a user runs it."""

import json

import numpy as np
from PIL import Image
from typer.testing import CliRunner

from sk_digits import read_metadata
from sk_digits._cli import app

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
