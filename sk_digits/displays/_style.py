"""Colours and measures that the displays share, and matplotlib, imported late."""

from __future__ import annotations

from typing import Any

# From the palette of M. Okabe and K. Ito, whose colours all kinds of colour vision tell apart.
BLUE, VERMILION = "#0072B2", "#D55E00"
INK, MUTED, FAINT = "#222222", "#666666", "#DDDDDD"

# In inches: a figure's width, 640 pixels by default, and a letter's mean width.
WIDTH, LETTER = 6.4, 0.085


def import_pyplot() -> Any:
    """Import matplotlib, or say how to install it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError('Displays need matplotlib: pip install "sk-digits[plot]".') from error
    return plt
