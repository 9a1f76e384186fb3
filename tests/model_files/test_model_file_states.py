"""What stands in a model file is what a fit could have left, or the file is refused."""

import struct

import numpy as np
import pytest
import torch
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, StandardScaler
from support.model_file_corpus import tree_of, with_arrays, with_document

from sk_digits import DigitANN, ModelFileError, load_model, save_model

SCALER, PCA, ANN = 0, 1, 2


@pytest.fixture
def honest(honest_model_file):
    """Return the bytes of a file that has everything that a model file can have."""
    return honest_model_file


@pytest.fixture
def path(tmp_path):
    """Return a place for a model file."""
    return tmp_path / "model.safetensors"


def refused(content, path, message):
    """Check that a file is refused, and why."""
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=message):
        load_model(path)


def with_entry(honest, place, value, *steps):
    """Put a value into the tree of a step of the honest file."""

    def change(document):
        node = tree_of(document, *steps)
        for name in place[:-1]:
            node = node[name]
        node[place[-1]] = value

    return with_document(honest, change)


PARAMETERS = [
    ("hidden_layer_sizes", -1, "hidden_layer_sizes"),
    ("hidden_layer_sizes", "16", "hidden_layer_sizes"),
    ("hidden_layer_sizes", {"array": ["u1", [1] * 5000]}, r"hidden_layer_sizes has 5000 items"),
    ("hidden_layer_sizes", {"tensor": "rows"}, "'tensor' is no type of a plain value"),
    ("lr", {"float": "nan"}, "'lr' parameter"),
    ("lr", "1", "'lr' parameter"),
    ("lr", float("nan"), "has the number NaN"),
    ("dropout", 1.5, "'dropout' parameter"),
    ("max_epochs", 10**30, r"has the number 10{30}\."),
    ("max_epochs", 2**63, "'max_epochs' parameter"),
    ("device", "../../etc", "device"),
    ("device", "meta", "device"),
    ("device", None, "device"),
    ("augmentation", "none", "'augmentation' parameter"),
    ("augmentation", {"sk_digits.RandomWarp": {"dict": [["rotation", "5"]]}}, "'rotation'"),
    ("augmentation", {"sk_digits.RandomWarp": {"dict": [["x", 5]]}}, "damaged .*argument 'x'"),
    ("augmentation", {"sk_digits.RandomWarp": {"rotation": 5}}, "no type of a plain value"),
    ("callbacks", "x", "'callbacks' parameter"),
    ("callbacks", [], "callbacks are not None"),
    ("image_shape", [[[[]]]], "'image_shape' parameter"),
    ("precision", "half", "'precision' parameter"),
    ("class_weight", {"dict": [[1, 0]]}, r"'class_weight' parameter .* in the range \(0, inf\)"),
    ("class_weight", {"dict": [[1, 1], [1.0, 2]]}, "two values of one key"),
    ("class_weight", {"dict": [[{"tuple": [1]}, 1]]}, "neither a str nor a number"),
    ("class_weight", {"dict": [[1, {"float": "inf"}]]}, "class_weight"),
    ("fit", 1, r"unknown attributes \['fit'\]"),
    ("__class__", 1, r"unknown attributes \['__class__'\]"),
]


@pytest.mark.parametrize(("name", "value", "message"), PARAMETERS)
def test_parameters_are_those_that_fit_takes(honest, path, name, value, message):
    """A classifier is built only of parameters that fit would take."""
    refused(with_entry(honest, ["state", name], value, ANN), path, message)


