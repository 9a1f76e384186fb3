"""`DigitANN` in scikit-learn's searches, ensembles, calibration and inspection, and in threads."""

import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import polars as pl
import pytest
from joblib import parallel_config
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedKFold,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline
from support.classifiers import TINY

from sk_digits import DigitANN, PixelScaler

SMALL = TINY | {"hidden_layer_sizes": (32,), "max_epochs": 10, "lr": 1e-2, "batch_size": 32}


@pytest.fixture
def data(digits):
    """Return 600 digits in their raw units, 0 to 16, and their labels."""
    return (digits[0][:600] * 16).astype(np.uint8), digits[1][:600]


def make_pipeline(**params):
    """Return a small pipeline that does not depend on the recipe."""
    return Pipeline([("scaler", PixelScaler()), ("ann", DigitANN(**SMALL | params))])


# Cross-validation and search


def test_grid_search_over_layers_finds_the_network_that_can_learn(data):
    """A search over hidden layers prefers 32 units to one."""
    search = GridSearchCV(make_pipeline(), {"ann__hidden_layer_sizes": [(1,), (32,)]}, cv=2)
    search.fit(*data)
    assert search.best_params_ == {"ann__hidden_layer_sizes": (32,)}
    assert search.best_score_ > 0.8
    assert search.score(*data) > search.best_score_


def test_cross_val_score_equals_fitting_each_fold_by_hand(data):
    """The scores are those of a fit for each fold, to the bit."""
    X, y = data
    folds = StratifiedKFold(3)
    scores = cross_val_score(make_pipeline(), X, y, cv=folds)
    by_hand = [
        make_pipeline().fit(X[train], y[train]).score(X[test], y[test])
        for train, test in folds.split(X, y)
    ]
    assert scores.tolist() == by_hand
    assert min(scores) > 0.8


def test_cross_validate_takes_several_scorers(data):
    """Scorers of labels, probabilities and logits return sensible numbers."""
    names = ["accuracy", "balanced_accuracy", "f1_macro", "roc_auc_ovr", "roc_auc_ovo"]
    names += ["neg_log_loss", "top_k_accuracy", "d2_log_loss_score", "matthews_corrcoef"]
    result = cross_validate(make_pipeline(), *data, cv=2, scoring=names, error_score="raise")
    means = {name: result[f"test_{name}"].mean() for name in names}
    assert min(means["accuracy"], means["f1_macro"], means["matthews_corrcoef"]) > 0.75
    assert min(means["roc_auc_ovr"], means["roc_auc_ovo"]) > 0.95
    assert means["top_k_accuracy"] > means["accuracy"]
    assert -1 < means["neg_log_loss"] < 0 < means["d2_log_loss_score"] < 1


def test_roc_auc_ovr_of_the_probabilities_is_high(data):
    """The probabilities sum to 1 as scikit-learn's metrics demand, and rank well."""
    X, y = data
    proba = make_pipeline().fit(X[:400], y[:400]).predict_proba(X[400:])
    assert roc_auc_score(y[400:], proba, multi_class="ovr") > 0.97


def test_two_classes_score_alike_by_logit_and_by_probability(data):
    """roc_auc of decision_function equals that of the second class's probability."""
    X, y = data[0], data[1] > 4
    ann = make_pipeline(max_epochs=3).fit(X, y)
    by_logit = roc_auc_score(y, ann.decision_function(X))
    assert by_logit == pytest.approx(roc_auc_score(y, ann.predict_proba(X)[:, 1]), abs=1e-4)


def test_a_search_in_two_threads_finds_what_one_job_finds(data):
    """The scores in cv_results_ are equal to the bit."""
    grid = {"ann__hidden_layer_sizes": [(16,), (32,)], "ann__dropout": [0.0, 0.2]}

    def scores(**config):
        with parallel_config(**config):
            search = GridSearchCV(make_pipeline(max_epochs=4), grid, cv=2, refit=False)
            results = search.fit(*data).cv_results_
        return {k: v.tolist() for k, v in results.items() if k.endswith("test_score")}

    serial = scores(n_jobs=1)
    assert len(set(serial["mean_test_score"])) > 1
    assert scores(backend="threading", n_jobs=2) == serial


