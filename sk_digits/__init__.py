"""Handwritten digits with a PyTorch perceptron that is a genuine scikit-learn classifier."""

from sk_digits._digit_ann import DigitANN
from sk_digits._pipeline import make_digit_pipeline
from sk_digits._preprocessing import PixelScaler

__all__ = ["DigitANN", "PixelScaler", "make_digit_pipeline"]

__version__ = "0.1.0"
