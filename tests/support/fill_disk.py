"""Fill a disk under a save, a training and a command; print what became of them as JSON.

python tests/support/fill_disk.py FOLDER disk|limit

With "disk" the folder's disk is filled up, so it should be a small one; with "limit" the system
lets this process write no more than a few bytes into any file.
"""

import json
import resource
import sys
from pathlib import Path

from skorch.callbacks import Callback
from typer.testing import CliRunner

from sk_digits import DigitANN, TrainingCheckpoint, load_model, save_model
from sk_digits._cli import app
from sk_digits.datasets import load_digits_28

folder, mode = Path(sys.argv[1]), sys.argv[2]
ballast = folder / "ballast"
_, hard_limit = resource.getrlimit(resource.RLIMIT_FSIZE)


def fill():
    """Fill the disk, or limit the length of files."""
    if mode == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard_limit))
        return
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass


def free():
    """Undo `fill`."""
    if mode == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard_limit, hard_limit))
    ballast.unlink(missing_ok=True)


class FillAfterTwoEpochs(Callback):
    """Fills the disk while a training runs."""

    def on_epoch_end(self, net, **kwargs):
        """Fill the disk after the second epoch was saved."""
        if net.epochs_done == 2:
            fill()


def files():
    """Return the paths of all files in the folder."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def told(function, *arguments):
    """Return the number and the message of the OSError that a call ends in."""
    try:
        function(*arguments)
    except OSError as error:
        return {"errno": error.errno, "message": str(error)}
    return None


X, y = load_digits_28(return_X_y=True)
X, y = X[:200] / 255, y[:200]
params = {"hidden_layer_sizes": (8,), "max_epochs": 4, "random_state": 0}
path = folder / "model.safetensors"
ann = DigitANN(**params).fit(X, y)
save_model(ann, path)
expected = ann.predict_proba(X)
before = files()
fill()
report = {"save_model": told(save_model, DigitANN(**params).fit(X, 9 - y), path)}
options = ["train", "--data", "digits", "--epochs", "1", "--hidden", "8", "--quiet"]
result = CliRunner().invoke(app, [*options, "--out", str(path)])
report["train"] = {"exit_code": result.exit_code, "message": result.stderr}
free()
report["model_is_as_it_was"] = bool((load_model(path).predict_proba(X) == expected).all())
report["files_are_as_they_were"] = files() == before

checkpoint = TrainingCheckpoint(folder / "checkpoint")
interrupted = DigitANN(**params, callbacks=[checkpoint, FillAfterTwoEpochs()])
report["checkpoint"] = told(interrupted.fit, X, y)
report["is_unfitted"] = not hasattr(interrupted, "net_")
free()
report["checkpoint_files"] = [name for name in files() if name not in before]
resumed = DigitANN(**params, callbacks=[checkpoint]).fit(X, y)
report["resumes_to_the_same_bits"] = bool((resumed.predict_proba(X) == expected).all())
print(json.dumps(report))
