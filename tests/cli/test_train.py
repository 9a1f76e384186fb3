"""``sk-digits train``, as a user runs it."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from sk_digits import load_model, read_metadata
from sk_digits._cli import app
from sk_digits.datasets import load_digits_28

runner = CliRunner()


@pytest.fixture
def no_mnist(monkeypatch, tmp_path):
    """Make MNIST unavailable: no files, and OpenML out of reach."""

    def out_of_reach(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr("sk_digits.datasets._mnist.fetch_openml", out_of_reach)
    monkeypatch.delenv("SK_DIGITS_DATA", raising=False)
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))


def _accuracy(output: str) -> float:
    match = re.search(
        r"^accuracy (0\.\d+|1\.0+) on ([\d,]+) unseen images "
        r"\(95 % interval (\S+) to (\S+)\)$",
        output,
        flags=re.MULTILINE,
    )
    assert match is not None
    accuracy, low, high = (float(match[i]) for i in (1, 3, 4))
    assert low <= accuracy <= high
    return accuracy


def test_train_reports_on_the_bundled_digits():
    """Training prints the data, a line per epoch, accuracy, scores by class, confusion matrix."""
    result = runner.invoke(
        app, ["train", "--data", "digits", "--epochs", "5", "--hidden", "64", "--seed", "1"]
    )
    assert result.exit_code == 0
    assert "scikit-learn's bundled digits" in result.stdout
    assert _accuracy(result.stdout) > 0.8
    assert re.findall(r"^epoch (\d)/5  loss \d\.\d+  \d+ s left$", result.stderr, re.MULTILINE) == [
        *"12345"
    ]
    assert "f1-score" in result.stdout
    rows = re.findall(r"^ +(\d)  ((?: +\d+){10})$", result.stdout, re.MULTILINE)
    assert [label for label, _ in rows] == [*"0123456789"]
    assert sum(int(n) for _, counts in rows for n in counts.split()) == 360
    assert result.stderr.endswith("to keep one: sk-digits train --out digits.safetensors\n")


def test_the_same_seed_gives_the_same_report():
    """Two runs with one seed print the same accuracy and confusion matrix."""
    command = ["train", "--data", "digits", "--epochs", "2", "--hidden", "16", "--seed", "3"]
    first, second = (runner.invoke(app, command).stdout for _ in range(2))
    assert first.split("accuracy", 1)[1] == second.split("accuracy", 1)[1]


def test_auto_without_mnist_says_what_it_uses_instead(no_mnist):
    """It says so first and last: what the model is good for, and how to get MNIST."""
    result = runner.invoke(app, ["train", "--epochs", "1", "--hidden", "16"])
    assert result.exit_code == 0
    assert "Using scikit-learn's bundled digits, 1,797 small images, instead" in result.stderr
    last = result.stderr.splitlines()[-1]
    assert re.search(r"warning: .*bundled digits.*misreads photos.*SK_DIGITS_DATA", last)
    assert "scikit-learn's bundled digits" in result.stdout


@pytest.mark.parametrize("data", ["mnist", "no/such/folder"])
def test_missing_mnist_is_an_error(no_mnist, data):
    """Asking for MNIST without MNIST ends in one line on standard error and exit code 2."""
    result = runner.invoke(app, ["train", "--data", data])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("sk-digits: ")
    assert {"mnist": "train-images-idx3-ubyte", "no/such/folder": "no such folder"}[data] in (
        result.stderr
    )
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("data", ["auto", "mnist"])
@pytest.mark.parametrize("exists", [True, False])
def test_a_named_folder_without_mnist_is_an_error(no_mnist, monkeypatch, tmp_path, data, exists):
    """What SK_DIGITS_DATA names has no replacement, neither a download nor the bundled digits."""
    folder = tmp_path if exists else tmp_path / "absent"
    monkeypatch.setenv("SK_DIGITS_DATA", str(folder))
    result = runner.invoke(app, ["train", "--data", data, "--epochs", "1"])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert f"$SK_DIGITS_DATA names '{folder}'" in result.stderr
    assert result.stderr.count("\n") == 1


def test_damaged_mnist_is_an_error_even_for_auto(monkeypatch, tmp_path):
    """Damaged files are reported, not replaced by the bundled digits."""
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (tmp_path / f"{name}-ubyte").write_bytes(b"not an IDX file")
    monkeypatch.setenv("SK_DIGITS_DATA", str(tmp_path))
    result = runner.invoke(app, ["train", "--epochs", "1"])
    assert result.exit_code == 2
    assert "-ubyte" in result.stderr


@pytest.mark.parametrize("hidden", ["a", "64,", "0", "-3", "64,x"])
def test_wrong_widths_are_a_usage_error(hidden):
    """--hidden takes positive integers only, and repeats what it was given."""
    result = runner.invoke(app, ["train", "--data", "digits", "--hidden", hidden])
    assert result.exit_code == 2
    words = " ".join(result.stderr.replace("│", " ").split())
    assert f"'--hidden': '{hidden}' is not a list of positive widths" in words


@pytest.mark.slow
@pytest.mark.mnist
def test_train_on_mnist_from_a_folder(mnist_home: Path):
    """Two epochs on MNIST's 10,000 training images reach an accuracy above 0.92."""
    result = runner.invoke(app, ["train", "--data", str(mnist_home), "--epochs", "2"])
    assert result.exit_code == 0
    assert "MNIST, 10,000 images" in result.stdout
    assert _accuracy(result.stdout) > 0.92


