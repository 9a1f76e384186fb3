"""``sk-digits predict``."""

from __future__ import annotations

import contextlib
import csv
import functools
import glob
import io
import json
import signal
import sys
import warnings
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from sk_digits._cli.app import FAILED, app, in_words, say
from sk_digits._cli.data import warn_of_bundled_digits
from sk_digits._cli.options import PICTURES, Ink, Model, Quiet, check_writable, open_reader

if TYPE_CHECKING:
    from PIL.Image import Image

    from sk_digits import PageReading

BOX = ("top", "left", "bottom", "right")
ALONE = 32  # files that this process reads while others start, which takes seconds


def find_files(images: list[str]) -> Iterator[str]:
    """Expand folders and patterns to files; names of files and ``-`` stay as they are."""
    from sk_digits._images.image_files import SUFFIXES

    for name in images:
        path = Path(name)
        if path.is_dir():
            files = sorted(p for p in path.rglob("*") if p.is_file())
            found = [str(p) for p in files if p.suffix.lower() in SUFFIXES]
            if others := [p.name for p in files if p.suffix.lower() not in SUFFIXES]:
                names = ", ".join(others[:3]) + (", ..." if len(others) > 3 else "")
                say(f"{name}: left out, as not an image by its suffix ({len(others)}): {names}")
        elif not path.exists() and set(name) & set("*?["):
            found = sorted(glob.glob(name, recursive=True))
        else:
            found = [str(path)]
        if not found:
            raise FileNotFoundError(f"{name}: no images found ({', '.join(sorted(SUFFIXES))}).")
        yield from found


class Options(NamedTuple):
    """How to read all files."""

    model: Path | None
    max_risk: float | None
    ink: Any
    many: bool
    show: bool
    top: int


class Answer(NamedTuple):
    """What is printed for a file: its text or its error; and its part of the picture."""

    text: str | None
    error: str | None
    panel: Image | None
    warnings: list[str]


_open_reader = functools.cache(open_reader)  # once in each process


def _read_file(file: str, options: Options, write: Callable[..., str]) -> Answer:
    """Read the digit of an image, or the digits of a page."""
    from sk_digits._cli.answer_sheet import draw_panel
    from sk_digits._images.image_files import read_image
    from sk_digits._reader.page_reading import read_digit, read_page

    many, reader = options.many, _open_reader(options.model, options.max_risk)
    text = error = panel = None
    with warnings.catch_warnings(record=True) as caught:
        try:
            pixels = read_image(sys.stdin.buffer if file == "-" else file)
            page = (read_page if many else read_digit)(pixels, reader, ink=options.ink)
            if not page.lines:
                raise ValueError(
                    "no digits found that stand out from their ground"
                    if many
                    else "no digit found, or several; --many reads all digits of a page"
                )
            text = write(file, page, many, options.top)
            panel = draw_panel(page, many) if options.show else None
        except (OSError, ValueError) as caught_error:
            error = in_words(caught_error)
    return Answer(text, error, panel, [str(warning.message) for warning in caught])


@contextlib.contextmanager
def _workers_ignore_ctrl_c() -> Iterator[None]:
    """Block Ctrl-C here, and in the processes that start meanwhile for good: they inherit it.

    A terminal sends it to all processes; this one stops the others.
    """
    if sys.platform == "win32":  # it has no such mask
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _read_files(files: list[str], read: Callable[[str], Answer]) -> Generator[Answer, None, None]:
    """Yield the answers in order, those after the first files from a process per core."""
    from joblib import Parallel, delayed

    alone, rest = files[:ALONE], files[ALONE:]
    if not rest or "-" in rest:
        yield from map(read, files)
        return
    yield read(alone[0])  # before others take the cores
    warnings.filterwarnings("ignore", ".* tasks", UserWarning)  # that are stopped at the end
    with _workers_ignore_ctrl_c():
        answers = Parallel(n_jobs=-1, return_as="generator")(delayed(read)(file) for file in rest)
    yield from map(read, alone[1:])
    yield from answers


def _as_text(file: str, page: PageReading, many: bool, top: int) -> str:
    """Return a line of text for an image, and one more for each line of a page."""
    if not many:
        digit = page.lines[0][0]
        guesses = "  ".join(f"{label} {p:.4f}" for label, p in digit.guesses(top))
        return f"{file}: {guesses if digit.accepted else f'? ({guesses})'}"
    text = f"{file}:"
    for line, numbers in zip(page.lines, page.accepted_numbers, strict=True):
        about = f"lowest probability: {min(digit.probability for digit in line):.4f}"
        if guesses := ", ".join(str(digit.label) for digit in line if not digit.accepted):
            about += f"; guesses for ?: {guesses}"
        text += f"\n  {' '.join(numbers)}  ({about})"
    return text


