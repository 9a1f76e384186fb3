"""`fetch_mnist` and `load_digits_28`: sources, broken files, and the definition of the subsets."""

import gzip
import hashlib
import sys
from urllib.error import URLError

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.utils import Bunch

from sk_digits.datasets import _mnist as datasets
from sk_digits.datasets import fetch_mnist, load_digits_28
from sk_digits.datasets._digits_28 import _to_mnist_layout

IMAGES, LABELS, TEST_IMAGES, TEST_LABELS = NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
N_TRAIN, N_TEST = 12, 5


def as_idx(array):
    """Return the bytes of an IDX file, written after its specification and not after the reader."""
    header = bytes([0, 0, 8, array.ndim])
    return header + b"".join(size.to_bytes(4, "big") for size in array.shape) + array.tobytes()


@pytest.fixture(autouse=True)
def no_environment(request, monkeypatch, tmp_path):
    """Hide the user's own folders from each test, and let none ask the network."""

    def refuse(*args, **kwargs):
        raise AssertionError("fetch_openml was called")

    if "mnist_home" not in request.fixturenames:  # which reads the variable after this fixture
        monkeypatch.delenv("SK_DIGITS_DATA", raising=False)
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "scikit_learn_data"))
    monkeypatch.setattr(datasets, "fetch_openml", refuse)


@pytest.fixture
def tiny(monkeypatch):
    """Return the four arrays of a tiny MNIST; the module then expects their shapes and digests."""
    rng = np.random.default_rng(0)
    arrays = {
        name: (
            rng.integers(0, 256, (n_rows, 28, 28), dtype=np.uint8)
            if "images" in name
            else rng.integers(0, 10, n_rows, dtype=np.uint8)
        )
        for name, n_rows in zip(NAMES, (N_TRAIN, N_TRAIN, N_TEST, N_TEST), strict=True)
    }
    pins = {name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in arrays.items()}
    monkeypatch.setattr(datasets, "_SHAPES", {name: a.shape for name, a in arrays.items()})
    monkeypatch.setattr(datasets, "_SHA256", pins)
    return arrays


@pytest.fixture
def tiny_home(tiny, tmp_path):
    """Return a folder with the four files of the tiny MNIST, not gzipped."""
    return write(tiny, tmp_path / "tiny")


def write(arrays, folder, zipped=False):
    """Write the arrays as IDX files into a new folder and return the folder."""
    folder.mkdir()
    for name, array in arrays.items():
        if zipped:
            (folder / f"{name}.gz").write_bytes(gzip.compress(as_idx(array)))
        else:
            (folder / name).write_bytes(as_idx(array))
    return folder


def openml_answer(arrays, data_type=np.float64, target_type=object):
    """Return what fetch_openml returns: one table, and labels as strings."""
    images = np.concatenate([arrays[IMAGES], arrays[TEST_IMAGES]])
    labels = np.concatenate([arrays[LABELS], arrays[TEST_LABELS]])
    return Bunch(
        data=images.reshape(-1, 784).astype(data_type),
        target=labels.astype(str).astype(target_type),
    )


def answer_with(monkeypatch, answer):
    """Let fetch_openml return `answer`, or raise it; return the list of its calls."""
    calls = []

    def fetch_openml(*args, **kwargs):
        calls.append((args, kwargs))
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(datasets, "fetch_openml", fetch_openml)
    return calls


# Stored indices


def test_stored_subsets_are_a_partition_of_all_rows():
    """The subsets have their sizes, share no row and together are the 70,000 rows."""
    subset, rest = (datasets._subset_indices(name, 70_000) for name in ("12k", "rest"))
    assert (subset.shape, rest.shape) == ((12_000,), (58_000,))
    assert subset.dtype == rest.dtype == np.int64
    np.testing.assert_array_equal(np.sort(np.concatenate([subset, rest])), np.arange(70_000))


