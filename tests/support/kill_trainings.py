"""Kill trainings with a checkpoint at random instants, and print as JSON what that broke.

PYTHONPATH=tests python -m support.kill_trainings FOLDER N_KILLS
"""

import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from support.contract import sha256_of

from sk_digits import DigitANN, TrainingCheckpoint
from sk_digits._ann.training_checkpoint import KIND, MAX_HEADER_BYTES
from sk_digits._tensor_file import read

X, y = load_digits(return_X_y=True)
X = (X[:600] / 16).astype(np.float32)
y = y[:600]
PARAMS = {"hidden_layer_sizes": (128,), "max_epochs": 12, "dropout": 0.2, "random_state": 0}


def train(folder: Path | None) -> str:
    """Train, with a checkpoint if there is a folder; return a hash of weights, and the losses."""
    callbacks = None if folder is None else [TrainingCheckpoint(folder)]
    ann = DigitANN(**PARAMS, callbacks=callbacks).fit(X, y)
    return f"{sha256_of(ann)} {ann.loss_curve_}"


def epochs_in(folder: Path) -> int | None:
    """Return the number of epochs in the file, or None if it cannot be read whole."""
    files = list(folder.glob("training-*.safetensors"))
    if not files:
        return 0
    try:
        return read(files[0], KIND, MAX_HEADER_BYTES)[0]["epochs_done"]
    except Exception:
        return None


def main() -> None:
    """Kill trainings until enough are killed, and let each be resumed."""
    folder, n_kills = Path(sys.argv[1]) / "run", int(sys.argv[2])
    rng = random.Random(0)
    expected = train(None)  # which also does what torch does once in a process
    start = time.perf_counter()
    train(folder)
    seconds = time.perf_counter() - start
    shutil.rmtree(folder)
    names = ("kills", "finished", "torn_files", "lost_epochs", "wrong_results")
    counts = dict.fromkeys((*names, "kills_with_a_file_half_written"), 0)
    result, epochs = Path(sys.argv[1]) / "result", 0
    while counts["kills"] < n_kills:
        child = os.fork()
        if child == 0:
            result.write_text(train(folder))
            os._exit(0)
        time.sleep(rng.uniform(0, seconds))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            counts["kills"] += 1
            torn = list(folder.glob(".*.tmp"))
            counts["kills_with_a_file_half_written"] += len(torn)
            for path in torn:
                path.unlink()
            now = epochs_in(folder)
            counts["torn_files"] += now is None
            counts["lost_epochs"] += now is not None and now < epochs
            epochs = now or 0
        else:
            counts["finished"] += 1
            counts["wrong_results"] += result.read_text() != expected
            shutil.rmtree(folder)
            epochs = 0
    print(json.dumps(counts))


if __name__ == "__main__":
    main()
