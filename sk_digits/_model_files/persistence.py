"""`save_model` and `load_model`: fitted models in files that can be trusted."""

from __future__ import annotations

import copy
import io
import json
import os
import platform
import zipfile
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sk_digits._ann.digit_ann import DigitANN
from sk_digits._atomic_write import write_atomically
from sk_digits._model_files.model_file import (
    FORMAT_NEEDS,
    FORMAT_VERSION,
    MAX_FILE_BYTES,
    MAX_JSON_BYTES,
    MAX_MEMBERS,
    ModelFileError,
    checksum,
    metadata_of,
    open_model_file,
    pack,
    read_members,
)
from sk_digits._model_files.model_params import type_name
from sk_digits._model_files.model_schema import read_schema
from sk_digits._model_files.model_types import Built, build_model, check_type
from sk_digits._validation import filters_lock

_PACKAGES = ("sk-digits", "numpy", "scikit-learn", "torch", "skorch", "skops")


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
        Where to; ``.skops`` is the usual suffix. What is there is replaced.
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
    ...     save_model(model, Path(folder) / "digits.skops")
    ...     loaded = load_model(Path(folder) / "digits.skops")
    >>> bool((loaded.predict_proba(X) == model.predict_proba(X)).all())
    True
    """
    users_part = _check_metadata(metadata)
    members = _to_members(_saved_form(model, "the model", keep_optimizer, True))
    try:
        # What is read back, and so surely can be, is described: not what was meant to be saved.
        facts = _facts(build_model(read_schema(members)))
    except (ValueError, TypeError) as error:
        raise ValueError(f"The model does not fit into a model file: {error}") from error
    about = {
        "format_version": FORMAT_VERSION,
        "needs_sk_digits": FORMAT_NEEDS,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {name: version(name) for name in _PACKAGES}
        | {"python": platform.python_version()},
        **facts,
        "sha256": checksum(members),
        "metadata": users_part,
    }
    members["metadata.json"] = json.dumps(about, indent=2).encode()
    _check_size(members)
    write_atomically(path, pack(members))


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
    with open_model_file(path) as archive:
        metadata = metadata_of(archive)
        value = read_schema(read_members(archive, metadata.get("sha256")))
        try:
            built = build_model(value)
        except (ValueError, TypeError) as error:
            raise ModelFileError(str(error)) from error
        for name, fact in _facts(built).items():
            if metadata.get(name) != fact:
                raise ModelFileError(f"its metadata tells of another model: {name} is {fact!r}.")
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


def _saved_form(model: Any, where: str, keep_optimizer: bool, is_last: bool) -> Any:
    """Copy a model without what is no part of a file; raise TypeError if it is of no known type."""
    if not is_last and (model is None or model == "passthrough"):
        return model
    check_type(type_name(type(model)), where, is_last=is_last)
    check_is_fitted(model)
    saved = copy.copy(model)
    if hasattr(saved, "set_callbacks"):
        saved.set_callbacks()  # none
    if isinstance(model, Pipeline):
        saved.memory = None
        last = len(model.steps) - 1
        saved.steps = [
            (
                name,
                _saved_form(
                    step, f"{where}[{name!r}]", keep_optimizer, is_last=is_last and i == last
                ),
            )
            for i, (name, step) in enumerate(model.steps)
        ]
    if isinstance(model, DigitANN):
        saved.callbacks = None
        saved.device = str(model.device)
        if not keep_optimizer:
            saved.net_.optimizer_.state.clear()
    return saved


def _to_members(saved: Any) -> dict[str, bytes]:
    """Let skops write a model, and drop its object ids: equal models give equal bytes."""
    with filters_lock:  # skops changes them
        # Imported here, for it imports all of scikit-learn; loading does without.
        from skops.io import dumps

        try:
            content = dumps(saved)
        except Exception as error:  # what an attribute's own methods raise
            raise ValueError(f"The model does not fit into a model file: {error}") from error
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        schema = json.loads(archive.read("schema.json"))
        arrays: list[bytes] = []

        def rewrite(node: dict[str, Any]) -> dict[str, Any]:
            node = {key: value for key, value in node.items() if key != "__id__"}
            for key in {"content", "key_types", "shape", "attrs"} & set(node):
                child = node[key]
                if isinstance(child, list):
                    node[key] = [rewrite(item) for item in child]
                elif key == "content" and node["__loader__"] == "DictNode":
                    node[key] = {name: rewrite(item) for name, item in child.items()}
                elif isinstance(child, dict) and "__loader__" in child:
                    node[key] = rewrite(child)
            if "file" in node:
                arrays.append(archive.read(node["file"]))
                node["file"] = f"{len(arrays) - 1}.npy"
            return node

        text = json.dumps(rewrite(schema), separators=(",", ":"))
    return {"schema.json": text.encode()} | {f"{i}.npy": a for i, a in enumerate(arrays)}


def _facts(built: Built) -> dict[str, Any]:
    """Describe a model by what is in it."""
    ann = built.model
    while isinstance(ann, Pipeline):
        ann = ann.steps[-1][1]
    return {
        "model": type_name(type(built.model)),
        "classes": ann.classes_.tolist(),
        "n_features_in": built.n_inputs,
        "n_parameters": sum(p.numel() for p in ann.net_.module_.parameters()),
        "training": {
            "epochs": int(ann.n_iter_),
            "loss": float(ann.loss_curve_[-1]),
            "validation_score": getattr(ann, "best_validation_score_", None),
            "seconds": sum(row.get("dur", 0.0) for row in ann.net_.history),
        },
    }


def _check_size(members: dict[str, bytes]) -> None:
    """Raise ValueError if `load_model` would refuse the file for its size."""
    n_bytes = sum(map(len, members.values()))
    if n_bytes > MAX_FILE_BYTES - 2**20 or len(members) > MAX_MEMBERS:
        raise ValueError(
            f"The model is {n_bytes:,} bytes in {len(members)} parts; a model file takes "
            f"{MAX_FILE_BYTES - 2**20:,} bytes in {MAX_MEMBERS}."
        )
    for name, limit in MAX_JSON_BYTES.items():
        if len(members[name]) > limit:
            raise ValueError(
                f"{name} would be {len(members[name]):,} bytes long, and {limit:,} are allowed. "
                "Shorten the metadata, or the history of the net (ann.net_.history)."
            )
