"""Features of `DigitANN`: every container and type that users of scikit-learn have."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
import torch
from support.classifiers import TINY
from support.input_cases import CONTAINERS, LAYOUTS, NUMERIC

from sk_digits import DigitANN

N = 120


@pytest.fixture
def data(digits):
    """Return 120 digits in float32 and their labels."""
    return digits[0][:N], digits[1][:N]


def memory_map(X, folder, mode="r"):
    """Save an array and return a memory map of it."""
    np.save(folder / "X.npy", X)
    return np.load(folder / "X.npy", mmap_mode=mode)


FORMS = LAYOUTS | CONTAINERS | NUMERIC


@pytest.mark.parametrize("name", FORMS)
def test_the_container_of_the_features_makes_no_difference(data, name):
    """fit and predict do the same for the same numbers in every container and layout."""
    X, y = (a[:30] for a in data)  # scipy warns of more diagonals than they have
    expected = DigitANN(**TINY).fit(X, y).predict_proba(X)
    other = FORMS[name](X)
    ann = DigitANN(**TINY).fit(other, y)
    np.testing.assert_allclose(ann.predict_proba(other), expected, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(ann.predict(other), expected.argmax(axis=1))


@pytest.mark.parametrize("mode", ["r", "c", "r+"])
def test_a_memory_map_equals_the_array(data, tmp_path, mode):
    """A memory map is never written and gives the same bits as the array."""
    X, y = data
    mapped = memory_map(X, tmp_path, mode)
    ann = DigitANN(**TINY).fit(mapped, y)
    np.testing.assert_array_equal(
        ann.predict_proba(mapped), DigitANN(**TINY).fit(X, y).predict_proba(X)
    )
    np.testing.assert_array_equal(mapped, X)


def test_a_large_sparse_matrix_is_predicted_in_parts(data):
    """More sparse rows than one forward pass takes give the same bits as dense rows."""
    X, y = data
    ann = DigitANN(**TINY).fit(X, y)
    many = np.tile(X, (20, 1))
    for container in (sp.csr_array, sp.csc_array):
        np.testing.assert_array_equal(ann.predict_proba(container(many)), ann.predict_proba(many))


def test_the_tags_say_that_sparse_input_is_taken():
    """The tags of scikit-learn say that sparse input is accepted."""
    assert DigitANN().__sklearn_tags__().input_tags.sparse


# Types


@pytest.mark.parametrize(
    ("dtype", "trained"),
    [
        (np.uint8, "float32"),
        (np.int8, "float32"),
        (np.int64, "float32"),
        (np.uint64, "float32"),
        (bool, "float32"),
        (np.float16, "float32"),
        (np.float32, "float32"),
        (np.float64, "float64"),
        (object, "float32"),
    ],
)
def test_the_type_of_the_data_is_the_type_of_the_network(data, dtype, trained):
    """float64 is trained and predicted in float64, every other type in float32."""
    X, y = (data[0] > 0.5).astype(dtype), data[1]
    ann = DigitANN(**TINY).fit(X, y)
    assert {str(p.dtype) for p in ann.net_.module_.parameters()} == {f"torch.{trained}"}
    for method in ("predict_proba", "predict_log_proba", "decision_function"):
        assert getattr(ann, method)(X).dtype == trained
        assert getattr(ann, method)(X.astype(np.float64)).dtype == trained
    reference = DigitANN(**TINY).fit(X.astype(trained), y)
    np.testing.assert_array_equal(ann.predict_proba(X), reference.predict_proba(X.astype(trained)))


@pytest.mark.filterwarnings("ignore:Training hardly converged")  # the features are not scaled
@pytest.mark.parametrize(
    "dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64, torch.uint8, torch.int64]
)
def test_a_tensor_equals_the_array_of_its_values(data, dtype):
    """Tensors of every type give the same result as arrays of their values."""
    X, y = torch.tensor(data[0] * 16).to(dtype), torch.tensor(data[1])
    weight = torch.linspace(0.5, 2, N)
    ann = DigitANN(**TINY).fit(X, y, weight)
    values = X.double().numpy() if dtype == torch.float64 else X.float().numpy()
    reference = DigitANN(**TINY).fit(values, data[1], weight.numpy())
    np.testing.assert_array_equal(ann.predict_proba(X), reference.predict_proba(values))
    assert ann.score(X, y) == reference.score(values, data[1])


# Names


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_names_of_a_frame_are_remembered(data, frame):
    """A frame trains as its array does, and its column names become feature_names_in_."""
    X, y = data
    names = [f"pixel{i}" for i in range(64)]
    table = frame(dict(zip(names, X.T, strict=True)))
    ann = DigitANN(**TINY).fit(table, y)
    assert ann.feature_names_in_.tolist() == names
    assert ann.n_features_in_ == 64
    reference = DigitANN(**TINY).fit(X, y)
    np.testing.assert_array_equal(ann.predict_proba(table), reference.predict_proba(X))
    assert not hasattr(reference, "feature_names_in_")
    assert not hasattr(ann.fit(X, y), "feature_names_in_")


@pytest.mark.filterwarnings("ignore:Training hardly converged")  # the features are not scaled
@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_the_type_of_a_frames_columns_is_the_type_of_the_network(data, frame, dtype):
    """The rule of types holds for frames as for arrays."""
    X, y = (data[0] * 16).astype(dtype), data[1]
    ann = DigitANN(**TINY).fit(frame({f"pixel{i}": X[:, i] for i in range(64)}), y)
    reference = DigitANN(**TINY).fit(X, y)
    proba = ann.predict_proba(frame({f"pixel{i}": X[:, i] for i in range(64)}))
    assert proba.dtype == ("float64" if dtype == np.float64 else "float32")
    np.testing.assert_array_equal(proba, reference.predict_proba(X))


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function", "partial_fit"])
def test_other_names_than_in_training_are_an_error(data, frame, method):
    """Renamed or reordered columns are a ValueError, also in partial_fit."""
    X, y = data
    ann = DigitANN(**TINY).fit(frame({f"pixel{i}": X[:, i] for i in range(64)}), y)
    call = getattr(ann, method)
    rest = (y,) if method == "partial_fit" else ()
    with pytest.raises(ValueError, match="Feature names unseen at fit time"):
        call(frame({f"p{i}": X[:, i] for i in range(64)}), *rest)
    with pytest.raises(ValueError, match="must be in the same order as they were in fit"):
        call(frame({f"pixel{i}": X[:, i] for i in reversed(range(64))}), *rest)


def test_a_frame_on_one_side_only_is_a_warning(data):
    """Names in fit but not in predict, or the reverse, bring scikit-learn's warning."""
    X, y = data
    table = pd.DataFrame(X).add_prefix("pixel")
    named, nameless = DigitANN(**TINY).fit(table, y), DigitANN(**TINY).fit(X, y)
    with pytest.warns(UserWarning, match="X does not have valid feature names, but DigitANN was"):
        named.predict(X)
    with pytest.warns(UserWarning, match="X has feature names, but DigitANN was fitted without"):
        nameless.predict(table)


