"""Writing files whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from pathlib import Path

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_atomically(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file whole or not at all: beside its place, to the disk, then into its place.

    Only regular files are replaced, and names that are free: a folder, a device such as
    ``/dev/null`` or a pipe is an error. A symbolic link is followed, and goes on pointing to its
    target. The file is saved once it is in its place: a folder that cannot be brought to the disk,
    as on some network drives, is no error.

    Parameters
    ----------
    path : str or path-like
        Where to; what is there is replaced, and keeps its permissions.
    content : bytes
        What to write.

    Raises
    ------
    OSError
        If it cannot be written. What is at `path` is then as it was, and nothing lies beside it.
        The error names `path`.
    """
    target, mode = _find_target(path)
    beside = _name_beside(target)
    try:
        with open(beside, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            os.chmod(beside, mode)
        os.replace(beside, target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        if not isinstance(error, OSError):
            raise
        reason = error.strerror or str(error)
        if error.errno in _NO_SPACE:
            reason += f": {len(content):,} bytes are to be written"
        if mode is not None:
            reason += ". What was there before is as it was"
        # Not from the error, whose message names the temporary file.
        raise OSError(error.errno, reason, os.fspath(path)) from None
    with contextlib.suppress(OSError):  # so that the new name outlasts a power failure
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise the OSError of `write_atomically` now, as far as it can be known, and change nothing.

    It is for what takes long to compute: the place of the result is checked before the work.
    """
    target, _ = _find_target(path)
    beside = _name_beside(target)
    try:
        beside.touch(exist_ok=False)
        beside.unlink()
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(path)) from None


def _find_target(path: str | os.PathLike[str]) -> tuple[Path, int | None]:
    """Return the file that a path leads to, and its permissions if it is there."""
    target = Path(os.path.realpath(path))
    try:
        mode = os.stat(target).st_mode
    except FileNotFoundError:
        return target, None
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(path)) from None
    if stat.S_ISDIR(mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "It is a device or a pipe, no regular file", os.fspath(path))
    return target, stat.S_IMODE(mode)


def _name_beside(target: Path) -> Path:
    # Systems limit the bytes of a name, not its characters.
    start = os.fsencode(target.name)[:100].decode(errors="ignore")
    return target.with_name(f".{start}.{secrets.token_hex(8)}.tmp")
