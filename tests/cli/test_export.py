"""``sk-digits export``, as a user runs it."""

import sys

import numpy as np
import onnxruntime
import pytest
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, StandardScaler
from typer.testing import CliRunner

import sk_digits.html
import sk_digits.onnx
from sk_digits import (
    DigitANN,
    DigitImageNormalizer,
    PixelScaler,
    load_model,
    make_digit_pipeline,
    save_model,
)
from sk_digits._cli import app
from sk_digits.datasets import load_digits_28

runner = CliRunner()


def export(model, path, *options):
    """Run the command and return its result."""
    return runner.invoke(app, ["export", "--model", str(model), "--onnx", str(path), *options])


def fit_small(*steps, y=None, **params):
    """Return a small model, fitted to the bundled digits."""
    X, digits = load_digits_28(return_X_y=True)
    ann = DigitANN((32,), **{"max_epochs": 3, "random_state": 0} | params)
    model = make_pipeline(*steps, ann) if steps else ann
    return model.fit(X if steps else X / np.float32(255), digits if y is None else y)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Return the file of a small digit pipeline."""
    path = tmp_path_factory.mktemp("model") / "digits.safetensors"
    X, y = load_digits_28(return_X_y=True)
    save_model(make_digit_pipeline(hidden_layer_sizes=(64,), max_epochs=3).fit(X, y), path)
    return path


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_the_file_predicts_what_the_model_predicts(model, tmp_path, dtype):
    """The command prints what it checked and the file's size, and saves no other file."""
    path = tmp_path / "digits.onnx"
    result = export(model, path, "--dtype", dtype)
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    checked, saved = result.stdout.splitlines()
    assert checked.startswith("checked on 1,000 generated rows: the same labels, probabilities")
    assert saved == f"saved {path} ({path.stat().st_size / 1e6:.1f} MB)"
    assert list(tmp_path.iterdir()) == [path]

    X = load_digits_28().data.astype(dtype)
    labels, probabilities = onnxruntime.InferenceSession(path).run(None, {"X": X})
    classifier = load_model(model)
    np.testing.assert_array_equal(labels, classifier.predict(X))
    np.testing.assert_allclose(probabilities, classifier.predict_proba(X), rtol=0, atol=1e-6)


def test_float32_is_the_default_type_of_rows(model, tmp_path):
    """The default is that of to_onnx."""
    assert export(model, tmp_path / "a.onnx").exit_code == 0
    assert export(model, tmp_path / "b.onnx", "--dtype", "float32").exit_code == 0
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


@pytest.mark.parametrize(
    "steps",
    [
        (),
        (StandardScaler(),),
        (MinMaxScaler(), PCA(20)),
        (make_pipeline(PixelScaler(), MaxAbsScaler()), StandardScaler()),
    ],
)
def test_any_model_is_checked_in_its_own_units(steps, tmp_path):
    """Classifiers alone and behind scikit-learn's scalers, PCA and pipelines pass the check."""
    save_model(fit_small(*steps, batch_norm=True), tmp_path / "model.safetensors")
    result = export(tmp_path / "model.safetensors", tmp_path / "model.onnx")
    assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize("names", [["seven"], ["no", "yes"], [False, True]])
def test_any_labels_are_checked(names, tmp_path):
    """Labels may be one class, two, strings or bools."""
    y = np.array(names)[load_digits_28().target % len(names)]
    save_model(fit_small(PixelScaler(), y=y), tmp_path / "model.safetensors")
    result = export(tmp_path / "model.safetensors", tmp_path / "model.onnx")
    assert result.exit_code == 0, result.stderr


def _export_another(monkeypatch, **params):
    """Make to_onnx convert another model than the given one."""
    right = sk_digits.onnx.to_onnx

    def wrong(model, **kwargs):
        other = fit_small(PixelScaler(), **params)
        return right(other, **kwargs)

    monkeypatch.setattr(sk_digits.onnx, "to_onnx", wrong)


@pytest.mark.parametrize("before", [None, b"old"])
def test_a_file_with_other_predictions_is_not_saved(monkeypatch, tmp_path, before):
    """A mismatch is an error in one line, and an existing file stays as it was."""
    save_model(fit_small(PixelScaler()), tmp_path / "model.safetensors")
    path = tmp_path / "model.onnx"
    if before is not None:
        path.write_bytes(before)
    _export_another(monkeypatch, random_state=1)
    result = export(tmp_path / "model.safetensors", path)
    assert result.exit_code == 2
    assert "The ONNX model differs" in result.stderr
    assert "No file was saved" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""
    files = {
        file.name: file.read_bytes()
        for file in tmp_path.iterdir()
        if file.name != "model.safetensors"
    }
    assert files == ({} if before is None else {"model.onnx": before})


