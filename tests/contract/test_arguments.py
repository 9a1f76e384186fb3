"""Arguments that were once misread, or refused by a message that did not name them."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from skorch.callbacks import Callback
from support.classifiers import TINIEST
from support.input_cases import HUGE
from support.parameter_cases import Needy

from sk_digits import (
    DigitANN,
    DigitImageNormalizer,
    PixelScaler,
    RandomWarp,
    make_digit_pipeline,
    segment_digits,
)
from sk_digits.datasets import fetch_mnist


@pytest.fixture
def data():
    """Return 12 rows of 8 features, in quarters, and three labels."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 5, (12, 8)).astype(np.float32) / 4, np.arange(12) % 3


# Features


def test_a_single_row_may_be_stored_backwards(data):
    """A row with negative strides, which torch does not take, is read."""
    X, y = data
    ann = DigitANN(**TINIEST).fit(X, y)
    row = X[:1][::-1]
    assert row.strides[0] < 0
    np.testing.assert_array_equal(ann.predict_proba(row), ann.predict_proba(X[:1]))
    ann.partial_fit(row, y[:1][::-1])


@pytest.mark.parametrize("estimator", [DigitANN(**TINIEST), PixelScaler()], ids=["ann", "scaler"])
def test_tensors_are_read_in_every_layout(data, estimator):
    """Lazily negated, sparse and double tensors are read as their values."""
    X, y = data
    plain = torch.tensor(X)
    lazy = torch.view_as_complex(torch.stack([plain, -plain], -1)).conj().imag
    assert lazy.is_neg()
    answer = "predict_proba" if isinstance(estimator, DigitANN) else "transform"
    expected = getattr(estimator.fit(X, y), answer)(X)
    for tensor in (lazy, plain.to_sparse()):
        np.testing.assert_array_equal(getattr(estimator.fit(tensor, y), answer)(tensor), expected)
    assert getattr(estimator.fit(plain.double(), y), answer)(X.astype(np.float64)).dtype == float


DOUBLES = {
    "big-endian": lambda X: X.astype(">f8"),
    "nullable frame": lambda X: pd.DataFrame(X).astype("Float64"),
    "sparse frame": lambda X: pd.DataFrame(X.astype(float)).astype(pd.SparseDtype(float, 0)),
    "tensor": lambda X: torch.tensor(X).double(),
}


@pytest.mark.parametrize("form", DOUBLES)
def test_double_precision_is_seen_in_every_form(data, form):
    """Double precision is recognised where NumPy has no such type, too."""
    X, y = data
    double = DOUBLES[form](X)
    assert DigitANN(**TINIEST).fit(double, y).decision_function(X).dtype == np.float64
    assert PixelScaler().fit_transform(double).dtype == np.float64


NO_FEATURES = {
    "masked": (lambda X: np.ma.array(X, mask=X > 0.5), "X has masked values"),
    "dates": (lambda X: X.astype("M8[s]"), "X has dates or durations"),
    "durations": (lambda X: X.astype("m8[s]"), "X has dates or durations"),
    "frame with dates": (
        lambda X: pd.DataFrame(X.astype("M8[s]")),
        "X has dates or durations",
    ),
    "huge": (lambda X: np.full(X.shape, HUGE, dtype=object), "X: int too large to convert"),
    "conjugate": (lambda X: torch.tensor(X + 1j).conj(), "Complex data not supported"),
    "meta": (lambda X: torch.tensor(X).to("meta"), "X: Cannot copy out of meta tensor"),
    "names twice": (lambda X: pd.DataFrame(X, columns=list("aabbccdd")), "X: Expected unique col"),
    "a list of lists": (lambda X: [[1, 2], [3]], "X: setting an array element with a sequence"),
    "a class": (lambda X: dict, "X: float.. argument must be a string or a real number"),
}


@pytest.mark.parametrize("form", NO_FEATURES)
@pytest.mark.parametrize("cls", [DigitANN, PixelScaler])
def test_invalid_features_are_an_error_that_names_x(data, form, cls):
    """Features that are not a table of numbers are an error that names X."""
    X, y = data
    make, message = NO_FEATURES[form]
    with pytest.raises((ValueError, TypeError), match=message):
        cls().fit(make(X), y)


