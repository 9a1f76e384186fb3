"""`PixelScaler`: which number it learns, how it scales pixels, and when it warns."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from sk_digits import PixelScaler
from sk_digits.datasets import fetch_mnist

IMAGES = np.array([[0, 51, 255], [0, 102, 204]], dtype=np.uint8)
FLOATS = hnp.arrays(
    st.sampled_from([np.float32, np.float64]),
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=6),
    elements=st.floats(-(2.0**20), 2.0**20, width=32, allow_subnormal=False),
)
INTEGERS = hnp.arrays(
    st.sampled_from([np.uint8, np.int16, np.uint16, np.int32]),
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=6),
    elements=st.integers(0, 127),
)


def learned(*values, dtype=np.float64):
    """Return the maximum learned from one image."""
    return PixelScaler().fit(np.array([values], dtype=dtype)).pixel_max_


# What it learns


@pytest.mark.parametrize(
    ("largest", "pixel_max"),
    [
        (0, 1),
        (1e-9, 1),
        (0.5, 1),
        (1, 1),
        (np.nextafter(1, 2), 16),
        (15, 16),
        (16, 16),
        (16.001, 255),
        (255, 255),
        (255.5, 65535),
        (65535, 65535),
        (65535.5, 65535.5),
        (1e6, 1e6),
        (1e300, 1e300),
    ],
)
def test_auto_takes_the_smallest_common_maximum_that_bounds_the_data(largest, pixel_max):
    """It is 1, 16, 255 or 65535, else the largest magnitude; the sign does not count."""
    assert learned(0, largest / 3, largest) == pixel_max
    assert learned(0, largest / 3, -largest) == pixel_max


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.int8, np.int64, np.float16])
def test_auto_looks_at_values_and_not_at_the_type(dtype):
    """An image of zeros and ones is a binary image in every dtype."""
    assert learned(0, 1, dtype=dtype) == 1
    assert isinstance(learned(0, 1, dtype=dtype), float)


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array, sp.csc_matrix])
def test_blank_images_are_no_trouble(container):
    """Blank images are divided by 1 and stay blank."""
    X = container(np.zeros((3, 4)))
    scaler = PixelScaler().fit(X)
    assert scaler.pixel_max_ == 1
    assert not np.any(abs(scaler.transform(X)).max())


@pytest.mark.parametrize("pixel_max", [1, 0.5, 255, 1000, np.float32(3), np.int64(7)])
def test_a_given_pixel_max_is_used_whatever_the_data(pixel_max):
    """A number is used, and nothing is learned."""
    scaler = PixelScaler(pixel_max).fit([[0, pixel_max]]).partial_fit([[0, pixel_max / 2]])
    assert scaler.pixel_max_ == float(pixel_max)
    np.testing.assert_allclose(scaler.transform([[0.0, pixel_max]]), [[0, 1]])


@pytest.mark.parametrize("method", ["fit", "partial_fit", "fit_transform"])
@pytest.mark.parametrize("pixel_max", [0, -1, np.nan, np.inf, "255", "max", None, [255]])
def test_a_bad_pixel_max_is_an_error_that_names_it(method, pixel_max):
    """The message has the parameter, what is allowed, and the value."""
    message = r"'pixel_max' parameter of PixelScaler must be .*'auto'.*Got .* instead"
    with pytest.raises(ValueError, match=message):
        getattr(PixelScaler(pixel_max), method)(IMAGES)


def test_partial_fit_never_lowers_what_was_learned():
    """It keeps the largest of all chunks; a new fit forgets it."""
    scaler = PixelScaler()
    seen = [scaler.partial_fit([[0, v]]).pixel_max_ for v in (1, 200, 3, 70_000, 80_000, 1, 255)]
    assert seen == [1, 255, 255, 70_000, 80_000, 80_000, 80_000]
    assert scaler.fit([[0, 3]]).pixel_max_ == 16


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=6))
def test_partial_fit_in_any_chunks_equals_fit(values):
    """The result does not depend on how the rows are split."""
    X = np.array(values)[:, np.newaxis]
    scaler = PixelScaler()
    for row in X:
        scaler.partial_fit(row[:, np.newaxis])
    whole = PixelScaler().fit(X)
    assert scaler.pixel_max_ == whole.pixel_max_


# What it makes of pixels


@pytest.mark.parametrize(
    ("dtype", "result"),
    [
        (np.uint8, np.float32),
        (np.int64, np.float32),
        (bool, np.float32),
        (np.float16, np.float32),
        (np.float32, np.float32),
        (np.float64, np.float64),
        (object, np.float32),
    ],
)
@pytest.mark.parametrize("fitted", [np.uint8, np.float64])
def test_floats_keep_their_type_and_the_rest_becomes_float32(dtype, result, fitted):
    """The dtype of the output depends on that of the input, not on that of the training data."""
    X = (IMAGES > 60).astype(dtype)
    scaler = PixelScaler().fit(X.astype(fitted))
    assert scaler.transform(X).dtype == result
    assert scaler.inverse_transform(X).dtype == result
    np.testing.assert_array_equal(scaler.transform(X), IMAGES > 60)


def test_input_is_not_changed_and_not_shared():
    """The output is a new array."""
    X = IMAGES.astype(np.float64)
    out = PixelScaler().fit_transform(X)
    np.testing.assert_array_equal(X, IMAGES)
    assert not np.shares_memory(out, X)


@pytest.mark.parametrize("kind", ["csr", "csc", "coo"])
@pytest.mark.parametrize("family", ["array", "matrix"])
def test_sparse_images_stay_sparse(kind, family):
    """CSR and CSC keep their format, COO becomes CSR, and the values are those of dense images."""
    X = getattr(sp, f"{kind}_{family}")(IMAGES)
    scaler = PixelScaler().fit(X)
    assert scaler.pixel_max_ == 255
    for out, dense in (
        (scaler.transform(X), scaler.transform(IMAGES)),
        (scaler.inverse_transform(scaler.transform(X)), IMAGES),
    ):
        assert sp.issparse(out)
        assert (out.format, out.nnz) == ("csr" if kind == "coo" else kind, X.nnz)
        assert out.dtype == np.float32
        np.testing.assert_allclose(out.toarray(), dense, rtol=1e-6)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(FLOATS | INTEGERS)
def test_training_data_lands_between_minus_1_and_1(X):
    """The scaled magnitudes of the training data are at most 1, whatever it is."""
    out = PixelScaler().fit_transform(X)
    assert np.abs(out).max() <= 1
    np.testing.assert_array_equal(np.sign(out), np.sign(X))


@settings(max_examples=80, deadline=None, derandomize=True)
@given(FLOATS | INTEGERS)
def test_inverse_transform_undoes_transform(X):
    """It returns the original pixels, up to rounding."""
    scaler = PixelScaler().fit(X)
    back = scaler.inverse_transform(scaler.transform(X))
    np.testing.assert_allclose(back, X, rtol=1e-6, atol=1e-30)  # subnormals round coarsely


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("pixel_max", [1e-300, 1e-40, 1e30, 1e300])
def test_a_pixel_max_that_float32_cannot_hold_makes_no_nan(dtype, pixel_max):
    """Even with an extreme pixel_max the values are those of the division."""
    X = np.array([[0.0, pixel_max]]).astype(np.float64)
    scaler = PixelScaler().set_params(pixel_max=pixel_max).fit(X)
    np.testing.assert_allclose(scaler.transform(X), [[0, 1]])
    blank = np.zeros((1, 2), dtype=dtype)
    np.testing.assert_array_equal(scaler.transform(blank), blank)


# scikit-learn's conventions


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_names_of_the_pixels_are_remembered_and_handed_on(frame):
    """The names of the columns are those of feature_names_in_ and of the output."""
    table = frame({"a": [0, 51], "b": [255, 0]})
    scaler = PixelScaler().fit(table)
    assert (
        scaler.feature_names_in_.tolist() == scaler.get_feature_names_out().tolist() == ["a", "b"]
    )
    np.testing.assert_allclose(scaler.transform(table), [[0, 1], [0.2, 0]])
    library = frame.__module__.split(".")[0]
    out = scaler.set_output(transform=library).transform(table)
    assert isinstance(out, frame)
    assert list(out.columns) == ["a", "b"]
    with pytest.raises(ValueError, match="Feature names unseen at fit time"):
        scaler.transform(frame({"a": [0], "c": [1]}))


def test_inverse_transform_takes_what_transform_gives():
    """After training on a frame it takes the plain array of transform without a warning."""
    table = pd.DataFrame({"a": [0, 51], "b": [255, 0]})
    scaler = PixelScaler().fit(table)
    np.testing.assert_allclose(scaler.inverse_transform(scaler.transform(table)), table, rtol=1e-6)


def test_pixels_without_names_are_numbered():
    """The names are scikit-learn's x0, x1, and so on."""
    scaler = PixelScaler().fit(IMAGES)
    assert scaler.get_feature_names_out().tolist() == ["x0", "x1", "x2"]
    assert scaler.get_feature_names_out(["p", "q", "r"]).tolist() == ["p", "q", "r"]


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([[0, np.nan]], "contains NaN"),
        ([[0, np.inf]], "contains infinity"),
        ([[-np.inf, np.inf]], "contains infinity"),
        (np.array([[1j, 2]]), "Complex data not supported"),
        ([0, 1], "Expected 2D array, got 1D"),
        (np.zeros((2, 2, 2)), "Found array with dim 3"),
        (np.zeros((0, 2)), "0 sample"),
        (np.zeros((2, 0)), "0 feature"),
        ([["ink", "paper"]], "could not convert string to float"),
        (sp.csr_array([[0, np.nan]]), "contains NaN"),
    ],
    ids=[
        "nan",
        "inf",
        "both infs",
        "complex",
        "1-D",
        "3-D",
        "no rows",
        "no columns",
        "text",
        "sparse nan",
    ],
)
@pytest.mark.parametrize("fitted", [False, True])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_failed_fit_leaves_it_as_it_was(X, message, fitted, method):
    """Neither the names nor the maximum change."""
    scaler = PixelScaler()
    if fitted:
        scaler.fit([[0, 200]])
    before = dict(vars(scaler))
    with pytest.raises(ValueError, match=message):
        getattr(scaler, method)(X)
    assert vars(scaler) == before


