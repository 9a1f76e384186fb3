"""The skorch net below `DigitANN`: weighted loss, learning rate, early stopping, epoch loop."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback
from skorch.dataset import Dataset
from skorch.utils import TeeGenerator
from torch.nn.functional import cross_entropy

from sk_digits._ann.fit_tasks import FitTasks
from sk_digits._ann.interrupts import defer_ctrl_c
from sk_digits._network.adamw import AdamW, bare_step
from sk_digits._network.batches import Batches, as_tensor
from sk_digits._network.early_stopper import EarlyStopper
from sk_digits._network.gradients import Backpropagation
from sk_digits._network.hyperparameters import Architecture, Training
from sk_digits._network.lr_schedules import learning_rates
from sk_digits._network.mlp import MLP

# Rows in one forward pass without training: activations stay in the processor's cache.
PREDICT_BATCH = 1024


if hasattr(os, "register_at_fork"):
    # OpenMP's threads are not copied by a fork, and a child that waits for them hangs for ever.
    # torch's DataLoader does the same for its workers.
    os.register_at_fork(after_in_child=partial(torch.set_num_threads, 1))


class DigitNet(NeuralNetClassifier):
    """A skorch classifier that trains an `MLP` on tensors in memory.

    `fit_loop` replaces skorch's: no DataLoader, no per-sample Python, one history row an epoch.
    Callbacks see the hooks that skorch documents. Those on batches and gradients are called, and
    paid for, only if a callback has them.

    Parameters
    ----------
    architecture : Architecture
        What defines the network.
    training_params : Training
        What defines its training.
    generator : torch.Generator
        Source of all randomness, on the device of the net.
    callbacks : list or None, default=None
        Callbacks of skorch.
    verbose : int, default=0
        Whether to print a line an epoch.
    draws_weights : bool, default=True
        Whether to draw initial weights; without them, others must be loaded.
    """

    def __init__(
        self,
        architecture: Architecture,
        training_params: Training,
        generator: torch.Generator,
        *,
        callbacks: list[Any] | None = None,
        verbose: int = 0,
        draws_weights: bool = True,
    ) -> None:
        super().__init__(
            MLP,
            module__architecture=architecture,
            module__generator=generator,
            module__draws_weights=draws_weights,
            criterion=torch.nn.CrossEntropyLoss,
            criterion__label_smoothing=training_params.label_smoothing,
            optimizer=AdamW,
            optimizer__weight_decay=training_params.weight_decay,
            optimizer__fused=True,
            lr=training_params.lr,
            batch_size=training_params.batch_size,
            max_epochs=training_params.max_epochs,
            # A DataLoader, which callbacks may start, would draw from torch's global generator.
            iterator_valid__generator=torch.Generator(),
            train_split=None,
            classes=np.arange(architecture.n_outputs),
            callbacks=callbacks,
            device=str(generator.device),
            verbose=verbose,
        )
        self.architecture = architecture
        self.training_params = training_params
        self.generator = generator
        self.draws_weights = draws_weights
        self.epochs_done = 0
        self.fit_params: dict[str, Any] = {}  # of the training that runs, for callbacks to see

    @property
    def _default_callbacks(self) -> list[Any]:
        return []  # skorch's own record each batch and print a table; fit_loop does their work

    def partial_fit(
        self, X: Any, y: Any = None, classes: Any = None, **fit_params: Any
    ) -> DigitNet:
        """Train on from the present weights. Unlike in skorch's own method, Ctrl-C raises."""
        if not self.initialized_:
            self.initialize()
        self.epochs_done = 0  # a callback that resumes a training sets it
        self.fit_params = fit_params
        try:
            self.notify("on_train_begin", X=X, y=y)
            self.fit_loop(X, y, **fit_params)
            self.notify("on_train_end", X=X, y=y)
        finally:
            self.fit_params = {}  # it holds rows
        return self

    def fit_loop(
        self,
        X: torch.Tensor,
        y: torch.Tensor,
        epochs: int | None = None,
        *,
        sample_weight: torch.Tensor | None = None,
        validation: Batches | None = None,
        stopper: EarlyStopper | None = None,
        tasks: FitTasks | None = None,
        **fit_params: Any,
    ) -> DigitNet:
        """Train for some epochs, by default `max_epochs`.

        `X` and `y` (class indices) are on the device of the net. `sample_weight` has floats of mean
        1, or int64 numbers of copies. After each epoch `stopper` judges the score on `validation`.
        `fit_params` is ignored: skorch's own entry points may pass some.
        """
        epochs = self.max_epochs if epochs is None else epochs
        batches = Batches(X, y, sample_weight, batch_size=self.batch_size, generator=self.generator)
        datasets = {
            "dataset_train": Dataset(X, y),
            "dataset_valid": None if validation is None else Dataset(validation.X, validation.y),
        }
        product_dtype = torch.bfloat16 if self.training_params.bfloat16 else X.dtype
        backpropagate = Backpropagation(self.module_, product_dtype)
        n_steps, first = (n * len(batches) for n in (epochs, self.epochs_done))
        rates = learning_rates(self.training_params.lr_schedule, self.lr, n_steps, first)
        while self.epochs_done < epochs and not (stopper is not None and stopper.is_over):
            if tasks is not None:
                tasks.begin_epoch(self.epochs_done)
            start = time.perf_counter()
            remaining = 1 - self.epochs_done / epochs
            self.criterion_.label_smoothing = self.training_params.label_smoothing * remaining
            self.notify("on_epoch_begin", **datasets)
            self._train_epoch(batches, backpropagate, rates)
            if validation is not None:
                self._validate_epoch(validation)
            self.history.record("dur", time.perf_counter() - start)
            if self.verbose:
                print(_epoch_line(self.history[-1], self.max_epochs))
            row = self.history[-1]
            if stopper is not None:
                stopper.judge(row["valid_acc"], row["valid_loss"], self.module_)
            self.epochs_done += 1
            stops = self._asks_to_stop(datasets)
            if tasks is not None:
                stops |= tasks.end_epoch()
            if stops:
                break
        if stopper is not None:
            stopper.restore(self.module_)
        self.optimizer_.zero_grad()  # frees the gradients
        self._check_finite()
        return self

    def _train_epoch(
        self, batches: Batches, backpropagate: Backpropagation, rates: Iterator[float]
    ) -> None:
        module, optimizer = self.module_, self.optimizer_
        smoothing = self.criterion_.label_smoothing
        has_hooks = self._has_batch_hooks()
        # With a constant schedule a callback may steer the learning rate.
        follows_schedule = self.training_params.lr_schedule != "constant"
        step: Callable[[float], None] | None = None
        loss_sum = torch.zeros((), dtype=batches.X.dtype, device=batches.X.device)
        module.train()
        for (X, y, weight), rate in zip(batches, rates, strict=False):
            if follows_schedule:
                for group in optimizer.param_groups:
                    group["lr"] = rate
            if has_hooks:
                self.notify("on_batch_begin", batch=(X, y), training=True)
                module.train()
            if self.training_params.augmentation is not None:
                X = self._augment(X)
            loss, logits = backpropagate(X, y, weight, smoothing)
            if has_hooks:
                self.notify(
                    "on_grad_computed",
                    named_parameters=TeeGenerator(self.get_all_learnable_params()),
                    batch=(X, y),
                    training=True,
                )
            if step is not None:
                step(rate)
            else:
                optimizer.step()
                if not self.callbacks_:  # else one may steer or watch the optimizer
                    step = bare_step(optimizer)
            loss_sum.add_(loss, alpha=len(X))
            if has_hooks:
                self._end_batch("train", X, y, logits, loss)
        module.eval()
        train_loss = loss_sum.item() / batches.n_rows
        if not math.isfinite(train_loss):
            raise self._divergence(f"the mean loss of epoch {len(self.history)} is {train_loss}")
        self.history.record("train_loss", train_loss)
        self.history.record("lr", optimizer.param_groups[0]["lr"])

    def _check_finite(self) -> None:
        """Raise ValueError if weights, or moments of their gradients, are not finite."""
        moments = [t for state in self.optimizer_.state.values() for t in state.values()]
        for tensor in [*self.module_.state_dict().values(), *moments]:
            # A NaN comes through as both: a tenth of the time of isfinite() on each value.
            if not all(bound.isfinite() for bound in tensor.aminmax()):
                raise self._divergence("weights or gradients overflow")

    def _divergence(self, symptom: str) -> ValueError:
        return ValueError(
            f"Training diverged: {symptom}. Scale X to [0, 1] (PixelScaler does) or lower "
            f"lr={self.lr!r}."
        )

    def _augment(self, X: torch.Tensor) -> torch.Tensor:
        warp, image_shape = self.training_params.augmentation, self.training_params.image_shape
        assert warp is not None
        assert image_shape is not None
        return warp(X.view(-1, *image_shape), self.generator).flatten(1)

    @torch.no_grad()
    def _validate_epoch(self, batches: Batches) -> None:
        has_hooks = self._has_batch_hooks()
        loss_sum = correct = total = 0.0
        for X, y, weight in batches:
            if has_hooks:
                self.notify("on_batch_begin", batch=(X, y), training=False)
                self.module_.eval()
            logits = self.module_(X)
            loss = self.get_loss(logits, y, training=False, sample_weight=weight)
            w = torch.ones_like(y, dtype=X.dtype) if weight is None else weight
            loss_sum += loss.item() * len(X)
            correct += w[logits.argmax(1) == y].sum().item()
            total += w.sum().item()
            if has_hooks:
                self._end_batch("valid", X, y, logits, loss)
        self.history.record("valid_loss", loss_sum / batches.n_rows)
        self.history.record("valid_acc", correct / total)

    def _end_batch(
        self, kind: str, X: torch.Tensor, y: torch.Tensor, logits: torch.Tensor, loss: torch.Tensor
    ) -> None:
        self.history.record_batch(f"{kind}_loss", loss.item())
        self.history.record_batch(f"{kind}_batch_size", len(X))
        self.notify(
            "on_batch_end", batch=(X, y), training=kind == "train", loss=loss, y_pred=logits
        )

    def get_loss(
        self,
        y_pred: torch.Tensor,
        y_true: torch.Tensor,
        X: Any = None,
        training: bool = False,
        sample_weight: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the mean over a batch of cross-entropy times `sample_weight`.

        The weights have mean 1 over all training rows, not over each batch: a batch of rows with
        small weights has a small loss. Labels are smoothed in training alone, so that losses on
        validation rows can be compared from epoch to epoch.
        """
        smoothing = self.criterion_.label_smoothing if training else 0.0
        if sample_weight is None:
            return cross_entropy(y_pred, y_true, label_smoothing=smoothing)
        losses = cross_entropy(y_pred, y_true, reduction="none", label_smoothing=smoothing)
        return (losses * sample_weight).mean()

    def logits(self, X: Any) -> NDArray[Any]:
        """Return the logits of rows, dense or CSR, of the net's own dtype; safe in any thread."""
        chunks = []
        with torch.inference_mode():
            for start in range(0, X.shape[0], PREDICT_BATCH):
                chunk = X[start : start + PREDICT_BATCH]
                chunk = chunk.toarray() if sp.issparse(chunk) else chunk
                chunks.append(self.module_(as_tensor(chunk, self.device)).cpu().numpy())
        return chunks[0] if len(chunks) == 1 else np.concatenate(chunks)

    def _has_batch_hooks(self) -> bool:
        return any(
            getattr(type(callback), hook) is not getattr(Callback, hook)
            for _, callback in self.callbacks_
            for hook in ("on_batch_begin", "on_batch_end", "on_grad_computed")
        )

    def _asks_to_stop(self, datasets: dict[str, Any]) -> bool:
        """Notify callbacks of the epoch's end; return whether one of them ends the training."""
        with defer_ctrl_c():
            try:
                self.notify("on_epoch_end", **datasets)
            except KeyboardInterrupt:
                return True
        return False


def _epoch_line(row: dict[str, Any], max_epochs: int) -> str:
    parts = [f"epoch {row['epoch']:>{len(str(max_epochs))}}", f"loss {row['train_loss']:.4f}"]
    if "valid_acc" in row:
        parts.append(f"validation accuracy {row['valid_acc']:.4f}")
    return "  ".join([*parts, f"{row['dur']:.2f} s"])
