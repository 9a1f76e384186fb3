"""Files of arrays and one JSON document, read as if an enemy had written them.

They are safetensors files. The document is a string in the header's ``__metadata__``, under a key
that says what kind of file it is. Its "sha256" is that of the whole file with zeros in its place.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

MAX_ARRAYS = 4096
MAX_DEPTH = 64

_MAX_NODES = 3 * MAX_ARRAYS + 2  # of the header: three an array, itself and its metadata
_NO_SUM = "0" * 64
_LENGTH_BYTES = 8  # of the header's length, before the header
# Of the types of safetensors those that NumPy has, less the complex one.
_TYPES = {f"{kind}{8 * size}" for size in (1, 2, 4, 8) for kind in "IU"} | {"F16", "F32", "F64"}
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_STEPS = bytes.maketrans(b"[{]}", b"\1\1\xff\xff")  # as int8: 1 and -1
_NO_BRACKETS = bytes(set(range(256)) - set(b"[{]}"))


def pack(kind: str, document: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return the content of a file; the same for the same document and arrays.

    Parameters
    ----------
    kind : str
        Key of the document in the header.
    document : mapping of str to JSON values
        What to store. It gets a "sha256".
    arrays : mapping of str to ndarray
        Arrays by name, of at most `MAX_ARRAYS`.
    """
    if len(arrays) > MAX_ARRAYS:
        raise ValueError(f"it has {len(arrays)} arrays; {MAX_ARRAYS} are allowed.")
    text = json.dumps({"sha256": _NO_SUM} | dict(document), separators=(",", ":"), allow_nan=False)
    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    content = safetensors.numpy.save(contiguous, {kind: text})
    return content.replace(_NO_SUM.encode(), hashlib.sha256(content).hexdigest().encode(), 1)


def read_document(
    path: str | os.PathLike[str], kind: str, max_header_bytes: int, max_bytes: float = math.inf
) -> dict[str, Any]:
    """Return the document of a file, without reading the arrays. See `read`."""
    with open(path, "rb") as file:
        size = _check_size(file.fileno(), max_bytes)
        return _parse(file.read(_LENGTH_BYTES + max_header_bytes), size, kind, max_header_bytes)[0]


