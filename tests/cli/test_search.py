"""``sk-digits search``, as a user runs it."""

import csv
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from distributed import LocalCluster
from PIL import Image
from sklearn.model_selection import GridSearchCV
from typer.testing import CliRunner

from sk_digits import DigitANN, load_model, make_digit_pipeline, read_metadata
from sk_digits._cli import app
from sk_digits._cli.data import load_split
from sk_digits._cli.search_results import draw, pareto_front
from sk_digits.cluster import DurableClient

runner = CliRunner()
OPTIONS = ["search", "--data", "digits", "--epochs", "8", "--cv", "2", "--seed", "1"]
GRID = ["--hidden", "64", "--hidden", "8,8", "--hidden", "16", "--lr", "0.01", "--lr", "0.001"]

# pytest would make an error of the warning, which the command prints.
some_fits_fail = pytest.mark.filterwarnings("default::sklearn.exceptions.FitFailedWarning")


def _search(out, *options, n_jobs=1):
    return runner.invoke(app, [*OPTIONS, *options, "--n-jobs", str(n_jobs), "--out", str(out)])


def _rows(out):
    with open(out / "cv_results.csv", newline="") as file:
        return list(csv.DictReader(file))


def _scores(out):
    return [{k: v for k, v in row.items() if "time" not in k} for row in _rows(out)]


def _words(text):
    return " ".join(re.sub(r"[│╭╮╰╯─]", " ", text).split())


def _files(out):
    return {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}


