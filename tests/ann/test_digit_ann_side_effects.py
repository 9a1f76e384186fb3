"""What `fit` leaves as it was: all global state, and the classifier if Ctrl-C stops it."""

import signal

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, EarlyStopping
from support.classifiers import TINY, CtrlC
from support.contract import sha256_of, world

from sk_digits import DigitANN


@pytest.mark.parametrize("hook", ["on_batch_end", "on_epoch_end"])
def test_an_interrupted_fit_leaves_the_world_as_it_was(digits, keyboard, hook):
    """Ctrl-C within a fit leaves all global state as it was."""
    before = world()
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        DigitANN(callbacks=[CtrlC(hook)], dropout=0.2, **TINY).fit(*digits)
    assert world() == before


def test_the_callers_default_dtype_makes_no_difference(digits):
    """torch's default dtype does not change a bit, and stays."""
    X, y = (a[:100] for a in digits)
    expected = sha256_of(DigitANN(**TINY).fit(X, y))
    torch.set_default_dtype(torch.float64)
    try:
        assert sha256_of(DigitANN(**TINY).fit(X, y)) == expected
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_the_callers_grad_mode_makes_no_difference(digits, mode):
    """torch's grad mode does not change a bit, and stays."""
    X, y = (a[:100] for a in digits)
    expected = sha256_of(DigitANN(**TINY).fit(X, y))
    with mode():
        assert sha256_of(DigitANN(**TINY).fit(X, y)) == expected
        assert not torch.is_grad_enabled()


def test_skorchs_early_stopping_callback_ends_the_training_normally(digits):
    """The KeyboardInterrupt by which skorch's callbacks stop is not taken for Ctrl-C."""
    stop = EarlyStopping(monitor="train_loss", patience=2, threshold=0.999, sink=lambda text: None)
    ann = DigitANN((16,), max_epochs=30, callbacks=[stop], random_state=0).fit(*digits)
    assert 2 <= ann.n_iter_ < 30
    assert ann.predict(digits[0]).shape == (len(digits[0]),)


@pytest.mark.parametrize("hook", ["on_batch_end", "on_epoch_end"])
def test_ctrl_c_in_a_first_fit_leaves_it_unfitted(digits, keyboard, hook):
    """A stopped first fit leaves the parameters and nothing else."""
    ann = DigitANN(callbacks=[CtrlC(hook, epoch=2)], **TINY)
    unfitted = dict(vars(ann))
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        ann.fit(*digits)
    assert vars(ann) == unfitted


@pytest.mark.parametrize("handler", ["default", "raising", "flag"])
def test_ctrl_c_during_a_callback_is_never_taken_for_its_wish_to_stop(digits, keyboard, handler):
    """Ctrl-C is raised by Python's handler and an application's; one that does not raise runs."""
    pressed = []

    def own(number, frame):
        pressed.append(number)
        if handler == "raising":
            raise KeyboardInterrupt("from the application")

    if handler != "default":
        signal.signal(signal.SIGINT, own)
    ann = DigitANN(callbacks=[CtrlC("on_epoch_end", epoch=3)], **TINY)
    if handler == "flag":
        assert ann.fit(*digits).n_iter_ == 3
    else:
        with pytest.raises(KeyboardInterrupt, match=r"^(from the application)?$"):
            ann.fit(*digits)
        assert not hasattr(ann, "net_")
    assert pressed == ([] if handler == "default" else [signal.SIGINT])


def test_a_second_ctrl_c_does_not_wait_for_the_callback(digits, keyboard):
    """The first Ctrl-C waits for the end of the callback, the second one interrupts it."""
    reached = []

    class Hangs(Callback):
        def on_epoch_end(self, net, **kwargs):
            signal.raise_signal(signal.SIGINT)
            reached.append("after the first")
            signal.raise_signal(signal.SIGINT)
            reached.append("after the second")

    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        DigitANN(callbacks=[Hangs()], **TINY).fit(*digits)
    assert reached == ["after the first"]


@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.parametrize("hook", ["on_batch_end", "on_epoch_end"])
def test_ctrl_c_leaves_the_classifier_as_it_was(digits, keyboard, hook, warm_start):
    """A stopped fit changes no attribute, no weight and no prediction of the previous fit."""
    ann = DigitANN(warm_start=warm_start, **TINY).fit(*digits)
    attributes, bits, proba = dict(vars(ann)), sha256_of(ann), ann.predict_proba(digits[0])
    callbacks = [CtrlC(hook, epoch=2)]
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        ann.set_params(callbacks=callbacks).fit(*digits)
    assert vars(ann) == attributes | {"callbacks": callbacks}
    assert sha256_of(ann) == bits
    np.testing.assert_array_equal(ann.predict_proba(digits[0]), proba)
