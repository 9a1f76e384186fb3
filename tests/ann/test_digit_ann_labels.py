"""Labels of every kind, and what is said of them: classes, probabilities and their logarithms."""

import warnings
from contextlib import suppress

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sk_digits import DigitANN

TINY = {"hidden_layer_sizes": (16,), "max_epochs": 3, "random_state": 0}
N = 120


@pytest.fixture
def data(digits):
    """Give 120 digits in float32."""
    return digits[0][:N], digits[1][:N]


# Each maps the digits, in increasing order, to increasing labels: only the names differ.
LABELS = {
    "str": lambda y: np.array([f"digit {d}" for d in y]),
    "object str": lambda y: np.array([f"digit {d}" for d in y], dtype=object),
    "negative int": lambda y: y - 7,
    "int8": lambda y: (y - 5).astype(np.int8),
    "uint8": lambda y: y.astype(np.uint8),
    "huge int": lambda y: y + 2**60,
    "whole float": lambda y: y.astype(np.float64),
    "list": lambda y: y.tolist(),
    "list of str": lambda y: [str(d) for d in y],
    "read-only": lambda y: np.frombuffer(y.tobytes(), dtype=y.dtype),
    "tensor": torch.tensor,
    "pandas": pd.Series,
    "pandas str": lambda y: pd.Series([f"digit {d}" for d in y]),
    "pandas category": lambda y: pd.Series([f"digit {d}" for d in y]).astype("category"),
    "polars": pl.Series,
    "polars str": lambda y: pl.Series([f"digit {d}" for d in y]),
}


@pytest.mark.parametrize("name", LABELS)
def test_the_names_of_the_classes_make_no_difference(data, name):
    """Whatever the labels are called, the network is the same and predict says them back."""
    X, y = data
    labels = LABELS[name](y)
    ann = DigitANN(**TINY).fit(X, labels)
    reference = DigitANN(**TINY).fit(X, y)
    array = np.asarray(labels)
    assert ann.classes_.tolist() == sorted(set(array.tolist()))
    np.testing.assert_array_equal(ann.predict_proba(X), reference.predict_proba(X))
    predicted = ann.predict(X)
    assert predicted.dtype == ann.classes_.dtype
    np.testing.assert_array_equal(predicted, ann.classes_[reference.predict(X)])
    assert ann.score(X, labels) == reference.score(X, y)


@pytest.mark.parametrize("labels", [np.array([False, True]), np.array(["even", "odd"]), [-1, 1]])
def test_two_classes_have_one_logit_that_agrees_with_everything(data, labels):
    """decision_function is 1-D, positive for the second class, and the logit of its probability."""
    X, y = data[0], np.asarray(labels)[data[1] % 2]
    ann = DigitANN(**TINY).fit(X.astype(np.float64), y)
    logit, proba = ann.decision_function(X), ann.predict_proba(X)
    assert (logit.shape, proba.shape) == ((N,), (N, 2))
    np.testing.assert_array_equal(ann.predict(X), ann.classes_[(logit > 0).astype(int)])
    np.testing.assert_allclose(proba[:, 1], 1 / (1 + np.exp(-logit)), rtol=1e-9)
    assert ann.classes_.tolist() == sorted(set(y.tolist()))


def test_one_class_is_certain(data):
    """With one label in training there is nothing else to predict."""
    X = data[0]
    ann = DigitANN(**TINY).fit(X, np.full(N, "seven"))
    assert ann.classes_.tolist() == ["seven"]
    assert set(ann.predict(X)) == {"seven"}
    np.testing.assert_array_equal(ann.predict_proba(X), np.ones((N, 1)))
    np.testing.assert_array_equal(ann.predict_log_proba(X), np.zeros((N, 1)))
    assert ann.decision_function(X).shape == (N,)


def test_many_classes_are_told_apart():
    """300 classes, each at its own place, get 300 logits and are learned."""
    X = np.repeat(np.eye(300, dtype=np.float32), 3, axis=0)
    y = np.repeat(np.arange(300), 3)
    ann = DigitANN((), max_epochs=60, lr=0.1, random_state=0).fit(X, y)
    assert ann.decision_function(X).shape == (900, 300)
    assert ann.score(X, y) == 1


