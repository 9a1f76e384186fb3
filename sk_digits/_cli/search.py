"""``sk-digits search``."""

from __future__ import annotations

import contextlib
import math
import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from sk_digits._cli.app import FAILED, Quiet, command, say
from sk_digits._cli.data import Data, Split, load_split
from sk_digits._cli.train import fit, parse_hidden, save


@command
def search(
    hidden: Annotated[
        list[str],
        typer.Option(metavar="N,N,...", help="Units in each hidden layer; several to compare."),
    ],
    lr: Annotated[
        list[float] | None,
        typer.Option(help="Step size; several to compare. Else the recipe's."),
    ] = None,
    data: Data = "auto",
    epochs: Annotated[int, typer.Option(min=1, help="Times to go over the images.")] = 60,
    cv: Annotated[int, typer.Option(min=2, help="Parts that take turns at being scored.")] = 3,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Source of all chance.")] = 0,
    n_jobs: Annotated[
        int | None, typer.Option(min=1, help="Fits at a time. Default: one a core.")
    ] = None,
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where all results go; made if not there.")
    ] = Path("digit-search"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the search in --out; new values may join.")
    ] = False,
    dask: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Dask scheduler whose workers do the fits."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Compare networks by cross-validation, and train the best."""
    from sklearn.model_selection import ParameterGrid, StratifiedKFold

    grid: dict[str, list[Any]] = {"ann__hidden_layer_sizes": [*map(parse_hidden, hidden)]}
    if lr:
        grid["ann__lr"] = lr
        if min(lr) <= 0:
            raise typer.BadParameter(f"--lr {min(lr):g} is not positive.")
    journal_path = out / "fits.jsonl"
    _check_out(out, journal_path.exists(), resume)
    split = load_split(data)
    candidates = list(ParameterGrid({name: list(dict.fromkeys(v)) for name, v in grid.items()}))
    folds = list(StratifiedKFold(cv).split(split.X_train, split.y_train))

    from sk_digits import make_digit_pipeline
    from sk_digits._cli._search_fits import FitJournal, key_of
    from sk_digits._cli.report import describe, measure
    from sk_digits._cli.search_results import describe_params, print_table, tabulate, write_csv

    typer.echo(f"data: {split.name}")
    settings = {"data": split.name, "--epochs": epochs, "--cv": cv, "--seed": seed}
    journal = FitJournal(journal_path, settings)
    done = {key_of(fit.params, fit.split) for fit in journal.fits}
    wanted = {key_of(p, i): (p, i, *rows) for p in candidates for i, rows in enumerate(folds)}
    todo = [one for key, one in wanted.items() if key not in done]
    if resume:
        typer.echo(f"{len(wanted) - len(todo)} of {len(wanted)} fits are there already", err=True)
    pipeline = make_digit_pipeline(max_epochs=epochs, random_state=seed)
    try:
        with _backend(dask):
            # Dask takes all workers that there are.
            n_workers = -1 if dask is not None else _n_workers(n_jobs, len(todo))
            _run(pipeline, split, todo, n_workers, journal, quiet)
        results = tabulate(journal.fits, candidates, cv)
        print_table(results)
        write_csv(out / "cv_results.csv", results)
        typer.echo(f"saved {out / 'cv_results.csv'}")
        best = results["rank_test_score"].argmin()
        if math.isnan(results["mean_test_score"][best]):
            raise ValueError("No candidate could be fitted on all splits.")
        _plot(out / "search.png", results, f"{split.name}; {epochs} epochs, {cv} splits")
        typer.echo(f"best: {describe_params(candidates[best])}; training it on all images")
        fit(pipeline.set_params(**candidates[best]), split, quiet=quiet)
    except KeyboardInterrupt:
        n_kept = sum(key_of(fit.params, fit.split) in wanted for fit in journal.fits)
        typer.echo(
            f"{n_kept} of {len(wanted)} fits are kept in {out}. "
            "The same command with --resume goes on with the others.",
            err=True,
        )
        raise
    y_pred = pipeline.predict(split.X_test)
    typer.echo(describe(split.y_test, y_pred).split("\n")[0])
    facts = {"cv_accuracy": results["mean_test_score"][best], "n_candidates": len(candidates)}
    save(pipeline, out / "best.skops", split, measure(split.y_test, y_pred), seed, facts)
    if any(fit.error for fit in journal.fits if key_of(fit.params, fit.split) in wanted):
        raise typer.Exit(FAILED)


