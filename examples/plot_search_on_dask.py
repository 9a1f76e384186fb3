"""
Does a search survive the loss of a worker?
===========================================

A grid search on a Dask cluster: here two processes on this machine, elsewhere as many machines as
there are. In its midst one of the two is killed. With
:class:`~sk_digits.cluster.DurableClient` nothing is lost but time.

Run as a script with a folder's name, it saves the picture there.
"""

# %%
# The data: MNIST where it is there, else the digits that come with scikit-learn. A process that
# Dask starts from a script imports that script, so whatever should happen only once stands below
# ``if __name__ == "__main__"``. Three of the "scores" are there for the picture alone.

import os
import signal
import sys
import time
from pathlib import Path
from threading import Thread

import matplotlib.pyplot as plt
import numpy as np
from distributed import LocalCluster
from joblib import parallel_config
from sklearn.model_selection import GridSearchCV

from sk_digits import make_digit_pipeline
from sk_digits.cluster import DurableClient
from sk_digits.datasets import fetch_mnist, load_digits_28


def process(estimator, X, y):
    """Score a fit by the number of the process that made it."""
    return os.getpid()


def end(estimator, X, y):
    """Score a fit by the time of its end."""
    return time.time()


def seconds(estimator, X, y):
    """Score a fit by the seconds of its epochs."""
    return sum(estimator["ann"].net_.history[:, "dur"])


if __name__ == "__main__":
    try:
        X, y = (rows[:5_000] for rows in fetch_mnist(return_X_y=True))
    except OSError:
        X, y = load_digits_28(return_X_y=True)
    search = GridSearchCV(
        make_digit_pipeline(max_epochs=4, random_state=0),
        {"ann__hidden_layer_sizes": [(32,), (64,), (128,), (256,)]},
        scoring={"accuracy": "accuracy", "process": process, "end": end, "seconds": seconds},
        cv=3,
        refit=False,
    )

# %%
# The search. With the address of a scheduler in the place of ``cluster`` it runs on that
# scheduler's workers, and the page at ``dashboard_link`` shows their work as it goes on.


def kill_in_the_midst(client, address, pid, killed_at):
    """Kill a worker's process once it has made a fit, and is at the next."""
    while not any(
        task["worker"] == address and "fit_and_score" in task["key"]
        for task in client.get_task_stream()
    ):
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    killed_at.append(time.time())


if __name__ == "__main__":
    killed_at = []
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        DurableClient(cluster) as client,
        parallel_config("dask"),
    ):
        print("dashboard:", client.dashboard_link)
        address, victim = client.run(os.getpid).popitem()
        killer = Thread(target=kill_in_the_midst, args=(client, address, victim, killed_at))
        killer.start()
        search.fit(X, y)
        killer.join()
    on_dask = search.cv_results_

# %%
# The same search without a cluster.

if __name__ == "__main__":
    alone = search.fit(X, y).cv_results_

# %%
# Each bar is a fit. The one that the killed process was at is not among them: it was begun anew
# elsewhere. Dask starts another process in the place of the killed one, which takes part as soon as
# it has its imports.

if __name__ == "__main__":
    pids, ends, durations = (
        np.concatenate([on_dask[f"split{fold}_test_{name}"] for fold in range(3)])
        for name in ("process", "end", "seconds")
    )
    begin = (ends - durations).min()
    rows = list(dict.fromkeys([victim, *pids[ends.argsort()]]))
    figure, ax = plt.subplots(figsize=(6.4, 2.6), layout="constrained")
    places = [rows.index(pid) for pid in pids]
    ax.barh(places, durations, left=ends - durations - begin, fc="#56B4E9", ec="black")
    ax.plot(killed_at[0] - begin, 0, "X", color="#D55E00", markersize=12)
    ax.set_yticks(range(len(rows)), ["killed", *[f"process {i}" for i in range(1, len(rows))]])
    ax.set(xlabel="seconds")
    ax.invert_yaxis()

# %%
# Both searches found the same, to the last bit.

if __name__ == "__main__":
    same = all(
        np.array_equal(on_dask[f"split{fold}_test_accuracy"], alone[f"split{fold}_test_accuracy"])
        for fold in range(3)
    )
    print("the same scores as without a cluster:", same)
    if len(sys.argv) == 2 and Path(sys.argv[1]).is_dir():
        figure.savefig(Path(sys.argv[1]) / "search_on_dask.png", dpi=100)
