"""`save_model` and `load_model`: fitted models in files that can be trusted."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from numpy.typing import NDArray
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline

from sk_digits._ann.digit_ann import DigitANN
from sk_digits._atomic_write import write_atomically
from sk_digits._model_files.estimators import Built, ModelReader, type_name, write_model
from sk_digits._model_files.model_file import (
    FORMAT_NEEDS,
    FORMAT_VERSION,
    KIND,
    MAX_FILE_BYTES,
    MAX_HEADER_BYTES,
    check_format,
    reading_model_file,
)
from sk_digits._tensor_file import pack, read, read_json

_PACKAGES = ("sk-digits", "numpy", "scikit-learn", "torch", "skorch", "safetensors")


def save_model(
    model: DigitANN | Pipeline,
    path: str | os.PathLike[str],
    *,
    metadata: dict[str, Any] | None = None,
    keep_optimizer: bool = False,
) -> None:
    """Save a fitted model to one file, from which :func:`load_model` makes it again.

    The file appears at `path` whole or not at all: it is written beside it, brought to the disk,
    and then moved into place. It is also read back first, so that what is saved can be loaded.

    Callbacks and a pipeline's `memory` are no part of the file: the one is code, the other a place
    on this machine. The loaded model has None for both.

    Parameters
    ----------
    model : DigitANN or Pipeline
        A fitted classifier, or a fitted pipeline that ends in one, of
        :class:`DigitImageNormalizer`, :class:`PixelScaler`, scikit-learn's StandardScaler,
        MinMaxScaler, MaxAbsScaler, PCA and other pipelines. Of a search, save the
        ``best_estimator_``.
    path : str or path-like
        Where to; ``.safetensors`` is the usual suffix. What is there is replaced.
    metadata : dict or None, default=None
        What else is to be known about the model, as JSON values. :func:`read_metadata` gives it.
    keep_optimizer : bool, default=False
        Whether to keep the running averages of the optimizer, which :meth:`DigitANN.partial_fit`
        goes on from. Without them the first steps after loading are those of a new optimizer.
        After a `partial_fit` they make a file three times as large: of the recipe of
        :func:`make_digit_pipeline`, 44.7 MB instead of 14.9 MB. `fit` leaves none: what is loaded
        goes on exactly anyway, by :meth:`DigitANN.partial_fit` as with `warm_start`.

    Raises
    ------
    TypeError
        If `model` is of another type, or `metadata` is no dict of JSON values.
    NotFittedError
        If `model` is not fitted.
    ValueError
        If something in `model` does not fit into a model file.
    OSError
        If the file cannot be written, for want of space for example. What is at `path` is then
        as it was.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sk_digits import load_model, make_digit_pipeline, save_model
    >>> from sk_digits.datasets import load_digits_28
    >>> X, y = load_digits_28(return_X_y=True)
    >>> model = make_digit_pipeline(hidden_layer_sizes=(32,), max_epochs=2).fit(X, y)
    >>> with TemporaryDirectory() as folder:
    ...     save_model(model, Path(folder) / "digits.safetensors")
    ...     loaded = load_model(Path(folder) / "digits.safetensors")
    >>> bool((loaded.predict_proba(X) == model.predict_proba(X)).all())
    True
    """
    metadata = _check_metadata(metadata)
    versions = {name: version(name) for name in _PACKAGES} | {"python": platform.python_version()}
    arrays: dict[str, NDArray[Any]] = {}
    try:
        tree = write_model(model, arrays, keep_optimizer=keep_optimizer)
        # What is read back, and so surely can be, is described: not what was meant to be saved.
        facts = _facts(_read_back(tree, arrays, versions["scikit-learn"]))
        document = {
            "format_version": FORMAT_VERSION,
            "needs_sk_digits": FORMAT_NEEDS,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": versions,
            **facts,
            "metadata": metadata,
            "tree": tree,
        }
        content = pack(KIND, document, arrays)
        _check_size(content)
    except NotFittedError:
        raise
    except (ValueError, RecursionError) as error:
        raise ValueError(f"The model does not fit into a model file: {error}") from error
    write_atomically(path, content)


def load_model(path: str | os.PathLike[str]) -> DigitANN | Pipeline:
    """Load a model that :func:`save_model` saved; a file from anyone, without running its code.

    The file can hold nothing but data. Which types it may name is fixed in this package, and each
    is built only in a state that a fit could have left: arrays of the shapes that the architecture
    has, finite weights, parameters that `fit` would take. Predictions are then the same, to the
    bit, as those of the model that was saved, on the same kind of machine. If the device that it
    was trained on is not here, the model predicts on the CPU.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    DigitANN or Pipeline
        The fitted model.

    Raises
    ------
    ModelFileError
        If the file is damaged, no model file, of a newer format, or holds what it must not.
    OSError
        If the file cannot be read: it is not there, for example.

    Warns
    -----
    sklearn.exceptions.InconsistentVersionWarning
        If a part of scikit-learn's own was saved with another version of scikit-learn.

    Notes
    -----
    A model that loads may still be a bad one, or made to err: the SHA-256 in the file shows damage
    and is no signature. Whom a file comes from is for you to know.

    Examples
    --------
    See :func:`save_model`.
    """
    with reading_model_file(path):
        document, arrays = read(path, KIND, MAX_HEADER_BYTES, MAX_FILE_BYTES, check=check_format)
        versions = document.get("versions")
        sklearn_version = versions.get("scikit-learn") if isinstance(versions, dict) else None
        built = ModelReader(arrays, sklearn_version).read(document.get("tree"))
        for name, fact in _facts(built).items():
            if document.get(name) != fact:
                raise ValueError(f"its metadata tells of another model: {name} is {fact!r}.")
    return built.model


def _check_metadata(metadata: Any) -> dict[str, Any]:
    """Give the user's metadata, or raise TypeError if JSON would not give them back."""
    metadata = {} if metadata is None else metadata
    try:
        if isinstance(metadata, dict) and json.loads(json.dumps(metadata)) == metadata:
            return metadata
        problem = "it comes back as another value"
    except (TypeError, ValueError, RecursionError) as error:
        problem = str(error)
    raise TypeError(
        "metadata must be a dict with str keys and JSON values: None, bool, int, finite float, "
        f"str, and lists and dicts of them. Got {metadata!r:.80}: {problem}."
    )


