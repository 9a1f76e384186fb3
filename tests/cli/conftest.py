"""A small model that the command line has trained."""

import pytest
from typer.testing import CliRunner

from sk_digits._cli import app


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """Return the file of a small model, trained on the bundled digits through the command line."""
    path = tmp_path_factory.mktemp("model") / "digits.safetensors"
    options = ["--data", "digits", "--epochs", "12", "--hidden", "128", "--quiet"]
    result = CliRunner().invoke(app, ["train", *options, "--out", str(path)])
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    assert f"saved {path}" in result.stdout
    return path
