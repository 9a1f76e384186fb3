"""What stands in a model file is what a fit could have left, or the file is refused."""

import io
import json

import numpy as np
import pytest
from support.model_file_corpus import nodes_of, pack, plain, seal, unpack, with_schema

from sk_digits import ModelFileError, load_model


@pytest.fixture
def honest(honest_model_file):
    """Give the bytes of a file that has everything that a model file can have."""
    return honest_model_file


@pytest.fixture
def path(tmp_path):
    """Give a place for a model file."""
    return tmp_path / "model.skops"


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
