"""``sk-digits search``."""

from __future__ import annotations

import contextlib
import json
import math
import shutil
import signal
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from sk_digits._atomic_write import write_atomically
from sk_digits._cli.app import FAILED, app, say
from sk_digits._cli.data import load_split
from sk_digits._cli.options import Data, Epochs, Quiet, Seed, parse_hidden
from sk_digits._cli.train import fit


@app.command()
def search(
    hidden: Annotated[
        list[Any],
        typer.Option(
            metavar="N,N,...",
            parser=parse_hidden,
            help="Units in each hidden layer; repeat to compare.",
        ),
    ],
    lr: Annotated[
        list[float] | None,
        typer.Option(help="Learning rate; repeat to compare. The default is the recipe's."),
    ] = None,
    data: Data = "auto",
    epochs: Epochs = 60,
    cv: Annotated[int, typer.Option(min=2, help="Number of cross-validation folds.")] = 3,
    seed: Seed = 0,
    n_jobs: Annotated[
        int | None, typer.Option(min=1, help="Fits at a time. The default is one per core.")
    ] = None,
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder for all results; created if missing.")
    ] = Path("digit-search"),
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Resume the search in --out; more values may be added."),
    ] = False,
    dask: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Dask scheduler whose workers do the fits."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Compare networks by cross-validation, and train the best one on all images."""
    grid = {"ann__hidden_layer_sizes": list(dict.fromkeys(hidden))}
    if lr:
        grid["ann__lr"] = list(dict.fromkeys(lr))
        if min(lr) <= 0:
            raise typer.BadParameter(f"--lr {min(lr):g} is not positive.")
    split = load_split(data)

    from sk_digits import TrainingCheckpoint, make_digit_pipeline
    from sk_digits._cli import search_results as results
    from sk_digits._cli.report import report_and_save

    pipeline = make_digit_pipeline(max_epochs=epochs, random_state=seed)
    n_fits = cv * math.prod(map(len, grid.values()))
    grid_search = _make_search(pipeline, grid, cv, n_fits, quiet, has_bars=dask is None)
    settings = {"data": split.name, "--epochs": epochs, "--cv": cv, "--seed": seed}
    with _backend(dask, n_jobs, n_fits) as client:
        trainings = _open_trainings(out, settings, resume)
        typer.echo(f"data: {split.name}")
        if client is None or all(client.run(trainings.exists).values()):
            pipeline.set_params(ann__callbacks=[TrainingCheckpoint(trainings)])
        else:
            say(
                f"warning: the workers do not see {trainings}, so --resume will repeat all fits. "
                "Give --out in a folder that all machines share."
            )
        with _how_to_resume(trainings), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "One or more of the test scores are non-finite")
            grid_search.fit(split.X_train, split.y_train)
    table = results.tabulate(grid_search.cv_results_)
    results.print_table(table)
    results.write_csv(out / "cv_results.csv", table)
    typer.echo(f"saved {out / 'cv_results.csv'}")
    scores, candidates = table["mean_test_score"], table["params"]
    best = table["rank_test_score"].argmin()
    if math.isnan(scores[best]):
        raise ValueError("No candidate could be trained on all folds.")
    try:
        results.draw(out / "search.png", table, f"{split.name}; {epochs} epochs, {cv} folds")
        typer.echo(f"saved {out / 'search.png'}")
    except ImportError as error:
        say(f"no plot: {error}")
    typer.echo(f"best: {results.describe_params(candidates[best])}; training it on all images")
    pipeline.set_params(**candidates[best])
    with _how_to_resume(trainings):
        fit(pipeline, split, checkpoint=trainings, quiet=quiet)
    facts = {"cv_accuracy": scores[best], "n_candidates": len(scores)}
    report_and_save(pipeline, split, out / "best.safetensors", seed, **facts)
    failed = [results.describe_params(candidates[i]) for i, s in enumerate(scores) if math.isnan(s)]
    if failed:
        say(f"failed candidates: {'; '.join(failed)}. --resume tries them again")
        raise typer.Exit(FAILED)
    shutil.rmtree(trainings)  # three times the weights for each fit


