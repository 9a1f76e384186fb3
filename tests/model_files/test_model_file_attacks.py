"""Model files from an enemy: an error, soon, in little memory, and nothing that they ask for."""

import json
import os
import pickle
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import skops.io
import torch
from skorch import NeuralNetClassifier
from support.model_file_corpus import (
    HOSTILE_TYPES,
    Payload,
    case,
    join,
    split,
    tree_of,
    with_arrays,
    with_document,
    with_text,
)

from sk_digits import ModelFileError, load_model, read_metadata

pytestmark = pytest.mark.slow  # thousands of files


@pytest.fixture
def honest(honest_model_file):
    """Return the bytes of a file that has everything that a model file can have."""
    return honest_model_file


@pytest.fixture
def path(tmp_path):
    """Return a place for a model file."""
    return tmp_path / "model.safetensors"


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
    """Load all cases in a folder in a fresh process; return outcomes and what it did beside."""
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
        kind, content = case(honest, i, str(canary))
        (tmp_path / f"{i:03}.case").write_bytes(content)
        kinds[f"{i:03}.case"] = kind
    outcomes = audit(tmp_path)
    assert len(outcomes) == 360
    for name, (outcome, events) in outcomes.items():
        assert outcome in ("refused", "loaded"), (name, kinds[name])
        assert events == [], (name, kinds[name])
    assert not canary.exists()


def test_damaged_files_are_model_file_errors_or_the_same_kind_of_model(honest, path):
    """No other exception, nothing slow, and what still loads predicts or says why not."""
    counts = {"refused": 0, "loaded": 0}
    messages = []
    for i in range(1000, 1600):
        path.write_bytes(case(honest, i, str(path.with_name("canary"))).content)
        start = time.process_time()
        try:
            model = load_model(path)
        except ModelFileError as error:
            counts["refused"] += 1
            messages.append(str(error))
        else:
            counts["loaded"] += 1
            assert model.predict(np.zeros((1, 64))).shape == (1,)
        assert time.process_time() - start < 1
    assert counts["refused"] > 500
    assert all(str(path) in message and len(message) < 2000 for message in messages)
    assert not path.with_name("canary").exists()


def test_a_skorch_net_in_a_skops_file_is_a_pickle(honest, tmp_path):
    """skorch unpickles bytes out of a file once skops trusts its type; here a net is arrays."""
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
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    stored = next(name for name in members if name.endswith(".bin"))
    members[stored] = pickle.dumps(Payload(str(canary), 1))
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    assert skops.io.get_untrusted_types(file=file) == trusted

    with pytest.raises(TypeError, match="not iterable"):  # of what the code returned: it has run
        skops.io.load(file, trusted=trusted)
    assert canary.exists()
    canary.unlink()
    with pytest.raises(ModelFileError, match="a zip archive, as older releases wrote them"):
        load_model(file)
    assert not canary.exists()


REFUSALS = {
    "root": r"; model files take DigitANN|KeyError: 'activation'|lacks \['steps'",
    "step": r"; model files take DigitImage|KeyError: 'pixel_max'|lacks \['steps', 'verbose'\]",
    "parameter": "is no type of a plain value|argument after .* must be a mapping",
    "fitted": "is no type of a plain value",
    "history": "is no type of a plain value",
}


@pytest.mark.parametrize("place", REFUSALS)
@pytest.mark.parametrize("name", HOSTILE_TYPES)
def test_no_other_type_is_built(honest, path, place, name):
    """Whatever it is, and wherever it stands, a type outside the list is an error."""
    estimator = {"type": name, "state": {}}

    def change(document):
        ann = tree_of(document, 2)
        if place == "root":
            document["tree"] = estimator
        elif place == "step":
            document["tree"]["state"]["steps"][0][1] = estimator
        elif place == "parameter":
            ann["state"]["verbose"] = {name: [1]}
        elif place == "fitted":
            ann["state"]["classes_"] = {name: [1]}
        else:
            ann["state"]["net_"]["history"][0] = {name: [1]}

    path.write_bytes(with_document(honest, change))
    with pytest.raises(ModelFileError, match=REFUSALS[place]):
        load_model(path)


def test_each_array_is_used(honest, path):
    """What no part of the model has is no part of the file, and nothing is used twice."""
    path.write_bytes(with_arrays(honest, lambda arrays: arrays.update(x=np.zeros(3))))
    with pytest.raises(ModelFileError, match="its array 'x' is of no use"):
        load_model(path)
    path.write_bytes(with_arrays(honest, lambda arrays: arrays.pop("model['ann'].weights/1.bias")))
    with pytest.raises(ModelFileError, match=r"there is no array .*weights/1\.bias"):
        load_model(path)


