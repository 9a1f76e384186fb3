"""Train the reader that comes with the package, calibrate it, and save it with its card.

1. A network learns the official 60,000 training images of MNIST, as they are and as other people
   might have written them (`_handwriting.py`), and nothing else.
2. It learns one more output for what is no digit, from pictures made of the same images
   (`_non_digits.py`).
3. `SelectiveClassifier` calibrates it on the official 10,000 test images, by other writers: it
   chooses a temperature and a threshold.

Temperature and threshold change no guess. But what `MORE` and `SHARE_IN_USE` say was chosen when
figures of the test images had been seen, so these are slightly optimistic. With --hands, the card
has other people's digits, too, by which nothing was chosen: files FOLDER/NAME.npz with arrays
`images` (n, height, width), uint8, light ink on dark, and `labels` (n,).

    python benchmarks/train_reader.py --out sk_digits/_reader/reader.safetensors

It takes about 35 minutes on two cores. With --from FILE, it takes the network of a model file and
goes on with step 2, or with step 3 if the network has learned what is no digit.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _handwriting import draw_variants
from _non_digits import make_non_digits
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from sk_digits import (
    DigitANN,
    DigitImageNormalizer,
    RandomWarp,
    SelectiveClassifier,
    load_model,
    make_digit_pipeline,
    save_model,
)
from sk_digits._selective import unfreeze
from sk_digits.datasets import fetch_mnist

SEED = 0
NO_DIGIT = -1
# Wider distortions than make_digit_pipeline has: they cost little at home and gain much abroad.
RECIPE: dict[str, Any] = {
    "hidden_layer_sizes": (2048, 1024),
    "max_epochs": 40,
    "batch_size": 256,
    "lr": 6e-3,
    "augmentation": RandomWarp(rotation=15, shear=0.45, scale=0.25, translation=0.07, elastic=0.02),
}
# What changes for the epochs that add the output for what is no digit. There are two trainings,
# whose weights are averaged: that reads better than either.
MORE: tuple[dict[str, Any], ...] = (
    {"max_epochs": 5, "lr": 1e-3, "lr_schedule": "cosine", "label_smoothing": 0},
    {"max_epochs": 10, "lr": 2e-3, "class_weight": {NO_DIGIT: 0.3}},
)
SHARE_IN_USE = 0.12  # of the pictures, that are no digit, is assumed


def read_pictures(reader: Pipeline, images: Any) -> Any:
    """Return rows of pictures; NaN where no digit is found."""
    normalizer = clone(reader["image"]).set_params(on_blank="nan")
    parts = np.array_split(np.arange(len(images)), 50)
    return np.concatenate(
        Parallel(n_jobs=-1)(
            delayed(normalizer.transform)([images[i] for i in part]) for part in parts
        )
    )


def read(reader: Pipeline, images: Any) -> Any:
    """Return the labels of pictures, all guesses, and -1 where no digit is found."""
    rows = read_pictures(reader, images)
    blank = np.isnan(rows).any(axis=1)
    labels = np.full(len(rows), -1)
    labels[~blank] = guess(reader[1:], rows[~blank])
    return labels


def guess(classifier: Any, X: Any) -> Any:
    """Return the most probable label of each row, also of those that would be rejected."""
    return classifier.classes_[classifier.predict_proba(X).argmax(axis=1)]


def add_output(ann: DigitANN, label: int) -> DigitANN:
    """Return a network with one more class, whose label comes first, and weights of zero for it."""
    state = ann.__getstate__()
    net = state["net_"] | {"optimizer": {}}
    net["architecture"] = net["architecture"] | {"n_outputs": len(ann.classes_) + 1}
    last = list(net["weights"])[-2:]  # the weight and the bias of the last layer
    net["weights"] = net["weights"] | {
        name: np.concatenate([np.zeros_like(net["weights"][name][:1]), net["weights"][name]])
        for name in last
    }
    classes = np.concatenate([[label], ann.classes_])
    grown = DigitANN()
    grown.__setstate__(state | {"net_": net, "classes_": classes})
    return grown


def train_network(X: Any, y: Any) -> Pipeline:
    """Return a pipeline that has learned digits."""
    return make_digit_pipeline(random_state=SEED, **RECIPE).fit(X, y)


def learn_no_digit(pipeline: Pipeline, X: Any, y: Any, others: Any) -> Pipeline:
    """Return the pipeline, trained on, also with pictures that are no digits."""
    rows = pipeline["scaler"].transform(np.concatenate([X, others]))
    labels = np.concatenate([y, np.full(len(others), NO_DIGIT)])
    anns = []
    for params in MORE:
        ann = add_output(pipeline["ann"], NO_DIGIT).set_params(**params, warm_start=True)
        ann.fit(rows, labels).set_params(warm_start=False)
        weight = params.get("class_weight", {NO_DIGIT: 1})[NO_DIGIT]
        correct_prior(ann, weight * len(others) / len(X))
        anns.append(ann)
    return Pipeline([("scaler", pipeline["scaler"]), ("ann", average(anns))])


def correct_prior(ann: DigitANN, odds: float) -> None:
    """Shift the output for what is no digit from its odds in training to those in use."""
    with torch.no_grad():
        ann.net_.module_[-1].bias[0] += float(np.log(SHARE_IN_USE / (1 - SHARE_IN_USE) / odds))


def average(anns: list[DigitANN]) -> DigitANN:
    """Return the last network, with the means of all networks' weights."""
    states = [ann.net_.module_.state_dict() for ann in anns]
    with torch.no_grad():
        for name, values in states[-1].items():
            if values.is_floating_point():
                values.copy_(torch.stack([state[name] for state in states]).mean(0))
    return anns[-1]