def test_subsets_follow_their_definition(mnist_home):
    """The stored indices are those of the two calls of train_test_split that define them."""
    y = fetch_mnist(subset="all", data_home=mnist_home).target
    sub, rest = train_test_split(np.arange(70_000), train_size=12_000, stratify=y, random_state=0)
    train, test = train_test_split(sub, test_size=2_000, stratify=y[sub], random_state=0)
    np.testing.assert_array_equal(
        fetch_mnist(data_home=mnist_home).indices, np.concatenate([train, test])
    )
    np.testing.assert_array_equal(fetch_mnist(subset="rest", data_home=mnist_home).indices, rest)


def test_both_parts_of_12k_have_the_digits_in_mnists_proportions(mnist_home):
    """Each digit is as frequent in either part as in all of MNIST, to one row."""
    overall = np.bincount(fetch_mnist(subset="all", data_home=mnist_home).target) / 70_000
    target = fetch_mnist(data_home=mnist_home).target
    for part in (target[:10_000], target[10_000:]):
        assert np.abs(np.bincount(part) - overall * len(part)).max() < 2


@pytest.mark.parametrize("subset", ["12k", "rest"])
def test_subset_rows_are_the_rows_of_all_at_its_indices(mnist_home, subset):
    """Pixels and labels of a subset are those of "all" at its indices."""
    everything = fetch_mnist(subset="all", data_home=mnist_home)
    part = fetch_mnist(subset=subset, data_home=mnist_home)
    np.testing.assert_array_equal(part.data, everything.data[part.indices])
    np.testing.assert_array_equal(part.target, everything.target[part.indices])


def test_genuine_mnist_begins_and_ends_as_known(mnist_home):
    """Training files come before test files, and the counts of the digits are as documented."""
    target = fetch_mnist(subset="all", data_home=mnist_home).target
    assert target[:5].tolist() == [5, 0, 4, 1, 9]
    assert target[60_000:60_005].tolist() == [7, 2, 1, 0, 4]
    counts = [6903, 7877, 6990, 7141, 6824, 6313, 6876, 7293, 6825, 6958]
    assert np.bincount(target).tolist() == counts


# What comes back


def test_fields_have_the_documented_types_and_shapes(tiny, tiny_home):
    """Every field of the Bunch is as documented; the arrays are contiguous and writeable."""
    mnist = fetch_mnist(subset="all", data_home=tiny_home)
    n = N_TRAIN + N_TEST
    assert (mnist.data.shape, mnist.data.dtype) == ((n, 784), np.uint8)
    assert (mnist.images.shape, mnist.images.dtype) == ((n, 28, 28), np.uint8)
    assert (mnist.target.shape, mnist.target.dtype) == ((n,), np.int64)
    assert (mnist.indices.shape, mnist.indices.dtype) == ((n,), np.int64)
    assert mnist.data.flags.c_contiguous
    assert mnist.data.flags.writeable
    assert np.shares_memory(mnist.data, mnist.images)
    assert mnist.frame is None
    assert (mnist.feature_names[0], mnist.feature_names[-1]) == ("pixel1", "pixel784")
    assert mnist.target_names.tolist() == list(range(10))
    assert (mnist.source, mnist.source_location) == ("idx", str(tiny_home))
    assert "'all'" in mnist.DESCR
    np.testing.assert_array_equal(mnist.images[:N_TRAIN], tiny[IMAGES])
    np.testing.assert_array_equal(mnist.images[N_TRAIN:], tiny[TEST_IMAGES])
    np.testing.assert_array_equal(mnist.target[N_TRAIN:], tiny[TEST_LABELS])


@pytest.mark.parametrize("subset", ["12k", "rest"])
def test_stored_indices_choose_rows_and_their_order(tiny_home, monkeypatch, subset):
    """Pixels and labels come in the order of the indices."""
    everything = fetch_mnist(subset="all", data_home=tiny_home)
    chosen = np.array([16, 0, 13, 4])
    monkeypatch.setattr(datasets, "_subset_indices", lambda name, n_rows: chosen)
    part = fetch_mnist(subset=subset, data_home=tiny_home)
    np.testing.assert_array_equal(part.indices, chosen)
    np.testing.assert_array_equal(part.images, everything.images[chosen])
    np.testing.assert_array_equal(part.target, everything.target[chosen])