def _as_json(file: str, page: PageReading, many: bool, top: int) -> str:
    """Return a JSON object on one line for an image."""
    about = page.to_dict(top=top)
    if not many:
        about = about["lines"][0]["digits"][0]
        del about["box"]  # the whole picture
    return json.dumps({"file": file, **about})


def _as_csv(file: str, page: PageReading, many: bool, top: int) -> str:
    """Return a row of CSV for each digit of an image, with its guesses side by side."""
    return "\n".join(
        _csv_row(
            [file, *([number, *digit.box] if many else [None] * 5), None, int(digit.accepted)],
            *(value for guess in digit.guesses(top) for value in guess),
        )
        for number, line in enumerate(page.lines)
        for digit in line
    )


def _csv_row(head: list[Any], *rest: Any) -> str:
    row = io.StringIO()
    csv.writer(row, lineterminator="").writerow([*head, *rest])
    return row.getvalue()


@app.command()
def predict(
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE", help="Image files, folders or patterns; - is an image from stdin."
        ),
    ],
    model: Model = None,
    many: Annotated[
        bool, typer.Option("--many", help="Read all digits of a page, line by line.")
    ] = False,
    ink: Ink = "auto",
    max_risk: Annotated[
        float | None,
        typer.Option(
            help="Largest share of errors among the answers; the rest is ?, with the best guess in "
            "brackets. The default is the model's own; the included reader has 0.001.",
            show_default=False,
        ),
    ] = None,
    all_guesses: Annotated[
        bool, typer.Option("--all", help="Answer with the best guess always.")
    ] = False,
    top: Annotated[int, typer.Option(min=1, help="Answers per digit, most probable first.")] = 1,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object a line, for each image.")
    ] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, a row for each digit.")] = False,
    show: Annotated[
        Path | None, typer.Option(help="Picture to save: the images with boxes and answers.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Read the digits in images, each as soon as it is read.

    Images that cannot be read are reported and skipped.
    """
    if as_json and as_csv:
        raise typer.BadParameter("--json and --csv exclude each other. Give one of them.")
    if all_guesses and max_risk is not None:
        raise typer.BadParameter("--all and --max-risk exclude each other. Give one of them.")
    if show is not None:
        check_writable(show, PICTURES)
    files = list(dict.fromkeys(find_files(images)))  # a file named twice is read once

    from rich.console import Console
    from rich.progress import track

    from sk_digits._cli.answer_sheet import draw_answers

    options = Options(model, 1 if all_guesses else max_risk, ink, many, show is not None, top)
    write = _as_json if as_json else _as_csv if as_csv else _as_text
    read = functools.partial(_read_file, options=options, write=write)
    _open_reader.cache_clear()
    _open_reader(model, options.max_risk)  # an error ends the command
    warn_of_bundled_digits(model)
    console = Console(stderr=True)
    hidden = quiet or not console.is_terminal or sys.stdout.isatty() or len(files) < 4
    if as_csv:
        guesses = (f"{name}_{i}" for i in range(1, top + 1) for name in ("label", "probability"))
        typer.echo(_csv_row(["file", "line", *BOX, "error", "accepted"], *guesses))
    panels, n_failed = [], 0
    bar = track(files, "reading", console=console, disable=hidden, transient=True)
    with contextlib.closing(_read_files(files, read)) as answers:
        for file, answer in zip(bar, answers, strict=True):
            for message in answer.warnings:
                warnings.warn(message, stacklevel=1)
            if answer.panel is not None:
                panels.append(answer.panel)
            if answer.error is None:
                typer.echo(answer.text)
                continue
            n_failed += 1
            if as_json:
                typer.echo(json.dumps({"file": file, "error": answer.error}))
            elif as_csv:
                typer.echo(_csv_row([file, *[None] * 5, answer.error]))
            else:
                say(answer.error if file in answer.error else f"{file}: {answer.error}")
    if show is not None and panels:
        draw_answers(panels).save(show)
        say(f"saved {show}")
    if n_failed:
        say(f"{n_failed} of {len(files)} images could not be read")
        raise typer.Exit(FAILED)
