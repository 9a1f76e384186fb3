"""`SelectiveClassifier`: answers with a stated risk."""

import pickle

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import binom
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import SVC

from sk_digits import DigitANN, SelectiveClassifier


class Oracle(ClassifierMixin, BaseEstimator):
    """Classifier of rows (confidence, label that it answers)."""

    def fit(self, X, y):
        """Know the classes."""
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        """Return the confidence of the label, and the rest equally for the others."""
        proba = np.full((len(X), len(self.classes_)), 0.0)
        proba[np.arange(len(X)), X[:, 1].astype(int)] = X[:, 0]
        return proba + (1 - proba.sum(axis=1, keepdims=True)) / len(self.classes_)


def draw(n, rng, error):
    """Return rows of an `Oracle`, whose share of errors falls with its confidence, and labels."""
    confidence = rng.uniform(0.3, 1, n)
    y = rng.integers(3, size=n)
    is_error = rng.random(n) < error * (1 - confidence) ** 2
    return np.c_[confidence, np.where(is_error, (y + 1) % 3, y)], y


@pytest.mark.slow
@pytest.mark.no_cover
def test_the_risk_is_kept_as_often_as_stated():
    """Of 300 calibrations, at most 5 % and what chance adds have a risk above the promise."""
    rng = np.random.default_rng(0)
    X_new, y_new = draw(100_000, rng, 0.3)
    oracle = FrozenEstimator(Oracle().fit(X_new, y_new))
    risks, coverages = [], []
    for _ in range(300):
        X, y = draw(4000, rng, 0.3)
        model = SelectiveClassifier(oracle, max_risk=0.02).fit(X, y)
        answered = model.accepts(X_new)
        risks.append((model.predict(X_new) != y_new)[answered].mean())
        coverages.append(answered.mean())
    n_broken = int((np.array(risks) > 0.02).sum())
    assert n_broken <= binom.ppf(0.999, 300, 0.05)
    assert np.mean(coverages) > 0.5


@pytest.mark.parametrize(
    ("errors", "max_risk", "n_answered"),
    [
        ([], 0.05, 200),  # without an error, 59 rows are enough
        ([100], 0.05, 200),  # with one, 93: so an error at row 101 changes nothing
        ([100], 0.03, 100),  # with one, 157: so the error at row 101 ends it
        ([150, 151, 152, 153, 154], 0.05, 153),  # with four, 181
        ([10, 180], 0.05, None),  # the first to be tested are 59, with an error
    ],
)
def test_the_threshold_is_the_lowest_before_the_first_failure(errors, max_risk, n_answered):
    """Exact binomial tails, by hand: with k errors, (1 - risk) ** n and so on must be below 5 %."""
    X = np.c_[np.linspace(0.99, 0.4, 200), np.zeros(200)]
    y = np.zeros(200, int)
    y[errors] = 1
    oracle = Oracle().fit(X, [0, 1, 2])
    model = SelectiveClassifier(oracle, max_risk=max_risk, cv="prefit")
    if n_answered is None:
        with pytest.raises(ValueError, match="At best, a risk of"):
            model.fit(X, y)
    else:
        model.fit(X, y)
        assert model.accepts(X).sum() == n_answered == 200 * model.coverage_
        assert model.risk_bound_ <= max_risk


def test_too_few_rows_are_an_error_that_says_what_can_be_kept(digits):
    """The default risk needs 2,995 rows without an error."""
    X, y = digits
    model = SelectiveClassifier(LogisticRegression(max_iter=300))
    with pytest.raises(ValueError, match=r"max_risk=0\.001 cannot be kept .* At best, a risk of"):
        model.fit(X, y)
    with pytest.raises(NotFittedError):
        model.predict(X)


@pytest.fixture(scope="module")
def fitted(digits):
    """Return a fitted selective classifier and rows that it has not seen."""
    X, X_test, y, y_test = train_test_split(*digits, stratify=digits[1], random_state=0)
    ann = DigitANN((32,), max_epochs=20, random_state=0)
    return SelectiveClassifier(ann, max_risk=0.02, cv=3).fit(X, y), X_test, y_test


def test_rejected_rows_have_the_reject_label(fitted):
    """Accepted rows have the most probable class, the others -1."""
    model, X, y = fitted
    answered, labels = model.accepts(X), model.predict(X)
    assert 0.5 < answered.mean() < 1
    assert (labels == y)[answered].mean() > 0.96
    assert set(labels[~answered]) == {model.reject_label_} == {-1}
    assert_array_equal(labels[answered], model.predict_proba(X).argmax(axis=1)[answered])
    assert (model.predict_proba(X).max(axis=1) >= model.threshold_).tolist() == answered.tolist()


def test_probabilities_are_calibrated_by_one_temperature(fitted):
    """They are the softmax of the logits over the temperature."""
    model, X, _ = fitted
    logits = model.estimator_.decision_function(X) / model.temperature_
    expected = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected /= expected.sum(axis=1, keepdims=True)
    assert_allclose(model.predict_proba(X), expected, atol=1e-5)


