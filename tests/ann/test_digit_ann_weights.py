"""Weights of rows and of classes: what they mean, and which are refused."""

import numpy as np
import pytest
import torch

from sk_digits import DigitANN

N = 60
FULL_BATCH = {"hidden_layer_sizes": (16,), "max_epochs": 4, "random_state": 0, "batch_size": 512}
MINIBATCHES = FULL_BATCH | {"batch_size": 8}


@pytest.fixture
def data(digits):
    """Return 60 digits in float64, in which equal weights give equal results to many places."""
    return digits[0][:N].astype(np.float64), digits[1][:N]


def logits(seen, /, *, params=FULL_BATCH, **fit_params):
    """Return the logits of the given rows after a fit."""
    return DigitANN(**params).fit(**fit_params).decision_function(seen)


def assert_same(actual, expected):
    """Check that two arrays of logits differ only by rounding."""
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-7)


# What a weight means


@pytest.mark.parametrize("params", [FULL_BATCH, MINIBATCHES], ids=["one batch", "minibatches"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_row_of_weight_zero_is_absent(data, params, early_stopping):
    """A fit without the rows of weight 0 gives the same bits, also in minibatches."""
    X, y = (np.concatenate([a] * 4) for a in data)
    params = params | {"early_stopping": early_stopping, "validation_fraction": 0.3}
    weight = np.random.default_rng(0).integers(0, 2, len(y)).astype(np.float64)
    kept = weight > 0
    actual = logits(X, params=params, X=X, y=y, sample_weight=weight)
    expected = logits(X, params=params, X=X[kept], y=y[kept], sample_weight=weight[kept])
    np.testing.assert_array_equal(actual, expected)


def test_a_class_of_weight_zero_is_absent(data):
    """A label whose rows all have weight 0 is not among the classes."""
    X, y = data
    ann = DigitANN(**FULL_BATCH).fit(X, y, (y != 3).astype(float))
    assert ann.classes_.tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 9]


@pytest.mark.parametrize(
    "extra", [{}, {"label_smoothing": 0.2}, {"class_weight": "balanced"}], ids=str
)
@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.float32, np.float64])
def test_an_integer_weight_equals_that_many_copies(data, extra, dtype):
    """Weighted rows and repeated rows that fit into one batch give the same network."""
    X, y = data
    weight = np.random.default_rng(1).integers(0, 4, N).astype(dtype)
    copies = weight.astype(int)
    weighted = logits(X, params=FULL_BATCH | extra, X=X, y=y, sample_weight=weight)
    repeated = logits(
        X, params=FULL_BATCH | extra, X=np.repeat(X, copies, axis=0), y=np.repeat(y, copies)
    )
    assert_same(weighted, repeated)


def copies_of(data):
    """Return weights from 0 to 3, and the rows repeated as often as their weights say."""
    weight = np.random.default_rng(1).integers(0, 4, N)
    return weight, {"X": np.repeat(data[0], weight, axis=0), "y": np.repeat(data[1], weight)}


@pytest.mark.parametrize("batch_size", [8, 90, 91, 512])
@pytest.mark.parametrize(
    "extra",
    [{}, {"dropout": 0.3, "batch_norm": True}, {"augmentation": "affine"}],
    ids=["plain", "dropout", "augmentation"],
)
def test_integer_weights_draw_as_copies_do(data, extra, batch_size):
    """Weighted rows and their copies give the same bits, for any batch size."""
    X, y = data
    weight, repeated = copies_of(data)
    assert len(repeated["y"]) == 91
    params = FULL_BATCH | extra | {"batch_size": batch_size}
    weighted = logits(X, params=params, X=X, y=y, sample_weight=weight)
    np.testing.assert_array_equal(weighted, logits(X, params=params, **repeated))


def test_integer_weights_draw_as_copies_do_in_partial_fit(data):
    """A chunk of weighted rows equals the chunk of their copies."""
    weight, repeated = copies_of(data)
    weighted = DigitANN(**MINIBATCHES).partial_fit(*data, np.arange(10), weight)
    copied = DigitANN(**MINIBATCHES).partial_fit(**repeated, classes=np.arange(10))
    actual, expected = (ann.decision_function(data[0]) for ann in (weighted, copied))
    np.testing.assert_array_equal(actual, expected)


