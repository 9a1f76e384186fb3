"""The parameters: each is documented, validated, settable by name, and has its effect."""

import inspect
import re

import numpy as np
import pytest
import sklearn
import torch
from sklearn.base import clone
from sklearn.metrics import log_loss
from sklearn.model_selection import cross_validate
from sklearn.pipeline import Pipeline
from skorch.callbacks import Callback
from support.classifiers import TINIEST, TINY
from support.parameter_cases import PARAMETERS

from sk_digits import DigitANN, PixelScaler, make_digit_pipeline


def test_documented_attributes_are_those_that_a_fit_leaves(digits):
    """The docstring documents the attributes that a fit sets, and no others."""
    X, y = digits
    ann = DigitANN(early_stopping=True, **TINY).fit(X, y)
    text = inspect.getdoc(DigitANN).split("Attributes\n----------\n")[1].split("\n\n")[0]
    names = set(re.findall(r"^(\w+_) : ", text, flags=re.MULTILINE))
    public = {name for name in vars(ann) if name.endswith("_") and not name.startswith("_")}
    assert names == public | {"feature_names_in_"}


def test_the_table_of_values_has_every_parameter():
    """The table of sound and wrong values leaves out no parameter."""
    assert PARAMETERS.keys() == DigitANN().get_params().keys()


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_wrong_value_is_an_error_that_names_parameter_and_value(digits, name, method):
    """The message names the parameter and shows the value, and no attribute changes."""
    X, y = (a[:50] for a in digits)
    classes = {"classes": np.arange(10)} if method == "partial_fit" else {}
    for value in PARAMETERS[name][1]:
        ann = DigitANN(**TINIEST).set_params(**{name: value})  # neither may raise
        before = dict(vars(ann))
        with pytest.raises((ValueError, TypeError), match=rf"\b{name}\b|RandomWarp") as caught:
            getattr(ann, method)(X, y, **classes)
        assert vars(ann) == before
        # Of callbacks and warps, the message shows the part that is wrong.
        if name not in ("callbacks", "augmentation"):
            assert repr(value) in str(caught.value) or str(value) in str(caught.value)


@pytest.mark.parametrize("device", ["cuda:99", "tpu", "", "cpu:x", torch.device("cuda:99"), "meta"])
def test_a_device_that_is_not_there_is_a_clear_error(digits, device):
    """A device that torch cannot use is a ValueError that says what to choose."""
    message = rf"'device' parameter of DigitANN is '{device}', .*cannot use.*'auto' or 'cpu'"
    with pytest.raises(ValueError, match=message):
        DigitANN(device=device, **TINY).fit(*digits)


@pytest.mark.parametrize("device", ["cpu", torch.device("cpu")])
def test_the_device_may_be_named_or_given(digits, device):
    """A name and a torch.device mean the same; "auto" is CUDA if available, else the CPU."""
    X, y = (a[:100] for a in digits)
    ann = DigitANN(device=device, **TINY).fit(X, y)
    assert torch.device(ann.net_.device).type == "cpu"
    auto = DigitANN(**TINY).fit(X, y)
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert {p.device.type for p in auto.net_.module_.parameters()} == {expected}


def test_numpys_numbers_are_numbers(digits):
    """Parameters may be NumPy's numbers and arrays, as searches pass them."""
    X, y = (a[:100] for a in digits)
    expected = DigitANN(**TINY).fit(X, y).predict_proba(X)
    ann = DigitANN(
        np.array([16]),
        dropout=np.float64(0),
        lr=np.float64(4e-3),
        batch_size=np.int64(128),
        max_epochs=np.int32(3),
        batch_norm=np.bool_(False),
        random_state=np.int64(0),
    ).fit(X, y)
    np.testing.assert_allclose(ann.predict_proba(X), expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    ("sizes", "widths"),
    [(16, [16]), ((16,), [16]), ([8, 4], [8, 4]), ((), []), (range(3, 5), [3, 4])],
)
def test_hidden_layer_sizes_are_the_widths_of_the_layers(digits, sizes, widths):
    """An int, a sequence and an empty sequence give the hidden layers that they name."""
    X, y = (a[:50] for a in digits)
    ann = DigitANN(sizes, max_epochs=1).fit(X, y)
    shapes = [tuple(p.shape) for p in ann.net_.module_.parameters() if p.ndim == 2]
    assert shapes == list(zip([*widths, 10], [64, *widths], strict=True))


@pytest.mark.parametrize(
    ("activation", "function"),
    [
        ("identity", lambda z: z),
        ("logistic", lambda z: 1 / (1 + np.exp(-z))),
        ("relu", lambda z: np.maximum(z, 0)),
        ("tanh", np.tanh),
    ],
)
def test_the_network_computes_what_its_name_says(digits, activation, function):
    """With each activation the logits are those of a perceptron written in NumPy."""
    X, y = digits[0].astype(np.float64), digits[1]
    ann = DigitANN((24, 16), activation=activation, max_epochs=15, lr=1e-2, random_state=0).fit(
        X, y
    )
    parameters = [p.detach().numpy() for p in ann.net_.module_.parameters()]
    hidden = X
    for weight, bias in zip(parameters[:-2:2], parameters[1:-2:2], strict=True):
        hidden = function(hidden @ weight.T + bias)
    np.testing.assert_allclose(
        ann.decision_function(X), hidden @ parameters[-2].T + parameters[-1], rtol=1e-9, atol=1e-9
    )
    assert ann.score(X, y) > 0.8


