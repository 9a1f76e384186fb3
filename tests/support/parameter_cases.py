"""Parameters of the estimators: for each, values to take and values to refuse."""

import decimal
import fractions
import sys

import numpy as np
import pandas as pd
import torch
from hypothesis import strategies as st
from skorch.callbacks import Callback
from support.input_cases import HUGE, JUNK, Given, Thing

from sk_digits import RandomWarp


class Needy(Callback):
    """A callback that cannot be made without an argument."""

    def __init__(self, needed):
        self.needed = needed


class Uncopied(Callback):
    """A callback that cannot be copied."""

    def __deepcopy__(self, memo):
        """Fail."""
        raise RuntimeError("one is enough")


NOT_FINITE = [
    fractions.Fraction(1, 3),
    np.nan,
    np.inf,
    -np.inf,
    HUGE,
    fractions.Fraction(HUGE),
    np.longdouble("1e4000"),
]
NO_NUMBER = [None, "1", b"1", [1], (0.5,), {}, 1j, np.array([1.0]), np.array(0.5), pd.NA, Thing()]
NO_NUMBER += [decimal.Decimal("0.5"), torch.tensor(0.5), np.datetime64("2020"), type]
NO_COUNT = [True, 0, -1, HUGE, -HUGE, 1.0, 1.5, np.float64(2), *NO_NUMBER, *NOT_FINITE[:3]]
NO_NAME = [None, "", "RELU", "relu ", b"relu", 1, ["relu"], {"relu"}, "\ud800", "a" * 3000]
NO_NAME += [np.array(["relu", "tanh"]), Thing()]
NO_BOOL = [None, "yes", 2, -1, 0.5, [], np.array([True, False]), Thing()]
NO_SIZES = [0, -3, HUGE, -HUGE, 16.0, (16, 0), (16, 2.5), "16", "", None, {16}, (True,), True, {}]
NO_SIZES += [[[16]], ("a",), [None], np.array([16.5]), np.array([[8, 8]]), (10**15,), (HUGE,), 1j]
NO_SIZES += [[np.array([3, 4])], pd.DataFrame([[4]]), Thing(), range(0, 3), (2**63,), (np.nan,)]
NO_SIZES += [(2**62, 2**62), b"\4", 10**13]