def test_integer_class_weights_draw_as_copies_do(data):
    """The number of copies is the product of the weights of the row and of its class."""
    X, y = data
    weight = np.random.default_rng(1).integers(0, 3, N)
    params = MINIBATCHES | {"class_weight": {4: 3}}
    copies = np.where(y == 4, 3 * weight, weight)
    actual = logits(X, params=params, X=X, y=y, sample_weight=weight)
    repeated = {"X": np.repeat(X, copies, axis=0), "y": np.repeat(y, copies)}
    np.testing.assert_array_equal(actual, logits(X, params=MINIBATCHES, **repeated))


def test_an_epoch_reports_the_loss_per_copy(data):
    """loss_curve_ is the mean over the copies, and validation scores stay within 1."""
    X, y = data
    weight, repeated = copies_of(data)
    weighted = DigitANN(**MINIBATCHES).fit(X, y, weight)
    assert weighted.loss_curve_ == DigitANN(**MINIBATCHES).fit(**repeated).loss_curve_
    params = MINIBATCHES | {"early_stopping": True, "validation_fraction": 0.4}
    floats, ints = (DigitANN(**params).fit(X, y, np.full(N, w)) for w in (2.5, 2))
    assert floats.validation_scores_[0] <= 1
    assert ints.validation_scores_[0] <= 1


def test_more_than_a_hundred_copies_a_row_are_ratios(data):
    """Whole weights above 100 count as ratios, so that a fit takes no 100 times as long."""
    X, y = data
    plain = logits(X, params=MINIBATCHES, X=X, y=y)
    assert_same(logits(X, params=MINIBATCHES, X=X, y=y, sample_weight=np.full(N, 101)), plain)
    copies = logits(X, params=MINIBATCHES, X=X, y=y, sample_weight=np.full(N, 100))
    assert np.abs(copies - plain).max() > 1


@pytest.mark.parametrize("params", [FULL_BATCH, MINIBATCHES], ids=["one batch", "minibatches"])
def test_only_the_ratio_of_other_weights_counts(data, params):
    """Equal weights change nothing, nor does a common factor of all weights."""
    X, y = data
    weight = np.random.default_rng(2).uniform(0.1, 5, N)
    one = logits(X, params=params, X=X, y=y, sample_weight=weight)
    assert_same(logits(X, params=params, X=X, y=y, sample_weight=1000 * weight), one)
    plain = logits(X, params=params, X=X, y=y)
    assert_same(logits(X, params=params, X=X, y=y, sample_weight=np.ones(N)), plain)
    assert np.abs(one - plain).max() > 1e-3


def test_weights_may_be_of_any_array_like(data):
    """A list, a tensor and an array of integers give what the array of floats gives."""
    X, y = data
    weight = np.random.default_rng(3).integers(1, 5, N).astype(float)
    expected = logits(X, X=X, y=y, sample_weight=weight)
    for other in (weight.tolist(), torch.tensor(weight), weight.astype(np.int8)):
        np.testing.assert_array_equal(logits(X, X=X, y=y, sample_weight=other), expected)


def test_a_heavy_class_is_predicted_more_often(data):
    """Among random labels, the class of the largest weight is predicted most."""
    X, y = data
    noise = np.random.default_rng(0).permutation(y)
    heavy = DigitANN((16,), max_epochs=8, lr=1e-2, random_state=0).fit(
        X, noise, np.where(noise == 7, 100.0, 1.0)
    )
    assert (heavy.predict(X) == 7).mean() > 0.8


@pytest.mark.parametrize("scale", [5e-324, 1e-300, 1e-40, 1e40, 1e300])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_of_any_magnitude_stay_finite(data, dtype, scale):
    """Weights that are all tiny or all huge equal no weights."""
    X, y = data[0].astype(dtype), data[1]
    weighted = logits(X, X=X, y=y, sample_weight=np.full(N, scale))
    np.testing.assert_allclose(weighted, logits(X, X=X, y=y), rtol=0, atol=1e-5)


