"""`load_reader`: a trained reader that comes with the package."""

import json
import resource
import socket
import subprocess
import sys
from importlib.resources import files

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image, ImageDraw, ImageFont

from sk_digits import (
    DigitImageNormalizer,
    ModelFileError,
    load_model,
    load_reader,
    read_metadata,
    save_model,
)
from sk_digits._reader import pretrained
from sk_digits.datasets import fetch_mnist, load_digits_28

FILE = files("sk_digits") / "_reader" / "reader.safetensors"


def test_the_reader_takes_pictures(digits_28):
    """It reads dark ink on light paper in pictures of any size, without any training."""
    X, y = digits_28
    pictures = [Image.fromarray(255 - row.reshape(28, 28)).resize((140, 140)) for row in X[:100]]
    reader = load_reader()
    labels = reader.predict(pictures)
    assert ((labels == y[:100]) | (labels == -1)).mean() >= 0.99
    reader["selective"].set_max_risk(1)
    assert (reader.predict(pictures) == y[:100]).mean() >= 0.95


def test_each_call_returns_an_object_of_its_own():
    """What a user changes is not changed for others."""
    first = load_reader().set_params(image__ink="dark")
    assert first is not load_reader()
    assert load_reader()["image"].ink == "auto"


def test_the_network_is_never_looked_at(monkeypatch):
    """Nothing is downloaded."""

    def refuse(*args, **kwargs):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert load_reader().classes_.tolist() == list(range(10))


def test_a_damaged_file_is_an_error(monkeypatch, tmp_path):
    """One byte of the weights is another: the checksum says so."""
    content = bytearray(FILE.read_bytes())
    content[-1000] ^= 1
    damaged = tmp_path / "reader.safetensors"
    damaged.write_bytes(content)
    monkeypatch.setattr(pretrained, "READER", damaged)
    with pytest.raises(ModelFileError, match="SHA-256"):
        load_reader()


def test_the_file_is_small_and_has_its_card():
    """It fits into 8 MB, and its metadata say where it comes from."""
    assert FILE.stat().st_size <= 8_000_000
    card = read_metadata(FILE)["metadata"]
    assert {"data", "recipe", "seed", "accuracy", "calibrated on"} <= set(card)
    assert card["max_risk"] == load_reader()["selective"].max_risk == 0.001
    json.dumps(card)


def test_what_is_no_digit_is_rejected(digits_28):
    """Letters, two digits in one, noise and digits on their side have the label -1."""
    X, _ = digits_28
    rng = np.random.default_rng(0)
    letters = []
    for letter in "AFKMNPRTWXY":
        picture = Image.new("L", (120, 120), 255)
        draw = ImageDraw.Draw(picture)
        draw.text((60, 60), letter, 0, ImageFont.load_default(80), anchor="mm")
        letters.append(picture)
    strange = [
        DigitImageNormalizer().transform(letters),
        rng.integers(0, 256, (20, 784)).astype(np.uint8),
        np.maximum(X[:20], X[20:40]),
    ]
    reader = load_reader()[1:]
    for rows in strange:
        assert (reader.predict(rows) == -1).mean() > 0.8
        assert reader.score_samples(rows).mean() < 0.5
    assert load_reader().predict(letters).tolist().count(-1) > 9


def test_all_guesses_are_to_be_had(digits_28):
    """With a risk of 1 nothing is rejected, and the answers are the most probable labels."""
    X, _ = digits_28
    reader = load_reader()[1:]
    assert -1 in reader.predict(X)
    reader[-1].set_max_risk(1)
    assert_array_equal(reader.predict(X), reader.predict_proba(X).argmax(axis=1))


def test_a_saved_reader_is_the_same(tmp_path, digits_28):
    """Weights that fit into 16 bits are kept so, and come back to the bit."""
    reader, rows = load_reader(), digits_28[0][:50]
    save_model(reader, tmp_path / "again.safetensors")
    again = load_model(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").stat().st_size <= 8_000_000
    assert_array_equal(again[1:].predict_proba(rows), reader[1:].predict_proba(rows))
    module = again["selective"].estimator_.net_.module_
    assert {str(parameter.dtype) for parameter in module.parameters()} == {"torch.float32"}


@pytest.mark.slow
def test_the_first_picture_is_read_within_ten_seconds(tmp_path):
    """From a new process to the answer, with one command; counted in seconds of the processor."""
    row = load_digits_28().images[0]
    Image.fromarray(255 - row).resize((140, 140)).save(tmp_path / "zero.png")
    command = [sys.executable, "-m", "sk_digits", "predict", str(tmp_path / "zero.png")]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 10
    assert done.stdout.split(": ")[1].startswith("0 ")


@pytest.mark.usefixtures("mnist_home")
@pytest.mark.mnist
def test_it_reads_the_official_test_images_as_its_card_says():
    """Of 10,000 images by writers that it has not seen; those that it rejects are guesses."""
    data = fetch_mnist(subset="test")
    reader = load_reader()[1:]
    answered, labels = reader.score_samples(data.data) >= reader[-1].threshold_, data.target
    assert answered.mean() >= 0.95
    assert answered.mean() == pytest.approx(read_metadata(FILE)["metadata"]["coverage"], abs=2e-4)
    assert (reader.predict(data.data) != labels)[answered].mean() <= 0.001
    reader[-1].set_max_risk(1)
    accuracy = reader.score(data.data, labels)
    assert accuracy >= 0.995
    assert accuracy == pytest.approx(
        read_metadata(FILE)["metadata"]["accuracy"]["MNIST test"], abs=5e-5
    )
    normalized = DigitImageNormalizer(on_blank="zeros").transform(data.images[:1000])
    assert reader.score(normalized, labels[:1000]) >= 0.99