def test_official_subsets_are_the_training_and_the_test_files(tiny, tiny_home):
    """Subsets "train" and "test" are the two parts of "all", at their places in it."""
    train, test = (fetch_mnist(subset=name, data_home=tiny_home) for name in ("train", "test"))
    np.testing.assert_array_equal(train.images, tiny[IMAGES])
    np.testing.assert_array_equal(train.target, tiny[LABELS])
    np.testing.assert_array_equal(test.images, tiny[TEST_IMAGES])
    np.testing.assert_array_equal(test.target, tiny[TEST_LABELS])
    everything = np.concatenate([train.indices, test.indices])
    np.testing.assert_array_equal(everything, np.arange(N_TRAIN + N_TEST))


@pytest.mark.parametrize("subset", ["train", "test"])
def test_official_subsets_are_checked_against_the_pins(tiny_home, subset):
    """A changed file is an error, whichever subset it belongs to."""
    path = tiny_home / IMAGES
    path.write_bytes(path.read_bytes()[:-1] + b"\xaa")
    with pytest.raises(ValueError, match="differs from MNIST's train-images"):
        fetch_mnist(subset=subset, data_home=tiny_home)


def test_return_X_y_gives_the_bunchs_data_and_target(tiny_home):
    """return_X_y returns data and target alone."""
    mnist = fetch_mnist(subset="all", data_home=tiny_home)
    X, y = fetch_mnist(subset="all", data_home=tiny_home, return_X_y=True)
    np.testing.assert_array_equal(X, mnist.data)
    np.testing.assert_array_equal(y, mnist.target)


@pytest.mark.parametrize("load", ["mnist", "digits"])
def test_as_frame_holds_the_same_values_as_the_arrays(tiny_home, load):
    """The DataFrame and the Series have the values and types of the arrays."""

    def call(**params):
        if load == "digits":
            return load_digits_28(**params)
        return fetch_mnist(subset="all", data_home=tiny_home, **params)

    plain, framed = call(), call(as_frame=True)
    assert isinstance(framed.data, pd.DataFrame)
    assert isinstance(framed.target, pd.Series)
    assert framed.data.columns.tolist() == plain.feature_names
    assert set(framed.data.dtypes) == {np.dtype(np.uint8)}
    np.testing.assert_array_equal(framed.data.to_numpy(), plain.data)
    np.testing.assert_array_equal(framed.target.to_numpy(), plain.target)
    assert framed.frame.columns.tolist() == [*plain.feature_names, "target"]
    X, y = call(as_frame=True, return_X_y=True)
    pd.testing.assert_frame_equal(X, framed.data)
    pd.testing.assert_series_equal(y, framed.target)


def test_as_frame_without_pandas_says_so(monkeypatch):
    """Without pandas, as_frame is an ImportError that names the parameter and the package."""
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="as_frame=True needs pandas"):
        load_digits_28(as_frame=True)


@pytest.mark.parametrize("subset", ["10k", "", None, 12, ["all"]])
def test_unknown_subset_is_rejected_before_any_file_is_read(subset, tmp_path):
    """The error names the parameter, the value and what is allowed."""
    with pytest.raises(ValueError, match=r"subset=.* is unknown: .* 'all', 'train' or 'test'"):
        fetch_mnist(subset=subset, data_home=tmp_path)


# Where it looks


def test_gzipped_and_plain_files_give_equal_data(tiny, tiny_home, tmp_path):
    """Gzipped and plain files give equal data."""
    zipped = fetch_mnist(subset="all", data_home=write(tiny, tmp_path / "zipped", zipped=True))
    plain = fetch_mnist(subset="all", data_home=tiny_home)
    np.testing.assert_array_equal(zipped.data, plain.data)
    np.testing.assert_array_equal(zipped.target, plain.target)


def test_file_is_read_by_its_content_and_not_by_its_ending(tiny_home):
    """A plain file named .gz is read, and a gzipped file without the ending."""
    (tiny_home / IMAGES).rename(tiny_home / f"{IMAGES}.gz")
    labels = tiny_home / LABELS
    labels.write_bytes(gzip.compress(labels.read_bytes()))
    assert len(fetch_mnist(subset="all", data_home=tiny_home).target) == N_TRAIN + N_TEST


