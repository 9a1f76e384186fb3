"""Generated labels, weights and lists of classes, sound and flawed."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import scipy.sparse as sp
import torch
from hypothesis import strategies as st
from support.input_cases import (
    HUGE,
    ONE_IN_THREE,
    Awkward,
    Given,
    Thing,
    junk,
    read_only,
    spoil,
    strided,
)

NAMES = np.array(["five", "seven", "ten"])
NUMBERS_AS_TEXT = np.array(["-1", "0", "1"])


def column_in_larger(y):
    """Return the labels as every third value of a larger array."""
    return strided(y[:, None])[:, 0]


# Each maps increasing class indices from 0 to 2 to increasing labels.
LABELS = {
    "int": lambda c: c,
    "list": lambda c: c.tolist(),
    "tuple": lambda c: tuple(c.tolist()),
    "int8": lambda c: (c - 1).astype(np.int8),
    "uint8": lambda c: c.astype(np.uint8),
    "uint64": lambda c: c.astype(np.uint64) + np.uint64(2**63),
    "big-endian": lambda c: c.astype(">i4"),
    "huge int": lambda c: c + 2**61,
    "negative": lambda c: c - 7,
    "whole float": lambda c: c.astype(np.float64),
    "float16": lambda c: c.astype(np.float16),
    "longdouble": lambda c: c.astype("g"),
    "str": lambda c: NAMES[c],
    "numbers as text": lambda c: NUMBERS_AS_TEXT[c],
    "list of str": lambda c: NAMES[c].tolist(),
    "object str": lambda c: NAMES[c].astype(object),
    "object int": lambda c: c.astype(object),
    "numpy str": lambda c: list(NAMES[c]),
    "empty and non-ASCII str": lambda c: np.array(["", "é", "日本"])[c],
    "read-only": read_only,
    "strided": column_in_larger,
    "reversed": lambda c: c[::-1].copy()[::-1],
    "column": lambda c: c[:, None],
    "unmasked": lambda c: np.ma.array(c, mask=False),
    "series": pd.Series,
    "series with an index": lambda c: pd.Series(c, index=np.arange(len(c))[::-1] + 5),
    "series of str": lambda c: pd.Series(NAMES[c]),
    "series of string": lambda c: pd.Series(NAMES[c]).astype("string"),
    "series of categories": lambda c: pd.Series(NAMES[c]).astype("category"),
    "series of Int64": lambda c: pd.Series(c).astype("Int64"),
    "index": pd.Index,
    "polars": pl.Series,
    "polars str": lambda c: pl.Series(NAMES[c].tolist()),
    "tensor": torch.tensor,
    "tensor of uint8": lambda c: torch.tensor(c).to(torch.uint8),
    "frame of one column": lambda c: pd.DataFrame({"y": c}),
}
TWO_LABELS = {
    "bool": lambda c: c > 0,
    "list of bool": lambda c: (c > 0).tolist(),
    "tensor of bool": lambda c: torch.tensor(c > 0),
    "-1 and 1": lambda c: np.where(c > 0, 1, -1),
}
FLAWED_LABELS = {
    "none": lambda c: None,
    "nan": lambda c: spoil(c.astype(float), np.random.default_rng(len(c)), np.nan),
    "inf": lambda c: spoil(c.astype(float), np.random.default_rng(len(c)), np.inf),
    "continuous": lambda c: c + 0.5,
    "continuous float32": lambda c: (c + 0.25).astype(np.float32),
    "longer": lambda c: np.r_[c, 0],
    "shorter": lambda c: c[:-1],
    "longer str": lambda c: [*NAMES[c], "ten"],
    "empty": lambda c: [],
    "scalar": lambda c: 1,
    "0-D": lambda c: np.array(1),
    "multilabel": lambda c: np.eye(3, dtype=int)[c],
    "multioutput": lambda c: np.stack([c, c + 1], axis=1),
    "3-D": lambda c: c[:, None, None],
    "list of lists": lambda c: [[label] * (1 + (i == 0)) for i, label in enumerate(c)],
    "mixed": lambda c: np.array([1, "a", *c], dtype=object)[: max(len(c), 2)],
    "mixed with None": lambda c: np.array(["a", None, *c], dtype=object)[: max(len(c), 2)],
    "all None": lambda c: [None] * len(c),
    "complex": lambda c: c + 1j,
    "dict": lambda c: dict(enumerate(c)),
    "set": lambda c: set(c.tolist()),
    "generator": lambda c: (label for label in c),
    "text": lambda c: "labels",
    "bytes": lambda c: NAMES[c].astype("S"),
    "things": lambda c: [Thing() for _ in c],
    "dicts": lambda c: [{} for _ in c],
    "structured": lambda c: np.zeros(len(c), dtype=[("a", "i4"), ("b", "i4")]),
    "void": lambda c: np.zeros(len(c), dtype="V4"),
    "sparse": lambda c: sp.csr_array(c[None]),
    "masked": lambda c: np.ma.array(c, mask=c == c[0]),
    "frame": lambda c: pd.DataFrame({"a": c, "b": c}),
    "series with NA": lambda c: pd.Series([pd.NA, *c[1:]], dtype="Int64"),
    "series with missing str": lambda c: pd.Series([None, *NAMES[c[1:]]], dtype="string"),
    "polars with null": lambda c: pl.Series([None, *c[1:].tolist()], dtype=pl.Int64),
    "tensor 2-D": lambda c: torch.tensor(np.stack([c, c], axis=1)),
    "tensor conjugate": lambda c: torch.tensor(c + 1j).conj(),
    "fails": lambda c: Awkward(),
    "dates": lambda c: c.astype("M8[D]"),
    "durations": lambda c: c.astype("m8[D]"),
    "date objects": lambda c: [datetime.date(2020, 1, 1 + i) for i in c],
}


@st.composite
def labels(draw, n):
    """Draw labels for `n` rows; the plain form is the index of each row's class."""
    seed = draw(st.integers(0, 2**16))
    codes = np.random.default_rng(seed).integers(0, 3, n)
    if draw(ONE_IN_THREE):
        name = draw(st.sampled_from([*FLAWED_LABELS, "junk"]))
        value = junk(seed) if name == "junk" else FLAWED_LABELS[name](codes)
        return Given(value, codes, False, name)
    name = draw(st.sampled_from([*LABELS, *TWO_LABELS]))
    if name in TWO_LABELS:
        codes = np.minimum(codes, 1)
    value = {**LABELS, **TWO_LABELS}[name](codes)
    # scikit-learn refuses labels of objects that are not strings.
    return Given(value, codes, None if name == "object int" else True, name)


