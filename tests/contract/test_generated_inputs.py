"""20,000 generated inputs of any kind give a right answer, or an error that names the argument.

`pytest tests/contract/test_generated_inputs.py --hypothesis-profile=hunt` tries ten times as many
others at random.
"""

import copy
import functools
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError
from support.classifiers import TINIEST
from support.input_cases import WIDTH, Given, numbers, tables
from support.input_laws import (
    attempt,
    attributes_of,
    bits_of,
    check_error,
    check_probabilities,
    judge,
)
from support.label_cases import classes_of, labels, plain_labels, weights
from support.parameter_cases import NORMALIZER, PARAMETERS, SCALER, WARP, parameters
from support.picture_cases import FLAWED_LISTS, IDX_NAMES, LISTS, idx_files, pictures

from sk_digits import (
    DigitANN,
    DigitImageNormalizer,
    PixelScaler,
    RandomWarp,
    make_digit_pipeline,
    segment_digits,
)
from sk_digits.datasets import fetch_mnist

# Making the inputs may warn; unknown warnings of the calls themselves are errors.
pytestmark = [pytest.mark.slow, pytest.mark.no_cover, pytest.mark.filterwarnings("ignore")]

VARIANTS = [{}, {"batch_size": 4}, {"batch_norm": True}, {"class_weight": "balanced"}]
PLANNED = {}


def generated(n_inputs):
    """Run a test on this number of generated inputs, each of which it draws, and count them."""

    def decorate(test):
        PLANNED[test.__name__] = n_inputs
        done = []

        @settings(
            max_examples=n_inputs * settings().max_examples // 100,
            suppress_health_check=[HealthCheck.too_slow],
        )
        @given(st.data())
        def draw_and_count(data):
            test(data.draw)
            done.append(1)

        @functools.wraps(test)
        def run():
            draw_and_count()
            assert len(done) >= n_inputs

        del run.__wrapped__  # else pytest takes its arguments for fixtures
        return run

    return decorate


def test_there_are_at_least_twenty_thousand_inputs():
    """The tests below, each of which counts its inputs, have 20,000 or more."""
    assert sum(PLANNED.values()) >= 20_000


@functools.cache
def fitted(dtype="float32", names=("five", "seven", "ten"), **params):
    """Return a classifier fitted to 12 rows, which no test may change."""
    X = numbers(0, 12, whole=False).astype(dtype)
    return DigitANN(**TINIEST | params).fit(X, np.array(names)[np.arange(12) % len(names)])


def one_of(draw, *values):
    """Draw one of the values."""
    return values[draw(st.integers(0, len(values) - 1))]


@generated(2300)
def test_fit_takes_what_is_sound_and_names_what_is_not(draw):
    """fit takes features, labels and weights in any form, or names the argument that is wrong."""
    X, n = draw(tables())
    y, weight = draw(labels(n)), draw(weights(n))
    params = TINIEST | one_of(draw, *VARIANTS)
    ann = copy.deepcopy(one_of(draw, DigitANN(), DigitANN(), fitted())).set_params(**params)
    before, bits = attributes_of(ann), [bits_of(argument.value) for argument in (X, y, weight)]
    arguments = {"X": X, "y": y, "sample_weight": weight}
    is_taken = judge(attempt(ann.fit, X.value, y.value, weight.value), arguments)
    assert [bits_of(argument.value) for argument in (X, y, weight)] == bits
    if not is_taken:
        assert attributes_of(ann) == before
        return
    kept = weight.plain > 0
    assert ann.classes_.tolist() == np.unique(plain_labels(y.value)[kept]).tolist()
    assert (ann.n_features_in_, ann.n_iter_, len(ann.loss_curve_)) == (WIDTH, 1, 1)
    plain = DigitANN(**params).fit(X.plain, y.plain, weight.plain)
    proba = check_probabilities(ann, X.plain)
    np.testing.assert_allclose(proba, plain.predict_proba(X.plain), rtol=0, atol=1e-5)


