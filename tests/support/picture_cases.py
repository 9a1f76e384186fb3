"""Generated pictures and files of digits, sound and flawed."""

import gzip
import io
import pathlib

import numpy as np
import pandas as pd
import polars as pl
import scipy.sparse as sp
import torch
from hypothesis import strategies as st
from PIL import Image
from support.input_cases import (
    FLOAT_DTYPES,
    HUGE,
    INT_DTYPES,
    LAYOUTS,
    Awkward,
    Given,
    Thing,
    cast,
    junk,
)

SIDE = 9


def stroke(seed):
    """Return a 1 of 9 x 9 pixels from 0 to 16, light on dark."""
    picture = np.zeros((SIDE, SIDE))
    picture[1:8, 3 + seed % 3 : 5 + seed % 3] = 16
    return picture


def png(picture):
    """Return a picture as the bytes of a PNG file."""
    file = io.BytesIO()
    Image.fromarray((picture * 255 / 16).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


PICTURE_DTYPES = ["?", *INT_DTYPES, *FLOAT_DTYPES]
PICTURES = {
    "list": lambda P: P.tolist(),
    "grey": lambda P: P[..., None],
    "colours": lambda P: np.repeat(P[..., None], 3, axis=2),
    "tensor": torch.tensor,
    "frame": pd.DataFrame,
    "polars": lambda P: pl.DataFrame({f"c{i}": P[:, i] for i in range(P.shape[1])}),
    "bytes": png,
    "bytearray": lambda P: bytearray(png(P)),
    "PIL": lambda P: Image.open(io.BytesIO(png(P))),
    "file": lambda P: io.BytesIO(png(P)),
    "huge": lambda P: P * 1e300,
    "negative": lambda P: P - 16,
}
FLAWED_PICTURES = {
    "nan": lambda P: np.where(P > 8, np.nan, P),
    "inf": lambda P: np.where(P > 8, np.inf, P),
    "-inf": lambda P: np.where(P > 8, -np.inf, P),
    "huge longdouble": lambda P: P.astype("g") * np.longdouble("1e4000"),
    "complex": lambda P: P + 1j,
    "objects": lambda P: P.astype(object),
    "text": lambda P: P.astype("U3"),
    "dates": lambda P: P.astype(int).astype("M8[s]"),
    "structured": lambda P: np.zeros(P.shape, dtype=[("a", "f4")]),
    "void": lambda P: np.zeros(P.shape, dtype="V4"),
    "0-D": lambda P: np.array(1.0),
    "1-D": lambda P: P[0],
    "4-D": lambda P: P[None, None],
    "two channels": lambda P: np.repeat(P[..., None], 2, axis=2),
    "five channels": lambda P: np.repeat(P[..., None], 5, axis=2),
    "no pixels": lambda P: P[:0],
    "no columns": lambda P: P[:, :0],
    "ragged": lambda P: [[1, 2], [3]],
    "sparse": lambda P: sp.csr_array(P),
    "masked": lambda P: np.ma.array(P, mask=P > 8),
    "cut off": lambda P: png(P)[:-30],
    "no image": lambda P: b"\x89PNG\r\n\x1a\nnonsense",
    "empty file": lambda P: b"",
    "fails": lambda P: Awkward(),
    "thing": lambda P: Thing(),
    "huge ints": lambda P: [[HUGE, 0], [0, 0]],
    "tensor conjugate": lambda P: torch.tensor(P + 1j).conj(),
    "tensor on meta": lambda P: torch.tensor(P).to("meta"),
    "tensor nan": lambda P: torch.tensor(np.where(P > 8, np.nan, P)),
}


@st.composite
def pictures(draw):
    """Draw one picture; the plain form is an array of floats."""
    seed = draw(st.integers(0, 2**16))
    P = stroke(seed)
    family = draw(st.sampled_from(["dtype", "dtype", "form", "form", "flaw", "flaw", "junk"]))
    if family == "junk":
        value = junk(seed)  # but not a string, which is a path
        return Given(b"" if isinstance(value, str) else value, None, None, f"junk {seed}")
    if family == "flaw":
        name = draw(st.sampled_from(list(FLAWED_PICTURES)))
        return Given(FLAWED_PICTURES[name](P), None, False, name)
    if family == "form":
        name = draw(st.sampled_from(list(PICTURES)))
        return Given(PICTURES[name](P), P, True, name)
    dtype, layout = draw(st.sampled_from(PICTURE_DTYPES)), draw(st.sampled_from(list(LAYOUTS)))
    return Given(LAYOUTS[layout](cast(P, dtype)), P, True, f"{dtype} {layout}")


LISTS = {
    "list": lambda a, b: [a, b],
    "tuple": lambda a, b: (a, b),
    "generator": lambda a, b: (picture for picture in (a, b)),
    "one": lambda a, b: [a],
}
FLAWED_LISTS = {
    "none": lambda a, b: None,
    "alone": lambda a, b: png(stroke(0)),
    "empty": lambda a, b: [],
    "number": lambda a, b: 5,
    "sparse": lambda a, b: sp.csr_array(np.eye(4)),
    "flat, not square": lambda a, b: np.ones((2, 7)),
    "no rows": lambda a, b: np.ones((0, 81)),
    "5-D": lambda a, b: np.ones((1, 2, 3, 4, 5)),
    "0-D": lambda a, b: np.array(3.0),
    "text": lambda a, b: "digits",
    "path": lambda a, b: pathlib.Path("digits"),
    "thing": lambda a, b: Thing(),
    "fails": lambda a, b: Awkward(),
}

IDX_NAMES = ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"]


@st.composite
def idx_files(draw):
    """Draw the content of MNIST's first file, never the genuine one."""
    magic = draw(st.sampled_from([2051, 2049, 0, 2**32 - 1]))
    shape = draw(st.sampled_from([(60_000, 28, 28), (1, 28, 28), (2**32 - 1,) * 3, (0, 0, 0), ()]))
    header = np.array([magic, *shape], dtype=">u4").tobytes()
    content = header + bytes(draw(st.sampled_from([0, 1, 784, 10_000])))
    content = content[: draw(st.integers(0, len(content)))] if draw(st.booleans()) else content
    if draw(st.booleans()):
        content = gzip.compress(content, 1)
        content = content[: len(content) - draw(st.integers(0, 30))]
    return content