def _start(out, n_trainings):
    """Start a search by two workers; return its process when it has saved some trainings."""
    command = [sys.executable, "-m", "sk_digits", *OPTIONS, *GRID, "--n-jobs", "2"]
    process = subprocess.Popen(
        [*command, "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while len(list(out.glob("trainings/training-*"))) < n_trainings:
        assert process.poll() is None
        time.sleep(0.01)
    return process


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Search six candidates; return the folder and the result of the command."""
    out = tmp_path_factory.mktemp("search") / "made" / "by the search"
    result = _search(out, *GRID)
    assert result.exit_code == 0, result.stderr
    return out, result


@pytest.fixture(scope="module")
def without_space(tmp_path_factory):
    """Return the folder of a search that ended without space for its plot."""

    def fail(*args):
        raise OSError("no space left")

    out = tmp_path_factory.mktemp("unfinished")
    with pytest.MonkeyPatch.context() as context:
        context.setattr("sk_digits._cli.search_results.draw", fail)
        result = _search(out, "--hidden", "4")
    assert result.exit_code == 2
    assert "no space left" in result.stderr
    return out


@pytest.fixture
def unfinished(without_space, tmp_path):
    """Return a folder of an unfinished search that a test may change."""
    return shutil.copytree(without_space, tmp_path / "search")


def test_each_fit_is_printed_and_the_best_come_first(finished):
    """Standard output has a line per fit, a table of candidates by accuracy, and all files."""
    out, result = finished
    fits = re.findall(r"^\[CV [12]/2\] END .*score: \(test=0\.\d+\)", result.stdout, re.M)
    assert len(fits) == 12
    row = r"^ +(\d) +(\S+)  lr (\S+) +(0\.\d{4}) ± 0\.\d{4} +\d+\.\d ± \d+\.\d +([\d,]+) *$"
    table = re.findall(row, result.stdout, re.M)
    assert [int(rank) for rank, *_ in table] == [1, 2, 3, 4, 5, 6]
    accuracies = [accuracy for *_, accuracy, _ in table]
    assert accuracies == sorted(accuracies, reverse=True)
    n_parameters = {hidden: int(n.replace(",", "")) for _, hidden, _, _, n in table}
    assert n_parameters["64"] == (784 + 2) * 64 + 65 * 10  # batch norm scales and shifts
    for name in ("cv_results.csv", "search.png", "best.safetensors"):
        assert f"saved {out / name}" in result.stdout
    with Image.open(out / "search.png") as picture:
        assert picture.width > picture.height > 400


def test_a_finished_search_leaves_no_trainings(finished):
    """Only results are left of a search in which nothing failed."""
    names = {path.name for path in finished[0].iterdir()}
    assert names == {"cv_results.csv", "search.png", "best.safetensors"}


def test_results_are_those_of_grid_search(finished):
    """Candidates, folds, scores, ranks and columns are those of a GridSearchCV."""
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
    """The saved model is a fit of the best candidate; its metadata have the accuracy."""
    out, result = finished
    split, rows = load_split("digits"), _rows(out)
    best = next(row for row in rows if row["rank_test_score"] == "1")
    assert best["param_ann__hidden_layer_sizes"] == "(64,)"
    params = {"hidden_layer_sizes": (64,), "lr": float(best["param_ann__lr"])}
    pipeline = make_digit_pipeline(max_epochs=8, random_state=1, **params)
    pipeline.fit(split.X_train, split.y_train)
    loaded = load_model(out / "best.safetensors")
    assert (loaded.predict_proba(split.X_test) == pipeline.predict_proba(split.X_test)).all()
    metadata = read_metadata(out / "best.safetensors")["metadata"]
    assert metadata["test_accuracy"] == pipeline.score(split.X_test, split.y_test)
    assert metadata["cv_accuracy"] == float(best["mean_test_score"])
    assert metadata["n_candidates"] == 6
    assert f"accuracy {metadata['test_accuracy']:.4f} on 360 unseen images" in result.stdout


@pytest.mark.slow
def test_a_killed_search_is_resumed_to_the_same_results(finished, tmp_path):
    """kill -9, then --resume: the results are those of a search that was never killed."""
    out = tmp_path / "search"
    process = _start(out, n_trainings=4)
    os.killpg(process.pid, signal.SIGKILL)  # with its workers, as when a machine stops
    process.communicate(timeout=60)
    n_saved = len(list(out.glob("trainings/training-*")))
    assert not (out / "cv_results.csv").exists()
    result = _search(out, *GRID, "--resume")
    assert result.exit_code == 0, result.stderr
    assert f"resuming with {n_saved} saved trainings" in result.stderr
    assert _scores(out) == _scores(finished[0])
    X = load_split("digits").X_test
    models = [load_model(folder / "best.safetensors") for folder in (out, finished[0])]
    np.testing.assert_array_equal(*(model.predict_proba(X) for model in models))


@pytest.mark.slow
def test_ctrl_c_keeps_the_trainings(finished, tmp_path):
    """Ctrl-C says what is saved and how to resume; --resume gives the same results."""
    out = tmp_path / "search"
    process = _start(out, n_trainings=4)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers too
    printed = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    n_saved = len(list(out.glob("trainings/training-*")))
    assert n_saved >= 4
    assert printed.splitlines() == [
        f"{n_saved} trainings, complete or not, are saved in {out / 'trainings'}. "
        "The same command with --resume continues them.",
        "sk-digits: stopped",
    ]
    assert _search(out, *GRID, "--resume").exit_code == 0
    assert _scores(out) == _scores(finished[0])


def test_a_resumed_search_keeps_scores_and_times_of_finished_fits(unfinished):
    """Fits that had ended are not repeated, and new values of --hidden may be added."""
    (before,) = _rows(unfinished)
    result = _search(unfinished, "--hidden", "4", "--hidden", "5", "--resume")
    assert result.exit_code == 0, result.stderr
    assert "resuming with 2 saved trainings" in result.stderr
    after = _rows(unfinished)
    assert [row["params"] for row in after] == [
        str({"ann__hidden_layer_sizes": (width,)}) for width in (4, 5)
    ]
    same = [name for name in before if "score_time" not in name and "rank" not in name]
    assert {name: after[0][name] for name in same} == {name: before[name] for name in same}


@some_fits_fail
def test_a_damaged_training_is_a_failed_candidate(unfinished):
    """The error names the file; once it is deleted, --resume repeats the fit."""
    scores = _scores(unfinished)
    damaged = sorted(unfinished.glob("trainings/training-*"))[0]
    damaged.write_bytes(damaged.read_bytes()[:-50])
    options = ["--hidden", "4", "--hidden", "5", "--resume"]
    result = _search(unfinished, *options)
    assert result.exit_code == 1
    assert f"{str(damaged)!r} is damaged" in result.stderr
    assert "failed candidates: 4. --resume tries them again" in result.stderr
    assert [row["rank_test_score"] for row in _rows(unfinished)] == ["2", "1"]
    damaged.unlink()
    assert _search(unfinished, *options).exit_code == 0
    assert _scores(unfinished)[0] | {"rank_test_score": "1"} == scores[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "holds a search. Add --resume if it is unfinished, or give another --out"),
        (
            ["--resume", "--epochs", "4", "--cv", "3"],
            "a search with --epochs 8, --cv 2, and this one has --epochs 4, --cv 3",
        ),
        (["--resume", "--out", "nowhere"], "nowhere holds no unfinished search to resume"),
        (["--hidden", "0"], "'0' is not a list of positive widths"),
        (["--lr", "-1"], "--lr -1 is not positive"),
    ],
)
def test_wrong_input_changes_nothing(unfinished, options, message):
    """The message says what is wrong, and all files stay as they were."""
    before = _files(unfinished)
    result = runner.invoke(app, [*OPTIONS, "--hidden", "4", "--out", str(unfinished), *options])
    assert result.exit_code == 2
    assert message in _words(result.stderr)
    assert _files(unfinished) == before


def test_results_are_not_overwritten(finished):
    """A folder with results takes no other search, and has none to resume."""
    out = finished[0]
    before = _files(out)
    for options, message in [([], "holds a search"), (["--resume"], "no unfinished search")]:
        result = _search(out, *GRID, *options)
        assert result.exit_code == 2
        assert message in _words(result.stderr)
    assert _files(out) == before


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"nothing", b"\xff", b'{"data": 1}', b"[" * 100_000]
)
def test_damaged_settings_are_an_error(unfinished, content):
    """The error names the file, which is neither believed nor overwritten."""
    path = unfinished / "trainings" / "settings.json"
    path.write_bytes(content)
    result = _search(unfinished, "--hidden", "4", "--resume")
    assert result.exit_code == 2
    assert f"{path} is damaged" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert path.read_bytes() == content


def test_missing_settings_are_an_error(unfinished):
    """The error names the file."""
    path = unfinished / "trainings" / "settings.json"
    path.unlink()
    result = _search(unfinished, "--hidden", "4", "--resume")
    assert result.exit_code == 2
    assert f"{path}: No such file" in result.stderr


def test_without_a_scheduler_nothing_is_written(tmp_path, monkeypatch):
    """--dask with a wrong address leaves no folder that a second try would find."""

    def refuse(*args, **kwargs):
        raise OSError("connection refused")

    monkeypatch.setattr("sk_digits.cluster.DurableClient", refuse)
    result = _search(tmp_path / "search", "--hidden", "4", "--dask", "tcp://127.0.0.1:1")
    assert result.exit_code == 2
    assert "no Dask scheduler answers there (connection refused)" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("is_shared", [True, False])
def test_dask_workers_save_trainings_in_a_shared_folder(tmp_path, monkeypatch, is_shared):
    """If the workers do not see the folder, a warning says that --resume repeats all fits."""
    saved = []
    monkeypatch.setattr(
        "sk_digits._cli.search_results.draw",
        lambda path, *args: saved.extend(path.parent.glob("trainings/training-*")),
    )
    if not is_shared:
        monkeypatch.setattr(DurableClient, "run", lambda self, function: {"elsewhere": False})
    with LocalCluster(n_workers=1, processes=False, dashboard_address=":0") as cluster:
        result = _search(tmp_path, "--hidden", "4", "--dask", cluster.scheduler_address)
    assert result.exit_code == 0, result.stderr
    assert ("warning: the workers do not see" in result.stderr) is not is_shared
    assert len(saved) == (2 if is_shared else 0)


@some_fits_fail
def test_candidates_that_diverge_come_last(tmp_path):
    """They are named, the others are compared, and the exit code is 1."""
    steps = ["--lr", "1e30", "--lr", "0.01"]
    result = _search(tmp_path / "some", "--hidden", "4", *steps)
    assert result.exit_code == 1
    assert "2 fits failed with the following error: ValueError: Training div" in result.stderr
    assert "failed candidates: 4 lr 1e+30. --resume tries them again" in result.stderr
    assert "Traceback" not in result.stderr
    assert all(line.startswith("sk-digits: ") for line in result.stderr.splitlines()[:1])
    assert re.search(r"^ +2 +4  lr 1e\+30 +failed *$", result.stdout, re.M)
    assert [row["rank_test_score"] for row in _rows(tmp_path / "some")] == ["2", "1"]
    assert load_model(tmp_path / "some" / "best.safetensors")["ann"].lr == 0.01


def test_a_search_without_a_trained_candidate_is_an_error(tmp_path):
    """The error is one line with scikit-learn's count of fits and the error of the fits."""
    result = _search(tmp_path, "--hidden", "4", "--lr", "1e30")
    assert result.exit_code == 2
    assert result.stderr.startswith("sk-digits: All the 2 fits failed. 2 fits failed with the ")
    assert "ValueError: Training diverged" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.slow
@some_fits_fail
def test_a_network_that_does_not_fit_into_memory_is_a_failed_candidate(tmp_path, monkeypatch):
    """The others are compared; --resume repeats the fits that failed, and only those."""
    fit = DigitANN.fit

    def fit_narrow(self, X, y, sample_weight=None):
        if tuple(self.hidden_layer_sizes) == (5,):
            raise RuntimeError("not enough memory")
        return fit(self, X, y, sample_weight)

    options = ["--hidden", "4", "--hidden", "5"]
    with monkeypatch.context() as context:
        context.setattr(DigitANN, "fit", fit_narrow)
        result = _search(tmp_path, *options)
    assert result.exit_code == 1
    assert "2 fits failed with the following error: RuntimeError: not enough" in result.stderr
    assert "failed candidates: 5. --resume tries them again" in result.stderr
    before = _rows(tmp_path)
    assert [row["rank_test_score"] for row in before] == ["1", "2"]
    assert before[1]["mean_test_score"] == "nan"
    assert _search(tmp_path, *options, "--resume").exit_code == 0
    after = _rows(tmp_path)
    assert after[0]["mean_fit_time"] == before[0]["mean_fit_time"]
    assert float(after[1]["mean_test_score"]) > 0
    assert not (tmp_path / "trainings").exists()


def test_quiet_prints_the_result_alone(tmp_path):
    """--quiet prints no progress."""
    result = _search(tmp_path, "--hidden", "4", "--quiet")
    assert result.exit_code == 0
    assert result.stderr == ""
    assert "[CV" not in result.stdout
    assert "hidden layers" in result.stdout


def test_without_matplotlib_only_the_plot_is_missing(tmp_path, monkeypatch):
    """A message says how to install it."""
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    result = _search(tmp_path, "--hidden", "4")
    assert result.exit_code == 0
    assert 'no plot: Displays need matplotlib: pip install "sk-digits[plot]"' in result.stderr
    assert not (tmp_path / "search.png").exists()
    assert (tmp_path / "best.safetensors").exists()


@pytest.mark.slow
@pytest.mark.parametrize("n_lines", [25, 6])
def test_a_terminal_shows_progress_bars(tmp_path, n_lines):
    """Bars grow by the epoch where all have room on the terminal, else one grows by the fit."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "sk_digits", *OPTIONS, "--epochs", "30", "--hidden", "64"]
    process = subprocess.Popen(
        [*command, "--n-jobs", "2", "--out", str(tmp_path)],
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "120", "LINES": str(n_lines)},
    )
    os.close(theirs)
    shown = b""
    with open(ours, "rb", buffering=0) as terminal:
        while chunk := _read(terminal):
            shown += chunk
    assert process.wait(timeout=60) == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    percentages = [int(n) for n in re.findall(r"GridSearchCV - search #0 .* (\d+)%", text)]
    assert percentages == sorted(percentages)
    assert percentages[-1] == 100
    assert (len(set(percentages)) > 5) is (n_lines == 25)
    assert ("DigitANN - fit" in text) is (n_lines == 25)


def _read(terminal):
    try:
        return terminal.read(4096)
    except OSError:  # Linux says so when the other side is closed
        return b""


def test_pareto_front_is_what_nothing_beats():
    """The front equals its definition, candidate by candidate, ties included."""
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
    """A plot of a single point has axes."""
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
