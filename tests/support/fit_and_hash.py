"""Train in a process of its own and print the SHA-256 of the weights.

PYTHONPATH=tests python -m support.fit_and_hash CHECKPOINT_FOLDER [EPOCH_TO_DIE_AFTER]
"""

import json
import os
import signal
import sys

import numpy as np
from sklearn.datasets import load_digits
from skorch.callbacks import Callback
from support.classifiers import TINY
from support.contract import sha256_of, world

from sk_digits import DigitANN, TrainingCheckpoint, make_digit_pipeline

X, y = load_digits(return_X_y=True)
X = (X[:600] / 16).astype(np.float32)
y = np.array(
    [f"digit {label}" for label in y[:600]]
)  # strings, whose hashes differ between processes

# The recipe has batch norm, dropout, label smoothing and elastic warps as well.
SMALL = TINY | {"early_stopping": True, "class_weight": {"digit 3": 2.0}}
PRECISIONS = ("float32", "bfloat16")


class Die(Callback):
    """Kills its process after the chosen epoch, as a crash would."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, net, **kwargs):
        """Kill the process after the chosen epoch."""
        if net.epochs_done == self.epoch:
            os.kill(os.getpid(), signal.SIGKILL)


def train(precision, callbacks=None) -> DigitANN:
    """Train the recipe."""
    pipeline = make_digit_pipeline(**SMALL, precision=precision, callbacks=callbacks)
    return pipeline.fit(X, y)["ann"]


def main() -> None:
    """Train and print the hashes, then train again with a checkpoint."""
    before = world()
    shas = {precision: sha256_of(train(precision)) for precision in PRECISIONS}
    changed = [name for name, value in world().items() if value != before[name]]
    print(json.dumps({"sha256": shas, "changed": changed}), flush=True)
    folder, *epoch = sys.argv[1:]
    callbacks = [TrainingCheckpoint(folder), *(Die(int(n)) for n in epoch)]
    print(json.dumps(sha256_of(train("float32", callbacks))))


if __name__ == "__main__":
    main()
