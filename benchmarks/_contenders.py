"""The contenders of bench_speed.py: the same network, batches and epochs in five libraries."""

from __future__ import annotations

import gc
import importlib.util
import itertools
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from _quiet_mlp import QuietMLPClassifier
from numpy.typing import NDArray
from sklearn.neural_network import MLPClassifier
from torch import nn
from torch.nn import functional as F

from sk_digits import DigitANN
from sk_digits.datasets import fetch_mnist

LR = 2e-3
WEIGHT_DECAY = 1e-2
N_FEATURES = 784
N_CLASSES = 10
PREDICT_BATCH = 1024

HAS_KERAS = importlib.util.find_spec("keras") is not None
_CAPABILITIES = torch.cpu.get_capabilities()
HAS_AMX = bool(_CAPABILITIES.get("amx_bf16"))
HAS_BFLOAT16_UNITS = HAS_AMX or bool(_CAPABILITIES.get("avx512_bf16"))


class Shape(NamedTuple):
    """Widths of the hidden layers, and rows in a batch."""

    hidden: tuple[int, ...]
    batch_size: int

    def __str__(self) -> str:
        """Return the shape as tables show it."""
        return f"{self.hidden} batch {self.batch_size}"

    @property
    def layers(self) -> list[tuple[int, int]]:
        """Inputs and outputs of each layer."""
        widths = (N_FEATURES, *self.hidden, N_CLASSES)
        return list(itertools.pairwise(widths))


@dataclass(frozen=True)
class Data:
    """Rows of float32 in [0, 1]: the first 10,000 for training, the last 58,000 for predictions."""

    X: NDArray[np.float32]
    y: NDArray[np.int64]
    source: str


def load_data() -> Data:
    """Load MNIST, or make random rows of its shape."""
    if "SK_DIGITS_DATA" not in os.environ:
        rng = np.random.default_rng(0)
        X = rng.random((70_000, N_FEATURES), dtype=np.float32)
        return Data(X, rng.integers(N_CLASSES, size=len(X)), "random rows")
    parts = [fetch_mnist(subset=subset, return_X_y=True) for subset in ("12k", "rest")]
    X = np.concatenate([pixels for pixels, _ in parts]).astype(np.float32)
    X /= 255
    return Data(X, np.concatenate([labels for _, labels in parts]), "MNIST")


@dataclass(frozen=True)
class Task:
    """What every contender has to do."""

    shape: Shape
    epochs: int
    device: str


def one_cycle(lr: float, n_steps: int) -> Iterator[float]:
    """Yield torch's one-cycle schedule: up from lr / 25 over 30 % of the steps, then down to 0."""
    peak, last = 0.3 * n_steps - 1, n_steps - 1
    for step in range(n_steps):
        if step < peak:
            low, share = lr / 25, 1 - step / peak
        else:
            low, share = lr / 25e4, (step - peak) / (last - peak)
        yield low + (lr - low) * (1 + math.cos(math.pi * share)) / 2


def make_module(hidden: Sequence[int]) -> nn.Sequential:
    """Return the network: relu after each hidden layer, logits at the end."""
    widths = (N_FEATURES, *hidden)
    layers: list[nn.Module] = []
    for n_in, n_out in itertools.pairwise(widths):
        layers += [nn.Linear(n_in, n_out), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Linear(widths[-1], N_CLASSES))