@generated(1300)
def test_partial_fit_takes_what_is_sound_and_names_what_is_not(draw):
    """So does partial_fit, for a first chunk with its classes and for a later one."""
    X, n = draw(tables())
    y, weight = draw(labels(n)), draw(weights(n))
    is_first = draw(st.booleans())
    known = np.arange(3)
    if is_first and y.sound:
        known = np.unique(plain_labels(y.value))
    classes = draw(classes_of(known))
    if not is_first and (classes.value is None or draw(st.booleans())):
        classes = Given(None)
    culprits = ()
    if y.sound and not set(plain_labels(y.value).tolist()) <= set(known.tolist()):
        y = y._replace(sound=False)
        culprits = ("classes",)
    params = TINIEST | one_of(draw, *VARIANTS)
    if not is_first:
        params.pop("batch_norm", None)
    start = DigitANN() if is_first else fitted(names=(0, 1, 2))
    ann = copy.deepcopy(start).set_params(**params)
    before = attributes_of(ann)
    arguments = {"X": X, "y": y, "classes": classes, "sample_weight": weight}
    outcome = attempt(ann.partial_fit, X.value, y.value, classes.value, weight.value)
    if not judge(outcome, arguments, culprits):
        assert attributes_of(ann) == before
        return
    assert ann.classes_.tolist() == known.tolist()
    reference = copy.deepcopy(start).set_params(**params)
    reference.partial_fit(X.plain, plain_labels(y.value), known, weight.plain)
    proba = check_probabilities(ann, X.plain)
    np.testing.assert_allclose(proba, reference.predict_proba(X.plain), rtol=0, atol=1e-5)


METHODS = ["predict", "predict_proba", "predict_log_proba", "decision_function"]


@generated(5000)
def test_predictions_of_what_is_sound_are_those_of_its_plain_form(draw):
    """Predictions are those of the plain array, or the error names X; nothing changes."""
    X, _ = draw(tables(width=one_of(draw, WIDTH, WIDTH, WIDTH, WIDTH, 4, 12)))
    if X.plain is not None and X.plain.shape[1] != WIDTH:
        X = X._replace(sound=False)
    ann = one_of(
        draw,
        fitted(),
        fitted("float64"),
        fitted(names=(False, True)),
        fitted(names=(7,)),
        fitted(batch_norm=True),
        DigitANN(),
    )
    before, bits = attributes_of(ann), bits_of(X.value)
    method = one_of(draw, *METHODS)
    outcome = attempt(getattr(ann, method), X.value)
    assert (attributes_of(ann), bits_of(X.value)) == (before, bits)
    if not hasattr(ann, "net_"):
        assert isinstance(outcome.error, NotFittedError)
    elif judge(outcome, {"X": X}):
        dtype = ann.net_.architecture.dtype
        expected = getattr(ann, method)(X.plain.astype(dtype))
        assert outcome.answer.dtype == expected.dtype
        if method == "predict":
            assert outcome.answer.tolist() == expected.tolist()
        else:
            np.testing.assert_allclose(outcome.answer, expected, rtol=0, atol=1e-5)
            check_probabilities(ann, X.plain)


@generated(1500)
def test_score_is_the_share_of_right_labels_by_weight(draw):
    """score is the weighted fraction of right labels, or the error names the argument."""
    X, n = draw(tables())
    y, weight = draw(labels(n)), draw(weights(n))
    ann = one_of(draw, fitted(), fitted(names=(0, 1, 2)), fitted(names=(False, True)))
    if y.sound and (plain_labels(y.value).dtype.kind in "UOT") != (ann.classes_.dtype.kind == "U"):
        y = y._replace(sound=None)  # scikit-learn does not compare strings with numbers
    before = attributes_of(ann)
    arguments = {"X": X, "y": y, "sample_weight": weight}
    outcome = attempt(ann.score, X.value, y.value, weight.value)
    assert attributes_of(ann) == before
    if judge(outcome, arguments):
        right = ann.predict(X.plain) == plain_labels(y.value)
        share = weight.plain / weight.plain.max()
        assert outcome.answer == pytest.approx((right * share).sum() / share.sum())


ROWS, TARGETS = numbers(1, 12, whole=False).astype(np.float32), np.arange(12) % 3


