"""scikit-learn's callbacks: what they are given, in this process and in workers."""

import io
import re
import time

import numpy as np
import pytest
import rich
from sklearn.callback import AutoPropagatedCallback, ProgressBar, ScoringMonitor
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from skorch.callbacks import Callback
from support.classifiers import TINY

from sk_digits import (
    DigitANN,
    DigitImageNormalizer,
    PixelScaler,
    TrainingCheckpoint,
    load_model,
    make_digit_pipeline,
    save_model,
)

# With a constant learning rate, a fit of 3 epochs begins with a fit of 2.
CONSTANT = TINY | {"lr_schedule": "constant"}


class Notes:
    """A callback that records what it is given and asks to stop after the chosen epoch."""

    def __init__(self, stop_after=None, fail_in=""):
        self.stop_after = stop_after
        self.fail_in = fail_in
        self.hooks = []
        self.ends = []

    def _note(self, hook, context):
        self.hooks.append((hook, context.task_name))
        if hook == self.fail_in:
            raise RuntimeError(f"failed in {hook}")

    def setup(self, estimator, context):
        """Record the call."""
        self._note("setup", context)

    def teardown(self, estimator, context):
        """Record the call."""
        self._note("teardown", context)

    def on_fit_task_begin(self, estimator, context):
        """Record the call."""
        self._note("begin", context)

    def on_fit_task_end(
        self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None
    ):
        """Record the call with its arguments, and ask to stop after the chosen epoch."""
        self.ends.append((context.task_name, X, y, metadata, fitted_estimator))
        self._note("end", context)
        return context.task_name == "epoch" and context.task_id + 1 == self.stop_after


class StopAfterTwo:
    """A callback for the outermost estimator that ends all fits after their second epoch."""

    max_propagation_depth = None

    def setup(self, estimator, context):
        """Do nothing."""

    def teardown(self, estimator, context):
        """Do nothing."""

    def on_fit_task_begin(self, estimator, context):
        """Do nothing."""

    def on_fit_task_end(self, estimator, context):
        """Ask to stop after the second epoch."""
        return context.task_name == "epoch" and context.task_id == 1


class Pause(Callback):
    """A skorch callback that slows the epochs down, so that rich shows each."""

    def on_epoch_end(self, net, **kwargs):
        """Wait."""
        time.sleep(0.3)


def _n_epochs(estimator, X, y):
    return estimator[-1].n_iter_


def _same_predictions(a, b, X):
    return bool((a.decision_function(X) == b.decision_function(X)).all())


@pytest.fixture
def screen():
    """Return a string buffer into which rich writes as to a terminal."""
    screen = io.StringIO()
    rich.reconfigure(file=screen, force_terminal=True, width=120, height=50)
    yield screen
    rich.reconfigure()


