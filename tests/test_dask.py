"""Searches on a Dask cluster of two worker processes on this machine."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import torch
from distributed import Client, LocalCluster, get_worker
from joblib import parallel_config
from PIL import Image
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback
from typer.testing import CliRunner

from sk_digits import make_digit_pipeline
from sk_digits._cli import app
from sk_digits.cluster import DurableClient

EXAMPLE = Path(__file__).parents[1] / "examples" / "plot_search_on_dask.py"

WITHOUT_MNIST = """
import runpy, sys
from sk_digits import datasets

def fetch_nothing(**params):
    raise OSError("no MNIST")

datasets.fetch_mnist = fetch_nothing
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class Killer(Callback):
    """Kill each worker process once, between two epochs of its first fit.

    Parameters
    ----------
    folder : str
        Where a file, named after the worker and holding the process's number, says who was killed.
    """

    def __init__(self, folder):
        self.folder = folder

    def on_epoch_end(self, net, **kwargs):
        """Kill this process as the second epoch ends."""
        victim = Path(self.folder) / f"worker-{get_worker().name}"
        if len(net.history) == 2 and not victim.exists():
            victim.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)


def threads(estimator, X, y):
    """Give the threads that torch has where the fit ran, as if it were a score."""
    return torch.get_num_threads()


def accuracy(estimator, X, y):
    """Give the accuracy."""
    return accuracy_score(y, estimator.predict(X))


def make_search(**params):
    """Make a search over four candidates, three folds each."""
    pipeline = make_digit_pipeline(
        hidden_layer_sizes=(16,), max_epochs=3, random_state=0, augmentation=None, **params
    )
    return GridSearchCV(
        pipeline,
        {"ann__hidden_layer_sizes": [(16,), (32,)], "ann__lr": [3e-3, 3e-2]},
        scoring={"accuracy": accuracy, "threads": threads},
        cv=3,
        refit=False,
    )


def scores(search):
    """Give what a search found, bit for bit."""
    return {k: v.tolist() for k, v in search.cv_results_.items() if "test_" in k}


def two_workers():
    """Start a cluster; the dashboard takes any free port."""
    return LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0")


def processes_of(client):
    """Give the process of each worker by the worker's name."""
    return client.run(lambda dask_worker: (dask_worker.name, os.getpid())).values()


@pytest.fixture(scope="module")
def cluster():
    """Give a cluster for those who leave it with two workers."""
    with two_workers() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def data(digits):
    """Give 600 digits."""
    return digits[0][:600], digits[1][:600]


@pytest.fixture(scope="module")
def expected(data):
    """Give what the search finds in two processes of loky."""
    with parallel_config("loky", n_jobs=2):
        return scores(make_search().fit(*data))


@pytest.mark.parametrize("make_client", [Client, DurableClient])
def test_a_search_on_dask_equals_one_on_loky(cluster, data, expected, make_client):
    """Dask's processes give the same scores to the bit, each fit in one thread."""
    with make_client(cluster) as client, parallel_config("dask"):
        search = make_search().fit(*data)
        assert client.dashboard_link.startswith("http://127.0.0.1:")
    assert scores(search) == expected
    assert expected["mean_test_threads"] == [1] * 4
    assert len(set(expected["mean_test_accuracy"])) > 1
    assert max(expected["mean_test_accuracy"]) > 0.6


def test_a_search_survives_the_death_of_every_worker(data, expected, tmp_path):
    """Each worker is killed once in the midst of a fit, with all data on it; none is left over."""
    others = set(psutil.Process().children(recursive=True))
    with two_workers() as cluster, DurableClient(cluster) as client:
        before = dict(processes_of(client))
        with parallel_config("dask"):
            search = make_search(callbacks=[Killer(str(tmp_path))]).fit(*data)
        client.wait_for_workers(2)
        after = dict(processes_of(client))
    killed = {int(f.name[-1]): int(f.read_text()) for f in tmp_path.iterdir()}
    assert killed == before
    assert after.keys() == before.keys()
    assert not set(after.values()) & set(before.values())
    assert scores(search) == expected
    started = set(psutil.Process().children(recursive=True)) - others
    # Python keeps one of these for all that a process ever spawns.
    assert all("resource_tracker" in " ".join(process.cmdline()) for process in started)


def test_durable_data_come_back_from_the_scheduler(cluster):
    """What a durable client gives out is there again after all workers died; the rest is not."""
    large = np.arange(2_000_000.0)  # 16 MB, of which Dask would warn
    with DurableClient(cluster) as client:
        kept, pieces = client.scatter(large), client.scatter(["a", "b"])
        placed = client.scatter(large[:3], broadcast=True)
        np.testing.assert_array_equal(kept.result(), large)
        np.testing.assert_array_equal(placed.result(), [0, 1, 2])
        assert client.gather(pieces) == ["a", "b"]
        for _, pid in processes_of(client):
            psutil.Process(pid).kill()
        np.testing.assert_array_equal(kept.result(), large)
        client.wait_for_workers(2)
        assert placed.cancelled()
        assert all(piece.cancelled() for piece in pieces)


def test_the_example_runs_as_a_script(tmp_path):
    """The gallery's example loses a worker, finds the same as without a cluster, and draws it."""
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_MNIST, EXAMPLE, tmp_path],
        env=os.environ | {"MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert "the same scores as without a cluster: True" in run.stdout
    assert (tmp_path / "search_on_dask.png").stat().st_size > 5_000
    with Image.open(tmp_path / "search_on_dask.png") as picture:
        colours = {colour for _, colour in picture.convert("RGB").getcolors(2**24)}
    fit, kill = (0x56, 0xB4, 0xE9), (0xD5, 0x5E, 0x00)
    assert {fit, kill} <= colours


def test_the_command_line_searches_on_a_cluster(cluster, tmp_path):
    """``--dask`` finds the same scores as without, says where the dashboard is, or that none is."""
    options = ["search", "--data", "digits", "--hidden", "4", "--hidden", "8", "--epochs", "1"]
    options += ["--cv", "2", "--quiet", "--out"]
    runner = CliRunner()
    here = runner.invoke(app, [*options, str(tmp_path / "here")])
    there = runner.invoke(
        app, [*options, str(tmp_path / "there"), "--dask", cluster.scheduler_address]
    )
    assert (here.exit_code, there.exit_code) == (0, 0), there.stderr
    assert re.search(r"Dask's dashboard: http://127\.0\.0\.1:\d+/status", there.stderr)
    columns = ("split0_test_score", "split1_test_score", "param_ann__hidden_layer_sizes")
    tables = [pd.read_csv(tmp_path / name / "cv_results.csv") for name in ("here", "there")]
    pd.testing.assert_frame_equal(*(table[[*columns]] for table in tables))
    nowhere = runner.invoke(app, [*options, str(tmp_path / "x"), "--dask", "tcp://127.0.0.1:1"])
    assert nowhere.exit_code == 2
    assert "--dask tcp://127.0.0.1:1: no Dask scheduler answers there" in nowhere.stderr
