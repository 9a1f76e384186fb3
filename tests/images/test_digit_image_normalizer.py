"""`DigitImageNormalizer`: what it takes, what it finds, and the form of its output."""

import io
import pickle
import re
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from scipy import ndimage
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import SkipTestWarning
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator
from support.synthetic_paper import LADDER, photograph

from sk_digits import DigitImageNormalizer, PixelScaler
from sk_digits.datasets import fetch_mnist, load_digits_28

PAPER, INK = 230, 30


def seven(size=100, width=12, margin=40):
    """Draw a dark 7 on light paper; (size + 2 * margin) pixels square, uint8."""
    side = size + 2 * margin
    image = Image.new("L", (side, side), PAPER)
    left, right = margin + 0.1 * size, margin + 0.8 * size
    points = [(left, margin), (right, margin), (margin + 0.4 * size, margin + size)]
    ImageDraw.Draw(image).line(points, fill=INK, width=width, joint="curve")
    return np.asarray(image)


def normalize(*images, **params):
    """Return normalized images of 28x28 pixels."""
    return DigitImageNormalizer(**params).transform(list(images)).reshape(-1, 28, 28)


def assert_alike(a, b, tolerance=12):
    """Assert that two images show the same digit, with small differences along its outline."""
    assert np.abs(a.astype(int) - b).mean() < tolerance


SEVEN = normalize(seven())[0]


# MNIST's form


def box_of(image):
    """Return the shape of the box around all ink."""
    return tuple(int(np.ptp(np.flatnonzero(image.any(axis=axis)))) + 1 for axis in (1, 0))


def assert_mnist_form(image):
    """Assert the box, the centre of mass and the contrast of MNIST's images."""
    assert image.dtype == np.uint8
    assert image.max() == 255
    assert max(box_of(image)) == 20
    centre = ndimage.center_of_mass(image.astype(float))
    corner = [np.flatnonzero(image.any(axis=axis))[0] for axis in (1, 0)]
    for c, start, length in zip(centre, corner, box_of(image), strict=True):
        # Within half a pixel of the middle, but where the box would leave the image.
        assert abs(c - 14) <= 0.5 or start in (0, 28 - length)


