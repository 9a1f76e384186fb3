"""Whether `SelectiveClassifier` keeps what it promises, and what the trained reader answers.

1. Stated and found risk: classifiers are trained on 10,000 of MNIST's official training images; the
   official 10,000 test images are split in halves 200 times, one calibrates, the other judges.
2. Calibration: the expected calibration error (15 bins) of `make_digit_pipeline()`, trained on the
   10,000 training images of "12k", on the 58,000 images of "rest"; and after a temperature that was
   fitted to the 2,000 test images of "12k".
3. The trained reader on what is no digit: AUROC of its confidence against that on the official test
   images, false positives at 95 % true positives, and the share that gets an answer.
4. The trained reader on other people's digits, with --hands: files FOLDER/NAME.npz with arrays
   `images` (n, height, width), uint8, light ink on dark, and `labels` (n,). Stated and found risk.
5. Seconds of the reader's predictions over those of its bare network.

    python benchmarks/bench_selective.py --hands FOLDER

`--parts 1 3` runs these alone. Part 2 takes the longest, two minutes a seed.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from _strange_pictures import draw_strange
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import SVC
from train_reader import read_pictures

from sk_digits import PixelScaler, SelectiveClassifier, load_reader, make_digit_pipeline
from sk_digits.datasets import fetch_mnist

RISKS = (0.001, 0.002, 0.005, 0.01)
N_SPLITS = 200
N_BINS = 15
N_HANDS = 1000  # of each hand, at random


class Known(ClassifierMixin, BaseEstimator):
    """Classifier whose rows are its own logits, so that each is computed once."""

    def fit(self, X: Any, y: Any) -> Known:
        """Learn the labels."""
        self.classes_ = np.unique(y)
        return self

    def decision_function(self, X: Any) -> Any:
        """Return the rows."""
        return X


def resplit(
    name: str, logits: NDArray[Any], y: NDArray[Any], background_label: int | None = None
) -> None:
    """Print how often each risk is kept, and the mean coverage."""
    classes = np.unique(y)
    if background_label is not None:
        classes = np.append(background_label, classes)
    known = FrozenEstimator(Known().fit(logits, classes))
    found: dict[float, list[tuple[float, float]]] = {risk: [] for risk in RISKS}
    for seed in range(N_SPLITS):
        calibrating, judging = train_test_split(np.arange(len(y)), test_size=0.5, random_state=seed)
        model = SelectiveClassifier(known, max_risk=1, background_label=background_label)
        model.fit(logits[calibrating], y[calibrating])
        proba = model.predict_proba(logits[judging])
        errors = model.classes_[proba.argmax(axis=1)] != y[judging]
        scores = model.score_samples(logits[judging])
        for risk in RISKS:
            try:
                answered = scores >= model.set_max_risk(risk).threshold_
            except ValueError:  # it cannot be kept: nothing is answered
                answered = np.zeros(len(scores), dtype=bool)
            found[risk].append((errors[answered].mean() if answered.any() else 0, answered.mean()))
    for risk, pairs in found.items():
        risks, coverages = np.array(pairs).T
        print(
            f"| {name} | {risk:.1%} | {(risks <= risk).mean():.1%} | {risks.mean():.3%} | "
            f"{coverages.mean():.3f} |"
        )


def print_resplits() -> None:
    """Part 1."""
    train, test = fetch_mnist(subset="train"), fetch_mnist(subset="test")
    rows, _ = train_test_split(
        np.arange(len(train.target)), train_size=10_000, stratify=train.target, random_state=0
    )
    models = {
        "make_digit_pipeline()": make_digit_pipeline(random_state=0),
        "SVC": make_pipeline(PixelScaler(), OneVsRestClassifier(SVC(C=5))),
        "LogisticRegression": make_pipeline(PixelScaler(), LogisticRegression(max_iter=200, C=0.1)),
    }
    print("| classifier | stated risk | kept in | mean found risk | mean coverage |")
    print("|---|---|---|---|---|")
    for name, model in models.items():
        model.fit(train.data[rows], train.target[rows])
        resplit(name, model.decision_function(test.data), test.target)
    reader = load_reader()
    logits = reader["selective"].estimator_.decision_function(reader["scaler"].transform(test.data))
    resplit("load_reader()", logits, test.target, reader["selective"].background_label)


def calibration_error(proba: NDArray[Any], is_right: NDArray[np.bool_]) -> float:
    """Return the expected calibration error of the largest probabilities."""
    confidence = proba.max(axis=1)
    bins = np.minimum((confidence * N_BINS).astype(int), N_BINS - 1)
    gaps = [abs(confidence[bins == b].sum() - is_right[bins == b].sum()) for b in range(N_BINS)]
    return float(np.sum(gaps) / len(confidence))


def print_calibration(n_seeds: int) -> None:
    """Part 2."""
    X, y = fetch_mnist(return_X_y=True)
    X_rest, y_rest = fetch_mnist(subset="rest", return_X_y=True)
    print("| seed | as it is | after SelectiveClassifier | temperature |")
    print("|---|---|---|---|")
    for seed in range(n_seeds):
        pipeline = make_digit_pipeline(random_state=seed).fit(X[:10_000], y[:10_000])
        model = SelectiveClassifier(FrozenEstimator(pipeline), max_risk=1)
        model.fit(X[10_000:], y[10_000:])
        before, after = pipeline.predict_proba(X_rest), model.predict_proba(X_rest)
        is_right = before.argmax(axis=1) == y_rest
        errors = (calibration_error(proba, is_right) for proba in (before, after))
        print(f"| {seed} | {' | '.join(f'{e:.4f}' for e in errors)} | {model.temperature_:.2f} |")


def print_strange() -> None:
    """Part 3."""
    reader, test = load_reader()[1:], fetch_mnist(subset="test")
    digits, threshold = reader.score_samples(test.data), reader[-1].threshold_
    print(f"of the official 10,000, {(digits >= threshold).mean():.1%} are answered")
    print("| pictures | n | AUROC | false positives | answered |")
    print("|---|---|---|---|---|")
    for name, images in draw_strange(test.images, test.target).items():
        scores = reader.score_samples(images.reshape(len(images), -1))
        is_digit = np.repeat([1, 0], [len(digits), len(scores)])
        auroc = roc_auc_score(is_digit, np.concatenate([digits, scores]))
        positives = (scores >= np.quantile(digits, 0.05)).mean()
        answered = (scores >= threshold).mean()
        print(f"| {name} | {len(images):,} | {auroc:.4f} | {positives:.3f} | {answered:.1%} |")


def print_hands(folder: Path) -> None:
    """Part 4."""
    reader = load_reader()
    print("| hands | n | stated risk | answered | found risk | risk of all guesses |")
    print("|---|---|---|---|---|---|")
    for file in sorted(folder.glob("*.npz")):
        with np.load(file) as content:
            images, y = content["images"], content["labels"]
        chosen = np.random.default_rng(0).permutation(len(y))[:N_HANDS]
        images, y = images[chosen], y[chosen]
        rows = read_pictures(reader, images)
        is_blank = np.isnan(rows).any(axis=1)
        rows, y = rows[~is_blank], y[~is_blank]
        scores = reader[1:].score_samples(rows)
        errors = reader.classes_[reader[1:].predict_proba(rows).argmax(axis=1)] != y
        for risk in RISKS:
            answered = scores >= reader["selective"].set_max_risk(risk).threshold_
            print(
                f"| {file.stem} | {len(y):,} | {risk:.1%} | {answered.mean():.1%} | "
                f"{errors[answered].mean():.2%} | {errors.mean():.2%} |"
            )


def print_seconds() -> None:
    """Part 5."""
    reader, X = load_reader()[1:], fetch_mnist(subset="test").data
    bare = Pipeline([*reader.steps[:-1], ("ann", reader[-1].estimator_)])
    print("| rows | seconds of the reader over those of the bare network |")
    print("|---|---|")
    for n_rows, n_calls in ((1, 200), (10_000, 1)):
        ratios = []
        for _ in range(9):
            seconds = []
            for model in (reader, bare):
                start = time.perf_counter()
                for _ in range(n_calls):
                    model.predict(X[:n_rows])
                seconds.append(time.perf_counter() - start)
            ratios.append(seconds[0] / seconds[1])
        print(f"| {n_rows:,} | {np.median(ratios):.2f} |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--hands", type=Path, help="folder of NAME.npz")
    parser.add_argument("--seeds", type=int, default=5, help="of part 2")
    parser.add_argument("--parts", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    arguments = parser.parse_args()
    parts: list[Any] = [
        print_resplits,
        lambda: print_calibration(arguments.seeds),
        print_strange,
        lambda: print_hands(arguments.hands) if arguments.hands else None,
        print_seconds,
    ]
    for part in arguments.parts:
        parts[part - 1]()
        print(flush=True)


if __name__ == "__main__":
    main()
