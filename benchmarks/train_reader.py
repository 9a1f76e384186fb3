"""Train the reader that comes with the package, measure it, and save it with its card.

It is trained on the official 60,000 training images of MNIST, as they are and as other people might
have written them (`_handwriting.py`), and on nothing else. Figures are of the official 10,000 test
images and, with --hands, of other people's digits: files FOLDER/NAME.npz with arrays `images` (n,
height, width), uint8, light ink on dark, and `labels` (n,). Nothing is chosen by the test images.

    python benchmarks/train_reader.py --out sk_digits/_reader/reader.safetensors

It takes about 20 minutes on two cores.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _handwriting import draw_variants
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from sk_digits import DigitImageNormalizer, RandomWarp, make_digit_pipeline, save_model
from sk_digits.datasets import fetch_mnist

SEED = 0
# Wider distortions than make_digit_pipeline has: they cost little at home and gain much abroad.
RECIPE: dict[str, Any] = {
    "hidden_layer_sizes": (2048, 1024),
    "max_epochs": 40,
    "batch_size": 256,
    "lr": 6e-3,
    "augmentation": RandomWarp(rotation=15, shear=0.45, scale=0.25, translation=0.07, elastic=0.02),
}


def read(reader: Pipeline, images: Any) -> Any:
    """Return the labels of pictures, and -1 where no digit is found."""
    normalizer = clone(reader["image"]).set_params(on_blank="nan")
    parts = np.array_split(np.arange(len(images)), 50)
    rows = np.concatenate(
        Parallel(n_jobs=-1)(
            delayed(normalizer.transform)([images[i] for i in part]) for part in parts
        )
    )
    blank = np.isnan(rows).any(axis=1)
    labels = np.full(len(rows), -1)
    labels[~blank] = reader[1:].predict(rows[~blank])
    return labels


def main() -> None:
    """Train, measure, print and save."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--hands", type=Path, help="folder of NAME.npz")
    arguments = parser.parse_args()

    train, test = fetch_mnist(subset="train"), fetch_mnist(subset="test")
    variants = draw_variants(train.images, train.target, SEED)
    X = np.concatenate([train.data, variants.reshape(len(variants), -1)])
    y = np.concatenate([train.target, train.target])
    start = time.perf_counter()
    pipeline = make_digit_pipeline(random_state=SEED, **RECIPE).fit(X, y)
    seconds = time.perf_counter() - start
    with torch.no_grad():  # so that the file has two bytes a weight, and what it has is measured
        for parameter in pipeline["ann"].net_.module_.parameters():
            if parameter.ndim == 2:
                parameter.copy_(parameter.half().float())
    reader = Pipeline([("image", DigitImageNormalizer()), *pipeline.steps])

    hands = {"MNIST test, as pictures": (test.images, test.target)}
    for file in sorted(arguments.hands.glob("*.npz")) if arguments.hands else []:
        with np.load(file) as content:
            hands[file.stem] = content["images"], content["labels"]
    accuracy = {"MNIST test": round(pipeline.score(test.data, test.target), 4)} | {
        name: round(float((read(reader, images) == labels).mean()), 4)
        for name, (images, labels) in hands.items()
    }
    card = {
        "data": "MNIST, the official 60,000 training images, and a variant of each",
        "recipe": {name: repr(value) for name, value in RECIPE.items()},
        "seed": SEED,
        "seconds": round(seconds),
        "accuracy": accuracy,
        "command": "python benchmarks/train_reader.py",
    }
    for name, value in card.items():
        print(f"{name}: {value}")
    save_model(reader, arguments.out, metadata=card)


if __name__ == "__main__":
    main()
