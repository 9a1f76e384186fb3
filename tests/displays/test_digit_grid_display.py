"""`DigitGridDisplay`: which images it shows, in which order, and which input it refuses."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import LabelEncoder
from sklearn.svm import LinearSVC
from support.classifiers import TINY

from sk_digits import DigitANN
from sk_digits.displays import DigitGridDisplay


@pytest.fixture
def predictions():
    """Return made-up images, labels, predictions and probabilities, some of them errors."""
    rng = np.random.default_rng(0)
    proba = rng.dirichlet(np.ones(4), 50)
    y_true = rng.permutation(np.arange(50) % 4)
    return rng.integers(0, 256, (50, 3, 5)), y_true, proba.argmax(axis=1), proba


def drawn(display):
    """Return label, note and pixels of each cell that holds an image."""
    return [
        (axes.get_title(loc="left"), axes.get_title(loc="right"), axes.images[0].get_array())
        for axes in display.axes_
        if axes.images
    ]


def titles(axes):
    """Return the Text of the left and the right title, for which matplotlib has no public name."""
    return axes._left_title, axes._right_title


@pytest.mark.parametrize("n_images", [1, 10, 50, 100])
def test_worst_errors_come_first(predictions, n_images):
    """Errors come by falling probability, then right answers by rising probability."""
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
    """Without proba, errors and then right answers keep their order, without a note."""
    images, y_true, y_pred, _ = predictions
    display = DigitGridDisplay.from_predictions(images, y_true, y_pred, n_images=50)
    wrong = y_true != y_pred
    expected = np.concatenate([np.flatnonzero(wrong), np.flatnonzero(~wrong)])
    np.testing.assert_array_equal(display.indices, expected)
    assert {note for _, note, _ in drawn(display)} == {""}
    assert "probability" not in display.figure_.get_suptitle()


def test_grid_in_the_order_of_the_rows(predictions):
    """worst_first=False shows the first rows in their order."""
    display = DigitGridDisplay.from_predictions(*predictions, n_images=7, worst_first=False)
    np.testing.assert_array_equal(display.indices, range(7))


def test_errors_differ_from_right_answers_by_more_than_colour(predictions):
    """Labels of errors are bold and coloured, those of right answers neither."""
    display = DigitGridDisplay.from_predictions(*predictions, n_images=50)
    styles = {True: set(), False: set()}
    wrong = display.y_true != display.y_pred
    for axes, is_wrong in zip(display.axes_, wrong, strict=False):
        label, _ = titles(axes)
        styles[bool(is_wrong)].add((label.get_weight(), label.get_color()))
    assert styles[True] == {("bold", "#D55E00")}
    assert styles[False] == {("normal", "#666666")}


def test_rows_of_pixels_equal_images(predictions):
    """Rows of pixels with image_shape, or of square images, are shown as images."""
    images, *rest = predictions
    flat = DigitGridDisplay.from_predictions(
        images.reshape(50, -1), *rest, image_shape=(3, 5), n_images=4
    )
    np.testing.assert_array_equal(flat.images, images[flat.indices])
    square = images[:, :, :3].reshape(50, 9)
    display = DigitGridDisplay.from_predictions(square, *rest, n_images=4)
    np.testing.assert_array_equal(display.images, images[display.indices, :, :3])


def test_probability_is_that_of_the_predicted_label():
    """The note is the probability of the predicted label, whatever the order of the columns."""
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
    classifier = GridSearchCV(DigitANN(**TINY), {"lr": [0.01]}, cv=2).fit(X[:200], y[:200])
    assert DigitGridDisplay.from_estimator(classifier, X[200:], y[200:]).confidence is not None
    hinge = LinearSVC().fit(X[:200], y[:200])
    assert DigitGridDisplay.from_estimator(hinge, X[200:], y[200:]).confidence is None


@pytest.mark.parametrize("estimator", [Ridge(), LabelEncoder()])
def test_grid_of_another_estimator_is_refused(estimator):
    """A regressor or transformer is a TypeError."""
    X = np.zeros((2, 4))
    estimator.fit([0, 1]) if isinstance(estimator, LabelEncoder) else estimator.fit(X, [0, 1])
    with pytest.raises(TypeError, match=f"{type(estimator).__name__} is not a classifier"):
        DigitGridDisplay.from_estimator(estimator, X, [0, 1])


@pytest.mark.parametrize(
    ("labels", "n_columns"), [((1, 2), 6), (("seven", "three"), 3), (("x" * 99, "y"), 1)]
)
def test_long_labels_have_room(labels, n_columns):
    """The longer the labels, the fewer images in a row; no label overlaps the next cell."""
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
    """A label is shown as text, not as a formula."""
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
    """Input that does not fit is a ValueError that shows the value, and no figure opens."""
    good = {"images": np.zeros((3, 4)), "y_true": [0, 1, 1], "y_pred": [0, 1, 0]}
    good["proba"] = np.full((3, 2), 0.5)
    with pytest.raises(ValueError, match=message):
        DigitGridDisplay.from_predictions(**(good | change))
    assert not plt.get_fignums()