# Labels, classes and weights


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.zeros(12, dtype=[("a", "i4")]), r"y has dtype \[\('a', '<i4'\)\]. Give labels"),
        (np.ma.array(np.zeros(12, int), mask=True), "y has masked values"),
        (np.array([1, "a", None] * 4, dtype=object), "y: '<' not supported|y: Unknown label type"),
        ({"a": 1}, "y should be a 1d array, got an array of shape"),
        (np.arange(12).astype("M8[D]"), "y has dates or durations"),
        (np.arange(11), "X and y have inconsistent numbers of samples: 12 rows and 11 labels"),
    ],
    ids=["structured", "masked", "mixed", "dict", "dates", "short"],
)
def test_invalid_labels_are_an_error_that_names_y(data, y, message):
    """A y that is not a list of labels is an error that names y, in fit and in score."""
    ann = DigitANN(**TINIEST)
    with pytest.raises((ValueError, TypeError), match=message):
        ann.fit(data[0], y)
    with pytest.raises((ValueError, TypeError), match=message):
        ann.fit(*data).score(data[0], y)


@pytest.mark.parametrize(
    "classes",
    [[[0, 1, 2]], [0.0, 0.5, 1.0], [0, 1, np.nan], [0, "a", None], {0, 1, 2}, 3, [], [b"a", b"b"]],
    ids=str,
)
def test_invalid_classes_are_an_error_that_names_them(data, classes):
    """Classes that are not a list of labels are an error that names them."""
    with pytest.raises((ValueError, TypeError), match=r"\bclasses\b"):
        DigitANN(**TINIEST).partial_fit(*data, classes)


@pytest.mark.parametrize(
    "weight", [np.nan, np.inf, -1.0, 0.0, 1j, HUGE, np.ma.array(np.ones(12), mask=True)], ids=str
)
def test_a_single_invalid_weight_is_an_error_that_names_it(data, weight):
    """A single number as sample_weight is validated as weights of rows are."""
    with pytest.raises((ValueError, TypeError), match="sample_weight"):
        DigitANN(**TINIEST).fit(*data, weight)
    with pytest.raises((ValueError, TypeError), match="sample_weight"):
        DigitANN(**TINIEST).fit(*data).score(*data, weight)


def test_weights_whose_sum_overflows_count_as_ratios(data):
    """Weights whose sum overflows count as ratios in balanced classes and in the score."""
    X, y = data
    weight = np.linspace(0.25, 1, 12)
    ann = DigitANN(**TINIEST, class_weight="balanced").fit(X, y, weight * 1e308)
    plain = DigitANN(**TINIEST, class_weight="balanced").fit(X, y, weight)
    np.testing.assert_allclose(ann.predict_proba(X), plain.predict_proba(X), atol=1e-6)
    assert ann.score(X, y, weight * 1e308) == pytest.approx(ann.score(X, y, weight))


def test_labels_that_cannot_be_compared_with_the_classes_are_an_error_that_names_y(data):
    """Strings as labels of a classifier of numbers are an error that names y."""
    X, y = data
    ann = DigitANN(**TINIEST).fit(X, y)
    with pytest.raises(ValueError, match=r"\by\b"):
        ann.score(X, y.astype(str))


# Parameters


def test_a_callback_that_cannot_be_made_is_an_error_that_names_the_parameter(data):
    """A callback may be a class if it can be made without arguments."""
    with pytest.raises(TypeError, match=r"callbacks: .*missing 1 required positional argument"):
        DigitANN(**TINIEST, callbacks=[Needy]).fit(*data)
    assert DigitANN(**TINIEST, callbacks=[("a", Callback)]).fit(*data).n_iter_ == 1


def test_a_warp_has_a_grid_of_bounded_size():
    """A grid whose memory would grow beyond bounds is a ValueError."""
    with pytest.raises(ValueError, match=r"'elastic_grid' .* an int from 2 to 32. Got 33"):
        RandomWarp(elastic=0.1, elastic_grid=33).check()


def test_a_warps_parameters_are_the_objects_that_were_given():
    """RandomWarp keeps its parameters without copying them."""
    value = memoryview(b"")
    assert RandomWarp(rotation=value).get_params()["rotation"] is value


@pytest.mark.parametrize("estimator", [DigitANN(), PixelScaler(), DigitImageNormalizer()])
def test_set_params_with_an_unknown_name_changes_nothing(estimator):
    """A call of set_params with an unknown name sets no parameter at all."""
    before = estimator.get_params()
    name = next(iter(before))
    with pytest.raises(ValueError, match="Invalid parameter 'bogus' for estimator"):
        estimator.set_params(**{name: 7, "bogus": 1})
    assert estimator.get_params() == before


