"""The container of a model file, read as if an enemy had written it; no torch, no skops.

A model file is a zip archive as skops writes it: ``schema.json``, which is the tree of objects, and
the arrays, ``0.npy`` and so on; and ``metadata.json``, which skops ignores. Nothing is compressed,
so that reading never takes more memory than the file is long.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import stat
import struct
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

FORMAT_VERSION = 1
# The first release of sk-digits that reads FORMAT_VERSION; it stands in the files for older ones.
FORMAT_NEEDS = "0.1.0"

# Ten times the recipe with its optimizer, and what is read and refused in about a second.
MAX_FILE_BYTES = 2**29
MAX_MEMBERS = 4096
# What a hostile file may cost before it is refused: a second at most.
MAX_JSON_BYTES = {"metadata.json": 2**20, "schema.json": 2**23}

_MEMBER_NAME = re.compile(r"(?:schema|metadata)\.json|(?:0|[1-9]\d{0,3})\.npy")
_END_RECORD = struct.Struct("<4s4H2LH")  # the end of a zip archive that has no comment
_LOCAL_HEADER_BYTES = 30


class ModelFileError(ValueError):
    """A file is no model file, is damaged, or holds what a model file must not hold.

    The message names the file and what is wrong with it. See :func:`load_model`.

    Examples
    --------
    >>> import tempfile
    >>> from sk_digits import ModelFileError, load_model
    >>> with tempfile.NamedTemporaryFile(suffix=".skops") as file:
    ...     _ = file.write(b"no model")
    ...     file.flush()
    ...     try:
    ...         load_model(file.name)
    ...     except ModelFileError as error:
    ...         print(error)
    '....skops' cannot be loaded: it is no model file, ...
    """


@contextlib.contextmanager
def open_model_file(path: str | os.PathLike[str]) -> Iterator[zipfile.ZipFile]:
    """Open a model file and check its members, but not what is in them.

    Parameters
    ----------
    path : str or path-like
        The file.

    Yields
    ------
    zipfile.ZipFile
        The archive: members of known names, each once, stored as they are.

    Raises
    ------
    ModelFileError
        If the archive is not as described, or the block fails for any reason but the system's.
    OSError
        If the file cannot be read.
    """
    path = os.fspath(path)
    mode = os.stat(path).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # to open a pipe would wait for ever
        raise ModelFileError(f"{path!r} is no regular file. Give the path of a model file.")
    with open(path, "rb") as file:
        try:
            _check_end_record(file)
            with zipfile.ZipFile(file) as archive:
                _check_members(archive, os.fstat(file.fileno()).st_size)
                yield archive
        except ModelFileError as error:
            raise ModelFileError(f"{path!r} cannot be loaded: {error}") from error
        except (OSError, MemoryError, Warning):
            raise
        # Damage shows in zipfile, json and NumPy as a dozen types of error, of which none is news.
        except Exception as error:
            raise ModelFileError(
                f"{path!r} cannot be loaded: it is damaged ({type(error).__name__}: {error}). "
                "Take another copy, or save the model again."
            ) from error


def _check_end_record(file: io.BufferedReader) -> None:
    """Refuse what is no plain zip archive, before zipfile reads a directory of any length."""
    size = os.fstat(file.fileno()).st_size
    if size > MAX_FILE_BYTES:
        raise ModelFileError(
            f"it is {size:,} bytes long; a model file has {MAX_FILE_BYTES:,} at most."
        )
    file.seek(-min(size, _END_RECORD.size), os.SEEK_END)
    tail = file.read(_END_RECORD.size)
    if len(tail) < _END_RECORD.size or tail[:4] != b"PK\5\6":
        raise ModelFileError(
            "it is no model file, or only the beginning of one. Give a file that save_model wrote."
        )
    _, _, _, _, n_members, directory_bytes, directory_start, _ = _END_RECORD.unpack(tail)
    if n_members > MAX_MEMBERS or directory_bytes > 128 * MAX_MEMBERS:
        raise ModelFileError(f"it has {n_members} members; a model file has {MAX_MEMBERS} at most.")
    if directory_start + directory_bytes + _END_RECORD.size != size:
        raise ModelFileError("there is something before, in or after it that is no part of it.")
    file.seek(0)


def _check_members(archive: zipfile.ZipFile, size: int) -> None:
    members = archive.infolist()
    names = [member.filename for member in members]
    for member in members:
        name = member.filename
        if not _MEMBER_NAME.fullmatch(name):
            raise ModelFileError(f"it has a member {name[:80]!r}, which no model file has.")
        is_stored = member.compress_type == zipfile.ZIP_STORED
        if not is_stored or member.compress_size != member.file_size or member.flag_bits & 1:
            raise ModelFileError(f"its member {name!r} is compressed or encrypted.")
        if not 0 <= member.header_offset <= size:
            raise ModelFileError(f"its member {name!r} lies outside the file.")
        if member.file_size > MAX_JSON_BYTES.get(name, size):
            raise ModelFileError(f"its member {name!r} is {member.file_size:,} bytes long.")
    if len(set(names)) < len(names):
        raise ModelFileError("it has two members of one name.")
    if not set(MAX_JSON_BYTES) <= set(names):
        raise ModelFileError(
            "it has no metadata.json or no schema.json. Give a file that save_model wrote."
        )
    # Members that overlap can be many times as long as the file.
    if sum(member.file_size + _LOCAL_HEADER_BYTES for member in members) > size:
        raise ModelFileError("its members overlap.")


def metadata_of(archive: zipfile.ZipFile) -> dict[str, Any]:
    """Read the metadata of an open model file, and check that its format is known."""
    metadata = json.loads(archive.read("metadata.json"))
    version = metadata.get("format_version") if isinstance(metadata, dict) else None
    if type(version) is not int or version < 1:
        raise ModelFileError("its metadata.json names no format version.")
    if version > FORMAT_VERSION:
        raise ModelFileError(
            f"it has format {version}, and this sk-digits reads formats up to {FORMAT_VERSION}. "
            f"Install sk-digits {str(metadata.get('needs_sk_digits'))[:20]} or newer."
        )
    return metadata


def read_members(archive: zipfile.ZipFile, sha256: Any) -> dict[str, bytes]:
    """Read all members of an open model file but the metadata, and compare their checksum."""
    members = {name: archive.read(name) for name in archive.namelist() if name != "metadata.json"}
    if checksum(members) != sha256:
        raise ModelFileError(
            "its SHA-256 is not the one in its metadata: it was changed or damaged. Take another "
            "copy, or save the model again."
        )
    return members


def checksum(members: Mapping[str, bytes]) -> str:
    """Give the SHA-256 over the names, lengths and contents of members."""
    digest = hashlib.sha256()
    for name, content in sorted(members.items()):
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def read_metadata(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read what a model file says about its model, without loading the model, torch or skops.

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
        "epochs", "loss" of the last one, "validation_score" or None, and "seconds"; "sha256",
        over everything else in the file; and "metadata", what the user gave.

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
    ...     save_model(ann, Path(folder) / "digits.skops", metadata={"author": "Ada"})
    ...     about = read_metadata(Path(folder) / "digits.skops")
    >>> about["n_features_in"], about["training"]["epochs"], about["metadata"]
    (64, 2, {'author': 'Ada'})
    """
    with open_model_file(path) as archive:
        return metadata_of(archive)


def pack(members: Mapping[str, bytes]) -> bytes:
    """Put members into an archive, the same bytes for the same members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()