def lie(change):
    """Return a function that changes the header of a file, and makes the checksum right again."""

    def make(honest):
        header, data = split(honest)
        changed = change(header, data)
        return join(*(changed if isinstance(changed, tuple) else (header, data)))

    return make


def with_entry(**changes):
    """Return a function that changes the header's entry of the first weights."""
    return lie(lambda header, data: header["model['ann'].weights/0.weight"].update(changes))


def move(header, data):
    """Let an array begin where another does."""
    header["model['ann'].weights/1.bias"]["data_offsets"] = header["model['ann'].weights/1.weight"][
        "data_offsets"
    ]


def leave_a_hole(header, data):
    """Move the last array away from the one before it."""
    last = max(header, key=lambda name: header[name].get("data_offsets", [0])[0])
    start, end = header[last]["data_offsets"]
    header[last]["data_offsets"] = [start + 8, end + 8]
    return header, data + bytes(8)


def repeat(what):
    """Return a function that gives a header two entries of a name."""

    def change(header, data):
        text = json.dumps(header)
        entry = json.dumps(header.get(what, {}))
        return text.replace(f'"{what}":', f'"{what}": {entry}, "{what}":', 1).encode(), data

    return lie(change)


LIES = {
    "offsets that overlap": (lie(move), "damaged .*SafetensorError"),
    "a hole": (lie(leave_a_hole), "damaged .*SafetensorError"),
    "bytes behind": (lie(lambda header, data: (header, data + b"x")), "1 bytes follow its last"),
    "an end beyond": (with_entry(data_offsets=[0, 10**12]), "only the beginning of one"),
    "a start below": (with_entry(data_offsets=[-4, 284]), "damaged .*SafetensorError"),
    "an end before the start": (with_entry(data_offsets=[288, 0]), "damaged .*SafetensorError"),
    "offsets that are no ints": (with_entry(data_offsets=[0.0, 288.0]), "damaged"),
    "offsets that are none": (with_entry(data_offsets="ab"), "damaged"),
    "a shape of another length": (with_entry(shape=[9, 9]), "damaged .*SafetensorError"),
    "a shape that overflows": (with_entry(shape=[2**62, 2**62, 0]), "damaged .*SafetensorError"),
    "a shape of many sides": (with_entry(shape=[1] * 70), "damaged .*SafetensorError"),
    "bfloat16": (with_entry(dtype="BF16", shape=[8, 18]), "damaged .*KeyError: 'BF16'"),
    "complex numbers": (with_entry(dtype="C64", shape=[4, 9]), "by its architecture|damaged"),
    "float8": (with_entry(dtype="F8_E4M3", shape=[8, 36]), "damaged .*KeyError: 'F8_E4M3'"),
    "a type that is none": (with_entry(dtype=["F32"]), "damaged"),
    "one more field": (with_entry(x=[[[]]]), "its header is damaged at"),
    "an entry that is none": (
        lie(lambda header, data: header.update({"model['ann'].weights/0.weight": 5})),
        "damaged",
    ),
    "no document": (lie(lambda header, data: header.pop("__metadata__") and None), "no model file"),
    "two documents": (
        lie(lambda header, data: header["__metadata__"].update(x="y")),
        "no model file",
    ),
    "a document that is none": (
        lie(lambda header, data: header["__metadata__"].update({"sk_digits.model": "[]"})),
        "damaged .*TypeError",
    ),
    "a checkpoint": (
        lie(
            lambda header, data: header.update(
                __metadata__={
                    "sk_digits.checkpoint": header["__metadata__"]["sk_digits.model"],
                }
            )
        ),
        "no model file",
    ),
    "a name twice": (repeat("model['ann'].weights/0.weight"), "two entries of one name"),
    "a field twice": (repeat("dtype"), "two entries of one name"),
    "documents twice": (repeat("__metadata__"), "two entries of one name"),
    "a part of the document twice": (
        lambda honest: with_text(honest, lambda text: text.replace('"tree"', '"tree":1,"tree"')),
        "two entries of one name",
    ),
    "a parameter twice": (
        lambda honest: with_text(honest, lambda text: text.replace('"lr"', '"lr":1,"lr"')),
        "two entries of one name",
    ),
    "NaN in the header": (
        lie(lambda header, data: (json.dumps(header).replace("[", "[NaN,", 1).encode(), data)),
        "has the number NaN",
    ),
    "NaN in the document": (
        lambda honest: with_document(honest, lambda d: d.update(x=float("nan"))),
        "has the number NaN",
    ),
    "infinity in the document": (
        lambda honest: with_text(honest, lambda text: text.replace('"tree"', '"x":1e999,"tree"')),
        "has the number 1e999",
    ),
    "an int of 5,000 digits": (
        lambda honest: with_text(
            honest, lambda text: text.replace('"tree"', f'"x":{"9" * 5000},"tree"')
        ),
        "has the number 9{40}\\.",
    ),
    "a name that is no UTF-8": (
        lie(
            lambda header, data: (
                json.dumps(header).encode().replace(b"weights", b"\xffeights"),
                data,
            )
        ),
        "damaged .*can't decode byte",
    ),
    "a name that is half a character": (
        lie(
            lambda header, data: (
                json.dumps(header).replace("weights", "\\ud800eights").encode(),
                data,
            )
        ),
        "damaged .*SafetensorError",
    ),
    "another encoding": (
        lie(lambda header, data: (json.dumps(header).encode("utf-16"), data)),
        "damaged .*can't decode byte",
    ),
    "a header in brackets": (
        lie(lambda header, data: (b"[" + json.dumps(header).encode() + b"]", data)),
        "damaged .*TypeError",
    ),
}


