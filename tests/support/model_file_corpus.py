"""Files that nobody should load: damaged at random, or made to do harm, by a random seed.

`case` makes the i-th file out of an honest model file or checkpoint, for the tests here and for
benchmarks/fuzz_model_files.py. The functions below it make one certain file.
"""

import contextlib
import copy
import hashlib
import json
import os
import pickle
import re
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import safetensors.numpy

HOSTILE_VALUES = [
    None, True, -1, 0, 0.5, 2**63, -(10**30), 10**400, 1e308, "", "x" * 20_000, "NaN", "1e999",
    "../../etc/passwd", "\ud800", [], {}, [[[]]], {"tuple": 1}, {"dict": [[1, 1], [1.0, 2]]},
    {"dict": [[{"tuple": [1]}, 1]]}, {"float": "nan"}, {"float": "inf"}, {"i8": "1"}, {"u1": 300},
    {"f4": 1e300}, {"array": ["U99999", ["a"] * 99]}, {"array": ["O", [{}]]}, {"tensor": "rows"},
    {"array": ["i8", list(range(9000))]}, {"array": ["f8", [[1.0]]]}, {"float": "nan", "x": 1},
]  # fmt: skip
HOSTILE_TYPES = [
    "os.system", "builtins.eval", "builtins.bytes", "pathlib.Path", "subprocess.Popen",
    "functools.partial", "operator.methodcaller", "numpy.memmap", "numpy.ndarray", "antigravity",
    "sklearn.preprocessing.FunctionTransformer", "skorch.NeuralNetClassifier", "torch.nn.Module",
    "sk_digits.DigitANN", "sk_digits.RandomWarp", "sk_digits.DigitNet", "sk_digits.load_model",
    "sk_digits._ann.digit_ann.DigitANN", "sklearn.pipeline.Pipeline", "sk_digits.PixelScaler", "",
]  # fmt: skip
HOSTILE_DTYPES = ["BF16", "F8_E4M3", "F8_E5M2", "F4", "C64", "BOOL", "I8", "F16", "F64", "O", 5, []]


class Case(NamedTuple):
    """A file, and what was done to it."""

    kind: str
    content: bytes


class Payload:
    """An object that makes a file when it is unpickled."""

    def __init__(self, canary: str, way: int) -> None:
        self.canary, self.way = canary, way

    def __reduce__(self):
        """Return what pickle calls."""
        if self.way == 0:
            return open, (self.canary, "w")
        if self.way == 1:
            return exec, (f"open({self.canary!r}, 'w').close()",)
        return os.system, (f": > '{self.canary}'",)


def case(base: bytes, i: int, canary: str, seed: int = 0) -> Case:
    """Make the i-th file of a corpus.

    Parameters
    ----------
    base : bytes
        An honest file.
    i : int
        Which.
    canary : str
        File that code in the file is to make, should it ever run.
    seed : int
        Random seed of the corpus.
    """
    rng = np.random.default_rng([seed, i])
    kinds = {
        "bytes": _damage_bytes,
        "header": _damage_header,
        "document": _damage_document,
        "types": _damage_types,
        "arrays": _damage_arrays,
        "payload": _put_code,
    }
    kind = list(kinds)[i % len(kinds)]
    return Case(kind, kinds[kind](base, rng, canary))


