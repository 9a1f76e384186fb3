"""Searches on a Dask cluster of two worker processes."""

import os
import re
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import torch
from distributed import Client, LocalCluster, get_worker
from joblib import parallel_config
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback
from typer.testing import CliRunner

from sk_digits import make_digit_pipeline
from sk_digits._cli import app
from sk_digits.cluster import DurableClient

pytestmark = pytest.mark.slow


class Killer(Callback):
    """Kills each worker process once, at the end of the second epoch of its first fit.

    Parameters
    ----------
    folder : str
        Gets a file for each worker that was killed, with the number of its process.
    """

    def __init__(self, folder):
        self.folder = folder

    def on_epoch_end(self, net, **kwargs):
        """Kill this process at the end of the second epoch."""
        victim = Path(self.folder) / f"worker-{get_worker().name}"
        if len(net.history) == 2 and not victim.exists():
            victim.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)


def threads(estimator, X, y):
    """Return the number of torch's threads where the fit ran, as a score."""
    return torch.get_num_threads()


def accuracy(estimator, X, y):
    """Return the accuracy."""
    return accuracy_score(y, estimator.predict(X))


def make_search(**params):
    """Return a search over four candidates with three folds."""
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
    """Return the scores of a search, to the bit."""
    return {k: v.tolist() for k, v in search.cv_results_.items() if "test_" in k}


def two_workers():
    """Start a cluster whose dashboard takes any free port."""
    return LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0")


def processes_of(client):
    """Return pairs of a worker's name and the number of its process."""
    return client.run(lambda dask_worker: (dask_worker.name, os.getpid())).values()


@pytest.fixture(scope="module")
def cluster():
    """Yield a cluster to the tests that leave it with two workers."""
    with two_workers() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def data(digits):
    """Return 600 digits and their labels."""
    return digits[0][:600], digits[1][:600]


@pytest.fixture(scope="module")
def expected(data):
    """Return the scores of the search in two processes of loky."""
    with parallel_config("loky", n_jobs=2):
        return scores(make_search().fit(*data))


@pytest.mark.parametrize("make_client", [Client, DurableClient])
def test_a_search_on_dask_equals_one_on_loky(cluster, data, expected, make_client):
    """Dask's processes find the same scores to the bit, each fit in one thread."""
    with make_client(cluster) as client, parallel_config("dask"):
        search = make_search().fit(*data)
        assert client.dashboard_link.startswith("http://127.0.0.1:")
    assert scores(search) == expected
    assert expected["mean_test_threads"] == [1] * 4
    assert len(set(expected["mean_test_accuracy"])) > 1
    assert max(expected["mean_test_accuracy"]) > 0.6


def test_a_search_survives_the_death_of_every_worker(data, expected, tmp_path):
    """Each worker is killed once during a fit; the scores are the same and no process is left."""
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
    # Python keeps one of these for all processes that it has spawned.
    assert all("resource_tracker" in " ".join(process.cmdline()) for process in started)


def test_durable_data_come_back_from_the_scheduler(cluster):
    """What a DurableClient scatters survives all workers, unless it is a list or broadcast."""
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


def test_the_command_line_searches_on_a_cluster(cluster, tmp_path):
    """``--dask`` finds the same scores, shows the dashboard, and reports a missing scheduler."""
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
