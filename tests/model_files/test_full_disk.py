"""A disk that runs full: a clear error, the old files as they were, and none half written."""

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # a file system of its own

SCRIPT = Path(__file__).parents[1] / "support" / "fill_disk.py"
# In a namespace of its own: the mount is seen by nobody else and gone with the process.
ON_A_SMALL_DISK = [
    "unshare",
    "-rm",
    "sh",
    "-c",
    'mount -t tmpfs -o size=2m tmpfs "$0" && exec "$@"',
]


def may_mount(folder):
    """Return whether this process may mount a disk of its own."""
    try:
        return not subprocess.run(
            [*ON_A_SMALL_DISK, folder, "true"], capture_output=True
        ).returncode
    except FileNotFoundError:
        return False


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Return what became of a save, a command and a training on a full disk."""
    folder = tmp_path_factory.mktemp("disk")
    command, mode = [], "limit"
    if may_mount(folder):
        command, mode = [*ON_A_SMALL_DISK, folder], "disk"
    result = subprocess.run(
        [*command, sys.executable, SCRIPT, folder, mode], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout) | {"folder": str(folder), "mode": mode}


def test_a_full_disk_is_an_error_that_names_the_file(report):
    """What could not be written, why, and how large it is: from Python and from the shell."""
    number, reason = (
        (errno.ENOSPC, "No space left on device")
        if report["mode"] == "disk"
        else (errno.EFBIG, "File too large")
    )
    for told, file in (("save_model", "model.safetensors"), ("checkpoint", "checkpoint/training-")):
        assert report[told]["errno"] == number
        assert reason in report[told]["message"]
        assert "bytes are to be written" in report[told]["message"]
        assert f"{report['folder']}/{file}" in report[told]["message"]
    assert report["train"]["exit_code"] != 0
    assert f"{report['folder']}/model.safetensors: {reason}" in report["train"]["message"]


def test_a_full_disk_leaves_the_old_model_and_nothing_beside_it(report):
    """The old file loads and predicts the same bits; no temporary file stays."""
    assert report["model_is_as_it_was"]
    assert report["files_are_as_they_were"]


def test_a_training_goes_on_when_there_is_space_again(report):
    """From the last epoch that was saved, to the bits of a training without a full disk."""
    assert report["is_unfitted"]
    (file,) = report["checkpoint_files"]
    assert file.endswith(".safetensors")
    assert report["resumes_to_the_same_bits"]