@pytest.mark.parametrize("params", [FULL_BATCH, MINIBATCHES], ids=["one batch", "minibatches"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("tiny", [1e-30, 1e-60, 5e-324])
def test_weights_of_very_different_magnitudes_stay_finite(data, params, dtype, tiny):
    """A batch whose rows all have tiny weights does not spoil the training."""
    X, y = data[0].astype(dtype), data[1]
    weight = np.where(np.arange(N) < 4, 1.0, tiny)
    ann = DigitANN(**params).fit(X, y, weight)
    assert np.isfinite(ann.loss_curve_).all()
    np.testing.assert_allclose(ann.predict_proba(X).sum(axis=1), 1, rtol=1e-5)


# Which are refused


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.zeros(N), r"[Ww]eights? .*(zero|positive)"),
        (np.r_[-1.0, np.ones(N - 1)], r"Negative values in .*sample_weight"),
        (np.r_[np.nan, np.ones(N - 1)], r"sample_weight contains NaN"),
        (np.r_[np.inf, np.ones(N - 1)], r"sample_weight contains infinity"),
        (np.ones(N - 1), r"sample_weight\.shape == \(59,\), expected \(60,\)"),
        (np.ones((N, 1)), r"Sample weights must be 1D"),
        (np.ones((N, 2)), r"Sample weights must be 1D"),
        ([], r"sample_weight|minimum of 1 is required"),
        (["heavy"] * N, r"could not convert string to float"),
    ],
    ids=["zero", "negative", "nan", "inf", "short", "column", "2d", "empty", "text"],
)
def test_bad_weights_are_an_error_that_says_what_is_wrong(data, method, weight, message):
    """Invalid weights are a ValueError and leave the classifier unfitted."""
    X, y = data
    ann = DigitANN(**FULL_BATCH)
    before = dict(vars(ann))
    params = {"classes": np.arange(10)} if method == "partial_fit" else {}
    with pytest.raises(ValueError, match=message):
        getattr(ann, method)(X, y, sample_weight=weight, **params)
    assert vars(ann) == before


# Weights of classes


def by_class(y, weights):
    """Return the weight of each row's label, 1 where the label has none."""
    return np.array([weights.get(label, 1.0) for label in y.tolist()])


def test_class_weight_equals_the_sample_weight_of_its_rows(data):
    """A dict weights the rows of its labels; a label that is not in it has weight 1."""
    X, y = data
    weights = {0: 3.0, 4: 0.25}
    actual = logits(X, params=FULL_BATCH | {"class_weight": weights}, X=X, y=y)
    assert_same(actual, logits(X, X=X, y=y, sample_weight=by_class(y, weights)))


def test_class_weight_takes_labels_of_strings(data):
    """The keys of the dict may be strings."""
    X, y = data
    names = np.array([f"digit {d}" for d in y])
    params = FULL_BATCH | {"class_weight": {"digit 2": 5.0}}
    actual = logits(X, params=params, X=X, y=names)
    assert_same(actual, logits(X, X=X, y=y, sample_weight=by_class(y, {2: 5.0})))


def test_balanced_weights_each_class_alike(data):
    """The rule is n / (k * count), so that each class has the same sum of weights."""
    X, y = data[0], np.where(data[1] < 8, 0, data[1])
    count = {label: (y == label).sum() for label in (0, 8, 9)}
    weight = by_class(y, {label: N / (3 * n) for label, n in count.items()})
    actual = logits(X, params=FULL_BATCH | {"class_weight": "balanced"}, X=X, y=y)
    assert_same(actual, logits(X, X=X, y=y, sample_weight=weight))
    assert len(set(np.round([weight[y == label].sum() for label in count], 9))) == 1


def test_class_weight_multiplies_sample_weight(data):
    """Both together are the product of the two."""
    X, y = data
    weight = np.random.default_rng(4).uniform(0.1, 3, N)
    both = logits(X, params=FULL_BATCH | {"class_weight": {1: 4.0}}, X=X, y=y, sample_weight=weight)
    assert_same(both, logits(X, X=X, y=y, sample_weight=weight * by_class(y, {1: 4.0})))


