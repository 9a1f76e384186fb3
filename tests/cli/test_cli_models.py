"""Commands on saved models: train --out, evaluate, predict, as a user runs them."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from sk_digits import load_model, make_digit_pipeline, read_metadata, save_model
from sk_digits._cli import app
from sk_digits.datasets import load_digits_28

runner = CliRunner()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Train a small model on the bundled digits through the command line."""
    path = tmp_path_factory.mktemp("model") / "digits.skops"
    options = ["--data", "digits", "--epochs", "12", "--hidden", "128", "--quiet"]
    result = runner.invoke(app, ["train", *options, "--out", str(path)])
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    assert f"saved {path}" in result.stdout
    return path


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Write twenty bundled digits as dark ink on light paper; give the folder and the labels."""
    folder = tmp_path_factory.mktemp("photos")
    X, y = load_digits_28(return_X_y=True)
    for i in range(20):
        digit = Image.fromarray(255 - X[i].reshape(28, 28)).resize((112, 112))
        paper = Image.new("L", (200, 160), 255)
        paper.paste(digit, (40, 24))
        paper.save(folder / f"{i}.png")
    return folder, y[:20].tolist()


def _page(labels_per_line, path):
    """Write bundled digits in lines on one page; give their labels line by line."""
    X, y = load_digits_28(return_X_y=True)
    page, texts, row = Image.new("L", (420, 90 * len(labels_per_line) + 40), 255), [], 0
    for line, n in enumerate(labels_per_line):
        rows = range(row, row + n)
        for column, i in enumerate(rows):
            digit = Image.fromarray(255 - X[i].reshape(28, 28)).resize((56, 56))
            page.paste(digit, (30 + 72 * column, 30 + 90 * line))
        texts.append("".join(map(str, y[rows])))
        row += n
    page.save(path)
    return texts


def test_a_saved_model_says_where_it_comes_from(model):
    """The file tells data, seed and the accuracy on unseen images."""
    told = read_metadata(model)["metadata"]
    assert "bundled digits" in told["data"]
    assert told["seed"] == 0
    assert told["n_test_images"] == 360
    assert 0.85 < told["test_accuracy"] < 1


def test_evaluate_finds_the_accuracy_that_training_reported(model):
    """The same images, the same model, the same figure; JSON says it to programs."""
    command = ["evaluate", str(model), "--data", "digits"]
    accuracy = read_metadata(model)["metadata"]["test_accuracy"]
    text = runner.invoke(app, command)
    assert text.exit_code == 0
    assert f"accuracy {accuracy:.4f} on 360 unseen images" in text.stdout
    report = json.loads(runner.invoke(app, [*command, "--json"]).stdout)
    assert report["accuracy"] == accuracy
    assert np.trace(report["confusion_matrix"]) == round(360 * accuracy)
    assert np.sum(report["confusion_matrix"]) == 360


def test_evaluate_draws_confusions_and_errors(model, tmp_path):
    """--plot saves one picture."""
    path = tmp_path / "report.png"
    result = runner.invoke(app, ["evaluate", str(model), "--data", "digits", "--plot", str(path)])
    assert result.exit_code == 0
    with Image.open(path) as picture:
        assert picture.height > picture.width > 600


def test_predict_reads_photos(model, photos):
    """Dark ink on light paper, one answer an image, in the order given, with probabilities."""
    folder, labels = photos
    files = [str(folder / f"{i}.png") for i in range(20)]
    result = runner.invoke(app, ["predict", str(model), *files, "--json", "--top", "3"])
    assert result.exit_code == 0, result.stderr
    digits = json.loads(result.stdout)
    assert [digit["file"] for digit in digits] == files
    assert sum(digit["label"] == y for digit, y in zip(digits, labels, strict=True)) >= 18
    for digit in digits:
        probabilities = [guess["probability"] for guess in digit["top"]]
        assert len(probabilities) == 3
        assert probabilities == sorted(probabilities, reverse=True)
        assert digit["probability"] == probabilities[0]


def test_a_folder_a_pattern_and_its_files_are_the_same(model, photos):
    """Folders are searched, patterns spread out where no shell has done so."""
    folder, _ = photos
    files = sorted(map(str, folder.iterdir()))
    answers = [
        runner.invoke(app, ["predict", str(model), *images]).stdout
        for images in (files, [str(folder)], [str(folder / "*.png")], [str(folder), files[0]])
    ]
    assert answers[0].count("\n") == 20
    assert len(set(answers)) == 1


def test_labels_may_be_words(photos, tmp_path):
    """Of a column of objects, as OpenML gives them, too."""
    folder, labels = photos
    X, y = load_digits_28(return_X_y=True)
    words = np.array(["no digit", *"123456789"], dtype=object)
    pipeline = make_digit_pipeline(hidden_layer_sizes=(64,), max_epochs=12, random_state=0)
    save_model(pipeline.fit(X, words[y]), tmp_path / "words.skops")
    result = runner.invoke(app, ["predict", str(tmp_path / "words.skops"), str(folder), "--json"])
    assert result.exit_code == 0, result.stderr
    digits = json.loads(result.stdout)
    read = {digit["file"]: digit["label"] for digit in digits}
    right = [read[str(folder / f"{i}.png")] == words[label] for i, label in enumerate(labels)]
    assert sum(right) >= 18


def test_an_image_from_standard_input(model, photos):
    """``-`` reads an image's bytes."""
    folder, _ = photos
    file = folder / "0.png"
    named = runner.invoke(app, ["predict", str(model), str(file)]).stdout
    piped = runner.invoke(app, ["predict", str(model), "-"], input=file.read_bytes()).stdout
    assert piped.split(":")[-1] == named.split(":")[-1]


