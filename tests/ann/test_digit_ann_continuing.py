"""Training that continues: in chunks, from an earlier fit, and after a failure."""

import numpy as np
import pytest
import torch
from support.classifiers import STARTS, TINY, CtrlC, NoteStart, weights_of
from support.textbook_training import textbook_training

from sk_digits import DigitANN

CLASSES = np.arange(10)


# In chunks


@pytest.mark.parametrize("batch_size", [300, 64])
def test_partial_fit_equals_a_handwritten_loop_with_kept_moments(digits, batch_size):
    """Three calls equal three epochs of one AdamW with a constant learning rate."""
    X, y = digits[0][:300].astype(np.float64), digits[1][:300]
    settings = {"hidden_layer_sizes": (16,), "lr": 4e-3, "weight_decay": 0.1}
    settings |= {"batch_size": batch_size}
    STARTS.clear()
    ann = DigitANN(**settings, callbacks=[NoteStart()], random_state=5)
    for _ in range(3):
        ann.partial_fit(X, y, classes=CLASSES)
    weights, curve = textbook_training(STARTS[0], X, y, **settings, n_epochs=3)
    np.testing.assert_allclose(ann.loss_curve_, curve, rtol=1e-9)
    for ours, theirs in zip(weights_of(ann).values(), weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9)


def test_partial_fit_learns_chunk_by_chunk(digits):
    """Chunks that are seen several times teach about as much as a fit; n_iter_ counts the calls."""
    X, y = digits
    ann = DigitANN((32,), lr=5e-3, random_state=0)
    for _ in range(12):
        for start in range(0, len(X), 600):
            ann.partial_fit(X[start : start + 600], y[start : start + 600], classes=CLASSES)
    assert ann.score(X, y) > 0.9
    assert ann.n_iter_ == len(ann.loss_curve_) == 36


def test_partial_fit_ignores_epochs_schedule_and_early_stopping(digits):
    """max_epochs, lr_schedule and early_stopping do not change a bit."""
    X, y = (a[:200] for a in digits)
    plain = DigitANN((16,), random_state=0).partial_fit(X, y, CLASSES)
    other = DigitANN(
        (16,), max_epochs=7, lr_schedule="cosine", early_stopping=True, random_state=0
    ).partial_fit(X, y, CLASSES)
    np.testing.assert_array_equal(plain.predict_proba(X), other.predict_proba(X))
    assert other.n_iter_ == 1
    assert not hasattr(other, "validation_scores_")


def test_chunks_of_one_row_with_one_label_each_are_enough(digits):
    """After one row the classifier predicts all classes; after many rows it has learned."""
    X, y = digits[0][:200], digits[1][:200]
    ann = DigitANN((16,), lr=1e-2, random_state=0)
    for i in range(200):
        ann.partial_fit(X[i : i + 1], y[i : i + 1], classes=CLASSES if i == 0 else None)
        if i % 50 == 0:
            proba = ann.predict_proba(X)
            assert proba.shape == (200, 10)
            np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)
    assert ann.n_iter_ == 200
    assert ann.score(X, y) > 0.5


def test_partial_fit_goes_on_from_a_fit(digits):
    """A chunk after a fit starts from the fitted weights and changes them a little."""
    X, y = digits
    STARTS.clear()
    ann = DigitANN(callbacks=[NoteStart()], **TINY).fit(X, y)
    fitted, before = weights_of(ann), ann.score(X, y)
    ann.partial_fit(X[:300], y[:300])
    for name, start in STARTS[1][0].items():
        np.testing.assert_array_equal(fitted[name], start.numpy())
    assert ann.n_iter_ == 4
    assert ann.score(X, y) > before - 0.05


