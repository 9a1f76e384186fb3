"""The public names, the version, and what an import costs."""

import importlib
import subprocess
import sys
from importlib.metadata import version

import pytest

import sk_digits

# Names may be added to these, but none may be removed.
PROMISED = {
    "sk_digits": [
        "DigitANN",
        "DigitImageNormalizer",
        "ImageFileError",
        "ModelFileError",
        "PixelScaler",
        "RandomWarp",
        "TrainingCheckpoint",
        "load_model",
        "make_digit_pipeline",
        "read_metadata",
        "save_model",
        "segment_digits",
    ],
    "sk_digits.cluster": ["DurableClient"],
    "sk_digits.datasets": ["fetch_mnist", "load_digits_28", "load_image_folder"],
    "sk_digits.displays": ["DigitGridDisplay", "TrainingHistoryDisplay"],
    "sk_digits.html": ["to_html"],
    "sk_digits.onnx": ["to_onnx"],
}


@pytest.mark.parametrize("module", PROMISED)
def test_the_promised_names_can_be_imported(module):
    """Each public name is where users import it from."""
    public = importlib.import_module(module)
    for name in PROMISED[module]:
        assert getattr(public, name).__name__ == name


def test_all_names_are_there_and_public():
    """Each name in __all__ can be imported, is listed by dir, and lives in the package."""
    for name in sk_digits.__all__:
        assert getattr(sk_digits, name).__module__.startswith("sk_digits.")
    assert set(sk_digits.__all__) <= set(dir(sk_digits))
    assert sk_digits.__all__ == sorted(sk_digits.__all__)


def test_other_names_are_attribute_errors():
    """A misspelt name is an AttributeError that shows it."""
    with pytest.raises(AttributeError, match="sk_digits attribute DigitsANN"):
        sk_digits.DigitsANN  # noqa: B018


def test_version_is_that_of_the_distribution():
    """The module and the installed distribution agree on the version."""
    assert sk_digits.__version__ == version("sk-digits")


@pytest.mark.parametrize(
    "module",
    [
        "sk_digits",
        "sk_digits.cluster",
        "sk_digits.datasets",
        "sk_digits.displays",
        "sk_digits._cli",
    ],
)
def test_imports_are_light(module):
    """Importing the light modules imports none of the heavy libraries."""
    heavy = ("torch", "skorch", "matplotlib", "skops", "onnx", "onnxruntime", "skl2onnx")
    code = f"import {module}, sys; print([m for m in {heavy} if m in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


@pytest.mark.slow
def test_a_fit_does_not_import_the_compiler(tmp_path):
    """Fitting, saving and loading do not import torch's compiler, which takes a second."""
    code = (
        "import sys, warnings, numpy as np; from sk_digits import DigitANN, load_model, save_model;"
        "from skorch.callbacks import Callback; filters = list(warnings.filters);"
        "X, y = np.ones((20, 4), dtype='f'), np.arange(20) % 10; "
        "ann = DigitANN((4,), max_epochs=2);"
        "ann.fit(X, y).partial_fit(X, y); save_model(ann, sys.argv[1]);"
        "load_model(sys.argv[1]).partial_fit(X, y).predict(X);"
        "DigitANN((4,), max_epochs=2, callbacks=[Callback()], early_stopping=True).fit(X, y);"
        "print('torch.optim' in sys.modules, 'torch._dynamo' in sys.modules,"
        "filters == warnings.filters)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.safetensors")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.split() == ["True", "False", "True"]
