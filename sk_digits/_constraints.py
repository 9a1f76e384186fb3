"""What a hyperparameter may be, stated once, as metadata of a dataclass field.

`fit`, the network and the reader of model files check values by the same constraints. Messages are
worded like scikit-learn's.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import field, fields
from typing import Any, NamedTuple

import numpy as np


class Constraint(NamedTuple):
    """A set of allowed values.

    Attributes
    ----------
    read : callable
        Return an allowed value as a plain Python object; raise ValueError for any other.
    text : str
        What the message says that the parameter must be.
    """

    read: Callable[[Any], Any]
    text: str


class ParameterError(ValueError):
    """A parameter has a value that is not allowed; the message names both."""


def _refuse() -> Any:
    raise ValueError


def real(low: float, high: float = math.inf, *, closed: str = "left") -> Constraint:
    """Return the constraint to finite numbers of an interval that fit into a float.

    `closed` is "left", "right", "both" or "neither", as in scikit-learn. A bool is not a number.
    """
    is_low_in, is_high_in = closed in ("left", "both"), closed in ("right", "both")

    def read(value: Any) -> float:
        is_number = isinstance(value, int | float | np.integer | np.floating)
        if not is_number or isinstance(value, bool):
            _refuse()
        if not (low <= value if is_low_in else low < value):
            _refuse()
        if not (value <= high if is_high_in else value < high):
            _refuse()
        number = float(value)
        return number if math.isfinite(number) else _refuse()

    brackets = "[" if is_low_in else "(", "]" if is_high_in else ")"
    interval = f"{brackets[0]}{low:g}, {high:g}{brackets[1]}"
    return Constraint(read, f"a float in the range {interval}")


def whole(low: int, high: int = sys.maxsize) -> Constraint:
    """Return the constraint to integers from `low` to `high`. A bool is not an integer."""

    def read(value: Any) -> int:
        is_int = isinstance(value, int | np.integer) and not isinstance(value, bool)
        return int(value) if is_int and low <= value <= high else _refuse()

    limit = f"of at least {low}" if high == sys.maxsize else f"from {low} to {high}"
    return Constraint(read, f"an int {limit}")


def one_of(names: Collection[str]) -> Constraint:
    """Return the constraint to some strings."""
    known = sorted(names)

    def read(value: Any) -> str:
        return str(value) if isinstance(value, str) and value in known else _refuse()

    return Constraint(read, f"a str among {known}")


def _read_bool(value: Any) -> bool:
    return bool(value) if isinstance(value, bool | np.bool_) else _refuse()


BOOL = Constraint(_read_bool, "a bool")


def constrained(constraint: Constraint, **kwargs: Any) -> Any:
    """Return a dataclass field whose values `constraint` allows."""
    return field(metadata={"constraint": constraint}, **kwargs)


def read_value(owner: str, name: str, constraint: Constraint, value: Any) -> Any:
    """Return an allowed value as a plain Python object.

    Raises
    ------
    ParameterError
        If the value is not allowed. The message says what it must be, and shows it.
    """
    try:
        return constraint.read(value)
    except ParameterError:  # of a part of the value
        raise
    except Exception as error:  # what is no number or array fails in ways of its own
        raise ParameterError(
            f"The {name!r} parameter of {owner} must be {constraint.text}. Got {value!r} instead."
        ) from error


def read_fields(cls: Any, values: Mapping[str, Any], owner: str) -> dict[str, Any]:
    """Return the values that are fields of a dataclass, checked, as plain Python objects.

    Whatever is wrong is a ParameterError, as `read_value` raises it.

    Parameters
    ----------
    cls : dataclass
        Its fields are made by `constrained`.
    values : mapping of str to object
        Values by name. Those that are no fields of `cls` are left out.
    owner : str
        Class whose parameters the message calls them.
    """
    return {
        parameter.name: read_value(
            owner, parameter.name, parameter.metadata["constraint"], values[parameter.name]
        )
        for parameter in fields(cls)
        if parameter.name in values
    }