@pytest.mark.parametrize(
    "extra", [{"dropout": 0.3}, {"batch_norm": True}, {"lr_schedule": "cosine"}]
)
def test_features_that_change_the_training_learn_too(digits, extra):
    """Each feature gives other weights that have learned, and predictions without randomness."""
    X, y = digits
    params = {"hidden_layer_sizes": (32,), "max_epochs": 12, "lr": 5e-3, "random_state": 0}
    ann, plain = DigitANN(**params, **extra).fit(X, y), DigitANN(**params).fit(X, y)
    assert ann.score(X, y) > 0.9
    np.testing.assert_array_equal(ann.predict_proba(X), ann.predict_proba(X))
    assert np.abs(ann.predict_proba(X) - plain.predict_proba(X)).max() > 1e-3


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_batch_norm_takes_batches_of_one_row(digits, dropout):
    """A last batch of one row and a chunk of one row are trained on, with finite predictions."""
    X, y = digits[0][:65], digits[1][:65]
    ann = DigitANN(batch_norm=True, dropout=dropout, batch_size=16, **TINY).fit(X, y)
    assert np.isfinite(ann.loss_curve_).all()
    before = ann.predict_proba(X)
    ann.partial_fit(X[:1], y[:1])
    after = ann.predict_proba(X)
    assert np.isfinite(after).all()
    assert np.abs(after - before).max() > 0


def test_label_smoothing_tempers_probabilities_only_while_it_lasts(digits):
    """One epoch on smoothed targets alone teaches nothing; after many, probabilities are sure."""
    X, y = digits
    params = {"hidden_layer_sizes": (32,), "lr": 1e-2, "label_smoothing": 1.0, "random_state": 0}
    after_one, after_many = (
        DigitANN(max_epochs=n, **params).fit(X, y).predict_proba(X).max(axis=1).mean()
        for n in (1, 40)
    )
    assert after_one < 0.15
    assert after_many > 0.7


def test_the_validation_loss_has_no_label_smoothing(digits):
    """It can be compared from epoch to epoch: the last is the log loss of the fitted weights."""
    X, y = digits
    valid = []

    class Validation(Callback):
        def on_epoch_end(self, net, dataset_valid=None, **kwargs):
            probabilities = torch.softmax(net.module_(dataset_valid.X).double(), 1)
            valid.append(log_loss(dataset_valid.y, probabilities.detach(), labels=range(10)))

    params = TINY | {"label_smoothing": 0.3, "early_stopping": True, "callbacks": [Validation]}
    ann = DigitANN(**params).fit(X, y)
    np.testing.assert_allclose(ann.net_.history[:, "valid_loss"], valid, rtol=1e-5)


# scikit-learn's conventions


def test_parameters_are_set_by_nested_names(digits):
    """set_params of a pipeline sets the parameters of the classifier."""
    pipeline = make_digit_pipeline(**TINY)
    pipeline.set_params(ann__hidden_layer_sizes=(8,), ann__lr=0.5, scaler__pixel_max=16)
    assert pipeline.get_params()["ann__hidden_layer_sizes"] == (8,)
    ann = pipeline.fit(*digits).named_steps["ann"]
    assert (ann.lr, ann.net_.module_[0].out_features) == (0.5, 8)
    with pytest.raises(
        ValueError, match="Invalid parameter 'learning_rate' for estimator DigitANN"
    ):
        pipeline.set_params(ann__learning_rate=1)


def test_a_clone_has_the_parameters_and_nothing_else(digits):
    """A clone is unfitted and fits to the same bits."""
    X, y = digits
    ann = DigitANN(early_stopping=True, class_weight={3: 2.0}, **TINY).fit(X, y)
    copy = clone(ann)
    assert copy.get_params() == ann.get_params()
    assert not [name for name in vars(copy) if name.endswith("_")]
    np.testing.assert_array_equal(copy.fit(X, y).predict_proba(X), ann.predict_proba(X))


@pytest.mark.parametrize("fitted", [False, True])
def test_the_notebook_shows_the_classifier_by_name(digits, fitted):
    """The HTML and the plain representation show the name and the changed parameters."""
    pipeline = make_digit_pipeline(**TINY)
    if fitted:
        pipeline.fit(*digits)
    html = pipeline._repr_html_()
    assert all(word in html for word in ("DigitANN", "PixelScaler", "hidden_layer_sizes", "(16,)"))
    assert repr(DigitANN((16,))) == "DigitANN(hidden_layer_sizes=(16,))"


def test_sample_weights_are_routed_on_request(digits):
    """With metadata routing, a pipeline and cross_validate pass sample_weight to fit and score."""
    X, y = digits[0][:300], digits[1][:300]
    weight = np.random.default_rng(0).uniform(0, 2, 300)
    with sklearn.config_context(enable_metadata_routing=True):
        ann = DigitANN(**TINY).set_fit_request(sample_weight=True)
        ann.set_score_request(sample_weight=True)
        pipeline = Pipeline([("scaler", PixelScaler()), ("ann", ann)])
        routed = clone(pipeline).fit(X, y, sample_weight=weight)
        scores = cross_validate(pipeline, X, y, cv=2, params={"sample_weight": weight})
        plain = cross_validate(clone(pipeline), X, y, cv=2)
        unrequested = clone(pipeline).set_params(ann=DigitANN(**TINY))
        with pytest.raises(ValueError, match=r"sample_weight.* not explicitly set as requested"):
            unrequested.fit(X, y, sample_weight=weight)
    direct = DigitANN(**TINY).fit(X, y, sample_weight=weight)
    np.testing.assert_array_equal(routed.predict_proba(X), direct.predict_proba(X))
    assert scores["test_score"].tolist() != plain["test_score"].tolist()
