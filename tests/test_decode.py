"""Any image file becomes upright 8-bit grey or RGB pixels, or one clear error."""

from __future__ import annotations

import io
import os
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from digitcli.errors import ImageError
from digitcli.seeing.decode import SIGHT, decode


@pytest.fixture
def corner() -> NDArray[np.uint8]:
    """White, with a black upper left corner: tells every orientation from the others."""
    picture = np.full((40, 60), 255, np.uint8)
    picture[:10, :20] = 0
    return picture


def saved(image: Image.Image, format: str = "PNG", **options: object) -> io.BytesIO:
    file = io.BytesIO()
    image.save(file, format, **options)
    file.seek(0)
    return file


def as_grey(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return picture if picture.ndim == 2 else picture.mean(2).astype(np.uint8)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "I", "I;16", "F"])
def test_every_mode_gives_the_same_picture(mode: str, corner: NDArray[np.uint8]) -> None:
    image = Image.fromarray(corner)
    if mode in ("I", "I;16", "F"):
        numbers = {"I": np.int32, "I;16": np.uint16, "F": np.float32}[mode]
        image = Image.fromarray(corner.astype(numbers) * numbers(16))
    elif mode == "LA":
        image = image.convert("RGBA").convert("LA")
    else:
        image = image.convert(mode)
    assert image.mode == mode
    picture = decode(saved(image, "TIFF"))
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(as_grey(picture), corner)


@pytest.mark.parametrize(
    "format", ["PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "PCX", "TGA", "ICO", "DIB"]
)
def test_lossless_formats(format: str, corner: NDArray[np.uint8]) -> None:
    options = {"lossless": True} if format == "WEBP" else {}
    picture = decode(saved(Image.fromarray(corner).convert("RGB"), format, **options))
    if format == "ICO":
        assert max(picture.shape) > 0
    else:
        np.testing.assert_array_equal(as_grey(picture), corner)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int, corner: NDArray[np.uint8]) -> None:
    undo = {
        1: corner,
        2: corner[:, ::-1],
        3: corner[::-1, ::-1],
        4: corner[::-1],
        5: corner.T,
        6: corner.T[::-1],
        7: corner[::-1, ::-1].T,
        8: corner.T[:, ::-1],
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = saved(Image.fromarray(np.ascontiguousarray(undo)), "PNG", exif=exif)
    np.testing.assert_array_equal(decode(file), corner)


def test_transparency_is_white_paper(corner: NDArray[np.uint8]) -> None:
    black = np.zeros((*corner.shape, 4), np.uint8)
    black[..., 3] = 255 - corner
    np.testing.assert_array_equal(as_grey(decode(saved(Image.fromarray(black)))), corner)


@pytest.mark.parametrize("shade", [255, 249, 225])
def test_pale_strokes_on_nothing_are_seen(corner: NDArray[np.uint8], shade: int) -> None:
    white = np.full((*corner.shape, 4), shade, np.uint8)
    white[..., 3] = 255 - corner
    np.testing.assert_array_equal(as_grey(decode(saved(Image.fromarray(white)))), corner)


def test_transparent_palette_colour_is_white_paper() -> None:
    image = Image.new("P", (30, 30), 0)
    image.putpalette([0, 0, 0, 0, 0, 0])
    image.paste(1, (10, 10, 20, 20))
    picture = as_grey(decode(saved(image, "PNG", transparency=0)))
    assert picture[0, 0] == 255
    assert picture[15, 15] == 0


def test_sixteen_bits_keep_faint_ink() -> None:
    values = np.full((20, 20), 30_000, np.uint16)
    values[5:15, 9:11] = 29_900  # less than a step of 8 bits
    picture = decode(saved(Image.fromarray(values)))
    assert picture[10, 10] == 0
    assert picture[0, 0] == 255


def test_large_pictures_are_reduced(tmp_path: Path) -> None:
    for suffix in ("jpg", "png"):
        path = tmp_path / f"photo.{suffix}"
        Image.new("RGB", (4032, 3024), "white").save(path)
        height, width = decode(path).shape[:2]
        assert SIGHT <= width < 2 * SIGHT
        assert abs(width / height - 4 / 3) < 0.01


def test_more_can_be_kept_of_a_large_picture(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    Image.new("L", (4032, 3024), "white").save(path)
    assert decode(path, sight=1600).shape == (1512, 2016)


def png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [8_000, 10_000, 60_000])
def test_decompression_bombs_are_refused(side: int) -> None:
    end = b"\x00\x00\x00\x00IEND\xaeB`\x82"
    data = zlib.compress(bytes(1000))
    chunk = struct.pack(">I", len(data)) + b"IDAT" + data
    bomb = png_header(side, side) + chunk + struct.pack(">I", zlib.crc32(b"IDAT" + data)) + end
    with pytest.raises(ImageError, match=r"bomb\.png has .*pixels.*scale it down"):
        decode(io.BytesIO(bomb), "bomb.png")


def test_damaged_files_are_errors_of_one_line(corner: NDArray[np.uint8]) -> None:
    whole = saved(Image.fromarray(corner).resize((300, 200))).getvalue()
    for length in (20, 40, len(whole) // 2):
        with pytest.raises(ImageError, match=r"^x\.png is") as error:
            decode(io.BytesIO(whole[:length]), "x.png")
        assert "\n" not in str(error.value)


def test_other_files_are_errors(tmp_path: Path) -> None:
    text = tmp_path / "note.txt"
    text.write_text("seven")
    with pytest.raises(ImageError, match=r"note\.txt is not an image"):
        decode(text)
    with pytest.raises(ImageError, match="not a regular file"):
        decode(tmp_path)
    with pytest.raises(ImageError, match="cannot be read: No such file"):
        decode(tmp_path / "missing.png")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the platform has no FIFOs")
def test_fifo_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.png")
    with pytest.raises(ImageError, match="not a regular file"):
        decode(tmp_path / "fifo.png")


def test_postscript_is_never_run() -> None:
    program = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n"
    with pytest.raises(ImageError, match="is not an image that digitcli reads"):
        decode(io.BytesIO(program), "x.eps")


def test_names_in_errors_are_printable(tmp_path: Path) -> None:
    path = tmp_path / "a\x1b[31m\n.png"
    path.write_text("x")
    with pytest.raises(ImageError, match=re.escape(r"a\x1b[31m\n.png")):
        decode(path)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body), kind) + body + struct.pack(">I", zlib.crc32(kind + body))


