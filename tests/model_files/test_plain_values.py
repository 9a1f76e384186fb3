"""Plain values in JSON: they come back as they were, in their own types."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sk_digits._plain_values import from_plain, to_plain
from sk_digits._tensor_file import read_json

TYPES = ["b1", "i1", "i8", "u1", "u4", "u8", "f2", "f4", "f8", "U3"]
texts = st.text(st.characters(exclude_characters="\0"), max_size=5)  # NumPy cuts off trailing ones
numbers = st.integers(-(2**63), 2**64 - 1) | st.floats() | st.booleans()
scalars = st.sampled_from(TYPES).flatmap(lambda t: hnp.from_dtype(np.dtype(t)))
arrays = st.sampled_from(TYPES).flatmap(
    lambda t: hnp.arrays(t, hnp.array_shapes(min_dims=0, max_dims=1, min_side=0, max_side=5))
)
objects = st.lists(texts, max_size=5).map(lambda items: np.array(items, dtype=object))
keys = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | texts | scalars
values = st.recursive(
    st.none() | numbers | texts | scalars | arrays | objects,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(keys.filter(lambda key: key == key), inner, max_size=3)
    ),
    max_leaves=8,
)


def shown(value):
    """Return a value with its types as text, for NaN is not equal to itself."""
    if isinstance(value, list | tuple):
        return type(value), [shown(item) for item in value]
    if isinstance(value, dict):
        return dict, [(shown(key), shown(item)) for key, item in value.items()]
    if isinstance(value, np.ndarray):
        return value.dtype, value.shape, shown(value.tolist())
    return type(value), repr(value)


@given(values)
def test_values_come_back_as_they_were(value):
    """Through JSON text, as in a file: the same values, types and order."""
    text = json.dumps(to_plain(value), allow_nan=False)
    assert shown(from_plain(read_json(text))) == shown(value)


@pytest.mark.parametrize(
    ("array", "dtype"),
    [
        (np.array(["a", "b"], "U64"), "U64"),
        (np.array(["a", "b"], "U5000"), "U64"),
        (np.array(["a", "b" * 100], "U5000"), "U100"),
        (np.array(["a", "b" * 100]), "U100"),
        (np.array("b" * 100, "U5000"), "U100"),
        (np.array([], "U5000"), "U64"),
        (np.array([], "U1"), "U1"),
    ],
)
def test_a_width_that_no_text_has_is_not_kept(array, dtype):
    """Else a short text in a file could become a large array."""
    again = from_plain(to_plain(array))
    assert again.dtype == dtype
    assert again.tolist() == array.tolist()


@pytest.mark.parametrize(
    "value",
    [b"x", {1}, 1j, object(), np.zeros((2, 2)), np.complex64(1), np.datetime64(1, "s"), range(3)]
    + [np.array([{}]), np.array(["a", 1], dtype=object), np.array([b"a"])],
    ids=lambda value: type(value).__name__,  # a repr may hold an address
)
def test_other_values_are_refused(value):
    """What a type of its own would be needed for."""
    with pytest.raises(ValueError, match=r"no plain value|of another type"):
        from_plain(to_plain([value]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("NaN", "has the number NaN"),
        ("-Infinity", "has the number -Infinity"),
        ("1e999", "has the number 1e999"),
        ("18446744073709551616", "has the number 18446744073709551616"),
        ("-9223372036854775809", "has the number -9223372036854775809"),
        ("9" * 10_000, "has the number 9{40}\\."),
        ('{"a": 1, "a": 1}', "two entries of one name"),
        ('[{"a": {"b": 1, "\\u0062": 1}}]', "two entries of one name"),
        ("[" * 65 + "]" * 65, "nested more than 64 deep"),
        ('{"a":' * 65 + "1" + "}" * 65, "nested more than 64 deep"),
        ("[1] x", "Extra data"),
        ("\ufeff[1]", "Unexpected UTF-8 BOM"),
        ("[1,]", "Expecting value"),
        ("'a'", "Expecting value"),
    ],
)
def test_json_that_may_be_read_otherwise_is_refused(text, message):
    """Two readers of one text see the same in it, or it is no text."""
    with pytest.raises(ValueError, match=message):
        read_json(text)


@pytest.mark.parametrize("text", ["[" * 100, "\\", '"[', "]" * 100, '\\"[{', "\n\t"])
def test_brackets_in_texts_count_for_nothing(text):
    """A text is no nesting, whatever is in it."""
    assert read_json(json.dumps({text: [text] * 3})) == {text: [text] * 3}
    assert read_json("[" * 64 + json.dumps(text) + "]" * 64)
