"""Early stopping: which rows are held out, when it stops, and which weights are kept."""

import numpy as np
import pytest
from skorch.callbacks import Callback
from support.classifiers import TINY

from sk_digits import DigitANN

FIVE_EPOCHS = TINY | {"max_epochs": 5, "early_stopping": True}
HELD_OUT = []


class Observer(Callback):
    """Records the rows of both parts and the weights after each epoch."""

    def on_epoch_end(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        """Copy them to `HELD_OUT`."""
        state = {k: v.clone() for k, v in net.module_.state_dict().items()}
        parts = [(d.X.numpy(), d.y.numpy()) for d in (dataset_train, dataset_valid)]
        HELD_OUT.append((*parts, state))


@pytest.fixture(autouse=True)
def no_notes():
    """Empty `HELD_OUT` before each test."""
    HELD_OUT.clear()


def as_rows(X, y):
    """Return the rows with their labels as sorted bytes, to be compared as multisets."""
    return sorted(map(bytes, np.column_stack([X, y]).astype(np.float32)))


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5])
def test_the_validation_part_is_stratified_and_disjoint(digits, fraction):
    """Both parts together are all rows; each class is held out in proportion, to one row."""
    X, y = digits
    DigitANN(validation_fraction=fraction, callbacks=[Observer()], **FIVE_EPOCHS).fit(X, y)
    (X_train, y_train), (X_valid, y_valid), _ = HELD_OUT[0]
    assert len(y_valid) == np.ceil(fraction * len(y))
    assert as_rows(np.vstack([X_train, X_valid]), np.r_[y_train, y_valid]) == as_rows(X, y)
    np.testing.assert_allclose(np.bincount(y_valid), fraction * np.bincount(y), atol=1.01)


def test_the_validation_part_is_seeded(digits):
    """One seed holds out the same rows each time, another seed other rows."""
    for seed in (0, 0, 1):
        params = FIVE_EPOCHS | {"random_state": seed, "max_epochs": 1}
        DigitANN(callbacks=[Observer()], **params).fit(*digits)
    first, second, other = (as_rows(*valid) for _, valid, _ in HELD_OUT)
    assert first == second != other


def test_without_early_stopping_every_row_is_trained_on(digits):
    """With early_stopping=False no row is held out."""
    X, y = digits
    net = DigitANN(**FIVE_EPOCHS | {"early_stopping": False}).fit(X, y).net_
    assert net.train_split is None
    assert "valid_acc" not in net.history[-1]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("extra", [{}, {"batch_norm": True, "dropout": 0.3}], ids=str)
def test_scores_are_those_of_the_held_out_rows_and_the_best_weights_are_kept(
    digits, extra, weighted
):
    """Scoring the held-out rows again gives the same scores, and the best of them at the end."""
    X, y = digits[0].astype(np.float64), digits[1]
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y)) if weighted else None
    params = FIVE_EPOCHS | {"max_epochs": 12, "lr": 0.05, "lr_schedule": "constant"} | extra
    ann = DigitANN(callbacks=[Observer()], **params).fit(X, y, weight)

    _, (X_valid, y_valid), _ = HELD_OUT[0]
    by_row = {row.tobytes(): i for i, row in enumerate(X)}
    held_out_weight = None if weight is None else [weight[by_row[r.tobytes()]] for r in X_valid]
    kept = {k: v.clone() for k, v in ann.net_.module_.state_dict().items()}
    assert ann.score(X_valid, y_valid, held_out_weight) == pytest.approx(ann.best_validation_score_)
    scores = []
    for *_, state in HELD_OUT:
        ann.net_.module_.load_state_dict(state)
        scores.append(ann.score(X_valid, y_valid, held_out_weight))
    np.testing.assert_allclose(ann.validation_scores_, scores, rtol=1e-12)
    assert ann.best_validation_score_ == pytest.approx(max(ann.validation_scores_), abs=1e-4)
    losses = ann.net_.history[:, "valid_loss"]
    equal = [i for i, score in enumerate(scores) if score >= max(scores) - 1e-4]
    best = HELD_OUT[min(equal, key=lambda i: losses[i])][-1]  # of equal scores that of least loss
    assert all(kept[name].equal(best[name]) for name in kept)


@pytest.mark.parametrize("goes_on", ["partial_fit", "warm fit"])
def test_the_best_score_goes_with_its_weights(digits, goes_on):
    """A later training that holds nothing out removes best_validation_score_."""
    ann = DigitANN(**FIVE_EPOCHS, warm_start=True).fit(*digits)
    assert ann.best_validation_score_ == max(ann.validation_scores_)
    if goes_on == "partial_fit":
        ann.partial_fit(*digits)
    else:
        ann.set_params(early_stopping=False).fit(*digits)
    assert not hasattr(ann, "best_validation_score_")