def encoded(format: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (48, 48), "white").save(file, format)
    return file.getvalue()


def tiff_with(kind: int, values: int, times: int = 1) -> bytes:
    """Return a TIFF that has only entries of so many values each, all at the same place."""
    entries = b"".join(
        struct.pack("<HHII", 40_000 + tag, kind, values, 8) for tag in range(times)
    )  # fmt: skip
    return b"II*\0" + struct.pack("<IH", 8, times) + entries + bytes(4)


@pytest.mark.parametrize(
    "data",
    [
        encoded("PNG")[:33] + chunk(b"juNk", bytes(9_000_000)) + encoded("PNG")[33:],
        encoded("PNG")[:33] + chunk(b"tEXt", b"a\0b") * 700_000 + encoded("PNG")[33:],
        encoded("JPEG")[:2] + (b"\xff\xe1\xff\xff" + bytes(65_533)) * 140 + encoded("JPEG")[2:],
        tiff_with(1, 4_000_000_000),
        tiff_with(12, 10_000, 1000),
        b"P5\n#" + b"x" * 9_000_000 + b"\n2 1 255\n\0\xff",
    ],
    ids=["chunk", "chunks", "segments", "one tag", "tags over each other", "comment"],
)
def test_much_beside_the_pixels_is_refused_before_it_is_read(data: bytes) -> None:
    with pytest.raises(ImageError, match="scan has too much metadata"):
        decode(io.BytesIO(data), "scan")


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 3e38, -3e38])
@pytest.mark.filterwarnings("error")
def test_a_float_that_is_no_brightness_takes_no_part(value: float) -> None:
    picture = np.linspace(0.25, 1, 2500, dtype=np.float32).reshape(50, 50)
    whole = decode(saved(Image.fromarray(picture), "TIFF"))
    picture[7, 9] = value
    holed = decode(saved(Image.fromarray(picture), "TIFF")).copy()
    assert holed[7, 9] == (0 if value < 0 else 255)
    holed[7, 9] = whole[7, 9]
    np.testing.assert_array_equal(holed, whole)
    picture[:] = value
    assert not decode(saved(Image.fromarray(picture), "TIFF")).any()


def test_a_picture_may_be_much_wider_than_tall() -> None:
    for format in ("PNG", "JPEG"):
        assert decode(saved(Image.new("L", (5121, 8), 255), format)).max() == 255


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_metadata_that_cannot_be_read_hide_no_picture(
    format: str, corner: NDArray[np.uint8]
) -> None:
    """Only the orientation is looked for in them."""
    junk = b"Exif\0\0" + bytes(range(200))
    options = {"lossless": True} if format == "WEBP" else {}
    file = saved(Image.fromarray(corner).convert("RGB"), format, exif=junk, **options)
    assert np.abs(as_grey(decode(file)).astype(int) - corner).max() < 40


