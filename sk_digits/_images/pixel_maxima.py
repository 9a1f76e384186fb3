"""The intensity of full ink, or of white, in the usual formats of images."""

from __future__ import annotations

# Binary and unit images, scikit-learn's bundled digits, 8-bit and 16-bit images.
COMMON_MAXIMA = (1.0, 16.0, 255.0, 65535.0)


def guess_pixel_max(magnitude: float) -> float:
    """Give the smallest common maximum that bounds a magnitude, else the magnitude itself."""
    return next((m for m in COMMON_MAXIMA if magnitude <= m), magnitude)
