"""Training on a file that is larger than the memory given to the process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[1] / "examples" / "plot_out_of_core.py"
MEMORY = 300_000_000  # bytes beyond what imports take, which is much with CUDA
N_ROWS = 210_001  # of 3,136 bytes: twice that memory. The last chunk has 1,105.

# Runs the example under the limit, on the bundled digits; then lifts it and fits all rows at once.
UNDER_LIMIT = """
import json, re, resource, runpy, sys
from pathlib import Path

import dask.array, matplotlib.pyplot
from sk_digits import DigitANN, datasets

def used(what):
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(what + r":\\s+(\\d+) kB", status)[1])

def fetch_nothing(**params):
    raise OSError("no MNIST")

datasets.fetch_mnist = fetch_nothing
memory, example, *sys.argv[1:] = sys.argv[1:]
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
    "classes": at_once.classes_.tolist(),
    "rows": len(X),
    "accuracies": [names[name].score(X_test, y_test) for name in ("ann", "again")],
    "at_once": at_once.score(X_test, y_test),
}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps this limit")
def test_a_file_larger_than_memory_teaches_as_much_as_all_rows_at_once(tmp_path):
    """Where reading it all is a MemoryError, chunks reach the same accuracy in constant memory."""
    arguments = [str(MEMORY), str(EXAMPLE), str(N_ROWS), str(tmp_path)]
    run = subprocess.run(
        [sys.executable, "-c", UNDER_LIMIT, *arguments],
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
