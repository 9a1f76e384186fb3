"""Plots of a `DigitANN`'s training and of the images that a classifier misclassifies.

One file per display: `_training_history_display` and `_digit_grid_display`. `_style` holds the
colours and sizes that both use.
"""

from sk_digits.displays._digit_grid_display import DigitGridDisplay
from sk_digits.displays._training_history_display import TrainingHistoryDisplay

__all__ = ["DigitGridDisplay", "TrainingHistoryDisplay"]
