"""`load_image_folder`: labels from folders, rows as of the normalizer, and pictures of no use."""

import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sk_digits import DigitImageNormalizer
from sk_digits.datasets import load_digits_28, load_image_folder

DIGITS = load_digits_28()


def save(row, path):
    """Save a bundled digit as a picture, dark on light and three times as large."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(255 - DIGITS.images[row]).resize((84, 84))
    paper = Image.new("L", (120, 120), 255)
    paper.paste(picture, (18, 18))
    paper.save(path)


@pytest.fixture
def folder(tmp_path):
    """Return a folder with two pictures for each of the labels 3, 10 and 7."""
    for label, row in [("3", 3), ("10", 10), ("7", 7)]:
        save(row, tmp_path / label / "b.png")
        save(row + 10, tmp_path / label / "deeper" / "A.PNG")
    return tmp_path


def test_rows_are_those_of_the_normalizer_with_the_labels_of_their_folders(folder):
    """Pictures come label by label, in alphabetical order, with their paths."""
    loaded = load_image_folder(folder)
    names = ["10/b.png", "10/deeper/A.PNG", "3/b.png", "3/deeper/A.PNG"]
    names += ["7/b.png", "7/deeper/A.PNG"]
    assert loaded.filenames.tolist() == [str(folder / name) for name in names]
    np.testing.assert_array_equal(loaded.data, DigitImageNormalizer().transform(loaded.filenames))
    np.testing.assert_array_equal(loaded.images.reshape(6, 784), loaded.data)
    assert loaded.data.dtype == np.uint8
    assert loaded.target.tolist() == [10, 10, 3, 3, 7, 7]
    assert loaded.target.dtype == np.int64
    assert loaded.target_names.tolist() == [3, 7, 10]
    assert (loaded.source, loaded.source_location, loaded.frame) == ("folder", str(folder), None)
    assert "6 labelled pictures" in loaded.DESCR


def test_labels_are_strings_unless_all_are_whole_numbers(folder):
    """One name that is no number makes strings of all."""
    save(0, folder / "B" / "a.png")
    X, y = load_image_folder(folder, return_X_y=True)
    assert y.tolist() == ["10", "10", "3", "3", "7", "7", "B"]
    assert X.shape == (7, 784)


def test_what_is_no_picture_of_a_label_is_ignored(folder):
    """Text files, hidden folders and files beside the folders are left alone."""
    (folder / "3" / "notes.txt").write_text("no picture")
    (folder / "b.png").write_bytes(b"no picture")
    (folder / ".cache").mkdir()
    assert len(load_image_folder(folder).target) == 6


def test_frames_hold_the_same(folder):
    """as_frame returns pandas objects with the same values."""
    X, y = load_image_folder(folder, return_X_y=True, as_frame=True)
    assert isinstance(X, pd.DataFrame)
    assert isinstance(y, pd.Series)
    np.testing.assert_array_equal(X, load_image_folder(folder).data)
    assert load_image_folder(folder, as_frame=True).frame.shape == (6, 785)


def test_the_polarity_may_be_given(folder):
    """The given `ink` is used, and an invalid one is an error about `ink` alone."""
    dark = load_image_folder(folder, ink="dark").data
    np.testing.assert_array_equal(dark, load_image_folder(folder).data)
    with pytest.raises(ValueError, match=r"^The 'ink' parameter of DigitImageNormalizer"):
        load_image_folder(folder, ink="blue")


def test_all_pictures_of_no_use_are_listed_at_once(folder):
    """Blank and broken pictures are one error that names each, and no other."""
    Image.new("L", (60, 60), 255).save(folder / "3" / "blank.png")
    (folder / "7" / "broken.jpg").write_bytes(b"no image")
    with pytest.raises(ValueError, match="2 of 8 pictures") as caught:
        load_image_folder(folder)
    message = str(caught.value)
    assert re.findall(r"(\w+\.(?:png|jpg))", message) == ["blank.png", "broken.jpg"]
    assert "Replace or remove them" in message


def test_a_long_list_of_pictures_is_cut(tmp_path):
    """Twenty are named, and the others are counted."""
    (tmp_path / "0").mkdir()
    for i in range(23):
        Image.new("L", (60, 60), 255).save(tmp_path / "0" / f"{i}.png")
    with pytest.raises(ValueError, match=r"23 of 23 pictures.*; and 3 more\.") as caught:
        load_image_folder(tmp_path)
    assert str(caught.value).count(".png") == 20


def test_folders_that_hold_nothing_are_errors(folder, tmp_path_factory):
    """A path that is no folder, one without folders, and a label without pictures."""
    with pytest.raises(NotADirectoryError, match="absent' is not a folder"):
        load_image_folder(folder / "absent")
    with pytest.raises(ValueError, match=r"holds no folders.*named after the label"):
        load_image_folder(tmp_path_factory.mktemp("empty"))
    (folder / "5").mkdir()
    (folder / "6").mkdir()
    with pytest.raises(ValueError, match=r"no pictures in its folders '5', '6'\. Add some"):
        load_image_folder(folder)