def _check_out(out: Path, has_search: bool, resume: bool) -> None:
    """Complain if the folder would be gone on with unasked, or holds nothing to go on with."""
    if has_search and not resume:
        raise typer.BadParameter(
            f"{out} holds a search. Add --resume to go on with it, or give another --out."
        )
    if resume and not has_search:
        raise typer.BadParameter(f"{out} holds no search to go on with.")


@contextlib.contextmanager
def _backend(dask: str | None) -> Iterator[None]:
    """Have joblib's work done by this machine's processes, or by a Dask cluster."""
    if dask is None:
        yield
        return
    try:
        from sk_digits.cluster import DurableClient
    except ImportError as error:
        raise ImportError('--dask needs Dask: pip install "sk-digits[dask]".') from error
    from joblib import parallel_config

    try:
        client = DurableClient(dask, timeout="10s")
    except (OSError, ValueError) as error:
        raise OSError(f"--dask {dask}: no Dask scheduler answers there ({error}).") from error
    with client, parallel_config("dask"):
        typer.echo(f"Dask's dashboard: {client.dashboard_link}", err=True)
        yield


def _n_workers(n_jobs: int | None, n_fits: int) -> int:
    from joblib import cpu_count

    return min(n_jobs or cpu_count(), n_fits) or 1


def _run(
    pipeline: Any, split: Split, todo: list[Any], n_jobs: int, journal: Any, quiet: bool
) -> None:
    """Do the fits, keep each when it is done, and show how far they are."""
    from sk_digits._cli._search_fits import EpochMarks, run_fits
    from sk_digits._cli.search_results import describe_params

    with tempfile.TemporaryDirectory() as folder:
        marks = Path(folder) / "epochs"
        marks.touch()
        progress = _progress(marks, len(todo), pipeline["ann"].max_epochs, quiet)
        if not progress.disable:
            pipeline["ann"].set_callbacks(EpochMarks(marks))
        fits = run_fits(pipeline, split.X_train, split.y_train, todo, n_jobs)
        with warnings.catch_warnings(), progress, contextlib.closing(fits):
            # joblib's advice on what to do instead of Ctrl-C.
            warnings.filterwarnings("ignore", ".*have been cancelled", UserWarning)
            for fit in fits:
                journal.add(fit)
                progress.n_done += 1
                name = f"{describe_params(fit.params)}, split {fit.split}"
                if fit.error:
                    say(f"{name} failed: {fit.error}")
                elif progress.disable and not quiet:
                    typer.echo(
                        f"fit {progress.n_done}/{len(todo)}  {name}  accuracy {fit.score:.4f}  "
                        f"{fit.fit_seconds:.1f} s",
                        err=True,
                    )
        pipeline["ann"].set_callbacks()


def _progress(marks: Path, n_fits: int, epochs: int, quiet: bool) -> Any:
    """Make a bar on standard error that grows by the bytes in a file, an epoch each."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    class SearchProgress(Progress):
        n_done = 0

        def get_renderables(self) -> Any:
            # A fit that ended before its last epoch, or elsewhere, counts whole.
            n_epochs = max(os.stat(marks).st_size, self.n_done * epochs)
            for task_id in self.task_ids:  # none while the bar is being made
                self.update(task_id, completed=n_epochs, n_done=self.n_done)
            yield from super().get_renderables()

    console = Console(stderr=True)
    progress = SearchProgress(
        TextColumn("fit {task.fields[n_done]}/{task.fields[n_fits]}"),
        BarColumn(),
        TextColumn("epoch {task.completed:.0f}/{task.total:.0f}"),
        TimeRemainingColumn(),
        console=console,
        disable=quiet or not console.is_terminal,
    )
    progress.add_task("", total=n_fits * epochs, n_done=0, n_fits=n_fits)
    return progress


def _plot(path: Path, results: dict[str, Any], title: str) -> None:
    """Save the plot, or say what it would need."""
    from sk_digits._cli.search_results import draw

    try:
        draw(path, results, title)
    except ImportError as error:
        say(f"no plot: {error}")
    else:
        typer.echo(f"saved {path}")
