"""What a value of a model file must be: `require`, `is_int`, `is_number` and `is_shape`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def is_int(value: object, low: int, high: float = math.inf) -> bool:
    """Tell whether a value is an int, and no bool, between bounds."""
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    return is_whole and low <= value <= high  # type: ignore[operator]


def is_number(value: object, low: float = -math.inf) -> bool:
    """Tell whether a value is a finite float or int, and no bool, of `low` at least."""
    is_real = isinstance(value, int | float | np.integer | np.floating)
    return is_real and not isinstance(value, bool) and math.isfinite(value) and value >= low  # type: ignore[arg-type, operator]


def is_shape(value: Any) -> bool:
    """Tell whether a value is a height and a width."""
    is_pair = isinstance(value, tuple | list) and len(value) == 2
    return is_pair and all(is_int(side, 1) for side in value)


def require(is_so: bool, problem: str) -> None:
    """Raise ValueError unless all is well."""
    if not is_so:
        raise ValueError(problem)
