"""Pictures of a digit as files of every format and mode that is read, and damaged files of them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

ROTATED = Image.Exif()
ROTATED[0x0112] = 6

# Format to (mode, options of Pillow's save).
FILES: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "PNG": [
        ("1", {}),
        ("L", {}),
        ("L", {"transparency": 230}),
        ("LA", {}),
        ("P", {}),
        ("P", {"transparency": bytes([0] * 64 + [200] * 192)}),
        ("RGB", {}),
        ("RGB", {"transparency": (230, 230, 230)}),
        ("RGBA", {}),
        ("RGBA", {"exif": ROTATED}),
        ("I;16", {}),
    ],
    "JPEG": [
        ("L", {}),
        ("L", {"progressive": True}),
        ("RGB", {"exif": ROTATED}),
        ("RGB", {"progressive": True, "subsampling": 0}),
        ("CMYK", {}),
        ("CMYK", {"progressive": True, "subsampling": 0}),
    ],
    "BMP": [("1", {}), ("L", {}), ("P", {}), ("RGB", {}), ("RGBA", {})],
    "TIFF": [
        *((mode, {}) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "LAB")),
        *((mode, {}) for mode in ("I", "I;16", "F")),
        ("1", {"compression": "group4"}),
        ("L", {"compression": "tiff_lzw"}),
        ("LAB", {"compression": "packbits"}),
        ("RGB", {"compression": "jpeg"}),
        ("YCbCr", {"compression": "jpeg"}),
        ("RGBA", {"compression": "tiff_lzw"}),
        ("CMYK", {"compression": "tiff_adobe_deflate"}),
        ("F", {"compression": "tiff_adobe_deflate"}),
        ("RGBA", {"compression": "tiff_lzw", "strip_size": 2**30}),
    ],
    "WEBP": [
        ("RGB", {}),
        ("RGBA", {}),
        ("RGB", {"lossless": True}),
        ("RGBA", {"lossless": True, "exif": ROTATED}),
    ],
    "GIF": [("P", {}), ("L", {}), ("L", {"transparency": 230}), ("P", {"interlace": False})],
}
MODES = (
    *("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB"),
    *("HSV", "I", "I;16", "I;16B", "F"),
)


def draw(mode: str, width: int, height: int) -> Image.Image:
    """Draw a dark stroke on light paper, half of which is transparent where the mode can be so."""
    pixels = np.full((height, width), 230, np.uint8)
    pixels[height // 6 : -(height // 6), width // 2 - width // 20 : width // 2 + width // 20] = 20
    grey = Image.fromarray(pixels)
    if mode == "LAB":
        return Image.merge("LAB", [grey, grey, grey])
    if mode.startswith("I;16"):
        return Image.fromarray(
            (pixels * np.uint16(257)).astype(">u2" if mode == "I;16B" else "<u2")
        )
    if mode in ("1", "L", "I", "F"):
        return grey.convert(mode)
    if mode == "PA":
        return grey.convert("P").convert("PA")
    if mode in ("LA", "La", "RGBA", "RGBa"):
        alpha = np.full_like(pixels, 255)
        alpha[:, : width // 4] = 0
        image = grey.convert(mode.upper())
        image.putalpha(Image.fromarray(alpha))
        return image.convert(mode)
    return grey.convert("RGB").convert(mode)


def encode(image: Image.Image, format: str, **options: Any) -> bytes:
    """Return the content of an image's file."""
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def files(format: str, width: int, height: int) -> Iterator[tuple[str, bytes]]:
    """Return the name and content of a file of each kind of a format."""
    for mode, options in FILES[format]:
        name = ", ".join([f"{format} {mode}", *options])
        yield name, encode(draw(mode, width, height), format, **options)


def mutate(content: bytes, rng: np.random.Generator) -> bytes:
    """Return a file damaged as by a bad disk, a bad network or an attacker."""
    damaged = bytearray(content)
    for _ in range(1 if rng.random() < 0.5 else int(rng.integers(2, 8))):
        at = int(rng.integers(len(damaged)))
        kind = int(rng.integers(6))
        if kind == 0:
            damaged[at] = int(rng.integers(256))
        elif kind == 1:
            damaged[at] ^= 1 << int(rng.integers(8))
        elif kind == 2:
            damaged[at : at + 4] = bytes([[0, 255][int(rng.integers(2))]] * 4)
        elif kind == 3:
            del damaged[at : at + int(rng.integers(1, 20))]
        elif kind == 4:
            damaged[at:at] = rng.bytes(int(rng.integers(1, 20)))
        else:
            damaged[: min(60, len(damaged))][at % 60 : at % 60 + 1] = rng.bytes(1)
            damaged[at % min(60, len(damaged))] = int(rng.integers(256))  # mostly the header
        if len(damaged) < 10:
            break
    if rng.random() < 0.1:
        damaged = damaged[: int(rng.integers(len(damaged)))]
    return bytes(damaged)