@pytest.mark.parametrize("zipped", [True, False])
def test_names_with_a_dot_are_found(tiny, tmp_path, zipped):
    """Some programs unpack train-images-idx3-ubyte.gz as train-images.idx3-ubyte."""
    home = write(tiny, tmp_path / "dots", zipped=zipped)
    for file in home.iterdir():
        file.rename(home / file.name.replace("-idx", ".idx"))
    np.testing.assert_array_equal(fetch_mnist(subset="train", data_home=home).images, tiny[IMAGES])


def test_data_home_may_be_a_str(tiny_home):
    """A str and a Path mean the same folder."""
    assert fetch_mnist(subset="all", data_home=str(tiny_home)).source_location == str(tiny_home)


def test_environment_variable_is_used_without_data_home(tiny_home, monkeypatch):
    """Where data_home is None, SK_DIGITS_DATA names the folder."""
    monkeypatch.setenv("SK_DIGITS_DATA", str(tiny_home))
    assert fetch_mnist(subset="all").source_location == str(tiny_home)


def test_data_home_goes_before_the_environment_variable(tiny_home, tmp_path, monkeypatch):
    """Where data_home is given, SK_DIGITS_DATA is not read."""
    monkeypatch.setenv("SK_DIGITS_DATA", str(tmp_path / "absent"))
    assert fetch_mnist(subset="all", data_home=tiny_home).source_location == str(tiny_home)
    monkeypatch.setenv("SK_DIGITS_DATA", str(tiny_home))
    with pytest.raises(FileNotFoundError, match="download_if_missing is False"):
        fetch_mnist(subset="all", data_home=tmp_path / "empty", download_if_missing=False)


def test_environment_variable_goes_before_scikit_learns_data_home(tiny, tiny_home, monkeypatch):
    """scikit-learn's data home is used only if SK_DIGITS_DATA is unset or empty."""
    home = tiny_home.parent / "scikit_learn_data"
    write(tiny, home)
    monkeypatch.setenv("SK_DIGITS_DATA", "")
    assert fetch_mnist(subset="all").source_location == str(home)
    monkeypatch.setenv("SK_DIGITS_DATA", str(tiny_home))
    assert fetch_mnist(subset="all").source_location == str(tiny_home)


def test_environment_variable_without_a_folder_is_an_error(tmp_path, monkeypatch):
    """A SK_DIGITS_DATA that is not a folder is an error; no other source takes its place."""
    monkeypatch.setenv("SK_DIGITS_DATA", str(tmp_path / "absent"))
    with pytest.raises(FileNotFoundError, match=r"SK_DIGITS_DATA names .*absent.* not a folder"):
        fetch_mnist()


def test_environment_variable_of_a_folder_without_mnist_is_an_error(tmp_path, monkeypatch):
    """What SK_DIGITS_DATA names is used or is an error: nothing is downloaded in its place."""
    calls = answer_with(monkeypatch, URLError("no route"))
    monkeypatch.setenv("SK_DIGITS_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"SK_DIGITS_DATA names .*MNIST is not there") as e:
        fetch_mnist()
    assert all(name in str(e.value) for name in NAMES)
    assert calls == []


def test_data_home_that_is_a_file_is_an_error(tmp_path):
    """A data_home that is a file is an error that names it."""
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match=r"data_home=.*file' is not a folder"):
        fetch_mnist(data_home=tmp_path / "file")


def test_missing_mnist_without_download_says_what_to_do(tmp_path):
    """The error names the folder, the four files and the variable; nothing is downloaded."""
    with pytest.raises(OSError, match=r"is not in .*empty, and download_if_missing") as caught:
        fetch_mnist(data_home=tmp_path / "empty", download_if_missing=False)
    assert all(word in str(caught.value) for word in (*NAMES, "SK_DIGITS_DATA", "data_home"))
    assert not (tmp_path / "empty").exists()


@pytest.mark.parametrize("present", [1, 3])
def test_partial_set_of_files_names_the_missing_ones(tiny_home, present):
    """Some of the four files alone are an error, not a reason to download."""
    for name in NAMES[present:]:
        (tiny_home / name).unlink()
    with pytest.raises(FileNotFoundError, match="Missing.*: " + ", ".join(NAMES[present:])):
        fetch_mnist(data_home=tiny_home)


