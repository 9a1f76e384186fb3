"""What a hostile model file may cost before it is refused: time and memory, measured."""

import json
import re
import struct
import subprocess
import sys
from itertools import product

import numpy as np
import pytest
from support.model_file_corpus import join, split, tree_of, with_arrays, with_document, with_text

from sk_digits import DigitANN, save_model

pytestmark = pytest.mark.slow  # a process for each file

MAX_HEADER_BYTES = 2**20
N_BYTES = MAX_HEADER_BYTES - 40_000  # what an honest file leaves of it


def with_header(change):
    """Return a function that makes a file of another header, which is given as bytes."""
    return lambda honest: join(change(*split(honest)), split(honest)[1])


def with_history(text):
    """Return a function that puts a JSON text in the place of the history of the net."""

    def make(honest):
        content = with_document(
            honest, lambda d: tree_of(d, 2)["state"]["net_"].update(history="BOMB")
        )
        return with_text(content, lambda document: document.replace('"BOMB"', text))

    return make


def as_many(items, n_bytes=N_BYTES):
    """Join as many JSON texts as fit into a header, where they are in a string, escaped."""
    lengths = (len(json.dumps(item)) - 1 for item in items)
    chosen, total = [], 0
    for item, length in zip(items, lengths, strict=True):
        total += length
        if total > n_bytes:
            break
        chosen.append(item)
    return ",".join(chosen)


