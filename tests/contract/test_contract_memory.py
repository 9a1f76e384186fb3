"""The contract on memory: repeated calls take no more of it each time."""

import numpy as np
import pytest
from support.resident_memory import resident_bytes

from sk_digits import DigitANN

pytestmark = pytest.mark.slow

WIDE = {"hidden_layer_sizes": (1000,), "max_epochs": 1, "random_state": 0}  # 0.3 MB of weights


@pytest.fixture
def data(digits):
    """Return 100 digits and their labels."""
    return digits[0][:100], digits[1][:100]


def growth(call, n_calls):
    """Return the bytes by which this process grows with each call, the median of five parts."""
    for _ in range(n_calls // 2):  # what is made once, and pools that fill
        call()
    sizes = []
    for _ in range(6):
        sizes.append(resident_bytes())
        for _ in range(n_calls // 5):
            call()
    return float(np.median(np.diff(sizes))) / (n_calls // 5)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("params", [{}, {"augmentation": "elastic", "batch_norm": True}], ids=str)
def test_trainings_take_no_more_memory_each_time(data, method, params):
    """A training keeps less than a tenth of the size of its weights."""
    ann = DigitANN(**WIDE, **params)
    classes = {"classes": range(10)} if method == "partial_fit" else {}
    assert growth(lambda: getattr(ann, method)(*data, **classes), 40) < 30_000


def test_predictions_take_no_more_memory_each_time(digits):
    """A prediction keeps less than a tenth of the size of its probabilities, 70 KB."""
    ann = DigitANN(**WIDE).fit(*digits)
    assert growth(lambda: ann.predict_proba(digits[0]), 100) < 7_000


def test_failed_calls_take_no_more_memory_each_time(data):
    """Trainings and predictions that fail keep less than a tenth of the weights' size."""
    X, y = data
    ann = DigitANN(**WIDE).fit(X, y)

    def fail():
        with pytest.raises(ValueError, match="not among the classes"):
            ann.partial_fit(X, y + 1)
        with pytest.raises(ValueError, match="63 features"):
            ann.predict(X[:, 1:])
        with pytest.raises(ValueError, match="diverged"):
            ann.set_params(lr=1e30, max_epochs=3, warm_start=True).fit(X, y)

    assert growth(fail, 40) < 30_000


def test_the_measure_sees_what_is_kept(digits, data):
    """The measure sees classifiers and results that are kept on purpose."""
    kept = [DigitANN(**WIDE).fit(*data)]
    assert growth(lambda: kept.append(kept[0].predict_proba(digits[0])), 100) > 50_000
    assert growth(lambda: kept.append(DigitANN(**WIDE).fit(*data)), 40) > 200_000