def _open_trainings(out: Path, settings: dict[str, Any], resume: bool) -> Path:
    """Return the folder of a search's trainings: a new one, or one with the same settings."""
    folder = out.resolve() / "trainings"  # workers may have another current folder
    path = folder / "settings.json"
    if not resume:
        if folder.exists() or (out / "cv_results.csv").exists():
            raise typer.BadParameter(
                f"{out} holds a search. Add --resume if it is unfinished, or give another --out."
            )
        folder.mkdir(parents=True)
        write_atomically(path, json.dumps(settings).encode())
        return folder
    if not folder.exists():
        raise typer.BadParameter(f"{out} holds no unfinished search to resume.")
    try:
        begun_with = json.loads(path.read_bytes())
        changed = {k: (begun_with[k], v) for k, v in settings.items() if begun_with[k] != v}
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(f"{path} is damaged ({error}). Give another --out.") from error
    if changed:
        before, now = (", ".join(f"{k} {v[i]}" for k, v in changed.items()) for i in (0, 1))
        raise ValueError(
            f"{out} holds a search with {before}, and this one has {now}. Give another --out."
        )
    typer.echo(f"resuming with {_count(folder)} saved trainings", err=True)
    return folder


def _count(trainings: Path) -> int:
    return len(list(trainings.glob("training-*")))


@contextlib.contextmanager
def _how_to_resume(trainings: Path) -> Iterator[None]:
    """Print after Ctrl-C what is saved."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(
            f"{_count(trainings)} trainings, complete or not, are saved in {trainings}. "
            "The same command with --resume continues them.",
            err=True,
        )
        raise


def _make_search(
    pipeline: Any, grid: dict[str, list[Any]], cv: int, n_fits: int, quiet: bool, *, has_bars: bool
) -> Any:
    """Return a grid search with progress bars on a terminal, else with a line for each fit."""
    import rich
    from sklearn.callback import ProgressBar
    from sklearn.model_selection import GridSearchCV

    from sk_digits._cli.search_results import score_fit

    rich.reconfigure(stderr=True)  # where scikit-learn's bars go
    console = rich.get_console()
    verbose = 0 if quiet or console.is_terminal else 3
    search = GridSearchCV(pipeline, grid, scoring=score_fit, refit=False, cv=cv, verbose=verbose)
    if has_bars and console.is_terminal and not quiet:
        # Three bars for each fit, down to its epochs; one for the search where these have no room.
        depth = None if 3 * n_fits + 2 < console.height else 0
        search.set_callbacks(ProgressBar(max_propagation_depth=depth))
    return search


@contextlib.contextmanager
def _backend(dask: str | None, n_jobs: int | None, n_fits: int) -> Iterator[Any]:
    """Have joblib use processes of this machine, or a Dask cluster, whose client is yielded."""
    from joblib import cpu_count, parallel_config

    if dask is None:
        # Ctrl-C in a terminal goes to all processes. This one stops its silent workers.
        ignore = {"initializer": signal.signal, "initargs": (signal.SIGINT, signal.SIG_IGN)}
        with parallel_config("loky", n_jobs=min(n_jobs or cpu_count(), n_fits), **ignore):
            yield None
        return
    try:
        from sk_digits.cluster import DurableClient
    except ImportError as error:
        raise ImportError('--dask needs Dask: pip install "sk-digits[dask]".') from error
    try:
        client = DurableClient(dask, timeout="10s")
    except (OSError, ValueError) as error:
        raise OSError(f"--dask {dask}: no Dask scheduler answers there ({error}).") from error
    with client, parallel_config("dask"):
        typer.echo(f"Dask's dashboard: {client.dashboard_link}", err=True)
        yield client
