"""The memory that a picture takes to be read, in every format and mode."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sk_digits._images.image_files import FORMATS

SCRIPT = Path(__file__).parents[1] / "support" / "picture_memory.py"
WIDTH, HEIGHT = 2000, 1500
# As the docstring of max_pixels says.
BYTES_A_PIXEL = 20
MORE = {"DigitImageNormalizer": 50e6, "segment_digits": 100e6}


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*FORMATS, "PIL", "array"])
def test_a_pixel_takes_no_more_than_is_documented(kind):
    """Neither decoders nor conversions exceed it, also for palettes, transparency and rotation."""
    command = [sys.executable, SCRIPT, kind, str(WIDTH), str(HEIGHT)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    peaks = json.loads(done.stdout)
    assert len(peaks) >= 8
    for name, peak in peaks.items():
        limit = BYTES_A_PIXEL * WIDTH * HEIGHT + MORE[name.partition(",")[0]]
        assert peak < limit, name
