"""What `fit` does: it learns, repeatably, as textbook PyTorch does, and refuses what it cannot."""

import re
import warnings

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback
from torch import nn

from sk_digits import DigitANN

TINY = {"hidden_layer_sizes": (16,), "max_epochs": 3, "random_state": 0}
SEEN = []


class Observer(Callback):
    """Note the initial weights and the generator's state."""

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        """Copy what training starts from."""
        weights = {k: v.clone() for k, v in net.module_.state_dict().items()}
        SEEN.append((weights, net.generator.get_state()))


def weights_of(ann):
    """Give the weights, which share their memory."""
    return [t.numpy() for t in ann.net_.module_.state_dict().values()]


def bits_of(ann):
    """Copy the weights as bytes."""
    return [w.tobytes() for w in weights_of(ann)]


def test_a_small_network_learns_the_digits(digits):
    """A few epochs on 1,200 digits recognise most of the other 597."""
    X, y = digits
    ann = DigitANN((64,), max_epochs=20, random_state=0).fit(X[:1200], y[:1200])
    assert ann.score(X[1200:], y[1200:]) > 0.85
    assert ann.loss_curve_[-1] < 0.2 * ann.loss_curve_[0]


def test_loss_of_an_untrained_network_is_near_log_10(digits):
    """Before it has learned anything, the network gives each digit about the same chance."""
    X, y = digits
    ann = DigitANN(max_epochs=1, lr=1e-12, batch_size=len(X), random_state=0).fit(X, y)
    assert ann.loss_curve_ == pytest.approx([np.log(10)], rel=0.05)


def test_the_same_seed_gives_the_same_bits(digits):
    """random_state decides every bit, with dropout and a validation part too."""
    X, y = digits
    params = TINY | {"dropout": 0.3, "early_stopping": True, "batch_norm": True}
    first, second = (DigitANN(**params).fit(X, y) for _ in range(2))
    assert bits_of(first) == bits_of(second)
    assert first.loss_curve_ == second.loss_curve_


@pytest.mark.parametrize("state", [1, None])
def test_another_seed_gives_other_weights(digits, state):
    """An int other than the first, and None each time, give other weights."""
    X, y = (a[:100] for a in digits)
    first = DigitANN(**TINY | {"random_state": None if state is None else 0}).fit(X, y)
    second = DigitANN(**TINY | {"random_state": state}).fit(X, y)
    assert bits_of(first) != bits_of(second)


def test_a_random_state_instance_is_drawn_from_as_scikit_learn_does(digits):
    """Equal instances give equal bits; one instance used twice gives two networks."""
    X, y = (a[:100] for a in digits)
    shared = np.random.RandomState(7)
    ann = DigitANN(**TINY | {"random_state": shared})
    first, second = bits_of(ann.fit(X, y)), bits_of(ann.fit(X, y))
    again = DigitANN(**TINY | {"random_state": np.random.RandomState(7)}).fit(X, y)
    assert first == bits_of(again)
    assert first != second


def test_input_is_not_changed(digits):
    """X, y and the weights are only read."""
    X, y, w = digits[0].copy(), digits[1].copy(), np.linspace(0.5, 2, len(digits[1]))
    kept = X.copy(), y.copy(), w.copy()
    DigitANN(dropout=0.5, **TINY).fit(X, y, w).predict(X)
    for array, copy in zip((X, y, w), kept, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_curves_have_one_entry_an_epoch(digits):
    """n_iter_ counts the epochs and loss_curve_ has a finite number for each."""
    ann = DigitANN(**TINY | {"max_epochs": 4}).fit(*digits)
    assert ann.n_iter_ == len(ann.loss_curve_) == len(ann.net_.history_) == 4
    assert np.isfinite(ann.loss_curve_).all()
    assert not hasattr(ann, "validation_scores_")


@pytest.mark.parametrize("early_stopping", [False, True])
def test_verbose_prints_a_compact_line_an_epoch(digits, capsys, early_stopping):
    """Each line has the epoch, the loss, the validation accuracy if any, and the seconds."""
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
    """At verbose=0 neither stream gets a byte."""
    ann = DigitANN(early_stopping=True, **TINY).fit(*digits)
    ann.partial_fit(*digits).predict(digits[0])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("batch_size", [300, 64])
@pytest.mark.parametrize(("smoothing", "weighted"), [(0.0, False), (0.2, False), (0.1, True)])
def test_training_equals_a_handwritten_torch_loop(digits, batch_size, smoothing, weighted):
    """AdamW, OneCycleLR and CrossEntropyLoss in a loop by hand give the same weights and losses."""
    X, y = digits[0][:300].astype(np.float64), digits[1][:300]
    weight = np.random.default_rng(0).uniform(0.2, 3, 300) if weighted else None
    SEEN.clear()
    ann = DigitANN(
        (16, 8),
        lr=3e-3,
        weight_decay=0.05,
        label_smoothing=smoothing,
        batch_size=batch_size,
        max_epochs=3,
        callbacks=[Observer()],
        random_state=3,
    ).fit(X, y, weight)

    ((initial, state),) = SEEN
    model = nn.Sequential(
        nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 10)
    ).double()
    model.load_state_dict(dict(zip(model.state_dict(), initial.values(), strict=True)))
    generator = torch.Generator().set_state(state)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=3e-3, total_steps=3 * -(-300 // batch_size), cycle_momentum=False
    )
    criterion = nn.CrossEntropyLoss(label_smoothing=smoothing, reduction="none")
    X, y = torch.tensor(X), torch.tensor(y)
    w = torch.ones(300, dtype=torch.float64) if weight is None else torch.tensor(weight)
    curve = []
    for _ in range(3):
        order = torch.arange(300)
        if batch_size < 300:
            order = torch.randperm(300, generator=generator)
        total = 0.0
        for rows in order.split(batch_size):
            loss = (criterion(model(X[rows]), y[rows]) * w[rows] / w.mean()).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(rows)
        curve.append(total / 300)

    np.testing.assert_allclose(ann.loss_curve_, curve, rtol=1e-9)
    for ours, theirs in zip(weights_of(ann), model.state_dict().values(), strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("lr", "scale", "advice"),
    [(1e30, 1.0, r"lower lr=1e\+30"), (2e-3, 1e308, "Scale X to"), (2e-3, 1e300, "Scale X to")],
)
def test_divergence_is_an_error_that_says_what_to_do(digits, lr, scale, advice):
    """A step size or features beyond all measure end in a ValueError, not in a useless network."""
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
    """Whatever fit refuses before training, every attribute stays, fitted or not."""
    data = {"X": digits[0][:50], "y": digits[1][:50]}
    ann = DigitANN(**TINY)
    if fitted:
        ann.fit(**data)
    before = dict(vars(ann))
    with pytest.raises(ValueError, match=message):
        ann.fit(**data | change)
    assert vars(ann) == before


def test_a_refit_equals_a_first_fit(digits):
    """Nothing of an earlier fit shows after another: not a weight, not a left-over attribute."""
    X, y = digits
    fresh = DigitANN(**TINY).fit(X[:100], y[:100])
    ann = DigitANN(**TINY).set_params(early_stopping=True).fit(X[:, :32], y)
    ann.set_params(early_stopping=False).fit(X[:100], y[:100])
    assert vars(ann).keys() == vars(fresh).keys()
    assert bits_of(ann) == bits_of(fresh)


@pytest.mark.parametrize("lr", [3.0, 10.0, 100.0])
def test_a_step_size_that_ruins_the_network_is_a_warning(digits, lr):
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
