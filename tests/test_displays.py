"""Tests of the displays: what is drawn, in which order, and what is refused."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelEncoder
from sklearn.svm import LinearSVC

from sk_digits import DigitANN, PixelScaler
from sk_digits.displays import DigitGridDisplay, TrainingHistoryDisplay

plt = pytest.importorskip("matplotlib.pyplot")

SMALL = {"hidden_layer_sizes": (8,), "max_epochs": 3, "random_state": 0}


@pytest.fixture(autouse=True)
def no_open_figures(monkeypatch):
    """No window opens, and no figure outlives its test."""
    before = plt.get_backend()
    plt.switch_backend("Agg")
    yield
    plt.close("all")
    plt.switch_backend(before)


@pytest.fixture(scope="module")
def fitted():
    """Give a fitted DigitANN without early stopping."""
    rng = np.random.default_rng(0)
    return DigitANN(**SMALL).fit(rng.random((40, 16)), np.arange(40) % 2)


@pytest.fixture(scope="module")
def early_stopped(digits):
    """Give a fitted DigitANN with early stopping, which ran all its epochs."""
    X, y = digits
    return DigitANN(**SMALL, early_stopping=True).fit(X[:300], y[:300])


@pytest.fixture
def predictions():
    """Give made-up images, labels and probabilities, some of them errors."""
    rng = np.random.default_rng(0)
    proba = rng.dirichlet(np.ones(4), 50)
    y_true = rng.permutation(np.arange(50) % 4)
    return rng.integers(0, 256, (50, 3, 5)), y_true, proba.argmax(axis=1), proba


def curves(display):
    """Ordinates of the first line of each panel, by the panel's title."""
    return {
        axes.get_title(loc="left"): axes.lines[0].get_ydata().tolist() for axes in display.axes_
    }


def drawn(display):
    """Label, note and pixels of each cell that holds an image."""
    return [
        (axes.get_title(loc="left"), axes.get_title(loc="right"), axes.images[0].get_array())
        for axes in display.axes_
        if axes.images
    ]


def titles(axes):
    """Give the Text of the left and the right title; matplotlib has no public way to them."""
    return axes._left_title, axes._right_title


# ------------------------------------------------------------------ the training's history


def test_history_shows_what_the_estimator_kept(early_stopped):
    """The curves are the estimator's loss, validation scores and step sizes."""
    display = TrainingHistoryDisplay.from_estimator(early_stopped)
    assert curves(display) == {
        "Training loss": early_stopped.loss_curve_,
        "Validation accuracy": early_stopped.validation_scores_,
        "Step size": [row["lr"] for row in early_stopped.net_.history],
    }
    assert display.figure_ is display.axes_[0].figure
    for axes in display.axes_:
        np.testing.assert_array_equal(axes.lines[0].get_xdata(), [1, 2, 3])


