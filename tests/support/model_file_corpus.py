"""Files that nobody should load: damaged at random, or made to do harm, by a seed.

`case` makes the i-th file out of an honest one. It serves the tests here and the comparison of
loaders in benchmarks/fuzz_model_files.py.
"""

import contextlib
import copy
import io
import json
import os
import pickle
import struct
import zipfile
from typing import NamedTuple

import numpy as np

from sk_digits._model_files.model_file import checksum

HOSTILE_NAMES = ["../../evil.py", "/etc/passwd", "0.pkl", "a" * 300, "0.npy/../x", "C:\\x", ""]
HOSTILE_VALUES = [
    None, True, -1, 0, 2**63, 10**400, -(10**30), 1e308, float("nan"), float("inf"), "",
    "x" * 20_000, "../../etc/passwd", "1e999", "[" * 5000, "9" * 6000, [], {}, [[[]]],
    {"__loader__": "JsonNode"},
]  # fmt: skip
HOSTILE_TYPES = [
    ("builtins", "eval", "FunctionNode"),
    ("builtins", "exec", "TypeNode"),
    ("os", "system", "FunctionNode"),
    ("posix", "system", "ObjectNode"),
    ("operator", "methodcaller", "OperatorFuncNode"),
    ("operator", "attrgetter", "OperatorFuncNode"),
    ("functools", "partial", "PartialNode"),
    ("subprocess", "Popen", "ConstructorFromReduceNode"),
    ("pathlib", "Path", "ConstructorFromReduceNode"),
    ("builtins", "bytes", "BytesNode"),
    ("builtins", "map", "TypeNode"),
    ("builtins", "object", "CachedNode"),
    ("collections", "defaultdict", "DefaultDictNode"),
    ("numpy.random._generator", "Generator", "RandomGeneratorNode"),
    ("numpy", "memmap", "NdArrayNode"),
    ("numpy", "fromfile", "NdArrayNode"),
    ("scipy.sparse._csr", "csr_matrix", "SparseMatrixNode"),
    ("sk_digits._ann.digit_ann", "DigitANN", "MethodNode"),
    ("sk_digits._ann.digit_ann", "DigitANN", "ObjectNode"),
    ("sk_digits._network.random_warp", "RandomWarp", "ObjectNode"),
    ("sklearn.preprocessing._function_transformer", "FunctionTransformer", "ObjectNode"),
    ("skorch.classifier", "NeuralNetClassifier", "ObjectNode"),
    ("antigravity", "webbrowser", "ObjectNode"),
]
HOSTILE_HEADERS = [
    "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999,), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 4), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 99999999999999999), }",
    "{'descr': [('a', '<f4'), ('b', '|O')], 'fortran_order': False, 'shape': (1,), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (" + "1," * 60 + "), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': " + "(" * 900 + ")" * 900 + ", }",
    "{'descr': '<M8[ns]', 'fortran_order': False, 'shape': (1,), }",
    "__import__('os').system('true')",
]


class Case(NamedTuple):
    """A file, and what was done to it."""

    kind: str
    content: bytes


class Payload:
    """An object that touches a file when it is unpickled."""

    def __init__(self, canary: str, way: int) -> None:
        self.canary, self.way = canary, way

    def __reduce__(self):
        """Tell pickle what to call."""
        if self.way == 0:
            return open, (self.canary, "w")
        if self.way == 1:
            return exec, (f"open({self.canary!r}, 'w').close()",)
        return os.system, (f": > '{self.canary}'",)


def case(base: bytes, format_: str, i: int, canary: str, seed: int = 0) -> Case:
    """Make the i-th file of a corpus.

    Parameters
    ----------
    base : bytes
        An honest file.
    format_ : {"model", "skops", "torch", "joblib"}
        What wrote it. Kinds that a format does not have, such as those of zip archives, are left
        out. The SHA-256 in a "model" is made right again where only that would stop it.
    i : int
        Which.
    canary : str
        File that code in the file is to make, should it ever run.
    seed : int
        Of the corpus.
    """
    rng = np.random.default_rng([seed, i])
    kinds = {"bytes": _damage_bytes, "payload": _payload}
    if format_ != "joblib":
        kinds |= {"archive": _damage_archive, "arrays": _damage_arrays}
    if format_ in ("model", "skops"):
        kinds |= {"schema": _damage_schema, "types": _damage_types}
    kind = list(kinds)[i % len(kinds)]
    return Case(kind, kinds[kind](base, format_, rng, canary))


