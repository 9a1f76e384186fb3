"""Options and arguments that several commands share."""

from __future__ import annotations

import glob
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from sk_digits import _atomic_write

MODELS = (".safetensors",)
ONNX = (".onnx",)
HTML = (".html", ".htm")
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")  # that are saved


def complete_data(incomplete: str) -> list[str]:
    """Return what may follow ``--data``."""
    names = [name for name in ("auto", "mnist", "digits") if name.startswith(incomplete)]
    return names + sorted(glob.glob(glob.escape(incomplete) + "*/"))


Model = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Model file, as train --out saves it, instead of the reader that is included.",
        show_default=False,
    ),
]
Ink = Annotated[
    Literal["auto", "dark", "light"],
    typer.Option(help="Whether the writing is darker or lighter than its ground."),
]
Data = Annotated[
    str,
    typer.Option(
        metavar="auto|mnist|digits|FOLDER",
        help="Images: MNIST, scikit-learn's bundled digits, or a folder with MNIST's files or with "
        "a folder of pictures for each label. auto is MNIST, from the folder that SK_DIGITS_DATA "
        "names, else downloaded; if that fails, the bundled digits.",
        autocompletion=complete_data,
    ),
]
Epochs = Annotated[int, typer.Option(min=1, help="Training epochs.")]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Random seed.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the result and no progress.")]


def parse_hidden(hidden: str) -> tuple[int, ...]:
    """Return the widths of hidden layers that a text such as ``"512,512"`` lists."""
    try:
        widths = tuple(int(width) for width in hidden.split(","))
    except ValueError:
        widths = (0,)
    if min(widths) < 1:
        raise typer.BadParameter(f"{hidden!r} is not a list of positive widths such as 512,512.")
    return widths


def check_writable(path: Path, suffixes: tuple[str, ...]) -> None:
    """Raise an error if a file cannot be saved at `path`, before the work rather than after it."""
    if path.is_dir() or not path.parent.is_dir():
        reason = "is a folder" if path.is_dir() else f"cannot be made: there is no {path.parent}"
        raise typer.BadParameter(f"{path} {reason}. Give a file in a folder that exists.")
    if path.suffix.lower() not in suffixes:
        ends = suffixes[0] if len(suffixes) == 1 else f"one of {', '.join(suffixes)}"
        raise typer.BadParameter(f"{path} does not end in {ends}. Give a file that does.")
    _atomic_write.check_writable(path)


def open_reader(model: Path | None, max_risk: float | None = None) -> Any:
    """Return the classifier in a file, or the reader that comes with the package.

    A `max_risk` of None is that of the file; 1 answers everything.
    """
    from sk_digits import load_model, load_reader
    from sk_digits._reader.pretrained import find_selective

    reader = load_reader() if model is None else load_model(model)
    selective = find_selective(reader)
    if selective is not None and max_risk is not None:
        selective.set_max_risk(max_risk)
    elif max_risk not in (None, 1):
        raise typer.BadParameter(
            f"--max-risk needs a SelectiveClassifier, but {model} answers everything. Leave it out."
        )
    return reader