def test_other_labels_alone_are_a_mismatch(monkeypatch, tmp_path):
    """Labels in another order are found although probabilities are equal."""
    digits = load_digits_28().target
    save_model(fit_small(PixelScaler(), y=digits), tmp_path / "model.safetensors")
    _export_another(monkeypatch, y=digits + 1)
    result = export(tmp_path / "model.safetensors", tmp_path / "model.onnx")
    assert result.exit_code == 2
    assert "1000 labels differ" in result.stderr
    assert not (tmp_path / "model.onnx").exists()


def test_weights_that_are_slightly_off_are_a_mismatch(monkeypatch, tmp_path):
    """The check finds a change of 1e-4 in one bias of ten."""
    fitted = fit_small(PixelScaler())
    save_model(fitted, tmp_path / "model.safetensors")
    right = sk_digits.onnx.to_onnx

    def wrong(model, **kwargs):
        model[-1].net_.module_[-1].bias.data[3] += 1e-4
        converted = right(model, **kwargs)
        model[-1].net_.module_[-1].bias.data[3] -= 1e-4
        return converted

    monkeypatch.setattr(sk_digits.onnx, "to_onnx", wrong)
    result = export(tmp_path / "model.safetensors", tmp_path / "model.onnx")
    assert result.exit_code == 2
    assert "The ONNX model differs" in result.stderr


def test_a_reader_of_pictures_is_exported_without_what_finds_the_digit(model, tmp_path):
    """DigitImageNormalizer has no ONNX form: the exported model takes its rows."""
    images = load_digits_28().images[:10]
    steps = [("image", DigitImageNormalizer().fit(images)), *load_model(model).steps]
    save_model(Pipeline(steps), tmp_path / "reader.safetensors")
    result = export(tmp_path / "reader.safetensors", tmp_path / "reader.onnx")
    assert result.exit_code == 0, result.stderr
    assert export(model, tmp_path / "model.onnx").exit_code == 0
    assert (tmp_path / "reader.onnx").read_bytes() == (tmp_path / "model.onnx").read_bytes()


@pytest.mark.parametrize("options", [[], ["--precision", "float32"]])
def test_a_page_is_saved_as_to_html_saves_it(model, tmp_path, options):
    """The command prints the size, and its default precision is that of to_html."""
    path = tmp_path / "page.html"
    result = runner.invoke(app, ["export", "--model", str(model), "--html", str(path), *options])
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"saved {path} ({path.stat().st_size / 1e6:.1f} MB)\n"
    expected = tmp_path / "expected.html"
    precision = options[1] if options else "int8"
    sk_digits.html.to_html(load_model(model), expected, precision=precision)
    assert path.read_bytes() == expected.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            ["--model", "nowhere.safetensors", "--onnx", "FOLDER/digits.onnx"],
            "nowhere.safetensors: No such file",
        ),
        (["--model", "MODEL", "--onnx", "FOLDER/none/digits.onnx"], "there is no"),
        (["--model", "MODEL", "--onnx", "FOLDER"], "is a folder"),
        (["--model", "MODEL"], "Give either --onnx FILE.onnx or --html FILE.html."),
        (
            ["--model", "MODEL", "--onnx", "FOLDER/a.onnx", "--html", "FOLDER/a.html"],
            "Give either --onnx FILE.onnx or --html FILE.html.",
        ),
        (
            ["--model", "MODEL", "--html", "FOLDER/a.html", "--dtype", "uint8"],
            "--dtype is for --onnx",
        ),
        (
            ["--model", "MODEL", "--onnx", "FOLDER/a.onnx", "--precision", "int8"],
            "--precision is for --html",
        ),
        (
            ["--model", "MODEL", "--html", "FOLDER/a.html", "--precision", "int4"],
            "precision must be one of",
        ),
        (["--model", "MODEL", "--html", "FOLDER/a.txt"], "does not end in one of .html, .htm"),
        (
            ["--model", "MODEL", "--onnx", "FOLDER/digits.onnx", "--dtype", "int8"],
            "dtype must be one of",
        ),
    ],
)
def test_wrong_input_is_exit_code_2(model, tmp_path, arguments, complaint):
    """The message says what was wrong, and nothing is written."""
    words = [w.replace("FOLDER", str(tmp_path)).replace("MODEL", str(model)) for w in arguments]
    result = runner.invoke(app, ["export", *words])
    assert result.exit_code == 2
    assert complaint in " ".join(result.stderr.replace("│", " ").split())
    assert list(tmp_path.iterdir()) == []


def test_a_missing_extra_is_an_error(monkeypatch, model, tmp_path):
    """The error is the command that installs it."""
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    for module in ("sk_digits.onnx", "sk_digits.onnx._to_onnx"):
        monkeypatch.delitem(sys.modules, module)
    result = export(model, tmp_path / "digits.onnx")
    assert result.exit_code == 2
    assert 'pip install "sk-digits[onnx]"' in result.stderr
    assert list(tmp_path.iterdir()) == []
