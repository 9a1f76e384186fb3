"""What all commands share: help, version, errors and exit codes."""

import os
import signal
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from sk_digits import __version__
from sk_digits._cli import app
from sk_digits._cli.options import complete_data

runner = CliRunner()
COMMANDS = ["train", "evaluate", "predict", "search", "export", "demo"]


def test_runs_as_a_module():
    """``python -m sk_digits`` is ``sk-digits``."""
    result = subprocess.run(
        [sys.executable, "-m", "sk_digits", "train", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"COLUMNS": "120", "NO_COLOR": "1"},
    )
    assert "sk-digits train" in result.stdout
    assert "--hidden" in result.stdout


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_h_is_short_for_help(command):
    """Every command, and the program, prints the same help for -h and --help."""
    short, long = (runner.invoke(app, [*command, option]) for option in ("-h", "--help"))
    assert (short.exit_code, long.exit_code) == (0, 0)
    assert short.stdout == long.stdout
    assert " ".join(["Usage:", "root", *command]) in short.stdout


def test_help_lists_every_command():
    """``sk-digits --help`` and ``sk-digits`` alone name the commands."""
    for arguments in (["--help"], []):
        words = runner.invoke(app, arguments).output.split()
        assert set(COMMANDS) <= set(words)


def test_version_is_that_of_the_package():
    """--version prints the package's version."""
    result = runner.invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"sk-digits {__version__}\n")


@pytest.mark.parametrize("content", [b"", b"no model", b"PK\x03\x04" + bytes(50)])
def test_a_file_that_is_no_model_is_an_error_in_one_line(content, tmp_path):
    """The exit code is 2; --debug, before or after the command, raises the error itself."""
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    result = runner.invoke(app, ["evaluate", "--model", str(path)])
    assert result.exit_code == 2
    assert str(path) in result.stderr
    assert result.stderr.count("\n") == 1
    for arguments in (
        ["evaluate", "--model", str(path), "--debug"],
        ["--debug", "evaluate", "--model", str(path)],
    ):
        with pytest.raises(ValueError, match="no model"):
            runner.invoke(app, arguments, catch_exceptions=False)


def test_wrong_arguments_are_a_usage_error():
    """Unknown commands and options, and --debug alone, show the usage."""
    for arguments in (["learn"], ["train", "--epoch", "1"], ["train", "--epochs", "x"], []):
        result = runner.invoke(app, [*arguments, "--debug"])
        assert result.exit_code == 2
        assert "Usage:" in result.stderr
        assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        (["predict", "--model", "MODEL", "no/*.png"], "no/*.png: no images found"),
        (["predict", "EMPTY"], ": no images found"),
        (["predict", "a.png", "--model", "none.safetensors"], "none.safetensors: No such file"),
        (["predict", "MODEL", "a.png"], "is a model. Give it as: sk-digits predict --model"),
        (["evaluate", "MODEL"], "Give it as: sk-digits evaluate --model"),
        (["predict", "a.png", "--json", "--csv"], "exclude each other"),
        (["train", "--out", "no/such/folder/m.safetensors"], "there is no no/such/folder"),
        (["train", "--out", "model.skops"], "model.skops does not end in .safetensors"),
        (["train", "--out", "/proc/m.safetensors"], "/proc/m.safetensors"),
        (
            ["export", "--model", "MODEL", "--onnx", "m.safetensors"],
            "m.safetensors does not end in .onnx",
        ),
        (
            ["evaluate", "--model", "MODEL", "--plot", "a.txt"],
            "a.txt does not end in one of .png, .jpg",
        ),
        (["evaluate", "--model", "MODEL", "--plot", "no/such/a.png"], "there is no no/such"),
        (
            ["predict", "--model", "MODEL", "EMPTY", "--show", "a.docx"],
            "a.docx does not end in one of .png",
        ),
    ],
)
def test_wrong_input_is_exit_code_2(model, tmp_path, command, complaint):
    """The message says what was wrong."""
    places = {"MODEL": str(model), "EMPTY": str(tmp_path)}
    result = runner.invoke(app, [places.get(word, word) for word in command])
    assert result.exit_code == 2
    words = result.stderr.replace("│", " ").split()
    assert complaint in " ".join(words)


def test_what_may_follow_data_is_completed(tmp_path, monkeypatch):
    """The names of data sets and folders, as a shell asks for them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits of mine").mkdir()
    (tmp_path / "others").mkdir()
    (tmp_path / "digits.txt").touch()
    assert complete_data("di") == ["digits", "digits of mine/"]
    assert complete_data("") == ["auto", "mnist", "digits", "digits of mine/", "others/"]
    environment = {"_ROOT_COMPLETE": "complete_bash", "COMP_CWORD": "3"}
    environment["COMP_WORDS"] = "root train --data mn"
    assert runner.invoke(app, [], env=environment, prog_name="root").stdout.split() == ["mnist"]


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_help_says_where_mnist_is_looked_for(command):
    """--data's help names the environment variable."""
    assert "SK_DIGITS_DATA" in runner.invoke(app, [command, "--help"]).stdout


@pytest.mark.slow
def test_ctrl_c_stops_in_one_line_and_writes_no_model(tmp_path):
    """An interrupted training exits with 130 and leaves no file."""
    out = tmp_path / "model.safetensors"
    command = [sys.executable, "-m", "sk_digits", "train", "--data", "digits", "--epochs", "100000"]
    with subprocess.Popen(
        [*command, "--out", str(out)],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"NO_COLOR": "1"},
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("epoch 1/")
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130
    assert rest.splitlines()[-1] == "sk-digits: stopped"
    assert "Traceback" not in rest
    assert list(tmp_path.iterdir()) == []
