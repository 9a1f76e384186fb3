"""What a fitted net predicts: `NetPredictions`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import accuracy_score
from sklearn.utils.validation import check_is_fitted

from sk_digits._ann.digit_net import DigitNet
from sk_digits._ann.rows import read_features, read_labels, read_weights
from sk_digits._validation import filters_lock, naming


def _difference(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """Subtract logits; what would overflow becomes the largest number that there is."""
    limits = np.finfo(a.dtype)
    with np.errstate(over="ignore"):
        return np.clip(a - b, limits.min, limits.max)


class NetPredictions:
    """Mixin of a classifier whose `net_` gives the logits of `classes_`."""

    classes_: NDArray[Any]
    net_: DigitNet

    def decision_function(self, X: ArrayLike) -> NDArray[Any]:
        """Give the logits.

        Parameters
        ----------
        X : {array-like, sparse matrix, torch.Tensor} of shape (n_rows, n_features)
            Features. Sparse data is made dense by the batch.

        Returns
        -------
        ndarray of shape (n_rows, n_classes), or (n_rows,) for two classes or one
            Logits in the order of `classes_`; for two classes that of the second less that of
            the first.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        ValueError
            If `X` is not as described, not finite, or so large that the logits overflow.
        """
        logits = self._logits(X)
        if len(self.classes_) == 2:
            return _difference(logits[:, 1], logits[:, 0])
        return logits[:, 0] if len(self.classes_) == 1 else logits

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Give the most probable label of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix, torch.Tensor} of shape (n_rows, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_rows,)
            Labels, of the type of `classes_`.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        ValueError
            As for :meth:`decision_function`.
        """
        winners = self._logits(X).argmax(axis=1)
        return self.classes_[winners]

    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Give the probability of each class: the softmax of the logits.

        Parameters
        ----------
        X : {array-like, sparse matrix, torch.Tensor} of shape (n_rows, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_rows, n_classes)
            Probabilities in the order of `classes_`.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        ValueError
            As for :meth:`decision_function`.
        """
        logits = self._logits(X)
        odds = np.exp(_difference(logits, logits.max(axis=1, keepdims=True)))
        return odds / odds.sum(axis=1, keepdims=True)

    def predict_log_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Give the logarithm of the probability of each class, finite also where that is 0.

        Parameters
        ----------
        X : {array-like, sparse matrix, torch.Tensor} of shape (n_rows, n_features)
            Features.

        Returns
        -------
        ndarray of shape (n_rows, n_classes)
            Logarithms of probabilities in the order of `classes_`.

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        ValueError
            As for :meth:`decision_function`.
        """
        logits = self._logits(X)
        log_odds = _difference(logits, logits.max(axis=1, keepdims=True))
        return log_odds - np.log(np.exp(log_odds).sum(axis=1, keepdims=True))

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Give the accuracy: the share of rows that are labelled right.

        Parameters
        ----------
        X : {array-like, sparse matrix, torch.Tensor} of shape (n_rows, n_features)
            Features.
        y : array-like of shape (n_rows,)
            Labels.
        sample_weight : array-like of shape (n_rows,) or None, default=None
            Weights of the rows, not negative.

        Returns
        -------
        float
            Accuracy in [0, 1].

        Raises
        ------
        NotFittedError
            Before :meth:`fit`.
        ValueError
            As for :meth:`decision_function`; also if `y` or `sample_weight` is not as described.
        """
        predicted = self.predict(X)
        labels = read_labels(y, len(predicted))
        weight = None if sample_weight is None else read_weights(sample_weight, predicted)
        if weight is not None:
            weight = weight / weight.max()  # else a sum may overflow
        # Labels may be of another kind than those of the training.
        with naming("y"), filters_lock:
            return float(accuracy_score(labels, predicted, sample_weight=weight))

    def _logits(self, X: ArrayLike) -> NDArray[Any]:
        check_is_fitted(self)
        rows = read_features(self, X, reset=False, dtype=self.net_.architecture["dtype"])
        logits = self.net_.logits(rows)
        if not np.isfinite(logits).all():
            raise ValueError(
                f"X is too large for this network: values up to {abs(rows).max():g} overflow. "
                "Scale it as the training data was."
            )
        return logits
