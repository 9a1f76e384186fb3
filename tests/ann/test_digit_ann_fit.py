"""What `fit` does: it learns reproducibly, as a textbook loop in PyTorch does."""

import re
import warnings

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from support.classifiers import STARTS, TINY, NoteStart, weights_of
from support.contract import sha256_of
from support.textbook_training import textbook_training

from sk_digits import DigitANN


def test_a_small_network_learns_the_digits(digits):
    """Some epochs on 1,200 digits are enough to recognise most of the other 597."""
    X, y = digits
    ann = DigitANN((64,), max_epochs=20, random_state=0).fit(X[:1200], y[:1200])
    assert ann.score(X[1200:], y[1200:]) > 0.85
    assert ann.loss_curve_[-1] < 0.2 * ann.loss_curve_[0]


def test_loss_of_an_untrained_network_is_near_log_10(digits):
    """Before it has learned, the network gives each digit about the same probability."""
    X, y = digits
    ann = DigitANN(max_epochs=1, lr=1e-12, batch_size=len(X), random_state=0).fit(X, y)
    assert ann.loss_curve_ == pytest.approx([np.log(10)], rel=0.05)


def test_the_same_seed_gives_the_same_bits(digits):
    """random_state determines every bit, also with dropout and a validation part."""
    X, y = digits
    params = TINY | {"dropout": 0.3, "early_stopping": True, "batch_norm": True}
    first, second = (DigitANN(**params).fit(X, y) for _ in range(2))
    assert sha256_of(first) == sha256_of(second)
    assert first.loss_curve_ == second.loss_curve_


@pytest.mark.parametrize("state", [1, None])
def test_another_seed_gives_other_weights(digits, state):
    """Another int gives other weights, and None gives other weights each time."""
    X, y = (a[:100] for a in digits)
    first = DigitANN(**TINY | {"random_state": None if state is None else 0}).fit(X, y)
    second = DigitANN(**TINY | {"random_state": state}).fit(X, y)
    assert sha256_of(first) != sha256_of(second)


def test_a_random_state_instance_is_drawn_from_as_scikit_learn_does(digits):
    """Equal instances give equal weights; using one instance twice gives two networks."""
    X, y = (a[:100] for a in digits)
    shared = np.random.RandomState(7)
    ann = DigitANN(**TINY | {"random_state": shared})
    first, second = sha256_of(ann.fit(X, y)), sha256_of(ann.fit(X, y))
    again = DigitANN(**TINY | {"random_state": np.random.RandomState(7)}).fit(X, y)
    assert first == sha256_of(again)
    assert first != second