def test_balanced_counts_the_weights_of_the_rows(data):
    """With sample_weight, "balanced" gives each class the same sum of the products."""
    X, y = data
    weight = np.random.default_rng(5).integers(1, 4, N)
    actual = logits(
        X, params=FULL_BATCH | {"class_weight": "balanced"}, X=X, y=y, sample_weight=weight
    )
    total = np.bincount(y, weights=weight)
    assert_same(actual, logits(X, X=X, y=y, sample_weight=weight / total[y]))


def test_class_weight_works_in_partial_fit(data):
    """A dict weights the rows of a chunk, also if it has labels that the chunk does not have."""
    X, y = data
    classes = np.arange(12)
    ann = DigitANN(**FULL_BATCH | {"class_weight": {0: 3.0, 11: 2.0}})
    actual = ann.partial_fit(X, y, classes).decision_function(X)
    plain = DigitANN(**FULL_BATCH).partial_fit(X, y, classes, by_class(y, {0: 3.0}))
    assert_same(actual, plain.decision_function(X))


@pytest.mark.parametrize("huge", [1e300, 1e-300])
def test_a_product_of_extreme_weights_stays_finite(data, huge):
    """Weights whose product overflows float64 give a finite loss."""
    X, y = data
    ann = DigitANN(**MINIBATCHES | {"class_weight": dict.fromkeys(range(10), huge)})
    ann.fit(X, y, np.full(N, huge))
    assert np.isfinite(ann.loss_curve_).all()


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ("heavy", r"'class_weight' parameter of DigitANN must be .*'balanced'.* Got 'heavy'"),
        ([1.0] * 10, r"'class_weight' parameter of DigitANN must be .* Got \[1\.0"),
        ({0: -1.0}, r"'class_weight' parameter .* positive, finite.* Got \{0: -1\.0\}"),
        ({0: 0.0}, r"'class_weight' parameter .* positive, finite.* Got \{0: 0\.0\}"),
        ({0: np.nan}, r"'class_weight' parameter .* positive, finite.* Got \{0: nan\}"),
        ({0: np.inf}, r"'class_weight' parameter .* positive, finite.* Got \{0: inf\}"),
        ({0: "much"}, r"class_weight.*much"),
        ({0: None}, r"class_weight.*None"),
        ({77: 2.0}, r"class_weight.*77"),
        ({"0": 2.0}, r"class_weight.*'0'"),
    ],
    ids=str,
)
def test_bad_class_weights_are_an_error_that_names_them(data, class_weight, message):
    """An invalid class weight is a ValueError that shows it."""
    ann = DigitANN(**FULL_BATCH | {"class_weight": class_weight})
    with pytest.raises(ValueError, match=message):
        ann.fit(*data)
    assert not hasattr(ann, "classes_")


def test_balanced_in_partial_fit_balances_the_chunk(data):
    """The frequencies within the chunk count, also where a class is missing in it."""
    X, y = (a[data[1] < 8] for a in data)
    actual = DigitANN(**FULL_BATCH | {"class_weight": "balanced"}).partial_fit(X, y, np.arange(10))
    plain = DigitANN(**FULL_BATCH).partial_fit(X, y, np.arange(10), 1 / np.bincount(y)[y])
    assert_same(actual.decision_function(X), plain.decision_function(X))


def test_class_weight_takes_labels_that_look_like_numbers(data):
    """The labels "0" and "1" are strings, in y and in the dict."""
    X, y = data
    numbers = logits(X, params=FULL_BATCH | {"class_weight": {2: 5.0}}, X=X, y=y)
    params = FULL_BATCH | {"class_weight": {"2": 5.0}}
    np.testing.assert_array_equal(logits(X, params=params, X=X, y=y.astype(str)), numbers)


def test_class_weight_for_an_unknown_label_names_it(data):
    """A dict that weights only a label that does not exist is a ValueError that names it."""
    X, y = data
    ann = DigitANN(**FULL_BATCH | {"class_weight": {"two": 5.0}})
    with pytest.raises(ValueError, match=r"class_weight.*\['two'\] are none of the labels \[0, 1"):
        ann.fit(X, y)