# Broken files


def broken_files():
    """Return by the kind of damage: the file, what is done to its bytes, and the message."""

    def dims(*sizes):
        return b"".join(size.to_bytes(4, "big") for size in sizes)

    wrong_shape = bytes([0, 0, 8, 3]) + dims(N_TRAIN, 28, 29)
    return {
        "empty": (
            IMAGES,
            lambda b: b"",
            "not an IDX file .*with nothing, expected 00 00 08",
        ),
        "empty-gz": (IMAGES, lambda b: gzip.compress(b""), "not an IDX file .*starts with nothing"),
        "one-byte": (LABELS, lambda b: b[:1], r"not an IDX file .* shape \(12,\): .* with 00, exp"),
        "header-cut": (IMAGES, lambda b: b[:9], "starts with 00 00 08 03 00 00 00 0c 00, expected"),
        "truncated": (IMAGES, lambda b: b[:-1], "has 9407 bytes of data .*, expected 9408 with"),
        "too-long": (TEST_LABELS, lambda b: b + b"\0", "has 6 bytes of data .*, expected 5 with"),
        "web-page": (
            IMAGES,
            lambda b: b"<!DOCTYPE html>" * 99,
            "starts with 3c 21 .*, expected",
        ),
        "floats": (
            IMAGES,
            lambda b: b[:2] + b"\x0d" + b[3:],
            "starts with 00 00 0d 03 .*, exp",
        ),
        "wrong-shape": (
            IMAGES,
            lambda b: wrong_shape + b[16:],
            "with 00 .* 1d, expected 00 .* 1c",
        ),
        "gz-truncated": (IMAGES, lambda b: gzip.compress(b)[:-20], "broken gzip file"),
        "gz-header-cut": (IMAGES, lambda b: gzip.compress(b)[:5], "broken gzip file"),
        "gz-bad-crc": (
            LABELS,
            lambda b: gzip.compress(b)[:-8] + bytes(8),
            "broken gzip file: CRC check failed",
        ),
        "gz-bad-stream": (
            TEST_LABELS,
            lambda b: gzip.compress(b)[:10] + b"\xff" * 40,
            "broken gzip file",
        ),
        "gz-junk-after": (
            LABELS,
            lambda b: gzip.compress(b) + b"junk",
            "broken gzip file: Not a gzipped file",
        ),
        "label-10": (LABELS, lambda b: b[:-1] + b"\x0a", "differs from MNIST's"),
        "other-label": (
            TEST_LABELS,
            lambda b: b[:-1] + bytes([(b[-1] + 1) % 10]),
            "5 bytes of data with the SHA-256 digest [0-9a-f]{64}, expected 5 with [0-9a-f]{64}",
        ),
        "other-pixel": (TEST_IMAGES, lambda b: b[:-1] + bytes([b[-1] ^ 1]), "differs from MNIST's"),
    }


@pytest.mark.parametrize("damage", broken_files())
def test_broken_file_is_a_value_error_that_names_it(tiny_home, damage):
    """Each kind of damage is a ValueError that names the file and what is wrong with it."""
    name, change, message = broken_files()[damage]
    path = tiny_home / name
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ValueError, match=f"{name} .*{message}"):
        fetch_mnist(subset="all", data_home=tiny_home)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (
            IMAGES,
            LABELS,
            r"not an IDX file .* \(12, 28, 28\): .* 00 00 08 01 .*, expected",
        ),
        (IMAGES, TEST_IMAGES, "starts with 00 00 08 03 00 00 00 05 .*, expected 00 00 08 03 .* 0c"),
        (LABELS, TEST_LABELS, r"shape \(12,\): it starts with .* 05, expected .* 0c"),
    ],
)
def test_swapped_files_are_told_apart(tiny_home, first, second, message):
    """Images in the place of labels, or test files in that of training files, are a ValueError."""
    one, other = (tiny_home / name for name in (first, second))
    bytes_of_one = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(bytes_of_one)
    with pytest.raises(ValueError, match=f"{first} .*{message}"):
        fetch_mnist(subset="all", data_home=tiny_home)


