"""Model files from an enemy: an error, soon, in little memory, and nothing that they ask for."""

import io
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
from _model_file_corpus import HOSTILE_TYPES, Payload, case, pack, seal, unpack
from sklearn.decomposition import PCA
from sklearn.pipeline import Pipeline
from skorch import NeuralNetClassifier

from sk_digits import DigitANN, ModelFileError, PixelScaler, RandomWarp, load_model, save_model
from sk_digits._model_file import read_metadata


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """Give the bytes of a file that has everything that a model file can have."""
    rng = np.random.default_rng(0)
    X, y = rng.random((100, 64), dtype=np.float32), np.arange(100) % 10
    ann = DigitANN(
        (8,),
        max_epochs=1,
        batch_norm=True,
        augmentation=RandomWarp(rotation=5),
        class_weight={1: 2.0},
        random_state=np.random.RandomState(0),
    )
    steps = [("scaler", PixelScaler()), ("pca", PCA(9)), ("ann", ann)]
    pipeline = Pipeline(steps).fit(X, y)
    ann.partial_fit(pipeline[:-1].transform(X), y)
    path = tmp_path_factory.mktemp("models") / "honest.skops"
    save_model(pipeline, path, keep_optimizer=True)
    return path.read_bytes()


@pytest.fixture
def path(tmp_path):
    """Give a place for a model file."""
    return tmp_path / "model.skops"


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
    return pack(seal(members | {"schema.json": json.dumps(schema).encode()}))


def with_array(honest, type_name, path_, change):
    """Change an array in a file, and seal it; its length may change, too."""
    members = unpack(honest)
    node = nodes_of(json.loads(members["schema.json"]), type_name)
    for name in path_:
        node = node[name] if name in node else node["content"][name]
    buffer = io.BytesIO()
    array = np.load(io.BytesIO(members[node["file"]]))
    np.save(buffer, change(array.copy()), allow_pickle=True)
    return pack(seal(members | {node["file"]: buffer.getvalue()}))


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


PARAMETERS = [
    ("hidden_layer_sizes", plain(-1), "hidden_layer_sizes"),
    ("hidden_layer_sizes", plain('"16"'), "hidden_layer_sizes"),
    ("lr", plain("NaN"), "lr"),
    ("lr", plain('"1"'), "'lr' parameter"),
    ("dropout", plain(1.5), "'dropout' parameter"),
    ("max_epochs", plain(10**30), "no plain value"),
    ("max_epochs", plain("9" * 5000), "damaged"),
    ("device", plain('"../../etc"'), "device"),
    ("device", plain('"meta"'), "device"),
    ("augmentation", plain('"none"'), "'augmentation' parameter"),
    ("callbacks", plain('"x"'), "'callbacks' parameter"),
    ("image_shape", plain("[[[["), "no plain value"),
    ("precision", plain('"half"'), "'precision' parameter"),
    ("n_features_in_", plain(0), "n_features_in_ is no positive int"),
    ("n_features_in_", plain(10), "n_features=9, but the classifier 10"),
    ("n_iter_", plain(-1), "n_iter_ is not the length"),
    ("loss_curve_", plain(1.0), "loss_curve_ is no list"),
    ("fit", plain(1), r"unknown attributes \['fit'\]"),
    ("__class__", plain(1), r"unknown attributes \['__class__'\]"),
]


@pytest.mark.parametrize(("name", "node", "message"), PARAMETERS)
def test_parameters_are_those_that_fit_takes(honest, path, name, node, message):
    """A classifier is built only of attributes that it could have after a fit."""

    def change(schema):
        content = nodes_of(schema, "DigitANN")
        if name not in content:
            types = nodes_of_types(schema)
            types.append({"__class__": "str", "__module__": "builtins", "__loader__": "TypeNode"})
        content[name] = node

    def nodes_of_types(schema):
        steps = nodes_of(schema, "Pipeline")["steps"]["content"]
        return steps[-1]["content"][1]["content"]["key_types"]["content"]

    path.write_bytes(with_schema(honest, change))
    with pytest.raises(ModelFileError, match=message):
        load_model(path)