class TorchLoop:
    """The PyTorch loop to beat: it validates and records nothing and has no Python code per sample.

    Data is one tensor and an epoch one permutation. A step is one gather, one forward and backward
    pass and one fused AdamW whose step size is set by hand.
    """

    def __init__(self, task: Task, *, bfloat16: bool) -> None:
        self.task = task
        self.bfloat16 = bfloat16

    def fit(self, X: NDArray[np.float32], y: NDArray[np.int64]) -> TorchLoop:
        """Train from new weights."""
        (hidden, batch_size), device = self.task.shape, self.task.device
        X_all, y_all = torch.from_numpy(X).to(device), torch.from_numpy(y).to(device)
        model = self.model = make_module(hidden).to(device)
        parameters = list(model.parameters())
        optimizer = torch.optim.AdamW(parameters, lr=LR, weight_decay=WEIGHT_DECAY, fused=True)
        (group,) = optimizer.param_groups
        rates = one_cycle(LR, self.task.epochs * math.ceil(len(X) / batch_size))
        for _ in range(self.task.epochs):
            order = torch.randperm(len(X_all), device=device)
            for chosen in order.split(batch_size):
                group["lr"] = next(rates)
                inputs, targets = X_all.index_select(0, chosen), y_all.index_select(0, chosen)
                if self.bfloat16:
                    with torch.autocast(device, torch.bfloat16):
                        logits = model(inputs)
                    logits = logits.float()
                else:
                    logits = model(inputs)
                loss = F.cross_entropy(logits, targets)
                for parameter in parameters:
                    parameter.grad = None
                loss.backward()
                optimizer.step()
        return self

    def predict(self, X: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the class of each row, in batches that fit into the processor's cache."""
        with torch.inference_mode():
            chunks = torch.from_numpy(X).to(self.task.device).split(PREDICT_BATCH)
            return torch.cat([self.model(chunk).argmax(1) for chunk in chunks]).cpu().numpy()


def make_digit_ann(task: Task, precision: str, **params: Any) -> DigitANN:
    """Return a DigitANN with these parameters."""
    return DigitANN(
        hidden_layer_sizes=task.shape.hidden,
        batch_size=task.shape.batch_size,
        max_epochs=task.epochs,
        lr=LR,
        weight_decay=WEIGHT_DECAY,
        precision=precision,
        device=task.device,
        random_state=0,
        **params,
    )


def make_skorch(task: Task) -> Any:
    """Return skorch's classifier with its usual iterators and callbacks."""
    from skorch import NeuralNetClassifier

    return NeuralNetClassifier(
        make_module(task.shape.hidden),
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW,
        optimizer__weight_decay=WEIGHT_DECAY,
        lr=LR,
        batch_size=task.shape.batch_size,
        max_epochs=task.epochs,
        train_split=None,
        verbose=0,
        device=task.device,
    )


def make_mlp_classifier(task: Task) -> MLPClassifier:
    """Return scikit-learn's classifier without early stopping."""
    return QuietMLPClassifier(
        hidden_layer_sizes=task.shape.hidden,
        batch_size=task.shape.batch_size,
        max_iter=task.epochs,
        learning_rate_init=LR,
        tol=0,
        n_iter_no_change=task.epochs + 1,
        random_state=0,
    )


def make_keras(task: Task) -> Any:
    """Return Keras 3 on its torch backend behind its scikit-learn wrapper."""
    os.environ["KERAS_BACKEND"] = "torch"
    os.environ["KERAS_TORCH_DEVICE"] = task.device
    import keras
    from keras.wrappers import SKLearnClassifier

    def model(X: Any, y: Any) -> Any:
        hidden = [keras.layers.Dense(width, activation="relu") for width in task.shape.hidden]
        output = keras.layers.Dense(N_CLASSES, activation="softmax")
        network = keras.Sequential([keras.Input((N_FEATURES,)), *hidden, output])
        network.compile(
            optimizer=keras.optimizers.AdamW(LR, weight_decay=WEIGHT_DECAY),
            loss="categorical_crossentropy",
        )
        network.predict = partial(network.predict, verbose=0)  # else it draws a progress bar
        return network

    fit_kwargs = {"epochs": task.epochs, "batch_size": task.shape.batch_size, "verbose": 0}
    return SKLearnClassifier(model, fit_kwargs=fit_kwargs)


@dataclass(frozen=True)
class Contender:
    """A function that returns an unfitted classifier, and the type of its matrix products."""

    make: Callable[[Task], Any]
    precision: str = "float32"

    def can_run(self) -> bool:
        """Return whether the processor has units for the type; without them bfloat16 is slow."""
        return self.precision != "bfloat16" or HAS_BFLOAT16_UNITS


CONTENDERS = {
    "DigitANN float32": Contender(lambda task: make_digit_ann(task, "float32")),
    "DigitANN bfloat16": Contender(lambda task: make_digit_ann(task, "bfloat16"), "bfloat16"),
    "DigitANN auto": Contender(lambda task: make_digit_ann(task, "auto"), "auto"),
    "torch loop float32": Contender(lambda task: TorchLoop(task, bfloat16=False)),
    "torch loop bfloat16": Contender(lambda task: TorchLoop(task, bfloat16=True), "bfloat16"),
    "skorch": Contender(make_skorch),
    "MLPClassifier": Contender(make_mlp_classifier),
    "Keras": Contender(make_keras),
}


def present_contenders() -> dict[str, Contender]:
    """Return the contenders that can run here."""
    return {
        name: contender
        for name, contender in CONTENDERS.items()
        if contender.can_run() and (name != "Keras" or HAS_KERAS)
    }


def peak_mib(name: str, task: Task, n_rows: int) -> float:
    """Fit in this fresh process and return the rise of its peak of resident memory."""
    rng = np.random.default_rng(0)  # not MNIST: reading files would raise the peak
    X, y = rng.random((n_rows, N_FEATURES), dtype=np.float32), rng.integers(10, size=n_rows)
    tiny = Task(Shape((8,), 128), 1, task.device)
    CONTENDERS[name].make(tiny).fit(X[:256], y[:256])  # late imports and thread pools
    model = CONTENDERS[name].make(task)
    gc.collect()
    # Not getrusage's ru_maxrss: it includes the peak of the process that started this one.
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before = _resident_mib("VmHWM")
    model.fit(X, y)
    return _resident_mib("VmHWM") - before


def _resident_mib(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))
