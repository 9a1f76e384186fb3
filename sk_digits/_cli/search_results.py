"""The results of a search: as columns, as a CSV file, as a printed table and as a plot."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_digits.displays._style import BLUE, MUTED, import_pyplot


def describe_params(params: dict[str, Any]) -> str:
    """Return the name of a candidate, such as ``"512,512  lr 0.002"``."""
    widths = ",".join(map(str, params["ann__hidden_layer_sizes"]))
    return f"{widths}  lr {params['ann__lr']:g}" if "ann__lr" in params else widths


def score_fit(pipeline: Any, X: NDArray[Any], y: NDArray[Any]) -> dict[str, float]:
    """Return what a search records of a fit, as a scorer of scikit-learn's."""
    net = pipeline["ann"].net_
    return {
        "score": pipeline.score(X, y),
        # The history of a resumed fit has the seconds of all its epochs; the fit took fewer.
        "fit_seconds": sum(net.history[:, "dur"]),
        "n_parameters": sum(p.numel() for p in net.module_.parameters()),
    }


def tabulate(cv_results: dict[str, Any]) -> dict[str, Any]:
    """Return ``cv_results_`` as if accuracy were the only score, with fit times of the epochs."""
    others = ("fit_seconds", "n_parameters")
    results = {k: v for k, v in cv_results.items() if not k.endswith(others)}
    for statistic in ("mean", "std"):
        results[f"{statistic}_fit_time"] = cv_results[f"{statistic}_test_fit_seconds"]
    n_parameters = np.nan_to_num(cv_results["mean_test_n_parameters"])  # 0 if a fit failed
    return results | {"n_parameters": n_parameters.astype(int)}


def write_csv(path: Path, results: dict[str, Any]) -> None:
    """Write one row for each candidate."""
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(results)
        writer.writerows(zip(*results.values(), strict=True))


def print_table(results: dict[str, Any], n_rows: int = 10) -> None:
    """Print the best candidates with mean ± standard deviation over the folds."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    order = np.argsort(results["rank_test_score"], kind="stable")
    table = Table(box=box.SIMPLE_HEAD, title_justify="left")
    for heading in ["", "hidden layers", "accuracy", "fit seconds", "parameters"]:
        table.add_column(heading, justify="left" if heading == "hidden layers" else "right")
    for i in order[:n_rows]:
        failed = np.isnan(results["mean_test_score"][i])
        table.add_row(
            str(results["rank_test_score"][i]),
            describe_params(results["params"][i]),
            "failed" if failed else _with_sd(results, "test_score", i, 4),
            "" if failed else _with_sd(results, "fit_time", i, 1),
            "" if failed else f"{results['n_parameters'][i]:,}",
            style="bold" if i == order[0] else "",
        )
    console = Console()
    console.print(table)
    if len(order) > n_rows:
        console.print(f"and {len(order) - n_rows} more")


def pareto_front(costs: NDArray[Any], gains: NDArray[Any]) -> Any:
    """Return whether each candidate is on the Pareto front: no other gains more for its cost."""
    cheaper, better = costs[:, None] < costs, gains[:, None] > gains
    as_cheap, as_good = costs[:, None] <= costs, gains[:, None] >= gains
    return ~((as_cheap & better) | (cheaper & as_good)).any(axis=0)


def draw(path: Path, results: dict[str, Any], title: str) -> None:
    """Save accuracy against parameters and against fit seconds, each with its Pareto front."""
    plt = import_pyplot()
    from matplotlib.ticker import EngFormatter, LogLocator

    kept = np.flatnonzero(~np.isnan(results["mean_test_score"]))
    scores, spread = results["mean_test_score"][kept], results["std_test_score"][kept]
    names = [describe_params(results["params"][i]) for i in kept]
    figure, panels = plt.subplots(1, 2, figsize=(9, 4.5), sharey=True, layout="constrained")
    for axes, column, unit in zip(
        panels, ["n_parameters", "mean_fit_time"], ["parameters", "fit seconds"], strict=True
    ):
        costs = results[column][kept]
        on_front = pareto_front(costs, scores)
        front = np.flatnonzero(on_front)[np.argsort(costs[on_front])]
        hollow = {"fmt": "o", "color": MUTED, "markerfacecolor": "white"}
        axes.errorbar(costs, scores, spread, **hollow, label="candidates")
        label = "Pareto front: no other is as accurate at lower cost"
        axes.plot(costs[front], scores[front], "o-", color=BLUE, label=label, zorder=3)
        text = {"textcoords": "offset points", "fontsize": "small", "color": MUTED}
        for name, *point, is_on_front in zip(names, costs, scores, on_front, strict=True):
            offset, side = ((-5, 5), "right") if is_on_front else ((5, -10), "left")
            axes.annotate(name, point, offset, ha=side, **text)
        axes.set(xscale="log", xlabel=unit)
        axes.minorticks_off()
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.margins(x=0.35, y=0.1)
    panels[0].set_ylabel("accuracy, mean ± sd over the folds")
    handles = panels[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=2, frameon=False, fontsize="small")
    figure.suptitle(title, x=0.01, ha="left", fontsize="medium")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _with_sd(results: dict[str, Any], name: str, i: int, digits: int) -> str:
    return f"{results[f'mean_{name}'][i]:.{digits}f} ± {results[f'std_{name}'][i]:.{digits}f}"
