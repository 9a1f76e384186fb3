"""Model files from an enemy: an error, soon, in little memory, and nothing that they ask for."""

import json
import os
import pickle
import re
import struct
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import skops.io
import torch
from skorch import NeuralNetClassifier
from support.model_file_corpus import (
    HOSTILE_TYPES,
    Payload,
    case,
    nodes_of,
    pack,
    plain,
    seal,
    unpack,
    with_schema,
)

from sk_digits import ModelFileError, load_model
from sk_digits._model_files.model_file import read_metadata


@pytest.fixture
def honest(honest_model_file):
    """Give the bytes of a file that has everything that a model file can have."""
    return honest_model_file


@pytest.fixture
def path(tmp_path):
    """Give a place for a model file."""
    return tmp_path / "model.skops"


AUDITED = """
import json, re, sys, warnings
from pathlib import Path
warnings.simplefilter("ignore")
import numpy as np, torch
from sk_digits import ModelFileError, load_model
folder = Path(sys.argv[1])
load_model(folder / "honest")
events, armed = [], False
known = set(sys.modules)
def hook(event, args):
    if not armed or event in SILENT:
        return
    if event == "open" and args[1] in ("r", "rb", None) and not args[2] & 3:
        event = "open to read " + str(args[0])
    if event == "import" and args[0] in known:
        return
    events.append(event + ("" if event.startswith("open to") else " " + repr(args)[:200]))
SILENT = {"object.__getattr__", "sys._getframe", "os.stat", "gc.get_objects", "marshal.loads",
          "array.__new__", "id", "builtins.id"}
sys.addaudithook(hook)
result = {}
for file in sorted(folder.glob("*.case")):
    events, armed = [], True
    try:
        load_model(file)
        outcome = "loaded"
    except ModelFileError:
        outcome = "refused"
    except BaseException as error:
        outcome = repr(error)
    armed = False
    result[file.name] = [outcome, [e for e in events if e != "open to read " + str(file)]]
print(json.dumps(result))
"""


def audit(folder):
    """Load all cases in a folder in a fresh process; give outcomes and what it did beside."""
    result = subprocess.run(
        [sys.executable, "-c", AUDITED, str(folder)], capture_output=True, text=True, check=True
    )
    return json.loads(result.stdout)


def test_hostile_files_make_loading_do_nothing_but_read(honest, tmp_path):
    """The interpreter's own audit sees no import, no code, no process, no file but the one."""
    canary = tmp_path / "canary"
    (tmp_path / "honest").write_bytes(honest)
    kinds = {}
    for i in range(360):
        kind, content = case(honest, "model", i, str(canary))
        (tmp_path / f"{i:03}.case").write_bytes(content)
        kinds[f"{i:03}.case"] = kind
    for name, (outcome, events) in audit(tmp_path).items():
        assert outcome in ("refused", "loaded"), (name, kinds[name])
        assert events == [], (name, kinds[name])
        assert outcome == "refused" or kinds[name] != "payload"
    assert not canary.exists()


def test_damaged_files_are_model_file_errors_or_the_same_kind_of_model(honest, path):
    """No other exception, nothing slow, and what still loads predicts or says why not."""
    counts = {"refused": 0, "loaded": 0}
    messages = []
    for i in range(1000, 1600):
        path.write_bytes(case(honest, "model", i, str(path.with_name("canary"))).content)
        start = time.perf_counter()
        try:
            model = load_model(path)
        except ModelFileError as error:
            counts["refused"] += 1
            messages.append(str(error))
        else:
            counts["loaded"] += 1
            assert model.predict(np.zeros((1, 64))).shape == (1,)
        assert time.perf_counter() - start < 5  # 1 s, on a machine that does other things as well
    assert counts["refused"] > 500
    assert all(str(path) in message for message in messages)
    assert not path.with_name("canary").exists()