@generated(3500)
def test_parameters_are_taken_or_named(draw):
    """Each parameter, alone or with another, is taken or named in the error."""
    chosen = dict(draw(parameters(PARAMETERS)) for _ in range(draw(st.integers(1, 2))))
    if chosen.keys() & {"augmentation"} and "image_shape" not in chosen:
        chosen["image_shape"] = Given((2, 4))
    params = TINIEST | {name: given.value for name, given in chosen.items()}
    ann = DigitANN(**params)
    before = attributes_of(ann)
    if draw(st.booleans()):
        outcome = attempt(ann.fit, ROWS, TARGETS)
    else:
        outcome = attempt(ann.partial_fit, ROWS, TARGETS, [0, 1, 2])
    if judge(outcome, chosen, ["RandomWarp"] if "augmentation" in chosen else []):
        check_probabilities(ann, ROWS)
        assert ann.get_params() == DigitANN(**params).get_params()
    else:
        assert attributes_of(ann) == before


@generated(1500)
def test_set_params_sets_all_or_nothing(draw):
    """An unknown name changes nothing, whatever else was to be set."""
    names = ["lr", "dropout", "augmentation", "augmentation__rotation", "augmentation__p"]
    names += [
        "bogus",
        "lr__bogus",
        "augmentation__bogus",
        "",
        "__",
        "lr__",
        "_lr",
        "augmentation__",
    ]
    chosen = [one_of(draw, *names) for _ in range(draw(st.integers(1, 4)))]
    warp = one_of(draw, None, "affine", RandomWarp(shear=0.5))
    ann = copy.deepcopy(fitted()).set_params(augmentation=warp)
    before = attributes_of(ann)
    changes = {name: draw(st.integers(0, 9)) for name in chosen}
    if "augmentation" in changes:
        changes["augmentation"] = RandomWarp(elastic=0.5)
    outcome = attempt(ann.set_params, **changes)
    known = {*DigitANN().get_params(), "augmentation__rotation", "augmentation__p"}
    has_warp = isinstance(changes.get("augmentation", warp), RandomWarp)
    is_sound = all(n in known and (has_warp or "__" not in n) for n in changes)
    culprits = {part for name in changes for part in (name, *name.split("__"))} - {""}
    if judge(outcome, {"params": Given(changes, sound=is_sound)}, culprits | {"''"}):
        assert outcome.answer is ann
        assert {name: ann.get_params()[name] for name in changes} == changes
    else:
        assert attributes_of(ann) == before


@generated(700)
def test_warps_are_checked_by_name(draw):
    """Each parameter of RandomWarp is checked, alone and within a classifier."""
    name, value = draw(parameters(WARP))
    warp = RandomWarp(elastic=0.1).set_params(**{name: value.value})
    ann = DigitANN(**TINIEST, augmentation=warp, image_shape=(2, 4))
    before = attributes_of(ann)
    if not judge(attempt(ann.fit, ROWS, TARGETS), {name: value}):
        assert attributes_of(ann) == before
        with pytest.raises(ValueError, match=f"'{name}' parameter of RandomWarp must be"):
            warp.check()


def smallest_maximum(magnitude):
    """Return the maximum that PixelScaler is documented to learn."""
    return next((m for m in (1, 16, 255, 65535) if magnitude <= m), magnitude)


@generated(3000)
def test_scaler_divides_what_is_sound_and_names_what_is_not(draw):
    """PixelScaler takes features in any form, or names the argument that is wrong."""
    width = one_of(draw, WIDTH, WIDTH, WIDTH, 4)
    X, _ = draw(tables(width=width))
    name, value = draw(parameters(SCALER)) if draw(st.booleans()) else ("pixel_max", Given("auto"))
    scaler = PixelScaler(value.value)
    method = one_of(draw, "fit", "partial_fit", "fit_transform", "transform", "inverse_transform")
    chosen = {"X": X, name: value}
    if method in ("transform", "inverse_transform"):
        scaler, chosen = PixelScaler(255).fit(ROWS), {"X": X}
        if X.plain is not None and width != WIDTH:
            chosen["X"] = X._replace(sound=False)
    if method == "inverse_transform" and X.kind == "frame, mixed names":
        return  # it does not read names, for transform has dropped them
    before, bits = attributes_of(scaler), bits_of(X.value)
    outcome = attempt(getattr(scaler, method), X.value)
    assert bits_of(X.value) == bits
    if not judge(outcome, chosen):
        assert attributes_of(scaler) == before
        return
    if scaler.pixel_max == "auto":
        assert scaler.pixel_max_ == smallest_maximum(X.plain.max(initial=0))
    if "transform" in method:
        answer = outcome.answer
        answer = answer.toarray() if sp.issparse(answer) else answer
        assert answer.dtype == X.plain.dtype
        maximum = np.float64(scaler.pixel_max_)
        expected = X.plain * maximum if method == "inverse_transform" else X.plain / maximum
        np.testing.assert_allclose(answer, expected.astype(answer.dtype), rtol=1e-6)