def test_reading_stops_one_byte_after_what_is_expected(tmp_path, monkeypatch):
    """A gzip file is unpacked only one byte beyond what its header states."""
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(as_idx(np.zeros(7, dtype=np.uint8)) + bytes(5_000_000)))
    asked = []
    read = gzip.GzipFile.read

    def recording(self, size=-1):
        asked.append(size)
        return read(self, size)

    monkeypatch.setattr(gzip.GzipFile, "read", recording)
    assert datasets._read_idx(path, (7,)).size == 8  # which no digest is that of
    assert asked == [8 + 7 + 1]


# OpenML


@pytest.mark.parametrize(
    ("data_type", "target_type"), [(np.float64, object), (object, object), (np.int64, np.int64)]
)
def test_openml_gives_the_same_data_as_the_files(
    tiny, tiny_home, tmp_path, monkeypatch, data_type, target_type
):
    """Floats, objects and strings become the same uint8 pixels and int64 labels."""
    calls = answer_with(monkeypatch, openml_answer(tiny, data_type, target_type))
    files = fetch_mnist(subset="all", data_home=tiny_home)
    assert not calls
    mnist = fetch_mnist(subset="all", data_home=tmp_path / "home")
    assert (mnist.data.dtype, mnist.target.dtype) == (np.uint8, np.int64)
    assert (mnist.source, mnist.source_location) == ("openml", "https://www.openml.org/d/554")
    np.testing.assert_array_equal(mnist.data, files.data)
    np.testing.assert_array_equal(mnist.target, files.target)


def test_openml_answer_in_fortran_order_is_accepted(tiny, tmp_path, monkeypatch):
    """Rows in Fortran order have the same digests."""
    answer = openml_answer(tiny)
    answer.data = np.asfortranarray(answer.data)
    answer_with(monkeypatch, answer)
    assert fetch_mnist(subset="all", data_home=tmp_path).data.flags.c_contiguous


def test_openml_is_asked_for_version_1_with_the_callers_data_home(tiny, tmp_path, monkeypatch):
    """OpenML's cache is data_home, else scikit-learn's own."""
    calls = answer_with(monkeypatch, openml_answer(tiny))
    fetch_mnist(subset="all", data_home=tmp_path)
    fetch_mnist(subset="all")
    assert [kwargs["data_home"] for _, kwargs in calls] == [tmp_path, None]
    for args, kwargs in calls:
        assert (args, kwargs["version"], kwargs["as_frame"]) == (("mnist_784",), 1, False)
        assert kwargs["parser"] == "liac-arff"  # which needs no pandas


@pytest.mark.parametrize(
    "failure",
    [URLError("no route"), ValueError("md5 differs"), EOFError("cut off"), KeyError("data")],
)
def test_openml_failure_is_an_os_error_that_says_what_to_do(tmp_path, monkeypatch, failure):
    """The error keeps its cause, names what was tried and says how to provide the files."""
    answer_with(monkeypatch, failure)
    with pytest.raises(OSError, match="could not be downloaded from OpenML's mnist_784") as caught:
        fetch_mnist(data_home=tmp_path)
    assert caught.value.__cause__ is failure
    assert all(word in str(caught.value) for word in (*NAMES, "SK_DIGITS_DATA", str(tmp_path)))


def test_openml_answer_with_fewer_rows_is_rejected(tiny, tmp_path, monkeypatch):
    """A table of another size is a ValueError."""
    answer = openml_answer(tiny)
    answer_with(monkeypatch, Bunch(data=answer.data[:-1], target=answer.target))
    with pytest.raises(ValueError, match=r"OpenML's mnist_784 .* differs from MNIST's t10k-images"):
        fetch_mnist(subset="all", data_home=tmp_path)


@pytest.mark.parametrize("value", [0.5, -1.0, 256.0, np.nan, np.inf])
def test_openml_pixel_that_is_not_a_byte_is_rejected(tiny, tmp_path, monkeypatch, value):
    """A pixel that is not a byte gives another digest, which is a ValueError."""
    answer = openml_answer(tiny)
    answer.data[3, 400] = value
    answer_with(monkeypatch, answer)
    with pytest.raises(ValueError, match=r"OpenML's .* differs from MNIST's train-images"):
        fetch_mnist(subset="all", data_home=tmp_path)


