"""`read_page`: the digits of a page, in lines and numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image

from sk_digits._images.digit_image_normalizer import DigitImageNormalizer
from sk_digits._images.image_files import MAX_PIXELS, read_image
from sk_digits._images.segmentation import segment_digits
from sk_digits._reader.pretrained import load_reader, read_rows, split_reader

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sklearn.base import ClassifierMixin

# Digits of one number are evenly spaced: their centres are at most this many times as far apart as
# is usual on their line, whatever that is between the two bounds, in heights of the digits.
MAX_STEP = 1.5
STEP_BOUNDS = 1.2, 2.5
REJECTED = "?"


class DigitReading(NamedTuple):
    """One digit of a page: where it is, and what it is read as."""

    box: tuple[int, int, int, int]
    image: NDArray[np.uint8]
    classes: NDArray[Any]
    probabilities: NDArray[np.floating[Any]]
    accepted: bool

    @property
    def label(self) -> Any:
        """The most probable label."""
        return self.guesses()[0][0]

    @property
    def probability(self) -> float:
        """The probability of the label."""
        return self.guesses()[0][1]

    @property
    def text(self) -> str:
        """The label, or "?" if it is rejected."""
        return str(self.label) if self.accepted else REJECTED

    def guesses(self, n: int | None = 1) -> list[tuple[Any, float]]:
        """Return the `n` most probable labels with their probabilities; None means all."""
        order = np.argsort(-self.probabilities, kind="stable")[:n]
        return list(
            zip(self.classes[order].tolist(), self.probabilities[order].tolist(), strict=True)
        )


@dataclass(frozen=True, eq=False, repr=False)
class PageReading:
    """What :func:`read_page` read.

    Parameters
    ----------
    lines : list of list of DigitReading
        The lines of the page from the top, each with its digits from left to right. A digit has a
        `label`; its `probability`; `accepted`, whether the classifier answers or rejects it; its
        `text`, the label, or "?" if it is rejected; its `box`, (top, left, bottom, right),
        half-open, in pixels; its `image`, 28x28 pixels, as the classifier sees it; and the
        `probabilities` of all `classes`.
        ``digit.guesses(3)`` returns the three most probable labels with their probabilities. They
        sum to less than 1 where the classifier takes it for something else than a digit.
    pixels : ndarray of shape (height, width), (height, width, 3) or (height, width, 4)
        The page, upright.

    See Also
    --------
    read_page : Makes it.

    Examples
    --------
    See :func:`read_page`.
    """

    lines: list[list[DigitReading]]
    pixels: NDArray[Any]

    def __repr__(self) -> str:
        """Return the text."""
        return f"<PageReading: {self.text!r}>"

    @property
    def numbers(self) -> list[list[str]]:
        """The numbers of each line: digits that stand close together, also those rejected."""
        return [_join_numbers(line, [str(digit.label) for digit in line]) for line in self.lines]

    @property
    def accepted_numbers(self) -> list[list[str]]:
        """The numbers of each line with "?" for each digit that the classifier rejects."""
        return [_join_numbers(line, [digit.text for digit in line]) for line in self.lines]

    @property
    def text(self) -> str:
        """The page as text: one line each, with a space between numbers."""
        return "\n".join(" ".join(numbers) for numbers in self.numbers)

    def to_dict(self, *, top: int = 1) -> dict[str, Any]:
        """Return the reading as plain Python values, which JSON can hold.

        Parameters
        ----------
        top : int, default=1
            How many of the most probable labels to return for each digit.

        Returns
        -------
        dict
            "text"; and "lines", a list of dicts with "numbers", a list of str, and "digits", a list
            of dicts with "label", "accepted", "probability", "box" and "top", a list of dicts with
            "label" and "probability", the most probable first.
        """
        return {
            "text": self.text,
            "lines": [
                {"numbers": numbers, "digits": [_digit_to_dict(digit, top) for digit in line]}
                for numbers, line in zip(self.numbers, self.lines, strict=True)
            ],
        }

    def plot(self, *, ax: Any = None) -> Any:
        """Draw the page with a box and the label at each digit.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or None, default=None
            Axes to draw on; None makes a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            The Axes.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        from sk_digits.displays._style import BLUE, WIDTH, import_pyplot

        plt = import_pyplot()
        if ax is None:
            height, width = self.pixels.shape[:2]
            size = (WIDTH, min(1.5 * WIDTH, WIDTH * height / width))
            _, ax = plt.subplots(figsize=size, layout="constrained")
        ax.imshow(self.pixels, cmap="gray")
        ax.set_axis_off()
        for digit in (digit for line in self.lines for digit in line):
            top, left, bottom, right = digit.box
            ax.add_patch(
                plt.Rectangle((left, top), right - left, bottom - top, fill=False, ec=BLUE, lw=1.2)
            )
            ax.annotate(
                digit.text,
                (left, top),
                (0, 2),
                textcoords="offset points",
                color=BLUE,
                fontweight="bold",
                va="bottom",
            )
        return ax


