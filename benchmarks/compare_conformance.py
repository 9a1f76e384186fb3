"""Count the estimator checks of scikit-learn that DigitANN and other classifiers pass.

    pip install skorch keras scikeras pytabkit
    python benchmarks/compare_conformance.py

Each classifier has one hidden layer, of 64 units if it has such a parameter, and is set up to pass
as many checks as possible: modules and model functions take any number of features and classes, and
nothing is held out or printed. Classifiers that are not installed are left out. Arguments choose
classifiers by name; ``--failures`` lists the checks that fail.
"""

from __future__ import annotations

import argparse
import io
import os
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from importlib.metadata import version
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")
os.environ["SCIPY_ARRAY_API"] = "1"  # before scipy is imported, else a check is skipped

import torch
from sklearn.neural_network import MLPClassifier
from sklearn.utils.estimator_checks import check_estimator
from torch import nn

from sk_digits import DigitANN

UNITS = 64
MOST_CLASSES = 10  # in any check; skorch's module needs the number before it sees the labels


class Perceptron(nn.Module):
    """A module for skorch that takes any number of features of any type."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)  # skorch has no parameter for the seed
        self.layers = nn.Sequential(nn.LazyLinear(UNITS), nn.ReLU(), nn.Linear(UNITS, MOST_CLASSES))

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        return self.layers(X.float())


def make_skorch() -> Any:
    """Return skorch's classifier."""
    from skorch import NeuralNetClassifier

    criterion = nn.CrossEntropyLoss
    return NeuralNetClassifier(
        Perceptron, criterion=criterion, train_split=None, max_epochs=60, lr=0.1, verbose=0
    )


def compile_keras(n_features: int, n_classes: int, loss: str) -> Any:
    """Return a compiled Keras network."""
    import keras

    keras.utils.set_random_seed(0)  # Keras's own wrapper has no parameter for the seed
    hidden = keras.layers.Dense(UNITS, activation="relu")
    output = keras.layers.Dense(n_classes, activation="softmax")
    network = keras.Sequential([keras.Input((n_features,)), hidden, output])
    network.compile(keras.optimizers.Adam(1e-2), loss)
    return network


def keras_from_data(X: Any, y: Any) -> Any:
    """Return the network for Keras's own wrapper, whose `y` is one-hot."""
    return compile_keras(X.shape[1], y.shape[1], "categorical_crossentropy")


def keras_from_meta(meta: dict[str, Any]) -> Any:
    """Return the network for scikeras."""
    return compile_keras(
        meta["n_features_in_"], meta["n_classes_"], "sparse_categorical_crossentropy"
    )


def make_keras() -> Any:
    """Return Keras's own wrapper."""
    from keras.wrappers import SKLearnClassifier

    return SKLearnClassifier(keras_from_data, fit_kwargs={"epochs": 60, "verbose": 0})


def make_scikeras() -> Any:
    """Return scikeras's wrapper."""
    from scikeras.wrappers import KerasClassifier

    return KerasClassifier(keras_from_meta, epochs=60, verbose=0, random_state=0)


def make_realmlp() -> Any:
    """Return pytabkit's RealMLP with its tuned defaults, but fewer epochs."""
    from pytabkit import RealMLP_TD_Classifier

    return RealMLP_TD_Classifier(
        n_epochs=16, hidden_sizes=[UNITS], device="cpu", verbosity=0, random_state=0
    )


PEERS: dict[str, tuple[str, Callable[[], Any]]] = {
    "DigitANN": ("sk-digits", lambda: DigitANN((UNITS,))),
    "MLPClassifier": ("scikit-learn", lambda: MLPClassifier((UNITS,))),
    "NeuralNetClassifier": ("skorch", make_skorch),
    "SKLearnClassifier": ("keras", make_keras),
    "KerasClassifier": ("scikeras", make_scikeras),
    "RealMLP_TD_Classifier": ("pytabkit", make_realmlp),
}


def check(estimator: Any) -> list[dict[str, Any]]:
    """Run all checks, and return their results without raising an error."""
    nowhere = io.StringIO()
    with warnings.catch_warnings(), redirect_stdout(nowhere), redirect_stderr(nowhere):
        warnings.simplefilter("ignore")
        return check_estimator(estimator, on_skip=None, on_fail=None)


def main() -> None:
    """Print a line for each classifier."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"some of {', '.join(PEERS)}")
    parser.add_argument("--failures", action="store_true", help="list the checks that fail")
    args = parser.parse_args()
    print("| classifier | package | checks | passed | failed | skipped |")
    print("|---|---|--:|--:|--:|--:|")
    for name in args.names or PEERS:
        package, make = PEERS[name]
        try:
            estimator = make()
        except ImportError as error:
            print(f"| {name} | {package}: {error} | | | | |")
            continue
        results = check(estimator)
        count = Counter(result["status"] for result in results)
        numbers = (len(results), *(count[s] for s in ("passed", "failed", "skipped")))
        cells = " | ".join(map(str, numbers))
        print(f"| {name} | {package} {version(package)} | {cells} |", flush=True)
        if args.failures:
            for result in results:
                if result["status"] == "failed":
                    reason = str(result["exception"]).strip().partition("\n")[0]
                    print(f"    {result['check_name']}: {reason[:120]}")


if __name__ == "__main__":
    main()
