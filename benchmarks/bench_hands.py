"""Accuracy of the trained reader on people who did not write MNIST, beside simpler preparations.

The same network reads what each preparation makes of the pictures: the package's own, resizing,
Otsu's threshold, and framing the bounding box as MNIST was framed. Tesseract, told that there is
one digit, reads the pictures themselves, enlarged, dark on light. FOLDER has files NAME.npz with
arrays `images` (n, height, width), uint8, light ink on dark, and `labels` (n,).

    python benchmarks/bench_hands.py FOLDER --tesseract 500
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from bench_images import resize_only, resize_then_otsu
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import binomtest
from skimage.filters import threshold_otsu
from train_reader import guess, read

from sk_digits import load_reader
from sk_digits._images.mnist_frame import frame
from sk_digits.datasets import fetch_mnist


def frame_bounding_box(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return what is brighter than Otsu's threshold, in MNIST's frame."""
    is_ink = picture > threshold_otsu(picture)
    return frame(np.where(is_ink, picture / 255, 0).astype(np.float32))


def ask_tesseract(picture: NDArray[np.uint8], folder: Path) -> int:
    """Return the digit that Tesseract reads; -1 for none."""
    image = Image.fromarray(255 - picture).resize((120, 120), Image.Resampling.BICUBIC)
    page = Image.new("L", (200, 200), 255)
    page.paste(image, (40, 40))
    page.save(folder / "digit.png")
    options = ["--psm", "10", "-c", "tessedit_char_whitelist=0123456789"]
    command = ["tesseract", str(folder / "digit.png"), "-", *options]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return int(text) if len(text) == 1 else -1


def as_row(name: str, is_right: NDArray[np.bool_]) -> str:
    """Return a line of the table: the accuracy with its 95 % interval (Wilson)."""
    low, high = binomtest(int(is_right.sum()), len(is_right)).proportion_ci(method="wilson")
    return f"  {name:16s} {is_right.mean():.4f} [{low:.4f}, {high:.4f}]  n = {len(is_right):,}"


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tesseract", type=int, default=0, help="pictures that it is asked")
    arguments = parser.parse_args()
    test = fetch_mnist(subset="test")
    hands: dict[str, Any] = {"MNIST's official test images": (test.images, test.target)}
    for file in sorted(arguments.folder.glob("*.npz")):
        with np.load(file) as content:
            hands[file.stem] = content["images"], content["labels"]
    reader = load_reader()
    preparations = {
        "resize": resize_only,
        "resize + Otsu": resize_then_otsu,
        "bounding box": frame_bounding_box,
    }
    for hand, (images, labels) in hands.items():
        print(hand)
        print(as_row("load_reader()", read(reader, images) == labels))
        for name, prepare in preparations.items():
            rows = np.array([prepare(image).ravel() for image in images])
            print(as_row(name, guess(reader[1:], rows) == labels))
        if arguments.tesseract:
            chosen = np.random.default_rng(0).permutation(len(images))[: arguments.tesseract]
            with tempfile.TemporaryDirectory() as folder:
                read_ = [ask_tesseract(images[i], Path(folder)) for i in chosen]
            print(as_row("Tesseract", np.array(read_) == labels[chosen]))


if __name__ == "__main__":
    main()