@pytest.mark.parametrize(("first", "then"), [(np.float64, np.float32), (np.float32, np.float64)])
def test_chunks_may_change_their_type(digits, first, then):
    """A chunk of another float type continues from the same weights; both types are predicted."""
    X, y = digits
    ann = DigitANN(**TINY).partial_fit(X.astype(first), y, CLASSES)
    before = ann.loss_curve_[0]
    ann.partial_fit(X.astype(then), y)
    assert ann.loss_curve_[1] < before
    for dtype in (first, then):
        np.testing.assert_allclose(ann.predict_proba(X.astype(dtype)).sum(axis=1), 1, rtol=1e-5)


def test_classes_may_be_given_again_in_any_order_and_type(digits):
    """A later call may name the same classes unsorted, repeated, as a list or as a tensor."""
    X, y = (a[:100] for a in digits)
    ann = DigitANN(**TINY).partial_fit(X, y, classes=list(range(9, -1, -1)) * 2)
    ann.partial_fit(X, y, classes=torch.arange(10)).partial_fit(X, y)
    assert ann.classes_.tolist() == list(range(10))


@pytest.mark.parametrize(
    ("calls", "message"),
    [
        ([{"classes": None}], "first call of partial_fit needs classes"),
        ([{"classes": CLASSES[:9]}], r"y has labels that are not among the classes: \[9\]"),
        ([{"classes": CLASSES}, {"y": "new"}], r"labels that are not among the classes: \[77\]"),
        ([{"classes": CLASSES}, {"classes": range(11)}], r"fitted with classes=\[0, .*, 9, 10\]"),
        ([{"classes": CLASSES}, {"X": "narrow"}], "X has 63 features.*expecting 64"),
    ],
)
def test_chunks_that_do_not_fit_are_an_error_that_says_why(digits, calls, message):
    """Missing, unknown or changed classes and another width are a ValueError."""
    X, y = (a[:100] for a in digits)
    ann = DigitANN(**TINY)
    *good, bad = calls
    for call in good:
        ann.partial_fit(X, y, **call)
    attributes = dict(vars(ann))
    with pytest.raises(ValueError, match=message):
        ann.partial_fit(
            X[:, :63] if "X" in bad else X,
            np.full(100, 77) if "y" in bad else y,
            classes=bad.get("classes"),
        )
    assert vars(ann) == attributes


@pytest.mark.parametrize("how", ["bad X", "divergence", "Ctrl-C"])
def test_a_failed_chunk_leaves_everything_as_it_was(digits, keyboard, how):
    """Predictions, curves and later chunks are as if the failed call had not been made."""
    X, y = digits
    ann, twin = (DigitANN(batch_norm=True, dropout=0.2, **TINY) for _ in range(2))
    for one in (ann, twin):
        one.partial_fit(X, y, CLASSES)
    before, attributes = ann.predict_proba(X), dict(vars(ann))
    params = {"bad X": {}, "divergence": {"lr": 1e30}, "Ctrl-C": {"callbacks": [CtrlC()]}}[how]
    bad = np.full_like(X, np.nan) if how == "bad X" else X
    if how == "divergence":
        bad = X * np.float32(3e38)
    error = KeyboardInterrupt if how == "Ctrl-C" else ValueError
    with pytest.raises(error, match=r"NaN|diverged|^$"):
        ann.set_params(**params).partial_fit(bad, y)
    ann.set_params(lr=twin.lr, callbacks=None)
    assert vars(ann) == attributes
    np.testing.assert_array_equal(ann.predict_proba(X), before)
    ann.partial_fit(X, y)
    twin.partial_fit(X, y)
    np.testing.assert_array_equal(ann.predict_proba(X), twin.predict_proba(X))


@pytest.mark.parametrize("how", ["Ctrl-C", "divergence"])
def test_a_failed_first_chunk_leaves_it_unfitted(digits, keyboard, how):
    """A classifier whose first chunk failed has no fitted attribute."""
    X, y = digits
    ann = DigitANN(callbacks=[CtrlC()] if how == "Ctrl-C" else None, **TINY)
    before = dict(vars(ann))
    error = KeyboardInterrupt if how == "Ctrl-C" else ValueError
    with pytest.raises(error, match=r"diverged|^$"):
        ann.partial_fit(X * np.float32(3e38 if how == "divergence" else 1), y, CLASSES)
    assert vars(ann) == before


