"""skorch's callbacks are called as skorch calls them, with the net, and are copied, not changed."""

import copy

import numpy as np
import pytest
import torch
from skorch import NeuralNetClassifier
from skorch.callbacks import (
    Callback,
    EarlyStopping,
    EpochScoring,
    EpochTimer,
    Freezer,
    GradientNormClipping,
    LRScheduler,
    PassthroughScoring,
    PrintLog,
)
from skorch.dataset import Dataset
from skorch.helper import predefined_split
from support.classifiers import STARTS, TINY, NoteStart
from torch import nn

from sk_digits import DigitANN
from sk_digits._ann.digit_net import DigitNet

CALLS = []


def _kind(value):
    if isinstance(value, torch.Tensor):
        return (str(value.dtype), value.ndim, value.requires_grad)
    return tuple(map(_kind, value)) if isinstance(value, tuple | list) else None


class Recorder(Callback):
    """Records each call: the hook, the names of its arguments, and what the batch holds."""

    def _note(self, hook, net, **kwargs):
        assert isinstance(net, NeuralNetClassifier)
        named = kwargs.get("named_parameters")
        CALLS.append(
            {
                "hook": hook,
                "arguments": sorted(k for k, v in kwargs.items() if v is not None),
                "training": kwargs.get("training"),
                "module training": net.module_.training if "loss" in kwargs else None,
                "batch": _kind(kwargs.get("batch")),
                "loss": _kind(kwargs.get("loss"))[:2] if "loss" in kwargs else None,
                "y_pred": kwargs["y_pred"].shape if "y_pred" in kwargs else None,
                "gradients": [(n, p.grad is not None) for n, p in named] if named else None,
                "epoch": net.history[-1, "epoch"] if net.history else None,
            }
        )

    def on_train_begin(self, net, **kwargs):
        """Record the call."""
        self._note("on_train_begin", net, **kwargs)

    def on_train_end(self, net, **kwargs):
        """Record the call."""
        self._note("on_train_end", net, **kwargs)

    def on_epoch_begin(self, net, **kwargs):
        """Record the call."""
        self._note("on_epoch_begin", net, **kwargs)

    def on_epoch_end(self, net, **kwargs):
        """Record the call."""
        self._note("on_epoch_end", net, **kwargs)

    def on_batch_begin(self, net, **kwargs):
        """Record the call."""
        self._note("on_batch_begin", net, **kwargs)

    def on_batch_end(self, net, **kwargs):
        """Record the call."""
        self._note("on_batch_end", net, **kwargs)

    def on_grad_computed(self, net, named_parameters, **kwargs):
        """Record the call."""
        self._note("on_grad_computed", net, named_parameters=list(named_parameters), **kwargs)


class NoOp(Callback):
    """Has a hook on batches that does nothing, so that the training must call it."""

    def on_batch_end(self, net, **kwargs):
        """Do nothing."""


class Counter(Callback):
    """Counts epochs in an attribute of its own."""

    def __init__(self):
        self.n_epochs = 0

    def on_epoch_end(self, net, **kwargs):
        """Count, and add the number to `CALLS`."""
        self.n_epochs += 1
        CALLS.append(self.n_epochs)


@pytest.fixture(autouse=True)
def no_calls():
    """Empty `CALLS` before each test."""
    CALLS.clear()


@pytest.mark.parametrize("early_stopping", [False, True])
def test_hooks_are_called_as_skorch_calls_them(digits, early_stopping):
    """Order, arguments and modes are those of skorch's own classifier on as many batches."""
    X, y = digits[0][:100], digits[1][:100]
    n_train = 80 if early_stopping else 100
    DigitANN(
        callbacks=[Recorder()],
        batch_size=32,
        early_stopping=early_stopping,
        validation_fraction=0.2,
        **TINY | {"max_epochs": 2},
    ).fit(X, y)
    ours = list(CALLS)

    CALLS.clear()
    valid = Dataset(X[n_train:], y[n_train:])
    NeuralNetClassifier(
        nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10)),
        criterion=nn.CrossEntropyLoss,
        max_epochs=2,
        batch_size=32,
        train_split=predefined_split(valid) if early_stopping else None,
        callbacks=[Recorder()],
        callbacks__print_log=None,
    ).fit(X[:n_train], y[:n_train])

    hooks = [(call["hook"], call["training"]) for call in ours]
    assert hooks == [(call["hook"], call["training"]) for call in CALLS]
    for our_call, their_call in zip(ours, CALLS, strict=True):
        for gradients in (our_call.pop("gradients"), their_call.pop("gradients")):
            assert gradients is None or all(has for _, has in gradients)
        assert our_call == their_call


