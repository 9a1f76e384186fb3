"""``sk-digits search``, as a user runs it."""

import csv
import json
import os
import pty
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from sklearn.model_selection import GridSearchCV
from typer.testing import CliRunner

from sk_digits import DigitANN, load_model, make_digit_pipeline, read_metadata
from sk_digits._cli import app
from sk_digits._cli.data import load_split
from sk_digits._cli.search_results import draw, pareto_front

runner = CliRunner()
OPTIONS = ["search", "--data", "digits", "--epochs", "8", "--cv", "2", "--seed", "1"]
GRID = ["--hidden", "64", "--hidden", "8,8", "--hidden", "16", "--lr", "0.01", "--lr", "0.001"]


def _search(out, *options, n_jobs=1):
    return runner.invoke(app, [*OPTIONS, *options, "--n-jobs", str(n_jobs), "--out", str(out)])


def _rows(out):
    with open(out / "cv_results.csv", newline="") as file:
        return list(csv.DictReader(file))


def _scores(out):
    return [{k: v for k, v in row.items() if "time" not in k} for row in _rows(out)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Search six candidates; give the folder and what was printed."""
    out = tmp_path_factory.mktemp("search") / "made" / "by the search"
    result = _search(out, *GRID)
    assert result.exit_code == 0, result.stderr
    return out, result


def test_each_fit_is_told_and_the_best_come_first(finished):
    """A line a fit on standard error; a table of candidates by accuracy; where everything is."""
    out, result = finished
    line = r"^fit (\d+)/12  \S+  lr \S+, split [01]  accuracy 0\.\d{4}  \d+\.\d s$"
    fits = re.findall(line, result.stderr, re.M)
    assert fits == [str(i + 1) for i in range(12)]
    row = r"^ +(\d) +(\S+)  lr (\S+) +(0\.\d{4}) ± 0\.\d{4} +\d+\.\d ± \d+\.\d +([\d,]+) *$"
    table = re.findall(row, result.stdout, re.M)
    assert [int(rank) for rank, *_ in table] == [1, 2, 3, 4, 5, 6]
    accuracies = [accuracy for *_, accuracy, _ in table]
    assert accuracies == sorted(accuracies, reverse=True)
    n_parameters = {hidden: int(n.replace(",", "")) for _, hidden, _, _, n in table}
    assert n_parameters["64"] == (784 + 2) * 64 + 65 * 10  # batch norm scales and shifts
    for name in ("cv_results.csv", "search.png", "best.skops"):
        assert f"saved {out / name}" in result.stdout
    with Image.open(out / "search.png") as picture:
        assert picture.width > picture.height > 400


def test_results_are_those_of_grid_search(finished):
    """The same candidates, splits, scores, ranks and columns as scikit-learn's own search."""
    rows, split = _rows(finished[0]), load_split("digits")
    grid = {"ann__hidden_layer_sizes": [(64,), (8, 8), (16,)], "ann__lr": [0.01, 0.001]}
    pipeline = make_digit_pipeline(max_epochs=8, random_state=1)
    search = GridSearchCV(pipeline, grid, cv=2, refit=False).fit(split.X_train, split.y_train)
    expected = search.cv_results_
    assert set(rows[0]) == {*expected, "n_parameters"}
    assert [row["params"] for row in rows] == [str(params) for params in expected["params"]]
    for name in expected:
        if "score" in name and "time" not in name:
            assert [float(row[name]) for row in rows] == pytest.approx(list(expected[name]))
    assert all(0 < float(row["mean_fit_time"]) < 60 for row in rows)


def test_the_best_is_trained_on_all_images_and_saved(finished):
    """What is saved is a fit of the first of the table; its file tells how good it is."""
    out, result = finished
    split, rows = load_split("digits"), _rows(out)
    best = next(row for row in rows if row["rank_test_score"] == "1")
    assert best["param_ann__hidden_layer_sizes"] == "(64,)"
    params = {"hidden_layer_sizes": (64,), "lr": float(best["param_ann__lr"])}
    pipeline = make_digit_pipeline(max_epochs=8, random_state=1, **params)
    pipeline.fit(split.X_train, split.y_train)
    loaded = load_model(out / "best.skops")
    assert (loaded.predict_proba(split.X_test) == pipeline.predict_proba(split.X_test)).all()
    told = read_metadata(out / "best.skops")["metadata"]
    assert told["test_accuracy"] == pipeline.score(split.X_test, split.y_test)
    assert told["cv_accuracy"] == float(best["mean_test_score"])
    assert told["n_candidates"] == 6
    assert f"accuracy {told['test_accuracy']:.4f} on 360 unseen images" in result.stdout


def test_a_search_that_was_stopped_goes_on(finished, tmp_path):
    """Ctrl-C keeps what two workers have done; --resume does the rest and gives the same table."""
    command = [sys.executable, "-m", "sk_digits", *OPTIONS, *GRID, "--n-jobs", "2"]
    process = subprocess.Popen(
        [*command, "--out", str(tmp_path / "search")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    for line in process.stderr:
        if line.startswith("fit 3/12"):
            break
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers too
    told = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    journal = tmp_path / "search" / "fits.jsonl"
    kept = journal.read_text().splitlines()
    n_kept = len(kept) - 1
    assert 3 <= n_kept < 12
    last = [line for line in told.splitlines() if not line.startswith("fit ")]
    assert last == [
        f"{n_kept} of 12 fits are kept in {journal.parent}. "
        "The same command with --resume goes on with the others.",
        "sk-digits: stopped",
    ]
    result = _search(journal.parent, *GRID, "--resume")
    assert result.exit_code == 0
    assert f"{n_kept} of 12 fits are there already" in result.stderr
    assert f"fit 1/{12 - n_kept}  " in result.stderr
    assert journal.read_text().splitlines()[: n_kept + 1] == kept
    assert len(journal.read_text().splitlines()) == 13
    assert _scores(journal.parent) == _scores(finished[0])


def test_a_line_cut_off_in_writing_is_a_fit_not_done(tmp_path):
    """A crash in the midst of a line costs that fit alone; further values may join."""
    _search(tmp_path, "--hidden", "4")
    journal = tmp_path / "fits.jsonl"
    whole = journal.read_text()
    journal.write_text(whole[:-20])
    result = _search(tmp_path, "--hidden", "4", "--hidden", "5", "--resume")
    assert result.exit_code == 0
    assert "1 of 4 fits are there already" in result.stderr
    lines = journal.read_text().splitlines()
    assert lines[:2] == whole.splitlines()[:2]
    assert [json.loads(line)["params"] for line in lines[1:]] == [
        {"ann__hidden_layer_sizes": [width]} for width in (4, 4, 5, 5)
    ]
    assert len(_rows(tmp_path)) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "holds a search. Add --resume"),
        (
            ["--resume", "--epochs", "4"],
            "a search with --epochs 8, and this one has --epochs 4",
        ),
        (["--resume", "--out", "nowhere"], "nowhere holds no search to go on with"),
        (["--hidden", "0"], "'0' is not a list of positive widths"),
        (["--lr", "-1"], "--lr -1 is not positive"),
    ],
)
def test_what_cannot_be_is_a_usage_error(finished, options, message):
    """It is said what is wrong, and nothing is changed."""
    out = finished[0]
    before = (out / "fits.jsonl").read_bytes()
    command = [*OPTIONS, *GRID, "--out", str(out), *options]
    result = runner.invoke(app, command)
    assert result.exit_code == 2
    assert message in " ".join(re.sub(r"[│╭╮╰╯─]", " ", result.stderr).split())
    assert (out / "fits.jsonl").read_bytes() == before


