"""What came of a search: `tabulate` for programs, `print_table` for people, `draw` for the eye."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from sk_digits._cli._search_fits import Fit, key_of
from sk_digits.displays._style import BLUE, FAINT, INK, MUTED, import_pyplot


def describe_params(params: dict[str, Any]) -> str:
    """Name a candidate: ``"512,512"``, ``"512,512  lr 0.002"``."""
    words = ",".join(map(str, params["ann__hidden_layer_sizes"]))
    return f"{words}  lr {params['ann__lr']:g}" if "ann__lr" in params else words


def tabulate(fits: list[Fit], candidates: list[dict[str, Any]], n_splits: int) -> dict[str, Any]:
    """Give the columns that ``GridSearchCV.cv_results_`` has, and "n_parameters".

    Parameters
    ----------
    fits : list of Fit
        One of each candidate on each split, in any order.
    candidates : list of dict
        Their parameters, in the order of the rows.
    n_splits : int
        Number of splits.
    """
    found = {key_of(fit.params, fit.split): fit for fit in fits}
    rows = [[found[key_of(params, i)] for i in range(n_splits)] for params in candidates]
    columns: dict[str, Any] = {}
    for name, field in [("fit", "fit_seconds"), ("score", "score_seconds")]:
        seconds = np.array([[getattr(fit, field) for fit in row] for row in rows])
        columns |= {f"mean_{name}_time": seconds.mean(1), f"std_{name}_time": seconds.std(1)}
    for name in candidates[0]:
        columns[f"param_{name}"] = [params[name] for params in candidates]
    columns["params"] = candidates
    scores = np.array([[fit.score for fit in row] for row in rows])
    columns |= {f"split{i}_test_score": scores[:, i] for i in range(n_splits)}
    means = scores.mean(1)
    columns |= {"mean_test_score": means, "std_test_score": scores.std(1)}
    # As scikit-learn has it: equals share the better rank, what failed comes last.
    worst_is_low = np.nan_to_num(means, nan=-1.0)
    columns["rank_test_score"] = rankdata(-worst_is_low, method="min").astype(int)
    columns["n_parameters"] = np.array([row[0].n_parameters for row in rows])
    return columns


def write_csv(path: Path, results: dict[str, Any]) -> None:
    """Write a row a candidate."""
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(results)
        writer.writerows(zip(*results.values(), strict=True))


def print_table(results: dict[str, Any], n_rows: int = 10) -> None:
    """Print the best candidates with mean ± standard deviation over the splits."""
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
    """Tell of each candidate whether none gains as much for less, or more for as much."""
    cheaper, better = costs[:, None] < costs, gains[:, None] > gains
    as_cheap, as_good = costs[:, None] <= costs, gains[:, None] >= gains
    return ~((as_cheap & better) | (cheaper & as_good)).any(axis=0)


def draw(path: Path, results: dict[str, Any], title: str) -> None:
    """Save accuracy against parameters and against fit seconds, each with its Pareto front.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    plt = import_pyplot()
    kept = np.flatnonzero(~np.isnan(results["mean_test_score"]))
    scores, spread = results["mean_test_score"][kept], results["std_test_score"][kept]
    names = [describe_params(results["params"][i]) for i in kept]
    figure, panels = plt.subplots(1, 2, figsize=(9, 4.5), sharey=True, layout="constrained")
    for axes, column, unit in zip(
        panels, ["n_parameters", "mean_fit_time"], ["parameters", "seconds of fit"], strict=True
    ):
        costs = results[column][kept]
        on_front = pareto_front(costs, scores)
        axes.errorbar(costs, scores, spread, fmt="none", ecolor=MUTED, alpha=0.4, zorder=1)
        hollow = {"color": MUTED, "markerfacecolor": "white"}
        others = None if on_front.all() else "others"
        axes.plot(costs[~on_front], scores[~on_front], "o", **hollow, label=others)
        front = np.flatnonzero(on_front)[np.argsort(costs[on_front])]
        label = "Pareto front: none is as accurate for less"
        axes.plot(costs[front], scores[front], "o-", color=BLUE, label=label)
        for name, *point, is_on_front in zip(names, costs, scores, on_front, strict=True):
            # Above and before a point that the front rises to, below and behind one under it.
            x, y, ha, va = (-5, 5, "right", "bottom") if is_on_front else (5, -5, "left", "top")
            color = BLUE if is_on_front else MUTED
            text = {"textcoords": "offset points", "fontsize": "small", "color": color}
            axes.annotate(name, point, (x, y), ha=ha, va=va, **text)
        _style_cost_axis(axes, costs)
        axes.set_xlabel(unit, color=INK)
    panels[0].set_ylabel("accuracy, mean ± sd over the splits", color=INK)
    handles = panels[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=2, frameon=False, fontsize="small")
    figure.suptitle(title, x=0.01, ha="left", fontsize="medium", color=INK)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _style_cost_axis(axes: Any, costs: NDArray[Any]) -> None:
    from matplotlib.ticker import EngFormatter, LogLocator

    axes.set_xscale("log")
    axes.minorticks_off()
    is_wide = costs.max() > 20 * costs.min()
    axes.xaxis.set_major_locator(LogLocator(subs=(1,) if is_wide else (1, 2, 3, 5)))
    formatter: Any = EngFormatter(sep="") if costs.min() >= 1000 else "{x:g}"
    axes.xaxis.set_major_formatter(formatter)
    axes.margins(x=0.35, y=0.1)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(MUTED)
    axes.tick_params(colors=MUTED)
    axes.grid(axis="y", color=FAINT, linewidth=0.5)


def _with_sd(results: dict[str, Any], name: str, i: int, digits: int) -> str:
    return f"{results[f'mean_{name}'][i]:.{digits}f} ± {results[f'std_{name}'][i]:.{digits}f}"
