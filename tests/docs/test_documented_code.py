"""Python code in README and the docs that is not a doctest does what the text says."""

import re
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import onnxruntime
import pytest
import torch
from numpy.testing import assert_array_equal
from PIL import Image
from support.classifiers import TINY

from sk_digits import load_model, make_digit_pipeline, save_model

ROOT = Path(__file__).parents[2]


def blocks(page):
    """Return the blocks of Python code of a page that are not doctests."""
    found = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), flags=re.DOTALL)
    return [block for block in found if ">>>" not in block]


def shorten(code, replacements):
    """Replace each key, which must occur once, by its value."""
    for long, short in replacements.items():
        assert code.count(long) == 1
        code = code.replace(long, short)
    return code


@pytest.fixture(scope="module")
def drawn_pipeline(digits_28):
    """Return a pipeline that is fitted to the bundled digits, and these."""
    X, y = digits_28
    return make_digit_pipeline(**TINY | {"hidden_layer_sizes": (32,)}).fit(X, y), X, y


def test_all_code_is_tested_here():
    """Each page with such code has a test below; only Ray and heavy libraries are not run."""
    pages = ["README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]
    numbers = {page: len(blocks(page)) for page in pages if blocks(page)}
    assert numbers == {
        "README.md": 4,
        "docs/cluster.md": 7,
        "docs/html.md": 1,
        "docs/onnx.md": 3,
        "docs/other_libraries.md": 8,
        "docs/searching.md": 9,
    }


def test_readme_reads_pictures(drawn_pipeline, tmp_path, monkeypatch, capsys):
    """The trained reader reads a 3, a 7 and a page."""
    _, X, y = drawn_pipeline
    monkeypatch.chdir(tmp_path)
    pictures = {}
    for name, digit in [("three.jpg", 3), ("seven.png", 7)]:
        pixels = 255 - X[y == digit][0].reshape(28, 28).astype(np.uint8)
        pictures[name] = np.asarray(Image.fromarray(pixels).resize((280, 280)))
        Image.fromarray(pictures[name]).save(name)
    Image.fromarray(np.hstack([*pictures.values()])).save("form.jpg")
    code, labels = blocks("README.md")[0], []
    code = shorten(code, {"load_reader().predict": "labels[:] = load_reader().predict"})
    exec(code, {"labels": labels})
    assert labels == [3, 7]
    assert capsys.readouterr().out == "37\n"


def test_readme_keeps_a_model_and_rejects(drawn_pipeline, tmp_path, monkeypatch):
    """A saved pipeline predicts the same; a selective one rejects what it is not sure of."""
    pipeline, X, y = drawn_pipeline
    monkeypatch.chdir(tmp_path)
    names = {"pipeline": pipeline, "X_train": X, "y_train": y, "X_test": X[:200]}
    exec(blocks("README.md")[1], names)
    assert_array_equal(
        load_model("digits.safetensors").predict_proba(X[:9]), pipeline.predict_proba(X[:9])
    )
    exec(blocks("README.md")[2].replace("0.01", "0.05"), names)
    labels = names["model"].predict(X)
    assert -1 in labels
    assert (labels == y)[labels >= 0].mean() > 0.95


def test_readme_searches_and_cross_validates(mnist_home, capsys):
    """README's grid search and cross-validation reach accuracies far above chance on MNIST."""
    names: dict = {}
    exec(shorten(blocks("README.md")[3], {"max_epochs=60": "max_epochs=1"}), names)
    assert set(names["search"].best_params_) == {"ann__hidden_layer_sizes"}
    assert names["search"].score(names["X"][10_000:], names["y"][10_000:]) > 0.85
    assert names["scores"].shape == (3,)
    assert names["scores"].min() > 0.85
    assert "ann__hidden_layer_sizes" in capsys.readouterr().out


@pytest.mark.slow
def test_searches(capsys):
    """The searches in docs/searching.md run, with shorter trainings."""
    code = shorten(
        "\n".join(blocks("docs/searching.md")),
        {"max_epochs=30": "max_epochs=3", "=8,": "=1,", "=32,": "=4,"},
    )
    names: dict = {}
    exec(code, names)
    shown = "".join(capsys.readouterr())  # commands tested before may have set rich to stderr
    assert "DigitANN - fit #1" in shown
    assert len(names["by_epoch"]) == 3 * (2 * 2 + 1)
    assert names["curve"].test_scores.shape == (3, 2)
    assert [tick.get_text() for tick in names["ax"].get_xticklabels()] == ["(32,)", "(64,)"]
    plt.close("all")
    assert names["halving"].n_resources_ == [1, 2, 4]
    assert 0 < names["random_search"].best_params_["ann__augmentation__rotation"] < 30


@pytest.mark.slow
def test_a_search_on_a_cluster(tmp_path):
    """The script runs as a program, shows the dashboard's address, and checks the versions."""
    script, versions, *_ = blocks("docs/cluster.md")
    fit = "search.fit(X, y)\n"
    shorter = {
        "import fetch_mnist": "import load_digits_28 as fetch_mnist",
        "(random_state=0)": "(random_state=0, max_epochs=1)",
        "(512,), (512, 512)": "(64,)",
        fit: f"{fit}        print(search.best_score_)\n        {versions}",
    }
    path = tmp_path / "search.py"
    path.write_text(shorten(script, shorter))
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, check=True)
    dashboard, score = done.stdout.split()
    assert dashboard.startswith("http://127.0.0.1:")
    assert float(score) > 0.3
    assert "Mismatched versions" not in done.stderr