@generated(500)
def test_pipeline_takes_what_is_sound_and_names_what_is_not(draw):
    """The recipe's pipeline takes pixels in any form, or names the argument that is wrong."""
    X, n = draw(tables())
    y, weight = draw(labels(n)), draw(weights(n))
    recipe = TINIEST | {"image_shape": (2, 4)}
    arguments = {"X": X, "y": y, "sample_weight": weight}
    pipeline = make_digit_pipeline(**recipe)
    outcome = attempt(pipeline.fit, X.value, y.value, ann__sample_weight=weight.value)
    if not judge(outcome, arguments):
        assert not hasattr(pipeline["ann"], "net_")
        return
    plain = make_digit_pipeline(**recipe)
    plain.fit(X.plain, y.plain, ann__sample_weight=weight.plain)
    proba, expected = attempt(pipeline.predict_proba, X.value), plain.predict_proba(X.plain)
    np.testing.assert_allclose(proba.answer, expected, rtol=0, atol=1e-5)


@generated(400)
def test_normalizer_takes_pictures_and_names_what_is_not(draw):
    """Pictures in any form give the rows of plain arrays, or the error names the picture."""
    first, second = draw(pictures()), draw(pictures())
    form = one_of(draw, *LISTS, *FLAWED_LISTS)
    X = {**LISTS, **FLAWED_LISTS}[form](first.value, second.value)
    taken = [first] if form == "one" else [first, second]
    sound = (
        False
        if form in FLAWED_LISTS
        else min((g.sound for g in taken), key=[False, None, True].index)
    )
    name, value = draw(parameters(NORMALIZER)) if draw(st.booleans()) else ("ink", Given("auto"))
    normalizer = DigitImageNormalizer().set_params(**{name: value.value})
    before = attributes_of(normalizer)
    outcome = attempt(normalizer.fit_transform, X)
    assert attributes_of(normalizer) == before
    chosen = {"X": Given(None, sound=sound), name: value}
    named = name in ("ink", "max_pixels") and value.sound
    if judge(outcome, chosen, ["Image", name] if named else ["Image"]):
        assert outcome.answer.shape == (len(taken), 784)
        if sound and name != "ink":
            plain = DigitImageNormalizer().transform([given.plain for given in taken])
            assert np.abs(outcome.answer.astype(float) - plain).max() <= 2


@generated(300)
def test_pages_are_cut_or_named(draw):
    """segment_digits takes any form of picture that DigitImageNormalizer takes."""
    page = draw(pictures())
    name, value = draw(parameters({k: NORMALIZER[k] for k in ("ink", "max_pixels")}))
    outcome = attempt(segment_digits, page.value, **{name: value.value})
    if judge(outcome, {"image": page, name: value}, ["max_pixels"] if value.sound else []):
        assert all(digit.image.dtype == np.uint8 for digit in outcome.answer)


@generated(400)
def test_files_that_are_not_mnist_are_named(draw):
    """Whatever stands in the files of MNIST, the error names the file or the argument."""
    content = draw(idx_files())
    subset, home = (
        one_of(draw, "12k", "all", "10k", None, 5, ["12k"], np.array(["12k", "all"])),
        None,
    )
    with TemporaryDirectory() as folder:
        for name in IDX_NAMES[: one_of(draw, 4, 4, 4, 2)]:
            (Path(folder) / f"{name}-ubyte").write_bytes(content)
        home = one_of(
            draw, folder, folder, folder, Path(folder), folder + "/none", 5, b"x", "\0", 1.5
        )
        outcome = attempt(fetch_mnist, subset=subset, data_home=home, download_if_missing=False)
    if isinstance(outcome.error, OSError):
        assert str(home) in str(outcome.error)
    else:
        check_error(outcome.error, [folder + "/train-images-idx3-ubyte", "subset", "data_home"])
