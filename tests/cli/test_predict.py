"""``sk-digits predict``, as a user runs it."""

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from typer.testing import CliRunner

from sk_digits import load_model, make_digit_pipeline, save_model
from sk_digits._cli import app
from sk_digits.datasets import load_digits_28

runner = CliRunner()


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Return a folder of twenty bundled digits, dark ink on light paper, and their labels."""
    folder = tmp_path_factory.mktemp("photos")
    X, y = load_digits_28(return_X_y=True)
    for i in range(20):
        digit = Image.fromarray(255 - X[i].reshape(28, 28)).resize((112, 112))
        paper = Image.new("L", (200, 160), 255)
        paper.paste(digit, (40, 24))
        paper.save(folder / f"{i}.png")
    return folder, y[:20].tolist()


def _page(labels_per_line, path):
    """Save a page with lines of bundled digits; return their labels line by line."""
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


def test_a_model_of_the_bundled_digits_says_so(model, photos, tmp_path):
    """One line on standard error says that it misreads photos; a model of other data is silent."""
    image = str(photos[0] / "0.png")
    result = runner.invoke(app, ["predict", "--model", str(model), image])
    assert result.exit_code == 0
    assert result.stderr.startswith("sk-digits: warning: The model was trained on scikit-learn's")
    assert result.stderr.count("\n") == 1
    other = tmp_path / "other.safetensors"
    save_model(load_model(model), other, metadata={"data": "MNIST"})
    assert runner.invoke(app, ["predict", "--model", str(other), image]).stderr == ""


def test_predict_reads_photos(model, photos):
    """Each image of dark ink on light paper has an answer, in the given order."""
    folder, labels = photos
    files = [str(folder / f"{i}.png") for i in range(20)]
    result = runner.invoke(app, ["predict", "--model", str(model), *files, "--json", "--top", "3"])
    assert result.exit_code == 0, result.stderr
    digits = [json.loads(line) for line in result.stdout.splitlines()]
    assert [digit["file"] for digit in digits] == files
    assert sum(digit["label"] == y for digit, y in zip(digits, labels, strict=True)) >= 18
    for digit in digits:
        probabilities = [guess["probability"] for guess in digit["top"]]
        assert len(probabilities) == 3
        assert probabilities == sorted(probabilities, reverse=True)
        assert digit["probability"] == probabilities[0]


@pytest.mark.slow
def test_a_folder_a_pattern_and_its_files_are_the_same(model, photos):
    """Folders are searched, and patterns are expanded where no shell has done so."""
    folder, _ = photos
    files = sorted(map(str, folder.iterdir()))
    answers = [
        runner.invoke(app, ["predict", "--model", str(model), *images]).stdout
        for images in (files, [str(folder)], [str(folder / "*.png")], [str(folder), files[0]])
    ]
    assert answers[0].count("\n") == 20
    assert len(set(answers)) == 1


def test_labels_may_be_words(photos, tmp_path):
    """Labels may be an array of objects, as OpenML has them."""
    folder, labels = photos
    X, y = load_digits_28(return_X_y=True)
    words = np.array(["no digit", *"123456789"], dtype=object)
    pipeline = make_digit_pipeline(hidden_layer_sizes=(64,), max_epochs=12, random_state=0)
    save_model(pipeline.fit(X, words[y]), tmp_path / "words.safetensors")
    result = runner.invoke(
        app, ["predict", "--model", str(tmp_path / "words.safetensors"), str(folder), "--json"]
    )
    assert result.exit_code == 0, result.stderr
    digits = [json.loads(line) for line in result.stdout.splitlines()]
    read = {digit["file"]: digit["label"] for digit in digits}
    right = [read[str(folder / f"{i}.png")] == words[label] for i, label in enumerate(labels)]
    assert sum(right) >= 18


def test_an_image_from_standard_input(model, photos):
    """``-`` reads an image's bytes."""
    folder, _ = photos
    file = folder / "0.png"
    named = runner.invoke(app, ["predict", "--model", str(model), str(file)]).stdout
    piped = runner.invoke(
        app, ["predict", "--model", str(model), "-"], input=file.read_bytes()
    ).stdout
    assert piped.split(":")[-1] == named.split(":")[-1]