def test_a_saved_model_names_its_data_and_accuracy(model):
    """The file's metadata are data, seed and the accuracy on unseen images."""
    metadata = read_metadata(model)["metadata"]
    assert "bundled digits" in metadata["data"]
    assert metadata["seed"] == 0
    assert metadata["n_test_images"] == 360
    assert 0.85 < metadata["test_accuracy"] < 1


def test_the_saved_model_is_the_trained_pipeline(model):
    """It reads the images that it was trained on."""
    X, y = load_digits_28(return_X_y=True)
    assert load_model(model).score(X, y) > 0.9


@pytest.mark.slow
def test_a_killed_training_is_resumed_to_the_same_model(tmp_path):
    """kill -9, then --resume: the same weights as without the kill, and the checkpoint is gone."""
    folder, out = tmp_path / "run", tmp_path / "model.safetensors"
    options = ["--data", "digits", "--epochs", "40", "--hidden", "64", "--checkpoint", str(folder)]
    command = [sys.executable, "-m", "sk_digits", "train", *options, "--out", str(out)]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stderr is not None
        while not process.stderr.readline().startswith("epoch 5/"):
            assert process.poll() is None
        process.kill()
    assert not out.exists()

    refused = runner.invoke(app, ["train", *options])
    assert refused.exit_code == 2
    assert "--resume" in refused.stderr
    another = runner.invoke(app, ["train", *options, "--seed", "1", "--resume"])
    assert another.exit_code == 2
    assert "holds no training with these options" in another.stderr
    resumed = runner.invoke(app, ["train", *options, "--out", str(out), "--resume"])
    assert resumed.exit_code == 0, resumed.stderr
    assert "resuming after epoch" in resumed.stderr
    assert list(folder.iterdir()) == []

    whole = runner.invoke(app, ["train", *options, "--out", str(tmp_path / "whole.safetensors")])
    assert whole.exit_code == 0
    X, _ = load_digits_28(return_X_y=True)
    np.testing.assert_array_equal(
        load_model(out).predict_proba(X),
        load_model(tmp_path / "whole.safetensors").predict_proba(X),
    )


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--resume"], "--resume needs --checkpoint"),
        (["--resume", "--checkpoint", "FOLDER"], "holds no training to resume"),
    ],
)
def test_resuming_nothing_is_a_usage_error(tmp_path, options, complaint):
    """--resume says what is missing."""
    words = [str(tmp_path) if word == "FOLDER" else word for word in options]
    result = runner.invoke(app, ["train", "--data", "digits", *words])
    assert result.exit_code == 2
    assert complaint in " ".join(result.stderr.replace("│", " ").split())