def test_history_without_early_stopping_has_no_accuracy(fitted):
    """No validation, no panel for it."""
    assert list(curves(TrainingHistoryDisplay.from_estimator(fitted))) == [
        "Training loss",
        "Step size",
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
    """The dots are at the last loss, the first best accuracy and the largest step size."""
    display = TrainingHistoryDisplay(
        loss=[2.0, 1.0, 0.5], step_size=[0.1, 0.3, 0.2], validation_accuracy=[0.5, 0.75, 0.75]
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
    """Ticks in view are whole numbers from 1, however few the epochs; also for a loss of 0."""
    display = TrainingHistoryDisplay(loss=[0.0] * n_epochs, step_size=[0.01] * n_epochs).plot()
    low, high = display.axes_[-1].get_xlim()
    ticks = [tick for tick in display.axes_[-1].get_xticks() if low <= tick <= high]
    assert ticks
    assert set(ticks) <= set(range(1, n_epochs + 1))
    display.figure_.canvas.draw()


def test_history_scales_start_at_zero_and_may_turn_logarithmic():
    """Loss and step size are shown from 0; a log scale shows the positive values."""
    display = TrainingHistoryDisplay(loss=[2.0, 0.2, 0.02], step_size=[0.1, 0.3, 0.2]).plot()
    assert [axes.get_ylim()[0] for axes in display.axes_] == [0, 0]
    display.axes_[0].set_yscale("log")
    low, high = display.axes_[0].get_ylim()
    assert 0.001 < low < 0.02
    assert 2 < high < 20


def test_history_of_a_pipeline_or_search_is_that_of_its_network(fitted):
    """Pipelines and searches are followed to the network that they end in, in any nesting."""
    X, y = np.random.default_rng(0).random((40, 16)), np.arange(40) % 2
    pipeline = make_pipeline(PixelScaler(), DigitANN(**SMALL)).fit(X, y)
    assert curves(TrainingHistoryDisplay.from_estimator(pipeline)) == curves(
        TrainingHistoryDisplay.from_estimator(pipeline[-1])
    )
    search = GridSearchCV(pipeline, {"digitann__lr": [0.1]}, cv=2).fit(X, y)
    nested = make_pipeline(PixelScaler(), GridSearchCV(DigitANN(**SMALL), {"lr": [0.1]}, cv=2))
    for estimator in (search, nested.fit(X, y)):
        steps = curves(TrainingHistoryDisplay.from_estimator(estimator))["Step size"]
        assert max(steps) > 0.01


def test_history_draws_on_given_axes(fitted):
    """The Axes of one display take the curves of another, with their own style."""
    first = TrainingHistoryDisplay.from_estimator(fitted)
    second = TrainingHistoryDisplay.from_estimator(fitted, ax=first.axes_, color="black")
    assert second.figure_ is first.figure_
    assert len(first.axes_[0].lines) == 4
    assert second.axes_[0].lines[2].get_color() == "black"
    assert plt.get_fignums() == [first.figure_.number]


def test_history_refuses_axes_that_are_not_one_per_panel(fitted):
    """A single Axes is refused with the call that makes the right ones."""
    axes = plt.subplots()[1]
    with pytest.raises(ValueError, match=r"must hold 2 Axes .*plt.subplots\(2\)\[1\].* shape \(\)"):
        TrainingHistoryDisplay.from_estimator(fitted, ax=axes)


@pytest.mark.parametrize(
    "estimator",
    [
        DigitANN(),
        make_pipeline(PixelScaler(), DigitANN()),
        GridSearchCV(DigitANN(), {"lr": [0.1]}),
    ],
)
def test_displays_of_unfitted_estimators_are_refused(estimator):
    """What is not fitted has neither a history nor predictions."""
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        TrainingHistoryDisplay.from_estimator(estimator)
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        DigitGridDisplay.from_estimator(estimator, np.zeros((2, 4)), [0, 1])


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(),
        MLPClassifier(max_iter=1000, tol=1),
        make_pipeline(PixelScaler(), Ridge()),
        GridSearchCV(DigitANN(**SMALL), {"lr": [0.1]}, cv=2, refit=False),
    ],
)
def test_history_of_another_estimator_is_refused(estimator):
    """A fitted estimator that is no DigitANN is a TypeError, one with a loss curve included."""
    estimator.fit(np.random.default_rng(0).random((40, 4)), np.arange(40) % 2)
    with pytest.raises(TypeError, match=r"keeps no training history. Give a DigitANN"):
        TrainingHistoryDisplay.from_estimator(estimator)


def test_history_of_no_estimator_is_refused():
    """A class or any other object is a TypeError."""
    for thing in (DigitANN, "ann"):
        with pytest.raises(TypeError, match=r"is a class|not an estimator"):
            TrainingHistoryDisplay.from_estimator(thing)


# ------------------------------------------------------------------ the grid of images


@pytest.mark.parametrize("n_images", [1, 10, 50, 100])
def test_worst_errors_come_first(predictions, n_images):
    """Errors by falling probability, then right answers by rising: an oracle in plain Python."""
    images, y_true, y_pred, proba = predictions
    rows = range(len(images))
    errors = [row for row in rows if y_pred[row] != y_true[row]]
    right = [row for row in rows if y_pred[row] == y_true[row]]
    assert errors
    assert right
    expected = sorted(errors, key=lambda row: -max(proba[row])) + sorted(
        right, key=lambda row: max(proba[row])
    )
    display = DigitGridDisplay.from_predictions(images, y_true, y_pred, proba, n_images=n_images)
    assert display.indices.tolist() == expected[:n_images]
    for (label, note, pixels), row in zip(drawn(display), expected, strict=False):
        assert label == f"{y_true[row]} → {y_pred[row]}"
        assert note == f"{100 * max(proba[row]):.0f} %" or (note == ">99 %" and max(proba[row]) < 1)
        np.testing.assert_array_equal(pixels, images[row])
    assert len(drawn(display)) == min(n_images, 50)