def test_avif_is_known_by_its_other_brands_too() -> None:
    file = saved(Image.new("RGB", (48, 40), "white"), "AVIF").getvalue()
    begin = b"ftypavif\0\0\0\0avifmif1"
    assert begin in file
    for brand in (b"mif1", b"msf1"):
        other = file.replace(begin, b"ftyp" + brand + b"\0\0\0\0" + brand + b"avif")
        assert decode(io.BytesIO(other)).shape[:2] == (40, 48)
    heic = file.replace(begin, b"ftypmif1\0\0\0\0mif1heic")
    with pytest.raises(ImageError, match="is not an image that digitcli reads"):
        decode(io.BytesIO(heic))


class Counting(io.BytesIO):
    """Counts how often it is read from."""

    reads = 0

    def read(self, size: int | None = -1) -> bytes:
        self.reads += 1
        return super().read(size)


@pytest.mark.parametrize("nothing", [b"\0", b" ", b"\xff\xd8"], ids=["zeros", "spaces", "markers"])
@pytest.mark.parametrize(
    "start",
    [
        b"\xff\xd8\xff",
        encoded("JPEG")[:20],
        b"GIF89a",
        encoded("GIF")[: 13 + 6],
    ],
    ids=["JPEG's first bytes", "JPEG's first segment", "GIF's first bytes", "GIF's palette"],
)
def test_a_file_that_is_nearly_all_hole_is_not_read_through(start: bytes, nothing: bytes) -> None:
    file = Counting(start + nothing * (2_000_000 // len(nothing)))
    with pytest.raises(ImageError, match="scan has too much metadata"):
        decode(file, "scan")
    assert file.reads < 200_000


def test_a_hole_before_the_pixels_is_none_that_pictures_have() -> None:
    whole = encoded("JPEG")
    assert decode(io.BytesIO(whole[:20] + bytes(1000) + whole[20:])).shape[:2] == (48, 48)
    with pytest.raises(ImageError, match="scan has too much metadata"):
        decode(io.BytesIO(whole[:20] + bytes(1_000_000) + whole[20:]), "scan")


@pytest.mark.parametrize(
    "data",
    [
        encoded("JPEG")[:2] + b"\xff\xfe\0\3a" * 500_000 + encoded("JPEG")[2:],
        encoded("PNG")[:33] + chunk(b"juNk", b"") * 200_000 + encoded("PNG")[33:],
        encoded("GIF")[:19] + b"!\xfe\1a\0" * 200_000 + encoded("GIF")[19:],
    ],
    ids=["JPEG", "PNG", "GIF"],
)
def test_many_small_pieces_are_refused(data: bytes) -> None:
    with pytest.raises(ImageError, match="scan has too much metadata"):
        decode(io.BytesIO(data), "scan")


def test_what_pictures_commonly_have_beside_their_pixels_is_none_too_much() -> None:
    for format, start in (("PNG", 33), ("JPEG", 2)):
        whole = encoded(format)
        more = chunk(b"juNk", bytes(7_000_000))
        if format == "JPEG":
            more = (b"\xff\xe2\xff\xff" + bytes(65_533)) * 100
        after = bytes(3_000_000)  # what follows the end counts for nothing
        assert decode(io.BytesIO(whole[:start] + more + whole[start:] + after)).shape[:2] == (
            48,
            48,
        )
    assert decode(io.BytesIO(b"P5 # a comment\n2 1 255\n\0\xff")).tolist() == [[0, 255]]


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP", "AVIF", "GIF", "BMP"])
def test_a_file_of_holes_is_not_read(tmp_path: Path, format: str) -> None:
    path = tmp_path / "hole"
    with path.open("wb") as file:
        file.write(encoded(format))
        try:
            file.truncate(2**36)
        except OSError:
            pytest.skip("a file system without holes")
    with pytest.raises(ImageError, match="65,536 MiB"):
        decode(path)


def test_what_pillow_grumbles_about_is_not_shown() -> None:
    code = (
        "from io import BytesIO; from digitcli.seeing.decode import decode\n"
        f"decode(BytesIO({icon_of_another_size()!r}))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")


def icon_of_another_size() -> bytes:
    picture = encoded("PNG")
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, 32, 32, 0, 0, 1, 32, len(picture), 22) + picture
