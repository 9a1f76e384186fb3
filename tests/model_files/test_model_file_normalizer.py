"""`DigitImageNormalizer` in model files: as it was saved, or refused."""

import numpy as np
import pytest
from sklearn.pipeline import Pipeline
from support.model_file_corpus import tree_of, with_document

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
    """Return pictures of light strokes, with noise, as flat rows; the last one is blank."""
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
    """Return the bytes of its model file."""
    path = tmp_path_factory.mktemp("models") / "pictures.safetensors"
    save_model(pipeline, path)
    return path.read_bytes()


@pytest.fixture
def path(tmp_path):
    """Return a place for a model file."""
    return tmp_path / "model.safetensors"


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


PARAMETERS = [
    ("image_shape", {"tuple": [-1, 5]}, "'image_shape' parameter"),
    ("image_shape", {"tuple": [0, 0]}, "'image_shape' parameter"),
    ("image_shape", {"tuple": [28]}, "'image_shape' parameter"),
    ("image_shape", {"tuple": list(range(1, 60))}, "'image_shape' parameter"),
    ("image_shape", {"tuple": [10**30, 1]}, "has the number"),
    ("image_shape", {"tuple": ["9", "9"]}, "'image_shape' parameter"),
    ("image_shape", {"tuple": [9.0, 9.0]}, "'image_shape' parameter"),
    ("image_shape", {"tuple": [None, None]}, "'image_shape' parameter"),
    ("image_shape", [30, 20], "'image_shape' parameter"),
    ("image_shape", "30x20", "'image_shape' parameter"),
    ("image_shape", 600, "'image_shape' parameter"),
    ("ink", "__import__", "'ink' parameter"),
    ("ink", 1, "'ink' parameter"),
    ("ink", ["auto"], "'ink' parameter"),
    ("on_blank", None, "'on_blank' parameter"),
    ("on_blank", "x" * 5000, "'on_blank' parameter"),
    ("max_pixels", 0, "'max_pixels' parameter"),
    ("max_pixels", -(2**63), "'max_pixels' parameter"),
    ("max_pixels", 1.5, "'max_pixels' parameter"),
    ("max_pixels", "1", "'max_pixels' parameter"),
    ("max_pixels", {"float": "inf"}, "'max_pixels' parameter"),
    ("max_pixels", 10**400, "has the number 10*"),
    ("bogus", 1, r"unknown attributes \['bogus'\]"),
    ("transform", 1, r"unknown attributes \['transform'\]"),
    ("_sklearn_output_config", "pandas", "unknown output container"),
    ("_sklearn_output_config", {"dict": [["transform", "x"]]}, "unknown output container"),
    ("n_features_in_", 600, r"unknown attributes \['n_features_in_'\]"),
    ("feature_names_in_", {"array": ["O", []]}, r"unknown attributes \['feature_names_in_'\]"),
]


@pytest.mark.parametrize(
    ("name", "value", "message"), PARAMETERS, ids=[f"{i}-{p[0]}" for i, p in enumerate(PARAMETERS)]
)
def test_a_normalizer_is_built_only_of_what_it_takes(honest, path, name, value, message):
    """Absurd shapes, unknown names and values of other types are refused."""
    path.write_bytes(
        with_document(honest, lambda document: tree_of(document, 0)["state"].update({name: value}))
    )
    with pytest.raises(ModelFileError, match=message):
        load_model(path)


def test_a_normalizer_has_all_of_its_parameters(honest, path):
    """A default of another release would be another normalizer."""
    path.write_bytes(
        with_document(honest, lambda document: tree_of(document, 0)["state"].pop("max_pixels"))
    )
    with pytest.raises(ModelFileError, match=r"damaged .*KeyError: 'max_pixels'"):
        load_model(path)


def test_a_version_of_scikit_learn_is_one(honest, path):
    """It stands in warnings."""
    path.write_bytes(
        with_document(
            honest, lambda document: document["versions"].update({"scikit-learn": "../1"})
        )
    )
    with pytest.raises(ModelFileError, match="names no version of scikit-learn"):
        load_model(path)


def test_a_normalizer_stands_before_what_takes_its_pixels(honest, path):
    """784 columns come out, whatever the next step says."""
    path.write_bytes(
        with_document(
            honest, lambda document: tree_of(document, 1)["state"].update(n_features_in_=783)
        )
    )
    with pytest.raises(ModelFileError, match="takes 783 columns, but gets 784"):
        load_model(path)


@pytest.mark.parametrize(
    ("step", "name"), [(0, "sk_digits.DigitSegment"), (2, "sk_digits.DigitImageNormalizer")]
)
def test_a_normalizer_is_no_classifier_and_no_other_type(honest, path, step, name):
    """A type stands only where its kind belongs."""
    path.write_bytes(
        with_document(honest, lambda document: tree_of(document, step).update(type=name))
    )
    with pytest.raises(ModelFileError, match=rf"is a {name}; model files take"):
        load_model(path)