def _read_back(tree: Any, arrays: dict[str, NDArray[Any]], sklearn_version: str) -> Built:
    try:
        return ModelReader(dict(arrays), sklearn_version).read(read_json(json.dumps(tree)))
    except TypeError as error:
        raise ValueError(str(error)) from error


def _facts(built: Built) -> dict[str, Any]:
    """Return what the metadata says about a model."""
    ann = built.model
    while isinstance(ann, Pipeline):
        ann = ann.steps[-1][1]
    score = getattr(ann, "best_validation_score_", None)
    return {
        "model": type_name(built.model),
        "classes": ann.classes_.tolist(),
        "n_features_in": int(built.n_inputs),
        "n_parameters": sum(p.numel() for p in ann.net_.module_.parameters()),
        "training": {
            "epochs": ann.n_iter_,
            "loss": float(ann.loss_curve_[-1]),
            "validation_score": None if score is None else float(score),
            "seconds": float(sum(row["dur"] for row in ann.net_.history)),
        },
    }


def _check_size(content: bytes) -> None:
    """Raise ValueError if `load_model` would refuse the file for its size."""
    if len(content) > MAX_FILE_BYTES:
        raise ValueError(f"it is {len(content):,} bytes; a file has {MAX_FILE_BYTES:,} at most.")
    n_bytes = int.from_bytes(content[:8], "little")
    if n_bytes > MAX_HEADER_BYTES:
        raise ValueError(
            f"its header is {n_bytes:,} bytes, and {MAX_HEADER_BYTES:,} are allowed. Shorten the "
            "metadata, or the history of the net (ann.net_.history)."
        )