def repeated(item):
    """Return a JSON list of one item, as long as fits into a header."""
    return "[" + as_many([item] * (N_BYTES // len(item))) + "]"


def colliding_keys():
    """Return pairs whose keys have one hash; of numbers there are few, so they are tuples."""
    numbers = [i * (2**61 - 1) for i in range(1, 8)]
    tuples = product(numbers, repeat=5)
    return as_many([f'[{{"tuple":{list(numbers)}}},0]' for numbers in tuples])


def with_layers(honest):
    """Say that the net has more layers than its file has arrays."""
    sizes = [1] * (N_BYTES // 2)

    def change(document):
        tree_of(document, 2)["state"]["net_"]["architecture"]["hidden_layer_sizes"] = "BOMB"

    content = with_document(honest, change)
    return with_text(
        content, lambda text: text.replace('"BOMB"', json.dumps(sizes, separators=(",", ":")))
    )


def with_layers_and_arrays(honest):
    """Say that the net has as many layers as its file has pairs of arrays, of nothing."""
    content = with_document(
        honest,
        lambda d: tree_of(d, 2)["state"]["net_"]["architecture"].update(
            hidden_layer_sizes=[1] * 2040, batch_norm=True
        ),
    )
    empty = {f"{i}": np.zeros(0, np.uint8) for i in range(4060)}
    return with_arrays(content, lambda arrays: arrays.update(empty))


def with_widths(honest):
    """Set a parameter of the classifier to half a million widths."""
    sizes = json.dumps([1] * (N_BYTES // 2), separators=(",", ":"))
    content = with_document(
        honest, lambda d: tree_of(d, 2)["state"].update(hidden_layer_sizes="BOMB")
    )
    return with_text(content, lambda text: text.replace('"BOMB"', sizes))


EMPTY = {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}
BOMBS = {
    "a header of half a file": (
        "honest",
        lambda honest: struct.pack("<Q", 2**26) + b'{"' + b" " * 2**27,
        "its header is 67,108,864 bytes long",
    ),
    "blanks": (
        "honest",
        with_header(lambda header, data: b" " * (MAX_HEADER_BYTES + 1)),
        "its header is 1,048,577 bytes long",
    ),
    "brackets": (
        "honest",
        with_header(lambda header, data: b'{"a":' + b"[" * (MAX_HEADER_BYTES - 5)),
        "more than 12290 objects and lists",
    ),
    "brackets in the document": ("honest", with_history("[" * N_BYTES), "nested more than 64 deep"),
    "quotes": (
        "honest",
        with_header(lambda header, data: b'"' + b'\\"' * (MAX_HEADER_BYTES // 2 - 1)),
        "damaged .*Unterminated string",
    ),
    "quotes in the document": (
        "honest",
        with_history('"' + '\\"' * (N_BYTES // 4 - 9)),
        "damaged .*Expecting|damaged .*Unterminated",
    ),
    "small objects": ("honest", with_history(repeated('{"":{"":{}}}')), "has 0 entries"),
    "small objects in the header": (
        "honest",
        with_header(
            lambda header, data: (
                b'{"a":[' + b'{"":{"":{}}},' * (MAX_HEADER_BYTES // 13 - 1) + b"0]}"
            )
        ),
        "more than 12290 objects and lists",
    ),
    "small numbers": ("honest", with_history(repeated("0")), "is no dict of values"),
    "small numbers that are none": (
        "honest",
        with_history(repeated('{"i1":0}')),
        "is no dict of values",
    ),
    "long numbers": ("honest", with_history(repeated("0.123456789")), "is no dict of values"),
    "colliding keys": (
        "honest",
        with_history(f'{{"dict":[{colliding_keys()}]}}'),
        "a str nor a number",
    ),
    "epochs": (
        "honest",
        with_history(repeated('{"dict":[["epoch",1],["dur",0],["train_loss",0],["a",[]]]}')),
        "describe another model: training",
    ),
    "empty arrays": (
        "honest",
        with_header(
            lambda header, data: json.dumps(
                header | {f"{i}": EMPTY for i in range(MAX_HEADER_BYTES // 80)}
            ).encode()
        ),
        "more than 12290 objects and lists",
    ),
    "layers": ("honest", with_layers, "has [0-9]* layers, and fewer arrays"),
    "layers and arrays": (
        "honest",
        with_layers_and_arrays,
        "by its architecture it has shape|there is no array",
    ),
    "widths": ("honest", with_widths, "hidden_layer_sizes has [0-9]* items"),
    "wide texts": (
        "honest",
        with_history(repeated('{"array":["U64",["a"]]}')),
        "is no dict of values",
    ),
    "wider texts": (
        "honest",
        with_history(repeated('{"array":["U99999",["a"]]}')),
        "an array of type U99999 has no text",
    ),
    "an array of wide texts": (
        "honest",
        with_history('[{"array":["U64",' + repeated('""') + "]}]"),
        "is no dict of values",
    ),
    "weights that are not finite": (
        "large",
        lambda large: with_arrays(large, lambda a: a["model.weights/0.weight"].fill(np.nan)),
        "weights/0.weight is not finite",
    ),
    "weights of another type": (
        "large",
        lambda large: with_arrays(
            large, lambda a: a.update({"model.weights/0.weight": np.ones(64_000_000, "u1")})
        ),
        "by its architecture it has shape",
    ),
    "a long array of no use": (
        "honest",
        lambda honest: with_arrays(honest, lambda a: a.update(x=np.ones(64_000_000, "u1"))),
        "array 'x' is of no use",
    ),
    "another checksum": ("large", lambda large: large[:-4] + b"abcd", "its SHA-256 is not"),
    "too few bytes": ("large", lambda large: large[:-4], "only the beginning of one"),
}


MEASURED = """
import json, os, resource, sys, time
from pathlib import Path
import torch
from sk_digits import ModelFileError, load_model
folder = Path(sys.argv[1])
load_model(folder / "honest")
for bomb in sorted(folder.glob("*.bomb")):
    if os.fork():
        assert os.wait()[1] == 0, bomb
        continue
    before = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    start = time.process_time()
    try:
        load_model(bomb)
    except ModelFileError as error:
        seconds = time.process_time() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
        print(json.dumps([bomb.stem, seconds, peak, str(error)]), flush=True)
    os._exit(0)
"""


@pytest.fixture(scope="module")
def costs(honest_model_file, tmp_path_factory):
    """Return the seconds of the processor, the bytes, the error and the length of each file."""
    folder = tmp_path_factory.mktemp("bombs")
    (folder / "honest").write_bytes(honest_model_file)
    ann = DigitANN((4000,), max_epochs=1, random_state=0)
    save_model(ann.fit(np.ones((10, 4000), np.float32), np.arange(10)), folder / "large")
    bases = {"honest": honest_model_file, "large": (folder / "large").read_bytes()}
    for name, (base, make, _) in BOMBS.items():
        (folder / f"{name}.bomb").write_bytes(make(bases[base]))
    command = [sys.executable, "-c", MEASURED, str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return {
        name: (*rest, (folder / f"{name}.bomb").stat().st_size)
        for name, *rest in map(json.loads, result.stdout.splitlines())
    }


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_costs_little(costs, name):
    """A file is refused within a second, and in three times its length of memory and 100 MB."""
    seconds, n_bytes, message, size = costs[name]
    assert re.search(BOMBS[name][2], message)
    assert seconds < 1  # of the processor, for others may need it, too
    assert n_bytes < 3 * size + 100_000_000
