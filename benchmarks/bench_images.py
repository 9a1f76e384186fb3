"""Measure accuracy on pictures of digits, beside two widely copied recipes, and the time taken.

Held-out MNIST digits are put on synthetic paper, on rungs of rising difficulty, and on pages with
several lines; see `tests/support/synthetic_paper.py`. One model reads what each preparation makes
of the same pictures. Nothing was chosen by these figures: the digits are the last 2,000 of 12,000.

    python benchmarks/bench_images.py --json images.json --plot images.png
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL
import skimage
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage.filters import threshold_otsu
from sklearn.pipeline import Pipeline

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.synthetic_paper import LADDER, PAPER, photograph, write_page

from sk_digits import DigitImageNormalizer, load_model, make_digit_pipeline, segment_digits
from sk_digits.datasets import fetch_mnist

Bytes = NDArray[np.uint8]

MEGAPIXELS = {"0.1 Mpx": (300, 400), "1 Mpx": (900, 1200), "12 Mpx": (3000, 4000)}


def as_grey(picture: Bytes) -> Bytes:
    """Return a picture in grey; a transparent one on white paper."""
    image = Image.fromarray(picture).convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    return np.asarray(Image.alpha_composite(white, image).convert("L"))


def resize_only(picture: Bytes) -> Bytes:
    """Return a picture resized to 28x28, and inverted if it is bright."""
    small = Image.fromarray(as_grey(picture)).resize((28, 28), Image.Resampling.BILINEAR)
    image = np.asarray(small)
    return 255 - image if image.mean() > 127 else image


def resize_then_otsu(picture: Bytes) -> Bytes:
    """Return a picture resized to 28x28, inverted if it is bright, with Otsu's threshold."""
    image = resize_only(picture)
    if image.min() == image.max():
        return image
    return np.where(image > threshold_otsu(image), 255, 0).astype(np.uint8)


def normalize(picture: Bytes) -> Bytes:
    """Return a picture as sk-digits prepares it."""
    return DigitImageNormalizer(on_blank="zeros").transform([picture]).reshape(28, 28)


PREPARATIONS: dict[str, Callable[[Bytes], Bytes]] = {
    "resize": resize_only,
    "resize + Otsu": resize_then_otsu,
    "sk-digits": normalize,
}


class Answer(NamedTuple):
    """A picture, what the network saw of it, its answer, and the right one."""

    picture: Bytes
    seen: Bytes
    said: int
    truth: int


def get_model(file: Path | None) -> Pipeline:
    """Return the trained pipeline in a file, or train the recipe."""
    if file is not None:
        return load_model(file)
    X, y = fetch_mnist(return_X_y=True)
    return make_digit_pipeline(random_state=0).fit(X[:10_000], y[:10_000])


def score_rung(
    name: str, model: Pipeline, images: Bytes, labels: NDArray[np.int64], n: int
) -> tuple[dict[str, float], list[Answer]]:
    """Return the accuracy of the preparations, and on the digits as they were, on one rung."""
    rng = np.random.default_rng(list(LADDER).index(name))
    chosen = rng.permutation(len(images))[:n]
    pictures = [photograph(images[i], LADDER[name], rng) for i in chosen]
    scores = {"as they were": float((model.predict(flat(images[chosen])) == labels[chosen]).mean())}
    for preparation, prepare in PREPARATIONS.items():
        seen = np.array([prepare(picture) for picture in pictures])
        said = model.predict(flat(seen))
        scores[preparation] = float((said == labels[chosen]).mean())
    answers = zip(pictures, seen, said.tolist(), labels[chosen].tolist(), strict=True)
    return scores, [Answer(*answer) for answer in answers]


def flat(images: Bytes) -> Bytes:
    """Return images as rows of pixels."""
    return images.reshape(len(images), -1)


def score_pages(
    model: Pipeline, images: Bytes, labels: NDArray[np.int64], n: int
) -> dict[str, float]:
    """Return how pages are read. A line is exact if no digit is wrong, missing or added."""
    rng = np.random.default_rng(99)
    lines = exact = digits = right = 0
    for _ in range(n):
        page = write_page(images, labels, rng, PAPER)
        found = segment_digits(page.image)
        read: dict[int, list[int]] = {}
        if found:
            said = model.predict(flat(np.array([digit.image for digit in found])))
            for digit, label in zip(found, said.tolist(), strict=True):
                read.setdefault(digit.line, []).append(label)
        for number, line in enumerate(page.lines):
            answer = read.get(number, [])
            lines, digits = lines + 1, digits + len(line)
            exact += answer == line
            if len(answer) == len(line):
                right += sum(a == b for a, b in zip(answer, line, strict=True))
    return {"pages": n, "lines": lines, "exact lines": exact / lines, "digits": right / digits}


def time_sizes(image: Bytes) -> dict[str, float]:
    """Return milliseconds for one picture of each size, the median of five."""
    milliseconds = {}
    for name, shape in MEGAPIXELS.items():
        rng = np.random.default_rng(0)
        digit = 255 - ndimage.zoom(image, shape[0] * 0.6 / 28, order=1)
        picture = np.full((*shape, 3), 255, np.uint8)
        picture[: digit.shape[0], : digit.shape[1]] = digit[..., np.newaxis]
        picture -= rng.integers(0, 12, shape, dtype=np.uint8)[..., np.newaxis]
        took = []
        for _ in range(5):
            start = time.perf_counter()
            normalize(picture)
            took.append(1000 * (time.perf_counter() - start))
        milliseconds[name] = float(np.median(took))
    return milliseconds


