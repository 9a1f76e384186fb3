"""Labels of every kind, and the classes, probabilities and log-probabilities that come of them."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from support.classifiers import TINY
from support.label_cases import LABELS, plain_labels

from sk_digits import DigitANN

N = 120


@pytest.fixture
def data(digits):
    """Return 120 digits in float32 and their labels."""
    return digits[0][:N], digits[1][:N]


# The other forms bring a warning, or an error: scikit-learn takes no objects but strings.
SILENT = LABELS.keys() - {"column", "frame of one column", "object int"}


@pytest.mark.parametrize("name", sorted(SILENT))
def test_the_names_of_the_classes_make_no_difference(data, name):
    """The network is the same whatever the labels are called, and predict returns the labels."""
    X, y = data[0], data[1] % 3
    labels = LABELS[name](y)
    ann = DigitANN(**TINY).fit(X, labels)
    reference = DigitANN(**TINY).fit(X, y)
    assert ann.classes_.tolist() == sorted(set(plain_labels(labels).tolist()))
    np.testing.assert_array_equal(ann.predict_proba(X), reference.predict_proba(X))
    predicted = ann.predict(X)
    assert predicted.dtype == ann.classes_.dtype
    np.testing.assert_array_equal(predicted, ann.classes_[reference.predict(X)])
    assert ann.score(X, labels) == reference.score(X, y)


@pytest.mark.parametrize("labels", [np.array([False, True]), np.array(["even", "odd"]), [-1, 1]])
def test_two_classes_have_one_logit_that_agrees_with_everything(data, labels):
    """decision_function is the logit of the second class's probability."""
    X, y = data[0], np.asarray(labels)[data[1] % 2]
    ann = DigitANN(**TINY).fit(X.astype(np.float64), y)
    logit, proba = ann.decision_function(X), ann.predict_proba(X)
    assert (logit.shape, proba.shape) == ((N,), (N, 2))
    np.testing.assert_array_equal(ann.predict(X), ann.classes_[(logit > 0).astype(int)])
    np.testing.assert_allclose(proba[:, 1], 1 / (1 + np.exp(-logit)), rtol=1e-9)
    assert ann.classes_.tolist() == sorted(set(y.tolist()))


def test_one_class_is_certain(data):
    """With one label in training, that label is predicted with probability 1."""
    X = data[0]
    ann = DigitANN(**TINY).fit(X, np.full(N, "seven"))
    assert ann.classes_.tolist() == ["seven"]
    assert set(ann.predict(X)) == {"seven"}
    np.testing.assert_array_equal(ann.predict_proba(X), np.ones((N, 1)))
    np.testing.assert_array_equal(ann.predict_log_proba(X), np.zeros((N, 1)))
    assert ann.decision_function(X).shape == (N,)


def test_many_classes_are_told_apart():
    """300 classes get 300 logits and are learned."""
    X = np.repeat(np.eye(300, dtype=np.float32), 3, axis=0)
    y = np.repeat(np.arange(300), 3)
    ann = DigitANN((), max_epochs=60, lr=0.1, random_state=0).fit(X, y)
    assert ann.decision_function(X).shape == (900, 300)
    assert ann.score(X, y) == 1


def test_the_most_probable_class_is_predicted(data):
    """predict returns the class that is largest in predict_proba and decision_function."""
    X, y = data
    ann = DigitANN(**TINY).fit(X, y)
    winners = ann.classes_[ann.predict_proba(X).argmax(axis=1)]
    np.testing.assert_array_equal(ann.predict(X), winners)
    np.testing.assert_array_equal(ann.decision_function(X).argmax(axis=1), winners)


def test_the_skorch_net_below_agrees_on_class_indices(data):
    """net_ is a skorch classifier that predicts the same classes by index."""
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
def test_y_that_is_not_a_list_of_labels_is_an_error(data, y, message):
    """A y that is not a list of labels is an error and leaves the classifier unfitted."""
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
    """y of shape (n, 1) is flattened with scikit-learn's warning."""
    X, y = data
    with pytest.warns(UserWarning, match="A column-vector y was passed"):
        ann = DigitANN(**TINY).fit(X, y[:, np.newaxis])
    np.testing.assert_array_equal(ann.classes_, np.unique(y))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log_probabilities_are_the_logarithms_of_the_probabilities(data, dtype):
    """predict_log_proba is the logarithm of a probability that is not tiny."""
    X, y = data[0].astype(dtype), data[1]
    ann = DigitANN(**TINY).fit(X, y)
    proba = ann.predict_proba(X)
    assert proba.min() > 1e-6
    np.testing.assert_allclose(ann.predict_log_proba(X), np.log(proba), rtol=1e-4)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("share", [1e-30, 1e-20, 0.49, 1.0], ids="{} of the largest".format)
def test_log_probabilities_are_finite_for_all_finite_logits(n_classes, dtype, share):
    """Finite logits give finite log-probabilities, even where a probability is 0."""
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