FITTED = [
    ("n_features_in_", 0, "'n_features_in_' parameter"),
    ("n_features_in_", 9.0, "'n_features_in_' parameter"),
    ("n_features_in_", 2**60, "but its net 9 and 10"),
    ("n_features_in_", 10, "has 10 features and 10 classes, but its net 9 and 10"),
    ("feature_names_in_", {"array": ["O", ["a"] * 8]}, "are not 9 names"),
    ("feature_names_in_", {"array": ["U1", ["a"] * 9]}, "are not 9 names"),
    ("validation_scores_", 1.0, "is no list of scores"),
    ("validation_scores_", ["1"], "validation_scores_"),
    ("validation_scores_", {"dict": [[0.5, 1]]}, "is no list of scores"),
    ("best_validation_score_", 1.0, "is no list of scores"),
    ("net_", 1, "damaged .*not subscriptable"),
    ("net_", None, "damaged .*not subscriptable"),
    ("loss_curve_", [1.0], r"unknown attributes \['loss_curve_'\]"),
    ("__class__", 1, r"unknown attributes \['__class__'\]"),
    ("classes_", list(range(10)), "classes_ is no array of different labels"),
    (
        "classes_",
        {"array": ["i8", list(range(9))]},
        "has 9 features and 9 classes, but its net 9 and 10",
    ),
    ("classes_", {"array": ["i8", [0] * 10]}, "no array of different labels"),
    ("classes_", {"array": ["i8", [1, 0, *range(2, 10)]]}, "different labels in their order"),
    ("classes_", {"array": ["U1", list("1023456789")]}, "different labels in their order"),
    ("classes_", {"array": ["f8", [*range(10)]]}, "items of an array of type f8"),
    ("classes_", {"array": ["i8", []]}, "has 9 features and 0 classes"),
    ("classes_", {"array": ["i1", [300]]}, "damaged"),
    ("classes_", {"array": ["f4", [1e300]]}, "damaged"),
    (
        "classes_",
        {"array": ["U9999", ["a"] * 999]},
        "an array of type U9999 has no text that is so long",
    ),
    ("classes_", {"array": ["O", [{}]]}, "a plain value has 0 entries"),
    ("classes_", {"array": ["M8", [1]]}, "no type of a plain value"),
    ("classes_", {"tensor": "rows"}, "'tensor' is no type of a plain value"),
]


@pytest.mark.parametrize(("name", "value", "message"), FITTED)
def test_a_classifier_is_as_a_fit_leaves_it(honest, path, name, value, message):
    """Labels in the order of np.unique, names for all features, scores that are numbers."""
    refused(with_entry(honest, ["state", name], value, ANN), path, message)


NETS = [
    (["architecture", "n_features"], 8, "has 9 features and 10 classes, but its net 8 and 10"),
    (["architecture", "n_outputs"], 11, "has 9 features and 10 classes, but its net 9 and 11"),
    (["architecture", "activation"], "system", "'activation' parameter"),
    (["architecture", "dtype"], "load", "'dtype' parameter"),
    (["architecture", "dtype"], "float64", "by its architecture"),
    (["architecture", "dropout"], 1.0, "'dropout' parameter"),
    (["architecture", "batch_norm"], False, "by its architecture it has shape"),
    (["architecture", "hidden_layer_sizes"], 16, "damaged .*has no len"),
    (["architecture", "hidden_layer_sizes"], [8] * 5000, "has 5000 layers, and fewer arrays"),
    (["architecture", "hidden_layer_sizes"], [8, 8], "by its architecture it has shape"),
    (["architecture", "hidden_layer_sizes"], [2**50, 2**50], "fit into a terabyte"),
    (["architecture", "x"], 1, "damaged .*unexpected keyword argument 'x'"),
    (["training_params", "lr_schedule"], "__init__", "'lr_schedule' parameter"),
    (["training_params", "batch_size"], 0, "'batch_size' parameter"),
    (["training_params", "lr"], -1.0, "'lr' parameter"),
    (["training_params", "augmentation"], "x", "damaged .*must be a mapping"),
    (["training_params", "augmentation"], {"rotation": -5}, "'rotation' parameter"),
    (["training_params", "augmentation"], {"x": 5}, "damaged .*unexpected keyword argument 'x'"),
    (["training_params", "image_shape"], "x", "'image_shape' parameter"),
    (["training_params", "image_shape"], [2, 5], r"has 9 features, and image_shape=\(2, 5\)"),
    (["training_params", "image_shape"], None, "has 9 features, and image_shape=None"),
    (["history"], [], "no list of epochs"),
    (["history"], {"tensor": "rows"}, "'tensor' is no type of a plain value"),
    (["history", 0], {"dict": [["epoch", 1]]}, "'train_loss'"),
    (["history", 0], {"dict": [["epoch", 0]]}, "'epoch'"),
    (["history", 0], {"dict": [["epoch", 1], ["train_loss", {"float": "nan"}]]}, "'train_loss'"),
    (["history", 0], {"dict": [[1, 1]]}, "no dict of values by name"),
    (["history", 0, "dict", 0, 1], {"os.system": {}}, "a plain value has 0 entries"),
    (["history", 0, "dict", 0, 1], {"os.system": ["x"]}, "'os.system' is no type of a plain"),
    (["history", 0, "dict", 0, 1], {"sk_digits.RandomWarp": {"dict": []}}, "is no type of a plain"),
]


