"""`DigitImageNormalizer` in model files: as it was saved, or refused."""

import json

import numpy as np
import pytest
from sklearn.pipeline import Pipeline
from support.model_file_corpus import nodes_of, plain, with_schema

from sk_digits import (
    DigitANN,
    DigitImageNormalizer,
    ModelFileError,
    PixelScaler,
    load_model,
    save_model,
)

PARAMS = {"ink": "light", "on_blank": "zeros", "image_shape": (30, 20), "max_pixels": 10_000}


@pytest.fixture(scope="module")
def pictures():
    """Give pictures of light strokes, with noise, as flat rows; the last one is blank."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 20, (12, 30, 20), dtype=np.uint8)
    for i, image in enumerate(images[:-1]):
        image[5:25, 6 + i % 5 : 9 + i % 5] = 220
    images[-1] = 0
    return images.reshape(12, 600)


@pytest.fixture(scope="module")
def pipeline(pictures):
    """Fit the whole way from pictures to digits."""
    ann = DigitANN((8,), max_epochs=2, random_state=0)
    steps = [("normalizer", DigitImageNormalizer(**PARAMS)), ("scaler", PixelScaler())]
    return Pipeline([*steps, ("ann", ann)]).fit(pictures, np.arange(12) % 3)


@pytest.fixture(scope="module")
def honest(pipeline, tmp_path_factory):
    """Give the bytes of its model file."""
    path = tmp_path_factory.mktemp("models") / "pictures.skops"
    save_model(pipeline, path)
    return path.read_bytes()


@pytest.fixture
def path(tmp_path):
    """Give a place for a model file."""
    return tmp_path / "model.skops"


def test_a_pipeline_of_pictures_is_as_it_was_saved(pipeline, pictures, honest, path):
    """Its answers are the same bits, and the normalizer has all of its parameters."""
    path.write_bytes(honest)
    loaded = load_model(path)
    assert loaded["normalizer"].get_params() == PARAMS
    assert PARAMS.items().isdisjoint(DigitImageNormalizer().get_params().items())
    for method in ("predict", "predict_proba", "decision_function"):
        np.testing.assert_array_equal(
            getattr(loaded, method)(pictures), getattr(pipeline, method)(pictures)
        )
    images = [row.reshape(30, 20) for row in pictures]
    np.testing.assert_array_equal(loaded.predict_proba(images), pipeline.predict_proba(images))


def test_output_containers_are_kept(pipeline, pictures, path):
    """set_output is no parameter, but is asked for once and for all."""
    steps = [(name, step) for name, step in pipeline.steps]
    steps[0] = ("normalizer", DigitImageNormalizer(**PARAMS).set_output(transform="pandas"))
    save_model(Pipeline(steps), path)
    frame = load_model(path)["normalizer"].transform(pictures)
    assert list(frame.columns[[0, -1]]) == ["pixel1", "pixel784"]


def sequence(kind, *values):
    """Give the node of a tuple or list of plain values."""
    loader = f"{kind.title()}Node"
    node = {"__class__": kind, "__module__": "builtins", "__loader__": loader}
    return node | {"content": [plain(json.dumps(value)) for value in values]}


PARAMETERS = [
    ("image_shape", sequence("tuple", -1, 5), "'image_shape' parameter"),
    ("image_shape", sequence("tuple", 0, 0), "'image_shape' parameter"),
    ("image_shape", sequence("tuple", 28), "'image_shape' parameter"),
    ("image_shape", sequence("tuple", *range(1, 60)), "'image_shape' parameter"),
    ("image_shape", sequence("tuple", 10**30, 1), "no plain value"),
    ("image_shape", sequence("tuple", "9", "9"), "'image_shape' parameter"),
    ("image_shape", sequence("tuple", 9.0, 9.0), "'image_shape' parameter"),
    ("image_shape", sequence("tuple", None, None), "'image_shape' parameter"),
    ("image_shape", sequence("list", 30, 20), "'image_shape' parameter"),
    ("image_shape", plain('"30x20"'), "'image_shape' parameter"),
    ("image_shape", plain(600), "'image_shape' parameter"),
    ("ink", plain('"__import__"'), "'ink' parameter"),
    ("ink", plain(1), "'ink' parameter"),
    ("ink", sequence("list", "auto"), "'ink' parameter"),
    ("on_blank", plain("null"), "'on_blank' parameter"),
    ("on_blank", plain('"' + "x" * 5000 + '"'), "'on_blank' parameter"),
    ("max_pixels", plain(0), "'max_pixels' parameter"),
    ("max_pixels", plain(-(2**63)), "'max_pixels' parameter"),
    ("max_pixels", plain(1.5), "'max_pixels' parameter"),
    ("max_pixels", plain('"1"'), "'max_pixels' parameter"),
    ("max_pixels", plain("Infinity"), "'max_pixels' parameter"),
    ("max_pixels", plain(10**400), "no plain value|damaged"),
    ("_sklearn_version", plain('"../1"'), "no version of scikit-learn"),
    ("_sklearn_output_config", plain('"pandas"'), "unknown output container"),
    ("bogus", plain(1), r"unknown attributes \['bogus'\]"),
    ("transform", plain(1), r"unknown attributes \['transform'\]"),
    ("n_features_in_", plain(600), r"unknown attributes \['n_features_in_'\]"),
    ("max_pixels", None, "has no parameter 'max_pixels'"),
]


@pytest.mark.parametrize(
    ("name", "node", "message"), PARAMETERS, ids=[f"{i}-{p[0]}" for i, p in enumerate(PARAMETERS)]
)
def test_a_normalizer_is_built_only_of_what_it_takes(honest, path, name, node, message):
    """Absurd shapes, unknown names and values of other types are refused."""

    def change(schema):
        content = nodes_of(schema, "DigitImageNormalizer")
        key_types = key_types_of(schema)
        if node is None:
            key_types.pop(list(content).index(name))
            del content[name]
            return
        if name not in content:
            key_types.append(
                {"__class__": "str", "__module__": "builtins", "__loader__": "TypeNode"}
            )
        content[name] = node

    path.write_bytes(with_schema(honest, change))
    with pytest.raises(ModelFileError, match=message):
        load_model(path)


def key_types_of(schema):
    """Give the list of the types of the keys of the normalizer's attributes."""
    steps = nodes_of(schema, "Pipeline")["steps"]["content"]
    return steps[0]["content"][1]["content"]["key_types"]["content"]


def test_a_normalizer_stands_before_what_takes_its_pixels(honest, path):
    """784 columns come out, whatever the next step says."""

    def change(schema):
        nodes_of(schema, "PixelScaler")["n_features_in_"] = plain(783)

    path.write_bytes(with_schema(honest, change))
    with pytest.raises(ModelFileError, match="takes 783 columns, but gets 784"):
        load_model(path)


@pytest.mark.parametrize("place", ["normalizer", "ann"])
def test_a_normalizer_is_no_classifier_and_no_other_type(honest, path, place):
    """A type stands only where its kind belongs."""

    def change(schema):
        steps = nodes_of(schema, "Pipeline")["steps"]["content"]
        pair = steps[0 if place == "normalizer" else -1]["content"]
        module, name = "sk_digits._images.digit_image_normalizer", "DigitImageNormalizer"
        if place == "normalizer":
            module, name = "sk_digits._images.segmentation", "DigitSegment"
        pair[1] |= {"__module__": module, "__class__": name}

    path.write_bytes(with_schema(honest, change))
    with pytest.raises(
        ModelFileError, match=r"is a sk_digits\._images\.\w+\.Digit.*; model files take"
    ):
        load_model(path)