# What is refused


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X: np.where(X > 0.5, np.nan, X), "Input X contains NaN"),
        (lambda X: np.where(X > 0.5, np.inf, X), "Input X contains infinity"),
        (lambda X: np.where(X > 0.5, np.inf, -np.inf), "Input X contains infinity"),
        (lambda X: sp.csr_array(np.where(X > 0.5, np.nan, X)), "Input X contains NaN"),
        (lambda X: X + 1j, "Complex data not supported"),
        (lambda X: torch.tensor(X) * (1 + 1j), "Complex data not supported"),
        (lambda X: X[0], "Expected 2D array, got 1D array"),
        (lambda X: X.reshape(N, 8, 8), "Found array with dim 3"),
        (lambda X: torch.tensor(X).reshape(N, 8, 8), "Found array with dim 3"),
        (lambda X: X[:0], r"Found array with 0 sample\(s\)"),
        (lambda X: X[:, :0], r"Found array with 0 feature\(s\)"),
        (lambda X: sp.csr_array(X)[:0], r"Found array with 0 sample\(s\)"),
        (lambda X: X.astype(str).astype(object) + "?", "could not convert string to float"),
        (lambda X: X[:, :63], "X has 63 features, but DigitANN is expecting 64"),
    ],
    ids=[
        "nan",
        "inf",
        "both infs",
        "sparse nan",
        "complex",
        "complex tensor",
        "1-D",
        "3-D",
        "3-D tensor",
    ]
    + ["no rows", "no columns", "no sparse rows", "text", "narrow"],
)
@pytest.mark.parametrize("method", ["fit", "predict", "predict_proba", "partial_fit"])
def test_invalid_features_are_an_error_that_says_why(data, change, message, method):
    """Features that are not a finite, real table of the right width are a ValueError."""
    X, y = data
    ann = DigitANN(**TINY).fit(X, y)
    before = ann.predict_proba(X)
    bad = change(X)
    if method == "fit" and bad.shape == (N, 63):
        assert ann.fit(bad, y).n_features_in_ == 63
        return
    rest = () if method.startswith("predict") else (y[: bad.shape[0]],)
    with pytest.raises(ValueError, match=message):
        getattr(ann, method)(bad, *rest)
    np.testing.assert_array_equal(ann.predict_proba(X), before)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (None, "Expected 2D array, got scalar array|None"),
        (5, "Expected 2D array, got scalar array"),
        ("pixels", "could not convert string to float: 'pixels'"),
    ],
)
def test_features_that_are_not_a_table_are_an_error(data, bad, message):
    """A scalar, a string and None are a ValueError."""
    ann = DigitANN(**TINY).fit(*data)
    with pytest.raises(ValueError, match=message):
        ann.predict(bad)
    with pytest.raises(ValueError, match=message):
        ann.fit(bad, data[1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("container", [np.asarray, sp.csr_array], ids=["dense", "sparse"])
def test_features_that_overflow_the_network_are_an_error(data, dtype, container):
    """Features whose logits overflow are a ValueError, without NaN or a warning."""
    X, y = data
    ann = DigitANN(**TINY).fit(X.astype(dtype), y)
    huge = np.sign(X).astype(dtype) * np.finfo(dtype).max
    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        with pytest.raises(ValueError, match=r"X is too large for this network.* overflow"):
            getattr(ann, method)(container(huge))


def test_float64_features_beyond_a_float32_network_are_an_error(data):
    """Numbers that float32 cannot hold are a ValueError, without NumPy's warning."""
    X, y = data
    ann = DigitANN(**TINY).fit(X, y)
    with pytest.raises(ValueError, match=r"infinity|too large"):
        ann.predict(X.astype(np.float64) * 1e300)


# Predictions


def test_predictions_are_invariant_to_the_size_of_the_batch(digits):
    """A row gets the same label and probabilities alone, in small batches and among thousands."""
    X, y = digits
    ann = DigitANN(**TINY).fit(X, y)
    proba, labels = ann.predict_proba(X), ann.predict(X)
    for size in (1, 7, 1000, 1024, 1025):
        parts = [X[i : i + size] for i in range(0, min(len(X), 20 * size), size)]
        n = min(len(X), 20 * size)
        np.testing.assert_allclose(
            np.concatenate([ann.predict_proba(p) for p in parts]), proba[:n], rtol=0, atol=1e-6
        )
        np.testing.assert_array_equal(np.concatenate([ann.predict(p) for p in parts]), labels[:n])


def test_predictions_are_invariant_to_the_order_of_the_rows(digits):
    """Shuffled rows get the shuffled predictions."""
    X, y = digits
    ann = DigitANN(batch_norm=True, dropout=0.5, **TINY).fit(X, y)
    order = np.random.default_rng(0).permutation(len(X))
    np.testing.assert_array_equal(ann.predict(X[order]), ann.predict(X)[order])
    np.testing.assert_allclose(
        ann.predict_proba(X[order]), ann.predict_proba(X)[order], rtol=0, atol=1e-6
    )


def test_the_parameter_batch_size_has_no_effect_on_predictions(digits):
    """Changing batch_size after the fit changes no prediction."""
    X, y = digits
    ann = DigitANN(**TINY).fit(X, y)
    before = ann.predict_proba(X)
    np.testing.assert_array_equal(ann.set_params(batch_size=1).predict_proba(X), before)