def test_csv_has_one_row_per_digit(model, photos):
    """CSV has a header and the guesses side by side."""
    folder, _ = photos
    result = runner.invoke(
        app, ["predict", "--model", str(model), str(folder), "--csv", "--top", "2"]
    )
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert len(rows) == 20
    assert [*rows[0]][-4:] == ["label_1", "probability_1", "label_2", "probability_2"]
    assert all(float(row["probability_1"]) >= float(row["probability_2"]) for row in rows)


def test_many_reads_a_page_line_by_line(model, tmp_path):
    """A page of two lines is read in reading order, and each digit has a box."""
    texts = _page([5, 4], tmp_path / "page.png")
    command = ["predict", "--model", str(model), str(tmp_path / "page.png"), "--many"]
    result = runner.invoke(app, command)
    assert result.exit_code == 0, result.stderr
    read = [line.split()[0] for line in result.stdout.splitlines()[1:]]
    assert [len(line) for line in read] == [5, 4]
    pairs = list(zip("".join(read), "".join(texts), strict=True))
    assert sum(a == b for a, b in pairs) >= 7
    page = json.loads(runner.invoke(app, [*command, "--json"]).stdout)
    assert page["text"].split() == read
    lefts = [[digit["box"][1] for digit in line["digits"]] for line in page["lines"]]
    assert lefts == [sorted(line) for line in lefts]
    assert [len(line) for line in lefts] == [5, 4]


@pytest.mark.parametrize("many", [True, False])
def test_show_draws_the_answers(model, photos, tmp_path, many):
    """--show saves the images with boxes, or as tiles, and their answers."""
    folder, _ = photos
    images = [str(folder)]
    if many:
        _page([3, 2], tmp_path / "page.png")
        images = [str(tmp_path / "page.png"), "--many"]
    path = tmp_path / "answers.png"
    result = runner.invoke(app, ["predict", "--model", str(model), *images, "--show", str(path)])
    assert result.exit_code == 0, result.stderr
    with Image.open(path) as picture:
        colours = {colour for _, colour in picture.getcolors(1 << 20)}
    assert colours & {(0, 114, 178), (213, 94, 0)}  # colours of answers


def test_unreadable_images_are_reported_and_skipped(model, photos, tmp_path):
    """A broken file, a blank image and a missing file are a line each; the exit code is 1."""
    folder, _ = photos
    broken, blank = tmp_path / "broken.png", tmp_path / "blank.png"
    broken.write_bytes((folder / "1.png").read_bytes()[:100])
    Image.new("L", (100, 100), 255).save(blank)
    files = [str(broken), str(folder / "0.png"), str(blank), str(tmp_path / "none.png")]
    result = runner.invoke(app, ["predict", "--model", str(model), *files])
    assert result.exit_code == 1
    assert result.stdout.count("\n") == 1
    assert result.stdout.startswith(files[1])
    lines = result.stderr.splitlines()
    assert [any(name in line for line in lines) for name in files] == [True, False, True, True]
    assert lines[-1] == "sk-digits: 3 of 4 images could not be read"
    assert all(line.startswith("sk-digits: ") for line in lines)


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--json"], ["--csv"], ["--many", "--json"]])
def test_processes_answer_as_one_does(photos, tmp_path, monkeypatch, options):
    """The answers, errors and the picture are in the order of the files."""
    (tmp_path / "broken.png").write_bytes((photos[0] / "1.png").read_bytes()[:100])
    files = [str(path) for path in sorted(photos[0].iterdir())]
    files.insert(12, str(tmp_path / "broken.png"))
    results, pictures = [], []
    for alone in (100, 3):
        monkeypatch.setattr("sk_digits._cli.predict.ALONE", alone)
        show = tmp_path / f"{alone}.png"
        results.append(runner.invoke(app, ["predict", *options, *files, "--show", str(show)]))
        pictures.append(show.read_bytes())
    for result in results:
        assert result.exit_code == 1
        assert "1 of 21 images could not be read" in result.stderr
    assert results[0].stdout == results[1].stdout
    assert results[0].stdout.count("\n") >= 20
    assert results[0].stderr.replace("100.png", "3.png") == results[1].stderr
    assert pictures[0] == pictures[1]


@pytest.fixture(scope="module")
def strange(photos, tmp_path_factory):
    """Return a folder with a digit and a letter, and the digit's label."""
    folder, labels = photos
    target = tmp_path_factory.mktemp("strange")
    (target / "digit.png").write_bytes((folder / "0.png").read_bytes())
    letter = Image.new("L", (200, 160), 255)
    ImageDraw.Draw(letter).text((100, 80), "M", 0, ImageFont.load_default(90), anchor="mm")
    letter.save(target / "letter.png")
    return target, labels[0]