@pytest.mark.slow
def test_progress_bar_shows_a_search_down_to_the_epochs(digits, screen):
    """A search in two workers shows its candidates, splits, pipeline steps and epochs."""
    pipeline = make_digit_pipeline(**CONSTANT, callbacks=[Pause()])
    search = GridSearchCV(pipeline, {"ann__lr": [1e-3, 1e-2]}, cv=2, n_jobs=2)
    search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(*digits)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue()).replace("\r", "\n")
    lines = re.findall(r"^( *)(\S.*?) +\S*━\S* +(\d+)%", shown, re.MULTILINE)
    last = {}
    for indent, name, percent in lines[-17:]:
        last.setdefault((len(indent) // 2, name), []).append(percent)
    split = [f"GridSearchCV - candidate-split-evaluation | Pipeline - fit #{i}" for i in range(4)]
    scaler = "Pipeline - fit-transform-scaler | PixelScaler - fit #0"
    ann = "Pipeline - fit-final-estimator | DigitANN - fit #1"
    done = ["100"]
    assert last == {
        (0, "GridSearchCV - fit"): done,
        (1, "GridSearchCV - search #0"): done,
        **{(2, name): done for name in split},
        (3, scaler): 4 * done,
        (3, ann): 4 * done,
        (1, "GridSearchCV - refit-with-best-params | Pipeline - fit #1"): done,
        (2, scaler): done,
        (2, ann): done,
    }
    assert {percent for _, name, percent in lines if name == ann} == {"0", "33", "67", "100"}


@pytest.mark.slow
def test_scoring_monitor_records_each_epoch_of_each_candidate_and_split(digits):
    """The score at each epoch is that of a fit that ends at this epoch."""
    X, y = digits
    monitor = ScoringMonitor(scoring="accuracy")
    ann = DigitANN(**CONSTANT).set_callbacks(monitor)
    search = GridSearchCV(ann, {"hidden_layer_sizes": [(8,), (16,)]}, cv=2, n_jobs=2)
    search.fit(X, y)
    (log,) = [log for log in monitor.get_logs("all") if log.estimator_name == "GridSearchCV"]
    scores = {
        row["task_id_path"]: row["accuracy"] for row in log.data if row["task_name"] == "epoch"
    }
    splits = list(search._checked_cv_orig.split(X, y))
    expected = {}
    for epoch in range(3):
        for i, width in enumerate([8, 16]):
            for j, (train, _) in enumerate(splits):
                params = CONSTANT | {"hidden_layer_sizes": (width,), "max_epochs": epoch + 1}
                score = DigitANN(**params).fit(X[train], y[train]).score(X[train], y[train])
                expected[0, 0, 2 * i + j, epoch] = score
        params = CONSTANT | search.best_params_ | {"max_epochs": epoch + 1}
        expected[0, 1, epoch] = DigitANN(**params).fit(X, y).score(X, y)
    assert scores == expected
    assert len(set(scores.values())) > 10


def test_the_hooks_of_a_fit(digits):
    """The fit and each epoch begin and end once, between setup and teardown."""
    notes = Notes()
    DigitANN(**CONSTANT).set_callbacks(notes).fit(*digits)
    epochs = 3 * [("begin", "epoch"), ("end", "epoch")]
    assert notes.hooks == [
        ("setup", "fit"),
        ("begin", "fit"),
        *epochs,
        ("end", "fit"),
        ("teardown", "fit"),
    ]


def test_callbacks_see_what_was_given_to_fit(digits):
    """Callbacks get the rows, labels and weights that were passed to fit."""
    X, y = digits[0][:200], digits[1][:200].astype(str)
    weight = np.arange(200) % 3.0
    notes = Notes()
    ann = DigitANN(**CONSTANT, class_weight={"0": 5}, early_stopping=True).set_callbacks(notes)
    ann.fit(X, y, sample_weight=weight)
    seen = weight > 0
    for _, X_seen, y_seen, metadata, _ in notes.ends:
        assert np.array_equal(X_seen, X[seen])
        assert np.array_equal(y_seen, y[seen])
        assert np.array_equal(metadata["sample_weight"], weight[seen])


@pytest.mark.parametrize("early_stopping", [False, True])
def test_the_fitted_estimator_is_that_of_a_fit_that_ends_there(digits, early_stopping):
    """It is a classifier of its own, which the following epochs do not change."""
    X, y = digits
    params = CONSTANT | {"early_stopping": early_stopping, "lr": 0.03, "batch_norm": True}
    notes = Notes()
    ann = DigitANN(**params | {"max_epochs": 4}).set_callbacks(notes).fit(X, y)
    snapshots = [end[4] for end in notes.ends]
    assert [end[0] for end in notes.ends] == 4 * ["epoch"] + ["fit"]
    for n_epochs, snapshot in zip([1, 2, 3, 4, 4], snapshots, strict=True):
        shorter = DigitANN(**params | {"max_epochs": n_epochs}).fit(X, y)
        assert _same_predictions(snapshot, shorter, X)
        assert snapshot.n_iter_ == n_epochs
        assert snapshot.loss_curve_ == shorter.loss_curve_
        if early_stopping:
            assert snapshot.validation_scores_ == shorter.validation_scores_
            assert snapshot.best_validation_score_ == shorter.best_validation_score_
    assert _same_predictions(ann, DigitANN(**params | {"max_epochs": 4}).fit(X, y), X)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_callback_that_asks_to_stop_ends_the_fit(digits, early_stopping):
    """The result is that of a fit of as many epochs."""
    X, y = digits
    params = CONSTANT | {"early_stopping": early_stopping}
    notes = Notes(stop_after=2)
    ann = DigitANN(**params | {"max_epochs": 50}).set_callbacks(notes).fit(X, y)
    assert ann.n_iter_ == 2
    assert notes.hooks.count(("begin", "epoch")) == 2
    assert _same_predictions(ann, DigitANN(**params | {"max_epochs": 2}).fit(X, y), X)


@pytest.mark.slow
def test_a_callback_stops_the_fits_of_a_search_in_its_workers(digits):
    """A callback of a search reaches the network in each pipeline and the refitted one."""
    assert isinstance(StopAfterTwo(), AutoPropagatedCallback)
    pipeline = make_digit_pipeline(**CONSTANT | {"max_epochs": 50})
    grid = {"ann__lr": [1e-3, 1e-2]}
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=2, scoring=_n_epochs)
    search.set_callbacks(StopAfterTwo()).fit(*digits)
    assert search.cv_results_["mean_test_score"].tolist() == [2, 2]
    assert search.best_estimator_["ann"].n_iter_ == 2


def test_skorch_callbacks_work_beside_it(digits):
    """Both kinds are called at each epoch, skorch's first, and are kept apart."""
    order = []

    class Skorch(Callback):
        def on_epoch_end(self, net, **kwargs):
            order.append("skorch")

    class Sklearn(Notes):
        def on_fit_task_end(self, estimator, context):
            order.append(context.task_name)

    ann = DigitANN(**CONSTANT, callbacks=[Skorch()]).set_callbacks(Sklearn()).fit(*digits)
    assert order == 3 * ["skorch", "epoch"] + ["fit"]
    assert [type(callback) for _, callback in ann.net_.callbacks_] == [Skorch]
    assert [type(callback) for callback in ann.get_params()["callbacks"]] == [Skorch]


@pytest.mark.parametrize("hook", ["setup", "begin", "end", "teardown"])
def test_a_failing_callback_leaves_nothing(digits, hook):
    """The error is raised, teardown is called, and the classifier is as it was."""
    X, y = digits
    notes = Notes(fail_in=hook)
    ann = DigitANN(**CONSTANT).set_callbacks(notes)
    before = dict(vars(ann))
    with pytest.raises(RuntimeError, match=f"failed in {hook}"):
        ann.fit(X, y)
    assert vars(ann) == before
    assert notes.hooks[-1] == ("teardown", "fit")
    ann.set_callbacks().fit(X, y)
    before = dict(vars(ann))
    with pytest.raises(RuntimeError, match=f"failed in {hook}"):
        ann.set_callbacks(notes).partial_fit(X, y)
    assert vars(ann.set_callbacks()) == before


def test_no_hook_is_called_when_rows_are_refused(digits):
    """No hook is called when the rows are refused."""
    notes = Notes()
    with pytest.raises(ValueError, match="NaN"):
        DigitANN().set_callbacks(notes).fit([[np.nan], [1.0]], [0, 1])
    assert notes.hooks == []


def test_partial_fit_is_a_fit_of_one_epoch(digits):
    """Each call is set up, has one epoch, and is torn down."""
    notes = Notes()
    ann = DigitANN(**CONSTANT).set_callbacks(notes)
    for _ in range(2):
        ann.partial_fit(*digits, classes=range(10))
    call = ["setup", "begin", "begin", "end", "end", "teardown"]
    assert [hook for hook, _ in notes.hooks] == 2 * call
    assert [end[4].n_iter_ for end in notes.ends] == [1, 1, 2, 2]


def test_a_resumed_training_counts_its_epochs_on(digits, tmp_path):
    """Epochs trained by an earlier process begin and end too, without a fitted estimator."""
    checkpoint = [TrainingCheckpoint(tmp_path)]
    DigitANN(**CONSTANT, callbacks=checkpoint).set_callbacks(Notes(stop_after=2)).fit(*digits)
    monitor, notes = ScoringMonitor(scoring="accuracy"), Notes()
    DigitANN(**CONSTANT, callbacks=checkpoint).set_callbacks(monitor, notes).fit(*digits)
    assert notes.hooks.count(("begin", "epoch")) == 3
    epochs = [row["task_id"] for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert epochs == [2]


def test_transformers_call_the_hooks(digits):
    """DigitImageNormalizer and PixelScaler call the hooks with their fitted selves."""
    images = [row.reshape(8, 8) for row in digits[0][:20]]
    normalizer, scaler = Notes(), Notes()
    image_step = DigitImageNormalizer(ink="light").set_callbacks(normalizer)
    pixel_step = PixelScaler().set_callbacks(scaler)
    pipeline = Pipeline([("image", image_step), ("scaler", pixel_step)]).fit(images)
    for notes in (normalizer, scaler):
        assert [hook for hook, _ in notes.hooks] == ["setup", "begin", "end", "teardown"]
    assert normalizer.ends[0][4].transform(images).shape == (20, 784)
    assert scaler.ends[0][4].pixel_max_ == pipeline["scaler"].pixel_max_ == 255


def test_model_files_hold_no_callbacks(digits, tmp_path):
    """A model file holds no callbacks, and the saved pipeline keeps its own."""
    pipeline = make_digit_pipeline(**CONSTANT)
    parts = [pipeline, pipeline["scaler"], pipeline["ann"]]
    for part in parts:
        part.set_callbacks(Notes())
    pipeline.fit(*digits)
    save_model(pipeline, tmp_path / "model.safetensors")
    loaded = load_model(tmp_path / "model.safetensors")
    assert _same_predictions(loaded, pipeline, digits[0])
    assert all(hasattr(part, "_skl_callbacks") for part in parts)
    loaded_parts = [loaded, loaded["scaler"], loaded["ann"]]
    assert not any(hasattr(part, "_skl_callbacks") for part in loaded_parts)
