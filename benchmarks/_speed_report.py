"""How bench_speed.py reports its measurements: targets, picture and machine."""

from __future__ import annotations

import itertools
import math
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from _contenders import HAS_AMX, HAS_BFLOAT16_UNITS
from threadpoolctl import threadpool_info

PEERS = ("torch loop", "skorch", "MLPClassifier", "Keras")
# Okabe and Ito's colours, which colour-blind people tell apart
COLOURS = dict(zip(PEERS, ("#0072B2", "#D55E00", "#009E73", "#AA4499"), strict=True))
MARKERS = dict(zip(PEERS, "osD^", strict=True))
INK = "#333333"
EDGE = 0.3  # from the first and last point to the sides of a panel
LABEL_GAP = 0.075  # between the middles of two labels, as a fraction of an axis


def show(value: dict[str, float]) -> str:
    """Return a ratio and its interval as text."""
    return f"{value['median']:.2f} [{value['low']:.2f}, {value['high']:.2f}]"


def describe_environment(device: str, data_source: str) -> dict[str, Any]:
    """Return what the numbers depend on: machine, threads and versions."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    versions = {"python": platform.python_version()}
    for package in ("sk-digits", "torch", "scikit-learn", "skorch", "keras", "numpy", "scipy"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    pools = {Path(pool["filepath"]).name: pool["num_threads"] for pool in threadpool_info()}
    return {
        "processor": names[0] if names else platform.processor(),
        "n_processors": os.cpu_count(),
        "amx": HAS_AMX,
        "bfloat16_units": HAS_BFLOAT16_UNITS,
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "threads": {"torch": torch.get_num_threads()} | pools,
        "platform": platform.platform(),
        "versions": versions,
        "data": data_source,
    }


Measured = tuple[dict[str, float], str]  # a ratio with its interval, and where it was measured


def _worst(candidates: list[Measured]) -> Measured | None:
    return max(candidates, key=lambda candidate: candidate[0]["median"], default=None)


def _name(fit: dict[str, Any]) -> str:
    return f"{tuple(fit['hidden'])} batch {fit['batch_size']}"


def _fit_ratios(
    results: dict[str, Any], precision: str, contender: str, shape: str | None = None
) -> list[Measured]:
    """Return DigitANN's ratios to a contender, at all shapes or at one."""
    return [
        (fit["contenders"][contender]["ratios"][precision], _name(fit))
        for fit in results.get("fit", [])
        if shape in (None, _name(fit))
        and precision in fit["contenders"].get(contender, {"ratios": ()})["ratios"]
    ]


def _auto_ratios(results: dict[str, Any]) -> list[Measured]:
    """Return the ratios of "auto" to the faster precision at each shape."""
    collected = []
    for fit in results.get("fit", []):
        rows = [fit["contenders"].get(f"DigitANN {p}") for p in ("float32", "bfloat16")]
        better = min(filter(None, rows), key=lambda row: row["seconds_per_epoch"])
        collected.append((better["ratios"]["auto"], _name(fit)))
    return collected


def _product_ratios(results: dict[str, Any]) -> list[Measured]:
    """Return the ratios of DigitANN's fits to their matrix products alone, in float32."""
    return [
        (fit["contenders"]["DigitANN float32"]["over_products"], _name(fit))
        for fit in results.get("fit", [])
    ]


def _predict_ratios(results: dict[str, Any], kind: str, peers: tuple[str, ...]) -> list[Measured]:
    return [
        (row[kind]["ratio"], f"{row['contender']} {tuple(row['hidden'])}")
        for row in results.get("predict", [])
        if row["contender"].startswith(peers)
    ]


