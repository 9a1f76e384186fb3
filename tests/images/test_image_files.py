"""Reading image files: every format, and what becomes of broken and hostile ones."""

import io
import os
import struct
import threading
import tracemalloc
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile

from sk_digits import DigitImageNormalizer, ImageFileError
from sk_digits._images.image_files import FORMATS, read_image

SIZE = (40, 30)  # width, height


def draw(mode="RGB"):
    """Draw a dark stroke on light paper."""
    pixels = np.full(SIZE[::-1], 230, np.uint8)
    pixels[5:25, 18:22] = 20
    return Image.fromarray(pixels).convert(mode)


def encode(image, format, **options):
    """Give the bytes of an image's file."""
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def png_chunk(kind, body):
    """Give a chunk of a PNG file."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_that_claims(width, height):
    """Give a small PNG file whose header claims a size."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    data = png_chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + header + data + png_chunk(b"IEND", b"")


# What is read


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_is_read_from_path_bytes_stream_and_image(format, tmp_path):
    """The four kinds of sources give the same pixels, close to those that were drawn."""
    content = encode(draw(), format)
    path = tmp_path / "image"  # by content, not by ending
    path.write_bytes(content)
    first = read_image(path)
    np.testing.assert_allclose(first.reshape(30, 40, -1)[..., :3].mean(axis=2), draw("L"), atol=25)
    for source in (str(path), content, io.BytesIO(content), Image.open(io.BytesIO(content))):
        np.testing.assert_array_equal(read_image(source), first)


@pytest.mark.parametrize(
    ("mode", "format", "shape", "dtype"),
    [
        ("1", "PNG", (30, 40), np.uint8),
        ("L", "PNG", (30, 40), np.uint8),
        ("P", "PNG", (30, 40, 3), np.uint8),
        ("LA", "PNG", (30, 40, 4), np.uint8),
        ("RGBA", "PNG", (30, 40, 4), np.uint8),
        ("CMYK", "JPEG", (30, 40, 3), np.uint8),
        ("YCbCr", "JPEG", (30, 40, 3), np.uint8),
        ("LAB", "TIFF", (30, 40), np.uint8),
        ("I;16", "PNG", (30, 40), np.uint16),
        ("I", "TIFF", (30, 40), np.int32),
        ("F", "TIFF", (30, 40), np.float32),
    ],
)
def test_every_mode_becomes_grey_rgb_or_rgba(mode, format, shape, dtype):
    """Also those that Pillow cannot turn into RGB; the stroke stays darker than the paper."""
    grey = draw("L")
    if mode == "LAB":
        image = Image.merge("LAB", [grey, grey, grey])
    elif mode == "I;16":
        image = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    else:
        image = draw().convert("L" if mode in "IF" else "RGB").convert(mode)
    pixels = read_image(encode(image, format))
    assert pixels.shape == shape
    assert pixels.dtype == dtype
    lightness = pixels.reshape(30, 40, -1)[..., :3].mean(axis=2)
    assert lightness[15, 20] < 0.5 * lightness[15, 5]


def test_a_16_bit_image_keeps_its_16_bits():
    """Neighbouring values stay apart."""
    values = np.arange(1200, dtype=np.uint16).reshape(30, 40) + 30_000
    np.testing.assert_array_equal(read_image(encode(Image.fromarray(values), "PNG")), values)


def test_transparency_of_a_palette_is_kept():
    """A transparent colour becomes alpha."""
    image = draw("L").convert("P")
    paper = image.getpixel((0, 0))
    pixels = read_image(encode(image, "GIF", transparency=paper))
    assert pixels.shape == (30, 40, 4)
    assert pixels[0, 0, 3] == 0
    assert pixels[15, 20, 3] == 255


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_honoured(orientation):
    """Whatever way a camera stored it, the picture comes out upright."""
    upright = Image.fromarray(np.arange(1200, dtype=np.uint8).reshape(30, 40))
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    np.testing.assert_array_equal(read_image(encode(stored, "PNG", exif=exif)), upright)


@pytest.mark.parametrize("format", ["GIF", "TIFF", "WEBP", "PNG"])
def test_only_the_first_frame_is_read(format):
    """An animation or a document of many pages is its first image."""
    frames = [Image.new("RGB", SIZE, colour) for colour in ("red", "blue")]
    options = {"lossless": True} if format == "WEBP" else {}
    content = encode(frames[0], format, save_all=True, append_images=frames[1:], **options)
    np.testing.assert_array_equal(read_image(content)[..., :3], np.array(frames[0]))


# What is refused