def test_a_learning_curve_rises(data):
    """More rows give better scores, also where partial_fit continues from fewer rows."""
    for incremental in (False, True):
        sizes, _, scores = learning_curve(
            DigitANN(**SMALL),
            data[0] / 16,
            data[1],
            train_sizes=[30, 300],
            cv=2,
            exploit_incremental_learning=incremental,
        )
        assert sizes.tolist() == [30, 300]
        assert scores[1].mean() > scores[0].mean()


# Ensembles, and tools that use probabilities


def test_a_stack_of_networks_is_as_good_as_its_parts(data):
    """StackingClassifier trains on the network's out-of-fold probabilities."""
    X, y = data
    stack = StackingClassifier(
        [("ann", make_pipeline()), ("bayes", GaussianNB(var_smoothing=0.1))],
        LogisticRegression(max_iter=2000),
        cv=2,
    ).fit(X[:400], y[:400])
    assert stack.score(X[400:], y[400:]) > 0.75


def test_a_soft_vote_is_the_mean_of_the_probabilities(data):
    """VotingClassifier averages the predict_proba of its members."""
    X, y = data
    members = [("one", make_pipeline()), ("two", make_pipeline(random_state=1))]
    vote = VotingClassifier(members, voting="soft").fit(X[:400], y[:400])
    mean = np.mean([m.predict_proba(X) for m in vote.estimators_], axis=0)
    np.testing.assert_allclose(vote.predict_proba(X), mean, rtol=1e-5, atol=1e-7)
    assert vote.score(X[400:], y[400:]) > 0.75


def test_temperature_scaling_tempers_an_overconfident_network(data):
    """One temperature lowers the loss on unseen digits and changes no label."""
    X, y = data[0].astype(np.float64), data[1]
    sure = make_pipeline(max_epochs=60, lr=3e-2, weight_decay=0.0)
    calibrated = CalibratedClassifierCV(sure, method="temperature", cv=3, ensemble=False)
    proba = calibrated.fit(X[:400], y[:400]).predict_proba(X[400:])
    sure.fit(X[:400], y[:400])
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(proba.argmax(axis=1), sure.predict(X[400:]))
    assert log_loss(y[400:], proba) < log_loss(y[400:], sure.predict_proba(X[400:]))


def test_permutation_importance_knows_empty_from_inked_pixels(data):
    """A pixel that is always blank has importance 0, the best pixel has not."""
    X, y = data
    ann = make_pipeline().fit(X, y)
    importance = permutation_importance(ann, X, y, n_repeats=2, random_state=0).importances_mean
    blank = X.max(axis=0) == X.min(axis=0)
    assert blank.any()
    np.testing.assert_array_equal(importance[blank], 0)
    assert importance.max() > 0.02


# Threads


def test_predictions_from_several_threads_equal_those_from_one(data):
    """One classifier predicts in several threads while another one trains."""
    X, y = data[0] / 16, data[1]
    ann = DigitANN(dropout=0.5, batch_norm=True, **SMALL).fit(X, y)
    parts = np.array_split(X, 12)
    serial = [ann.predict_proba(part) for part in parts]
    with ThreadPoolExecutor(4) as pool:
        other = pool.submit(DigitANN(dropout=0.5, **SMALL).fit, X, y)
        threaded = list(pool.map(ann.predict_proba, parts))
        assert other.result().n_iter_ == 10
    for one, many in zip(serial, threaded, strict=True):
        np.testing.assert_array_equal(one, many)


# Frames


@pytest.mark.parametrize(("library", "frame"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame)])
def test_a_pipeline_hands_frames_on_under_set_output(data, library, frame):
    """With set_output the classifier gets the scaler's frame with its names, without a warning."""
    X, y = data
    table = frame({f"pixel{i}": X[:, i] for i in range(64)})
    pipeline = make_pipeline().set_output(transform=library)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pipeline.fit(table, y)
        scaled = pipeline[:-1].transform(table)
        labels = pipeline.predict(table)
    assert isinstance(scaled, frame)
    assert list(scaled.columns) == pipeline["ann"].feature_names_in_.tolist() == list(table.columns)
    np.testing.assert_array_equal(labels, make_pipeline().fit(X, y).predict(X))
