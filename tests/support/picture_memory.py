"""Print, as JSON, the peak memory in bytes that the pictures of one kind take to be read.

python picture_memory.py KIND WIDTH HEIGHT, where KIND is a format, "PIL" or "array".
"""

import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from support.picture_files import MODES, draw, files
from support.resident_memory import peak_bytes

from sk_digits import DigitImageNormalizer, segment_digits

normalizer = DigitImageNormalizer(on_blank="zeros")
READERS = {
    "DigitImageNormalizer": lambda picture: normalizer.transform([picture]),
    "segment_digits": segment_digits,
}


def arrays(width, height):
    """Return the name and pixels of arrays of every dtype, grey, RGB and RGBA."""
    grey, colours = (np.asarray(draw(mode, width, height)) for mode in ("L", "RGBA"))
    for dtype in ("bool", "uint8", "uint16", "int64", "float16", "float32", "float64"):
        for pixels in (grey, colours[..., :3], colours):
            given = pixels > 128 if dtype == "bool" else pixels.astype(dtype)
            yield f"{dtype} {pixels.shape[2:]}", given
    yield "fractions", colours / 255


def pictures(kind, width, height):
    """Return the name and the picture of each case of a kind."""
    if kind == "PIL":
        return ((mode, draw(mode, width, height)) for mode in MODES)
    return arrays(width, height) if kind == "array" else files(kind, width, height)


def main(kind, width, height):
    """Measure each case, after each reader has been warmed up."""
    for read in READERS.values():
        read(np.asarray(draw("RGB", 300, 200)))
    peaks = {}
    for name, picture in pictures(kind, width, height):
        for reader, read in READERS.items():
            peaks[f"{reader}, {name}"] = peak_bytes(lambda read=read, it=picture: read(it))
    print(json.dumps(peaks))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
