"""A training that outlives its process: `TrainingCheckpoint`."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import torch
from skorch.callbacks import Callback

from sk_digits._ann.digit_net import DigitNet
from sk_digits._ann.net_state import (
    check_history,
    load_arrays,
    name_arrays,
    net_to_arrays,
    take_arrays,
    take_weights,
)
from sk_digits._atomic_write import write_atomically
from sk_digits._network.early_stopper import EarlyStopper
from sk_digits._plain_values import from_plain, to_plain
from sk_digits._tensor_file import pack, read

KIND = "sk_digits.checkpoint"
MAX_HEADER_BYTES = 2**26  # of a history of half a million epochs
TORN_AFTER = 600  # seconds; a file that is still being written is younger


class TrainingCheckpoint(Callback):
    """Callback that saves a training after each epoch, and resumes one that was interrupted.

    Pass it to a classifier and call `fit`. After a crash, call `fit` again with the same data and
    parameters: the training continues after the last epoch that was saved. Weights, history and
    predictions are then bit-identical to those of an uninterrupted training with the same number
    of threads. A training that had already ended returns its result at once.

    Each training has its own file in the folder, three times as large as its weights (four times
    with early stopping). The file is named after a hash of everything that the training depends
    on: rows, labels, weights, parameters and initial state. So one folder serves a whole search,
    and a changed parameter starts a new training. `random_state` must be an int, since otherwise
    no two trainings are the same. Files are not deleted; do that yourself.

    To keep a model use :func:`save_model` instead. Other callbacks start anew in a resumed
    training.

    Parameters
    ----------
    dirname : str or path-like
        Folder for the files; it is created if it does not exist.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from sk_digits import DigitANN, TrainingCheckpoint
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> with TemporaryDirectory() as folder:
    ...     callbacks = [TrainingCheckpoint(folder)]
    ...     ann = DigitANN((32,), max_epochs=3, callbacks=callbacks, random_state=0)
    ...     first = ann.fit(X / 16, y).decision_function(X / 16)
    ...     again = ann.fit(X / 16, y).decision_function(X / 16)  # read from the file
    >>> bool((first == again).all())
    True
    """

    def __init__(self, dirname: str | os.PathLike[str]) -> None:
        self.dirname = dirname

    def on_train_begin(self, net: DigitNet, X: Any = None, y: Any = None, **kwargs: Any) -> None:
        """Resume the training from its file, if there is one.

        Parameters
        ----------
        net : skorch.NeuralNet
            Net of the :class:`~sk_digits.DigitANN` that is fitted.
        X : torch.Tensor of shape (n_rows, n_features)
            Training rows.
        y : torch.Tensor of shape (n_rows,)
            Class indices.
        **kwargs : dict
            Not used.

        Raises
        ------
        ValueError
            If the file is damaged or is not of this training. The message names the file.
        OSError
            If the folder cannot be created or the file cannot be read.
        """
        folder = Path(self.dirname)
        folder.mkdir(parents=True, exist_ok=True)
        self.stopper_ = net.fit_params["stopper"]
        validation = net.fit_params["validation"]
        rows = [X, y, net.fit_params["sample_weight"]]
        if validation is not None:
            rows += [validation.X, validation.y, validation.sample_weight, validation.copies]
        rows = [tensor for tensor in rows if tensor is not None]
        self.path_ = folder / f"training-{_fingerprint(net, rows, self.stopper_)}.safetensors"
        for torn in folder.glob(f".{self.path_.name}.*.tmp"):
            with contextlib.suppress(FileNotFoundError):
                # A process was killed while writing it, unless another one is writing it now.
                if time.time() - torn.stat().st_mtime > TORN_AFTER:
                    torn.unlink()
        if self.path_.exists():
            self._resume(net)

    def on_epoch_end(self, net: DigitNet, **kwargs: Any) -> None:
        """Save the training.

        Parameters
        ----------
        net : skorch.NeuralNet
            Net of the :class:`~sk_digits.DigitANN` that is fitted.
        **kwargs : dict
            Not used.

        Raises
        ------
        OSError
            If the file cannot be written, for example because the disk is full. The file of the
            previous epoch is then as it was.
        """
        state = net_to_arrays(net)
        arrays, numbers = name_arrays(state), None
        if self.stopper_ is not None:
            numbers, best = self.stopper_.get_state()
            arrays |= {f"best/{name}": tensor.cpu().numpy() for name, tensor in best.items()}
        # Other callbacks may have recorded numbers of torch.
        history = json.loads(json.dumps(state["history"], default=float))
        document = {
            "epochs_done": net.epochs_done,
            "history": to_plain(history),
            "stopper": to_plain(numbers),
        }
        write_atomically(self.path_, pack(KIND, document, arrays))

    def _resume(self, net: DigitNet) -> None:
        numbers, best = None, {}
        try:
            document, arrays = read(self.path_, KIND, MAX_HEADER_BYTES)
            state = take_arrays(arrays, "", net.architecture)
            if not state["optimizer"]:
                raise ValueError("there is no state of the optimizer")
            state["history"] = from_plain(document["history"])
            check_history(state["history"])
            json.dumps(state["history"])  # it has no arrays
            epochs_done = len(state["history"]) - len(net.history)
            if document["epochs_done"] != epochs_done:
                raise ValueError("its history has other epochs")
            if self.stopper_ is not None:
                best = take_weights(arrays, "best/", net.architecture)
                numbers = from_plain(document["stopper"])
                _check_numbers(numbers, set(self.stopper_.get_state()[0]))
            if arrays:
                raise ValueError(f"there is an array {min(arrays)!r}")
        except FileNotFoundError:  # a process with the same training has ended, and deleted it
            return
        except (OSError, MemoryError):
            raise
        # Damage causes many types of errors.
        except Exception as error:
            raise ValueError(
                f"{os.fspath(self.path_)!r} is damaged ({str(error)[:500]}). Delete it to start "
                "anew."
            ) from error
        load_arrays(net, state)
        if self.stopper_ is not None:
            self.stopper_.set_state(numbers, {k: torch.tensor(v) for k, v in best.items()})
        net.epochs_done = epochs_done


def _check_numbers(numbers: Any, names: set[str]) -> None:
    if not isinstance(numbers, dict) or set(numbers) != names:
        raise ValueError(f"the state of early stopping has other parts than {sorted(names)}")
    if not all(isinstance(number, Real) for number in numbers.values()):
        raise ValueError("the state of early stopping has values that are no numbers")


def _fingerprint(net: DigitNet, rows: list[torch.Tensor], stopper: EarlyStopper | None) -> str:
    """Return a hash of everything that the result of a training depends on."""
    arrays = net_to_arrays(net)
    plain = {
        "torch": str(torch.__version__),
        "architecture": arrays["architecture"],
        "training_params": arrays["training_params"],
        "epochs": net.fit_params["epochs"],
        "stopper": None if stopper is None else stopper.get_state()[0],
    }
    text = json.dumps(plain, sort_keys=True, default=lambda number: number.item())
    digest = hashlib.sha256(text.encode())
    state = [*arrays["weights"].values(), arrays["generator"]]
    state += [array for moments in arrays["optimizer"].values() for array in moments.values()]
    for array in [*state, *(t.cpu().numpy() for t in rows)]:
        digest.update(f"{array.shape} {array.dtype}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:32]
