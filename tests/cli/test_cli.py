"""The command line, run as a user runs it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sk_digits import __version__
from sk_digits._cli import app

runner = CliRunner()


@pytest.fixture
def no_mnist(monkeypatch, tmp_path):
    """Be where MNIST cannot be had: nothing on disk, OpenML out of reach."""

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
    """Training prints the data, an epoch a line, the accuracy, each class and the confusions."""
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


def test_the_same_seed_gives_the_same_report():
    """Two runs with one seed print the same accuracy and confusions."""
    command = ["train", "--data", "digits", "--epochs", "2", "--hidden", "16", "--seed", "3"]
    first, second = (runner.invoke(app, command).stdout for _ in range(2))
    assert first.split("accuracy", 1)[1] == second.split("accuracy", 1)[1]


def test_auto_without_mnist_says_what_it_takes_instead(no_mnist):
    """Without MNIST, auto trains on the bundled digits and says so and how to get MNIST."""
    result = runner.invoke(app, ["train", "--epochs", "1", "--hidden", "16"])
    assert result.exit_code == 0
    assert "Taking scikit-learn's 1,797 bundled digits instead" in result.stderr
    assert "SK_DIGITS_DATA" in result.stderr
    assert "scikit-learn's bundled digits" in result.stdout


@pytest.mark.parametrize("data", ["mnist", "no/such/folder"])
def test_mnist_that_is_not_there_is_an_error(no_mnist, data):
    """Asking for MNIST without MNIST ends in one line on standard error and exit code 2."""
    result = runner.invoke(app, ["train", "--data", data])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("sk-digits: ")
    assert "train-images-idx3-ubyte" in result.stderr
    assert result.stderr.count("\n") == 1


def test_damaged_mnist_is_an_error_even_for_auto(monkeypatch, tmp_path):
    """Damaged files are reported, not passed over for the bundled digits."""
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (tmp_path / f"{name}-ubyte").write_bytes(b"not an IDX file")
    monkeypatch.setenv("SK_DIGITS_DATA", str(tmp_path))
    result = runner.invoke(app, ["train", "--epochs", "1"])
    assert result.exit_code == 2
    assert "-ubyte" in result.stderr


@pytest.mark.parametrize("hidden", ["a", "64,", "0", "-3", "64,x"])
def test_widths_that_are_none_are_a_usage_error(hidden):
    """--hidden takes positive integers only, and says what it got."""
    result = runner.invoke(app, ["train", "--data", "digits", "--hidden", hidden])
    assert result.exit_code == 2
    assert f"'{hidden}' is not a list of positive widths" in " ".join(result.stderr.split())


def test_runs_as_a_module():
    """``python -m sk_digits`` is the same command."""
    result = subprocess.run(
        [sys.executable, "-m", "sk_digits", "train", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"COLUMNS": "120", "NO_COLOR": "1"},
    )
    assert "sk-digits train" in result.stdout
    assert "--hidden" in result.stdout


@pytest.mark.mnist
def test_train_on_mnist_from_a_folder(mnist_home: Path):
    """Two epochs on MNIST's 10,000 training images already read 19 of 20 unseen ones."""
    result = runner.invoke(app, ["train", "--data", str(mnist_home), "--epochs", "2"])
    assert result.exit_code == 0
    assert "MNIST, 10,000 images" in result.stdout
    assert _accuracy(result.stdout) > 0.92


def test_version_is_that_of_the_package():
    """--version prints it and ends."""
    result = runner.invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"sk-digits {__version__}\n")
