"""What `fit` leaves alone: everything global, and, if it is stopped, the classifier."""

import signal

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, EarlyStopping
from support.contract import world

from sk_digits import DigitANN

TINY = {"hidden_layer_sizes": (16,), "max_epochs": 3, "random_state": 0}


class CtrlC(Callback):
    """Press Ctrl-C in the hook of the given name."""

    def __init__(self, hook, epoch=1):
        self.hook = hook
        self.epoch = epoch

    def _press(self, net, hook):
        if hook == self.hook and net.history[-1, "epoch"] >= self.epoch:
            signal.raise_signal(signal.SIGINT)

    def on_batch_end(self, net, **kwargs):
        """Press it in the middle of an epoch."""
        self._press(net, "on_batch_end")

    def on_epoch_end(self, net, **kwargs):
        """Press it between two epochs."""
        self._press(net, "on_epoch_end")


@pytest.fixture
def keyboard():
    """Have Python's own handler of Ctrl-C, which a process in the background has not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def bits_of(ann):
    """Copy the weights as bytes."""
    return [t.numpy().tobytes() for t in ann.net_.module_.state_dict().values()]


@pytest.mark.parametrize("hook", ["on_batch_end", "on_epoch_end"])
def test_an_interrupted_fit_leaves_the_world_as_it_was(digits, keyboard, hook):
    """Ctrl-C on the way leaves nothing changed behind."""
    before = world()
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        DigitANN(callbacks=[CtrlC(hook)], dropout=0.2, **TINY).fit(*digits)
    assert world() == before


def test_the_callers_default_dtype_makes_no_difference(digits):
    """A caller who works in float64 gets the same bits."""
    X, y = (a[:100] for a in digits)
    expected = bits_of(DigitANN(**TINY).fit(X, y))
    torch.set_default_dtype(torch.float64)
    try:
        assert bits_of(DigitANN(**TINY).fit(X, y)) == expected
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_the_callers_grad_mode_makes_no_difference(digits, mode):
    """A caller who works without gradients gets the same bits, and keeps the mode."""
    X, y = (a[:100] for a in digits)
    expected = bits_of(DigitANN(**TINY).fit(X, y))
    with mode():
        assert bits_of(DigitANN(**TINY).fit(X, y)) == expected
        assert not torch.is_grad_enabled()


def test_skorchs_early_stopping_callback_ends_the_training_normally(digits):
    """skorch's callbacks stop by raising KeyboardInterrupt, which is no Ctrl-C."""
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
    """Not with Python's handler, nor with an application's; a handler that does not raise runs."""
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
    """The first one waits for the end of the callback, which may never come."""
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
    attributes, bits, proba = dict(vars(ann)), bits_of(ann), ann.predict_proba(digits[0])
    callbacks = [CtrlC(hook, epoch=2)]
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        ann.set_params(callbacks=callbacks).fit(*digits)
    assert vars(ann) == attributes | {"callbacks": callbacks}
    assert bits_of(ann) == bits
    np.testing.assert_array_equal(ann.predict_proba(digits[0]), proba)