@pytest.mark.parametrize("augmentation", [None, "affine"])
def test_a_nested_parameter_that_does_not_exist_is_an_error_that_names_it(augmentation):
    """A nested name is a ValueError where the value has no parameters."""
    ann = DigitANN(augmentation=augmentation)
    with pytest.raises(ValueError, match="Invalid parameter 'augmentation__rotation' for"):
        ann.set_params(lr=1.0, augmentation__rotation=5)
    assert ann.lr == DigitANN().lr
    ann.set_params(augmentation=RandomWarp(), augmentation__rotation=5)
    assert ann.augmentation.rotation == 5


def test_a_random_state_is_as_it_was_after_a_fit_that_failed(data):
    """A fit that failed leaves a RandomState where it was."""
    random_state = np.random.RandomState(0)
    ann = DigitANN(**TINIEST | {"random_state": random_state}, image_shape=(3, 3))
    with pytest.raises(ValueError, match="image_shape"):
        ann.fit(*data)
    assert random_state.randint(2**31) == np.random.RandomState(0).randint(2**31)


# Pixels and pictures


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
def test_pixels_that_the_scaler_takes_beyond_their_type_are_an_error(container):
    """Pixels that scaling would make infinite are a ValueError."""
    X = np.ones((2, 4), dtype=np.float32)
    with pytest.raises(ValueError, match="X is too large for pixel_max_=1e-300"):
        PixelScaler(1e-300).fit_transform(container(X))
    with pytest.raises(ValueError, match=r"X is too large for pixel_max_=1e\+300"):
        PixelScaler(1e300).fit(X).inverse_transform(container(X))


def test_a_generator_of_pictures_is_read_once():
    """fit_transform, as in a pipeline's fit, reads a generator of pictures once."""
    picture = np.zeros((28, 28), dtype=np.uint8)
    picture[4:24, 13:15] = 255
    rows = DigitImageNormalizer().fit_transform(image for image in [picture, picture])
    assert rows.shape == (2, 784)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.full((9, 9), np.longdouble("1e4000")), "the image holds NaN or infinity"),
        (np.ma.array(np.eye(9), mask=np.eye(9)), "the image has masked values"),
        (torch.tensor([[1j]]).conj(), "an array of complex64 is not an image"),
        (torch.empty(9, 9, device="meta"), "the Tensor given is not an image"),
    ],
    ids=["longdouble", "masked", "conjugate", "meta"],
)
def test_a_picture_that_cannot_be_read_is_an_error(image, message):
    """A picture that cannot be read is a ValueError, which in a list names its place."""
    with pytest.raises(ValueError, match=message):
        segment_digits(image)
    with pytest.raises(ValueError, match=f"Image 1: .*{message}"):
        DigitImageNormalizer(on_blank="zeros").transform([np.eye(9), image])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"ink": np.array(["dark", "light"])}, "ink=array"),
        ({"max_pixels": None}, "max_pixels=None is no limit"),
        ({"max_pixels": 0}, "max_pixels=0 is no limit"),
        ({"max_pixels": 1.5}, "max_pixels=1.5 is no limit"),
    ],
    ids=str,
)
def test_segment_digits_names_its_parameters(params, message):
    """A wrong parameter is a ValueError that names it, whatever the type of the value."""
    with pytest.raises(ValueError, match=message):
        segment_digits(np.eye(9), **params)


@pytest.mark.parametrize("data_home", [5, b"folder", 1.5, ["folder"]])
def test_a_data_home_that_is_not_a_path_is_an_error_that_names_it(data_home):
    """A data_home that is not a path is a TypeError before any folder is searched."""
    with pytest.raises(TypeError, match=r"data_home=.* is not a path"):
        fetch_mnist(data_home=data_home, download_if_missing=False)


def test_a_pipeline_names_the_argument_too(data):
    """The error names the argument, whichever step of the pipeline reads it."""
    pipeline = make_digit_pipeline(**TINIEST, image_shape=(2, 4))
    for arguments, name in [(([None], [1]), "X"), ((data[0], None), "y")]:
        with pytest.raises((ValueError, TypeError), match=rf"\b{name}\b"):
            pipeline.fit(*arguments)
    with pytest.raises(TypeError, match="'bogus'"):
        make_digit_pipeline(bogus=1)
