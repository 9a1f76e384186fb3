"""Pictures as people make them: the digit is found, or it is said that there is none or several."""

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage

from sk_digits import DigitImageNormalizer, segment_digits
from sk_digits.datasets import load_digits_28

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]

PAPER, INK = 240, 20
POLARITIES = pytest.mark.parametrize("light_ink", [False, True], ids=["dark", "light"])


def two(size, pen=None):
    """Draw a 2 along its box, `size` pixels high, as coverage from 0 to 1."""
    large = Image.new("L", (4 * size, 4 * size))
    points = [(0.15, 0.25), (0.25, 0.1), (0.45, 0.05), (0.6, 0.15), (0.6, 0.35), (0.4, 0.6)]
    points += [(0.1, 0.92), (0.7, 0.92)]
    pen = pen or max(1, round(0.1 * size))
    ImageDraw.Draw(large).line(
        [(4 * size * x, 4 * size * y) for x, y in points], fill=255, width=4 * pen, joint="curve"
    )
    coverage = np.asarray(large.reduce(4)) / 255
    rows, columns = (np.flatnonzero((coverage > 0.3).any(axis=axis)) for axis in (1, 0))
    return coverage[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def write(size=100, margin=70, pen=None):
    """Write the 2 on paper; float."""
    return PAPER + (INK - PAPER) * np.pad(two(size, pen), margin)


def finish(picture, light_ink):
    """Return a picture of either polarity."""
    picture = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    return 255 - picture if light_ink else picture


def normalize(picture):
    """Return the image of 28x28 pixels; NaN if there is no digit or several."""
    return DigitImageNormalizer(on_blank="nan").transform([picture]).reshape(28, 28)


TWO = normalize(finish(write(), light_ink=False))


def assert_is_the_two(picture, tolerance=24):
    """Assert that a picture gives the 2 within a mean difference of grey levels."""
    assert np.abs(normalize(picture) - TWO).mean() < tolerance


# Surroundings


def surround(kind, picture):
    """Put a picture into surroundings."""
    height, width = picture.shape
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    middle = np.array([width, height]) / 2
    radius = 0.43 * min(height, width)
    if kind == "rim":
        draw.rectangle((0, 0, width - 1, height - 1), outline=INK, width=2)
    elif kind == "two sides":
        draw.line((0, 1, width, 1), fill=INK, width=3)
        draw.line((1, 0, 1, height), fill=INK, width=3)
    elif kind == "box":
        draw.rectangle((*(middle - radius), *(middle + radius)), outline=INK, width=4)
    elif kind == "circle":
        draw.ellipse((*(middle - radius), *(middle + radius)), outline=INK, width=4)
    elif kind == "underline":
        y = height / 2 + 0.26 * height
        draw.line((0.15 * width, y, 0.85 * width, y), fill=INK, width=5)
    picture = np.asarray(image).astype(float)
    if kind == "desk":
        return np.pad(picture, 90, constant_values=70)
    if kind == "letterbox":
        return np.pad(picture, ((60, 60), (0, 0)), constant_values=0)
    return picture


@POLARITIES
@pytest.mark.parametrize("size", [50, 100, 220])
@pytest.mark.parametrize(
    "kind", ["rim", "two sides", "box", "circle", "underline", "desk", "letterbox"]
)
def test_what_surrounds_paper_is_no_ink_and_does_not_decide_its_polarity(kind, size, light_ink):
    """Rims, cells, frames, underlines, desks and letterboxes leave the digit as it is."""
    picture = surround(kind, write(size, round(0.7 * size)))
    assert_is_the_two(finish(picture, light_ink))


@POLARITIES
@pytest.mark.parametrize("margin", [0, 1, 3])
@pytest.mark.parametrize("size", [24, 40, 80, 300])
def test_a_digit_cut_out_along_its_box_is_read(size, margin, light_ink):
    """Its strokes touch the borders."""
    assert_is_the_two(finish(write(size, margin), light_ink))


@POLARITIES
@pytest.mark.parametrize("width", [0.06, 0.1, 0.2])
@pytest.mark.parametrize("size", [16, 28, 64, 100, 400])
def test_a_one_from_border_to_border_is_read(size, width, light_ink):
    """Its ends are all that lies on the borders. A lying one is still no digit."""
    picture = np.full((size, size), PAPER)
    picture[:, size // 2 : size // 2 + max(1, round(width * size))] = INK
    rows, columns = (normalize(finish(picture, light_ink)).max(axis=axis) > 100 for axis in (1, 0))
    assert rows.sum() == 20
    assert 2 <= columns.sum() <= 5
    assert np.isnan(normalize(finish(picture.T, light_ink))).all()


@POLARITIES
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("softness", [0, 0.02])
@pytest.mark.parametrize("reach", [0.5, 0.7])
def test_a_digit_half_in_the_shadow_of_a_corner_is_read(reach, softness, turns, light_ink):
    """Seen from near, the shadow is as dark as the ink."""
    paper = np.rot90(write(), turns)
    y, x = np.meshgrid(*(np.linspace(0, 1, side) for side in paper.shape), indexing="ij")
    light = ndimage.gaussian_filter(np.where(x + y < reach, 0.5, 1.0), softness * paper.shape[1])
    assert_is_the_two(finish(np.rot90(paper * light, -turns), light_ink))


@pytest.mark.parametrize("width", [2, 10])
def test_an_empty_frame_is_no_digit(width):
    """A box without writing is none."""
    image = Image.new("L", (200, 200), PAPER)
    ImageDraw.Draw(image).rectangle((40, 40, 160, 160), outline=INK, width=width)
    assert np.isnan(normalize(np.asarray(image))).all()


# One digit


@POLARITIES
@pytest.mark.parametrize("gap", [0.15, 0.4, 1.5])
@pytest.mark.parametrize("turned", [False, True], ids=["beside", "above"])
def test_two_digits_are_an_error_that_names_segment_digits(gap, turned, light_ink):
    """Beside or above each other; on_blank makes rows of them as of blank pictures."""
    one = two(80)
    axis = 0 if turned else 1
    shape = (round(gap * 80), one.shape[1]) if turned else (one.shape[0], round(gap * 80))
    both = np.concatenate([one, np.zeros(shape), one], axis=axis)
    picture = finish(PAPER + (INK - PAPER) * np.pad(both, 40), light_ink)
    with pytest.raises(ValueError, match=r"Image 0, .* has several digits.*segment_digits"):
        DigitImageNormalizer().transform([picture])
    assert np.isnan(normalize(picture)).all()


@POLARITIES
@pytest.mark.parametrize("side", [40, 120, 400])
@pytest.mark.parametrize("kind", ["dash", "slanting dash", "dot", "square", "specks"])
def test_what_no_digit_can_be_is_none(kind, side, light_ink):
    """Dashes, dots, squares and specks."""
    image = Image.new("L", (side, side), PAPER)
    draw = ImageDraw.Draw(image)
    if kind == "dash":
        draw.line((0.2 * side, 0.5 * side, 0.8 * side, 0.5 * side), fill=INK, width=side // 20)
    elif kind == "slanting dash":
        draw.line((0.2 * side, 0.4 * side, 0.8 * side, 0.6 * side), fill=INK, width=side // 20)
    elif kind == "dot":
        draw.ellipse((0.4 * side, 0.4 * side, 0.6 * side, 0.6 * side), fill=INK)
    elif kind == "square":
        draw.rectangle((0.3 * side, 0.3 * side, 0.6 * side, 0.6 * side), fill=INK)
    else:
        draw.point([(0.2 * side, 0.3 * side), (0.7 * side, 0.4 * side)], fill=INK)
    assert np.isnan(normalize(finish(np.asarray(image).astype(float), light_ink))).all()


@POLARITIES
@pytest.mark.parametrize("side", [16, 28, 64, 200])
@pytest.mark.parametrize("spread", [12, 40, 80])
def test_noise_of_any_size_is_no_digit(side, spread, light_ink):
    """From the grain of a sensor to black and white."""
    for seed in range(4):
        grain = np.random.default_rng(seed).normal(200 - spread, spread, (side, side))
        assert np.isnan(normalize(finish(grain, light_ink))).all()


@pytest.mark.parametrize("shape", [(100, 100), (200, 160)])
def test_clouds_are_no_digit(shape):
    """Noise that is smooth has blobs as dark as ink, also at the borders."""
    for seed in range(4):
        noise = np.random.default_rng(seed).normal(0, 1, shape)
        clouds = 128 + 100 * ndimage.gaussian_filter(noise, 1)
        assert np.isnan(normalize(finish(clouds, light_ink=False))).all()


# Pieces and pens


@POLARITIES
@pytest.mark.parametrize("upright", [False, True])
@pytest.mark.parametrize(("number", "width"), [(1, 6), (3, 6), (5, 4)])
def test_streaks_leave_one_digit(number, width, upright, light_ink):
    """The pieces are joined, also where none is near the largest."""
    picture = write(130)
    part = picture.T if upright else picture
    for i in range(number):
        at = 70 + (part.shape[0] - 140) * (i + 1) // (number + 1)
        part[at : at + width] = PAPER
    assert_is_the_two(finish(picture, light_ink))


@POLARITIES
@pytest.mark.parametrize("spacing", [11, 13])
def test_dotted_writing_is_one_digit(spacing, light_ink):
    """The gaps are as wide as the dots."""
    coverage = np.pad(two(130, 1), 60) > 0.3
    y, x = np.nonzero(coverage)
    dots = []
    for point in zip(y.tolist(), x.tolist(), strict=True):
        if all(np.hypot(point[0] - a, point[1] - b) > spacing for a, b in dots):
            dots.append(point)
    picture = np.ones(coverage.shape)
    picture[tuple(np.transpose(dots))] = 0
    near = ndimage.distance_transform_edt(picture) <= 5
    assert_is_the_two(finish(PAPER + (INK - PAPER) * near, light_ink))


@POLARITIES
@pytest.mark.parametrize("size", [20, 28, 36, 40, 50, 64, 100, 300])
def test_there_is_no_cliff_with_size(size, light_ink):
    """The same digit from 20 to 300 pixels."""
    assert_is_the_two(finish(write(size, size // 2), light_ink))


@POLARITIES
@pytest.mark.parametrize("degrees", [-40, -30, 30, 40])
def test_strong_slants_are_straightened(degrees, light_ink):
    """A bar comes out with the slant that is kept, whichever way it leant."""
    picture = Image.new("L", (300, 300), PAPER)
    reach = 80 * np.tan(np.radians(degrees))
    ImageDraw.Draw(picture).line((150 + reach, 70, 150 - reach, 230), fill=INK, width=14)
    image = normalize(finish(np.asarray(picture).astype(float), light_ink))
    y, x = np.indices((28, 28)) - np.array([14, 14])[:, np.newaxis, np.newaxis]
    slant = -float((image * x * y).sum() / (image * y * y).sum())
    assert slant == pytest.approx(np.sign(degrees) * 0.35, abs=0.1)


@POLARITIES
def test_the_long_flag_of_a_one_is_no_slant(light_ink):
    """The upright stroke of a 1 stays upright, however far its flag reaches down."""
    picture = Image.new("L", (300, 300), PAPER)
    strokes = ImageDraw.Draw(picture)
    strokes.line((190, 70, 190, 230), fill=INK, width=20)
    strokes.line((190, 100, 20, 225), fill=INK, width=14)
    image = normalize(finish(np.asarray(picture).astype(float), light_ink))
    n_upright = (image > 128).sum(axis=0).max()
    assert n_upright >= 0.9 * np.ptp(np.flatnonzero(image.any(axis=1)))


# Colours


@pytest.mark.parametrize("field", [(255, 255, 0), (0, 255, 255), (255, 170, 200)])
@pytest.mark.parametrize("pen", [(30, 40, 150), (200, 30, 30), (20, 20, 30)])
@POLARITIES
def test_the_colour_of_a_field_does_not_hide_the_ink(field, pen, light_ink):
    """A pen on a coloured field of a white form."""
    coverage = np.pad(two(100), 70)[..., np.newaxis]
    ground = np.full((*coverage.shape[:2], 3), 255.0)
    ground[40:-40, 45:-45] = field
    assert_is_the_two(finish(ground + coverage * (np.array(pen) - ground), light_ink))


# Pages


def page(n=4, size=60, boxes=False):
    """Write digits in a line, each in the box of a form or not; float."""
    digits = load_digits_28()
    picture = np.full((2 * size, 2 * size * n), float(PAPER))
    for i in range(n):
        ink = np.asarray(Image.fromarray(digits.images[i + 1]).resize((size, size))) / 255
        part = picture[size // 2 : size // 2 + size, 2 * i * size + size // 2 :][:, :size]
        part += (INK - PAPER) * ink
    if boxes:
        image = Image.fromarray(picture.astype(np.uint8))
        for i in range(n):
            corners = (2 * i * size + 10, 8, 2 * (i + 1) * size - 10, 2 * size - 8)
            ImageDraw.Draw(image).rectangle(corners, outline=INK, width=3)
        picture = np.asarray(image).astype(float)
    return picture


@POLARITIES
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("reach", [(0.1, 0.25), (0.15, 0.35)])
def test_a_shadow_in_the_corner_of_a_page_is_no_writing(reach, turns, light_ink):
    """It is as dark as the pencil, and larger than all digits together."""
    digit = np.pad(two(60, pen=2), 30)
    sheet = np.pad(np.tile(digit, (4, 3) if turns % 2 else (5, 2)), 30)
    y, x = np.meshgrid(*(np.linspace(0, 1, n) for n in np.rot90(sheet, turns).shape), indexing="ij")
    shadow = np.rot90(np.clip(60 * (reach[0] * (1 - y / reach[1]) - x), 0, 1), -turns)
    picture = (PAPER - 130 * sheet) * (1 - 0.35 * shadow)
    assert len(segment_digits(finish(picture, light_ink))) == (12 if turns % 2 else 10)


@POLARITIES
@pytest.mark.parametrize("kind", ["plain", "rim", "boxes", "minus", "blurred", "shadow", "desk"])
def test_pages_have_their_digits_and_no_more(kind, light_ink):
    """Four digits, whatever is around them."""
    picture = page(boxes=kind == "boxes")
    if kind == "rim":
        picture[:5] = picture[-5:] = picture[:, :5] = picture[:, -5:] = 10
    elif kind == "minus":
        picture[58:63, 4:26] = INK
    elif kind == "blurred":
        picture = ndimage.gaussian_filter(picture, 2)
    elif kind == "shadow":
        picture[:, 240:] *= 0.45
    elif kind == "desk":
        picture = np.pad(picture, 60, constant_values=70)
    assert len(segment_digits(finish(picture, light_ink))) == 4
