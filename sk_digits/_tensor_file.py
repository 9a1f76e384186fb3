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
from collections.abc import Mapping
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

MAX_ARRAYS = 4096
MAX_DEPTH = 64

_ZEROS = b"0" * 64
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_STEPS = bytes.maketrans(b"[{]}", b"\1\1\xff\xff")  # as int8: 1 and -1
_NO_BRACKETS = bytes(set(range(256)) - set(b"[{]}"))


def pack(kind: str, document: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return the content of a file; the same for the same document and arrays."""
    if len(arrays) > MAX_ARRAYS:
        raise ValueError(f"it has {len(arrays)} arrays; {MAX_ARRAYS} are allowed.")
    document = {"sha256": _ZEROS.decode(), **document}
    text = json.dumps(document, separators=(",", ":"), allow_nan=False)
    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    content = safetensors.numpy.save(contiguous, {kind: text})
    return content.replace(_ZEROS, hashlib.sha256(content).hexdigest().encode(), 1)


def read(
    path: str | os.PathLike[str],
    kind: str,
    max_header_bytes: int,
    max_bytes: float = math.inf,
    *,
    with_arrays: bool = True,
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the document and, if asked for, the arrays of a file of some kind.

    It takes memory of 80 times `max_header_bytes`, for JSON of many small objects, and twice the
    length of the file. A file that is damaged, too long or of another kind is a ValueError, or one
    of a dozen other errors of safetensors and Python, but never an OSError.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > max_bytes:
            raise ValueError(f"it is {size:,} bytes long; at most {max_bytes:,} are read.")
        content = file.read(size if with_arrays else 8 + max_header_bytes)
    document, header = _parse(content, size, kind, max_header_bytes)
    if not with_arrays:
        return document, {}
    stated = str(document["sha256"])
    digest = hashlib.sha256(content[:8] + header.replace(stated.encode(), _ZEROS, 1))
    digest.update(memoryview(content)[8 + len(header) :])
    if digest.hexdigest() != stated:
        raise ValueError(
            "its SHA-256 is not the one that it states: it was changed or damaged. Take another "
            "copy, or save it again."
        )
    return document, safetensors.numpy.load(content)


def _parse(content: bytes, size: int, kind: str, max_bytes: int) -> tuple[dict[str, Any], bytes]:
    """Return the document and the header of a file of some size, given at least its beginning."""
    name = kind.rpartition(".")[2]
    if content.startswith(b"PK\3\4"):
        raise ValueError(
            f"it is no {name} file of this release but a zip archive, as older releases wrote "
            "them. Train again, or load it with the release that wrote it."
        )
    end = 8 + int.from_bytes(content[:8], "little")
    if not 8 < end <= size:
        raise ValueError(f"it is no {name} file, or only the beginning of one.")
    if end - 8 > max_bytes:
        raise ValueError(f"its header is {end - 8:,} bytes long; at most {max_bytes:,} are read.")
    header = content[8:end]
    # safetensors would overlook two entries of one name, and fields that it does not know.
    entries = read_json(header.decode(), max_nodes=3 * MAX_ARRAYS + 2)
    about = entries.pop("__metadata__", {})
    if set(about) != {kind}:
        raise ValueError(f"it is no {name} file of sk-digits.")
    for entry_name, entry in entries.items():
        if set(entry) != {"dtype", "shape", "data_offsets"}:
            raise ValueError(f"its header is damaged at {entry_name[:80]!r}.")
    expected = end + max((entry["data_offsets"][1] for entry in entries.values()), default=0)
    if size < expected:
        raise ValueError(
            f"it is no {name} file, but only the beginning of one: {size:,} of {expected:,} bytes."
        )
    if size > expected:
        raise ValueError(f"{size - expected:,} bytes follow its last array.")
    return read_json(about[kind]), header


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