@pytest.mark.parametrize("content", ["{}\nnothing\n", "[]\n{}\n", '{"params": 1}\n{"split": 1}\n'])
def test_a_damaged_journal_is_an_error(tmp_path, content):
    """What is no journal is neither believed nor overwritten."""
    (tmp_path / "fits.jsonl").write_text(content)
    result = _search(tmp_path, "--hidden", "4", "--resume")
    assert result.exit_code == 2
    assert "fits.jsonl is damaged" in result.stderr
    assert (tmp_path / "fits.jsonl").read_text() == content


def test_candidates_that_diverge_come_last(tmp_path):
    """They are named, the others are compared, and the exit code tells; none at all is an error."""
    steps = ["--lr", "1e30", "--lr", "0.01"]
    result = _search(tmp_path / "some", "--hidden", "4", *steps)
    assert result.exit_code == 1
    assert "4 lr 1e+30, split 0 failed: Training diverged" in result.stderr
    assert re.search(r"^ +2 +4  lr 1e\+30 +failed *$", result.stdout, re.M)
    assert [row["rank_test_score"] for row in _rows(tmp_path / "some")] == ["2", "1"]
    assert load_model(tmp_path / "some" / "best.skops")["ann"].lr == 0.01
    result = _search(tmp_path / "none", "--hidden", "4", "--lr", "1e30")
    assert result.exit_code == 2
    assert "No candidate could be fitted" in result.stderr


