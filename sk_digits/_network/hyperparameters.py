"""The hyperparameters of the network and of its training: names, bounds and messages, once.

`DigitANN.fit`, the net and the reader of model files all make these objects of what they are given,
and so check it by the same constraints.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from torch import nn

from sk_digits._constraints import BOOL, Constraint, constrained, one_of, read_fields, real, whole
from sk_digits._network.lr_schedules import LR_SCHEDULES
from sk_digits._network.random_warp import PRESETS, RandomWarp

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "identity": nn.Identity,
    "logistic": nn.Sigmoid,
    "relu": nn.ReLU,  # not in place: hooks on layers must see what the layers return
    "tanh": nn.Tanh,
}
MAX_WEIGHTS = 2**38  # in float32 a terabyte


def _read_widths(value: Any) -> tuple[int, ...]:
    widths = np.atleast_1d(np.asarray(value, dtype=object)).tolist()
    return tuple(whole(1).read(width) for width in widths)


def _read_augmentation(value: Any) -> RandomWarp | None:
    if value is None:
        return None
    if isinstance(value, str) and value in PRESETS:
        return PRESETS[value]
    if not isinstance(value, RandomWarp):
        raise TypeError
    return RandomWarp(**value.check())


def _read_image_shape(value: Any) -> tuple[int, int] | None:
    if value is None:
        return None
    if not isinstance(value, tuple | list):
        raise TypeError
    height, width = (whole(1).read(side) for side in value)
    return height, width


_WIDTHS = Constraint(_read_widths, "a positive int or a sequence of positive ints, one a layer")
_AUGMENTATION = Constraint(
    _read_augmentation, f"a RandomWarp, a str among {sorted(PRESETS)} or None"
)
_IMAGE_SHAPE = Constraint(_read_image_shape, "None or two positive ints, height and width")


class Hyperparameters:
    """Base of the dataclasses below. An object that exists has allowed values only."""

    def __post_init__(self) -> None:
        """Check every field, and keep its value as a plain Python object."""
        vars(self).update(read_fields(type(self), vars(self), "DigitANN"))

    @classmethod
    def check(cls, params: Mapping[str, Any]) -> None:
        """Raise ValueError if one of some parameters, by name, has a value that is not allowed."""
        read_fields(cls, params, "DigitANN")


@dataclass(frozen=True, kw_only=True)
class Architecture(Hyperparameters):
    """What defines the network. Together with the weights it determines every prediction."""

    n_features: int = constrained(whole(1))
    hidden_layer_sizes: tuple[int, ...] = constrained(_WIDTHS)
    n_outputs: int = constrained(whole(1))
    activation: str = constrained(one_of(ACTIVATIONS))
    dropout: float = constrained(real(0, 1))
    batch_norm: bool = constrained(BOOL)
    dtype: str = constrained(one_of(("float32", "float64")))

    def __post_init__(self) -> None:
        """Check also that the weights together are not beyond any machine."""
        super().__post_init__()
        sides = (self.n_features, *self.hidden_layer_sizes, self.n_outputs)
        if sum(map(operator.mul, sides, sides[1:])) > MAX_WEIGHTS:
            raise ValueError(
                "The 'hidden_layer_sizes' parameter of DigitANN must be such that the weights fit "
                f"into a terabyte. Got {self.hidden_layer_sizes!r} instead."
            )


@dataclass(frozen=True, kw_only=True)
class Training(Hyperparameters):
    """What defines how the network is trained."""

    lr: float = constrained(real(0, closed="neither"))
    lr_schedule: str = constrained(one_of(LR_SCHEDULES))
    weight_decay: float = constrained(real(0))
    label_smoothing: float = constrained(real(0, 1, closed="both"))
    batch_size: int = constrained(whole(1))
    max_epochs: int = constrained(whole(1))
    augmentation: RandomWarp | None = constrained(_AUGMENTATION)
    image_shape: tuple[int, int] | None = constrained(_IMAGE_SHAPE)
    bfloat16: bool = constrained(BOOL)

    def to_plain(self) -> dict[str, Any]:
        """Return the values by name, as Python's plain types."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Training:
        """Return the object that :meth:`to_plain` was called on."""
        warp = plain["augmentation"]
        return cls(**{**plain, "augmentation": None if warp is None else RandomWarp(**warp)})


@dataclass(frozen=True, kw_only=True)
class EarlyStopping(Hyperparameters):
    """What defines when early stopping ends a training."""

    validation_fraction: float = constrained(real(0, 1, closed="neither"))
    n_iter_no_change: int = constrained(whole(1))
    tol: float = constrained(real(0))
