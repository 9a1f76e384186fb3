"""The memory that this process uses: `resident_bytes` now, `peak_bytes` during a call.

Linux with glibc only.
"""

import ctypes
import gc
import os
import re
from collections.abc import Callable
from pathlib import Path


def resident_bytes() -> int:
    """Return the physical memory that this process uses, without what it could free at once."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # memory that is kept for reuse would hide what is taken next
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def peak_bytes(call: Callable[[], object]) -> int:
    """Return by how much the physical memory of this process rises during a call."""
    before = resident_bytes()
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    call()
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert peak is not None
    return int(peak[1]) * 1024 - before
