"""scikit-learn's own checks of estimators."""

import pytest
import scipy
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

from sk_digits import DigitANN, PixelScaler, SelectiveClassifier, make_digit_pipeline

# The data of some checks are not scaled, and scikit-learn's own tests ignore this warning too.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Training hardly converged"),
    # Weights of zero leave folds without a class.
    pytest.mark.filterwarnings("ignore:Number of classes in training fold"),
]

# If a feature draws random numbers for each row, a repeated row is not a weighted row.
WEIGHTS = {
    "check_sample_weight_equivalence_on_dense_data",
    "check_sample_weight_equivalence_on_sparse_data",
}


def _statuses(estimator):
    assert scipy._lib._array_api.SCIPY_ARRAY_API  # else a check is skipped
    results = check_estimator(estimator, on_skip=None, on_fail=None)
    assert len(results) > 40
    return {f"{r['check_name']}/{i}": (r["status"], r["exception"]) for i, r in enumerate(results)}


def _not_passed(estimator):
    return {
        name.split("/")[0]: result
        for name, result in _statuses(estimator).items()
        if result[0] != "passed"
    }


@pytest.mark.parametrize(
    "estimator",
    [
        pytest.param(DigitANN(), marks=pytest.mark.slow),
        DigitANN((64,)),
        PixelScaler(),
        SelectiveClassifier(LogisticRegression(), max_risk=1.0),
        pytest.param(
            SelectiveClassifier(DigitANN((8,), max_epochs=40, random_state=0), max_risk=1.0, cv=2),
            marks=pytest.mark.slow,
        ),
    ],
    ids=repr,
)
def test_every_check_passes(estimator):
    """Every check passes and none is skipped, with the default layer and with a small one."""
    assert _not_passed(estimator) == {}
    tags = estimator.__sklearn_tags__()
    assert not tags.non_deterministic
    assert not (tags.classifier_tags and tags.classifier_tags.poor_score)


@pytest.mark.slow
def test_pipeline_fails_only_what_any_classifiers_pipeline_fails():
    """The recipe's pipeline passes every check that a pipeline of scikit-learn passes.

    It has no augmentation, as the data of the checks are not images, and one small layer.
    """
    pipeline = make_digit_pipeline(hidden_layer_sizes=(64,), augmentation=None, random_state=0)
    theirs = _not_passed(make_pipeline(PixelScaler(), LogisticRegression()))
    assert _not_passed(pipeline).keys() <= theirs.keys()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("params", "may_fail"),
    [
        ({"dropout": 0.2}, WEIGHTS),  # draws a mask for each row
        ({"batch_norm": True}, WEIGHTS),  # its statistics count rows, not weights
        ({"early_stopping": True}, WEIGHTS),  # may hold out some copies of a row
        ({"class_weight": "balanced"}, set()),
        ({"lr_schedule": "constant"}, set()),
        ({"lr_schedule": "cosine"}, set()),
        ({"label_smoothing": 0.1}, set()),
        ({"precision": "bfloat16"}, set()),
        ({"batch_size": 16, "batch_norm": True}, WEIGHTS),  # has a last batch of one row
    ],
    ids=lambda value: "-".join(sorted(value)),
)
def test_every_check_passes_with_a_feature_on(params, may_fail):
    """With each feature every check passes, except weights as copies if it draws for each row."""
    assert _not_passed(DigitANN((64,), **params)).keys() <= may_fail