def draw_marks(side: int, n: int) -> Bytes:
    """Return a square page with `n` upright strokes."""
    page = np.full((side, side), 255, np.uint8)
    pitch, height = side // math.isqrt(n), side // math.isqrt(n) * 6 // 10
    places = itertools.product(range(5, side - height, pitch), range(5, side - 9, pitch))
    for top, left in itertools.islice(places, n):
        page[top : top + height, left : left + 4] = 0
    return page


def time_growth() -> dict[str, list[tuple[float, float]]]:
    """Return milliseconds for pages, the median of three, by size and by number of strokes."""
    pages = {
        "megapixels": [(side**2 / 1e6, draw_marks(side, 36)) for side in (800, 1600, 3200, 6320)],
        "strokes": [(n, draw_marks(1600, n)) for n in (300, 1200, 4800)],
    }
    growth: dict[str, list[tuple[float, float]]] = {}
    for what, sizes in pages.items():
        growth[what] = []
        for size, page in sizes:
            took = []
            for _ in range(3):
                start = time.perf_counter()
                segment_digits(page)
                took.append(1000 * (time.perf_counter() - start))
            growth[what].append((size, float(np.median(took))))
    return growth


def on_chequers(picture: Bytes) -> Bytes:
    """Return a transparent picture on a chequered ground, as drawing programs show it."""
    if picture.shape[2] == 3:
        return picture
    y, x = np.indices(picture.shape[:2]) * 10 // max(picture.shape)
    ground = np.where((x + y) % 2, 225, 250)[..., np.newaxis]
    alpha = picture[..., 3:] / 255
    return np.rint(picture[..., :3] * alpha + ground * (1 - alpha)).astype(np.uint8)


def plot(answers: dict[str, list[Answer]], file: Path) -> None:
    """Draw for each rung some pictures, what the network sees, and its answers."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    n_columns, ink, paper, wrong = 6, "#1f2933", "#f5f3ee", "#c0392b"
    figure, axes = plt.subplots(
        len(answers),
        3 * n_columns,
        figsize=(13, 1.0 * len(answers) + 0.8),
        facecolor=paper,
        gridspec_kw={"width_ratios": [1, 1, 0.5] * n_columns, "wspace": 0.06, "hspace": 0.14},
    )
    figure.subplots_adjust(left=0.1, right=0.995, top=0.93, bottom=0.01)
    for row, (name, rung) in zip(axes, answers.items(), strict=True):
        place = row[0].get_position()
        figure.text(0.02, (place.y0 + place.y1) / 2, name, va="center", color=ink, size=12)
        for i, answer in enumerate(rung[:n_columns]):
            left, right, verdict = row[3 * i : 3 * i + 3]
            left.imshow(on_chequers(answer.picture))
            left.set_anchor("E")
            right.imshow(answer.seen, cmap="gray", vmin=0, vmax=255)
            right.set_anchor("W")
            is_right = answer.said == answer.truth
            colour = ink if is_right else wrong
            verdict.text(0.05, 0.5, str(answer.said), va="center", size=17, color=colour)
            if not is_right:
                verdict.text(0.05, 0.08, f"is {answer.truth}", size=8, color=wrong)
        for axis in row:
            axis.set_axis_off()
    figure.text(
        0.02, 0.958, "The picture, what the network sees, and its answer", size=15, color=ink
    )
    figure.savefig(file, dpi=110, facecolor=paper)


def main() -> None:
    """Measure, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, help="a trained pipeline; default: train the recipe")
    parser.add_argument("--n", type=int, default=400, help="pictures a rung")
    parser.add_argument("--pages", type=int, default=50)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()

    model = get_model(options.model)
    X, y = fetch_mnist(return_X_y=True)
    images, labels = X[10_000:].reshape(-1, 28, 28), y[10_000:]
    again = DigitImageNormalizer().transform(X[10_000:])
    difference = np.abs(again.astype(int) - X[10_000:]).mean()
    report: dict[str, Any] = {
        "MNIST as it is": float((model.predict(X[10_000:]) == labels).mean()),
        "MNIST, normalized": float((model.predict(again) == labels).mean()),
        "mean absolute difference": float(difference),
        "ladder": {},
    }
    for name in list(report)[:3]:
        print(f"{name}: {report[name]:.4f}")
    columns = ["as they were", *PREPARATIONS]
    print(f"\n{'rung':12}" + "".join(f"{column:>15}" for column in columns))
    shown = {}
    for name in LADDER:
        scores, shown[name] = score_rung(name, model, images, labels, options.n)
        report["ladder"][name] = scores
        print(f"{name:12}" + "".join(f"{scores[column]:15.4f}" for column in columns), flush=True)
    report["pages"] = score_pages(model, images, labels, options.pages)
    print("\npages: " + ", ".join(f"{key} {value:.4g}" for key, value in report["pages"].items()))
    report["milliseconds"] = time_sizes(images[0])
    print("milliseconds: " + ", ".join(f"{k} {v:.0f}" for k, v in report["milliseconds"].items()))
    report["growth"] = time_growth()
    for what, times in report["growth"].items():
        print(f"pages by {what}: " + ", ".join(f"{size:,.4g} {ms:,.0f} ms" for size, ms in times))
    report["versions"] = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scikit-image": skimage.__version__,
        "pillow": PIL.__version__,
    }
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    if options.plot:
        plot(shown, options.plot)


if __name__ == "__main__":
    main()