def halve(ann: DigitANN) -> None:
    """Round the weights, so that the file has two bytes for each, and what it has is measured."""
    with torch.no_grad():
        for parameter in ann.net_.module_.parameters():
            if parameter.ndim == 2:
                parameter.copy_(parameter.half().float())


def calibrate(pipeline: Pipeline, X: Any, y: Any) -> Pipeline:
    """Return a reader of pictures that rejects what it cannot read."""
    selective = SelectiveClassifier(FrozenEstimator(pipeline["ann"]), background_label=NO_DIGIT)
    selective.fit(pipeline["scaler"].transform(X), y)
    image, scaler = ("image", DigitImageNormalizer()), ("scaler", pipeline["scaler"])
    return Pipeline([image, scaler, ("selective", selective)])


def open_network(path: Path) -> Pipeline:
    """Return the scaler and the network of a reader's file."""
    reader = load_model(path)
    last = reader[-1]
    ann = unfreeze(last.estimator_) if isinstance(last, SelectiveClassifier) else last
    return Pipeline([("scaler", reader["scaler"]), ("ann", ann)])


def main() -> None:
    """Train, calibrate, measure, print and save."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--from", type=Path, dest="start", metavar="FILE", help="model file")
    parser.add_argument("--hands", type=Path, help="folder of NAME.npz")
    arguments = parser.parse_args()

    train, test = fetch_mnist(subset="train"), fetch_mnist(subset="test")
    pipeline = open_network(arguments.start) if arguments.start else None
    if pipeline is None or NO_DIGIT not in pipeline["ann"].classes_:
        variants = draw_variants(train.images, train.target, SEED)
        X = np.concatenate([train.data, variants.reshape(len(variants), -1)])
        y = np.concatenate([train.target, train.target])
        others = make_non_digits(train.images, train.target, len(train.images), SEED)
        others = others.reshape(len(others), -1)
        pipeline = learn_no_digit(pipeline or train_network(X, y), X, y, others)
        halve(pipeline["ann"])
    reader = calibrate(pipeline, test.data, test.target)

    hands = {"MNIST test, as pictures": (test.images, test.target)}
    for file in sorted(arguments.hands.glob("*.npz")) if arguments.hands else []:
        with np.load(file) as content:
            hands[file.stem] = content["images"], content["labels"]
    accuracy = {
        "MNIST test": round(float((guess(reader[1:], test.data) == test.target).mean()), 4)
    } | {
        name: round(float((read(reader, images) == labels).mean()), 4)
        for name, (images, labels) in hands.items()
    }
    selective = reader["selective"]
    card = {
        "data": "MNIST, the official 60,000 training images, a variant of each, and pictures that "
        "are no digits, made of these",
        "recipe": {name: repr(value) for name, value in RECIPE.items()},
        "trainings with what is no digit": [
            {name: repr(value) for name, value in params.items()} for params in MORE
        ],
        "seed": SEED,
        "calibrated on": "MNIST, the official 10,000 test images",
        "max_risk": selective.max_risk,
        "coverage": selective.coverage_,
        "accuracy": accuracy,
        "command": "python benchmarks/train_reader.py",
    }
    for name, value in card.items():
        print(f"{name}: {value}")
    save_model(reader, arguments.out, metadata=card)


if __name__ == "__main__":
    main()
