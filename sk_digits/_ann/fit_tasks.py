"""scikit-learn's callbacks during a training: `FitTasks`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sk_digits._ann.rows import Rows


class FitTasks:
    """Notifier of scikit-learn's callbacks at the beginning and end of a fit and of its epochs.

    The fit is a task whose subtasks are its epochs, numbered from 0. Callbacks see `rows` as they
    were passed to the fit. `fitted_attributes` returns the attributes that the estimator would have
    if the fit ended now; it is called only if a callback asks for the fitted estimator.
    """

    def __init__(
        self,
        estimator: Any,
        rows: Rows,
        epochs: int,
        fitted_attributes: Callable[[], dict[str, Any]],
    ) -> None:
        metadata = None if rows.weight is None else {"sample_weight": rows.weight}
        self._about = {"estimator": estimator, "X": rows.X, "y": rows.y, "metadata": metadata}
        self._fitted_attributes = fitted_attributes
        self._n_begun = 0
        self._fit = estimator._init_callback_context(max_subtasks=epochs)
        self._fit.call_on_fit_task_begin(**self._about)

    def begin_epoch(self, epoch: int) -> None:
        """Notify that an epoch begins, after those that an interrupted process had trained."""
        while self._n_begun < epoch:
            self._begin_next()
            self._epoch.call_on_fit_task_end(**self._about)
        self._begin_next()

    def end_epoch(self) -> bool:
        """Notify that the epoch has ended; return whether a callback asks to end the fit."""
        return self._end(self._epoch)

    def end(self) -> None:
        """Notify that the fit has ended."""
        self._end(self._fit)

    def _begin_next(self) -> None:
        self._epoch = self._fit.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(**self._about)
        self._n_begun += 1

    def _end(self, context: Any) -> bool:
        return context.call_on_fit_task_end(
            **self._about, reconstruction_attributes=self._fitted_attributes
        )