def plain_labels(value):
    """Return sound labels as a flat array."""
    return np.asarray(value).ravel()


WEIGHTS = {  # from floats from 0.25 to 1, of which only the ratios count
    "ones": np.ones_like,
    "float": lambda w: w,
    "float32": lambda w: w.astype(np.float32),
    "float16": lambda w: w.astype(np.float16),
    "longdouble": lambda w: w.astype("g"),
    "int": lambda w: (w * 4).astype(int),
    "uint8": lambda w: (w * 4).astype(np.uint8),
    "list": lambda w: w.tolist(),
    "tuple": lambda w: tuple(w.tolist()),
    "object": lambda w: w.astype(object),
    "text": lambda w: w.astype("U8"),
    "bool": lambda w: w > 0,
    "some zero": lambda w: np.r_[1.0, w[1:] * (w[1:] > 0.5)],
    "bool, some false": lambda w: np.r_[True, w[1:] > 0.5],
    "huge": lambda w: w * 1e308,
    "tiny": lambda w: w * 1e-300,
    "subnormal": lambda w: np.full_like(w, 5e-324),
    "unequal": lambda w: np.r_[1e150, w[1:] * 1e-150],
    "strided": column_in_larger,
    "read-only": read_only,
    "series": lambda w: pd.Series(w, index=np.arange(len(w))[::-1]),
    "polars": lambda w: pl.Series(w),
    "tensor": torch.tensor,
    "tensor of bfloat16": lambda w: torch.tensor(w).to(torch.bfloat16),
    "tensor with gradient": lambda w: torch.tensor(w).requires_grad_(),
    "unmasked": lambda w: np.ma.array(w, mask=False),
    "scalar": lambda w: 2.5,
    "scalar int": lambda w: 3,
    "scalar numpy": lambda w: np.float32(0.5),
}
FLAWED_WEIGHTS = {
    "negative": lambda w: np.r_[w[:-1], -0.5],
    "tiny negative": lambda w: np.r_[-5e-324, w[1:]],
    "nan": lambda w: np.r_[np.nan, w[1:]],
    "inf": lambda w: np.r_[w[:-1], np.inf],
    "-inf": lambda w: np.r_[w[:-1], -np.inf],
    "zero": np.zeros_like,
    "scalar zero": lambda w: 0.0,
    "scalar nan": lambda w: float("nan"),
    "scalar inf": lambda w: float("inf"),
    "scalar negative": lambda w: -1,
    "scalar complex": lambda w: 1j,
    "scalar huge": lambda w: HUGE,
    "longer": lambda w: np.r_[w, 1.0],
    "shorter": lambda w: w[:-1],
    "empty": lambda w: [],
    "column": lambda w: w[:, None],
    "row": lambda w: w[None],
    "3-D": lambda w: w[:, None, None],
    "text": lambda w: ["heavy"] * len(w),
    "one text": lambda w: "balanced",
    "complex": lambda w: w + 1j,
    "none inside": lambda w: [None, *w[1:]],
    "list of lists": lambda w: [[1.0]] + [[1.0, 2.0]] * len(w),
    "huge ints": lambda w: [HUGE] * len(w),
    "longdouble beyond float64": lambda w: w.astype("g") * np.longdouble("1e4000"),
    "dict": lambda w: dict(enumerate(w)),
    "set": lambda w: {1.0},
    "generator": lambda w: (x for x in w),
    "sparse": lambda w: sp.csr_array(w[None]),
    "masked": lambda w: np.ma.array(w, mask=w == w[0]),
    "dates": lambda w: (w * 4).astype("M8[s]"),
    "durations": lambda w: (w * 4).astype("m8[s]"),
    "structured": lambda w: np.zeros(len(w), dtype=[("a", "f8")]),
    "series with NA": lambda w: pd.Series([pd.NA, *w[1:]], dtype="Float64"),
    "tensor nan": lambda w: torch.tensor(np.r_[np.nan, w[1:]]),
    "tensor conjugate": lambda w: torch.tensor(w + 1j).conj(),
    "tensor on meta": lambda w: torch.tensor(w).to("meta"),
    "fails": lambda w: Awkward(),
}


