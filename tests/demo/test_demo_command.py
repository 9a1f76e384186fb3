"""The command ``sk-digits demo``: its model, its errors and its end."""

import signal
import subprocess
import sys
import threading
from urllib.parse import urlsplit

import pytest
from support.demo_client import ask, stroke
from typer.testing import CliRunner

from sk_digits import make_digit_pipeline, save_model
from sk_digits._cli import app
from sk_digits._demo.answers import labels_of


@pytest.mark.slow
def test_a_taken_port_is_one_line(address, model_file):
    """A port that another program has is told with the way out, and exit code 2."""
    port = str(urlsplit(address).port)
    result = CliRunner().invoke(app, ["demo", "--model", str(model_file), "--port", port])
    assert result.exit_code == 2
    assert f"Cannot listen on 127.0.0.1 port {port}" in result.stderr
    assert "--port" in result.stderr


def test_without_a_model_the_reader_of_the_package_answers(monkeypatch):
    """Nobody has to train first."""
    models = []
    monkeypatch.setattr("sk_digits._demo.serve", lambda model, **kwargs: models.append(model))
    assert CliRunner().invoke(app, ["demo", "--no-browser"]).exit_code == 0
    assert models == [None]


@pytest.mark.slow
def test_models_of_other_images_are_refused(digits, tmp_path):
    """A model of 8x8 images is no model for the page, and an unfitted one neither."""
    X, y = digits
    small = make_digit_pipeline(hidden_layer_sizes=(8,), max_epochs=1, augmentation=None)
    save_model(small.fit(X, y), tmp_path / "small.safetensors")
    result = CliRunner().invoke(
        app, ["demo", "--model", str(tmp_path / "small.safetensors"), "--port", "0"]
    )
    assert result.exit_code == 2
    assert "784 pixels; this one was trained on rows of 64" in result.stderr
    with pytest.raises(ValueError, match="fitted classifier with predict_proba"):
        labels_of(make_digit_pipeline())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "message"), [(None, "No such file or directory"), (b"no model", "no model file")]
)
def test_what_is_no_model_file_is_told(tmp_path, content, message):
    """A missing or foreign file is told in one line, and exit code 2."""
    path = tmp_path / "a.safetensors"
    if content is not None:
        path.write_bytes(content)
    result = CliRunner().invoke(app, ["demo", "--model", str(path), "--port", "0"])
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("options", [[], ["--no-browser"]])
def test_it_opens_the_page_in_the_browser(model_file, monkeypatch, opened, options):
    """The address that it prints is opened, unless --no-browser is given."""

    def serve(model, *, host, port, ready):
        ready("http://127.0.0.1:1/token/")

    monkeypatch.setattr("sk_digits._demo.serve", serve)
    result = CliRunner().invoke(app, ["demo", "--model", str(model_file), *options])
    assert result.exit_code == 0
    assert "http://127.0.0.1:1/token/" in result.stdout
    if not options:
        assert opened.get(timeout=10) == "http://127.0.0.1:1/token/"
    assert opened.empty()


@pytest.mark.slow
@pytest.mark.usefixtures("keyboard")
def test_ctrl_c_ends_it(model_file, monkeypatch):
    """The page is served until Ctrl-C, which is exit code 130 and one line."""
    answers = []

    def visit(address):
        answers.append(ask(address, stroke())[0])
        signal.raise_signal(signal.SIGINT)

    def echo(text):
        (address,) = (word for word in text.split() if word.startswith("http://"))
        threading.Thread(target=visit, args=(address,)).start()

    monkeypatch.setattr("typer.echo", lambda text, **_: echo(text))
    monkeypatch.setattr(sys.modules["sk_digits._cli.app"], "say", answers.append)
    result = CliRunner().invoke(app, ["demo", "--model", str(model_file), "--port", "0"])
    assert result.exit_code == 130
    assert answers == [200, "stopped"]


def test_help_is_quick():
    """``--help`` imports neither torch nor images, so it costs no seconds."""
    code = (
        "import sys; from typer.testing import CliRunner; from sk_digits._cli import app;"
        "result = CliRunner().invoke(app, ['demo', '--help']); assert result.exit_code == 0;"
        "print([m for m in ('torch', 'PIL', 'http.server') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