def test_the_most_probable_class_is_predicted(data):
    """predict, predict_proba and decision_function agree on the winner."""
    X, y = data
    ann = DigitANN(**TINY).fit(X, y)
    winners = ann.classes_[ann.predict_proba(X).argmax(axis=1)]
    np.testing.assert_array_equal(ann.predict(X), winners)
    np.testing.assert_array_equal(ann.decision_function(X).argmax(axis=1), winners)


def test_the_skorch_net_below_agrees_on_class_indices(data):
    """net_ is a whole skorch classifier: its probabilities are the classifier's own."""
    X, y = data
    ann = DigitANN(**TINY).fit(X, y + 100)
    np.testing.assert_array_equal(ann.net_.predict(X), ann.predict(X) - 100)
    np.testing.assert_allclose(ann.net_.predict_proba(X), ann.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.linspace(0, 1, N), "Unknown label type: continuous"),
        (np.r_[np.nan, np.ones(N - 1)], "Input y contains NaN"),
        (np.zeros((N, 2), dtype=int), "y should be a 1d array|Unknown label type|bad input shape"),
        (np.zeros(N - 1), "inconsistent numbers of samples"),
        (np.array(["a", 1, None] * 40, dtype=object), r"label|not supported between instances"),
        (np.ones(N) * 1j, "Complex|Unknown label type"),
        (None, "requires y to be passed, but the target y is None"),
    ],
    ids=["continuous", "nan", "2-D", "short", "mixed", "complex", "none"],
)
def test_labels_that_are_none_are_an_error_that_says_why(data, y, message):
    """What is no list of labels is refused, and the classifier stays unfitted."""
    ann = DigitANN(**TINY)
    before = dict(vars(ann))
    with pytest.raises((ValueError, TypeError), match=message):
        ann.fit(data[0], y)
    assert vars(ann) == before


@pytest.mark.parametrize("dtype", ["Int64", "UInt64", "int64[pyarrow]"])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_nullable_integers_do_not_become_floats(data, dtype, method):
    """As floats, labels above 2**53 would merge."""
    labels = np.array([2**53, 2**53 + 1, 2**53 + 2])
    y = pd.Series(labels[np.arange(N) % 3], dtype=dtype)
    rest = {"classes": pd.Series(labels, dtype=dtype)} if method == "partial_fit" else {}
    ann = getattr(DigitANN(**TINY), method)(data[0], y, **rest)
    assert ann.classes_.dtype.kind in "iu"
    assert ann.classes_.tolist() == labels.tolist()


