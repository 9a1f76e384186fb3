"""Arguments that were once misread, or refused without a word on which of them was at fault."""

import itertools
import sys
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from skorch.callbacks import Callback

from sk_digits import (
    DigitANN,
    DigitImageNormalizer,
    PixelScaler,
    RandomWarp,
    make_digit_pipeline,
    segment_digits,
)
from sk_digits._network.lr_schedules import LR_SCHEDULES, step_sizes
from sk_digits.datasets import fetch_mnist

TINY = {"hidden_layer_sizes": (4,), "max_epochs": 1, "random_state": 0}
HUGE = 10**400  # an int beyond every float


@pytest.fixture
def data():
    """Give 12 rows of 8 features, in quarters, and three labels."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 5, (12, 8)).astype(np.float32) / 4, np.arange(12) % 3


# Features


def test_a_single_row_may_be_stored_backwards(data):
    """An array of one row counts as contiguous whatever its strides; torch takes none below 0."""
    X, y = data
    ann = DigitANN(**TINY).fit(X, y)
    row = X[:1][::-1]
    assert row.strides[0] < 0
    np.testing.assert_array_equal(ann.predict_proba(row), ann.predict_proba(X[:1]))
    ann.partial_fit(row, y[:1][::-1])


@pytest.mark.parametrize("estimator", [DigitANN(**TINY), PixelScaler()], ids=["ann", "scaler"])
def test_tensors_are_read_in_every_layout(data, estimator):
    """Lazily negated, sparse and double tensors are what their values are."""
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
    """The type of the data is the type of the network also where NumPy has no such type."""
    X, y = data
    double = DOUBLES[form](X)
    assert DigitANN(**TINY).fit(double, y).decision_function(X).dtype == np.float64
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
def test_what_is_no_table_of_numbers_is_an_error_that_names_x(data, form, cls):
    """Also what would become numbers: masked values, dates."""
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
def test_what_are_no_labels_is_an_error_that_names_y(data, y, message):
    """In fit and in score."""
    ann = DigitANN(**TINY)
    with pytest.raises((ValueError, TypeError), match=message):
        ann.fit(data[0], y)
    with pytest.raises((ValueError, TypeError), match=message):
        ann.fit(*data).score(data[0], y)


@pytest.mark.parametrize(
    "classes",
    [[[0, 1, 2]], [0.0, 0.5, 1.0], [0, 1, np.nan], [0, "a", None], {0, 1, 2}, 3, [], [b"a", b"b"]],
    ids=str,
)
def test_what_are_no_classes_is_an_error_that_names_them(data, classes):
    """A table of labels is not flattened, and NaN is no class."""
    with pytest.raises((ValueError, TypeError), match=r"\bclasses\b"):
        DigitANN(**TINY).partial_fit(*data, classes)


@pytest.mark.parametrize(
    "weight", [np.nan, np.inf, -1.0, 0.0, 1j, HUGE, np.ma.array(np.ones(12), mask=True)], ids=str
)
def test_what_are_no_weights_is_an_error_that_names_them(data, weight):
    """A number that stands for all rows is looked at as rows of weights are."""
    with pytest.raises((ValueError, TypeError), match="sample_weight"):
        DigitANN(**TINY).fit(*data, weight)
    with pytest.raises((ValueError, TypeError), match="sample_weight"):
        DigitANN(**TINY).fit(*data).score(*data, weight)


def test_weights_whose_sum_overflows_are_ratios_all_the_same(data):
    """In balanced classes and in the score as elsewhere."""
    X, y = data
    weight = np.linspace(0.25, 1, 12)
    ann = DigitANN(**TINY, class_weight="balanced").fit(X, y, weight * 1e308)
    plain = DigitANN(**TINY, class_weight="balanced").fit(X, y, weight)
    np.testing.assert_allclose(ann.predict_proba(X), plain.predict_proba(X), atol=1e-6)
    assert ann.score(X, y, weight * 1e308) == pytest.approx(ann.score(X, y, weight))


def test_labels_that_cannot_be_compared_with_the_classes_are_an_error_that_names_y(data):
    """Text is no number."""
    X, y = data
    ann = DigitANN(**TINY).fit(X, y)
    with pytest.raises(ValueError, match=r"\by\b"):
        ann.score(X, y.astype(str))


# Parameters

NUMBERS = ["dropout", "lr", "weight_decay", "label_smoothing", "validation_fraction", "tol"]


@pytest.mark.parametrize("value", [HUGE, Fraction(1, 3), np.longdouble("1e4000")], ids=repr)
@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_that_are_no_floats_are_an_error_that_names_the_parameter(data, name, value):
    """They are beyond floats, or of a kind that NumPy does not compute with."""
    with pytest.raises(ValueError, match=f"'{name}' parameter of DigitANN must"):
        DigitANN(**{**TINY, name: value}).fit(*data)
    with pytest.raises(ValueError, match="'rotation' parameter of RandomWarp must"):
        RandomWarp(rotation=value).check()
    with pytest.raises(ValueError, match="'pixel_max' parameter of PixelScaler must"):
        PixelScaler(value).fit(data[0])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hidden_layer_sizes", (10**13,)),
        ("hidden_layer_sizes", HUGE),
        ("hidden_layer_sizes", torch.empty(2, device="meta")),
        ("batch_size", HUGE),
        ("max_epochs", 2**63),
        ("n_iter_no_change", HUGE),
        ("device", "\ud800"),
        ("device", "cuda:" + "9" * 50),
        ("class_weight", {0: HUGE}),
        ("class_weight", {0: "2"}),
        ("callbacks", [("a", Callback()), ("a", Callback())]),
        ("callbacks", [(1, Callback())]),
    ],
)
def test_more_values_that_are_refused_by_name(data, name, value):
    """None of them gets as far as torch, NumPy or skorch, which know no parameters."""
    ann = DigitANN(**{**TINY, name: value})
    with pytest.raises((ValueError, TypeError), match=f"'{name}' parameter of DigitANN|{name}: "):
        ann.fit(*data)
    assert not hasattr(ann, "net_")


class Needy(Callback):
    """A callback that cannot be made without an argument."""

    def __init__(self, needed):
        self.needed = needed


def test_a_callback_that_cannot_be_made_is_an_error_that_names_the_parameter(data):
    """A class stands for an instance, which has to be made without arguments."""
    with pytest.raises(TypeError, match=r"callbacks: .*missing 1 required positional argument"):
        DigitANN(**TINY, callbacks=[Needy]).fit(*data)
    assert DigitANN(**TINY, callbacks=[("a", Callback)]).fit(*data).n_iter_ == 1


@pytest.mark.parametrize("schedule", LR_SCHEDULES)
def test_a_training_without_end_can_begin(schedule):
    """The step sizes come one by one: early stopping may end what max_epochs would not."""
    first = list(itertools.islice(step_sizes(schedule, 0.1, sys.maxsize), 3))
    assert all(0 < size <= 0.1 for size in first)
    later = list(step_sizes(schedule, 0.1, 50, 40))
    assert later == list(step_sizes(schedule, 0.1, 50))[40:]


def test_a_warp_has_a_grid_of_bounded_size():
    """The memory grows with its fourth power."""
    with pytest.raises(ValueError, match=r"'elastic_grid' .* an int from 2 to 32. Got 33"):
        RandomWarp(elastic=0.1, elastic_grid=33).check()


def test_a_warps_parameters_are_the_objects_that_were_given():
    """They are not copied, which not all objects can be."""
    value = memoryview(b"")
    assert RandomWarp(rotation=value).get_params()["rotation"] is value


@pytest.mark.parametrize("estimator", [DigitANN(), PixelScaler(), DigitImageNormalizer()])
def test_set_params_with_an_unknown_name_changes_nothing(estimator):
    """Not even what was named before it."""
    before = estimator.get_params()
    name = next(iter(before))
    with pytest.raises(ValueError, match="Invalid parameter 'bogus' for estimator"):
        estimator.set_params(**{name: 7, "bogus": 1})
    assert estimator.get_params() == before


@pytest.mark.parametrize("augmentation", [None, "affine"])
def test_a_parameter_of_a_parameter_that_has_none_is_an_error_that_names_it(augmentation):
    """It was an AttributeError of the value."""
    ann = DigitANN(augmentation=augmentation)
    with pytest.raises(ValueError, match="Invalid parameter 'augmentation__rotation' for"):
        ann.set_params(lr=1.0, augmentation__rotation=5)
    assert ann.lr == DigitANN().lr
    ann.set_params(augmentation=RandomWarp(), augmentation__rotation=5)
    assert ann.augmentation.rotation == 5


def test_a_random_state_is_as_it_was_after_a_fit_that_failed(data):
    """It gives the numbers again that the fit drew."""
    random_state = np.random.RandomState(0)
    ann = DigitANN(**TINY | {"random_state": random_state}, image_shape=(3, 3))
    with pytest.raises(ValueError, match="image_shape"):
        ann.fit(*data)
    assert random_state.randint(2**31) == np.random.RandomState(0).randint(2**31)


# Pixels and pictures


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
def test_pixels_that_the_scaler_takes_beyond_their_type_are_an_error(container):
    """There is no infinity among the scaled pixels."""
    X = np.ones((2, 4), dtype=np.float32)
    with pytest.raises(ValueError, match="X is too large for pixel_max_=1e-300"):
        PixelScaler(1e-300).fit_transform(container(X))
    with pytest.raises(ValueError, match=r"X is too large for pixel_max_=1e\+300"):
        PixelScaler(1e300).fit(X).inverse_transform(container(X))


def test_a_generator_of_pictures_is_gone_over_once():
    """In fit_transform, and so in a pipeline's fit."""
    picture = np.zeros((28, 28), dtype=np.uint8)
    picture[4:24, 13:15] = 255
    rows = DigitImageNormalizer().fit_transform(image for image in [picture, picture.T])
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
def test_more_that_is_no_picture(image, message):
    """As one of several it is named by its place."""
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
    """Whatever their type."""
    with pytest.raises(ValueError, match=message):
        segment_digits(np.eye(9), **params)


@pytest.mark.parametrize("data_home", [5, b"folder", 1.5, ["folder"]])
def test_a_data_home_that_is_no_path_is_an_error_that_names_it(data_home):
    """Before anything is looked for."""
    with pytest.raises(TypeError, match=r"data_home=.* is not a path"):
        fetch_mnist(data_home=data_home, download_if_missing=False)


def test_a_pipeline_names_the_argument_too(data):
    """Whichever of its steps reads it."""
    pipeline = make_digit_pipeline(**TINY, image_shape=(2, 4))
    for arguments, name in [(([None], [1]), "X"), ((data[0], None), "y")]:
        with pytest.raises((ValueError, TypeError), match=rf"\b{name}\b"):
            pipeline.fit(*arguments)
    with pytest.raises(TypeError, match="'bogus'"):
        make_digit_pipeline(bogus=1)