@pytest.mark.parametrize("method", ["max_probability", "margin"])
@pytest.mark.parametrize("binary", [False, True])
def test_any_classifier(digits, method, binary):
    """Also one with a one-dimensional decision function."""
    X, y = digits
    y = np.where(y < 5, "low", "high") if binary else y
    model = SelectiveClassifier(SVC(), max_risk=0.05, method=method, cv=3)
    labels = model.fit(X[:1200], y[:1200]).predict(X[1200:])
    answered = model.accepts(X[1200:])
    assert (labels == y[1200:])[answered].mean() > 0.9
    assert set(labels[~answered]) <= {"?" if binary else -1}
    assert model.predict_proba(X[:5]).sum(axis=1) == pytest.approx(np.ones(5))


def test_a_fitted_classifier_is_taken_as_it_is(digits):
    """With "prefit" and as a FrozenEstimator; all rows calibrate it."""
    X, y = digits
    fitted = LogisticRegression(max_iter=300).fit(X[:700], y[:700])
    models = [
        SelectiveClassifier(fitted, max_risk=0.05, cv="prefit"),
        SelectiveClassifier(FrozenEstimator(fitted), max_risk=0.05),
    ]
    first, second = (model.fit(X[700:], y[700:]) for model in models)
    assert first.estimator_ is fitted
    assert first.threshold_ == second.threshold_
    assert_array_equal(first.predict(X), second.predict(X))


def test_labels_that_a_fitted_classifier_does_not_know_are_an_error(digits):
    """They would all be errors, which is hardly what is meant."""
    X, y = digits
    fitted = LogisticRegression(max_iter=300).fit(X[y < 9], y[y < 9])
    with pytest.raises(ValueError, match=r"does not know: \[9\]"):
        SelectiveClassifier(fitted, cv="prefit").fit(X, y)


@pytest.mark.parametrize(
    ("labels", "reject_label", "expected"),
    [([0, 1], None, -1), ([-1, 1], None, -2), (["a", "b"], None, "?"), ([0, 1], 7, 7)],
)
def test_reject_labels(labels, reject_label, expected):
    """The default is no class, whatever the classes are."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    y = np.array(labels)[(X[:, 0] + 0.3 * rng.normal(size=300) > 0).astype(int)]
    model = SelectiveClassifier(LogisticRegression(), max_risk=0.05, reject_label=reject_label)
    model.fit(X, y)
    assert model.reject_label_ == expected
    assert set(model.predict(X)) == {*labels, expected}


def test_a_reject_label_that_is_a_class_is_an_error(digits):
    """Nobody could tell the answers from the rejections."""
    with pytest.raises(ValueError, match="reject_label=3 is one of the classes"):
        SelectiveClassifier(LogisticRegression(), reject_label=3).fit(*digits)


def test_weights_are_repetitions(digits):
    """A row of weight 2 is two rows; one of weight 0 is none."""
    X, y = digits
    fitted = LogisticRegression(max_iter=300).fit(X[:700], y[:700])
    X, y = X[700:], y[700:]
    weight = np.random.default_rng(0).integers(0, 4, len(X))
    model = SelectiveClassifier(fitted, max_risk=0.05, cv="prefit")
    weighted = clone(model).set_params(estimator=fitted).fit(X, y, sample_weight=weight)
    repeated = model.fit(X.repeat(weight, axis=0), y.repeat(weight))
    for name in ("threshold_", "coverage_", "risk_bound_", "temperature_"):
        assert getattr(weighted, name) == pytest.approx(getattr(repeated, name), rel=1e-4)


def test_a_failed_fit_changes_nothing(fitted, digits):
    """The old fit still answers."""
    model, X, _ = fitted
    before = model.predict(X)
    with pytest.raises(ValueError, match="cannot be kept"):
        clone(model).set_params(max_risk=1e-6).fit(*digits)
    copy = pickle.loads(pickle.dumps(model)).set_params(max_risk=1e-6)
    with pytest.raises(ValueError, match="cannot be kept"):
        copy.fit(*digits)
    assert_array_equal(copy.predict(X), before)


def test_a_pickle_predicts_the_same(fitted):
    """As any estimator's does."""
    model, X, _ = fitted
    assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))


def test_it_is_searched_and_stands_in_pipelines(digits):
    """Parameters of the inner estimator are reached; `score` counts rejections as errors."""
    X, y = digits
    inner = LogisticRegression(max_iter=300)
    pipeline = make_pipeline(MinMaxScaler(), SelectiveClassifier(inner, max_risk=0.05, cv=2))
    grid = {"selectiveclassifier__estimator__C": [1e-3, 1.0]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score=0.0).fit(X, y)
    assert search.best_params_ == {"selectiveclassifier__estimator__C": 1.0}
    model = search.best_estimator_
    assert model.score(X, y) == (model.predict(X) == y).mean()


def test_metadata_are_routed(digits):
    """Groups reach the splitter, weights the classifier."""
    X, y = digits
    groups = np.arange(len(X)) % 4
    with sklearn.config_context(enable_metadata_routing=True):
        inner = LogisticRegression(max_iter=100, tol=0.01).set_fit_request(sample_weight=True)
        model = SelectiveClassifier(inner, max_risk=0.2, cv=GroupKFold(4))
        model.fit(X, y, sample_weight=np.ones(len(X)), groups=groups)
    expected = SelectiveClassifier(
        LogisticRegression(max_iter=100, tol=0.01),
        max_risk=0.2,
        cv=list(GroupKFold(4).split(X, y, groups)),
    ).fit(X, y)
    assert model.threshold_ == expected.threshold_


