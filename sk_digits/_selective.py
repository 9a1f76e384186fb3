"""`SelectiveClassifier`: a classifier that answers only where it keeps a stated risk."""

from __future__ import annotations

from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from scipy.stats import beta
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.calibration import _convert_to_logits, _TemperatureScaling
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import check_cv, cross_val_predict
from sklearn.utils import Tags, check_array, get_tags
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    _routing_enabled,
    process_routing,
)
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
)

from sk_digits._all_or_nothing import AtomicParams, all_or_nothing


class SelectiveClassifier(MetaEstimatorMixin, AtomicParams, ClassifierMixin, BaseEstimator):
    """Classifier that answers only where its errors are rare enough, and rejects the rest.

    It fits a classifier and calibrates it on rows that it was not fitted on: a temperature, by
    which its probabilities become as large as they should be, and a threshold of its confidence.
    Among new rows like those, the share of errors in what it answers, the *selective risk*, is at
    most `max_risk`, with probability `confidence` over the choice of the calibration rows. The
    threshold is the lowest one that keeps this promise, so that it answers as often as it can.

    The promise is for rows from where the calibration rows came from. It says nothing about other
    hands, other pens, or pictures of something else.

    Parameters
    ----------
    estimator : classifier
        Any classifier with `decision_function` or `predict_proba`, or a pipeline that ends in one.
    max_risk : float, default=0.001
        Largest share of errors among the answers, above 0 and up to 1.
    confidence : float, default=0.95
        Probability with which `max_risk` is kept, above 0 and below 1.
    method : {"max_probability", "margin"}, default="max_probability"
        What is taken for the confidence of an answer: the largest probability, or by how much it
        is larger than the second largest.
    cv : int, cross-validation generator, iterable or "prefit", default=5
        How the calibration rows are held out. Each row is predicted by a clone that was fitted on
        the other folds; then `estimator` is fitted on all rows. The promise is about the clones,
        which have fewer rows to learn from. "prefit", or an `estimator` that is a
        :class:`~sklearn.frozen.FrozenEstimator`, takes it as it is fitted: all rows calibrate it,
        it must not have seen them, and the promise is exact.
    background_label : object, default=None
        Label of rows that belong to none of the classes, the *background class* of [3]_, such as
        pictures of something else than a digit. `estimator` learns it as it learns a class, but it
        is no answer: the more probable it is, the less any answer is. None means no such rows.
    reject_label : object, default=None
        What `predict` returns for a row that is rejected. None is `background_label` or, without
        one, "?" if labels are strings, else -1, or one less than the smallest label if that is
        negative.

    Attributes
    ----------
    estimator_ : classifier
        The fitted classifier.
    classes_ : ndarray of shape (n_classes,)
        The labels, without `reject_label_` and `background_label`.
    reject_label_ : object
        What `predict` returns for a row that is rejected.
    temperature_ : float
        What the logits are divided by. Above 1, the probabilities of the classifier were too high.
    threshold_ : float
        Lowest confidence of a row that is answered; 0 if all are.
    coverage_ : float
        Share of the calibration rows that are answered.
    risk_bound_ : float
        Upper bound of the selective risk at this threshold, with probability `confidence`.
    calibration_curve_ : ndarray of shape (n_scores, 3)
        The confidences of the calibration rows from the highest to the lowest, with the number of
        rows that have at least this confidence, and the number of errors among these.
    n_features_in_ : int
        Number of features, if `estimator_` knows it.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, if `estimator_` knows them.

    See Also
    --------
    sklearn.calibration.CalibratedClassifierCV : Calibrates probabilities only.

    Notes
    -----
    Thresholds are tested from the highest to the lowest, each by the exact binomial tail, until one
    fails: the last that passed is taken. The first lets through a quarter of the rows, or as many
    as are needed to prove anything. Whatever the number of thresholds, this is wrong with a
    probability of at most ``1 - confidence``, since the order of the tests does not depend on the
    labels: fixed sequence testing [1]_. With no error at all, ``log(1 - confidence) / log(1 -
    max_risk)`` rows are needed: 2,995 by default.

    If there is a `background_label`, calibration rows may have it, too: to answer one is an error.

    A `sample_weight` counts a row as so many rows. Coverage and selective risk are terms of [2]_.

    References
    ----------
    .. [1] A. N. Angelopoulos, S. Bates, E. J. Candès, M. I. Jordan and L. Lei. "Learn then Test:
       Calibrating predictive algorithms to achieve risk control". Annals of Applied Statistics
       19(2), 2025.
    .. [2] Y. Geifman and R. El-Yaniv. "Selective Classification for Deep Neural Networks".
       Advances in Neural Information Processing Systems 30, 2017.
    .. [3] A. R. Dhamija, M. Günther and T. E. Boult. "Reducing Network Agnostophobia". Advances in
       Neural Information Processing Systems 31, 2018.

    Examples
    --------
    >>> from sk_digits import SelectiveClassifier
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> X, y = load_digits(return_X_y=True)
    >>> model = SelectiveClassifier(LogisticRegression(max_iter=500), max_risk=0.02)
    >>> model.fit(X[:1400] / 16, y[:1400])
    SelectiveClassifier(estimator=LogisticRegression(max_iter=500), max_risk=0.02)
    >>> answered = model.accepts(X[1400:] / 16)
    >>> float(answered.mean())
    0.84...
    >>> float((model.predict(X[1400:] / 16) == y[1400:])[answered].mean())
    0.98...
    """

    _parameter_constraints = {  # noqa: RUF012 - scikit-learn's convention
        "estimator": [HasMethods(["fit"])],
        "max_risk": [Interval(Real, 0, 1, closed="right")],
        "confidence": [Interval(Real, 0, 1, closed="neither")],
        "method": [StrOptions({"max_probability", "margin"})],
        "cv": ["cv_object", StrOptions({"prefit"})],
        "background_label": "no_validation",
        "reject_label": "no_validation",
    }

    def __init__(
        self,
        estimator: Any,
        *,
        max_risk: float = 0.001,
        confidence: float = 0.95,
        method: str = "max_probability",
        cv: Any = 5,
        background_label: Any = None,
        reject_label: Any = None,
    ) -> None:
        self.estimator = estimator
        self.max_risk = max_risk
        self.confidence = confidence
        self.method = method
        self.cv = cv
        self.background_label = background_label
        self.reject_label = reject_label

    def fit(self, X: Any, y: ArrayLike, sample_weight: Any = None, **fit_params: Any) -> Self:
        """Fit the classifier, its temperature and its threshold.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows as `estimator` takes them.
        y : array-like of shape (n_samples,)
            Labels.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weights of the rows, also for the fit of `estimator`, which must take them.
        **fit_params : dict
            More parameters for the `fit` of `estimator`, and of `cv`, if metadata routing is
            enabled, to whom they are routed.

        Returns
        -------
        SelectiveClassifier
            The classifier itself.

        Raises
        ------
        ValueError
            If no threshold keeps `max_risk`. The message says which risk can be kept.
        """
        self._validate_params()
        if y is None:
            raise ValueError(
                "SelectiveClassifier requires y to be passed, but the target y is None"
            )
        check_consistent_length(X, y)
        labels: NDArray[Any] = check_array(y, ensure_2d=False, dtype=None, input_name="y")
        labels = column_or_1d(labels, warn=True)
        check_classification_targets(labels)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
        with all_or_nothing(self) as fitted:
            fitted._fit(X, labels, sample_weight, fit_params)
        return self

    def _fit(
        self, X: Any, y: NDArray[Any], sample_weight: NDArray[Any] | None, fit_params: Any
    ) -> None:
        routed = self._route(sample_weight, fit_params)
        if self.cv == "prefit" or isinstance(self.estimator, FrozenEstimator):
            check_is_fitted(self.estimator)
            fitted = self.estimator
            logits = _logits(fitted, X)
        else:
            cv = check_cv(self.cv, y, classifier=True)
            folds = list(cv.split(X, y, **routed["split"]))
            logits = cross_val_predict(
                self.estimator, X, y, cv=folds, method=_method(self.estimator), params=routed["fit"]
            )
            fitted = clone(self.estimator).fit(X, y, **routed["fit"])
        self._set_estimator(fitted)
        columns, known = self._columns(), fitted.classes_
        index = np.searchsorted(known, y).clip(max=len(known) - 1)
        if not np.array_equal(known[index], y):
            unknown = np.setdiff1d(y, known)
            raise ValueError(
                f"y has classes that the fitted estimator does not know: {unknown.tolist()[:10]}. "
                "Leave their rows out."
            )
        logits = _convert_to_logits(logits)
        is_known = np.isin(index, columns)
        if not is_known.any():
            raise ValueError(f"All rows of y have the background_label {self.background_label!r}.")
        self.temperature_ = 1.0
        if len(columns) > 1:
            weight = None if sample_weight is None else sample_weight[is_known]
            place = np.searchsorted(columns, index[is_known])
            scaling = _TemperatureScaling().fit(logits[is_known][:, columns], place, weight)
            self.temperature_ = float(1 / scaling.beta_)
        joint = self._calibrate(logits)
        is_error = columns[joint.argmax(axis=1)] != index
        self.calibration_curve_ = _cumulate(self._measure(joint), is_error, sample_weight)
        self.set_max_risk(self.max_risk)

    def _route(self, sample_weight: Any, fit_params: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """Return the parameters of the estimator's `fit` and of the splitter's `split`."""
        if _routing_enabled():
            routed = process_routing(self, "fit", sample_weight=sample_weight, **fit_params)
            return {"fit": routed.estimator.fit, "split": routed.splitter.split}
        if sample_weight is not None:
            fit_params = {**fit_params, "sample_weight": sample_weight}
        return {"fit": fit_params, "split": {}}

    def _set_estimator(self, fitted: Any) -> None:
        """Set the fitted classifier, what it knows of its input, and the label of rejected rows."""
        self.estimator_ = fitted
        if self.background_label is not None and self.background_label not in fitted.classes_:
            raise ValueError(
                f"background_label={self.background_label!r} is none of the labels that the "
                f"estimator was fitted on, {fitted.classes_.tolist()[:20]}. Give it rows of the "
                "background, or set background_label=None."
            )
        self.classes_ = fitted.classes_[self._columns()]
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self, name):
                delattr(self, name)
            if hasattr(fitted, name):
                setattr(self, name, getattr(fitted, name))
        label = self.reject_label
        if label is None:
            label = self.background_label
        if label is None:
            is_text = isinstance(self.classes_[0], str)
            label = "?" if is_text else min(-1, int(self.classes_[0]) - 1)
        if label in self.classes_.tolist():
            raise ValueError(
                f"reject_label={label!r} is one of the classes, {self.classes_.tolist()[:20]}. "
                "Give another one."
            )
        self.reject_label_ = label

    def set_max_risk(self, max_risk: float) -> Self:
        """Choose the threshold for another risk, on the rows that calibrated the classifier.

        Nothing is fitted again. The promise is for a risk that was not chosen by its coverage.

        Parameters
        ----------
        max_risk : float
            Largest share of errors among the answers, above 0 and up to 1. With 1, all rows are
            answered.

        Returns
        -------
        SelectiveClassifier
            The classifier itself, with other `max_risk`, `threshold_`, `coverage_` and
            `risk_bound_`.

        Raises
        ------
        ValueError
            If no threshold keeps `max_risk`. The message says which risk can be kept. Nothing is
            changed then.
        """
        check_is_fitted(self, "calibration_curve_")
        validate_parameter_constraints(
            {"max_risk": self._parameter_constraints["max_risk"]},
            {"max_risk": max_risk},
            type(self).__name__,
        )
        score, n_rows, n_errors = self.calibration_curve_.T
        bounds = _risk_bound(n_errors, n_rows, self.confidence)
        enough = _risk_bound(0, n_rows, self.confidence) <= max_risk
        enough &= n_rows >= n_rows[-1] / 4
        passed = bounds <= max_risk
        first = int(np.argmax(enough))
        if not (enough.any() and passed[first]):
            best = int(np.argmin(bounds))
            raise ValueError(
                f"max_risk={max_risk:g} cannot be kept with confidence={self.confidence:g}: "
                f"of {n_rows[-1]:g} calibration rows, {n_errors[-1]:g} are errors. At best, a risk "
                f"of {bounds[best]:.2g} can, in {n_rows[best] / n_rows[-1]:.0%} of the rows. Raise "
                "max_risk, lower confidence, or give more rows."
            )
        failed = np.flatnonzero(~passed[first:])
        last = first + (failed[0] if len(failed) else len(passed) - first) - 1
        is_all = last == len(score) - 1
        self.max_risk = max_risk
        self.threshold_ = 0.0 if is_all else float(score[last])
        self.coverage_ = float(n_rows[last] / n_rows[-1])
        self.risk_bound_ = float(bounds[last])
        return self

    def _columns(self) -> NDArray[np.intp]:
        """Return the columns of `classes_` among those of the estimator."""
        classes = self.estimator_.classes_
        if self.background_label is None:
            return np.arange(len(classes))
        return np.flatnonzero(classes != self.background_label)

    @property
    def _logit_scale(self) -> float:
        """What the logits of each class, also of two, are multiplied by before the softmax.

        scikit-learn makes the logits of two classes minus and plus their difference: twice as far
        apart.
        """
        return (2 if len(self.estimator_.classes_) == 2 else 1) / self.temperature_

    def _measure(self, joint: NDArray[Any]) -> NDArray[Any]:
        """Return the confidence of each row, given what `_calibrate` returns."""
        if self.method == "max_probability" or joint.shape[1] == 1:
            return joint.max(axis=1)
        second, first = np.partition(joint, -2, axis=1)[:, -2:].T
        return first - second

    def _calibrate(self, logits: NDArray[Any]) -> NDArray[Any]:
        """Return the calibrated probabilities of the classes; the rest is the background's."""
        if len(self.estimator_.classes_) == 1:
            return np.ones((len(logits), 1))
        joint = softmax(_convert_to_logits(logits) / self.temperature_, axis=1)
        return joint if self.background_label is None else joint[:, self._columns()]

    def _predict_joint(self, X: Any) -> NDArray[Any]:
        check_is_fitted(self)
        return self._calibrate(_logits(self.estimator_, X))

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Return the calibrated probabilities of all classes, also of rows that are rejected.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Probabilities, in the order of `classes_`. If there is a `background_label`, they are
            those of a row of which it is known that it is of one of the classes.
        """
        check_is_fitted(self)
        logits = _logits(self.estimator_, X)
        if self.background_label is None:
            return self._calibrate(logits)
        of_classes = _convert_to_logits(logits)[:, self._columns()]
        return softmax(of_classes / self.temperature_, axis=1)

    def score_samples(self, X: Any) -> NDArray[Any]:
        """Return the confidence of each row: what is compared with the threshold.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,)
            From 0 to 1. With ``method="max_probability"``, it is the probability that the answer is
            right, which includes that the row is not of the background.
        """
        return self._measure(self._predict_joint(X))

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most probable label of each row, or `reject_label_` if it is rejected.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels.
        """
        joint = self._predict_joint(X)
        labels = self.classes_[joint.argmax(axis=1)]
        rejected = self._measure(joint) < self.threshold_
        if not rejected.any():
            return labels
        reject = np.asarray([self.reject_label_], dtype=object if labels.dtype == object else None)
        labels = labels.astype(np.result_type(labels, reject))
        labels[rejected] = reject[0]
        return labels

    def accepts(self, X: Any) -> NDArray[np.bool_]:
        """Return whether each row is answered.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,)
            True where `predict` returns a class.
        """
        return self.score_samples(X) >= self.threshold_

    def get_metadata_routing(self) -> MetadataRouter:
        """Return how metadata are routed to `estimator` and to `cv`.

        Returns
        -------
        sklearn.utils.metadata_routing.MetadataRouter
            The routing.
        """
        return (
            MetadataRouter(owner=self)
            .add_self_request(self)
            .add(
                estimator=self.estimator,
                method_mapping=MethodMapping().add(caller="fit", callee="fit"),
            )
            .add(
                splitter=self.cv if hasattr(self.cv, "split") else None,
                method_mapping=MethodMapping().add(caller="fit", callee="split"),
            )
        )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.input_tags = inner.input_tags
        return tags