def print_targets(results: dict[str, Any]) -> None:
    """Print a line for each target; of several measurements the worst counts."""
    small, large = "(256, 128) batch 128", "(1024, 1024) batch 512"

    def to_loop(*hidden: str) -> list[Measured]:
        shapes = [f"{widths} batch 128" for widths in hidden]
        ratios = [_fit_ratios(results, "float32", "torch loop float32", shape) for shape in shapes]
        return list(itertools.chain.from_iterable(ratios))

    extra = results.get("augmentation", {}).get("extra_percent", {})
    targets: list[tuple[str, float, list[Measured]]] = [
        ("fit / matrix products, float32", 1.4, _product_ratios(results)),
        ("fit / torch loop, float32", 1.0, _fit_ratios(results, "float32", "torch loop float32")),
        ("fit / torch loop, narrow layers", 0.75, to_loop("(128,)", "(256, 128)")),
        ("fit / torch loop, wide layers", 0.9, to_loop("(512, 512)", "(1024, 1024)")),
        (
            "fit / torch loop, bfloat16",
            1.0,
            _fit_ratios(results, "bfloat16", "torch loop bfloat16"),
        ),
        ("fit / skorch", 0.45, _fit_ratios(results, "float32", "skorch", small)),
        ("fit / MLPClassifier", 0.50, _fit_ratios(results, "float32", "MLPClassifier", small)),
        (
            "fit, bfloat16 / float32",
            0.5,
            _fit_ratios(results, "bfloat16", "DigitANN float32", large),
        ),
        ("fit, auto / better precision", 1.05, _auto_ratios(results)),
        (
            "fit, augmented / plain",
            1.2,
            [
                ({name: 1 + x / 100 for name, x in value.items()}, precision)
                for precision, value in extra.items()
            ],
        ),
        ("predict many rows / each peer", 1.0, _predict_ratios(results, "many", PEERS)),
        (
            "predict one row / MLPClassifier",
            1.0,
            _predict_ratios(results, "one", ("MLPClassifier",)),
        ),
    ]
    print("\nTARGETS: of several measurements the worst, and how many reach it")
    for name, bound, measured in targets:
        print(f"{name:<32} <= {bound:.2f}: {_verdict(bound, measured)}")
    if "growth" in results:
        exponent = results["growth"]["exponent"]
        verdict = "reached" if exponent <= 1.05 else f"missed by {exponent - 1.05:.3f}"
        print(f"{'growth of fit with rows, exponent':<32} <= 1.05: {exponent:.3f}, {verdict}")
    if not HAS_AMX:
        print("bfloat16 / float32 is claimed only for processors with AMX; this one has none.")


def _verdict(bound: float, measured: list[Measured]) -> str:
    worst = _worst(measured)
    if worst is None:
        return "not measured"
    value, where = worst
    reached = sum(ratio["median"] <= bound for ratio, _ in measured)
    missed = f"missed by {100 * (value['median'] / bound - 1):.1f} %"
    verdict = "reached" if reached == len(measured) else missed
    return f"{show(value)} at {where}, {verdict} ({reached} of {len(measured)})"


def plot_fit(results: dict[str, Any], path: Path) -> None:
    """Draw each peer's seconds over DigitANN's: a row for a precision, a column for a batch."""
    from matplotlib.figure import Figure

    fits = results["fit"]
    hidden = sorted({tuple(fit["hidden"]) for fit in fits})
    batches = sorted({fit["batch_size"] for fit in fits})
    precisions = ["float32", "bfloat16"] if HAS_BFLOAT16_UNITS else ["float32"]
    width, height = 2.1 + 3.3 * len(batches), 1.75 + 2.6 * len(precisions)
    figure = Figure(figsize=(width, height))
    axes = figure.subplots(
        len(precisions), len(batches), sharex=True, sharey=True, squeeze=False,
        gridspec_kw={
            "left": 0.55 / width, "right": 1 - 1.55 / width, "wspace": 0.07,
            "bottom": 0.85 / height, "top": 1 - 0.9 / height, "hspace": 0.2,
        },
    )  # fmt: skip
    _style_axes(axes[0, 0], hidden, fits, precisions)
    for row, precision in zip(axes, precisions, strict=True):
        for axis, batch in zip(row, batches, strict=True):
            chosen = {tuple(fit["hidden"]): fit for fit in fits if fit["batch_size"] == batch}
            ends = _draw_panel(axis, [chosen.get(widths) for widths in hidden], precision)
            axis.set_title(f"{precision}, batch {batch}", loc="left", fontsize=10, color=INK)
        _label_ends(axis, ends)
    _caption(figure, results, height)
    figure.savefig(path, dpi=200)


def _peer_ratios(fit: dict[str, Any], peer: str, precision: str) -> dict[str, float] | None:
    """Return a peer's seconds over DigitANN's, in the same precision if the peer has it."""
    name = f"{peer} {precision}" if peer == "torch loop" else peer
    if name not in fit["contenders"]:
        return None
    mine = fit["contenders"][name]["ratios"][precision]
    return {"median": 1 / mine["median"], "low": 1 / mine["high"], "high": 1 / mine["low"]}