def test_input_is_not_changed(digits):
    """X, y and sample_weight are read, never written."""
    X, y, w = digits[0].copy(), digits[1].copy(), np.linspace(0.5, 2, len(digits[1]))
    kept = X.copy(), y.copy(), w.copy()
    DigitANN(dropout=0.5, **TINY).fit(X, y, w).predict(X)
    for array, copy in zip((X, y, w), kept, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_curves_have_one_entry_an_epoch(digits):
    """n_iter_ counts the epochs, and loss_curve_ has a finite number for each."""
    ann = DigitANN(**TINY | {"max_epochs": 4}).fit(*digits)
    assert ann.n_iter_ == len(ann.loss_curve_) == len(ann.net_.history_) == 4
    assert np.isfinite(ann.loss_curve_).all()
    assert not hasattr(ann, "validation_scores_")


@pytest.mark.parametrize("early_stopping", [False, True])
def test_verbose_prints_a_compact_line_an_epoch(digits, capsys, early_stopping):
    """A line has the epoch, the loss, the validation accuracy if there is one, and the seconds."""
    DigitANN(verbose=1, early_stopping=early_stopping, **TINY).fit(*digits)
    out, err = capsys.readouterr()
    accuracy = r"validation accuracy [01]\.\d{4}  " if early_stopping else ""
    lines = out.splitlines()
    assert [int(line.split()[1]) for line in lines] == [1, 2, 3]
    assert all(
        re.fullmatch(rf"epoch \d+  loss \d\.\d{{4}}  {accuracy}\d+\.\d\d s", s) for s in lines
    )
    assert err == ""


def test_nothing_is_printed_by_default(digits, capfd):
    """With verbose=0 nothing is written to either stream."""
    ann = DigitANN(early_stopping=True, **TINY).fit(*digits)
    ann.partial_fit(*digits).predict(digits[0])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("batch_size", [300, 64])
@pytest.mark.parametrize(("smoothing", "weighted"), [(0.0, False), (0.2, False), (0.1, True)])
def test_training_equals_a_handwritten_torch_loop(digits, batch_size, smoothing, weighted):
    """A loop of AdamW, OneCycleLR and CrossEntropyLoss gives the same weights and losses."""
    X, y = digits[0][:300].astype(np.float64), digits[1][:300]
    weight = np.random.default_rng(0).uniform(0.2, 3, 300) if weighted else None
    settings = {"hidden_layer_sizes": (16, 8), "lr": 3e-3, "weight_decay": 0.05}
    settings |= {"label_smoothing": smoothing, "batch_size": batch_size}
    STARTS.clear()
    ann = DigitANN(**settings, max_epochs=3, callbacks=[NoteStart()], random_state=3)
    ann.fit(X, y, weight)
    (start,) = STARTS
    weights, curve = textbook_training(
        start, X, y, **settings, n_epochs=3, sample_weight=weight, one_cycle=True
    )
    np.testing.assert_allclose(ann.loss_curve_, curve, rtol=1e-9)
    for ours, theirs in zip(weights_of(ann).values(), weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("lr", "scale", "advice"),
    [(1e30, 1.0, r"lower lr=1e\+30"), (2e-3, 1e308, "Scale X to"), (2e-3, 1e300, "Scale X to")],
)
def test_divergence_is_an_error_that_says_what_to_do(digits, lr, scale, advice):
    """A learning rate or features that are far too large are a ValueError, not a useless net."""
    X, y = digits
    with pytest.raises(ValueError, match=rf"diverged.*{advice}"):
        DigitANN(lr=lr, **TINY).fit(X.astype(np.float64) * scale, y)


@pytest.mark.parametrize("fitted", [False, True])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": np.full((50, 64), np.nan)}, "contains NaN"),
        ({"X": np.zeros((49, 64))}, "inconsistent numbers of samples"),
        ({"X": np.zeros(50)}, "Expected 2D array, got 1D array"),
        ({"y": None}, "requires y to be passed"),
        ({"y": np.linspace(0, 1, 50)}, "Unknown label type: continuous"),
        ({"sample_weight": np.zeros(50)}, "weights"),
        ({"sample_weight": np.ones(49)}, r"sample_weight\.shape"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_bad_input_leaves_the_classifier_as_it_was(digits, fitted, change, message):
    """Input that fit refuses changes no attribute, whether the classifier is fitted or not."""
    data = {"X": digits[0][:50], "y": digits[1][:50]}
    ann = DigitANN(**TINY)
    if fitted:
        ann.fit(**data)
    before = dict(vars(ann))
    with pytest.raises(ValueError, match=message):
        ann.fit(**data | change)
    assert vars(ann) == before


def test_a_refit_equals_a_first_fit(digits):
    """A second fit leaves no weight and no attribute of the first."""
    X, y = digits
    fresh = DigitANN(**TINY).fit(X[:100], y[:100])
    ann = DigitANN(**TINY).set_params(early_stopping=True).fit(X[:, :32], y)
    ann.set_params(early_stopping=False).fit(X[:100], y[:100])
    assert vars(ann).keys() == vars(fresh).keys()
    assert sha256_of(ann) == sha256_of(fresh)


@pytest.mark.parametrize("lr", [3.0, 10.0, 100.0])
def test_a_learning_rate_that_ruins_the_network_is_a_warning(digits, lr):
    """The loss rose above that of a guess and hardly fell again: the message says so."""
    with pytest.warns(ConvergenceWarning, match=rf"hardly converged.*2.3 for a guess.*lr={lr}"):
        ann = DigitANN((64,), lr=lr, max_epochs=5, random_state=0).fit(*digits)
    assert ann.score(*digits) < 0.5


def test_a_loss_without_bound_is_an_error(digits):
    """In float64 nothing overflows, and a loss of 1e79 is no training."""
    X, y = digits[0].astype(np.float64), digits[1]
    ann = DigitANN((64,), lr=1e3, max_epochs=5, random_state=0)
    with pytest.raises(ValueError, match=r"Training diverged: the loss rose from .*lr=1000.0"):
        ann.fit(X, y)
    assert not hasattr(ann, "net_")


@pytest.mark.parametrize("X_scale", [1, 16])
def test_an_ordinary_training_does_not_warn(digits, X_scale):
    """Nor does one whose features are somewhat large but that converges."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        DigitANN((64,), max_epochs=20, random_state=0).fit(digits[0] * X_scale, digits[1])


def test_hooks_see_what_the_layers_of_the_fitted_module_return(digits):
    """Backward hooks, as explainers set them, fail on functions that work in place."""
    module = DigitANN((32,), max_epochs=1, random_state=0).fit(*digits).net_.module_
    called = []
    for layer in module:
        layer.register_full_backward_hook(lambda *args: called.append(args))
    module(torch.from_numpy(digits[0][:4]).requires_grad_()).sum().backward()
    assert len(called) == len(module)