def unfreeze(estimator: Any) -> Any:
    """Return the classifier that a `FrozenEstimator` holds, or the classifier itself."""
    return estimator.estimator if isinstance(estimator, FrozenEstimator) else estimator


def _method(estimator: Any) -> str:
    """Return the name of the method whose values are logits, or probabilities."""
    return "decision_function" if hasattr(estimator, "decision_function") else "predict_proba"


def _logits(estimator: Any, X: Any) -> NDArray[Any]:
    return getattr(estimator, _method(estimator))(X)


def _cumulate(
    score: NDArray[Any], is_error: NDArray[np.bool_], sample_weight: NDArray[Any] | None
) -> NDArray[Any]:
    """Return a `calibration_curve_`: rows of one score are answered together."""
    weight = np.ones(len(score)) if sample_weight is None else sample_weight
    order = np.argsort(-score, kind="stable")
    score, n_rows = score[order], np.cumsum(weight[order])
    n_errors = np.cumsum(weight[order] * is_error[order])
    is_last = np.append(score[1:] < score[:-1], True) & (n_rows > 0)
    return np.column_stack([score, n_rows, n_errors])[is_last]


def _risk_bound(n_errors: Any, n_rows: Any, confidence: float) -> NDArray[Any]:
    """Return the upper bound of Clopper and Pearson on a share of errors, found in some rows."""
    bound = beta.ppf(confidence, np.add(n_errors, 1), np.maximum(n_rows - np.asarray(n_errors), 0))
    return np.where(np.asarray(n_errors) >= n_rows, 1.0, bound)