@pytest.mark.slow
@pytest.mark.no_cover
@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    index=st.integers(0, 1796),
    rung=st.sampled_from(["clean", "polarity", "scale", "pen", "canvas", "colour"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_picture_comes_out_in_mnists_form_and_stays_as_it_is(index, rung, seed):
    """A second pass changes nothing."""
    image = load_digits_28().images[index]
    picture = photograph(image, LADDER[rung], np.random.default_rng(seed))
    (frame,) = normalize(picture)
    assert_mnist_form(frame)
    np.testing.assert_array_equal(normalize(frame)[0], frame)


def test_the_aspect_is_kept():
    """A bar stays five times as high as wide, and one that lies is no digit."""
    picture = np.full((300, 300), PAPER, np.uint8)
    picture[50:250, 130:170] = INK
    assert box_of(normalize(picture)[0]) == (20, 4)
    with pytest.raises(ValueError, match="has no digit"):
        normalize(picture.T)


def test_bundled_digits_in_mnists_layout_come_out_as_they_were():
    """Images that are in MNIST's form are returned unchanged."""
    images = load_digits_28().images
    framed = [max(box_of(image)) == 20 and image.max() >= 250 for image in images]
    assert np.mean(framed) > 0.9
    np.testing.assert_array_equal(normalize(*images[framed]), images[framed])


@pytest.mark.slow
@pytest.mark.mnist
def test_mnist_comes_out_as_it_was(mnist_home):
    """At most two of 2,000 rows of MNIST are not in MNIST's form and change."""
    X = fetch_mnist(data_home=mnist_home, return_X_y=True)[0][10_000:]
    rows = DigitImageNormalizer().transform(X)
    changed = (rows != X).any(axis=1)
    assert changed.sum() <= 2
    assert np.abs(rows.astype(int) - X).mean() < 0.05


# What it sees through


def test_polarity_is_found():
    """Light ink on dark gives the same as dark ink on light."""
    assert_alike(normalize(255 - seven())[0], SEVEN, 3)


def test_polarity_can_be_forced():
    """The parameter replaces what would be found."""
    assert_alike(normalize(seven(), ink="dark")[0], SEVEN, 1)
    assert_alike(normalize(255 - seven(), ink="light")[0], SEVEN, 3)


@pytest.mark.parametrize("size", [20, 30, 60, 250, 600])
def test_size_does_not_matter(size):
    """The same drawing gives about the same image at any size."""
    picture = seven(size, max(2, round(0.12 * size)), max(6, size // 3))
    assert_alike(normalize(picture)[0], SEVEN, 14)


def test_place_does_not_matter():
    """It is the same digit in a corner of a larger paper."""
    picture = np.full((700, 900), PAPER, np.uint8)
    picture[500:680, 20:200] = seven()
    assert_alike(normalize(picture)[0], SEVEN, 2)


def test_faint_ink_and_bright_shades_do_not_matter():
    """Pencil on grey paper is brought to full contrast."""
    pale = (150 + (seven().astype(float) - INK) / 5).astype(np.uint8)
    assert_alike(normalize(pale)[0], SEVEN, 2)


def test_a_shadow_across_the_paper_is_not_ink():
    """A picture half of which gets half of the light changes little."""
    shaded = seven().astype(float)
    shaded[:, 90:] *= 0.5
    assert_alike(normalize(shaded)[0], SEVEN, 4)


def test_ruled_lines_are_not_ink():
    """Lines from border to border are left out, also where they cross the digit."""
    ruled = seven().copy()
    for row in range(10, 180, 35):
        ruled[row : row + 2] = np.minimum(ruled[row : row + 2], 120)
    assert_alike(normalize(ruled)[0], SEVEN, 14)


def test_specks_and_a_dark_page_edge_are_not_ink():
    """Small dots far from the digit and a dark band along a border have no influence."""
    dirty = seven().copy()
    dirty[10:12, 10:12] = dirty[150:152, 20:22] = INK
    dirty[:, -8:] = 10
    assert_alike(normalize(dirty)[0], SEVEN, 2)


@pytest.mark.parametrize("pen", [2, 4])
def test_a_thin_pen_is_widened_to_mnists_strokes(pen):
    """The bar of the 7, scaled to 0.2 or 0.4 pixels, becomes two pixels high."""
    (frame,) = normalize(seven(200, pen, 60))
    assert np.median((frame[:14] > 127).sum(axis=0)[frame.any(axis=0)]) == 2


@pytest.mark.parametrize(
    "colours",
    [
        ((200, 30, 40), (255, 255, 255)),  # red on white
        ((40, 60, 200), (250, 245, 220)),  # blue on cream
        ((255, 255, 255), (30, 70, 160)),  # white on blue
        ((230, 120, 20), (250, 250, 250)),
        ((200, 60, 60), (60, 140, 90)),  # red on green of about its brightness
    ],
)
def test_coloured_ink_is_found(colours):
    """Ink may differ from paper in any of the channels."""
    ink, paper = np.array(colours)
    share = ((PAPER - seven().astype(float)) / (PAPER - INK))[..., np.newaxis]
    picture = np.rint(paper + share * (ink - paper)).astype(np.uint8)
    assert_alike(normalize(picture)[0], SEVEN, 3)


@pytest.mark.parametrize("ink", ["auto", "dark", "light"])
@pytest.mark.parametrize("colour", [0, 255, 90])
def test_ink_in_alpha_alone_is_found(colour, ink):
    """A stroke on a transparent canvas is found, whatever its colour and that of the canvas."""
    coverage = ((PAPER - seven().astype(int)) * 255 // (PAPER - INK)).astype(np.uint8)
    canvas = np.dstack([np.full_like(coverage, colour)] * 3 + [coverage])
    assert_alike(normalize(canvas, ink=ink)[0], SEVEN, 2)


def test_transparent_margins_around_a_picture_are_background():
    """A photo with transparent margins is read by its colours."""
    picture = np.dstack([seven()] * 3 + [np.full((180, 180), 255, np.uint8)])
    picture[:20, :, 3] = picture[:, :20, 3] = 0
    picture[:20] = picture[:, :20] = 0
    assert_alike(normalize(picture)[0], SEVEN, 2)


@pytest.mark.slow
@pytest.mark.no_cover
def test_digits_of_64_pixels_can_be_read():
    """scikit-learn's digits of 8x8 pixels are classified about as well as in MNIST's layout."""
    rows, y = (
        DigitImageNormalizer(image_shape=(8, 8), on_blank="zeros").transform(load_digits().data),
        load_digits().target,
    )
    scores = [
        KNeighborsClassifier(1).fit(X[:1200], y[:1200]).score(X[1200:], y[1200:])
        for X in (rows.astype(float), load_digits_28().data.astype(float))
    ]
    assert scores[0] > 0.95
    assert scores[0] > scores[1] - 0.02


# Blank pictures


def blanks():
    """Return pictures without a digit."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:200, :160]
    grain = np.clip(rng.normal(220, 12, (200, 160)), 0, 255).astype(np.uint8)
    ruled = np.full((200, 160), PAPER, np.uint8)
    ruled[20::30] = 100
    return {
        "black": np.zeros((28, 28)),
        "white": np.full((50, 60, 3), 255, np.uint8),
        "transparent": np.zeros((40, 40, 4), np.uint8),
        "gradient": (x // 2 + y // 2).astype(np.uint8),
        "noise": rng.integers(0, 256, (200, 160), dtype=np.uint8),
        "coloured noise": rng.integers(0, 256, (200, 160, 3), dtype=np.uint8),
        "small noise": rng.integers(0, 256, (28, 28), dtype=np.uint8),
        "grain": grain,
        "shadow": (grain * np.where(x < 90, 1, 0.5)).astype(np.uint8),
        "ruled": ruled,
        "one pixel": np.array([[3]]),
        "a row of pixels": np.arange(50, dtype=np.uint8)[np.newaxis],
    }


@pytest.mark.parametrize("name", blanks())
def test_a_picture_without_a_digit_is_an_error_that_names_it(name):
    """The message says which of the pictures it is."""
    with pytest.raises(ValueError, match=r"Image 1, .* has no digit .*on_blank"):
        normalize(seven(), blanks()[name])


def test_the_message_on_a_blank_file_has_its_name(tmp_path):
    """The message has the path."""
    Image.new("L", (50, 50), 255).save(tmp_path / "empty.png")
    with pytest.raises(ValueError, match=r"Image 0, the file '.*empty\.png', has no digit"):
        DigitImageNormalizer().transform([tmp_path / "empty.png"])


def test_on_blank_gives_a_row_that_says_so():
    """The row of the blank picture is NaN or zeros; the other rows do not change."""
    pictures = [np.zeros((28, 28)), seven()]
    rows = DigitImageNormalizer(on_blank="nan").transform(pictures)
    assert rows.dtype == np.float32
    assert np.isnan(rows[0]).all()
    np.testing.assert_array_equal(rows[1].reshape(28, 28), SEVEN)
    rows = DigitImageNormalizer(on_blank="zeros").transform(pictures)
    assert rows.dtype == np.uint8
    assert not rows[0].any()
    np.testing.assert_array_equal(rows[1].reshape(28, 28), SEVEN)


# Forms of input


def every_form(folder):
    """Return the 7 in each form that an image may have."""
    pixels = seven()
    Image.fromarray(pixels).save(folder / "seven.png")
    return {
        "bool": pixels < 128,
        "uint16": pixels.astype(np.uint16) * 257,
        "int64": pixels.astype(np.int64),
        "float64": pixels / 255,
        "float32": (pixels / 255).astype(np.float32),
        "float16": (pixels / 255).astype(np.float16),
        "0 to 16": np.rint(pixels / 255 * 16),
        "huge": pixels * 1e300,
        "big-endian": pixels.astype(">u2"),
        "strided": np.repeat(np.repeat(pixels, 2, 0), 2, 1)[::2, ::2],
        "Fortran": np.asfortranarray(pixels),
        "nested list": pixels.tolist(),
        "one channel": pixels[..., np.newaxis],
        "RGB": np.dstack([pixels] * 3),
        "RGB float": np.dstack([pixels] * 3) / 255,
        "RGBA": np.dstack([pixels] * 3 + [np.full_like(pixels, 255)]),
        "PIL": Image.fromarray(pixels),
        "path": folder / "seven.png",
        "str": str(folder / "seven.png"),
        "bytes": (folder / "seven.png").read_bytes(),
        "stream": io.BytesIO((folder / "seven.png").read_bytes()),
    }


def test_every_form_of_an_image_gives_the_same(tmp_path):
    """One list may hold arrays of any dtype, PIL images, paths and bytes."""
    forms = every_form(tmp_path)
    for name, frame in zip(forms, normalize(*forms.values()), strict=True):
        assert_alike(frame, SEVEN, 8 if name in ("bool", "0 to 16") else 1)


@pytest.mark.parametrize(
    "container",
    [
        np.asarray,
        lambda X: X.reshape(-1, 180, 180),
        lambda X: X.reshape(-1, 180, 180, 1),
        lambda X: np.repeat(X.reshape(-1, 180, 180, 1), 3, axis=3),
        lambda X: X.tolist(),
        list,
        tuple,
        pd.DataFrame,
        pl.DataFrame,
    ],
)
def test_every_container_gives_the_same(container):
    """Flat rows may be arrays, lists and frames, and images arrays of 3 or 4 dimensions."""
    X = container(np.stack([seven().ravel(), (255 - seven()).ravel()]))
    rows = DigitImageNormalizer(image_shape=(180, 180)).fit_transform(X)
    assert rows.shape == (2, 784)
    for row in rows:
        assert_alike(row.reshape(28, 28), SEVEN, 3)


def test_paths_in_a_series_or_an_array_are_a_sequence(tmp_path):
    """Such as a column of a table."""
    paths = [every_form(tmp_path)["str"]] * 2
    for X in (pd.Series(paths), np.array(paths), np.array(paths, dtype=object), tuple(paths)):
        rows = DigitImageNormalizer().transform(X)
        np.testing.assert_array_equal(rows, [SEVEN.ravel()] * 2)


def test_flat_rows_that_are_not_mnists_need_image_shape():
    """Without it the message names it."""
    wide = np.pad(seven(), ((0, 0), (0, 20)), constant_values=PAPER)
    row = wide.reshape(1, -1)
    with pytest.raises(ValueError, match=r"\(1, 36000\) .* 28 x 28 = 784 .*image_shape"):
        DigitImageNormalizer().transform(row)
    with pytest.raises(ValueError, match=r"180 x 180 = 32400"):
        DigitImageNormalizer(image_shape=(180, 180)).transform(row)
    rows = DigitImageNormalizer(image_shape=wide.shape).transform(row)
    np.testing.assert_array_equal(rows.reshape(28, 28), normalize(wide)[0])


@pytest.mark.parametrize("shape", [(768, 1024), (50, 900), (1, 1), (784, 28)])
def test_a_bare_picture_is_never_taken_for_rows(shape):
    """Even if its width is a square number; only rows of 784 pixels are MNIST's."""
    with pytest.raises(ValueError, match=r"If X is one image, put it into a list: \[image\]"):
        DigitImageNormalizer().transform(np.zeros(shape))


@pytest.mark.parametrize(
    ("one", "what"),
    [
        ("seven.png", "the file 'seven.png'"),
        (Path("seven.png"), "the file 'seven.png'"),
        (b"bytes", "5 bytes"),
        (Image.new("L", (3, 3)), "the Image"),
        (io.BytesIO(b""), "BytesIO"),
        (3, "int"),
        (None, "NoneType"),
    ],
)
def test_one_image_in_place_of_a_list_is_a_typeerror(one, what):
    """The message says what was given and what is expected."""
    for method in ("fit", "transform"):
        with pytest.raises(TypeError, match=rf"{re.escape(what)}.*a sequence of images"):
            getattr(DigitImageNormalizer(), method)(one)


@pytest.mark.parametrize("one", [np.zeros((50, 60)), np.zeros((50, 60, 3))])
def test_one_array_in_place_of_a_list_is_an_error_that_says_what_to_do(one):
    """The array may be grey or in colours."""
    with pytest.raises(ValueError, match=r"\[image\]"):
        DigitImageNormalizer().transform(one)


@pytest.mark.parametrize(
    ("image", "problem"),
    [
        (np.full((9, 9), np.nan), "NaN"),
        (np.where(np.eye(9), np.inf, 0), "infinity"),
        (np.zeros((0, 9)), "no pixels"),
        (np.zeros((9, 9, 2)), r"\(9, 9, 2\) is not an image"),
        (np.zeros((9, 9, 3, 3)), "is not an image"),
        (np.zeros((9, 9), complex), "complex128 is not an image"),
        (np.full((9, 9), "ink"), "<U3 is not an image"),
        (object(), "not an image"),
        ({}, "not an image"),
        (None, "not an image"),
        ([[1, 2], [3]], "not an image"),
    ],
)
def test_what_is_not_an_image_is_an_error_with_its_index(image, problem):
    """The message names the image and what is wrong with it."""
    with pytest.raises(ValueError, match=rf"Image 1: .*{problem}"):
        normalize(seven(), image)


@pytest.mark.parametrize("X", [[], np.zeros((0, 784)), np.zeros((0, 28, 28))])
def test_no_images_are_an_error(X):
    """As everywhere in scikit-learn."""
    with pytest.raises(ValueError, match=r"0 sample|shape \(0, 784\)"):
        DigitImageNormalizer().transform(X)


def test_max_pixels_holds_for_arrays_as_well():
    """The limit is on the picture, whatever it is read from."""
    with pytest.raises(ValueError, match=r"Image 0: .*max_pixels=100"):
        normalize(seven(), max_pixels=100)


# In scikit-learn's company


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ink", "black"),
        ("on_blank", None),
        ("image_shape", 28),
        ("image_shape", (28,)),
        ("image_shape", (28, -1)),
        ("max_pixels", 0),
        ("max_pixels", 1e6),
    ],
)
def test_a_bad_parameter_is_an_error_that_names_it(name, value):
    """Both fit and transform raise it, as neither needs the other."""
    for method in ("fit", "transform"):
        message = f"'{name}' parameter of DigitImageNormalizer must be .*Got"
        with pytest.raises(ValueError, match=message):
            getattr(DigitImageNormalizer(**{name: value}), method)([seven()])


def test_it_says_that_common_checks_have_no_images_for_it():
    """By its tags it takes no random columns, so scikit-learn skips its checks."""
    with pytest.warns(SkipTestWarning, match="Can't test estimator DigitImageNormalizer"):
        results = check_estimator(DigitImageNormalizer(), on_fail=None)
    assert {result["status"] for result in results} <= {"passed"}
    tags = DigitImageNormalizer().__sklearn_tags__()
    assert not tags.requires_fit
    assert not tags.no_validation


def test_it_keeps_no_state():
    """fit sets no attribute, and a clone and a pickled copy return the same pixels."""
    normalizer = DigitImageNormalizer(ink="dark")
    before = dict(vars(normalizer))
    assert normalizer.fit([seven()]) is normalizer
    assert vars(normalizer) == before
    for twin in (clone(normalizer), pickle.loads(pickle.dumps(normalizer))):
        np.testing.assert_array_equal(twin.transform([seven()])[0], SEVEN.ravel())


def test_the_input_is_not_changed():
    """Images may be read-only."""
    pictures = [seven(), np.dstack([seven()] * 4)]
    copies = [picture.copy() for picture in pictures]
    for picture in pictures:
        picture.setflags(write=False)
    normalize(*pictures)
    for picture, copy in zip(pictures, copies, strict=True):
        np.testing.assert_array_equal(picture, copy)


def test_each_image_is_taken_by_itself():
    """A row depends neither on the other images nor on their order."""
    pictures = [seven(), 255 - seven(50, 9), seven(300, 20)]
    together = normalize(*pictures)
    for i, picture in enumerate(pictures):
        np.testing.assert_array_equal(normalize(picture)[0], together[i])


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_output_can_be_a_frame_with_mnists_names(library):
    """The columns have the names that fetch_mnist uses."""
    frame = DigitImageNormalizer().set_output(transform=library).fit_transform([seven()])
    assert list(frame.columns) == load_digits_28().feature_names
    np.testing.assert_array_equal(frame.to_numpy()[0], SEVEN.ravel())


@pytest.mark.slow
def test_a_pipeline_reads_pictures():
    """The normalizer, the scaler and a classifier form a pipeline that takes a list of pictures."""
    images, y = load_digits_28().images, load_digits_28().target
    pipeline = make_pipeline(DigitImageNormalizer(), PixelScaler(), KNeighborsClassifier(1))
    pipeline.fit(images[:600], y[:600])
    rng = np.random.default_rng(0)
    pictures = [photograph(image, LADDER["colour"], rng) for image in images[600:660]]
    assert pipeline.score(pictures, y[600:660]) > 0.85


@pytest.mark.slow
@pytest.mark.no_cover
@pytest.mark.mnist
@pytest.mark.parametrize(
    ("rung", "least"), [("clean", 0.9), ("polarity", 0.9), ("light", 0.9), ("everything", 0.8)]
)
def test_pictures_of_mnist_are_read(mnist_home, rung, least):
    """Nearest neighbours read most pictures of held-out digits."""
    X, y = fetch_mnist(data_home=mnist_home, return_X_y=True)
    model = KNeighborsClassifier(3).fit(X[:10_000].astype(np.float32), y[:10_000])
    rng = np.random.default_rng(0)
    pictures = [photograph(row.reshape(28, 28), LADDER[rung], rng) for row in X[10_000:10_100]]
    rows = DigitImageNormalizer(on_blank="zeros").transform(pictures)
    assert model.score(rows.astype(np.float32), y[10_000:10_100]) > least
