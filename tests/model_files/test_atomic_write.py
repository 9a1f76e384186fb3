"""Writing files: whole or not at all, only in the place of regular files, with honest errors."""

import errno
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from sk_digits import DigitANN, load_model, save_model
from sk_digits._atomic_write import check_writable, write_atomically

TINY = {"hidden_layer_sizes": (16,), "max_epochs": 2, "random_state": 0}


def fail_with(number):
    """Return a function that raises an error of the system, of a temporary name."""

    def fail(*args, **kwargs):
        raise OSError(number, os.strerror(number), "/some/.model.0123456789abcdef.tmp")

    return fail


def names_in(folder):
    """Return the sorted names in a folder."""
    return sorted(os.listdir(folder))


def test_saving_to_a_place_that_is_none_says_so(digits, tmp_path):
    """The system's own errors come through, and nothing is left."""
    ann = DigitANN(**TINY).fit(*digits)
    with pytest.raises(FileNotFoundError, match=r"nowhere/model\.safetensors'$"):
        save_model(ann, tmp_path / "nowhere" / "model.safetensors")
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError, match="folder"):
        save_model(ann, tmp_path / "folder")
    assert names_in(tmp_path) == ["folder"]


def test_a_new_file_takes_the_place_of_the_old_one(digits, tmp_path):
    """Permissions and symbolic links stay; other links keep the old content."""
    old, link, other = (tmp_path / name for name in ("old.safetensors", "link", "other"))
    old.write_bytes(b"old")
    old.chmod(0o640)
    link.symlink_to(old)
    os.link(old, other)
    save_model(DigitANN(**TINY).fit(*digits), link)
    assert link.is_symlink()
    assert load_model(old).n_iter_ == 2
    assert stat.S_IMODE(old.stat().st_mode) == 0o640
    assert other.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("write", [lambda path: write_atomically(path, b"new"), check_writable])
def test_what_is_no_file_is_not_replaced(tmp_path, write):
    """A pipe, a device, a folder and links to them are errors, and stay what they are."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    (tmp_path / "null").symlink_to("/dev/null")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("pipe", "link", "null"):
        with pytest.raises(OSError, match=f"a device or a pipe, no regular file: .*/{name}'"):
            write(tmp_path / name)
    with pytest.raises(OSError, match=r"no regular file: '/dev/null'"):
        write("/dev/null")
    with pytest.raises(IsADirectoryError, match=str(tmp_path)):
        write(tmp_path)
    with pytest.raises(OSError, match="loop'"):
        write(tmp_path / "loop")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    assert names_in(tmp_path) == ["link", "loop", "null", "pipe"]


def test_a_link_to_nothing_leads_to_the_new_file(tmp_path):
    """A link is followed, whether its target is there or not."""
    (tmp_path / "link").symlink_to("target")
    write_atomically(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"new"


@pytest.mark.parametrize("name", ["x" * 255, "数" * 85, "é" * 127, "\udcff" * 255])
def test_every_name_that_the_system_takes_is_taken(tmp_path, name):
    """255 bytes, in any number of characters, and also if they are no UTF-8."""
    for content in (b"old", b"new"):
        check_writable(tmp_path / name)
        write_atomically(tmp_path / name, content)
        assert (tmp_path / name).read_bytes() == content
    assert names_in(tmp_path) == [name]


def test_a_place_is_checked_without_a_trace(tmp_path):
    """Before the work: a file that is there stays as it is, and no other appears."""
    path = tmp_path / "model"
    check_writable(path)
    assert names_in(tmp_path) == []
    path.write_bytes(b"old")
    check_writable(path)
    assert path.read_bytes() == b"old"
    with pytest.raises(FileNotFoundError, match=r"none/model'$"):
        check_writable(tmp_path / "none" / "model")
    with pytest.raises(OSError, match=r"'/proc/model'$"):
        check_writable("/proc/model")
    assert names_in(tmp_path) == ["model"]


@pytest.mark.parametrize(
    ("function", "number"),
    [("fsync", errno.EIO), ("replace", errno.EACCES), ("chmod", errno.EPERM)],
)
def test_a_failing_disk_leaves_the_old_file_alone(tmp_path, monkeypatch, function, number):
    """The error names the file and not the temporary one, which is gone."""
    path = tmp_path / "model"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, function, fail_with(number))
    with pytest.raises(OSError, match="What was there before is as it was") as caught:
        write_atomically(path, b"new")
    assert caught.value.errno == number
    assert str(path) in str(caught.value)
    assert ".tmp" not in str(caught.value)
    assert caught.value.__suppress_context__
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["model"]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EACCES, errno.EIO])
@pytest.mark.parametrize("function", ["open", "fsync"])
def test_what_is_in_its_place_is_saved(tmp_path, monkeypatch, function, number):
    """A folder that cannot be opened, or brought to the disk, comes after that, and is no error."""
    path, real = tmp_path / "model", getattr(os, function)
    path.write_bytes(b"old")

    def fail_for_folders(target, *args):
        if stat.S_ISDIR(os.stat(target).st_mode):
            raise OSError(number, os.strerror(number))
        return real(target, *args)

    monkeypatch.setattr(os, function, fail_for_folders)
    write_atomically(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"new"
    assert names_in(tmp_path) == ["model"]


def test_a_folder_that_only_takes_files_is_enough():
    """One of mode 0333 cannot be opened, but be written to."""
    code = (
        "import os, sys; from sk_digits._atomic_write import write_atomically\n"
        "if os.geteuid() == 0: os.seteuid(65534)  # for root may open everything\n"
        "write_atomically(sys.argv[1], b'old'); write_atomically(sys.argv[1], b'new')"
    )
    with tempfile.TemporaryDirectory() as name:
        drop = Path(name) / "drop"
        drop.mkdir()
        drop.chmod(0o333)
        drop.parent.chmod(0o711)
        subprocess.run([sys.executable, "-c", code, str(drop / "file")], check=True)
        drop.chmod(0o700)
        assert (drop / "file").read_bytes() == b"new"
        assert names_in(drop) == ["file"]
