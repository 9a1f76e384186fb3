"""Handwritten digits with a PyTorch perceptron that is a genuine scikit-learn classifier."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sk_digits._augmentation import RandomWarp
    from sk_digits._checkpoint import TrainingCheckpoint
    from sk_digits._digit_ann import DigitANN
    from sk_digits._image_files import ImageFileError
    from sk_digits._images import DigitImageNormalizer
    from sk_digits._model_file import ModelFileError, read_metadata
    from sk_digits._persistence import load_model, save_model
    from sk_digits._pipeline import make_digit_pipeline
    from sk_digits._preprocessing import PixelScaler
    from sk_digits._segmentation import segment_digits

__all__ = [
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
]

__version__ = "0.1.0"

_MODULES = {
    "DigitANN": "_digit_ann",
    "DigitImageNormalizer": "_images",
    "ImageFileError": "_image_files",
    "ModelFileError": "_model_file",
    "PixelScaler": "_preprocessing",
    "RandomWarp": "_augmentation",
    "TrainingCheckpoint": "_checkpoint",
    "load_model": "_persistence",
    "make_digit_pipeline": "_pipeline",
    "read_metadata": "_model_file",
    "save_model": "_persistence",
    "segment_digits": "_segmentation",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used: datasets and ``--help`` do without torch."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