@pytest.mark.parametrize("method", ["transform", "inverse_transform", "partial_fit"])
def test_another_number_of_pixels_is_an_error(method):
    """After training on three pixels it takes three."""
    with pytest.raises(ValueError, match=r"X has 2 features, but PixelScaler .*3"):
        getattr(PixelScaler().fit(IMAGES), method)(IMAGES[:, :2])


@pytest.mark.parametrize("method", ["transform", "inverse_transform"])
def test_before_a_fit_it_says_so(method):
    """Neither transform nor inverse_transform works without a fit."""
    with pytest.raises(NotFittedError, match="PixelScaler instance is not fitted yet"):
        getattr(PixelScaler(), method)(IMAGES)


def test_a_clone_forgets_what_was_learned():
    """A clone has the parameter and nothing else."""
    scaler = clone(PixelScaler(16).fit(IMAGES))
    assert vars(scaler) == {"pixel_max": 16}


# Warnings of images in other units than in training


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array, sp.csc_array])
@pytest.mark.parametrize(
    ("trained", "given", "problem"),
    [
        ([0, 1], [0, 255], r"up to 255 are beyond pixel_max_=1\b"),
        ([0, 255], [0, 256], r"up to 256 are beyond pixel_max_=255\b"),
        ([0, 255], [0, -300], r"up to 300 are beyond pixel_max_=255\b"),
        ([0, 255], [0.25, 1], r"up to 1 are mere fractions of pixel_max_=255\b"),
        ([0, 65535], [0, 0.5], r"up to 0\.5 are mere fractions of pixel_max_=65535\b"),
        ([0, 255], [0, 1], r"up to 1 are mere fractions of pixel_max_=255\b"),
        ([0, 255], [0, 16], r"up to 16 are mere fractions of pixel_max_=255\b"),
        ([0, 65535], [0, 255], r"up to 255 are mere fractions of pixel_max_=65535\b"),
    ],
)
def test_other_units_than_in_training_are_a_warning(container, trained, given, problem):
    """Values beyond the range, or a small part of it only, cause one warning and are scaled."""
    scaler = PixelScaler().fit(container(np.array([trained], dtype=float)))
    with pytest.warns(UserWarning, match=f"PixelScaler: values {problem}.*same units") as caught:
        out = scaler.transform(container(np.array([given], dtype=float)))
    assert len(caught) == 1
    out = out.toarray() if sp.issparse(out) else out
    np.testing.assert_allclose(out, np.array([given]) / scaler.pixel_max_)


