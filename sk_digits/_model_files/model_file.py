"""The file of a model: its format, its limits, its error and its metadata; no torch."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Iterator
from typing import Any

from sk_digits._tensor_file import read

KIND = "sk_digits.model"
FORMAT_VERSION = 2  # 1 was a zip archive of skops
# The first release of sk-digits that reads FORMAT_VERSION; it stands in the files for older ones.
FORMAT_NEEDS = "0.1.0"

# Ten times the recipe with its optimizer.
MAX_FILE_BYTES = 2**29
# Of parameters, names and labels, the history of thousands of epochs, and metadata.
MAX_HEADER_BYTES = 2**20


class ModelFileError(ValueError):
    """A file is no model file, is damaged, or holds what a model file must not hold.

    The message names the file and what is wrong with it. See :func:`load_model`.

    Examples
    --------
    >>> import tempfile
    >>> from sk_digits import ModelFileError, load_model
    >>> with tempfile.NamedTemporaryFile(suffix=".safetensors") as file:
    ...     _ = file.write(b"no model")
    ...     file.flush()
    ...     try:
    ...         load_model(file.name)
    ...     except ModelFileError as error:
    ...         print(error)
    '....safetensors' cannot be loaded: it is no model file, ...
    """


@contextlib.contextmanager
def reading_model_file(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn whatever goes wrong in reading a file into a ModelFileError that names it.

    What the system says of the path, such as FileNotFoundError, stays as it is, and so do warnings
    and the lack of memory.
    """
    path = os.fspath(path)
    mode = os.stat(path).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # to open a pipe would wait for ever
        raise ModelFileError(f"{path!r} is no regular file. Give the path of a model file.")
    try:
        yield
    except (OSError, MemoryError, Warning):
        raise
    except Exception as error:
        problem = str(error)[:1000]
        # Damage shows in JSON, safetensors, torch and Python as a dozen types of error.
        is_damage = isinstance(error, json.JSONDecodeError | UnicodeError)
        if is_damage or not isinstance(error, ValueError):
            problem = f"it is damaged ({type(error).__name__}: {problem}). Take another copy of it."
        raise ModelFileError(f"{path!r} cannot be loaded: {problem}") from error


def check_format(document: dict[str, Any]) -> None:
    """Raise ValueError unless the format of a document is one that this release reads."""
    version = document.get("format_version")
    if type(version) is not int or version < 1:
        raise ValueError("its metadata names no format version.")
    if version != FORMAT_VERSION:
        raise ValueError(
            f"it has format {version}, and this sk-digits reads format {FORMAT_VERSION}. Install "
            f"sk-digits {str(document.get('needs_sk_digits'))[:20]} or newer."
        )


def read_metadata(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what a model file says about its model, without loading the model or torch.

    Parameters
    ----------
    path : str or path-like
        File that :func:`save_model` wrote.

    Returns
    -------
    dict
        "format_version"; "needs_sk_digits", the oldest release that reads the format; "created",
        the time in UTC; "versions" of the packages in use; "model", its type; "classes";
        "n_features_in"; "n_parameters", the number of the net's weights; "training", with
        "epochs", "loss" of the last one, "validation_score" or None, and "seconds"; "sha256", that
        of the file with zeros in its place; and "metadata", what the user gave.

        All this is as it stands in the file. Whoever wrote the file may have written anything.

    Raises
    ------
    ModelFileError
        If the file is damaged, no model file, or of a format newer than this release knows.
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.datasets import load_digits
    >>> from sk_digits import DigitANN, read_metadata, save_model
    >>> X, y = load_digits(return_X_y=True)
    >>> ann = DigitANN(hidden_layer_sizes=(16,), max_epochs=2, random_state=0).fit(X / 16, y)
    >>> with TemporaryDirectory() as folder:
    ...     save_model(ann, Path(folder) / "digits.safetensors", metadata={"author": "Ada"})
    ...     about = read_metadata(Path(folder) / "digits.safetensors")
    >>> about["n_features_in"], about["training"]["epochs"], about["metadata"]
    (64, 2, {'author': 'Ada'})
    """
    with reading_model_file(path):
        document, _ = read(path, KIND, MAX_HEADER_BYTES, MAX_FILE_BYTES, with_arrays=False)
        check_format(document)
        return {name: value for name, value in document.items() if name != "tree"}
