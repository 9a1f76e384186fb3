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
from sk_digits._selective import SelectiveClassifier, unfreeze
from sk_digits._tensor_file import pack, read, read_json

_PACKAGES = ("sk-digits", "numpy", "scikit-learn", "torch", "skorch", "safetensors")


def save_model(
    model: DigitANN | SelectiveClassifier | Pipeline,
    path: str | os.PathLike[str],
    *,
    metadata: dict[str, Any] | None = None,
    keep_optimizer: bool = False,
) -> None:
    """Save a fitted model to one file, for :func:`load_model` to load.

    The file is a safetensors file, and appears at `path` whole or not at all: it is written to a
    temporary file in the same folder, flushed to the disk and then moved into place. The model is
    read back before that, so that what is saved can be loaded.

    Callbacks and the `memory` of a pipeline are not saved: the former are code, the latter is a
    place on this machine. The loaded model has None for both.

    Parameters
    ----------
    model : DigitANN, SelectiveClassifier or Pipeline
        A fitted classifier, a fitted :class:`SelectiveClassifier` of one, or a fitted pipeline that
        ends in one of these and whose other steps are
        :class:`DigitImageNormalizer`, :class:`PixelScaler`, scikit-learn's StandardScaler,
        MinMaxScaler, MaxAbsScaler or PCA, or pipelines of these. Of a search, save the
        ``best_estimator_``.
    path : str or path-like
        File to write; ``.safetensors`` is the usual suffix. A file that is there is replaced, a
        symbolic link is followed, and a device or a pipe is an error.
    metadata : dict or None, default=None
        More about the model, as JSON values, for :func:`read_metadata` to return.
    keep_optimizer : bool, default=False
        Whether to save the running averages of the optimizer that :meth:`DigitANN.partial_fit`
        continues with. Without them the first steps after loading are those of a new optimizer.
        After a `partial_fit` they make the file three times as large: 44.7 MB instead of 14.9 MB
        for the recipe of :func:`make_digit_pipeline`. `fit` leaves none, so a model that was only
        fitted continues exactly in any case, both by `partial_fit` and with `warm_start`.

    Raises
    ------
    TypeError
        If `model` is of another type, or `metadata` is no dict of JSON values. The message says how
        to keep such a model.
    NotFittedError
        If `model` is not fitted.
    ValueError
        If `model` has something that a model file cannot hold, or is too large for one: more than
        512 MiB, or more than 1 MiB of parameters, labels, names, history and metadata.
    OSError
        If the file cannot be written, for example because the disk is full. What is at `path` is
        then as it was.

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
        tree = write_model(model, arrays, keep_optimizer)
        # Of the model that was read back: so it can be, and the metadata are true of it.
        reader = ModelReader(dict(arrays), versions["scikit-learn"])
        facts = _facts(reader.read(read_json(json.dumps(tree))))
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


def load_model(path: str | os.PathLike[str]) -> DigitANN | SelectiveClassifier | Pipeline:
    """Load a model that :func:`save_model` saved, without running code that the file may bring.

    A model file holds only data. The types that it may name are fixed in this package, and each is
    built only in a state that a fit could have left: arrays of the shapes that the architecture
    has, finite weights, parameters that `fit` would accept. On the same kind of machine,
    predictions are bit-identical to those of the model that was saved. If the device that the
    model was trained on is not available, it predicts on the CPU.

    Parameters
    ----------
    path : str or path-like
        File to load.

    Returns
    -------
    DigitANN, SelectiveClassifier or Pipeline
        The fitted model. Of a :class:`SelectiveClassifier`, `estimator` is the fitted classifier as
        a :class:`~sklearn.frozen.FrozenEstimator`.

    Raises
    ------
    ModelFileError
        If the file is damaged, not a model file, of another format, or holds something else than
        a fitted model.
    OSError
        If the file cannot be read, for example because it does not exist.

    Warns
    -----
    sklearn.exceptions.InconsistentVersionWarning
        If the model has parts of scikit-learn and was saved with another version of it.

    Notes
    -----
    A model that loads may still be a bad one, or trained to make errors on purpose. The SHA-256 in
    the file detects damage; it is not a signature. Check yourself where a file comes from.

    ``.skops`` files, which older releases wrote, are not read. Train the model again, or load the
    file with the release that wrote it.

    Examples
    --------
    See :func:`save_model`.
    """
    with reading_model_file(path):
        document, arrays = read(path, KIND, MAX_HEADER_BYTES, MAX_FILE_BYTES)
        check_format(document)
        built = ModelReader(arrays, document["versions"]["scikit-learn"]).read(document["tree"])
        for name, fact in _facts(built).items():
            if document.get(name) != fact:
                raise ValueError(f"its metadata describe another model: {name} is {fact!r}.")
    return built.model


def _check_metadata(metadata: Any) -> dict[str, Any]:
    """Return the user's metadata, or raise TypeError if they would change in JSON."""
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


def _facts(built: Built) -> dict[str, Any]:
    """Return what the metadata says about a model."""
    ann = built.model
    while not isinstance(ann, DigitANN):
        ann = ann.steps[-1][1] if isinstance(ann, Pipeline) else unfreeze(ann.estimator_)
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