def test_a_network_that_does_not_fit_into_memory_is_a_failed_candidate(tmp_path, monkeypatch):
    """The others are compared, as GridSearchCV does."""
    fit = DigitANN.fit

    def fit_narrow(self, X, y, sample_weight=None):
        if tuple(self.hidden_layer_sizes) == (5,):
            raise RuntimeError("not enough memory")
        return fit(self, X, y, sample_weight)

    monkeypatch.setattr(DigitANN, "fit", fit_narrow)
    result = _search(tmp_path, "--hidden", "4", "--hidden", "5")
    assert result.exit_code == 1
    assert "5, split 1 failed: RuntimeError: not enough memory" in result.stderr
    assert [row["rank_test_score"] for row in _rows(tmp_path)] == ["1", "2"]


def test_quiet_tells_the_result_alone(tmp_path):
    """No progress on standard error."""
    result = _search(tmp_path, "--hidden", "4", "--quiet")
    assert result.exit_code == 0
    assert result.stderr == ""
    assert "hidden layers" in result.stdout


def test_without_matplotlib_only_the_plot_is_missing(tmp_path, monkeypatch):
    """It is said how to have one."""
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    result = _search(tmp_path, "--hidden", "4")
    assert result.exit_code == 0
    assert 'no plot: Displays need matplotlib: pip install "sk-digits[plot]"' in result.stderr
    assert not (tmp_path / "search.png").exists()
    assert (tmp_path / "best.skops").exists()


def test_a_terminal_shows_epochs_of_fits_in_workers(tmp_path):
    """One bar grows by the epoch over all fits, whichever process does them."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "sk_digits", *OPTIONS, "--epochs", "60", "--hidden", "128"]
    process = subprocess.Popen(
        [*command, "--n-jobs", "2", "--out", str(tmp_path)],
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "120"},
    )
    os.close(theirs)
    shown = b""
    with open(ours, "rb", buffering=0) as terminal:
        while chunk := _read(terminal):
            shown += chunk
    assert process.wait(timeout=60) == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    epochs = [int(n) for n in re.findall(r"fit [012]/2 \S+ epoch (\d+)/120", text)]
    assert epochs == sorted(epochs)
    assert epochs[-1] == 120
    assert len({n for n in epochs if n % 60}) > 5
    assert "fit 2/2" in text


def _read(terminal):
    try:
        return terminal.read(4096)
    except OSError:  # Linux says so when the other side is closed
        return b""


def test_pareto_front_is_what_nothing_beats():
    """Against the definition, candidate by candidate, ties included."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        costs, gains = rng.integers(0, 6, size=(2, 12))
        expected = [
            not any(
                (c <= cost and g > gain) or (c < cost and g >= gain)
                for c, g in zip(costs, gains, strict=True)
            )
            for cost, gain in zip(costs, gains, strict=True)
        ]
        assert pareto_front(costs, gains).tolist() == expected


def test_one_candidate_can_be_drawn(tmp_path):
    """A plot of a single point has axes too."""
    results = {
        "params": [{"ann__hidden_layer_sizes": (8,)}],
        "mean_test_score": np.array([0.9]),
        "std_test_score": np.array([0.01]),
        "mean_fit_time": np.array([3.0]),
        "n_parameters": np.array([500]),
    }
    draw(tmp_path / "search.png", results, "one")
    with Image.open(tmp_path / "search.png") as picture:
        assert len(np.unique(np.asarray(picture.convert("L")))) > 10
