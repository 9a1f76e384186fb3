"""Python's and NumPy's plain values as JSON, from which they come back in their own types.

JSON's own types stand for themselves. Everything else is an object with one entry, which says what
it is: ``{"tuple": [1, 2]}``, ``{"dict": [[key, value]]}``, ``{"float": "nan"}``, a NumPy number
``{"f4": 0.5}`` or an array ``{"array": ["U1", ["a", "b"]]}``.
"""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_WIDTH = 64  # of the type of texts that are shorter

# Types of NumPy as `numpy.dtype` spells them: "O" is an array of str objects.
_DTYPE = re.compile(r"b1|[iu][1248]|f[248]|U\d{1,5}|O")
_ITEM_TYPES = {"b": bool, "i": int, "u": int, "f": float, "U": str, "O": str}


def to_plain(value: Any) -> Any:
    """Return what JSON can hold of a value, for `from_plain` to make it again.

    Raises
    ------
    ValueError
        If the value, or one in it, is of another type than None, bool, int, float, str, list,
        tuple, dict, and NumPy's numbers, strings and arrays of those, of one dimension at most.
    """
    kind = type(value)
    if value is None or kind in (bool, int, str):
        return value
    if kind is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    if kind is list:
        return [to_plain(item) for item in value]
    if kind is tuple:
        return {"tuple": [to_plain(item) for item in value]}
    if kind is dict:
        return {"dict": [[to_plain(key), to_plain(item)] for key, item in value.items()]}
    if isinstance(value, np.ndarray | np.generic) and value.ndim <= 1:
        dtype, items = value.dtype.str[1:], to_plain(value.tolist())
        if dtype[0] == "U":  # without the width that no text has
            dtype = f"U{min(int(dtype[1:]), max(MAX_WIDTH, *_lengths(items)))}"
        if _DTYPE.fullmatch(dtype):
            return {"array": [dtype, items]} if isinstance(value, np.ndarray) else {dtype: items}
    raise ValueError(f"a {kind.__module__}.{kind.__name__} is no plain value")


def from_plain(plain: Any) -> Any:
    """Return the value that :func:`to_plain` was given; ValueError or TypeError if there is none.

    Memory is at most 100 times the length of the JSON text.
    """
    if isinstance(plain, list):
        return [from_plain(item) for item in plain]
    if not isinstance(plain, dict):
        return plain
    if len(plain) != 1:
        raise ValueError(f"a plain value has {len(plain)} entries")
    ((tag, content),) = plain.items()
    if tag == "tuple" and isinstance(content, list):
        return tuple(from_plain(item) for item in content)
    if tag == "dict" and isinstance(content, list) and all(map(_is_pair, content)):
        return _make_dict([(from_plain(key), from_plain(item)) for key, item in content])
    if tag == "float" and content in ("nan", "inf", "-inf"):
        return float(content)
    if tag == "array" and _is_pair(content):
        return _make_array(content[0], from_plain(content[1]))
    return _make_array(tag, from_plain(content))[()]


def _lengths(items: Any) -> list[int]:
    return [0, *map(len, items if isinstance(items, list) else [items])]


def _is_pair(content: Any) -> bool:
    return isinstance(content, list) and len(content) == 2


def _make_dict(items: list[tuple[Any, Any]]) -> dict[Any, Any]:
    # Of tuples one could make as many as one likes of one hash, with which a dict is slow.
    if not all(isinstance(key, str | int | float | np.generic) for key, _ in items):
        raise ValueError("a dict has a key that is neither a str nor a number")
    values = dict(items)
    if len(values) < len(items):
        raise ValueError("a dict has two values of one key")
    return values


def _make_array(dtype: Any, items: Any) -> NDArray[Any]:
    if not isinstance(dtype, str) or not _DTYPE.fullmatch(dtype):
        raise ValueError(f"{str(dtype)[:40]!r} is no type of a plain value")
    flat = items if isinstance(items, list) else [items]
    if not all(type(item) is _ITEM_TYPES[dtype[0]] for item in flat):
        raise ValueError(f"items of an array of type {dtype} are of another type")
    # One wide type would make a short text a large array.
    if dtype[0] == "U" and int(dtype[1:]) > max(MAX_WIDTH, *_lengths(flat)):
        raise ValueError(f"an array of type {dtype} has no text that is so long")
    with np.errstate(over="raise"):
        return np.array(items, dtype)
