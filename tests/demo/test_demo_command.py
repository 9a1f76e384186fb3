"""The command ``sk-digits demo``: its model, its errors and its end."""

import signal
import subprocess
import sys
import threading
from urllib.parse import urlsplit

import pytest
from numpy.testing import assert_array_equal
from support.demo_client import ask, stroke
from typer.testing import CliRunner

from sk_digits import load_model, make_digit_pipeline, save_model
from sk_digits._cli import app
from sk_digits._demo.answers import labels_of
from sk_digits.datasets import load_digits_28


@pytest.mark.slow
def test_a_taken_port_is_one_line(address, model_file):
    """A port that another program has is told with the way out, and exit code 2."""
    port = str(urlsplit(address).port)
    result = CliRunner().invoke(app, ["demo", str(model_file), "--port", port])
    assert result.exit_code == 2
    assert f"Cannot listen on 127.0.0.1 port {port}" in result.stderr
    assert "--port" in result.stderr


def test_without_a_terminal_a_missing_model_is_an_error():
    """Nobody is asked where nobody can answer: the error says how to make a model."""
    result = CliRunner().invoke(app, ["demo"])
    assert result.exit_code == 2
    assert "sk-digits train --out digits.safetensors" in result.stderr


@pytest.fixture
def served(monkeypatch, tmp_path):
    """Be at a terminal in an empty folder; return the models whose pages would be served."""
    models = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sk_digits._cli.demo._is_interactive", lambda: True)
    monkeypatch.setattr("sk_digits._demo.serve", lambda model, **kwargs: models.append(model))
    return models


@pytest.mark.slow
def test_on_a_terminal_it_offers_to_train(served, tmp_path):
    """Yes trains a model visibly, saves it to the file that it names, and shows the page."""
    result = CliRunner().invoke(app, ["demo", "--data", "digits"], input="y\n")
    assert result.exit_code == 0
    assert "save it to digits.safetensors?" in result.stdout
    assert "epoch 1/" in result.stderr
    X, y = load_digits_28(return_X_y=True)
    saved = load_model(tmp_path / "digits.safetensors")
    assert saved.score(X, y) > 0.95
    (model,) = served
    assert_array_equal(load_model(model).predict_proba(X), saved.predict_proba(X))


def test_no_is_taken_for_an_answer(served, tmp_path):
    """No ends it, with nothing trained and the way to give a model."""
    result = CliRunner().invoke(app, ["demo"], input="n\n")
    assert result.exit_code == 0
    assert "sk-digits demo MODEL" in result.stdout
    assert served == []
    assert list(tmp_path.iterdir()) == []


def test_no_answer_stops_it(served):
    """Ctrl-C or Ctrl-D at the question end it with one line and exit code 130."""
    result = CliRunner().invoke(app, ["demo"], input="")
    assert result.exit_code == 130
    assert result.stderr.strip().splitlines()[-1] == "sk-digits: stopped"
    assert served == []


@pytest.mark.slow
def test_models_of_other_images_are_refused(digits, tmp_path):
    """A model of 8x8 images is no model for the page, and an unfitted one neither."""
    X, y = digits
    small = make_digit_pipeline(hidden_layer_sizes=(8,), max_epochs=1, augmentation=None)
    save_model(small.fit(X, y), tmp_path / "small.safetensors")
    result = CliRunner().invoke(app, ["demo", str(tmp_path / "small.safetensors"), "--port", "0"])
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
    result = CliRunner().invoke(app, ["demo", str(path), "--port", "0"])
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("options", [[], ["--no-browser"]])
def test_it_opens_the_page_in_the_browser(model_file, monkeypatch, opened, options):
    """The address that it prints is opened, unless --no-browser is given."""

    def serve(model, *, host, port, ready):
        ready("http://127.0.0.1:1/token/")

    monkeypatch.setattr("sk_digits._demo.serve", serve)
    result = CliRunner().invoke(app, ["demo", str(model_file), *options])
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
    result = CliRunner().invoke(app, ["demo", str(model_file), "--port", "0"])
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