def test_what_is_rejected_is_a_question_mark(strange):
    """The best guess stands in brackets; with --all it is the answer."""
    folder, label = strange
    digit, letter = runner.invoke(app, ["predict", str(folder)]).stdout.splitlines()
    assert digit.startswith(f"{folder / 'digit.png'}: {label} ")
    about = letter.removeprefix(f"{folder / 'letter.png'}: ")
    assert re.fullmatch(r"\? \(\d 0\.\d{4}\)", about)
    every = runner.invoke(app, ["predict", "--all", str(folder)]).stdout.splitlines()
    assert every == [digit, letter.replace("? (", "").removesuffix(")")]


def test_json_and_csv_say_what_is_accepted(strange):
    """The guess is there either way."""
    folder, label = strange
    lines = runner.invoke(app, ["predict", str(folder), "--json"]).stdout.splitlines()
    digit, letter = map(json.loads, lines)
    assert (digit["label"], digit["accepted"], letter["accepted"]) == (label, True, False)
    assert letter["label"] in range(10)
    assert letter["probability"] < 0.5 < digit["probability"]
    rows = csv.DictReader(io.StringIO(runner.invoke(app, ["predict", str(folder), "--csv"]).stdout))
    assert [row["accepted"] for row in rows] == ["1", "0"]


def test_a_page_shows_guesses_for_what_is_rejected(tmp_path):
    """They stand in brackets, in the order of the question marks."""
    page = Image.new("L", (400, 160), 255)
    draw = ImageDraw.Draw(page)
    for left, letter in zip((80, 160, 240), "2MM", strict=True):
        draw.text((left, 80), letter, 0, ImageFont.load_default(70), anchor="mm")
    page.save(tmp_path / "page.png")
    command = ["predict", str(tmp_path / "page.png"), "--many"]
    text = runner.invoke(app, command).stdout.splitlines()[1]
    assert re.fullmatch(
        r"  2 ?\? ?\?  \(lowest probability: 0\.\d{4}; guesses for \?: \d, \d\)", text
    )
    assert "?" not in runner.invoke(app, [*command, "--all"]).stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--max-risk", "0.01", "--all"], "--all and --max-risk exclude each other"),
        (["--max-risk", "1e-7"], "max_risk=1e-07 cannot be kept"),
        (["--max-risk", "2"], "'max_risk' parameter"),
    ],
)
def test_a_risk_that_cannot_be_kept_is_an_error(strange, options, message):
    """The message says which can."""
    result = runner.invoke(app, ["predict", str(strange[0]), *options])
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.replace("│", " ").split())


def test_a_model_that_rejects_nothing_takes_no_risk(model, strange):
    """Nobody is to believe that it was kept. `--all` changes nothing."""
    command = ["predict", "--model", str(model), str(strange[0])]
    result = runner.invoke(app, [*command, "--max-risk", "0.01"])
    assert result.exit_code == 2
    assert "answers everything" in " ".join(result.stderr.replace("│", " ").split())
    assert runner.invoke(app, [*command, "--all"]).stdout == runner.invoke(app, command).stdout


def _copies(photos, folder, n):
    """Return the names of `n` copies of a photo."""
    files = [folder / f"{i:03}.png" for i in range(n)]
    for file in files:
        file.write_bytes((photos[0] / "0.png").read_bytes())
    return list(map(str, files))


def _start(files):
    command = [sys.executable, "-m", "sk_digits", "predict", *files]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, **pipes, start_new_session=True)


@pytest.mark.slow
@pytest.mark.parametrize("n_read", [1, 40])
def test_it_ends_in_silence_when_nobody_reads_on(photos, tmp_path, n_read):
    """As in ``sk-digits predict ... | head -1``, also when processes read."""
    files = _copies(photos, tmp_path, 300)
    with _start(files) as process:
        for file in files[:n_read]:
            assert process.stdout.readline().startswith(file)
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 1


@pytest.mark.slow
@pytest.mark.parametrize("n_read", [1, 40])
def test_ctrl_c_stops_all_processes(photos, tmp_path, n_read):
    """One line says so."""
    files = _copies(photos, tmp_path, 300)
    with _start(files) as process:
        for file in files[:n_read]:
            assert process.stdout.readline().startswith(file)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers too
        assert process.stderr.read() == "sk-digits: stopped\n"
        assert process.wait() == 130
