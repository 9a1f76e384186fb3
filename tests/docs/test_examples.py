"""Examples of the gallery that need a process, a cluster or a limit on memory of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from support.no_mnist import WITHOUT_MNIST

EXAMPLES = Path(__file__).parents[2] / "examples"
MEMORY = 300_000_000  # bytes beyond those of the imports, which take much with CUDA
N_ROWS = 210_001  # of 3,136 bytes each, together twice that memory; the last chunk has 1,105
FIT, KILL = (0x8C, 0xC5, 0xE8), (0xD5, 0x5E, 0x00)  # colours of a picture

RUN = """
import runpy, sys

names = runpy.run_path(sys.argv[1], run_name="__main__")
names["figure"].savefig(sys.argv[2], dpi=100)
"""

# Runs the example under the limit, then without it fits all rows at once.
UNDER_LIMIT = """
import json, re, resource, runpy, sys
from pathlib import Path

import dask.array, matplotlib.pyplot
from sk_digits import DigitANN

def used(what):
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(what + r":\\s+(\\d+) kB", status)[1])

memory, example = sys.argv[1:]
no_limit = resource.getrlimit(resource.RLIMIT_DATA)
resource.setrlimit(resource.RLIMIT_DATA, (used("VmData") + int(memory), no_limit[1]))
before = used("VmRSS")
names = runpy.run_path(example, run_name="__main__")
peak = used("VmHWM") - before

import numpy as np

scaler, X_test, y_test = (names[name] for name in ("scaler", "X_test", "y_test"))
try:
    np.fromfile(names["path"], np.float32)
    fits = True
except MemoryError:
    fits = False
resource.setrlimit(resource.RLIMIT_DATA, no_limit)
X = scaler.transform(np.fromfile(names["path"], np.float32).reshape(-1, 784))
at_once = DigitANN(**names["PARAMS"], max_epochs=names["PASSES"]).fit(X, names["labels"])
X_test = scaler.transform(X_test)
print(json.dumps({
    "fits": fits,
    "peak": peak,
    "memory": [1e6 * value for value in names["memory"]],
    "file": X.nbytes,
    "rows": len(X),
    "accuracies": [names[name].score(X_test, y_test) for name in ("ann", "again")],
    "at_once": at_once.score(X_test, y_test),
}))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps this limit")
def test_a_file_larger_than_memory_teaches_as_much_as_all_rows_at_once(tmp_path):
    """Where reading the whole file is a MemoryError, chunks reach the same accuracy."""
    code = (EXAMPLES / "plot_out_of_core.py").read_text()
    for old, new in [("N_ROWS = 60_001", f"N_ROWS = {N_ROWS}"), ("folder.cleanup()", "")]:
        assert code.count(old) == 1
        code = code.replace(old, new)
    example = tmp_path / "example.py"
    example.write_text(code)
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_MNIST + UNDER_LIMIT, str(MEMORY), example],
        env=os.environ | {"MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    *lines, last = run.stdout.splitlines()
    found = json.loads(last)
    assert lines[-1] == "all at once: does not fit into memory"
    assert not found["fits"]
    assert found["rows"] == N_ROWS
    assert found["file"] > MEMORY > found["peak"]
    assert max(found["memory"]) < min(found["memory"]) + 4096 * 784 * 4
    assert found["accuracies"][0] == found["accuracies"][1]
    assert found["accuracies"][0] > found["at_once"] - 0.005
    assert found["at_once"] > 0.9


@pytest.mark.slow
def test_the_search_on_dask_loses_a_worker_and_finds_the_same(tmp_path):
    """The search that loses a worker finds the same scores as without a cluster, and draws both."""
    example, path = EXAMPLES / "plot_search_on_dask.py", tmp_path / "picture.png"
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_MNIST + RUN, example, path],
        env=os.environ | {"MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert "same scores as without a cluster: True" in run.stdout
    with Image.open(path) as picture:
        colours = {colour for _, colour in picture.convert("RGB").getcolors(2**24)}
    assert {FIT, KILL} <= colours
