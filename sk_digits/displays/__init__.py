"""Plots of how a `DigitANN` learned and of the images that a classifier gets wrong."""

from sk_digits.displays._digit_grid_display import DigitGridDisplay
from sk_digits.displays._training_history_display import TrainingHistoryDisplay

__all__ = ["DigitGridDisplay", "TrainingHistoryDisplay"]