def test_the_warning_points_at_the_callers_line():
    """The warning names this file, not a file of scikit-learn."""
    scaler = PixelScaler().fit([[0, 1]])
    with pytest.warns(UserWarning, match="are beyond pixel_max_=1") as caught:
        scaler.transform([[0, 255]])
    assert caught[0].filename == __file__


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
@pytest.mark.parametrize(
    ("trained", "given"),
    [
        ([0, 255], [0, 0]),
        ([0, 255], [0, 20]),
        ([0, 255], [0.5, 18]),
        ([0, 16], [0.5, 0.25]),
        ([0, 1], [0, 1]),
    ],
)
def test_images_that_may_be_in_the_same_units_are_no_warning(container, trained, given):
    """Blank and dim images, and fractions of small units, cause no warning."""
    scaler = PixelScaler().fit(container(np.array([trained], dtype=float)))
    out = scaler.transform(container(np.array([given], dtype=float)))
    assert out.shape == (1, 2)


def test_what_interpolation_rounds_up_is_no_other_unit():
    """A value slightly above full ink causes no warning, which would be an error here."""
    scaler = PixelScaler().fit([[0.0, 255.0]])
    assert scaler.transform([[0.0, 255.0002]]).max() == pytest.approx(1)


# Warnings of inverted images


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("n_rows", [1, 50])
@pytest.mark.parametrize("is_inverted", [False, True])
def test_inverted_images_are_one_warning(digits_28, container, n_rows, is_inverted):
    """One image or many, dark on light after light on dark or the other way round."""
    X = 255 - digits_28[0] if is_inverted else digits_28[0]
    scaler = PixelScaler().fit(container(X[:500]))
    given = container(255 - X[500 : 500 + n_rows])
    with pytest.warns(UserWarning, match="seem to be inverted.*pixel_max - X") as caught:
        out = scaler.transform(given)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    out = out.toarray() if sp.issparse(out) else out
    np.testing.assert_allclose(out, (255.0 - X[500 : 500 + n_rows]) / 255, rtol=1e-6)