def test_callbacks_see_the_net_that_becomes_net_(digits):
    """The hooks get the skorch net that becomes the attribute net_."""
    ann = DigitANN(callbacks=[("count", Counter())], **TINY).fit(*digits)
    assert isinstance(ann.net_, DigitNet)
    assert dict(ann.net_.callbacks_)["count"].n_epochs == 3


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_callbacks_are_copied_and_never_changed(digits, method):
    """Each fit starts from a copy of the callback as it was given."""
    callbacks = [Counter(), ("accuracy", EpochScoring("accuracy", on_train=True))]
    before = [dict(vars(Counter())), copy.copy(vars(callbacks[1][1]))]
    ann = DigitANN(callbacks=callbacks, **TINY).fit(*digits)
    getattr(ann, method)(*digits)
    epochs = {"fit": [1, 2, 3], "partial_fit": [1]}[method]
    assert [1, 2, 3, *epochs] == CALLS
    assert ann.callbacks is callbacks
    assert [vars(callbacks[0]), vars(callbacks[1][1])] == before


@pytest.mark.parametrize(
    "extra", [{}, {"early_stopping": True}, {"dropout": 0.3, "batch_norm": True}]
)
def test_a_callback_that_does_nothing_changes_nothing(digits, extra):
    """Weights and curves are equal to the bit with and without a hook on batches."""
    plain, hooked = (
        DigitANN(callbacks=c, **TINY, **extra).fit(*digits) for c in (None, [NoOp(), Recorder])
    )
    assert hooked.loss_curve_ == plain.loss_curve_
    for ours, theirs in zip(
        hooked.net_.module_.state_dict().values(),
        plain.net_.module_.state_dict().values(),
        strict=True,
    ):
        assert torch.equal(ours, theirs)


def test_an_instance_a_class_and_a_pair_are_callbacks(digits):
    """A callback may be an instance, a class or a pair of a name and either."""
    X, y = (a[:50] for a in digits)
    DigitANN(callbacks=(Counter(), Counter, ("name", Counter())), **TINY).fit(X, y)
    assert CALLS == [1, 1, 1, 2, 2, 2, 3, 3, 3]


@pytest.mark.parametrize(
    "bad", [5, "EarlyStopping", None, object, ("name",), ("name", 5), ("a", Counter(), "b"), print]
)
def test_anything_but_a_callback_is_a_type_error(digits, bad):
    """Anything else is a TypeError that names the parameter and shows the item."""
    ann = DigitANN(callbacks=[Counter(), bad], **TINY)
    with pytest.raises(
        TypeError, match=r"'callbacks' parameter of DigitANN must hold skorch.* Got"
    ):
        ann.fit(*digits)
    assert CALLS == []
    assert not hasattr(ann, "net_")


# skorch's own


def test_epoch_scoring_scores_the_validation_part(digits):
    """EpochScoring("accuracy") scores the held-out rows, as validation_scores_ does."""
    scoring = EpochScoring("accuracy", lower_is_better=False, name="accuracy")
    ann = DigitANN(callbacks=[scoring], early_stopping=True, **TINY).fit(*digits)
    np.testing.assert_allclose(ann.net_.history[:, "accuracy"], ann.validation_scores_)


def test_epoch_scoring_on_training_data_scores_it(digits):
    """With on_train=True the last score is that of the fitted classifier, cached or not."""
    scorings = [
        EpochScoring("accuracy", on_train=True, lower_is_better=False, name=name, use_caching=cache)
        for name, cache in (("cached", True), ("fresh", False))
    ]
    ann = DigitANN(callbacks=scorings, **TINY).fit(*digits)
    assert ann.net_.history[-1, "fresh"] == ann.score(*digits)
    assert ann.net_.history[-1, "cached"] == pytest.approx(ann.score(*digits), abs=0.1)