@pytest.mark.parametrize(("place", "value", "message"), NETS, ids=str)
def test_a_net_is_built_of_what_its_arrays_are(honest, path, place, value, message):
    """Architecture, training, history and arrays agree, before torch sees any of them."""
    refused(with_entry(honest, ["state", "net_", *place], value, ANN), path, message)


def set_first(value):
    """Return a function that changes the first number of an array."""

    def change(array):
        array.flat[0] = value
        return array

    return change


ARRAYS = [
    ("model['ann'].weights/0.weight", set_first(np.nan), "is not finite"),
    ("model['ann'].weights/4.bias", set_first(np.inf), "is not finite"),
    ("model['ann'].weights/1.running_var", set_first(-1.0), "has negative values"),
    ("model['ann'].weights/1.num_batches_tracked", set_first(-1), "has negative values"),
    ("model['ann'].weights/0.weight", np.transpose, "by its architecture it has shape"),
    ("model['ann'].weights/0.weight", lambda a: a[:-1], "by its architecture it has shape"),
    ("model['ann'].weights/0.weight", np.float64, "by its architecture it has shape"),
    (
        "model['ann'].weights/0.weight",
        lambda a: a > 0,
        "shape .* and type bool; by its architecture",
    ),
    ("model['ann'].optimizer/0/exp_avg", lambda a: a[:1], "by its architecture it has shape"),
    ("model['ann'].optimizer/0/exp_avg_sq", set_first(-1), "has negative values"),
    ("model['ann'].optimizer/0/step", set_first(np.nan), "is not finite"),
    ("model['ann'].optimizer/0/step", lambda a: a[None], "by its architecture it has shape"),
    ("model['ann'].generator", lambda a: a[:10].astype(float), "no state of a torch generator"),
    ("model['ann'].generator", lambda a: a[:-1], "no state of a torch generator"),
    ("model['ann'].generator", lambda a: np.zeros(5048, np.uint8), "no state of a torch generator"),
    ("model['ann'].generator", lambda a: a ^ 255, "no state of a torch generator"),
    ("model['pca'].mean_", set_first(np.nan), "mean_ is not finite"),
    ("model['pca'].components_", np.transpose, r"components_ is no array of shape \(9, 64\)"),
    ("model['pca'].explained_variance_", set_first(-1), "explained_variance_ is not positive"),
]


@pytest.mark.parametrize(("name", "change", "message"), ARRAYS)
def test_arrays_are_those_of_a_trained_net(honest, path, name, change, message):
    """Wrong shapes, types and numbers are named."""

    def change_one(arrays):
        arrays[name] = np.asarray(change(arrays[name]), order="C")

    refused(with_arrays(honest, change_one), path, message)


