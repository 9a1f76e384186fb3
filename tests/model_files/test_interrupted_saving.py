"""Saving that is killed, or finds no room: the old file or the new one, never half of one."""

import errno
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from sk_digits import DigitANN, load_model, save_model
from sk_digits._atomic_write import write_atomically

pytestmark = pytest.mark.slow  # processes are killed while they save

SAVER = """
import sys
from sk_digits import load_model, save_model
old, new = (load_model(path) for path in sys.argv[1:3])
print("ready", flush=True)
while True:
    for model in (old, new):
        save_model(model, sys.argv[3])
        print(flush=True)
"""


@pytest.fixture(scope="module")
def models(digits, tmp_path_factory):
    """Return the paths of two saved models of different sizes."""
    folder = tmp_path_factory.mktemp("models")
    for name, width in (("old", 8), ("new", 300)):
        ann = DigitANN((width,), max_epochs=1, random_state=0).fit(*digits)
        save_model(ann, folder / name)
    return folder / "old", folder / "new"


def test_a_killed_save_leaves_the_old_file_or_the_new_one(models, tmp_path):
    """Kill -9 at random instants: what is at the path always loads, and is one of the two."""
    target = tmp_path / "model.safetensors"
    rng = random.Random(0)
    widths = []
    for _ in range(2):  # processes, for importing torch takes the most time
        saver = subprocess.Popen(
            [sys.executable, "-c", SAVER, *map(str, models), str(target)],
            stdout=subprocess.PIPE,
        )
        with saver:
            assert saver.stdout.readline() == b"ready\n"
            saver.stdout.readline()
            for _ in range(12):  # a stopped process is as good as a killed one, and goes on
                time.sleep(rng.uniform(0, 0.02))
                saver.send_signal(signal.SIGSTOP)
                widths.append(load_model(target).net_.architecture.hidden_layer_sizes)
                saver.send_signal(signal.SIGCONT)
            time.sleep(rng.uniform(0, 0.02))
            saver.kill()
        widths.append(load_model(target).net_.architecture.hidden_layer_sizes)
    assert set(widths) == {(8,), (300,)}


def test_a_killed_write_leaves_the_old_content_or_the_new_one(tmp_path):
    """The same with many kills, of the writing alone."""
    target = tmp_path / "model.safetensors"
    contents = [bytes([i]) * (1 + i * 500_000) for i in range(2)]
    write_atomically(target, contents[0])
    code = (
        "import sys; from sk_digits._atomic_write import write_atomically; print(flush=True)\n"
        "while True:\n"
        "    for content in (bytes([0]), bytes([1]) * 500_001):\n"
        "        write_atomically(sys.argv[1], content)"
    )
    rng = random.Random(0)
    for _ in range(40):
        command = [sys.executable, "-c", code, str(target)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            writer.stdout.readline()
            time.sleep(rng.uniform(0, 0.01))
            writer.kill()
        assert target.read_bytes() in contents


FULL = """
import resource, signal, sys
from sk_digits import load_model, save_model
model = load_model(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    save_model(model, sys.argv[2])
except OSError as error:
    print(error.errno, error)
"""


def test_a_full_disk_is_a_clear_error_and_leaves_the_old_file(models, tmp_path):
    """Where the system lets no more be written, it says so, and nothing is lost or left."""
    target = tmp_path / "model.safetensors"
    target.write_bytes(models[0].read_bytes())
    result = subprocess.run(
        [sys.executable, "-c", FULL, str(models[1]), str(target)],
        capture_output=True,
        text=True,
        check=True,
    )
    number, message = result.stdout.split(" ", 1)
    assert int(number) == errno.EFBIG
    assert "bytes are to be written. What was there before is as it was" in message
    assert str(target) in message
    assert target.read_bytes() == models[0].read_bytes()
    assert load_model(target).net_.architecture.hidden_layer_sizes == (8,)
    assert [entry.name for entry in tmp_path.iterdir()] == [target.name]


def test_no_space_left_is_told_with_the_space_needed(tmp_path, monkeypatch):
    """ENOSPC, which may come as late as fsync, keeps its number."""

    def fail(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left on device: 1,000 bytes are to be") as caught:
        write_atomically(tmp_path / "model.safetensors", bytes(1000))
    assert caught.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []
