"""`segment_digits`: the digits of a page, each whole and alone, in reading order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from support.synthetic_paper import PAPER, Rung, write_page

from sk_digits import DigitImageNormalizer, ImageFileError, segment_digits
from sk_digits._images import grouping, segmentation
from sk_digits.datasets import fetch_mnist, load_digits_28


def page(*shapes, size=(400, 300), paper=230, ink=30, width=7):
    """Draw strokes, each a list of (x, y), on a page; uint8."""
    image = Image.new("L", size, paper)
    for points in shapes:
        ImageDraw.Draw(image).line(points, fill=ink, width=width, joint="curve")
    return np.asarray(image).copy()


def one(x, y, height=60):
    """Return the points of a 1 whose top is at (x, y)."""
    return [(x, y), (x, y + height)]


def overlap(box, other):
    """Return the intersection over union of two boxes."""
    sides = [min(box[i + 2], other[i + 2]) - max(box[i], other[i]) for i in (0, 1)]
    areas = [(b - t) * (r - left) for t, left, b, r in (box, other)]
    shared = max(sides[0], 0) * max(sides[1], 0)
    return shared / (sum(areas) - shared)


ONES = [one(60, 40), one(120, 44), one(200, 38), one(70, 160), one(150, 163)]


def test_reading_order_is_line_by_line_from_the_left():
    """The order in which they were written does not matter."""
    digits = segment_digits(page(*ONES[::-1]))
    assert [digit.line for digit in digits] == [0, 0, 0, 1, 1]
    lefts = [digit.box[1] for digit in digits]
    assert lefts == sorted(lefts[:3]) + sorted(lefts[3:])


def test_boxes_are_tight_and_half_open():
    """The edges of a box are those of its ink, within a pixel."""
    for digit, (start, end) in zip(segment_digits(page(*ONES)), ONES, strict=True):
        top, left, bottom, right = digit.box
        assert abs(top - start[1]) <= 1
        assert abs(bottom - end[1] - 1) <= 1
        assert abs(left - start[0] + 3) <= 1
        assert abs(right - start[0] - 4) <= 1


def test_a_slanting_line_stays_one_line():
    """Eight digits that descend by half of their height are one line, and so is the line below."""
    slanted = [one(30 + 45 * i, 40 + 4 * i) for i in range(8)]
    below = [one(30 + 45 * i, 140 + 4 * i) for i in range(8)]
    assert [digit.line for digit in segment_digits(page(*below, *slanted))] == [0] * 8 + [1] * 8


def test_pieces_of_a_digit_are_joined():
    """The bar of a 5 above its body, and a 4 of two strokes, are one digit each."""
    body = [(60, 60), (60, 90), (90, 95), (92, 120), (60, 130)]
    bar = [(62, 48), (98, 48)]
    corner = [(160, 45), (150, 95), (185, 95)]
    stem = [(178, 45), (178, 84)]
    digits = segment_digits(page(body, bar, corner, stem, one(250, 45, 85)))
    assert len(digits) == 3
    assert abs(digits[0].box[0] - 45) <= 1


def test_digits_that_touch_are_split_at_the_valley():
    """Two zeros side by side, joined at their flanks, are two digits."""
    picture = page(one(320, 40))
    pen = ImageDraw.Draw(image := Image.fromarray(picture))
    for left in (60, 118):
        pen.ellipse((left, 40, left + 60, 100), outline=30, width=8)
    digits = segment_digits(np.asarray(image))
    assert len(digits) == 3
    assert abs(digits[0].box[3] - 119) <= 5
    assert abs(digits[1].box[1] - 119) <= 5


def test_specks_and_ruled_lines_are_dropped():
    """Only the digits remain, and their boxes do not move."""
    clean = page(*ONES)
    dirty = clean.copy()
    for row in (30, 112, 140, 232):
        dirty[row : row + 2] = 120
    for row, column in [(60, 90), (200, 250), (20, 380), (280, 10)]:
        dirty[row : row + 3, column : column + 3] = 30
    found, expected = segment_digits(dirty), segment_digits(clean)
    assert [digit.line for digit in found] == [digit.line for digit in expected]
    for digit, other in zip(found, expected, strict=True):
        assert overlap(digit.box, other.box) > 0.9


@pytest.mark.parametrize("ink", ["auto", "light"])
def test_polarity_changes_nothing(ink):
    """Chalk on a board gives the same boxes as ink on paper."""
    dark = [digit.box for digit in segment_digits(page(*ONES))]
    assert [digit.box for digit in segment_digits(255 - page(*ONES), ink=ink)] == dark


@pytest.mark.parametrize("shape", [(28, 28), (1, 1), (300, 5), (400, 300, 3)])
def test_an_empty_page_has_no_digits(shape):
    """Paper may be white, grey or noisy."""
    rng = np.random.default_rng(0)
    assert segment_digits(np.full(shape, 255, np.uint8)) == []
    assert segment_digits(np.full(shape, 0.5)) == []
    grain = np.clip(rng.normal(200, 8, shape), 0, 255).astype(np.uint8)
    assert segment_digits(grain) == []


def test_images_are_in_mnists_form():
    """Each is what the normalizer makes of that part of the page, and leaves unchanged."""
    picture = page(*ONES)
    digits = segment_digits(picture)
    rows = DigitImageNormalizer().transform([digit.image for digit in digits])
    for digit, row in zip(digits, rows, strict=True):
        assert digit.image.dtype == np.uint8
        np.testing.assert_array_equal(digit.image.ravel(), row)
        assert digit.image[[0, -1]].max() == digit.image[:, [0, -1]].max() == 0
        assert digit.image.max() == 255
        top, left, bottom, right = digit.box
        part = picture[top - 15 : bottom + 15, left - 15 : right + 15]
        (other,) = DigitImageNormalizer().transform([part])
        assert np.abs(row.astype(int) - other).mean() < 8  # which is drawn from a closer look


def test_a_neighbour_inside_the_box_is_left_out():
    """The image of a digit has none of the ink of one that leans over it."""
    leaning = [(160, 40), (95, 110)]
    digits = segment_digits(page(one(100, 40, 50), leaning, one(250, 40)))
    alone = segment_digits(page(leaning, one(250, 40)))
    assert len(digits) == 3
    leaned = max(digits[:2], key=lambda digit: digit.box[3])
    assert abs(int((leaned.image > 127).sum()) - int((alone[0].image > 127).sum())) < 3


def test_boxes_of_a_large_page_are_in_its_own_pixels():
    """A page of 6 million pixels is shrunk; its boxes are exact within 8 pixels."""
    small = page(*ONES)
    large = np.asarray(Image.fromarray(small).resize((2800, 2100), Image.Resampling.NEAREST))
    for digit, other in zip(segment_digits(large), segment_digits(small), strict=True):
        np.testing.assert_allclose(digit.box, np.array(other.box) * 7, atol=8)
        assert digit.line == other.line


def test_a_bad_ink_and_a_bad_file_are_errors():
    """The messages say what is wrong."""
    with pytest.raises(ValueError, match="ink='black' is unknown"):
        segment_digits(page(), ink="black")
    with pytest.raises(ImageFileError, match="not an image"):
        segment_digits(b"no page")
    with pytest.raises(ImageFileError, match="max_pixels=100"):
        segment_digits(page(), max_pixels=100)


def marks(n_rows, n_columns):
    """Draw rows of small upright strokes."""
    picture = np.full((16 * n_rows + 10, 10 * n_columns + 10), 255, np.uint8)
    tops, lefts = np.arange(6, 16 * n_rows, 16), np.arange(6, 10 * n_columns, 10)
    for row in range(10):
        for column in range(4):
            picture[np.ix_(tops + row, lefts + column)] = 0
    return picture


@pytest.mark.slow
def test_comparisons_grow_as_the_strokes(monkeypatch):
    """Four times as many strokes are compared four times as often, not 16 times."""
    count, overlap = [0], grouping.overlap

    def counted(*args):
        count[0] += 1
        return overlap(*args)

    monkeypatch.setattr(grouping, "overlap", counted)
    monkeypatch.setattr(segmentation, "overlap", counted)
    counts = []
    for n in (15, 30):
        count[0] = 0
        assert len(segment_digits(marks(n, n))) == n**2
        counts.append(count[0])
    assert counts[1] < 5 * counts[0]


@pytest.mark.slow
def test_a_page_of_too_many_strokes_is_an_error():
    """The message has their number, the limit, and what to do."""
    assert len(segment_digits(marks(25, 40))) == 1000
    with pytest.raises(ValueError, match=r"5200 separate marks, .* 5000 .* cut it into parts"):
        segment_digits(marks(65, 80))


def test_a_page_of_strokes_across_each_other_is_an_error():
    """Looking at each costs as much as its box is large."""
    slanted = page(
        *([(left, 10), (left + 580, 590)] for left in range(-540, 600, 40)), size=(600,) * 2
    )
    with pytest.raises(ValueError, match=r"boxes around the \d+ marks of the page overlap.*Crop"):
        segment_digits(slanted)


@pytest.mark.slow
@settings(max_examples=15, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_pages_of_bundled_digits_are_cut_where_they_were_written(seed):
    """On clean paper nearly all digits are found, each in its place."""
    digits = load_digits_28()
    written = write_page(digits.images, digits.target, np.random.default_rng(seed), Rung())
    found = segment_digits(written.image)
    boxes = [box for line in written.boxes for box in line]
    hits = [any(overlap(digit.box, box) > 0.5 for digit in found) for box in boxes]
    # The bundled digits are coarse: one in a few hundred is cut or touches the next one.
    assert np.mean(hits) > 0.9
    assert abs(len(found) - len(boxes)) <= 2


@pytest.mark.slow
@pytest.mark.mnist
def test_pages_of_mnist_are_cut_right(mnist_home):
    """With grain, shadows, specks and JPEG, nearly all lines have all of their digits."""
    X, y = fetch_mnist(data_home=mnist_home, return_X_y=True)
    rng = np.random.default_rng(0)
    lines = right = 0
    for _ in range(15):
        written = write_page(X[10_000:].reshape(-1, 28, 28), y[10_000:], rng, PAPER)
        counts = np.bincount([digit.line for digit in segment_digits(written.image)], minlength=9)
        lines += len(written.lines)
        right += sum(len(line) == counts[i] for i, line in enumerate(written.lines))
    assert right / lines > 0.95