def test_chunks(drawn_pipeline):
    """The loop over chunks in docs/cluster.md learns the digits."""
    _, X, y = drawn_pipeline
    names = {
        "rows": X,
        "n_passes": 4,
        "n_chunks": 3,
        "chunks": lambda: zip(np.array_split(X, 3), np.array_split(y, 3), strict=True),
    }
    exec(blocks("docs/cluster.md")[3], names)
    assert names["step"] == 12
    assert names["ann"].score(names["scaler"].transform(X), y) > 0.9


def test_weights_go_to_plain_torch_and_come_back(tmp_path):
    """Weights go to a plain module, are trained there, and come back."""
    leave, train, come_back = blocks("docs/cluster.md")[4:]
    names: dict = {}

    def logits():
        images = torch.from_numpy(names["scaler"].transform(names["X"]))
        with torch.no_grad():
            return names["model"](images).numpy()

    exec(leave, names)
    names["model"].eval()
    pipeline, X, y = (names[name] for name in ("pipeline", "X", "y"))
    fitted = pipeline.decision_function(X)
    np.testing.assert_allclose(logits(), fitted, rtol=1e-4, atol=1e-4)

    torch.manual_seed(0)
    exec(train, names)
    trained = logits()
    assert abs(trained - fitted).max() > 0.01

    exec(come_back, names)
    np.testing.assert_allclose(pipeline.decision_function(X), trained, rtol=1e-4, atol=1e-4)
    assert pipeline.score(X, y) > 0.5
    save_model(pipeline, tmp_path / "model.safetensors")
    loaded = load_model(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict_proba(X), pipeline.predict_proba(X))


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of other libraries
def test_other_libraries():
    """Optuna prunes, imbalanced-learn and MAPIE read digits; the other libraries are not run."""
    names: dict = {}
    for block in blocks("docs/other_libraries.md")[:4]:
        exec(block, names)
    states = {trial.state.name for trial in names["study"].trials}
    assert states == {"COMPLETE", "PRUNED"}
    assert names["study"].best_value > 0.8
    assert names["balanced"].score(names["X_test"], names["y_test"]) > 0.9
    assert (names["labels"] == names["pipeline"].predict(names["X_test"][225:])).all()
    assert 0.85 < names["covered"] <= 1


def test_html(tmp_path, monkeypatch):
    """The page of docs/html.md is as large as its table says."""
    monkeypatch.chdir(tmp_path)
    exec(blocks("docs/html.md")[0], {})
    assert (tmp_path / "reader.html").stat().st_size / 1e6 == pytest.approx(4.4, abs=0.05)


def test_onnx(drawn_pipeline, tmp_path, monkeypatch):
    """The ONNX files of docs/onnx.md predict the labels of the pipeline."""
    export, use, convert = blocks("docs/onnx.md")
    pipeline, X, _ = drawn_pipeline
    monkeypatch.chdir(tmp_path)
    save_model(pipeline, "digits.safetensors")
    rows = X.astype(np.uint8)
    names = {"rows": rows, "pipeline": pipeline, "X": rows}
    exec(export + use, names)
    np.testing.assert_array_equal(names["labels"], pipeline.predict(rows))
    exec(convert, names)
    session = onnxruntime.InferenceSession(names["model"].SerializeToString())
    np.testing.assert_array_equal(session.run(["label"], {"X": rows})[0], pipeline.predict(rows))
