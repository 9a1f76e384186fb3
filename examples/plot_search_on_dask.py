"""
Does a search survive the loss of a worker?
===========================================

This example runs a grid search on a Dask cluster of two processes on this machine; it could be any
number of machines. During the search, one of the two processes is killed. With
:class:`~sk_digits.cluster.DurableClient`, only time is lost.
"""

# %%
# The data is MNIST if it is available, and otherwise the digits bundled with scikit-learn. Worker
# processes that Dask starts from a script import that script, so everything that should run only
# once is below ``if __name__ == "__main__"``. Three of the "scores" only record data for the plot.

import os
import signal
import time
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
    """Return the ID of the process that made the fit."""
    return os.getpid()


def end(estimator, X, y):
    """Return the time at which the fit ended."""
    return time.time()


def seconds(estimator, X, y):
    """Return the duration of the epochs of the fit in seconds."""
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
# Run the search. With the address of a scheduler instead of ``cluster``, it runs on the workers of
# that scheduler. The page at ``dashboard_link`` shows their progress.


def kill_during_search(client, address, pid, killed_at):
    """Kill a worker's process after it has finished one fit and started the next."""
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
        killer = Thread(target=kill_during_search, args=(client, address, victim, killed_at))
        killer.start()
        search.fit(X, y)
        killer.join()
    on_dask = search.cv_results_

# %%
# Run the same search without a cluster.

if __name__ == "__main__":
    alone = search.fit(X, y).cv_results_

# %%
# Each bar is a fit. The fit that the kill interrupted was repeated in another process, where its bar
# is. Dask replaces the killed process by a new one, which takes part as soon as it has imported the
# packages.

if __name__ == "__main__":
    pids, ends, durations = (
        np.concatenate([on_dask[f"split{fold}_test_{name}"] for fold in range(3)])
        for name in ("process", "end", "seconds")
    )
    begin = (ends - durations).min()
    rows = list(dict.fromkeys([victim, *pids[ends.argsort()]]))
    widths = np.tile([params["ann__hidden_layer_sizes"][0] for params in on_dask["params"]], 3)
    figure, ax = plt.subplots(figsize=(6.4, 4.4), layout="constrained")
    for width, color in {32: "#CDE4F3", 64: "#8CC5E8", 128: "#56B4E9", 256: "#0072B2"}.items():
        of_width = widths == width
        places = [rows.index(pid) for pid in pids[of_width]]
        starts = (ends - durations)[of_width] - begin
        style = {"fc": color, "ec": "white", "label": f"{width} units"}
        ax.barh(places, durations[of_width], left=starts, height=0.6, **style)
    moment = killed_at[0] - begin
    ax.plot([moment, moment], [-0.4, 0.4], color="#D55E00", linewidth=4)
    ax.text(moment, 0, "  killed", color="#D55E00", fontweight="bold", va="center")
    ax.set_yticks(range(len(rows)), [f"process {i}" for i in range(1, len(rows) + 1)])
    ax.set(title="A search goes on when a process is killed", xlabel="seconds")
    ax.invert_yaxis()
    ax.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=4, frameon=False)

# %%
# Both searches found bit for bit the same scores.

if __name__ == "__main__":
    same = all(
        np.array_equal(on_dask[f"split{fold}_test_accuracy"], alone[f"split{fold}_test_accuracy"])
        for fold in range(3)
    )
    print("same scores as without a cluster:", same)
