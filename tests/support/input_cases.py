"""Generated arguments: sound ones in every form that they may have, and flawed ones.

A table maps the name of a form to a function that brings an array into this form. A test draws two
or three names and a seed, which is fast and shrinks well, and knows beforehand whether the argument
must be taken, must be refused, or may be either.
"""

import datetime
import decimal
import fractions
import functools
import mmap
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import scipy.sparse as sp
import torch
from hypothesis import strategies as st

WIDTH = 8  # features; the images are 2 pixels high and 4 wide
HUGE = 10**400  # an int beyond every float


class Given(NamedTuple):
    """An argument, its plain form, and whether it must be taken: None where it may be either."""

    value: Any
    plain: Any = None
    sound: bool | None = True
    kind: str = ""


class Thing:
    """An object that no argument may be."""


class Awkward:
    """An object whose conversion to an array fails with an error of its own."""

    def __array__(self, dtype=None, copy=None):
        """Fail."""
        raise RuntimeError("not today")


class Arrayish:
    """An object that becomes an array on request."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        """Return the array."""
        return self.array.astype(self.array.dtype if dtype is None else dtype)


JUNK = [
    None, True, 0, -1, 3.5, HUGE, 1j, float("nan"), "", "text", b"bytes", "\ud800", (), [], {},
    {"a": 1}, {1, 2}, frozenset(), object(), Thing(), Thing, Awkward(), len, lambda: 0, ...,
    NotImplemented, range(0), slice(3), np.float32(1), np.array(1.0), np.array([]),
    np.array(["a"]), np.zeros((0, WIDTH)), np.zeros((2, 0)), np.zeros((1, 1, 1)),
    np.zeros(3, dtype="V4"), np.zeros(3, dtype=[("a", "f4"), ("b", "O")]), [[1, 2], [3]],
    [[[]]], [None], [[None] * WIDTH], [{}], [[{}] * WIDTH], [Thing()], [[HUGE] * WIDTH],
    datetime.date(2020, 1, 1), decimal.Decimal("NaN"), fractions.Fraction(1, 3),
    np.datetime64("NaT"), np.array(["NaT"] * WIDTH, "M8[s]")[None], pd.NA, pd.NaT,
    pd.Series([1, 2]), pd.Series(dtype=object), pd.DataFrame(), pd.DataFrame, pd.Index([1]),
    pl.DataFrame(), pl.DataFrame, pl.Series([1]), pl.LazyFrame({"a": [1]}), torch.tensor(1.0),
    torch.empty(2, WIDTH, device="meta"), torch.zeros(2, WIDTH, dtype=torch.cfloat).conj(),
    torch.nn.Linear(1, 1), sp.csr_array((2, 0)), sp.coo_array(np.ones(3)),
    sp.csr_array([[1j] * WIDTH]), sp.csr_array, np.ma.masked, np.ma.masked_all((2, WIDTH)),
    memoryview(b""), np.array([[1]], dtype=object)[:0],
    np.full((2, WIDTH), "x"), np.random.default_rng(0),
]  # fmt: skip
MADE = [
    lambda: iter([1, 2]),
    lambda: (row for row in [[1.0] * WIDTH]),
    lambda: map(abs, [1]),
    lambda: np.asmatrix(np.ones((2, WIDTH))),
    lambda: zip([1], [2], strict=True),
]


def junk(seed):
    """Return an object that is neither a table, a list of labels nor a weight."""
    index = seed % (len(JUNK) + len(MADE))
    return JUNK[index] if index < len(JUNK) else MADE[index - len(JUNK)]()


# All types hold these numbers exactly: they are whole or quarters.


def numbers(seed, n, whole, width=WIDTH):
    """Return a table of quarters from 0 to 1, or of whole numbers from 0 to 3."""
    values = np.random.default_rng(seed).integers(0, 4 if whole else 5, (n, width))
    return values.astype(np.float64) / (1 if whole else 4)


INT_DTYPES = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", ">i4", ">u2"]
FLOAT_DTYPES = ["f2", "f4", "f8", "g", ">f2", ">f4", ">f8"]
DTYPES = ["?", "O", "U", "S", *INT_DTYPES, *FLOAT_DTYPES, *FLOAT_DTYPES]
ONE_IN_THREE = st.sampled_from([False, False, True])


def cast(table, dtype):
    """Cast a table of floats to a type that holds its values exactly."""
    if dtype == "?":
        return table > 0.5
    if dtype in ("U", "S"):
        return table.astype("U8").astype(f"{dtype}8")
    return table.astype(dtype)


def float_type(dtype):
    """Return the type in which data of the given type are trained."""
    return np.float64 if np.dtype(dtype).newbyteorder("=") == np.float64 else np.float32


def strided(A):
    """Return the table as every other row and every third column of a larger one."""
    larger = np.zeros((2 * A.shape[0], 3 * A.shape[1]), A.dtype)
    larger[::2, ::3] = A
    return larger[::2, ::3]


def read_only(A):
    """Return a copy that is not writeable."""
    A = A.copy()
    A.flags.writeable = False
    return A


def mapped(A):
    """Return the table in a memory map without a file."""
    if A.dtype == object:
        return A
    shared = mmap.mmap(-1, max(A.nbytes, 1))
    B = np.frombuffer(shared, A.dtype, A.size).reshape(A.shape)
    B[...] = A
    return B


def unaligned(A):
    """Return the table at an odd address."""
    if A.dtype == object:
        return A
    B = np.zeros(A.nbytes + 1, np.uint8)[1:].view(A.dtype).reshape(A.shape)
    B[...] = A
    return B


LAYOUTS = {
    "C": lambda A: A,
    "Fortran": np.asfortranarray,
    "strided": strided,
    "reversed rows": lambda A: A[::-1].copy()[::-1],
    "reversed columns": lambda A: A[:, ::-1].copy()[:, ::-1],
    "read-only": read_only,
    "memory map": mapped,
    "unaligned": unaligned,
    "subclass": lambda A: A.view(np.memmap if A.dtype != object else np.ndarray),
    "broadcast": lambda A: np.broadcast_to(A[:1], A.shape) if len(A) == 1 else A,
    "unmasked": lambda A: np.ma.array(A, mask=False) if A.dtype.kind not in "US" else A,
}


def named(A):
    """Return the columns by name."""
    return {f"pixel{i}": A[:, i] for i in range(A.shape[1])}


def tensor(A):
    """Return a tensor, of float32 where torch does not have the type."""
    try:
        return torch.tensor(A)
    except (TypeError, ValueError):
        return torch.tensor(A.astype(np.float32))


def lazily_negative(A):
    """Return a tensor that torch has not yet negated."""
    return torch.view_as_complex(torch.stack([tensor(A), -tensor(A)], -1)).conj().imag


NUMERIC = {  # containers for tables of float32 or float64
    "tensor": tensor,
    "tensor in Fortran order": lambda A: tensor(A.T.copy()).T,
    "tensor with gradient": lambda A: tensor(A).requires_grad_(),
    "tensor lazily negated": lazily_negative,
    "sparse tensor": lambda A: tensor(A).to_sparse(),
    "csr": sp.csr_array,
    "csc": sp.csc_array,
    "coo": sp.coo_array,
    "lil": sp.lil_array,
    "dok": sp.dok_array,
    "dia": sp.dia_array,
    "bsr": sp.bsr_array,
    "csr matrix": sp.csr_matrix,
    "csc matrix": sp.csc_matrix,
    "coo matrix": sp.coo_matrix,
    "coo of duplicates": lambda A: sp.coo_array(
        (np.r_[A.ravel(), A.ravel()] / 2, np.tile(np.indices(A.shape).reshape(2, -1), 2)), A.shape
    ),
    "csr unsorted": lambda A: sp.csr_array(A)[:, ::-1][:, ::-1],
    "read-only csr": lambda A: sp.csr_array(
        tuple(map(read_only, (B := sp.csr_array(A), B.data, B.indices, B.indptr)[1:])), A.shape
    ),
    "csr with 64-bit indices": lambda A: sp.csr_array(
        (
            (B := sp.csr_array(A)).data,
            B.indices.astype(np.int64),
            B.indptr.astype(np.int64),
        ),
        A.shape,
    ),
    "frame": pd.DataFrame,
    "frame with names": lambda A: pd.DataFrame(named(A)),
    "frame with an index": lambda A: pd.DataFrame(A, index=[f"r{i}" for i in range(len(A))]),
    "frame of Float64": lambda A: pd.DataFrame(A).astype(f"Float{A.itemsize * 8}"),
    "frame of strings": lambda A: pd.DataFrame(A.astype(str)),
    "frame of categories": lambda A: pd.DataFrame(A).astype("category"),
    "sparse frame": lambda A: pd.DataFrame(A).astype(pd.SparseDtype(A.dtype, 0)),
    "polars": lambda A: pl.DataFrame(named(A)),
    "polars of strings": lambda A: pl.DataFrame(named(A.astype(str))),
}
CONTAINERS = {  # containers for tables of any type
    "list": lambda A: A.tolist(),
    "tuple": lambda A: tuple(map(tuple, A.tolist())),
    "list of arrays": list,
    "object with __array__": Arrayish,
    "array of objects": lambda A: A.astype(object),
    "array of decimals": lambda A: np.vectorize(decimal.Decimal, otypes="O")(A.astype(float)),
    "array of fractions": lambda A: np.vectorize(fractions.Fraction, otypes="O")(A.astype(float)),
}
# These do not say what type their numbers have before they are read, and become float32.
TYPELESS = {*CONTAINERS, "frame of strings", "polars of strings", "frame of categories"}

FLAWS = {  # in a table of floats; each must be refused
    "nan": lambda A, rng: spoil(A, rng, np.nan),
    "inf": lambda A, rng: spoil(A, rng, np.inf),
    "-inf": lambda A, rng: spoil(A, rng, -np.inf),
    "float16 inf": lambda A, rng: spoil(A.astype(np.float16), rng, np.inf),
    "list with None": lambda A, rng: spoil(A.astype(object), rng, None).tolist(),
    "object None": lambda A, rng: spoil(A.astype(object), rng, None),
    "object text": lambda A, rng: spoil(A.astype(object), rng, "seven"),
    "object dict": lambda A, rng: spoil(A.astype(object), rng, {}),
    "object huge": lambda A, rng: spoil(A.astype(object), rng, HUGE),
    "object complex": lambda A, rng: spoil(A.astype(object), rng, 1j),
    "object array": lambda A, rng: spoil(A.astype(object), rng, np.zeros(2)),
    "object thing": lambda A, rng: spoil(A.astype(object), rng, Thing()),
    "longdouble huge": lambda A, rng: spoil(A.astype("g"), rng, np.longdouble("1e4000")),
    "text huge": lambda A, rng: spoil(A.astype("U8"), rng, "1e999"),
    "text": lambda A, rng: spoil(A.astype("U8"), rng, "1,5"),
    "bytes": lambda A, rng: spoil(A.astype("S8"), rng, b"\xff"),
    "complex": lambda A, rng: A + 1j,
    "complex64": lambda A, rng: A.astype(np.complex64),
    "complex list": lambda A, rng: (A + 1j).tolist(),
    "datetime": lambda A, rng: A.astype(np.int64).astype("M8[s]"),
    "timedelta": lambda A, rng: A.astype(np.int64).astype("m8[s]"),
    "void": lambda A, rng: A.view("V8"),
    "structured": lambda A, rng: A.copy().view([(f"f{i}", "f8") for i in range(A.shape[1])]),
    "0-D": lambda A, rng: A.ravel()[0],
    "0-D array": lambda A, rng: np.array(A.ravel()[0]),
    "1-D": lambda A, rng: A[0],
    "1-D list": lambda A, rng: A[0].tolist(),
    "3-D": lambda A, rng: A.reshape(len(A), 2, -1),
    "3-D list": lambda A, rng: A.reshape(len(A), 2, -1).tolist(),
    "4-D": lambda A, rng: A.reshape(len(A), 2, 2, -1),
    "no rows": lambda A, rng: A[:0],
    "no columns": lambda A, rng: A[:, :0],
    "nothing": lambda A, rng: A[:0, :0],
    "ragged": lambda A, rng: [*A.tolist(), [1.0]],
    "masked": lambda A, rng: np.ma.array(A, mask=np.eye(*A.shape, dtype=bool)),
    "masked integers": lambda A, rng: np.ma.array(A.astype(int), mask=np.eye(*A.shape, dtype=bool)),
    "matrix": lambda A, rng: np.asmatrix(A),
    "generator": lambda A, rng: (row for row in A),
    "dict of columns": lambda A, rng: named(A),
    "sparse nan": lambda A, rng: sp.csr_array(spoil(A, rng, np.nan)),
    "sparse inf": lambda A, rng: sp.csc_array(spoil(A, rng, np.inf)),
    "sparse complex": lambda A, rng: sp.coo_array(A + 1j),
    "sparse, no rows": lambda A, rng: sp.csr_array(A)[:0],
    "sparse, no columns": lambda A, rng: sp.csr_array(A)[:, :0],
    "sparse 1-D": lambda A, rng: sp.coo_array(A[0]),
    "sparse objects": lambda A, rng: csr_of_objects(A),
    "tensor nan": lambda A, rng: torch.tensor(spoil(A, rng, np.nan)),
    "tensor complex": lambda A, rng: torch.tensor(A + 1j),
    "tensor conjugate": lambda A, rng: torch.tensor(A + 1j).conj(),
    "tensor 1-D": lambda A, rng: torch.tensor(A[0]),
    "tensor on meta": lambda A, rng: torch.tensor(A).to("meta"),
    "frame NA": lambda A, rng: pd.DataFrame(A).astype("Float64").mask(A >= 0),
    "frame nan": lambda A, rng: pd.DataFrame(spoil(A, rng, np.nan)),
    "frame text": lambda A, rng: pd.DataFrame(A).assign(text="x"),
    "frame dates": lambda A, rng: pd.DataFrame(A).assign(date=pd.Timestamp("2020-01-01")),
    "frame of dates": lambda A, rng: pd.DataFrame(A.astype(np.int64).astype("M8[s]")),
    "frame periods": lambda A, rng: pd.DataFrame(A).assign(p=pd.Period("2020")),
    "frame lists": lambda A, rng: pd.DataFrame({"a": [[1, 2]] * len(A)}),
    "frame, mixed names": lambda A, rng: pd.DataFrame(A).rename(columns={0: "a"}),
    "frame, names twice": lambda A, rng: pd.DataFrame(A, columns=["a", "b"] * (A.shape[1] // 2)),
    "series": lambda A, rng: pd.Series(A[0]),
    "polars null": lambda A, rng: pl.DataFrame(named(A)).with_columns(pixel0=None),
    "polars text": lambda A, rng: pl.DataFrame(named(A)).with_columns(pixel0=pl.lit("x")),
    "polars dates": lambda A, rng: pl.DataFrame({"a": [datetime.date(2020, 1, 1)] * len(A)}),
    "polars lists": lambda A, rng: pl.DataFrame({"a": [[1, 2]] * len(A)}),
    "polars lazy": lambda A, rng: pl.LazyFrame(named(A)),
    "array on request fails": lambda A, rng: Awkward(),
}


def spoil(A, rng, value):
    """Return a copy with the value in one place."""
    A = A.copy()
    A[tuple(rng.integers(A.shape))] = value
    return A


def csr_of_objects(A):
    """Return a sparse table of objects, which scipy would not make."""
    B = sp.csr_array(A)
    B.data = B.data.astype(object)
    if len(B.data):
        B.data[0] = "x"
    return B if len(B.data) else Awkward()


@functools.cache
def form_names():
    """Return the forms of sound tables as pairs of a kind and a name."""
    dtypes = [("dtype", d) for d in DTYPES]
    return dtypes + [("container", c) for c in CONTAINERS] + [("numeric", c) for c in NUMERIC]


def make_sound(seed, n, whole, form, layout, width=WIDTH):
    """Return a table of numbers in a form; its plain form is what it must be read as."""
    family, name = form
    A = numbers(seed, n, whole or (family == "dtype" and name in INT_DTYPES), width)
    if family == "dtype":
        value = LAYOUTS[layout](cast(A, name))
        plain = A > 0.5 if name == "?" else A
        kind = np.float32 if name in ("O", "U", "S", "?") else float_type(name)
        return Given(value, plain.astype(kind), True, f"{name} {layout}")
    kind = np.float64 if seed % 2 else np.float32
    table = {**CONTAINERS, **NUMERIC}[name](A.astype(kind))
    return Given(table, A.astype(np.float32 if name in TYPELESS else kind), True, name)


@st.composite
def tables(draw, width=WIDTH):
    """Draw features, and return them with the number of their rows."""
    seed, n = draw(st.integers(0, 2**16)), draw(st.integers(1, 9))
    if draw(ONE_IN_THREE):
        name = draw(st.sampled_from([*FLAWS, "junk"]))
        if name == "junk":
            return Given(junk(seed), None, False, f"junk {seed}"), n
        A = numbers(seed, n, whole=False, width=width)
        return Given(FLAWS[name](A, np.random.default_rng(seed)), None, False, name), n
    form, layout = draw(st.sampled_from(form_names())), draw(st.sampled_from(list(LAYOUTS)))
    return make_sound(seed, n, bool(seed % 3 == 0), form, layout, width), n