def test_csv_has_a_row_a_digit(model, photos):
    """CSV has a head and the guesses side by side."""
    folder, _ = photos
    result = runner.invoke(app, ["predict", str(model), str(folder), "--csv", "--top", "2"])
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert len(rows) == 20
    assert [*rows[0]][-4:] == ["label_1", "probability_1", "label_2", "probability_2"]
    assert all(float(row["probability_1"]) >= float(row["probability_2"]) for row in rows)


def test_many_reads_a_page_line_by_line(model, tmp_path):
    """A page of two lines is read in reading order, and each digit has its box."""
    texts = _page([5, 4], tmp_path / "page.png")
    command = ["predict", str(model), str(tmp_path / "page.png"), "--many"]
    result = runner.invoke(app, command)
    assert result.exit_code == 0, result.stderr
    read = [line.split()[0] for line in result.stdout.splitlines()[1:]]
    assert [len(line) for line in read] == [5, 4]
    pairs = list(zip("".join(read), "".join(texts), strict=True))
    assert sum(a == b for a, b in pairs) >= 7
    digits = json.loads(runner.invoke(app, [*command, "--json"]).stdout)
    assert [digit["line"] for digit in digits] == [0] * 5 + [1] * 4
    lefts = [digit["box"][1] for digit in digits]
    assert lefts[:5] == sorted(lefts[:5])


@pytest.mark.parametrize("many", [True, False])
def test_show_draws_the_answers(model, photos, tmp_path, many):
    """--show saves the images with boxes, or as tiles, and their answers."""
    folder, _ = photos
    images = [str(folder)]
    if many:
        _page([3, 2], tmp_path / "page.png")
        images = [str(tmp_path / "page.png"), "--many"]
    path = tmp_path / "answers.png"
    result = runner.invoke(app, ["predict", str(model), *images, "--show", str(path)])
    assert result.exit_code == 0, result.stderr
    with Image.open(path) as picture:
        colours = {colour for _, colour in picture.getcolors(1 << 20)}
    assert colours & {(0, 114, 178), (213, 94, 0)}  # an answer's ink