def test_a_learning_rate_scheduler_steers_the_constant_one(digits):
    """LRScheduler sets the learning rate of each epoch when lr_schedule is "constant"."""
    scheduler = LRScheduler("StepLR", step_size=1, gamma=0.1)
    ann = DigitANN(callbacks=[scheduler], lr_schedule="constant", lr=1e-2, **TINY).fit(*digits)
    np.testing.assert_allclose(ann.net_.history[:, "lr"], [1e-2, 1e-3, 1e-4])


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_learning_rate_scheduler_works_when_training_goes_on(digits, method):
    """LRScheduler also works in a warm start and in further chunks."""
    scheduler = LRScheduler("StepLR", step_size=1, gamma=0.5)
    ann = DigitANN(callbacks=[scheduler], lr_schedule="constant", warm_start=True, **TINY)
    ann.fit(*digits)
    getattr(ann, method)(*digits)
    assert ann.n_iter_ == (6 if method == "fit" else 4)


@pytest.mark.parametrize("others", [[], [NoOp()]], ids=["alone", "with hooks on batches"])
def test_passthrough_scoring_finds_the_losses_of_the_batches(digits, others):
    """PassthroughScoring averages the losses that the history holds for the batches."""
    passthrough = PassthroughScoring("train_loss", on_train=True)
    ann = DigitANN(callbacks=[*others, passthrough], **TINY).fit(*digits)
    np.testing.assert_allclose(ann.net_.history[:, "train_loss"], ann.loss_curve_)


def test_clipped_gradients_make_other_weights(digits):
    """GradientNormClipping changes the gradients before the optimizer uses them."""
    X, y = (a[:50] for a in digits)
    params = {"hidden_layer_sizes": (16,), "max_epochs": 1, "weight_decay": 0.0, "random_state": 0}
    start = DigitANN(lr=1e-12, **params).fit(X, y)
    plain = DigitANN(**params).fit(X, y)
    clipped = DigitANN(callbacks=[GradientNormClipping(1e-12)], **params).fit(X, y)
    moved, hardly = (
        np.abs(ann.decision_function(X) - start.decision_function(X)).max()
        for ann in (plain, clipped)
    )
    assert 0 < hardly < 0.05 * moved


def test_frozen_weights_stay_as_they_are(digits):
    """Freezer takes parameters out of the training; the others learn."""
    STARTS.clear()
    ann = DigitANN(callbacks=[NoteStart(), Freezer("0.*")], **TINY).fit(*digits)
    before, after = STARTS[0][0], ann.net_.module_.state_dict()
    changed = [name for name in after if not torch.equal(before[name], after[name])]
    assert changed == [name for name in after if not name.startswith("0.")]


def test_the_other_callbacks_of_skorch_work(digits):
    """A timer, another score, a printed table and early stopping work in one fit."""
    stop = EarlyStopping(monitor="valid_loss", load_best=True)
    callbacks = [
        EpochTimer(),
        EpochScoring("roc_auc_ovr", use_caching=False),
        PrintLog(sink=CALLS.append),
        stop,
    ]
    ann = DigitANN(callbacks=callbacks, early_stopping=True, **TINY).fit(*digits)
    assert {"dur", "train_loss", "valid_loss", "valid_acc", "roc_auc_ovr"} <= ann.net_.history[
        -1
    ].keys()
    header, _, *lines = "\n".join(CALLS).splitlines()
    assert {"epoch", "train_loss", "valid_acc", "dur"} <= set(header.split())
    assert len(lines) == 3


def test_the_error_of_a_callback_comes_through(digits):
    """An error in a callback is raised by fit and leaves the classifier unfitted."""

    class Broken(Callback):
        def on_epoch_end(self, net, **kwargs):
            raise RuntimeError("the callback is broken")

    ann = DigitANN(callbacks=[Broken()], **TINY)
    with pytest.raises(RuntimeError, match="the callback is broken"):
        ann.fit(*digits)
    assert not hasattr(ann, "classes_")