def _style_axes(
    axis: Any, hidden: list[tuple[int, ...]], fits: list[dict[str, Any]], precisions: list[str]
) -> None:
    """Set the scales, which all panels share."""
    ratios = [_peer_ratios(fit, peer, p) for fit in fits for peer in PEERS for p in precisions]
    low = min([0.75, *(r["low"] / 1.1 for r in ratios if r)])
    high = max([2.2, *(r["high"] * 1.1 for r in ratios if r)])
    ticks = [t * 10**e for e in (-2, -1, 0, 1, 2) for t in (1, 2, 3, 5) if low <= t * 10**e <= high]
    axis.set_yscale("log")
    axis.set_ylim(low, high)
    axis.set_yticks(ticks, [f"{tick:g} x" for tick in ticks])
    axis.set_yticks([], minor=True)
    axis.set_xlim(-EDGE, len(hidden) - 1 + EDGE)
    axis.set_xticks(range(len(hidden)), [", ".join(map(str, widths)) for widths in hidden])


def _draw_panel(axis: Any, fits: list[dict[str, Any] | None], precision: str) -> dict[str, float]:
    """Draw a line for each peer, and DigitANN's at 1; return the height at which each ends."""
    axis.grid(axis="y", color="#E4E4E4", linewidth=0.8)
    axis.set_axisbelow(True)
    axis.tick_params(length=0, labelsize=9, labelcolor=INK)
    for spine in axis.spines.values():
        spine.set_visible(False)
    axis.axhline(1, color=INK, linewidth=1.6)
    ends = {"DigitANN": 1.0}
    for peer in PEERS:
        found = [(x, _peer_ratios(fit, peer, precision)) for x, fit in enumerate(fits) if fit]
        points = [(x, r["median"], r["low"], r["high"]) for x, r in found if r]
        if not points:
            continue
        x, median, low, high = zip(*points, strict=True)
        axis.vlines(x, low, high, color=COLOURS[peer], linewidth=1.2, alpha=0.6)
        style = "--" if precision == "bfloat16" and peer != "torch loop" else "-"
        axis.plot(
            x, median, style, marker=MARKERS[peer], color=COLOURS[peer], linewidth=1.5,
            markersize=6, markeredgecolor="white", markeredgewidth=0.8,
        )  # fmt: skip
        ends[peer] = median[-1]
    return ends


def _label_ends(axis: Any, ends: dict[str, float]) -> None:
    """Write the names beside the ends of the lines, and move overlapping ones apart."""
    low, high = axis.get_ylim()
    names = sorted(ends, key=ends.__getitem__)
    places = [math.log(ends[name] / low) / math.log(high / low) for name in names]  # on the axis
    for _ in range(100):
        for i, (below, above) in enumerate(itertools.pairwise(places)):
            overlap = max(0.0, LABEL_GAP - (above - below))
            places[i : i + 2] = [below - overlap / 2, above + overlap / 2]
    right = axis.get_xlim()[1]
    for name, place in zip(names, places, strict=True):
        colour = COLOURS.get(name, INK)
        axis.annotate(
            {"torch loop": "hand-written loop"}.get(name, name),
            (right if name == "DigitANN" else right - EDGE, ends[name]),
            xytext=(1.045, place), textcoords="axes fraction", va="center", fontsize=9.5,
            color=colour, fontweight="bold" if name == "DigitANN" else "normal", zorder=0,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.7, "relpos": (0, 0.5),
                        "shrinkA": 0, "shrinkB": 0},
        )  # fmt: skip


def _caption(figure: Any, results: dict[str, Any], height: float) -> None:
    environment, settings = results["environment"], results["settings"]
    left = 0.01
    figure.text(left, 1 - 0.3 / height, "Seconds of a fit relative to DigitANN's", fontsize=13,
                fontweight="bold", color=INK)  # fmt: skip
    subtitle = "by the widths of the hidden layers; above 1 is slower than DigitANN"
    figure.text(left, 1 - 0.52 / height, subtitle, fontsize=9.5, color=INK)
    notes = (
        f"{settings['n_rows']:,} rows, {settings['epochs']} epochs, {settings['rounds']} rounds; "
        f"median of paired ratios with 95 % interval. {environment['processor']}, "
        f"{environment['threads']['torch']} threads."
    )
    if HAS_BFLOAT16_UNITS:
        notes += "\nDashed: the peer computes in float32, DigitANN in bfloat16."
    figure.text(left, 0.12 / height, notes, fontsize=8, color="#666666", linespacing=1.5)