def test_what_cannot_be_read_is_reported_and_the_rest_goes_on(model, photos, tmp_path):
    """A broken file, a blank image and a missing file: a line each, exit code 1."""
    folder, _ = photos
    broken, blank = tmp_path / "broken.png", tmp_path / "blank.png"
    broken.write_bytes((folder / "1.png").read_bytes()[:100])
    Image.new("L", (100, 100), 255).save(blank)
    files = [str(broken), str(folder / "0.png"), str(blank), str(tmp_path / "none.png")]
    result = runner.invoke(app, ["predict", str(model), *files])
    assert result.exit_code == 1
    assert result.stdout.count("\n") == 1
    assert result.stdout.startswith(files[1])
    lines = result.stderr.splitlines()
    assert [any(name in line for line in lines) for name in files] == [True, False, True, True]
    assert lines[-1] == "sk-digits: 3 of 4 images could not be read"
    assert all(line.startswith("sk-digits: ") for line in lines)


@pytest.mark.parametrize("content", [b"", b"no model", b"PK\x03\x04" + bytes(50)])
def test_what_is_no_model_is_an_error_in_one_line(content, tmp_path):
    """A file that is no model ends in exit code 2; --debug shows where."""
    path = tmp_path / "model.skops"
    path.write_bytes(content)
    result = runner.invoke(app, ["evaluate", str(path)])
    assert result.exit_code == 2
    assert str(path) in result.stderr
    assert result.stderr.count("\n") == 1
    with pytest.raises(ValueError, match="no model"):
        runner.invoke(app, ["evaluate", str(path), "--debug"], catch_exceptions=False)


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        (["predict", "MODEL", "no/*.png"], "No file fits no/*.png"),
        (["predict", "MODEL", "EMPTY"], "holds no images"),
        (["predict", "none.skops", "a.png"], "none.skops: No such file"),
        (["predict", "MODEL", "a.png", "--json", "--csv"], "exclude each other"),
        (["train", "--out", "no/such/folder/m.skops"], "there is no no/such/folder"),
    ],
)
def test_wrong_input_is_exit_code_2(model, tmp_path, command, complaint):
    """Each says what was wrong."""
    places = {"MODEL": str(model), "EMPTY": str(tmp_path)}
    result = runner.invoke(app, [places.get(word, word) for word in command])
    assert result.exit_code == 2
    words = result.stderr.replace("│", " ").split()
    assert complaint in " ".join(words)


def test_a_model_trained_on_8x8_digits_keeps_its_predictions(model):
    """What the command saved is the pipeline."""
    X, y = load_digits_28(return_X_y=True)
    assert load_model(model).score(X, y) > 0.9


def test_ctrl_c_stops_in_one_line_and_writes_no_model(tmp_path):
    """An interrupted training exits with 130 and leaves no file."""
    out = tmp_path / "model.skops"
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


def test_a_killed_training_is_resumed_to_the_same_model(tmp_path):
    """kill -9, then --resume: the same weights as without the kill, and the checkpoint is gone."""
    folder, out = tmp_path / "run", tmp_path / "model.skops"
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
    assert "going on after epoch" in resumed.stderr
    assert list(folder.iterdir()) == []

    whole = runner.invoke(app, ["train", *options, "--out", str(tmp_path / "whole.skops")])
    assert whole.exit_code == 0
    X, _ = load_digits_28(return_X_y=True)
    np.testing.assert_array_equal(
        load_model(out).predict_proba(X), load_model(tmp_path / "whole.skops").predict_proba(X)
    )


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--resume"], "--resume needs --checkpoint"),
        (["--resume", "--checkpoint", "FOLDER"], "holds no training to go on with"),
    ],
)
def test_resuming_nothing_is_a_usage_error(tmp_path, options, complaint):
    """--resume says what it lacks."""
    words = [str(tmp_path) if word == "FOLDER" else word for word in options]
    result = runner.invoke(app, ["train", "--data", "digits", *words])
    assert result.exit_code == 2
    assert complaint in " ".join(result.stderr.replace("│", " ").split())