GENERATOR_FIELDS = [
    ("<ii", 8, (624, 0), "left, but not seeded"),
    ("<i", 8, (0,), "left of 0"),
    ("<i", 8, (625,), "left of 625"),
    ("<q", 16, (-1,), "next of -1"),
    ("<q", 16, (625,), "next of 625"),
    ("<q", 16, (2**62,), "next of 2**62"),
    ("<iiq", 8, (624, 1, 624), "624 numbers left after the last one"),
    ("<iiq", 8, (2, 1, 624), "one number left after the last one"),
    ("<q", 24, (2**32,), "a word of 33 bits"),
    ("<d", 5024, (float("nan"),), "a normal number that is none"),
    ("<i", 5044, (1,), "padding that is not zero"),
]


@pytest.mark.parametrize(
    ("layout", "position", "values"),
    [field[:3] for field in GENERATOR_FIELDS],
    ids=[field[3] for field in GENERATOR_FIELDS],
)
def test_a_generator_draws_from_its_own_numbers(honest, path, layout, position, values):
    """torch takes states that point past their 624 numbers, and then draws from foreign memory."""

    def change(arrays):
        packed = np.frombuffer(struct.pack(layout, *values), np.uint8)
        arrays["model['ann'].generator"][position : position + len(packed)] = packed

    refused(with_arrays(honest, change), path, "no state of a torch generator")


@pytest.mark.parametrize("n_draws", [0, 1, 623, 624, 625, 1000])
def test_every_state_of_a_generator_comes_back(digits, path, n_draws):
    """Wherever it stands among its numbers, with a normal number in reserve or without."""
    ann = DigitANN((4,), max_epochs=1, random_state=0).fit(*digits)
    generator = ann.net_.generator.manual_seed(5)
    for draw in (torch.Tensor.random_, torch.Tensor.normal_):
        for _ in range(n_draws):
            draw(torch.empty(1), generator=generator)
        save_model(ann, path)
        loaded = load_model(path).net_.generator
        assert (loaded.get_state() == generator.get_state()).all()


OTHERS = [
    (SCALER, ["state", "pixel_max_"], 0, "'pixel_max_' parameter"),
    (SCALER, ["state", "brightness_min_"], 300.0, "brightness_min_ is larger than brightness_max_"),
    (SCALER, ["state", "brightness_max_"], "255", "'brightness_max_' parameter"),
    (SCALER, ["state", "n_features_in_"], 63, "takes 64 columns, but gets 63"),
    (SCALER, ["state", "n_features_in_"], 2**62, "takes 64 columns, but gets 46116"),
    (SCALER, ["state", "n_features_in_"], 64.0, "'n_features_in_' parameter"),
    (SCALER, ["state", "pixel_max"], 0, "'pixel_max' parameter"),
    (SCALER, ["state", "_sklearn_output_config"], "pandas", "unknown output container"),
    (PCA, ["state", "n_components_"], 8, r"components_ is no array of shape \(8, 64\)"),
    (PCA, ["state", "components_"], {"tensor": "x"}, "damaged .*KeyError"),
    (PCA, ["state", "components_"], None, "components_ is no array"),
    (PCA, ["state", "noise_variance_"], {"float": "nan"}, "'noise_variance_' parameter"),
    (PCA, ["state", "_fit_svd_solver"], "x", "'_fit_svd_solver' parameter"),
    (PCA, ["state", "n_components"], "all", "'n_components' parameter"),
    (PCA, ["type"], "sk_digits.PixelScaler", "damaged .*KeyError: 'pixel_max'"),
]


@pytest.mark.parametrize(("step", "place", "value", "message"), OTHERS)
def test_other_estimators_are_checked_too(honest, path, step, place, value, message):
    """Transformers are built only of what they could have."""
    refused(with_entry(honest, place, value, step), path, message)


PIPELINES = [
    ("verbose", 1, "'verbose' parameter"),
    ("memory", "/tmp/pickles", r"unknown attributes \['memory'\]"),
    ("steps", [], "has no steps"),
    ("steps", [[1, None], ["a", None]], "damaged .*not subscriptable"),
    ("steps", [["a", None]], "damaged .*not subscriptable"),
    ("steps", [["a", "passthrough"]], "damaged .*indices must be integers"),
    ("steps", {"a": 1}, "too many values to unpack|not enough values"),
    ("steps", 5, "damaged .*not iterable"),
    ("x", 5, r"unknown attributes \['x'\]"),
]