PARTS = [
    ("architecture", "n_features", 8, "n_features=8"),
    ("architecture", "n_outputs", 11, "n_outputs=11"),
    ("architecture", "activation", "system", "unknown activation"),
    ("architecture", "dtype", "load", "neither float32 nor float64"),
    ("architecture", "dtype", "float64", "by its architecture"),
    ("architecture", "dropout", 1.0, "dropout"),
    ("architecture", "batch_norm", False, "not those of its architecture"),
    ("architecture", "hidden_layer_sizes", 16, "hidden_layer_sizes"),
    ("training", "lr_schedule", "__init__", "invalid lr_schedule"),
    ("training", "batch_size", 0, "invalid batch_size"),
    ("training", "lr", -1.0, "invalid lr"),
    ("training", "augmentation", "x", "invalid augmentation"),
    ("training", "image_shape", "x", "invalid image_shape"),
]


@pytest.mark.parametrize(("part", "name", "value", "message"), PARTS)
def test_a_net_is_built_of_what_its_arrays_are(honest, path, part, name, value, message):
    """Architecture, training and arrays agree, before torch sees any of them."""

    def change(schema):
        net = nodes_of(schema, "DigitANN")["net_"]["content"]
        net[part]["content"][name] = plain(json.dumps(value))

    path.write_bytes(with_schema(honest, change))
    with pytest.raises(ModelFileError, match=message):
        load_model(path)


def set_first(value):
    """Give a function that changes the first number of an array."""

    def change(array):
        array.flat[0] = value
        return array

    return change


WEIGHTS = ["net_", "content", "weights", "content"]
ARRAYS = [
    ([*WEIGHTS, "0.weight"], set_first(np.nan), "is not finite"),
    ([*WEIGHTS, "4.bias"], set_first(np.inf), "is not finite"),
    ([*WEIGHTS, "1.running_var"], set_first(-1.0), "has negative values"),
    ([*WEIGHTS, "0.weight"], np.transpose, "by its architecture it has shape"),
    ([*WEIGHTS, "0.weight"], lambda a: a[:-1], "by its architecture it has shape"),
    ([*WEIGHTS, "0.weight"], np.float64, "by its architecture it has shape"),
    ([*WEIGHTS, "0.weight"], lambda a: a.astype(object), "an array that model files do not hold"),
    ([*WEIGHTS, "0.weight"], np.complex64, "an array that model files do not hold"),
    (["classes_"], lambda a: a[:-1], "n_outputs=10, but the classifier 9"),
    (["classes_"], lambda a: a * 0, "no array of different labels"),
    (["classes_"], lambda a: a[None], "no array of different labels"),
    (["net_", "content", "generator"], lambda a: a[:10].astype(float), "no state of a torch gen"),
    (["net_", "content", "generator"], lambda a: a ^ 255, "mt19937"),
]


@pytest.mark.parametrize(("place", "change", "message"), ARRAYS)
def test_arrays_are_those_of_a_trained_net(honest, path, place, change, message):
    """Wrong shapes, types and numbers are named."""
    path.write_bytes(with_array(honest, "DigitANN", place, change))
    with pytest.raises(ModelFileError, match=message):
        load_model(path)


@pytest.mark.parametrize(
    ("type_name", "name", "value", "message"),
    [
        ("Pipeline", "memory", '"/tmp/pickles"', "from which fit would load pickles"),
        ("Pipeline", "transform_input", "1", "transform_input"),
        ("Pipeline", "verbose", "1", "verbose that is no bool"),
        ("Pipeline", "_sklearn_version", "1", "no version of scikit-learn"),
        ("PixelScaler", "pixel_max_", "0", "pixel_max_ is not positive"),
        ("PixelScaler", "n_features_in_", "63", r"takes 64 columns, but gets 63"),
        ("PCA", "n_components_", "8", "components_ is not finite or not of shape"),
        ("PCA", "n_components", '"all"', "'n_components' parameter"),
        ("RandomWarp", "rotation", '"90"', "'rotation' parameter of RandomWarp"),
        ("RandomState", "pos", "100000", "no state of a RandomState"),
        ("RandomState", "bit_generator", '"seed"', "no state of a RandomState"),
    ],
)
def test_other_estimators_are_checked_too(honest, path, type_name, name, value, message):
    """Transformers, warps and random states are built only of what they could have."""

    def change(schema):
        content = nodes_of(schema, type_name)
        if name == "pos":
            content = content["state"]["content"]
        content[name] = plain(value)

    path.write_bytes(with_schema(honest, change))
    with pytest.raises(ModelFileError, match=message):
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