@pytest.mark.parametrize("ground", [180, 255])
def test_a_picture_on_bright_ground_is_a_warning(digits_28, ground):
    """The ground of a photo need not be white."""
    scaler = PixelScaler().fit(digits_28[0])
    photo = (ground * (1 - digits_28[0][:1] / 255)).astype(np.uint8)
    with pytest.warns(UserWarning, match="seem to be inverted"):
        scaler.transform(photo)


@pytest.mark.parametrize("is_inverted", [False, True])
def test_no_training_image_and_no_blank_one_is_a_warning(digits_28, is_inverted):
    """Neither alone nor in batches: a warning would be an error here."""
    X = 255 - digits_28[0] if is_inverted else digits_28[0]
    scaler = PixelScaler().fit(X)
    for n_rows in (1, 10, len(X)):
        for start in range(0, len(X), n_rows):
            scaler.transform(X[start : start + n_rows])
    assert not scaler.transform(np.zeros((1, 784))).any()


def test_half_trained_on_inverted_images_it_takes_both(digits_28):
    """Where training had both, neither is a warning."""
    X = digits_28[0]
    scaler = PixelScaler().fit(np.concatenate([X[:100], 255 - X[100:200]]))
    assert scaler.transform(255 - X[:1]).shape == scaler.transform(X[:1]).shape


@pytest.mark.slow
def test_mnists_training_images_are_no_warning(mnist_home):
    """Neither one by one nor in batches of 10 and 1,000, and each is one when it is inverted."""
    X = fetch_mnist(data_home=mnist_home).data[:10_000]
    scaler = PixelScaler().fit(X[:5_000])
    for n_rows in (1, 10, 1000):
        for start in range(0, len(X), n_rows):
            scaler.transform(X[start : start + n_rows])
    for row in X[::10]:
        with pytest.warns(UserWarning, match="inverted"):
            scaler.transform(255 - row[np.newaxis])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.lists(st.integers(0, 255), min_size=3, max_size=3), min_size=1, max_size=6))
def test_brightness_is_learned_alike_in_any_chunks_and_containers(rows):
    """It is the range of the rows' means."""
    X = np.array(rows)
    whole, chunks, sparse = PixelScaler().fit(X), PixelScaler(), PixelScaler().fit(sp.csc_array(X))
    for row in X:
        chunks.partial_fit(row[np.newaxis])
    expected = pytest.approx((X.mean(axis=1).min(), X.mean(axis=1).max()), rel=1e-6)
    for scaler in (whole, chunks, sparse):
        assert (scaler.brightness_min_, scaler.brightness_max_) == expected
    assert vars(whole) == vars(chunks) == vars(sparse)


@pytest.mark.parametrize("sign", [1, -1])
def test_brightness_of_the_largest_numbers_is_finite(sign):
    """Sums that overflow are no trouble."""
    scaler = PixelScaler().fit(sign * np.full((2, 100), 1.7e308))
    assert scaler.brightness_min_ == scaler.brightness_max_ == pytest.approx(sign * 1.7e308)
    scaler.fit(np.array([[1.7e308] * 200 + [-1.7e308] * 200]))
    assert np.isfinite(scaler.brightness_min_)
