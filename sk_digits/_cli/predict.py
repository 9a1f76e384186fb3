"""``sk-digits predict``."""

from __future__ import annotations

import csv
import glob
import io
import itertools
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sk_digits._cli.app import FAILED, app, in_words, say
from sk_digits._cli.options import AsJson, Model, Quiet

if TYPE_CHECKING:
    from sk_digits._reader.reading import FoundDigits, Reading


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
                say(f"{name}: {len(others)} files that are no images left out: {names}")
        elif not path.exists() and set(name) & set("*?["):
            found = sorted(glob.glob(name, recursive=True))
        else:
            found = [str(path)]
        if not found:
            raise FileNotFoundError(f"{name}: no images found ({', '.join(sorted(SUFFIXES))}).")
        yield from found


def _as_text(readings: list[Reading]) -> str:
    """Return one line of text for each image, or for each line of a page."""
    lines = []
    for file, of_file in itertools.groupby(readings, key=lambda reading: reading.file):
        own = list(of_file)
        if own[0].line is None:
            guesses = [f"{g.label} {g.probability:.4f}" for g in own[0].guesses]
            lines.append(f"{file}: " + "  ".join(guesses))
            continue
        lines.append(f"{file}:")
        for _, of_line in itertools.groupby(own, key=lambda reading: reading.line):
            best = [reading.guesses[0] for reading in of_line]
            lowest = min(guess.probability for guess in best)
            text = "".join(str(guess.label) for guess in best)
            lines.append(f"  {text}  (lowest probability: {lowest:.4f})")
    return "\n".join(lines)


def _as_json(readings: list[Reading]) -> str:
    """Return a JSON list with one object for each digit."""
    digits = [
        {
            "file": reading.file,
            "line": reading.line,
            "box": reading.box,
            **reading.guesses[0]._asdict(),
            "top": [guess._asdict() for guess in reading.guesses],
        }
        for reading in readings
    ]
    return json.dumps(digits, indent=1)


def _as_csv(readings: list[Reading]) -> str:
    """Return a CSV table with one row for each digit and its guesses side by side."""
    n_guesses = max((len(reading.guesses) for reading in readings), default=1)
    guesses = [(f"label_{i}", f"probability_{i}") for i in range(1, n_guesses + 1)]
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    head = ["file", "line", "top", "left", "bottom", "right"]
    writer.writerow([*head, *(name for pair in guesses for name in pair)])
    for reading in readings:
        box = reading.box or [None] * 4
        pairs = [cell for guess in reading.guesses for cell in guess]
        writer.writerow([reading.file, reading.line, *box, *pairs])
    return table.getvalue().rstrip("\n")


@app.command()
def predict(
    model: Model,
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE", help="Image files, folders or patterns; - is an image from stdin."
        ),
    ],
    many: Annotated[
        bool, typer.Option("--many", help="Read all digits of a page, line by line.")
    ] = False,
    ink: Annotated[
        str,
        typer.Option(
            metavar="auto|dark|light",
            help="Whether the writing is darker or lighter than its ground.",
        ),
    ] = "auto",
    top: Annotated[int, typer.Option(min=1, help="Answers per digit, most probable first.")] = 1,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    show: Annotated[
        Path | None, typer.Option(help="Picture to save: the images with boxes and answers.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Read the digits in images. Images that cannot be read are reported and skipped."""
    if as_json and as_csv:
        raise typer.BadParameter("--json and --csv exclude each other. Give one of them.")
    if ink not in ("auto", "dark", "light"):
        raise typer.BadParameter(f"--ink {ink} is unknown. Give auto, dark or light.")
    files = list(dict.fromkeys(find_files(images)))  # a file named twice is read once

    from rich.console import Console
    from rich.progress import track

    from sk_digits import load_model
    from sk_digits._images.image_files import read_image
    from sk_digits._reader.reading import find_digits, read_digits

    classifier = load_model(model)
    console = Console(stderr=True)
    hidden = quiet or not console.is_terminal or len(files) < 4
    readings: list[Reading] = []
    pictures: list[FoundDigits] = []
    n_failed = 0
    for file in track(files, "reading", console=console, disable=hidden, transient=True):
        try:
            pixels = read_image(sys.stdin.buffer if file == "-" else file)
            picture = find_digits(pixels, file=file, many=many, ink=ink)
        except (OSError, ValueError) as error:
            text = in_words(error)
            say(text if file in text else f"{file}: {text}")
            n_failed += 1
            continue
        readings += read_digits(picture, classifier, top)
        if show is not None:
            pictures.append(picture)

    write: Callable[[list[Reading]], str] = _as_json if as_json else _as_csv if as_csv else _as_text
    if readings or as_json or as_csv:
        typer.echo(write(readings))
    if show is not None and pictures:
        from sk_digits._cli.answer_sheet import draw_answers

        draw_answers(pictures, readings).save(show)
        say(f"saved {show}")
    if n_failed:
        say(f"{n_failed} of {len(files)} images could not be read")
        raise typer.Exit(FAILED)