def test_a_skorch_net_in_a_skops_file_is_a_pickle_and_does_nothing_here(honest, tmp_path):
    """skorch unpickles bytes out of the file once skops trusts its type; load_model has no type."""
    canary = tmp_path / "canary"
    X, y = np.zeros((20, 4), np.float32), np.arange(20) % 2
    net = NeuralNetClassifier(
        torch.nn.Linear,
        module__in_features=4,
        module__out_features=2,
        criterion=torch.nn.CrossEntropyLoss,
        max_epochs=1,
        verbose=0,
        train_split=None,
    ).fit(X, y)
    file = tmp_path / "net.skops"
    skops.io.dump(net, file)
    trusted = skops.io.get_untrusted_types(file=file)
    members = unpack(file.read_bytes())
    stored = next(name for name in members if name.endswith(".bin"))
    file.write_bytes(pack(members | {stored: pickle.dumps(Payload(str(canary), 1))}))
    assert skops.io.get_untrusted_types(file=file) == trusted

    with pytest.raises(TypeError, match="not iterable"):  # of what the code returned: it has run
        skops.io.load(file, trusted=trusted)
    assert canary.exists()
    canary.unlink()

    with pytest.raises(ModelFileError, match="no model file has"):
        load_model(file)
    for i in range(600):  # our own file, with the net and its pickle in place of the model or net_
        kind, content = case(honest, "model", i, str(canary))
        if kind == "payload":
            file.write_bytes(content)
            with pytest.raises(ModelFileError, match=r"model files do not hold|no model file"):
                load_model(file)
    assert not canary.exists()


@pytest.mark.parametrize("place", ["root", "parameter", "step", "key type"])
@pytest.mark.parametrize("type_", HOSTILE_TYPES, ids=lambda t: ".".join(t[:2]) + " " + t[2])
def test_no_other_type_is_built(honest, path, place, type_):
    """Whatever it is, and wherever it stands, a type outside the list is an error."""
    module, name, loader = type_
    node = {"__module__": module, "__class__": name, "__loader__": loader, "content": plain(1)}

    def change(schema):
        if place == "root":
            schema.update(node)
        elif place == "parameter":
            nodes_of(schema, "DigitANN")["verbose"] = node
        elif place == "step":
            nodes_of(schema, "Pipeline")["steps"]["content"][0]["content"][1] = node
        else:
            schema["content"]["key_types"]["content"][0] = node | {"__loader__": "TypeNode"}

    path.write_bytes(with_schema(honest, change))
    with pytest.raises(ModelFileError, match=r"cannot be loaded: .*(model|state)"):
        load_model(path)


def test_a_shared_or_unused_array_is_refused(honest, path):
    """Each array is used once, so that a small file cannot make a large model."""
    members = unpack(honest)
    path.write_bytes(pack(seal(members | {"4000.npy": members["0.npy"]})))
    with pytest.raises(ModelFileError, match=r"'4000\.npy' is used by nothing"):
        load_model(path)

    def change(schema):
        net = nodes_of(schema, "DigitANN")["net_"]["content"]["weights"]["content"]
        net["1.weight"]["file"] = net["1.bias"]["file"]

    path.write_bytes(with_schema(honest, change))
    with pytest.raises(ModelFileError, match="names no array of its own"):
        load_model(path)


def test_node_ids_are_refused(honest, path):
    """skops would take a node with the id of another for that other, whatever stands in it."""

    def change(schema):
        nodes_of(schema, "DigitANN")["verbose"]["__id__"] = 1

    path.write_bytes(with_schema(honest, change))
    with pytest.raises(ModelFileError, match="is a node that skops does not write"):
        load_model(path)


def bomb_of_zeros(honest):
    """Put 100 MB into 100 kB."""
    return pack(unpack(honest) | {"0.npy": bytes(10**8)}, zipfile.ZIP_DEFLATED)


def bomb_of_overlaps(honest):
    """Let 3,000 members be one, as in Fifield's bomb of 2019."""
    content = bytes(10**6)
    data = bytearray(pack(unpack(honest) | {"3999.npy": content}))
    start = data.rindex(b"PK\1\2")
    entry = bytes(data[start : start + 46])
    end = bytearray(data[-22:])
    directory = int.from_bytes(end[16:20], "little")
    entries = b"".join(entry + b"%d.npy" % i for i in range(1000, 4000))
    data = data[:-22] + entries
    struct.pack_into("<HHL", end, 8, 3030, 3030, len(data) - directory)
    return bytes(data + end)