@pytest.mark.parametrize("format", ["PPM", "ICO", "TGA", "PCX", "EPS"])
def test_other_formats_are_refused(format):
    """A decoder that is not on the list never sees a stranger's bytes."""
    with pytest.raises(ImageFileError, match="not an image in one of the formats PNG, JPEG"):
        read_image(encode(draw(), format))


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"no image at all", bytes(1000)])
def test_what_is_no_image_is_an_error_with_its_name(content, tmp_path):
    """The message has the file's name and what to do, and the cause is kept."""
    path = tmp_path / "holiday.png"
    path.write_bytes(content)
    with pytest.raises(ImageFileError, match=r"holiday\.png.*Save") as caught:
        read_image(path)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_that_is_cut_short_is_an_error(format):
    """It is never read as if the rest were there."""
    rng = np.random.default_rng(0)
    content = encode(Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)), format)
    with pytest.raises(ImageFileError):
        read_image(content[: len(content) // 2])


def test_too_many_pixels_are_refused_before_they_are_decoded():
    """A file of 100 bytes that claims 39,999 x 39,999 pixels takes no memory and says why."""
    content = png_that_claims(39_999, 39_999)
    tracemalloc.start()
    try:
        with pytest.raises(ImageFileError, match="too large"):
            read_image(content)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    for claimed, allowed in [((30, 40), 1199), ((9_500, 9_500), 40_000_000)]:
        with pytest.raises(ImageFileError, match=f"{claimed[0]} x .*max_pixels={allowed}"):
            read_image(png_that_claims(*claimed), max_pixels=allowed)


def test_pixels_of_an_opened_image_are_counted_too():
    """An image from Pillow is held to the same limit."""
    assert read_image(draw(), max_pixels=1200).shape == (30, 40, 3)
    with pytest.raises(ImageFileError, match="max_pixels=1199"):
        read_image(draw(), max_pixels=1199)


def test_what_cannot_be_opened_stays_an_oserror(tmp_path):
    """A missing file and a folder are the caller's slips, not broken images."""
    with pytest.raises(FileNotFoundError):
        read_image(tmp_path / "missing.png")
    with pytest.raises(IsADirectoryError):
        read_image(tmp_path)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    """Opening a named pipe would wait for a writer for ever."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(ImageFileError, match="not a regular file"):
        read_image(path)


def test_other_types_are_a_typeerror():
    """A number is no image."""
    with pytest.raises(TypeError, match="int given is not an image"):
        read_image(3)


def test_global_state_is_left_alone():
    """Neither Pillow's limits nor the filters of warnings move, whatever is read."""
    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters)
    read_image(encode(draw(), "PNG"))
    with pytest.raises(ImageFileError):
        read_image(png_that_claims(9_800, 9_800))  # beyond what Pillow warns of
    after = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters)
    assert after == before


def test_threads_read_side_by_side():
    """Four threads that read good and broken files leave the filters of warnings alone."""
    good, broken, before = encode(draw(), "PNG"), png_that_claims(9_800, 9_800), warnings.filters[:]
    shapes = []

    def work():
        for _ in range(20):
            shapes.append(read_image(good).shape)
            try:
                read_image(broken)
            except ImageFileError:
                shapes.append(None)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (shapes.count((30, 40, 3)), shapes.count(None)) == (80, 80)
    assert warnings.filters == before


def test_the_normalizer_names_image_and_file(tmp_path):
    """In a list of many, the message says which."""
    (tmp_path / "good.png").write_bytes(encode(draw(), "PNG"))
    (tmp_path / "bad.png").write_bytes(b"bad")
    paths = [tmp_path / "good.png", tmp_path / "bad.png"]
    with pytest.raises(ImageFileError, match=r"Image 1: .*bad\.png"):
        DigitImageNormalizer().transform(paths)


# Mutated files


def mutate(content, rng):
    """Damage a file as bad disks, bad networks and bad people do."""
    damaged = bytearray(content)
    for _ in range(int(rng.integers(1, 8))):
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


def seeds(format):
    """Give files of one format, of several kinds."""
    kinds = {
        "PNG": [("RGB", {}), ("P", {}), ("LA", {}), ("1", {}), ("I;16", {})],
        "JPEG": [("RGB", {}), ("L", {"progressive": True}), ("CMYK", {})],
        "BMP": [("RGB", {}), ("P", {}), ("1", {})],
        "TIFF": [
            ("RGB", {}),
            ("L", {"compression": "tiff_lzw"}),
            ("CMYK", {"compression": "tiff_adobe_deflate"}),
            ("1", {"compression": "group4"}),
            ("F", {}),
        ],
        "WEBP": [("RGB", {}), ("RGBA", {"lossless": True})],
        "GIF": [("P", {}), ("L", {"transparency": 20})],
    }
    for mode, options in kinds[format]:
        image = draw("L").convert("RGB" if mode == "CMYK" else "L")
        image = Image.fromarray(np.asarray(image) * np.uint16(257)) if mode == "I;16" else image
        image = image if mode == "I;16" else image.convert(mode)
        yield encode(image, format, **options)


@pytest.mark.parametrize("format", FORMATS)
def test_a_mutated_file_is_an_array_or_an_imagefileerror(format):
    """300 damaged files of each format: no other exception, no warning, no runaway memory."""
    rng = np.random.default_rng(0)
    files = list(seeds(format))
    read = 0
    for i in range(300):
        try:
            pixels = read_image(mutate(files[i % len(files)], rng), max_pixels=1_000_000)
        except ImageFileError:
            continue
        read += 1
        assert pixels.ndim in (2, 3)
        assert 0 < pixels.shape[0] * pixels.shape[1] <= 1_000_000
    assert 0 < read < 300  # some damage is harmless and some is not