def read_page(
    image: Any,
    reader: ClassifierMixin | None = None,
    *,
    ink: str = "auto",
    max_pixels: int = MAX_PIXELS,
) -> PageReading:
    """Read all digits of a page: :func:`segment_digits` finds them, a classifier reads them.

    Parameters
    ----------
    image : array of shape (height, width[, 1, 3 or 4]), PIL.Image.Image, str, path-like or bytes
        The page: a photo, scan or drawing, as an array or as a file.
    reader : classifier or None, default=None
        A fitted classifier of pictures, or of rows of 784 pixels, with `predict_proba`. What a
        :class:`SelectiveClassifier` rejects is "?" in `accepted_numbers`. None is
        :func:`load_reader`.
    ink : {"auto", "dark", "light"}, default="auto"
        Whether the writing is darker or lighter than its ground; "auto" finds out.
    max_pixels : int, default=40_000_000
        Largest width times height of the page.

    Returns
    -------
    PageReading
        The digits in lines, the numbers that they form, and the text. It is empty if nothing is
        written on the page.

    Raises
    ------
    ImageFileError, ValueError, OSError
        As :func:`segment_digits` does.

    See Also
    --------
    load_reader : The trained reader; its `predict` reads pictures of single digits.

    Notes
    -----
    Digits of a line form one number if they are evenly spaced: if the distance of the centres of
    neighbours is at most 1.5 times the median of the line, and this between 1.2 and 2.5 heights of
    the digits. So digits in the boxes of a form are one number.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_digits import read_page
    >>> page = np.full((200, 300), 230, dtype=np.uint8)
    >>> page[50:110, 60:68] = page[54:114, 110:118] = page[140:190, 90:97] = 30  # three ones
    >>> reading = read_page(page)
    >>> print(reading.text)
    11
    1
    >>> [digit.box for digit in reading.lines[0]]
    [(50, 60, 110, 68), (54, 110, 114, 118)]
    """
    pixels = image if isinstance(image, np.ndarray) else read_image(image, max_pixels)
    segments = segment_digits(pixels, ink=ink, max_pixels=max_pixels)
    if not segments:
        return PageReading([], pixels)
    reader = load_reader() if reader is None else reader
    classifier = split_reader(reader)[1]
    read = read_rows(classifier, np.array([s.image.ravel() for s in segments]))
    lines: list[list[DigitReading]] = [[] for _ in range(segments[-1].line + 1)]
    for segment, row, accepted in zip(segments, *read, strict=True):
        about = segment.box, segment.image, classifier.classes_
        digit = DigitReading(*about, row, bool(accepted))
        lines[segment.line].append(digit)
    return PageReading(lines, pixels)


def read_digit(pixels: NDArray[Any], reader: Any, *, ink: str = "auto") -> PageReading:
    """Return what a picture of one digit is read as, as a page that is this digit or empty."""
    normalizer, classifier = split_reader(reader)
    ink = normalizer.ink if ink == "auto" else ink
    row = DigitImageNormalizer(ink=ink, on_blank="nan").transform([pixels])
    if np.isnan(row).any():
        return PageReading([], pixels)
    height, width = pixels.shape[:2]
    image = row.reshape(28, 28).astype(np.uint8)
    (row,), (accepted,) = read_rows(classifier, image.reshape(1, -1))
    about = (0, 0, height, width), image, classifier.classes_
    digit = DigitReading(*about, row, bool(accepted))
    return PageReading([[digit]], pixels)


def _digit_to_dict(digit: DigitReading, top: int) -> dict[str, Any]:
    guesses = [{"label": label, "probability": p} for label, p in digit.guesses(top)]
    return {**guesses[0], "accepted": digit.accepted, "box": list(digit.box), "top": guesses}


def _join_numbers(line: list[DigitReading], texts: list[str]) -> list[str]:
    """Return the numbers of a line, given its digits."""
    centres = [(digit.box[1] + digit.box[3]) / 2 for digit in line]
    steps = np.diff(centres)
    height = float(np.median([digit.box[2] - digit.box[0] for digit in line]))
    low, high = (bound * height for bound in STEP_BOUNDS)
    largest = np.clip(MAX_STEP * np.median(steps), low, high) if len(steps) else 0
    numbers = texts[:1]
    for text, step in zip(texts[1:], steps, strict=True):
        if step <= largest:
            numbers[-1] += text
        else:
            numbers.append(text)
    return numbers


def as_rgb(pixels: Any) -> Image.Image:
    """Return any image as RGB to draw on; transparent pixels become white."""
    pixels = np.asarray(pixels)
    if pixels.dtype != np.uint8:
        largest = 65535 if pixels.dtype == np.uint16 else max(float(pixels.max()), 1e-9)
        pixels = np.clip(pixels / largest * 255, 0, 255).astype(np.uint8)
    image = Image.fromarray(pixels)
    if image.mode == "RGBA":
        paper = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(paper, image)
    return image.convert("RGB")