@pytest.mark.parametrize("patience", [1, 3])
def test_it_ends_when_patience_is_over(digits, patience):
    """Training ends when neither score nor loss has improved for n_iter_no_change epochs."""
    params = FIVE_EPOCHS | {"max_epochs": 60, "lr": 0.03, "lr_schedule": "constant"}
    ann = DigitANN(n_iter_no_change=patience, tol=0.01, **params).fit(*digits)
    highest, lowest, waited = -np.inf, np.inf, 0
    for row in ann.net_.history:
        score, loss = row["valid_acc"], row["valid_loss"]
        waited = 0 if score > highest + 0.01 or loss < lowest - 0.01 else waited + 1
        highest, lowest = max(highest, score), min(lowest, loss)
        assert (waited == patience) == (row["epoch"] == ann.n_iter_)
    assert ann.n_iter_ < 60


def test_an_impossible_improvement_ends_it_after_patience_epochs(digits):
    """With tol above any improvement only the first epoch counts as one."""
    ann = DigitANN(tol=2.0, n_iter_no_change=3, **FIVE_EPOCHS | {"max_epochs": 50}).fit(*digits)
    assert ann.n_iter_ == 4


def test_curves_have_one_entry_an_epoch(digits):
    """loss_curve_, validation_scores_ and the history have an entry for each epoch."""
    ann = DigitANN(**FIVE_EPOCHS).fit(*digits)
    assert ann.n_iter_ == len(ann.loss_curve_) == len(ann.validation_scores_) == 5
    assert all(0 <= score <= 1 for score in ann.validation_scores_)
    np.testing.assert_array_equal(ann.net_.history[:, "valid_acc"], ann.validation_scores_)


def test_a_warm_start_adds_to_the_scores(digits):
    """The scores of the second fit follow those of the first."""
    ann = DigitANN(warm_start=True, **FIVE_EPOCHS).fit(*digits)
    first = list(ann.validation_scores_)
    ann.fit(*digits)
    assert ann.n_iter_ == len(ann.validation_scores_) == 10
    assert ann.validation_scores_[:5] == first


def test_one_class_and_string_labels_can_be_held_out(digits):
    """Labels of one class and labels of strings can be held out."""
    X = digits[0][:100]
    ann = DigitANN(**FIVE_EPOCHS).fit(X, np.full(100, "seven"))
    assert ann.best_validation_score_ == 1
    names = np.where(digits[1][:100] % 2, "odd", "even")
    assert DigitANN(**FIVE_EPOCHS).fit(X, names).best_validation_score_ > 0.3


@pytest.mark.parametrize(
    ("y", "fraction", "message"),
    [
        ([0] * 20 + [1], 0.1, "at least 2 rows of each class.* 1 of the rarest class"),
        ([0, 1, 2] * 7, 0.95, r"as many rows as classes, 3,.* = 21, .*=0\.95 holds out 20"),
        ([0, 1, 1, 2, 0, 2, 3, 3, 3, 4, 4] * 2, 0.9, r"as many rows as classes, 5.* holds out 20"),
        ([0], 0.1, "at least 2 rows of each class.* 1 of the rarest class"),
    ],
)
def test_too_few_rows_of_a_class_are_an_error_with_the_counts(digits, y, fraction, message):
    """The message says how many rows are needed and how many there are."""
    ann = DigitANN(validation_fraction=fraction, **FIVE_EPOCHS)
    before = dict(vars(ann))
    with pytest.raises(ValueError, match=f"early_stopping=True needs .*{message}"):
        ann.fit(digits[0][: len(y)], y)
    assert vars(ann) == before


@pytest.mark.parametrize(
    ("y", "fraction"), [([0, 1, 2] * 7, 0.1), ([0, 1, 2] * 7, 0.05), ([0, 0, 1, 1], 0.5)]
)
def test_just_enough_rows_of_each_class_are_enough(digits, y, fraction):
    """One row of each class in either part is enough."""
    ann = DigitANN(validation_fraction=fraction, **FIVE_EPOCHS).fit(digits[0][: len(y)], y)
    assert ann.n_iter_ == 5


def test_a_class_that_weight_zero_makes_too_rare_is_counted_without(digits):
    """Rows of weight 0 do not count among the rows of their class."""
    y = np.array([0] * 10 + [1] * 10)
    weight = np.r_[np.ones(11), np.zeros(9)]
    with pytest.raises(ValueError, match=" 1 of the rarest class"):
        DigitANN(**FIVE_EPOCHS).fit(digits[0][:20], y, weight)