@st.composite
def weights(draw, n):
    """Draw weights for `n` rows; the plain form is an array of floats."""
    seed = draw(st.integers(0, 2**16))
    w = np.random.default_rng(seed).integers(1, 5, n) / 4
    if draw(ONE_IN_THREE):
        name = draw(st.sampled_from(list(FLAWED_WEIGHTS)))
        return Given(FLAWED_WEIGHTS[name](w), None, False, name)
    name = draw(st.sampled_from(["none", *WEIGHTS]))
    if name == "none":
        return Given(None, np.ones(n), True, name)
    value = WEIGHTS[name](w)
    plain = value.detach().double().numpy() if isinstance(value, torch.Tensor) else value
    return Given(value, np.broadcast_to(np.asarray(plain, dtype=np.float64), n), True, name)


CLASSES = {  # from sorted, different labels
    "array": lambda labels: labels,
    "list": lambda labels: labels.tolist(),
    "shuffled": lambda labels: labels[::-1],
    "repeated": lambda labels: np.r_[labels, labels],
    "series": pd.Series,
    "polars": lambda labels: pl.Series(
        (labels.astype(float) if labels.dtype.kind == "f" else labels).tolist()
    ),
    "tuple": lambda labels: tuple(labels.tolist()),
    "object": lambda labels: labels.astype(object) if labels.dtype.kind == "U" else labels,
}
FLAWED_CLASSES = {
    "none": lambda labels: None,
    "too few": lambda labels: labels[1:],
    "empty": lambda labels: [],
    "others": lambda labels: ["other", "labels"],
    "nan": lambda labels: [0.0, 1.0, np.nan],
    "inf": lambda labels: [0.0, 1.0, np.inf],
    "continuous": lambda labels: [0.0, 0.5, 1.0],
    "mixed": lambda labels: np.array([1, "a", None], dtype=object),
    "2-D": lambda labels: np.stack([labels, labels], axis=1),
    "scalar": lambda labels: labels[0],
    "number": lambda labels: 3,
    "dict": lambda labels: dict.fromkeys(labels.tolist()),
    "set": lambda labels: set(labels.tolist()),
    "generator": lambda labels: (label for label in labels),
    "text": lambda labels: "classes",
    "complex": lambda labels: np.array([0, 1, 2]) + 1j,
    "bytes": lambda labels: [b"a", b"b"],
    "things": lambda labels: [Thing(), Thing()],
    "ragged": lambda labels: [[1], [1, 2]],
    "masked": lambda labels: np.ma.array(labels, mask=True),
    "dates": lambda labels: np.arange(3).astype("M8[D]"),
    "structured": lambda labels: np.zeros(2, dtype=[("a", "i4"), ("b", "i4")]),
    "tensor conjugate": lambda labels: torch.tensor([1j, 2j]).conj(),
    "sparse": lambda labels: sp.csr_array(np.arange(3)[None]),
    "fails": lambda labels: Awkward(),
}


@st.composite
def classes_of(draw, known):
    """Draw the argument `classes` for sorted, different labels."""
    if draw(ONE_IN_THREE):
        name = draw(st.sampled_from([*FLAWED_CLASSES, "junk"]))
        if name == "junk":
            return Given(junk(draw(st.integers(0, 2**16))), None, False, name)
        return Given(FLAWED_CLASSES[name](known), None, False, name)
    name = draw(st.sampled_from(list(CLASSES)))
    return Given(CLASSES[name](known), known, True, name)