def split(content: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the header and the data of a file."""
    end = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:end]), content[end:]


def join(header: dict[str, Any] | bytes, data: bytes) -> bytes:
    """Return the file of a header and data, with the checksum made right, as an attacker would."""
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    header = re.sub(rb"(sha256\W{1,10})[0-9a-f]{64}", rb"\g<1>" + b"0" * 64, header, count=1)
    content = struct.pack("<Q", len(header)) + header + data
    return content.replace(b"0" * 64, hashlib.sha256(content).hexdigest().encode(), 1)


def document_of(content: bytes) -> dict[str, Any]:
    """Return the document in a file."""
    (text,) = split(content)[0]["__metadata__"].values()
    return json.loads(text)


def with_text(content: bytes, change: Callable[[str], str]) -> bytes:
    """Change the text of the document in a file."""
    header, data = split(content)
    ((kind, text),) = header["__metadata__"].items()
    return join(header | {"__metadata__": {kind: change(text)}}, data)


def with_document(content: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """Change the document in a file, in place."""
    document = document_of(content)
    change(document)
    try:
        text = json.dumps(document, separators=(",", ":"))
    except (RecursionError, ValueError):  # cyclic, or a number too long to write
        text = '{"sha256":' + "[" * 100_000
    return with_text(content, lambda _: text)


def with_arrays(content: bytes, change: Callable[[dict[str, np.ndarray]], None]) -> bytes:
    """Change the arrays in a file, in place."""
    arrays = {name: array.copy() for name, array in safetensors.numpy.load(content).items()}
    change(arrays)
    metadata = split(content)[0]["__metadata__"]
    return join(*split(safetensors.numpy.save(arrays, metadata)))


def tree_of(document: dict[str, Any], *steps: int) -> dict[str, Any]:
    """Return the tree of the model in a document, or of a step of it."""
    tree = document["tree"]
    for step in steps:
        tree = tree["state"]["steps"][step][1]
    return tree


def _damage_bytes(base, rng, canary):
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
    elif way == 7:  # the length of the header, and the first of its bytes
        data[int(rng.integers(20))] = rng.integers(256)
    else:
        data = bytearray(rng.bytes(rng.integers(0, 3000)))
    # In half of the cases the checksum is made right again.
    if rng.integers(2) and len(data) > 8 and int.from_bytes(data[:8], "little") < len(data) - 8:
        end = 8 + int.from_bytes(data[:8], "little")
        return join(bytes(data[8:end]), bytes(data[end:]))
    return bytes(data)


def _damage_header(base, rng, canary):
    header, data = split(base)
    names = [name for name in header if name != "__metadata__"]
    name, other = (names[k] for k in rng.integers(len(names), size=2))
    entry = header[name]
    number = int(rng.choice([-1, 0, 1, 8, 2**31, 2**62, len(data), len(data) + 1]))
    way = rng.integers(15)
    if way == 0:  # offsets that point elsewhere: overlaps, holes, beyond the end
        entry["data_offsets"][rng.integers(2)] = number
    elif way == 1:
        entry["data_offsets"] = header[other]["data_offsets"]
    elif way == 2:
        entry["shape"] = [[], [0], [number], [2**62, 2**62, 0], [1] * 70, "1", [1.5]][
            rng.integers(7)
        ]
    elif way == 3:
        entry["dtype"] = HOSTILE_DTYPES[rng.integers(len(HOSTILE_DTYPES))]
    elif way == 4:
        header[name] = HOSTILE_VALUES[rng.integers(len(HOSTILE_VALUES) - 3)]
    elif way == 5:
        del header[name]
    elif way == 6:
        header[other + "x"] = header.pop(name)
    elif way == 7:  # empty arrays
        empty = {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}
        header |= {f"x{k}": empty for k in range(int(rng.choice([1, 5000])))}
    elif way == 8:
        data = data + rng.bytes(8) if rng.integers(2) else data[:-1]
    elif way == 9:
        header["__metadata__"]["x"] = "y"
    elif way == 10:
        entry[["x", "dtype", "shape"][rng.integers(3)]] = HOSTILE_VALUES[rng.integers(5)]
    text = json.dumps(header)
    if way == 11:  # two entries of one name
        some = json.dumps(name)
        text = text.replace(f"{some}:", f"{some}: {json.dumps(header[other])}, {some}:", 1)
    elif way == 12:
        texts = ["NaN", "1e999", "-0.0", "9" * 5000, "[" * 500, '{"":' * 90_000, " " * 2**21]
        text = text.replace("[", texts[rng.integers(len(texts))], 1)
    encoded = text.encode(errors="surrogatepass")
    if way == 13:
        encoded = encoded.replace(name.encode(), b"\xff" + name.encode(), 1)
    elif way == 14:
        encoded = rng.choice([b" ", b"[", b"\xef\xbb\xbf", b"\0"]) + encoded
    return join(encoded, data)


def _nodes(tree, found):
    """Return all lists and dicts in a document that are not empty."""
    if tree and isinstance(tree, dict | list):
        found.append(tree)
        for child in tree.values() if isinstance(tree, dict) else tree:
            _nodes(child, found)
    return found


def _damage_document(base, rng, canary):
    def change(document):
        for _ in range(rng.integers(1, 4)):
            nodes = _nodes(document, [])
            node = nodes[rng.integers(len(nodes))]
            keys = list(node) if isinstance(node, dict) else range(len(node))
            key = keys[rng.integers(len(keys))]
            way = rng.integers(6)
            if way == 0:
                del node[key]
            elif way <= 2:
                node[key] = copy.deepcopy(HOSTILE_VALUES[rng.integers(len(HOSTILE_VALUES))])
            elif way == 3:
                with contextlib.suppress(RecursionError):  # deep from the change before
                    node[key] = copy.deepcopy(nodes[rng.integers(len(nodes))])
            elif way == 4 and isinstance(node, dict):
                node[["x", "__class__", "fit", "tree"][rng.integers(4)]] = node[key]
            else:
                for _ in range(int(rng.choice([5, 200]))):
                    node[key] = [{"tuple": [node[key]]}, [node[key]]][rng.integers(2)]

    content = with_document(base, change)
    if rng.integers(4):
        return content
    pairs = [("tree", '"tree":1,"tree"'), ("type", '"type":"os.system","type"')]
    pairs += [("sha256", '"x":NaN,"sha256"'), ("sha256", '"x":' + "9" * 5000 + ',"sha256"')]
    name, text = pairs[rng.integers(len(pairs))]
    return with_text(content, lambda old: old.replace(f'"{name}"', text, 1))


def _damage_types(base, rng, canary):
    def change(document):
        nodes = [node for node in _nodes(document, []) if isinstance(node, dict)]
        for _ in range(rng.integers(1, 3)):
            name = HOSTILE_TYPES[rng.integers(len(HOSTILE_TYPES))]
            code = f"open({canary!r}, 'w').close()"
            node = nodes[rng.integers(len(nodes))]
            way = rng.integers(4)
            if way == 0 and "type" in node:
                node["type"] = name
            elif way == 1:
                node.clear()
                node |= {name: [code]}
            elif way == 2:
                key = list(node)[rng.integers(len(node))] if node else "x"
                node[key] = {"type": name, "state": {"args": [code]}}
            else:
                node |= {"type": name, "state": {"steps": [[code, {"type": name, "state": {}}]]}}

    return with_document(base, change)


def _damage_arrays(base, rng, canary):
    def change(arrays):
        names = list(arrays)
        name, other = (names[k] for k in rng.integers(len(names), size=2))
        array = arrays[name]
        generators = [n for n in names if n.endswith("generator")]
        way = rng.integers(8)
        if way == 0 and array.dtype.kind == "f":
            array.flat[rng.integers(array.size)] = rng.choice([np.nan, np.inf, -np.inf, -1, 1e38])
        elif way == 1:
            arrays[name] = np.frombuffer(rng.bytes(array.nbytes), array.dtype).reshape(array.shape)
        elif way == 2:
            arrays[name] = arrays[other]
        elif way == 3:
            arrays[name] = array.astype(rng.choice(["f2", "f4", "f8", "i8", "u1"]))
        elif way == 4:
            arrays[name] = array[None] if rng.integers(2) else array.reshape(-1)[:-1]
        elif way == 5:
            arrays[f"{name}{rng.integers(9)}"] = arrays.pop(name)
        else:  # the numbers that say where a generator stands
            state = arrays[generators[rng.integers(len(generators))]]
            state[: rng.choice([24, 5056])] ^= rng.integers(256, dtype=np.uint8)
            state[8:12] = np.frombuffer(struct.pack("<i", rng.choice([1, 2, 624, 625])), np.uint8)
            state[16:24] = np.frombuffer(struct.pack("<q", rng.choice([0, 1, 624, -1])), np.uint8)

    with np.errstate(all="ignore"):
        return with_arrays(base, change)


def _put_code(base, rng, canary):
    """Put code where the loader might look for data."""
    code = pickle.dumps(Payload(canary, int(rng.integers(3))), protocol=int(rng.integers(2, 5)))
    way = rng.integers(4)
    if way == 0:
        return code
    if way == 1:
        return join(split(base)[0], code)
    if way == 2:
        return with_arrays(base, lambda arrays: arrays.update(x=np.frombuffer(code, np.uint8)))
    texts = [f"__import__('os').system(': > {canary}')", f"open({canary!r}, 'w')", code.hex()]

    def change(document):
        nodes = [node for node in _nodes(document, []) if isinstance(node, dict)]
        node = nodes[rng.integers(len(nodes))]
        node[list(node)[rng.integers(len(node))]] = texts[rng.integers(len(texts))]

    return with_document(base, change)