def test_a_missing_label_among_nullable_integers_is_an_error(data):
    """It is no label of its own."""
    y = pd.Series([1, None] * (N // 2), dtype="Int64")
    with pytest.raises((ValueError, TypeError), match=r"\by\b"):
        DigitANN(**TINY).fit(data[0], y)


def test_few_rows_of_many_classes_bring_no_warning(data):
    """A chunk need not have all classes, and the list of classes has each once."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ann = DigitANN(**TINY).partial_fit(data[0][:5], range(5), classes=range(26))
    assert ann.classes_.tolist() == list(range(26))


def test_a_column_of_labels_is_taken_with_scikit_learns_warning(data):
    """y of shape (n, 1) is flattened, as everywhere in scikit-learn, with a warning."""
    X, y = data
    with pytest.warns(UserWarning, match="A column-vector y was passed"):
        ann = DigitANN(**TINY).fit(X, y[:, np.newaxis])
    np.testing.assert_array_equal(ann.classes_, np.unique(y))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log_probabilities_are_the_logarithms_of_the_probabilities(data, dtype):
    """Where the probability is not tiny, its logarithm is predict_log_proba."""
    X, y = data[0].astype(dtype), data[1]
    ann = DigitANN(**TINY).fit(X, y)
    proba = ann.predict_proba(X)
    assert proba.min() > 1e-6
    np.testing.assert_allclose(ann.predict_log_proba(X), np.log(proba), rtol=1e-4)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("share", [1e-30, 1e-20, 0.49, 1.0], ids="{} of the largest".format)
def test_log_probabilities_are_finite_for_all_finite_logits(n_classes, dtype, share):
    """Even where a probability is 0 its logarithm is finite, as is every other answer."""
    X = np.array([[-1], [0], [1]], dtype=dtype)
    ann = DigitANN((), max_epochs=1, random_state=0).fit(X, np.arange(3) % n_classes)
    ann.net_.module_[0].weight.data = torch.tensor(
        np.linspace(1, -1, n_classes, dtype=dtype)[:, None]
    )
    ann.net_.module_[0].bias.data.zero_()
    X *= np.finfo(dtype).max * dtype(share)
    for method in ("predict_log_proba", "decision_function", "predict_proba"):
        assert np.isfinite(getattr(ann, method)(X)).all()
    np.testing.assert_allclose(ann.predict_proba(X).sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(ann.predict(X[[0, 2]]), [n_classes - 1, 0])


# Anything at all

FEATURES = st.sampled_from(["f2", "f4", "f8", "i1", "u1", "i8", "u8", "?", ">f4"]).flatmap(
    lambda dtype: hnp.arrays(
        dtype, hnp.array_shapes(min_dims=1, max_dims=3, max_side=9, min_side=0)
    )
)
LABEL_KINDS = st.sampled_from(
    [
        st.integers(-3, 3),
        st.booleans(),
        st.text(max_size=2),
        st.sampled_from([0.0, 1.0, -2.0, 0.5, np.nan]),
        st.integers(-(2**62), 2**62),
        st.none(),
    ]
)
WEIGHTS = st.none() | st.floats(width=32) | st.floats(0, 3) | st.integers(0, 2)


def check_probabilities(ann, X):
    """Check that what is said of some rows is valid and consistent."""
    proba = ann.predict_proba(X)
    assert proba.shape == (len(X), len(ann.classes_))
    assert ((proba >= 0) & (proba <= 1)).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)
    assert set(ann.predict(X).tolist()) <= set(ann.classes_.tolist())
    assert np.isfinite(ann.predict_log_proba(X)).all()


@pytest.mark.filterwarnings("ignore:Training hardly converged")  # the features are not scaled
@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.data())
def test_any_input_gives_probabilities_or_a_clear_error(data):
    """Whatever shape, type and values come: valid probabilities, or a ValueError or TypeError."""
    X = data.draw(FEATURES, label="X")
    n = len(X) if data.draw(st.booleans() | st.just(True)) else data.draw(st.integers(0, 9))
    y = data.draw(st.lists(data.draw(LABEL_KINDS), min_size=n, max_size=n), label="y")
    weight = data.draw(WEIGHTS, label="weight")
    weight = None if weight is None else np.linspace(0, 1, n) * weight
    ann = DigitANN((3,), max_epochs=2, batch_size=4, random_state=0)
    unfitted = dict(vars(ann))
    with suppress(ValueError, TypeError):
        ann.fit(X, y, weight)
        check_probabilities(ann, X)
    assert hasattr(ann, "classes_") or vars(ann) == unfitted


@pytest.mark.filterwarnings("ignore:Training hardly converged")  # the features are not scaled
@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    X=hnp.arrays(
        st.sampled_from([np.float32, np.float64, np.uint8, np.int16]),
        st.tuples(st.integers(1, 18), st.integers(1, 5)),
        elements=st.integers(0, 100),
    ),
    labels=st.lists(st.text(max_size=3) | st.just("7"), min_size=18, max_size=18),
    weights=st.lists(st.integers(1, 5), min_size=18, max_size=18),
)
def test_good_input_always_fits(X, labels, weights):
    """Finite features, labels and positive weights of any shape and type are never refused."""
    n = len(X)
    ann = DigitANN((3,), max_epochs=2, batch_size=4, batch_norm=n % 2 == 0, random_state=0)
    ann.fit(X, labels[:n], weights[:n])
    assert ann.classes_.tolist() == sorted(set(labels[:n]))
    check_probabilities(ann, X)
