"""Plots of a training, of the images that a classifier misclassifies, and of risk by coverage.

One file per display, and `_style`, the colours and sizes that all use.
"""

from sk_digits.displays._digit_grid_display import DigitGridDisplay
from sk_digits.displays._risk_coverage_display import RiskCoverageDisplay
from sk_digits.displays._training_history_display import TrainingHistoryDisplay

__all__ = ["DigitGridDisplay", "RiskCoverageDisplay", "TrainingHistoryDisplay"]