PARAMETERS = {
    "hidden_layer_sizes": (
        [1, 3, (), [], (2, 2), [3], range(1, 3), np.array([3]), np.int8(2), (np.int64(2), 2)],
        NO_SIZES,
    ),
    "activation": (["identity", "logistic", "relu", "tanh", np.str_("relu")], NO_NAME),
    "dropout": (
        [0, 0.0, 0.5, 0.999, np.float32(0.25), 5e-324],
        [-0.1, 1, 1.0, 2, -5e-324, True, False, *NO_NUMBER, *NOT_FINITE],
    ),
    "batch_norm": ([True, False, np.bool_(True)], NO_BOOL),
    "lr": (
        [1e-3, 1e-300, 5e-324, np.float32(0.1), np.longdouble("0.1")],
        [0, 0.0, -1e-3, *NO_NUMBER, *NOT_FINITE],
    ),
    "lr_schedule": (["constant", "cosine", "one_cycle"], NO_NAME),
    "weight_decay": ([0, 0.0, 1e-2, np.float16(0.5)], [-1e-9, *NO_NUMBER, *NOT_FINITE]),
    "label_smoothing": ([0, 0.1, 1, 1.0], [-0.1, 1.1, 2, *NO_NUMBER, *NOT_FINITE]),
    "batch_size": (
        [1, 2, 4, 9, 10, 128, np.int64(3), np.uint8(200), sys.maxsize],
        NO_COUNT,
    ),
    "max_epochs": ([1, 2, np.int8(3)], NO_COUNT),
    "augmentation": (
        ["affine", "elastic", None, RandomWarp(), RandomWarp(rotation=90, p=0.5)],
        ["rotate", 5, RandomWarp, {}, RandomWarp(rotation=-1), RandomWarp(p="x"), [RandomWarp()]],
    ),
    "image_shape": (
        [None, (2, 4), [4, 2], (8, 1), (np.int64(1), 8)],
        [(8,), (-2, -4), (-8, -1), "2x4", 8, (2, 4, 1), (2.0, 4.0), (3, 3), (HUGE, 1), ("2", "4")]
        + [(None, 8), (0, 8), {2: 4}, [[2, 4]], [np.array([2, 4])], Thing(), (np.nan, 8), (1j, 8)],
    ),
    "early_stopping": ([True, False, np.bool_(False)], NO_BOOL),
    "validation_fraction": (
        [0.1, 0.5, np.float16(0.25), 1e-300],
        [0, 1, 0.0, 1.0, -0.1, 5, *NO_NUMBER, *NOT_FINITE],
    ),
    "n_iter_no_change": ([1, 10, np.int32(4), sys.maxsize], NO_COUNT),
    "tol": ([0, 0.0, 1e-4, 1e300], [-1e-9, *NO_NUMBER, *NOT_FINITE]),
    "class_weight": (
        [None, "balanced", {}, {0: 2.0}, {0: 1, 1: 2, 2: 3}, {0: 1, 1: 1, 2: 1, 7: 2}]
        + [{0: 1e308, 1: 1e-308}, {np.int64(1): np.float32(3)}, {1.0: fractions.Fraction(1, 2)}],
        ["uniform", 1.0, [1, 2], {0: -1.0}, {0: 0.0}, {0: np.nan}, {0: np.inf}, {0: "much"}]
        + [{0: None}, {77: 2.0}, {"0": 2.0}, {None: 1.0}, {np.nan: 1}, {0: HUGE}, {0: 1j}, {0: [1]}]
        + [{0: np.ones(2)}, {0: {}}, {(0, 1): 2}, {Thing(): 1}, {0: Thing()}, {0, 1}, Thing()]
        + [{0: np.array([2.0])}, {0: fractions.Fraction(HUGE)}, {0: pd.NA}, b"balanced"],
    ),
    "warm_start": ([True, False, np.bool_(False)], NO_BOOL),
    "callbacks": (
        [None, [], (), [Callback()], [Callback], [("name", Callback())], (("a", Callback()),)],
        ["EarlyStopping", 5, {}, [5], [None], [("a",)], [("a", 5)], [object], [[Callback()]]]
        + [[Needy], [Uncopied()], [("a", Callback()), ("a", Callback())], Callback(), Callback]
        + [[(1, Callback())], [(None, Callback())], [Thing], {1: Callback()}]
        + [[("a", Callback(), 1)]],
    ),
    "device": (
        ["auto", "cpu", torch.device("cpu"), np.str_("cpu"), torch.device("cpu", 0)],
        ["tpu", "", "cpu:x", "meta", 0, None, 1.5, "\ud800", "cuda:99", "CPU", "cpu ", b"cpu"]
        + [torch.device("meta"), "xla", "mps:0", "hpu", "vulkan", "privateuseone", "fpga", "ipu"]
        + ["maia", "mtia", "xpu", "ve", "ort", "lazy", "opencl", "mkldnn", "hip", "cuda:-1"]
        + ["cpu:-1", "a" * 3000, torch.float32, ["cpu"], Thing(), "cuda:" + "9" * 50, "cpu\0"],
    ),
    "precision": (["auto", "bfloat16", "float32"], ["float16", "float64", 32, *NO_NAME]),
    "random_state": (
        [None, 0, 2**32 - 1, np.int64(7), np.random.RandomState(0), np.uint8(3)],
        [-1, 1.5, "seed", 2**32, HUGE, np.random.default_rng(0), [1], np.array([1, 2]), b"", 1j]
        + [np.random.SeedSequence(0), torch.Generator(), np.nan, {}, Thing(), np.float64(1)],
    ),
    "verbose": ([0, 1, 2, True, np.int8(1)], [-1, "yes", None, 0.5, [], np.nan, Thing(), 1j]),
}
NO_STRENGTH = [-0.1, -5e-324, True, False, *NO_NUMBER, *NOT_FINITE]
STRENGTH = [0, 0.0, 0.1, np.float32(0.5), np.int64(0)]
WARP = {
    "rotation": (STRENGTH, NO_STRENGTH),
    "shear": (STRENGTH, NO_STRENGTH),
    "scale": (STRENGTH, NO_STRENGTH),
    "translation": (STRENGTH, NO_STRENGTH),
    "elastic": (STRENGTH, NO_STRENGTH),
    "elastic_grid": ([2, 3, 5, np.int8(4)], [1, 2.0, 33, 10**15, *NO_COUNT]),
    "p": ([0, 1, 0.5, np.float32(1)], [-0.1, 1.1, 2, True, *NO_NUMBER, *NOT_FINITE]),
}
SCALER = {
    "pixel_max": (
        ["auto", 1, 255, 0.5, 1e300, 1e-30, np.float32(2), np.uint8(3)],
        [0, -1, 0.0, "max", "", "AUTO", *NO_NUMBER, *NOT_FINITE],
    )
}
NORMALIZER = {
    "ink": (["auto", "dark", "light", np.str_("dark")], NO_NAME),
    "on_blank": (["error", "nan", "zeros"], NO_NAME),
    "image_shape": (
        [None, (9, 9), (27, 3)],
        [(8,), [9, 9], "9x9", 81, (9, 9, 1), (0, 9), (-9, -9), (9.0, 9.0), ("9", "9")]
        + [(None, 9), (9, np.nan), {9: 9}, (Thing(), 9), ((9, 9),), ()],
    ),
    "max_pixels": ([81, 10**6, HUGE, np.int64(500)], [n for n in NO_COUNT if n is not HUGE]),
}


@st.composite
def parameters(draw, table):
    """Draw a parameter's name with a value to take, a value to refuse, or any object."""
    name = draw(st.sampled_from(list(table)))
    sound, flawed = table[name]
    family = draw(st.sampled_from(["sound", "sound", "flawed", "flawed", "junk"]))
    values = {"sound": sound, "flawed": flawed, "junk": JUNK}[family]
    value = values[draw(st.integers(0, len(values) - 1))]
    verdict = {"sound": True, "flawed": False, "junk": None}[family]
    return name, Given(value, None, verdict, repr(value)[:60])