# From an earlier fit


def test_warm_start_goes_on_from_the_fitted_weights(digits):
    """The second fit starts from the weights of the first, and adds to its loss curve."""
    X, y = digits
    STARTS.clear()
    ann = DigitANN(warm_start=True, callbacks=[NoteStart()], **TINY).fit(X, y)
    fitted, curve = weights_of(ann), ann.loss_curve_
    ann.fit(X, y)
    for name, start in STARTS[1][0].items():
        np.testing.assert_array_equal(fitted[name], start.numpy())
    assert ann.n_iter_ == 6
    assert ann.loss_curve_[:3] == curve
    assert max(ann.loss_curve_[3:]) < curve[0]
    assert ann.loss_curve_[5] < curve[2]


def test_without_warm_start_a_second_fit_forgets_the_first(digits):
    """Fitting twice equals fitting once, to the bit."""
    X, y = digits
    ann = DigitANN(**TINY).fit(X, y)
    once = ann.predict_proba(X)
    np.testing.assert_array_equal(ann.fit(X, y).predict_proba(X), once)
    assert ann.n_iter_ == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden_layer_sizes": (17,)}, r"hidden_layer_sizes=\(16,\) .*cannot go on with \(17,\)"),
        ({"activation": "tanh"}, "activation='relu' .*cannot go on with 'tanh'"),
        ({"batch_norm": True}, "batch_norm=False .*cannot go on with True"),
    ],
)
def test_a_changed_architecture_is_an_error_that_names_it(digits, change, message):
    """A warm start with another architecture is a ValueError and changes nothing."""
    X, y = digits
    ann = DigitANN(warm_start=True, **TINY).fit(X, y)
    before = ann.predict_proba(X)
    with pytest.raises(ValueError, match=message):
        ann.set_params(**change).fit(X, y)
    np.testing.assert_array_equal(ann.predict_proba(X), before)
    assert ann.set_params(warm_start=False).fit(X, y).n_iter_ == 3


@pytest.mark.parametrize("labels", [range(9), range(1, 11)])
def test_changed_classes_are_an_error_that_names_them(digits, labels):
    """A warm start with fewer or other classes is a ValueError that shows both lists."""
    X, y = digits
    ann = DigitANN(warm_start=True, **TINY).fit(X, y)
    other = np.asarray(labels)[y % len(labels)]
    asked = rf"\[{labels[0]}, .*{labels[-1]}\]"
    message = rf"fitted with classes=\[0, 1, .*, 9\] and cannot go on with {asked}"
    with pytest.raises(ValueError, match=message):
        ann.fit(X, other)
    with pytest.raises(ValueError, match=r"X has 32 features.*expecting 64"):
        ann.fit(X[:, :32], y)


def test_other_parameters_may_change_between_warm_starts(digits):
    """Parameters of the training alone may change before a warm start."""
    ann = DigitANN(warm_start=True, **TINY).fit(*digits)
    ann.set_params(lr=1e-4, batch_size=64, weight_decay=0.5, label_smoothing=0.1, max_epochs=1)
    assert ann.fit(*digits).n_iter_ == 4


@pytest.mark.parametrize(("first", "then"), [(0.0, 0.1), (0.1, 0.0), (0.1, 0.5)])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_dropout_may_change_while_training_goes_on(digits, first, then, method):
    """Dropout has no weights, so it may change before a warm start or a chunk."""
    ann = DigitANN(warm_start=True, dropout=first, **TINY).fit(*digits)
    getattr(ann.set_params(dropout=then), method)(*digits)
    assert ann.n_iter_ == (6 if method == "fit" else 4)