@pytest.mark.parametrize(("name", "value", "message"), PIPELINES)
def test_pipelines_are_checked_too(honest, path, name, value, message):
    """A pipeline has named steps and ends in a classifier; its memory would be pickles."""
    refused(with_entry(honest, ["state", name], value), path, message)


@pytest.mark.parametrize(
    ("name", "message"),
    [("pca", "not unique"), ("a__b", "must not contain __"), ("steps", "conflict with")],
)
def test_names_of_steps_are_those_that_a_pipeline_takes(honest, path, name, message):
    """Each name once, none of them a parameter's."""
    content = with_document(honest, lambda d: d["tree"]["state"]["steps"][0].__setitem__(0, name))
    refused(content, path, message)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("pos", 100_000, "'pos' parameter"),
        ("pos", -1, "'pos' parameter"),
        ("key", {"array": ["u4", [1] * 623]}, "state of another kind"),
        ("bit_generator", "seed", "state of another kind"),
        ("has_gauss", 2, "'has_gauss' parameter"),
        ("gauss", {"float": "nan"}, "'gauss' parameter"),
    ],
)
def test_a_random_state_draws_from_its_own_numbers(honest, path, name, value, message):
    """NumPy takes any position, too, and reads past its numbers."""

    def change(document):
        (state,) = tree_of(document, ANN)["state"]["random_state"].values()
        pairs = state["dict"]
        inner = next(value for key, value in pairs if key == "state")["dict"]
        target = inner if name in ("pos", "key") else pairs
        target[:] = [[key, item] for key, item in target if key != name] + [[name, value]]

    refused(with_document(honest, change), path, message)


@pytest.mark.parametrize("scaler", [StandardScaler(), MinMaxScaler(), MaxAbsScaler()], ids=str)
def test_a_scaler_has_its_scale(digits, path, scaler):
    """None is a scale only where there is none; a scale of zero is none."""
    save_model(make_pipeline(scaler, DigitANN((4,), max_epochs=1)).fit(*digits), path)
    content = path.read_bytes()
    name = f"model['{type(scaler).__name__.lower()}'].scale_"
    refused(with_entry(content, ["state", "scale_"], None, 0), path, "is no array of shape")
    for scale in (np.zeros(64), -np.ones(64)):
        change = with_arrays(content, lambda arrays, scale=scale: arrays.update({name: scale}))
        refused(change, path, "scale_ is not positive")
    refused(with_arrays(content, lambda arrays: arrays.pop(name)), path, "there is no array")


def test_a_feature_range_rises(digits, path):
    """scikit-learn checks it in fit alone."""
    pipeline = make_pipeline(MinMaxScaler(), DigitANN((4,), max_epochs=1)).fit(*digits)
    save_model(pipeline, path)
    for bounds in ([1, 0], [0, 0], [0], ["a", "b"], [0, {"float": "inf"}]):
        value = {"tuple": bounds}
        refused(
            with_entry(path.read_bytes(), ["state", "feature_range"], value, 0), path, "cannot be"
        )
        save_model(pipeline, path)


def test_counts_by_feature_come_back(digits, path):
    """scikit-learn counts samples by the feature where some values were missing."""
    X = digits[0].copy()
    X[0, 0] = np.nan
    pipeline = make_pipeline(StandardScaler(), DigitANN((4,), max_epochs=1)).fit(*digits)
    pipeline[0].fit(X)
    save_model(pipeline, path)
    counts = load_model(path)[0].n_samples_seen_
    np.testing.assert_array_equal(counts, pipeline[0].n_samples_seen_)
    value = {"array": ["i8", [9] * 63]}
    content = with_entry(path.read_bytes(), ["state", "n_samples_seen_"], value, 0)
    refused(content, path, r"n_samples_seen_ is no array of shape \(64,\)")
