"""`TrainingHistoryDisplay`: which curves it draws, and which estimators it refuses."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from support.classifiers import TINY

from sk_digits import DigitANN, PixelScaler
from sk_digits.displays import TrainingHistoryDisplay


@pytest.fixture(scope="module")
def fitted():
    """Return a fitted DigitANN without early stopping."""
    rng = np.random.default_rng(0)
    return DigitANN(**TINY).fit(rng.random((40, 16)), np.arange(40) % 2)


@pytest.fixture(scope="module")
def early_stopped(digits):
    """Return a fitted DigitANN with early stopping, which trained all its epochs."""
    X, y = digits
    return DigitANN(**TINY, early_stopping=True).fit(X[:300], y[:300])


def curves(display):
    """Return the ordinates of the first line of each panel by the panel's title."""
    return {
        axes.get_title(loc="left"): axes.lines[0].get_ydata().tolist() for axes in display.axes_
    }


def test_history_shows_what_the_estimator_kept(early_stopped):
    """The curves are the estimator's losses, validation scores and learning rates."""
    display = TrainingHistoryDisplay.from_estimator(early_stopped)
    assert curves(display) == {
        "Training loss": early_stopped.loss_curve_,
        "Validation accuracy": early_stopped.validation_scores_,
        "Learning rate": [row["lr"] for row in early_stopped.net_.history],
    }
    assert display.figure_ is display.axes_[0].figure
    for axes in display.axes_:
        np.testing.assert_array_equal(axes.lines[0].get_xdata(), [1, 2, 3])


def test_history_without_early_stopping_has_no_accuracy(fitted):
    """Without early stopping there is no panel of validation accuracy."""
    assert list(curves(TrainingHistoryDisplay.from_estimator(fitted))) == [
        "Training loss",
        "Learning rate",
    ]


def test_history_leaves_gaps_for_epochs_without_validation(early_stopped):
    """An epoch of partial_fit after early stopping has a loss and no validation accuracy."""
    rng = np.random.default_rng(0)
    ann = clone(early_stopped).fit(rng.random((40, 16)), np.arange(40) % 2)
    ann.partial_fit(rng.random((40, 16)), np.arange(40) % 2)
    shown = curves(TrainingHistoryDisplay.from_estimator(ann))
    assert shown["Training loss"] == ann.loss_curve_
    np.testing.assert_array_equal(shown["Validation accuracy"], [*ann.validation_scores_, np.nan])


def test_history_marks_the_value_beside_the_title():
    """Dots mark the last loss, the first best accuracy and the largest learning rate."""
    display = TrainingHistoryDisplay(
        loss=[2.0, 1.0, 0.5], learning_rate=[0.1, 0.3, 0.2], validation_accuracy=[0.5, 0.75, 0.75]
    ).plot()
    dots = [axes.lines[1].get_xydata().tolist() for axes in display.axes_]
    assert dots == [[[3, 0.5]], [[2, 0.75]], [[2, 0.3]]]
    assert [axes.get_title(loc="right") for axes in display.axes_] == [
        "last 0.5, epoch 3",
        "best 0.75, epoch 2",
        "largest 0.3, epoch 2",
    ]


@pytest.mark.parametrize("n_epochs", [1, 2, 60])
def test_history_ticks_are_epochs(n_epochs):
    """The ticks in view are whole numbers from 1, however few the epochs."""
    display = TrainingHistoryDisplay(loss=[0.0] * n_epochs, learning_rate=[0.01] * n_epochs).plot()
    low, high = display.axes_[-1].get_xlim()
    ticks = [tick for tick in display.axes_[-1].get_xticks() if low <= tick <= high]
    assert ticks
    assert set(ticks) <= set(range(1, n_epochs + 1))
    display.figure_.canvas.draw()


def test_history_axes_start_at_zero_and_may_be_logarithmic():
    """Axes start at 0; a logarithmic axis shows the positive values."""
    display = TrainingHistoryDisplay(loss=[2.0, 0.2, 0.02], learning_rate=[0.1, 0.3, 0.2]).plot()
    assert [axes.get_ylim()[0] for axes in display.axes_] == [0, 0]
    display.axes_[0].set_yscale("log")
    low, high = display.axes_[0].get_ylim()
    assert 0.001 < low < 0.02
    assert 2 < high < 20


def test_history_of_a_pipeline_or_search_is_that_of_its_network(fitted):
    """A pipeline or search, also nested, is shown by the network that it ends in."""
    X, y = np.random.default_rng(0).random((40, 16)), np.arange(40) % 2
    pipeline = make_pipeline(PixelScaler(), DigitANN(**TINY)).fit(X, y)
    assert curves(TrainingHistoryDisplay.from_estimator(pipeline)) == curves(
        TrainingHistoryDisplay.from_estimator(pipeline[-1])
    )
    search = GridSearchCV(pipeline, {"digitann__lr": [0.02]}, cv=2).fit(X, y)
    nested = make_pipeline(PixelScaler(), GridSearchCV(DigitANN(**TINY), {"lr": [0.02]}, cv=2))
    for estimator in (search, nested.fit(X, y)):
        steps = curves(TrainingHistoryDisplay.from_estimator(estimator))["Learning rate"]
        assert max(steps) > 0.01


def test_history_draws_on_given_axes(fitted):
    """The Axes of one display take the curves of another one in another style."""
    first = TrainingHistoryDisplay.from_estimator(fitted)
    second = TrainingHistoryDisplay.from_estimator(fitted, ax=first.axes_, color="black")
    assert second.figure_ is first.figure_
    assert len(first.axes_[0].lines) == 4
    assert second.axes_[0].lines[2].get_color() == "black"
    assert plt.get_fignums() == [first.figure_.number]


def test_history_refuses_axes_that_are_not_one_per_panel(fitted):
    """A single Axes is a ValueError that shows how to make the right ones."""
    axes = plt.subplots()[1]
    with pytest.raises(ValueError, match=r"must hold 2 Axes .*plt.subplots\(2\)\[1\].* shape \(\)"):
        TrainingHistoryDisplay.from_estimator(fitted, ax=axes)


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(),
        MLPClassifier(max_iter=1000, tol=1),
        make_pipeline(PixelScaler(), Ridge()),
        GridSearchCV(DigitANN(**TINY), {"lr": [0.1]}, cv=2, refit=False),
    ],
)
def test_history_of_another_estimator_is_refused(estimator):
    """Another fitted estimator is a TypeError, even if it has a loss curve."""
    estimator.fit(np.random.default_rng(0).random((40, 4)), np.arange(40) % 2)
    with pytest.raises(TypeError, match=r"keeps no training history. Pass a DigitANN"):
        TrainingHistoryDisplay.from_estimator(estimator)


def test_history_of_another_object_is_refused():
    """A class or any other object is a TypeError."""
    for thing in (DigitANN, "ann"):
        with pytest.raises(TypeError, match=r"is a class|not an estimator"):
            TrainingHistoryDisplay.from_estimator(thing)