def bomb_of_members(honest):
    """Add 60,000 members."""
    return pack(unpack(honest) | {f"{i}.npy": b"" for i in range(100, 60_000)})


def bomb_of_brackets(honest):
    """Nest lists, eight million deep."""
    return pack(seal(unpack(honest) | {"schema.json": b"[" * (2**23 - 1)}))


def bomb_of_nodes(honest):
    """Give a schema the greatest length."""
    node = json.dumps(plain(1))
    text = '{"__class__":"list","__module__":"builtins","__loader__":"ListNode","content":['
    n_nodes = (2**23 - 300) // (len(node) + 1)
    text += ",".join([node] * n_nodes) + '],"protocol":2}'
    return pack(seal(unpack(honest) | {"schema.json": text.encode()}))


def bomb_of_metadata(honest):
    """Write more metadata than anyone reads."""
    return pack(seal(unpack(honest) | {"metadata.json": b" " * (2**20 + 1)}))


BOMBS = {
    bomb_of_zeros: "compressed or encrypted",
    bomb_of_overlaps: "overlap|two members",
    bomb_of_members: "at most",
    bomb_of_brackets: "damaged",
    bomb_of_nodes: "is used by nothing",
    bomb_of_metadata: "bytes long",
}
MEASURED = """
import json, resource, sys, time
from pathlib import Path
import torch
from sk_digits import ModelFileError, load_model
folder = Path(sys.argv[1])
load_model(folder / "honest")
costs = {}
for bomb in sorted(folder.glob("bomb_*")):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    try:
        load_model(bomb)
    except ModelFileError as error:
        seconds = time.perf_counter() - start
        kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        costs[bomb.name] = [seconds, kilobytes, str(error)]
print(json.dumps(costs))
"""


def test_bombs_cost_little(honest, tmp_path):
    """What is made to be large inside is refused at once, in a hundred megabytes or two."""
    (tmp_path / "honest").write_bytes(honest)
    for bomb in BOMBS:
        (tmp_path / bomb.__name__).write_bytes(bomb(honest))
    command = [sys.executable, "-c", MEASURED, str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    costs = json.loads(result.stdout)
    for bomb, expected in BOMBS.items():
        seconds, kilobytes, message = costs[bomb.__name__]
        assert re.search(expected, message)
        assert seconds < 5  # 1 s, on a machine that does other things as well
        assert kilobytes < 200_000, bomb


def test_a_hole_of_many_gigabytes_is_refused_by_its_length(tmp_path):
    """The length is looked at before the content."""
    file = tmp_path / "hole"
    with file.open("wb") as hole:
        hole.truncate(2**40)
    for read in (load_model, read_metadata):
        with pytest.raises(ModelFileError, match="bytes long; a model file has"):
            read(file)


@pytest.mark.parametrize("cut", [0, 1, 21, 22, 100, 0.5, 0.99])
def test_a_truncated_file_is_refused(honest, path, cut):
    """Of a download that broke off, nothing is taken."""
    path.write_bytes(honest[: int(cut * len(honest)) if isinstance(cut, float) else cut])
    for read in (load_model, read_metadata):
        with pytest.raises(ModelFileError, match="or only the beginning of one"):
            read(path)


def test_files_of_other_kinds_are_refused(tmp_path):
    """Pickles, NumPy's and torch's files, archives and texts are no model files."""
    path = tmp_path / "file"
    others = []
    for write in (
        lambda: path.write_bytes(pickle.dumps(Payload(str(tmp_path / "canary"), 0))),
        lambda: torch.save({"a": torch.zeros(3)}, path),
        lambda: (
            np.save(path.with_suffix(".npy"), np.zeros(3)) or path.with_suffix(".npy").rename(path)
        ),
        lambda: path.write_text("model"),
        lambda: path.write_bytes(pack({"schema.json": b"{}"})),
        lambda: path.write_bytes(pack({"schema.json": b"{}", "metadata.json": b"[]"})),
        lambda: path.write_bytes(Path(os.__file__).read_bytes()),
    ):
        write()
        with pytest.raises(ModelFileError, match="cannot be loaded: ") as caught:
            load_model(path)
        others.append(str(caught.value))
    assert not (tmp_path / "canary").exists()
    assert all("damaged" not in message for message in others)
