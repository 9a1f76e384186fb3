"""The fits of a search: `run_fits` does them, `FitJournal` keeps them."""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sk_digits._atomic_write import write_atomically

if TYPE_CHECKING:
    from numpy.typing import NDArray


def key_of(params: dict[str, Any], split: int) -> str:
    """Name a candidate on a split, the same after a journey through JSON."""
    return json.dumps([params, split], sort_keys=True)


class Fit(NamedTuple):
    """One candidate on one split: who, and what came of it."""

    params: dict[str, Any]
    split: int
    score: float
    fit_seconds: float
    score_seconds: float
    n_parameters: int
    error: str


class FitJournal:
    """File of finished fits, a line each, which a crash cannot take back.

    Parameters
    ----------
    path : Path
        The file; its folder is made if it is not there.
    settings : dict
        What all fits have in common, as JSON values.

    Raises
    ------
    ValueError
        If the file is damaged, or of a search with other settings.
    """

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        self.path = path
        self.fits: list[Fit] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        # What follows the last line break was cut off in writing.
        *lines, torn = path.read_bytes().split(b"\n") if path.exists() else [b""]
        if not lines:
            path.write_text(json.dumps(settings) + "\n")
            return
        try:
            begun_with, *fits = map(json.loads, lines)
            self.fits = [Fit(**fit) for fit in fits]
            others = {k: v for k, v in begun_with.items() if v != settings[k]}
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{path} is damaged ({error}). Give another folder.") from error
        if others:
            raise ValueError(
                f"{path.parent} holds a search with {_listed(others)}, and this one has "
                f"{_listed({k: settings[k] for k in others})}. Give another folder."
            )
        if torn:
            write_atomically(path, b"".join(line + b"\n" for line in lines))

    def add(self, fit: Fit) -> None:
        """Keep a finished fit."""
        self.fits.append(fit)
        with open(self.path, "a") as file:
            file.write(json.dumps(fit._asdict()) + "\n")
            file.flush()
            os.fsync(file.fileno())


class EpochMarks:
    """A callback of scikit-learn's that adds a byte to a file for each epoch, in any process.

    Parameters
    ----------
    path : Path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def setup(self, estimator: Any, context: Any) -> None:
        """Do nothing."""

    def teardown(self, estimator: Any, context: Any) -> None:
        """Do nothing."""

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Do nothing."""

    def on_fit_task_end(self, estimator: Any, context: Any) -> None:
        """Make a mark; a worker on another machine has nowhere to."""
        if context.task_name == "epoch":
            with contextlib.suppress(OSError), open(self.path, "ab") as file:
                file.write(b".")


def run_fits(
    pipeline: Any, X: NDArray[Any], y: NDArray[Any], todo: list[Any], n_jobs: int
) -> Generator[Fit]:
    """Fit a pipeline to candidates and splits, where joblib's backend has them done.

    Parameters
    ----------
    pipeline : Pipeline
        What to clone and fit; its step "ann" is a `DigitANN`.
    X, y : ndarray
        All rows and their labels.
    todo : list of (dict, int, ndarray, ndarray)
        Parameters, number of the split, and its rows to train on and to score.
    n_jobs : int
        How many at a time.

    Yields
    ------
    Fit
        In the order in which they are done.
    """
    from joblib import Parallel, delayed

    yield from Parallel(n_jobs=n_jobs, return_as="generator_unordered")(
        delayed(_fit_and_score)(pipeline, X, y, *one) for one in todo
    )


def _fit_and_score(
    pipeline: Any,
    X: NDArray[Any],
    y: NDArray[Any],
    params: dict[str, Any],
    split: int,
    train: NDArray[Any],
    test: NDArray[Any],
) -> Fit:
    from sklearn.base import clone

    model = clone(pipeline).set_params(**params)
    start = time.perf_counter()
    try:
        model.fit(X[train], y[train])
    except Exception as error:  # training diverged, or the network needs more memory than there is
        text = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        return Fit(params, split, math.nan, math.nan, math.nan, 0, text)
    fitted = time.perf_counter()
    score = float(model.score(X[test], y[test]))
    scored = time.perf_counter()
    n_parameters = sum(p.numel() for p in model["ann"].net_.module_.parameters())
    return Fit(params, split, score, fitted - start, scored - fitted, n_parameters, "")


def _listed(settings: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items())