def unpack(base: bytes) -> dict[str, bytes]:
    """Give the members of an archive."""
    with zipfile.ZipFile(io.BytesIO(base)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def seal(members: dict[str, bytes]) -> dict[str, bytes]:
    """Give a model file the checksum of what is in it, as an attacker would."""
    if "metadata.json" not in members:
        return members
    try:
        metadata = json.loads(members["metadata.json"])
        others = {k: v for k, v in members.items() if k != "metadata.json"}
        metadata["sha256"] = checksum(others)
        return members | {"metadata.json": json.dumps(metadata).encode()}
    except (ValueError, TypeError, RecursionError):
        return members


def pack(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """Put members into an archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, compress_type=compression)
    return buffer.getvalue()


def _damage_bytes(base, format_, rng, canary):
    data = bytearray(base)
    start, end = sorted(rng.integers(0, len(data), 2).tolist())
    way = rng.integers(9)
    if way == 0:
        for position in rng.integers(0, len(data), rng.integers(1, 20)):
            data[position] ^= 1 << rng.integers(8)
    elif way == 1:
        del data[end:]
    elif way == 2:
        data += rng.bytes(rng.integers(1, 1000))
    elif way == 3:
        data[start : start + 64] = rng.bytes(len(data[start : start + 64]))
    elif way == 4:
        data[start:end] = bytes(end - start)
    elif way == 5:
        del data[start : start + rng.integers(1, 100)]
    elif way == 6:
        data[end:end] = data[start : start + 1000]
    elif way == 7:  # the directory, where a byte weighs most
        for _ in range(rng.integers(1, 5)):
            data[-int(rng.integers(1, min(600, len(data))))] = rng.integers(256)
    else:
        data = bytearray(rng.bytes(rng.integers(0, 3000)))
    return bytes(data)


def _damage_archive(base, format_, rng, canary):
    members = unpack(base)
    names = list(members)
    name = names[rng.integers(len(names))]
    way = rng.integers(9)
    if way == 0:
        del members[name]
    elif way == 1:
        members[HOSTILE_NAMES[rng.integers(len(HOSTILE_NAMES))]] = members.pop(name)
    elif way == 2:  # a bomb: a thousand times as long as the file
        members[name] = bytes(int(rng.choice([10**6, 10**8])))
        return pack(members, zipfile.ZIP_DEFLATED)
    elif way == 3:
        buffer = io.BytesIO(pack(members))
        with zipfile.ZipFile(buffer, "a") as archive:
            archive.fp.seek(archive.start_dir)
            archive.NameToInfo.clear()  # so that zipfile does not warn of a second one
            archive.writestr(name, members[names[rng.integers(len(names))]])
        return buffer.getvalue()
    elif way == 4:
        return pack(seal(members), zipfile.ZIP_DEFLATED)
    elif way == 5:  # lie about lengths and places
        data = bytearray(pack(seal(members)))
        entry = data.rindex(b"PK\1\2")
        field = int(rng.choice([10, 20, 24, 42]))
        value = int(rng.choice([0, 1, 2**16, 2**31, 2**32 - 1]))
        data[entry + field : entry + field + 4] = struct.pack("<L", value)
        return bytes(data)
    elif way == 6:
        members |= {f"{k}.npy": b"" for k in range(1000, 1000 + int(rng.choice([1, 9000])))}
    elif way == 7:
        other = names[rng.integers(len(names))]
        members[name], members[other] = members[other], members[name]
    else:
        members[name] = rng.bytes(rng.integers(0, 500))
    return pack(seal(members))


def _damage_arrays(base, format_, rng, canary):
    members = unpack(base)
    names = [n for n in members if n.endswith(".npy") or "/data/" in n]
    name = names[rng.integers(len(names))]
    content = members[name]
    start = 10 + int.from_bytes(content[8:10], "little") if name.endswith(".npy") else 0
    header, body = content[:start], bytearray(content[start:])
    way = rng.integers(5)
    if way == 0:
        values = np.array([np.nan, np.inf, -np.inf, -1e38, 3e38], "<f4")
        body[: 4 * len(values)] = values.tobytes()[: len(body)]
    elif way == 1:
        body[:] = rng.bytes(len(body))
    elif way == 2:
        body = body[: rng.integers(len(body) + 1)] + rng.bytes(rng.integers(9))
    elif way == 3 and header:
        text = HOSTILE_HEADERS[rng.integers(len(HOSTILE_HEADERS))].encode() + b"\n"
        header = b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text
        if b"O" in text:
            body = bytearray(pickle.dumps(np.array([Payload(canary, 0)], dtype=object)))
    else:
        other = members[names[rng.integers(len(names))]]
        header, body = other, b""
    members[name] = header + bytes(body)
    return pack(seal(members))


def _nodes(tree, found):
    """List all dicts in a schema."""
    if isinstance(tree, dict):
        found.append(tree)
    for child in tree.values() if isinstance(tree, dict) else tree:
        if isinstance(child, dict | list):
            _nodes(child, found)
    return found


def _with_schema(members, schema):
    try:
        text = json.dumps(schema)
    except (RecursionError, ValueError):  # cyclic, or a number too long to write
        text = '{"content": ' + "[" * 100_000
    return pack(seal(members | {"schema.json": text.encode()}))


def _damage_schema(base, format_, rng, canary):
    members = unpack(base)
    schema = json.loads(members["schema.json"])
    for _ in range(rng.integers(1, 4)):
        nodes = _nodes(schema, [])
        node = nodes[rng.integers(len(nodes))]
        if not node:
            continue
        key = list(node)[rng.integers(len(node))]
        other = nodes[rng.integers(len(nodes))]
        way = rng.integers(6)
        value = HOSTILE_VALUES[rng.integers(len(HOSTILE_VALUES))]
        if way == 0:
            del node[key]
        elif way == 1:
            node[key] = value
        elif way == 2:
            node["content"] = value if isinstance(value, str) else json.dumps(str(value))
        elif way == 3:
            with contextlib.suppress(RecursionError):  # deep from the change before
                node[key] = copy.deepcopy(other)
        elif way == 4:
            node["__id__"] = 7
        else:
            for _ in range(int(rng.choice([5, 200]))):
                deeper = {"__class__": "list", "__module__": "builtins", "__loader__": "ListNode"}
                node[key] = deeper | {"content": [node[key]]}
    return _with_schema(members, schema)


def _damage_types(base, format_, rng, canary):
    members = unpack(base)
    schema = json.loads(members["schema.json"])
    nodes = [node for node in _nodes(schema, []) if "__class__" in node]
    for _ in range(rng.integers(1, 3)):
        node = nodes[rng.integers(len(nodes))]
        module, name, loader = HOSTILE_TYPES[rng.integers(len(HOSTILE_TYPES))]
        if rng.integers(2):
            node["__loader__"] = loader
        node |= {"__module__": module, "__class__": name}
        if rng.integers(2):
            text = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode"}
            text |= {"content": json.dumps(f": > '{canary}'"), "is_json": True}
            args = {"__class__": "tuple", "__module__": "builtins", "__loader__": "TupleNode"}
            node |= {"content": args | {"content": [text]}, "attrs": args | {"content": [text]}}
    return _with_schema(members, schema)


def _payload(base, format_, rng, canary):
    """Put code where the loader might look for data."""
    code = pickle.dumps(Payload(canary, int(rng.integers(3))), protocol=int(rng.integers(2, 5)))
    if format_ == "joblib":
        return code
    members = unpack(base)
    if format_ == "torch":
        members[next(name for name in members if name.endswith("data.pkl"))] = code
    elif format_ == "skops":  # what skorch's __setstate__ gives to its unpickler
        members[next(name for name in members if name.endswith(".bin"))] = code
    elif rng.integers(3) == 0:
        return code
    else:
        members = _add_skorch_net(members, code, int(rng.integers(2)))
    return pack(seal(members))


def _add_skorch_net(members, code, place):
    """Put a skorch net, as skops would write it, into a model file."""

    def node(class_, loader, **content):
        module, _, name = class_.rpartition(".")
        return {"__class__": name, "__module__": module, "__loader__": loader} | content

    def plain(value):
        return node("builtins.str", "JsonNode", content=json.dumps(value), is_json=True)

    blob = node("builtins.bytes", "BytesNode", file="9.npy")
    state = {"device": plain("cpu"), "__cuda_dependent_attributes__": blob}
    types = [node("builtins.str", "TypeNode")] * len(state)
    key_types = node("builtins.list", "ListNode", content=types)
    attributes = node("builtins.dict", "DictNode", content=state, key_types=key_types)
    net = node("skorch.classifier.NeuralNetClassifier", "ObjectNode", content=attributes)
    schema = json.loads(members["schema.json"])
    if place == 0:
        schema |= net
    else:
        target = next(n for n in _nodes(schema, []) if "net_" in n)
        target["net_"] = net
    return members | {"schema.json": json.dumps(schema).encode(), "9.npy": code}


def nodes_of(schema, name):
    """Give the content of the node of an object, by the name of its type."""
    if isinstance(schema, dict) and schema.get("__class__") == name:
        return schema["content"]["content"]
    children = schema.values() if isinstance(schema, dict) else schema
    found = (nodes_of(child, name) for child in children if isinstance(child, dict | list))
    return next((content for content in found if content is not None), None)


def plain(value):
    """Give the node of a plain value."""
    text = value if isinstance(value, str) else json.dumps(value)
    type_ = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode"}
    return type_ | {"content": text, "is_json": True}


def with_schema(honest, change):
    """Change the schema of a file, and seal it."""
    members = unpack(honest)
    schema = json.loads(members["schema.json"])
    change(schema)
    return _with_schema(members, schema)
