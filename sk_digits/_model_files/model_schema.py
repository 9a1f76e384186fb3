"""What stands in a skops schema, as values: plain ones, arrays, and `Stored` for all else.

Of skops' two dozen kinds of node only those are read that data needs. No name in a schema is
looked up: functions, methods, partials, constructor calls, types, byte strings, sparse matrices
and nodes that refer to other nodes are errors, whatever they name.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sk_digits._model_files.model_file import ModelFileError

MAX_DEPTH = 32
MAX_TEXT = 10_000

_NUMBERS = {
    f"numpy.{kind}": np.dtype(kind).type
    for kind in ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
    + ("float16", "float32", "float64")
}
# No bool: skops makes bool("False"), which is True, of such a key.
_KEY_TYPES: dict[str, Any] = {
    "builtins.str": str,
    "builtins.int": int,
    "builtins.float": float,
    "numpy.str_": np.str_,
} | {name: type_ for name, type_ in _NUMBERS.items() if name != "numpy.bool"}
_ENVELOPE = {"__class__", "__module__", "__loader__"}
# The header as NumPy itself writes it; its own reader would take any Python literal.
_NPY_HEADER = re.compile(
    rb"\{'descr': '([<>|])([biufU])(\d{1,6})', 'fortran_order': (False|True), "
    rb"'shape': \(((?:\d{1,18}, )*\d{1,18},?)?\), \} *\n"
)


@dataclass(frozen=True)
class Stored:
    """An object that is not built: the full name of its type, and its state."""

    type_name: str
    state: dict[str, Any]


def read_schema(members: dict[str, bytes]) -> Any:
    """Read the values in a model file.

    Parameters
    ----------
    members : dict of str to bytes
        "schema.json" and the .npy files.

    Returns
    -------
    object
        None, bool, int, float, str, list, tuple, dict, ndarray or NumPy number, `Stored`, and
        whatever those hold.

    Raises
    ------
    ModelFileError
        If there is anything else.
    """
    schema = json.loads(members["schema.json"])
    if not isinstance(schema, dict):
        raise ModelFileError("its schema.json is no object.")
    schema.pop("_skops_version", None)
    if schema.pop("protocol", None) != 2:
        raise ModelFileError("its schema has a skops protocol other than 2.")
    arrays = {name: content for name, content in members.items() if name != "schema.json"}
    value = _Reader(arrays).read(schema, "the model", 0)
    if arrays:
        raise ModelFileError(f"its member {min(arrays)!r} is used by nothing.")
    return value


class _Reader:
    """Reader of nodes; it takes each array out of `arrays` as it is used."""

    def __init__(self, arrays: dict[str, bytes]) -> None:
        self.arrays = arrays
        self.kinds = {
            "JsonNode": self._plain,
            "ListNode": self._list,
            "TupleNode": self._tuple,
            "DictNode": self._dict,
            "NdArrayNode": self._array,
            "ObjectNode": self._stored,
            "RandomStateNode": self._stored,
        }

    def read(self, node: Any, where: str, depth: int) -> Any:
        """Give the value of a node; `where` names it in errors."""
        if depth > MAX_DEPTH:
            raise ModelFileError("its schema is too deep.")
        if not isinstance(node, dict) or not all(isinstance(node.get(k), str) for k in _ENVELOPE):
            raise ModelFileError(f"{where} is no node of a skops schema.")
        kind = self.kinds.get(node["__loader__"])
        name = f"{node['__module__']}.{node['__class__']}"
        if kind is None:
            raise ModelFileError(
                f"{where} is a {name[:80]} in a {node['__loader__'][:40]}, which model files do "
                "not hold."
            )
        body = {key: value for key, value in node.items() if key not in _ENVELOPE}
        return kind(name, body, where, depth + 1)

    def _plain(self, name: str, body: dict[str, Any], where: str, depth: int) -> Any:
        _check_keys(name == "builtins.str" and body, {"content", "is_json"}, where)
        text = body["content"]
        if not isinstance(text, str) or len(text) > MAX_TEXT or text[:1] in "[{":
            raise ModelFileError(f"{where} is no plain value.")
        value = json.loads(text)
        if isinstance(value, list | dict) or (type(value) is int and abs(value) >= 2**64):
            raise ModelFileError(f"{where} is no plain value.")
        return value

    def _list(self, name: str, body: dict[str, Any], where: str, depth: int) -> list[Any]:
        _check_keys(name == "builtins.list" and body, {"content"}, where)
        return self._items(body["content"], where, depth)

    def _tuple(self, name: str, body: dict[str, Any], where: str, depth: int) -> tuple[Any, ...]:
        _check_keys(name == "builtins.tuple" and body, {"content"}, where)
        return tuple(self._items(body["content"], where, depth))

    def _items(self, content: Any, where: str, depth: int) -> list[Any]:
        if not isinstance(content, list):
            raise ModelFileError(f"{where} has no items.")
        return [self.read(node, f"{where}[{i}]", depth) for i, node in enumerate(content)]

    def _dict(self, name: str, body: dict[str, Any], where: str, depth: int) -> dict[Any, Any]:
        _check_keys(name == "builtins.dict" and body, {"content", "key_types"}, where)
        content, types = body["content"], body["key_types"]
        types = types.get("content") if isinstance(types, dict) else None
        if not isinstance(content, dict) or not isinstance(types, list):
            raise ModelFileError(f"{where} has no items.")
        if len(types) != len(content):
            raise ModelFileError(f"{where} has {len(content)} items and {len(types)} key types.")
        values = {}
        for key, node, type_node in zip(content, content.values(), types, strict=True):
            is_type = isinstance(type_node, dict) and type_node.get("__loader__") == "TypeNode"
            name = f"{type_node.get('__module__')}.{type_node.get('__class__')}" if is_type else ""
            if name not in _KEY_TYPES or len(key) > MAX_TEXT:
                raise ModelFileError(
                    f"{where} has the key {key[:40]!r} of type {name[:40] or 'unknown'}. Keys are "
                    "str, int or float."
                )
            values[_KEY_TYPES[name](key)] = self.read(node, f"{where}[{key[:40]!r}]", depth)
        return values

    def _array(self, name: str, body: dict[str, Any], where: str, depth: int) -> Any:
        if body.get("type") == "json":
            _check_keys(name == "numpy.ndarray" and body, {"content", "shape", "type"}, where)
            items = self._items(body["content"], where, depth)
            shape = self.read(body["shape"], f"the shape of {where}", depth)
            if shape != (len(items),) or not all(type(item) is str for item in items):
                raise ModelFileError(f"{where} is an array of objects other than a list of str.")
            return np.array(items, dtype=object)
        _check_keys(body.get("type") == "numpy" and body, {"file", "type"}, where)
        file = body["file"]
        if not isinstance(file, str) or file not in self.arrays:
            raise ModelFileError(f"{where} names no array of its own in the file.")
        array = _parse_npy(self.arrays.pop(file), where)
        if name == "numpy.ndarray":
            return array
        if array.ndim or name not in _NUMBERS or array.dtype != _NUMBERS[name]:
            raise ModelFileError(f"{where} is a {name[:80]}, which model files do not hold.")
        return array[()]

    def _stored(self, name: str, body: dict[str, Any], where: str, depth: int) -> Stored:
        _check_keys(body, {"content"}, where)
        state = self.read(body["content"], where, depth)
        if not isinstance(state, dict) or not all(type(key) is str for key in state):
            raise ModelFileError(f"{where} has a state other than attributes by name.")
        return Stored(name, state)


def _check_keys(body: Any, keys: set[str], where: str) -> None:
    if not isinstance(body, dict) or set(body) != keys:
        raise ModelFileError(f"{where} is a node that skops does not write.")


def _parse_npy(content: bytes, where: str) -> NDArray[Any]:
    """Make an array of a .npy file of exactly the length that its header asks for."""
    start = 10 + int.from_bytes(content[8:10], "little")
    header = _NPY_HEADER.fullmatch(content, 10, start)
    if content[:8] != b"\x93NUMPY\1\0" or header is None:
        raise ModelFileError(f"{where} is an array that model files do not hold.")
    order, kind, size, fortran, sides = header.groups()
    dtype = np.dtype((order + kind + size).decode())
    shape = tuple(int(side) for side in (sides or b"").replace(b",", b" ").split())
    if len(shape) > MAX_DEPTH or math.prod(shape) * dtype.itemsize != len(content) - start:
        raise ModelFileError(
            f"{where} is an array of shape {shape[:8]} and type {dtype}, but not of that length."
        )
    array = np.frombuffer(content, dtype, offset=start) if 0 not in shape else np.empty(0, dtype)
    array = array.reshape(shape, order="F" if fortran == b"True" else "C")
    return np.array(array, dtype=dtype.newbyteorder("="))  # aligned, writeable, native
