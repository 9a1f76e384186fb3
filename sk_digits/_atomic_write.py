"""`write_atomically`: a file appears whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from pathlib import Path


def write_atomically(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file whole or not at all: beside its place, to the disk, then into its place.

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
    """
    target = Path(os.path.realpath(path))  # a symbolic link goes on pointing to its target
    beside = target.with_name(f".{target.name[:200]}.{secrets.token_hex(8)}.tmp")
    try:
        with open(beside, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):
            os.chmod(beside, stat.S_IMODE(os.stat(target).st_mode))
        os.replace(beside, target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        if isinstance(error, OSError) and error.errno in (
            errno.ENOSPC,
            errno.EDQUOT,
            errno.EFBIG,
        ):
            raise OSError(
                error.errno,
                f"{error.strerror}: {len(content):,} bytes are to be written. What was there "
                "before is as it was",
                os.fspath(path),
            ) from error
        raise
    if hasattr(os, "O_DIRECTORY"):  # the new name itself must outlast a power failure
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