@pytest.mark.parametrize(
    ("name", "value"),
    [("max_risk", 0), ("max_risk", 1.5), ("confidence", 1), ("method", "entropy"), ("cv", "none")],
)
def test_wrong_parameters_are_named(digits, name, value):
    """The message is scikit-learn's."""
    with pytest.raises(ValueError, match=f"The '{name}' parameter of SelectiveClassifier"):
        SelectiveClassifier(LogisticRegression(), **{name: value}).fit(*digits)


def test_another_risk_needs_no_other_fit(digits):
    """The threshold is the one that a fit with this risk would choose."""
    X, y = digits
    fitted = LogisticRegression(max_iter=300).fit(X[:700], y[:700])
    model = SelectiveClassifier(fitted, max_risk=0.05, cv="prefit").fit(X[700:], y[700:])
    for risk in (0.1, 0.04, 1, 0.05):
        other = SelectiveClassifier(fitted, max_risk=risk, cv="prefit").fit(X[700:], y[700:])
        assert model.set_max_risk(risk) is model
        assert model.max_risk == risk
        for name in ("threshold_", "coverage_", "risk_bound_"):
            assert getattr(model, name) == getattr(other, name)
        assert model.accepts(X).all() == (risk >= 0.1)
    before = model.threshold_
    with pytest.raises(ValueError, match="cannot be kept"):
        model.set_max_risk(1e-6)
    with pytest.raises(ValueError, match="'max_risk' parameter of SelectiveClassifier"):
        model.set_max_risk(0)
    assert (model.max_risk, model.threshold_) == (0.05, before)


@pytest.fixture(scope="module")
def with_background(digits):
    """Return digits, some of them shuffled to noise, whose label is -1."""
    X, y = digits
    rng = np.random.default_rng(0)
    noise = rng.permuted(X, axis=1)
    chosen = rng.permutation(2 * len(X))
    return np.concatenate([X, noise])[chosen], np.concatenate([y, np.full(len(X), -1)])[chosen]


@pytest.mark.parametrize("method", ["max_probability", "margin"])
def test_the_background_is_no_answer(with_background, method):
    """It is learned like a class; its rows are rejected, and are errors if they are not."""
    X, y = with_background
    model = SelectiveClassifier(
        DigitANN((64,), max_epochs=20, random_state=0),
        max_risk=0.02,
        method=method,
        cv=3,
        background_label=-1,
    ).fit(X[:2500], y[:2500])
    X, y = X[2500:], y[2500:]
    assert model.classes_.tolist() == list(range(10))
    assert model.reject_label_ == -1
    answered = model.accepts(X)
    assert answered[y != -1].mean() > 0.8
    assert answered[y == -1].mean() < 0.02
    assert (model.predict(X) == y)[answered].mean() > 0.97
    proba = model.predict_proba(X)
    assert proba.shape == (len(X), 10)
    assert_allclose(proba.sum(axis=1), 1, atol=1e-6)
    assert_array_equal(model.score_samples(X) >= model.threshold_, answered)
    n_answered = round(model.coverage_ * 2500)
    assert model.calibration_curve_[-1, 1] == 2500
    assert model.calibration_curve_[:, 1].tolist().count(n_answered) == 1


def test_the_confidence_is_the_probability_that_the_answer_is_right(with_background):
    """Of the classes' probabilities and the background's, it is the largest of the classes'."""
    X, y = with_background
    fitted = LogisticRegression(max_iter=300).fit(X[:1500], y[:1500])
    model = SelectiveClassifier(fitted, max_risk=0.1, cv="prefit", background_label=-1)
    model.fit(X[1500:], y[1500:])
    logits = fitted.decision_function(X) / model.temperature_
    joint = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert_allclose(model.score_samples(X), joint[:, 1:].max(axis=1), atol=1e-6)
    of_digits = joint[:, 1:] / joint[:, 1:].sum(axis=1, keepdims=True)
    assert_allclose(model.predict_proba(X), of_digits, atol=1e-6)
    # Rows of the background say nothing about the temperature.
    known = y[1500:] != -1
    alone = clone(model).set_params(estimator=fitted).fit(X[1500:][known], y[1500:][known])
    assert alone.temperature_ == model.temperature_


def test_a_background_that_was_not_learned_is_an_error(digits):
    """And so is one that is all there is."""
    X, y = digits
    with pytest.raises(ValueError, match="background_label=-1 is none of the labels"):
        SelectiveClassifier(LogisticRegression(), max_risk=0.5, background_label=-1).fit(X, y)
    fitted = LogisticRegression(max_iter=300).fit(X, y)
    with pytest.raises(ValueError, match="All rows of y have the background_label 3"):
        SelectiveClassifier(fitted, cv="prefit", background_label=3).fit(X[y == 3], y[y == 3])
