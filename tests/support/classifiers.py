"""Small classifiers: their parameters, their weights, and the callbacks that watch or stop them."""

import signal

from skorch.callbacks import Callback

# A classifier that trains in a moment, and what most features together add to it.
TINY = {"hidden_layer_sizes": (16,), "max_epochs": 3, "random_state": 0}
EVERYTHING = {
    "dropout": 0.2,
    "batch_norm": True,
    "label_smoothing": 0.1,
    "augmentation": "elastic",
    "early_stopping": True,
}
# For thousands of fits.
TINIEST = {"hidden_layer_sizes": (3,), "max_epochs": 1, "random_state": 0}


def weights_of(ann):
    """Return a copy of the weights as arrays by name, batch norm's statistics included."""
    state = ann.net_.module_.state_dict()
    return {name: tensor.numpy().copy() for name, tensor in state.items()}


STARTS = []  # not an attribute of the callback, which each fit copies


class NoteStart(Callback):
    """Adds what each training starts from to `STARTS`: its weights and its generator's state."""

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        """Copy both."""
        weights = {name: tensor.clone() for name, tensor in net.module_.state_dict().items()}
        STARTS.append((weights, net.generator.get_state()))


class CtrlC(Callback):
    """Presses Ctrl-C in the hook of the given name, once the given epoch has begun."""

    def __init__(self, hook="on_batch_end", epoch=1):
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
