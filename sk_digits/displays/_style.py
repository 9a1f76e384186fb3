"""Colours and sizes shared by the displays, and a late import of matplotlib."""

from __future__ import annotations

from typing import Any

# From the palette of M. Okabe and K. Ito, which people with any colour vision can distinguish.
BLUE, VERMILION = "#0072B2", "#D55E00"
MUTED, FAINT = "#666666", "#DDDDDD"

# In inches: the width of a figure, 640 pixels by default, and the mean width of a letter.
WIDTH, LETTER = 6.4, 0.085


def import_pyplot() -> Any:
    """Import matplotlib.pyplot, or raise an ImportError that says how to install it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError('Displays need matplotlib: pip install "sk-digits[plot]".') from error
    return plt
