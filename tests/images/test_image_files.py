"""Image files of every format are read, and broken and hostile ones are refused."""

import io
import os
import struct
import threading
import tracemalloc
import warnings
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageFile
from support import picture_files
from support.picture_files import encode, mutate

from sk_digits import DigitImageNormalizer, ImageFileError
from sk_digits._images import image_files
from sk_digits._images.image_files import FORMATS, read_image, readable_formats

SIZE = (40, 30)  # width, height


def draw(mode="RGB"):
    """Draw a dark stroke on light paper."""
    return picture_files.draw(mode, *SIZE)


def png_chunk(kind, body):
    """Return a chunk of a PNG file."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_that_claims(width, height):
    """Return a small PNG file whose header claims a size."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    data = png_chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + header + data + png_chunk(b"IEND", b"")


# What is read


@pytest.mark.parametrize("format", [*FORMATS, "AVIF", "HEIF"])
def test_every_format_is_read_from_path_bytes_stream_and_image(format, tmp_path):
    """The four kinds of sources give the same pixels, close to those drawn."""
    assert format in readable_formats()
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
    """Modes that Pillow cannot convert to RGB do, too; the stroke is darker than the paper."""
    pixels = read_image(encode(draw(mode), format))
    assert pixels.shape == shape
    assert pixels.dtype == dtype
    lightness = pixels.reshape(30, 40, -1)[..., :3].mean(axis=2)
    assert lightness[15, 20] < 0.5 * lightness[15, 5]


def test_a_16_bit_image_keeps_its_16_bits():
    """No two values become one."""
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
    """A picture is upright, however a camera stored it."""
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
    """Of an animation or a document of many pages the rest is ignored."""
    frames = [Image.new("RGB", SIZE, colour) for colour in ("red", "blue")]
    options = {"lossless": True} if format == "WEBP" else {}
    content = encode(frames[0], format, save_all=True, append_images=frames[1:], **options)
    np.testing.assert_array_equal(read_image(content)[..., :3], np.array(frames[0]))


# What is refused


@pytest.mark.parametrize(
    ("format", "advice"), [("HEIF", r"HEIC or HEIF .*sk-digits\[heif\]"), ("AVIF", "AVIF .*Pillow")]
)
def test_a_format_that_pillow_lacks_here_is_named(format, advice, monkeypatch):
    """The message says what the file is and what to do."""
    content = encode(draw(), format)
    monkeypatch.setattr(image_files, "readable_formats", lambda: FORMATS)
    with pytest.raises(ImageFileError, match=advice):
        read_image(content)


@pytest.mark.parametrize("format", ["PPM", "ICO", "TGA", "PCX", "EPS"])
def test_other_formats_are_refused(format):
    """Bytes of strangers reach no other decoder."""
    with pytest.raises(ImageFileError, match="not an image in one of the formats PNG, JPEG"):
        read_image(encode(draw(), format))


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"no image at all", bytes(1000)])
def test_what_is_no_image_is_an_error_with_its_name(content, tmp_path):
    """The message has the name of the file and what to do; the cause is kept."""
    path = tmp_path / "holiday.png"
    path.write_bytes(content)
    with pytest.raises(ImageFileError, match=r"holiday\.png.*Save") as caught:
        read_image(path)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_that_is_cut_short_is_an_error(format):
    """What is missing is not filled in."""
    rng = np.random.default_rng(0)
    content = encode(Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)), format)
    with pytest.raises(ImageFileError):
        read_image(content[: len(content) // 2])


def test_too_many_pixels_are_refused_before_they_are_decoded():
    """A file of 100 bytes that claims 39,999 x 39,999 pixels takes no memory."""
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
    """The same limit holds for an image from Pillow."""
    assert read_image(draw(), max_pixels=1200).shape == (30, 40, 3)
    with pytest.raises(ImageFileError, match="max_pixels=1199"):
        read_image(draw(), max_pixels=1199)


def test_tiles_that_are_larger_than_the_image_are_refused():
    """A decoder would make room for a whole tile, however small the image is."""
    file = io.BytesIO()
    tifffile.imwrite(file, np.asarray(draw("L")), tile=(2048, 2048), compression="zlib")
    np.testing.assert_array_equal(read_image(file), draw("L"))
    with pytest.raises(ImageFileError, match=r"tiles of 4194304 pixels, .* smaller tiles"):
        read_image(file, max_pixels=10_000)


def test_a_picture_of_nan_is_an_error_that_names_the_file():
    """TIFF can store it."""
    content = encode(Image.fromarray(np.full((30, 40), np.nan, np.float32)), "TIFF")
    with pytest.raises(ImageFileError, match=r"bytes given cannot be read: .* NaN or infinity"):
        DigitImageNormalizer().transform([content])


def test_what_cannot_be_opened_stays_an_oserror(tmp_path):
    """A missing file and a folder are not broken images."""
    with pytest.raises(FileNotFoundError):
        read_image(tmp_path / "missing.png")
    with pytest.raises(IsADirectoryError):
        read_image(tmp_path)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    """Opening a named pipe would wait forever for a writer."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(ImageFileError, match="not a regular file"):
        read_image(path)


def test_other_types_are_a_typeerror():
    """A number is no image."""
    with pytest.raises(TypeError, match="int given is not an image"):
        read_image(3)


def test_global_state_is_left_alone():
    """Neither Pillow's limits nor the warning filters change, whatever is read."""
    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters)
    read_image(encode(draw(), "PNG"))
    with pytest.raises(ImageFileError):
        read_image(png_that_claims(9_800, 9_800))  # beyond what Pillow warns of
    after = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters)
    assert after == before


def test_threads_read_side_by_side():
    """Four threads that read good and broken files do not change the warning filters."""
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
    """The message says which of many images it is."""
    (tmp_path / "good.png").write_bytes(encode(draw(), "PNG"))
    (tmp_path / "bad.png").write_bytes(b"bad")
    paths = [tmp_path / "good.png", tmp_path / "bad.png"]
    with pytest.raises(ImageFileError, match=r"Image 1: .*bad\.png"):
        DigitImageNormalizer().transform(paths)


# Mutated files


@pytest.mark.parametrize("format", FORMATS)
def test_a_mutated_file_is_an_array_or_an_imagefileerror(format):
    """Of 300 damaged files none raises another exception or a warning, or exceeds max_pixels."""
    rng = np.random.default_rng(0)
    files = [content for _, content in picture_files.files(format, *SIZE)]
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