@pytest.mark.parametrize(
    ("label", "kind", "message"),
    [
        ("seven", OSError, r"could not be downloaded from OpenML's.*ValueError: .*'seven'"),
        ("10", ValueError, "OpenML's mnist_784 that corresponds to t10k-labels.* differs from"),
    ],
)
def test_openml_label_that_is_no_digit_is_an_error(
    tiny, tmp_path, monkeypatch, label, kind, message
):
    """A label that is no number is a failed download; a number that is no digit a ValueError."""
    answer = openml_answer(tiny)
    answer.target[-1] = label
    answer_with(monkeypatch, answer)
    with pytest.raises(kind, match=message):
        fetch_mnist(subset="all", data_home=tmp_path)


def test_openml_rows_in_another_order_are_rejected(tiny, tmp_path, monkeypatch):
    """The digests find rows in another order, to which the stored indices would not apply."""
    answer = openml_answer(tiny)
    answer_with(monkeypatch, Bunch(data=answer.data[::-1], target=answer.target[::-1]))
    with pytest.raises(ValueError, match=r"OpenML's .* differs from MNIST's train-images"):
        fetch_mnist(subset="all", data_home=tmp_path)


# The small digits


@pytest.fixture(scope="module")
def small():
    """Return the bundled digits in MNIST's layout, which no test may change."""
    return load_digits_28()


def test_small_digits_have_the_layout_of_mnist(small):
    """Types and shapes are those of MNIST, the labels and their order those of scikit-learn."""
    assert (small.data.shape, small.data.dtype) == ((1797, 784), np.uint8)
    assert (small.images.shape, small.images.dtype) == ((1797, 28, 28), np.uint8)
    assert small.target.dtype == small.indices.dtype == np.int64
    assert small.data.flags.c_contiguous
    assert small.feature_names[-1] == "pixel784"
    np.testing.assert_array_equal(small.data.reshape(-1, 28, 28), small.images)
    np.testing.assert_array_equal(small.target, load_digits().target)


def test_small_digits_are_centred_by_mass(small):
    """Every centre of mass lies within half a pixel of pixel (14, 14), as whole shifts allow."""
    images = small.images.astype(np.float64)
    mass = images.sum(axis=(1, 2))
    for axis in (2, 1):
        centre = images.sum(axis=axis) @ np.arange(28) / mass
        assert np.abs(centre - 14).max() <= 0.5 + 1e-9


def test_small_digits_keep_the_ink_of_the_originals(small):
    """The mean brightness follows that of the original, which fills 400 of the 784 pixels."""
    share = small.data.mean(axis=1) / 255
    original = load_digits().data.mean(axis=1) / 16 * 400 / 784
    assert np.corrcoef(share, original)[0, 1] > 0.98
    np.testing.assert_allclose(share.mean(), original.mean(), rtol=0.05)


def test_small_digits_use_the_whole_range_on_a_black_ground(small):
    """Ink reaches 255, and the corners are 0."""
    images = small.images
    assert images.max() == 255
    assert not images[:, [0, 0, -1, -1], [0, -1, 0, -1]].any()


def test_layout_of_a_centred_square_is_symmetric():
    """A symmetric image stays symmetric: resizing shifts nothing by half a pixel."""
    square = np.zeros((1, 8, 8))
    square[0, 2:6, 2:6] = 16
    image = _to_mnist_layout(square)[0]
    rows = np.flatnonzero(image.any(axis=1))
    box = image[rows[0] : rows[-1] + 1, rows[0] : rows[-1] + 1]
    np.testing.assert_array_equal(box, box[::-1])
    np.testing.assert_array_equal(box, box.T)


def test_small_digits_are_the_same_each_time_and_not_shared(small):
    """return_X_y returns the same data and target; changing them changes no later result."""
    for _ in range(2):
        X, y = load_digits_28(return_X_y=True)
        np.testing.assert_array_equal(X, small.data)
        np.testing.assert_array_equal(y, small.target)
        X[:] = 0
        y[:] = 0