def test_grid_without_probabilities_keeps_the_order_of_the_rows(predictions):
    """Without proba errors and right answers keep their order, and no probability is written."""
    images, y_true, y_pred, _ = predictions
    display = DigitGridDisplay.from_predictions(images, y_true, y_pred, n_images=50)
    wrong = y_true != y_pred
    expected = np.concatenate([np.flatnonzero(wrong), np.flatnonzero(~wrong)])
    np.testing.assert_array_equal(display.indices, expected)
    assert {note for _, note, _ in drawn(display)} == {""}
    assert "probability" not in display.figure_.get_suptitle()


def test_grid_in_the_order_of_the_rows(predictions):
    """worst_first=False shows the first rows as they come."""
    display = DigitGridDisplay.from_predictions(*predictions, n_images=7, worst_first=False)
    np.testing.assert_array_equal(display.indices, range(7))


def test_errors_differ_from_right_answers_by_more_than_colour(predictions):
    """Errors are bold and coloured, right answers neither."""
    display = DigitGridDisplay.from_predictions(*predictions, n_images=50)
    styles = {True: set(), False: set()}
    wrong = display.y_true != display.y_pred
    for axes, is_wrong in zip(display.axes_, wrong, strict=False):
        label, _ = titles(axes)
        styles[bool(is_wrong)].add((label.get_weight(), label.get_color()))
    assert styles[True] == {("bold", "#D55E00")}
    assert styles[False] == {("normal", "#666666")}


def test_rows_of_pixels_equal_images(predictions):
    """Rows with image_shape, and rows of square images, show the pixels of the images."""
    images, *rest = predictions
    flat = DigitGridDisplay.from_predictions(
        images.reshape(50, -1), *rest, image_shape=(3, 5), n_images=4
    )
    np.testing.assert_array_equal(flat.images, images[flat.indices])
    square = images[:, :, :3].reshape(50, 9)
    display = DigitGridDisplay.from_predictions(square, *rest, n_images=4)
    np.testing.assert_array_equal(display.images, images[display.indices, :, :3])


def test_probability_is_that_of_the_predicted_label():
    """With columns in another order and a prediction that is not the most probable one."""
    proba = np.array([[0.2, 0.7, 0.1], [0.0, 0.0, 1.0], [0.0005, 0.9990, 0.0005]])
    display = DigitGridDisplay.from_predictions(
        np.zeros((3, 2, 2)),
        ["a", "b", "d"],
        ["b", "b", "c"],
        proba,
        classes=["b", "c", "a"],
        worst_first=False,
    )
    np.testing.assert_array_equal(display.confidence, [0.2, 0.0, 0.999])
    assert [(label, note) for label, note, _ in drawn(display)] == [
        ("a → b", "20 %"),
        ("b → b", "0 %"),
        ("d → c", ">99 %"),
    ]


def test_grid_of_an_estimator_is_that_of_its_predictions(digits):
    """from_estimator predicts labels and probabilities; labels may be strings."""
    X, y = digits
    names = np.array(list("jihgfedcba"))[y]
    classifier = LogisticRegression(max_iter=1000).fit(X[:200], names[:200])
    display = DigitGridDisplay.from_estimator(classifier, X[200:], names[200:], n_images=5)
    proba = classifier.predict_proba(X[200:])
    same = DigitGridDisplay.from_predictions(
        X[200:], names[200:], classifier.predict(X[200:]), proba, classes=classifier.classes_
    )
    np.testing.assert_array_equal(display.indices, same.indices[:5])
    np.testing.assert_allclose(display.confidence, proba.max(axis=1)[display.indices])


def test_grid_of_an_estimator_without_probabilities(digits):
    """A classifier that only predicts labels is shown without probabilities."""
    X, y = digits
    classifier = GridSearchCV(DigitANN(**SMALL), {"lr": [0.01]}, cv=2).fit(X[:200], y[:200])
    assert DigitGridDisplay.from_estimator(classifier, X[200:], y[200:]).confidence is not None
    hinge = LinearSVC().fit(X[:200], y[:200])
    assert DigitGridDisplay.from_estimator(hinge, X[200:], y[200:]).confidence is None