def read(
    path: str | os.PathLike[str],
    kind: str,
    max_header_bytes: int,
    max_bytes: float = math.inf,
    check: Callable[[dict[str, Any]], None] = lambda document: None,
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the document and the arrays of a file.

    Parameters
    ----------
    path : str or path-like
        The file.
    kind : str
        Key of the document in the header.
    max_header_bytes, max_bytes : int
        Longest header and longest file to read. Memory is about 25 times the former, for JSON of
        many small objects, and twice the latter.
    check : callable
        It is called with the document first, and may raise ValueError.

    Returns
    -------
    document : dict
        The document.
    arrays : dict of str to ndarray
        Arrays by name.

    Raises
    ------
    ValueError, safetensors.SafetensorError
        If the file is of another kind, damaged, or too long.
    OSError
        If it cannot be read.
    """
    with open(path, "rb") as file:
        size = _check_size(file.fileno(), max_bytes)
        content = file.read(size)
    document, header = _parse(content, size, kind, max_header_bytes)
    check(document)
    stated = document.get("sha256")
    if not isinstance(stated, str) or stated != _checksum(content, header, stated):
        raise ValueError(
            "its SHA-256 is not the one that it states: it was changed or damaged. Take another "
            "copy, or save it again."
        )
    return document, safetensors.numpy.load(content)


def _check_size(descriptor: int, max_bytes: float) -> int:
    size = os.fstat(descriptor).st_size
    if size > max_bytes:
        raise ValueError(f"it is {size:,} bytes long; at most {max_bytes:,} are read.")
    return size


def _parse(
    content: bytes, size: int, kind: str, max_header_bytes: int
) -> tuple[dict[str, Any], bytes]:
    """Return the document and the header of a file of some size, given at least its beginning."""
    name = kind.rpartition(".")[2]
    if content.startswith(b"PK\3\4"):
        raise ValueError(
            f"it is no {name} file of this release but a zip archive, as older releases wrote "
            "them. Train again, or load it with the release that wrote it."
        )
    n_bytes = int.from_bytes(content[:_LENGTH_BYTES], "little")
    if size < _LENGTH_BYTES + n_bytes or size <= _LENGTH_BYTES:
        raise ValueError(f"it is no {name} file, or only the beginning of one.")
    if n_bytes > max_header_bytes:
        raise ValueError(
            f"its header is {n_bytes:,} bytes long; at most {max_header_bytes:,} are read."
        )
    header = content[_LENGTH_BYTES : _LENGTH_BYTES + n_bytes]
    entries = read_json(header.decode(), _MAX_NODES)
    about = entries.pop("__metadata__", None) if isinstance(entries, dict) else None
    if not isinstance(about, dict) or set(about) != {kind} or not isinstance(about[kind], str):
        raise ValueError(f"it is no {name} file of sk-digits.")
    end = _LENGTH_BYTES + n_bytes + _check_entries(entries)
    if size < end:
        raise ValueError(f"it is only the beginning of one: {size:,} of {end:,} bytes.")
    if size > end:
        raise ValueError(f"{size - end:,} bytes follow its last array.")
    document = read_json(about[kind])
    if not isinstance(document, dict):
        raise ValueError(f"it is no {name} file of sk-digits.")
    return document, header


def _check_entries(entries: dict[str, Any]) -> int:
    """Raise ValueError for what safetensors would overlook; return where the last array ends."""
    if len(entries) > MAX_ARRAYS:
        raise ValueError(f"it has {len(entries)} arrays; {MAX_ARRAYS} are allowed.")
    end = 0
    for name, entry in entries.items():
        match entry:
            case {"dtype": str(dtype), "shape": list(), "data_offsets": [int(), int(stop)]}:
                end = max(end, stop)
            case _:
                raise ValueError(f"its header is damaged at {name[:80]!r}.")
        if len(entry) != 3:
            raise ValueError(f"its header is damaged at {name[:80]!r}.")
        if dtype not in _TYPES:
            raise ValueError(f"its array {name[:80]!r} has type {dtype[:20]!r}.")
    return end


def _checksum(content: bytes, header: bytes, stated: str) -> str:
    digest = hashlib.sha256(content[:_LENGTH_BYTES])
    digest.update(header.replace(stated.encode(), _NO_SUM.encode(), 1))
    digest.update(memoryview(content)[_LENGTH_BYTES + len(header) :])
    return digest.hexdigest()


def read_json(text: str, max_nodes: float = math.inf) -> Any:
    """Return the value of a JSON text; ValueError if its writer and its readers might disagree.

    Names stand once in an object, numbers are finite, integers have 64 bits, nothing is deeper than
    `MAX_DEPTH`, which Python's reader recurses to, and there are `max_nodes` objects and lists.
    """
    brackets = _STRING.sub(b"", text.encode()).translate(_STEPS, _NO_BRACKETS)
    if len(brackets) > 2 * max_nodes:
        raise ValueError(f"its JSON has more than {max_nodes} objects and lists.")
    if np.frombuffer(brackets, np.int8).cumsum(dtype=np.int32).max(initial=0) > MAX_DEPTH:
        raise ValueError(f"its JSON is nested more than {MAX_DEPTH} deep.")
    return json.loads(
        text,
        object_pairs_hook=_read_object,
        parse_constant=_refuse_number,
        parse_float=_read_float,
        parse_int=_read_int,
    )


def _read_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise ValueError("its JSON has an object with two entries of one name.")
    return values


def _read_float(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse_number(text)


def _read_int(text: str) -> int:
    # An int of thousands of digits takes long to read, and many of equal hash make a dict slow.
    number = int(text) if len(text) <= 20 else 2**64
    return number if -(2**63) <= number < 2**64 else _refuse_number(text)


def _refuse_number(text: str) -> Any:
    raise ValueError(f"its JSON has the number {text[:40]}.")