@pytest.mark.parametrize("name", LIES)
def test_a_header_that_lies_is_refused(honest, path, name):
    """Each byte of the data belongs to one array, and each name stands once."""
    make, message = LIES[name]
    path.write_bytes(make(honest))
    with pytest.raises(ModelFileError, match=f"cannot be loaded: .*{message}"):
        load_model(path)


def test_a_hole_of_many_gigabytes_is_refused_by_its_length(tmp_path):
    """The length is looked at before the content."""
    file = tmp_path / "hole"
    with file.open("wb") as hole:
        hole.truncate(2**40)
    for read in (load_model, read_metadata):
        with pytest.raises(ModelFileError, match="bytes long; at most 536,870,912 are read"):
            read(file)


def test_depth_is_refused_whatever_the_limit_of_recursion(honest, tmp_path):
    """Where an application has raised Python's limit, deep JSON would end the process."""
    deep = "[" * 500_000
    change = lie(lambda header, data: (deep[:12_000].encode(), data))
    (tmp_path / "header").write_bytes(change(honest))
    (tmp_path / "document").write_bytes(
        with_text(honest, lambda text: text.replace('"tree":', f'"tree":{deep}', 1))
    )
    code = (
        "import sys; from sk_digits import ModelFileError, load_model\n"
        "sys.setrecursionlimit(10**7)\n"
        "for path in sys.argv[1:]:\n"
        "    try: load_model(path)\n"
        "    except ModelFileError as error: print(error)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "header"), str(tmp_path / "document")]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.count("nested more than 64 deep") == 2


@pytest.mark.parametrize("cut", [0, 1, 7, 8, 9, 100, 0.5, 0.99])
def test_a_truncated_file_is_refused(honest, path, cut):
    """Of a download that broke off, nothing is taken."""
    path.write_bytes(honest[: int(cut * len(honest)) if isinstance(cut, float) else cut])
    for read in (load_model, read_metadata):
        with pytest.raises(ModelFileError, match="only the beginning of one"):
            read(path)


def test_files_of_other_kinds_are_refused(tmp_path):
    """Pickles, NumPy's, torch's and other safetensors files, archives and texts are none."""
    path = tmp_path / "file"
    others = []
    for write in (
        lambda: path.write_bytes(pickle.dumps(Payload(str(tmp_path / "canary"), 0))),
        lambda: torch.save({"a": torch.zeros(3)}, path),
        lambda: path.write_bytes(b"\x93NUMPY\1\0v\0{'descr': '<f8', 'fortran_order': False"),
        lambda: safetensors.numpy.save_file({"a": np.zeros(3)}, path),
        lambda: safetensors.numpy.save_file({"a": np.zeros(3)}, path, {"format": "pt"}),
        lambda: path.write_text("model"),
        lambda: path.write_bytes(Path(os.__file__).read_bytes()),
    ):
        write()
        with pytest.raises(ModelFileError, match="cannot be loaded: it is no model file") as caught:
            load_model(path)
        others.append(str(caught.value))
    assert not (tmp_path / "canary").exists()
    assert all("damaged" not in message for message in others)