@pytest.mark.parametrize("estimator", [Ridge(), LabelEncoder()])
def test_grid_of_what_is_no_classifier_is_refused(estimator):
    """A regressor or transformer is a TypeError."""
    X = np.zeros((2, 4))
    estimator.fit([0, 1]) if isinstance(estimator, LabelEncoder) else estimator.fit(X, [0, 1])
    with pytest.raises(TypeError, match=f"{type(estimator).__name__} is not a classifier"):
        DigitGridDisplay.from_estimator(estimator, X, [0, 1])


@pytest.mark.parametrize(
    ("labels", "n_columns"), [((1, 2), 6), (("seven", "three"), 3), (("x" * 99, "y"), 1)]
)
def test_long_labels_have_room(labels, n_columns):
    """The longer the labels, the fewer images in a row; no label reaches into the next cell."""
    display = DigitGridDisplay.from_predictions(
        np.ones((12, 8, 8)), [labels[0]] * 12, [labels[1]] * 12, np.tile([0.002, 0.998], (12, 1))
    )
    figure = display.figure_
    figure.canvas.draw()
    left = [axes.get_position().x0 for axes in display.axes_]
    assert len(set(np.round(left, 6))) == n_columns
    if n_columns > 1:
        for axes in display.axes_:
            label, note = titles(axes)
            assert label.get_window_extent().x1 < note.get_window_extent().x0


def test_dollar_signs_in_labels_are_written_as_they_are():
    """A label is text, not a formula."""
    display = DigitGridDisplay.from_predictions(np.ones((1, 2, 2)), ["$a"], ["\\b$"])
    assert not titles(display.axes_[0])[0].get_parse_math()
    display.figure_.canvas.draw()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((3, 10))}, r"\(3, 10\) are neither .*image_shape=None. Pass"),
        ({"images": np.zeros((3, 4)), "image_shape": (2, 3)}, r"image_shape=\(2, 3\)"),
        ({"images": np.zeros((3, 2, 2, 1))}, r"\(3, 2, 2, 1\) are neither"),
        ({"images": np.zeros(3)}, "Expected 2D array, got 1D"),
        ({"images": np.full((3, 4), np.nan)}, "images contains NaN"),
        ({"images": np.zeros((2, 4))}, r"inconsistent numbers of samples: \[2, 3, 3\]"),
        ({"y_pred": [0, 1]}, r"inconsistent numbers of samples: \[3, 3, 2\]"),
        ({"y_true": ["0", "1", "1"]}, "Mix of label input types"),
        ({"y_true": np.zeros((3, 2))}, "1d array"),
        ({"n_images": 0}, "n_images == 0, must be >= 1"),
        ({"proba": [0.5, 0.5, 0.5]}, r"proba of shape \(3,\) .*3 images .*\[0, 1\]"),
        ({"proba": np.full((3, 3), 0.3)}, r"proba of shape \(3, 3\) .*pass them as classes"),
        ({"classes": [1, 2]}, r"labels in y_pred. Classes: \[1, 2\]"),
        ({"classes": ["a", "b"]}, r"labels in y_pred. Classes: \['a', 'b'\]"),
        ({"proba": np.full((3, 2), 1.5)}, r"as from predict_proba. Got values from 1.5 to 1.5"),
        ({"proba": np.full((3, 2), np.nan)}, "from nan to nan"),
    ],
)
def test_bad_predictions_are_refused(change, message):
    """Input that does not fit is a ValueError that names the value and opens no figure."""
    good = {"images": np.zeros((3, 4)), "y_true": [0, 1, 1], "y_pred": [0, 1, 0]}
    good["proba"] = np.full((3, 2), 0.5)
    with pytest.raises(ValueError, match=message):
        DigitGridDisplay.from_predictions(**(good | change))
    assert not plt.get_fignums()


# ------------------------------------------------------------------ matplotlib


def test_import_brings_neither_matplotlib_nor_torch():
    """The module's import is light; matplotlib comes with the first plot."""
    code = (
        "import sk_digits.displays, sys;"
        "print([m for m in ('matplotlib', 'torch', 'skorch') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "display",
    [
        TrainingHistoryDisplay(loss=[1.0], step_size=[0.1]),
        DigitGridDisplay(images=np.zeros((1, 2, 2)), y_true=[0], y_pred=[1]),
    ],
)
def test_missing_matplotlib_is_named_with_the_extra(monkeypatch, display):
    """Without matplotlib, plot says which extra brings it."""
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r'pip install "sk-digits\[plot\]"'):
        display.plot()
