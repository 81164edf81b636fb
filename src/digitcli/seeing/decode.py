"""Any image, in a file or in memory, to an array of 8-bit grey or RGB pixels.

The formats are an explicit list, the size is bounded before a pixel is decoded, and whatever a
damaged file makes Pillow raise ends in one :class:`ImageError`.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import struct
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from digitcli.errors import NO_FILES_LEFT, ImageError
from digitcli.paths import printable
from digitcli.seeing.frames import AnyFile, Page, page_named
from digitcli.seeing.metadata import MAX_METADATA, has_much_metadata
from digitcli.seeing.tiff import find_pages, from_page, tag_bytes

Picture = NDArray[np.uint8]
"""Pixels of shape (height, width), grey, or (height, width, 3), RGB."""

AnyImage = str | Path | BinaryIO | bytes | bytearray | Page | NDArray[np.uint8] | Image.Image
"""What an image may come as: a path, a binary file, what is in one, a page of a TIFF file, pixels,
a Pillow image."""

FORMATS = {
    "PNG": ("Png", rb"\x89PNG"),
    "JPEG": ("Jpeg", rb"\xff\xd8\xff"),
    "GIF": ("Gif", rb"GIF8"),
    "BMP": ("Bmp", rb"BM"),
    "TIFF": ("Tiff", rb"II[*+]\0|MM\0[*+]"),
    "WEBP": ("WebP", rb"RIFF....WEBP"),
    "AVIF": ("Avif", rb"....ftyp(?:avi[fs]|m[is]f1)"),
    "JPEG2000": ("Jpeg2K", rb"\xff\x4f\xff\x51|\0\0\0\x0cjP"),
    "PPM": ("Ppm", rb"P[1-6fF]"),
    "ICO": ("Ico", rb"\0\0\x01\0"),
    "PCX": ("Pcx", rb"\n[\0\2\3\5]"),
    "DIB": ("Bmp", rb"[\x0c\x28\x40\x6c\x7c]\0\0\0"),
    "TGA": ("Tga", rb".[\0\1][\1-\3\x09-\x0b]"),
}
"""The formats that are decoded: Pillow's module for each, and how its files begin."""

PALE = 224
"""Strokes on nothing that are as bright as this were meant for dark paper."""
SIGHT = 640
"""Pixels on the longer side that are enough to see a single digit."""

MISSING = 1e30
"""Floats from here on are no brightness: the values that stand for no data are larger."""

MAX_PIXELS = 50_000_000
"""Largest picture that is decoded, after the reduction a JPEG decoder does by itself.

It keeps every picture within 512 MB of memory, the program's own 60 MB included.
"""

MAX_PIXELS_OF = {"JPEG2000": 16_000_000, "WEBP": 24_000_000}
"""The same for decoders that hold the picture several times."""

MAX_BYTES = 144 << 20
"""Largest file that is decoded: the pixels of the largest picture as plain RGB."""

MAX_BYTES_OF = {"WEBP": 48 << 20, "AVIF": 48 << 20, "JPEG2000": 48 << 20, "GIF": 32 << 20}
"""The same for decoders that hold the file in memory."""

_MAX_PLAIN_PPM = 16 << 20  # numbers in ASCII are decoded slowly

ORIENTATION = 0x0112  # the EXIF tag
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_PIECE = 1 << 20

# What Pillow grumbles about, the answer or the error tells; it would break "a line each".
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

# MAX_PIXELS is stricter than the size Pillow warns about, and counts after a JPEG's reduction
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def decode(image: AnyImage, name: str | None = None, *, sight: int = SIGHT) -> Picture:
    """Decode the first frame of an image, upright and reduced if it is large.

    Parameters
    ----------
    image : str, Path, binary file object, bytes, ndarray of uint8 or Pillow image
        A path must lead to a regular file, or to a page of one, as in ``two.tif[2]``; an array has
        the shape (height, width), grey, or (height, width, 3), RGB; of a Pillow image of several
        frames, the one it stands at counts.
    name : str, optional
        What error messages call the image; the path by default.
    sight : int
        The picture is reduced by a whole factor as long as its longer side keeps this many pixels.

    Returns
    -------
    ndarray of uint8, shape (height, width) or (height, width, 3)
        Grey or RGB pixels. Transparent parts are white. The values of 16-bit, 32-bit and float
        pictures are stretched to the full range, since their black and white are not known.

    Raises
    ------
    ImageError
        If the file cannot be read, is not an image of a known format, is damaged or too large, or
        the array is none of an image.
    """
    name = name_of(image, name)
    try:
        if isinstance(image, np.ndarray):
            image = _from_array(image, name)
        if isinstance(image, Image.Image):
            _check_size(image.size, MAX_PIXELS, name)
            image.load()
            # A copy: it is flattened in place, and the caller's image stays as it is.
            return _flat_pixels(image.copy(), _orientation(image), sight)
        with _opened(image, name) as opened:
            return _pixels(opened, name, sight)
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError(
            f"{name} is not an image that digitcli reads; save it as PNG or JPEG"
        ) from None
    except OSError as error:
        if error.strerror is None:  # Pillow's own: a damaged file, not a failing system call
            raise _damaged(name, error) from error
        if error.errno in (errno.EMFILE, errno.ENFILE):
            raise ImageError(f"{name} cannot be read: {NO_FILES_LEFT}") from error
        raise ImageError(f"{name} cannot be read: {error.strerror}; check the path") from error
    except Image.DecompressionBombError:
        raise ImageError(f"{name} has too many pixels; scale it down") from None
    except MemoryError:
        raise ImageError(f"{name} does not fit into memory; scale it down") from None
    except Exception as error:
        # damaged files make Pillow's parsers raise nearly anything: struct.error, KeyError, …
        raise _damaged(name, error) from error


def name_of(image: AnyImage, name: str | None = None) -> str:
    """Return what error messages call an image: `name`, its path, or “the image”."""
    if name is not None:
        return name
    return printable(str(image)) if isinstance(image, (str, Path)) else "the image"


def upright_size(image: AnyImage) -> tuple[int, int]:
    """Width and height of an image that `decode` has read, before it was reduced."""
    if isinstance(image, np.ndarray):
        return image.shape[1], image.shape[0]
    if isinstance(image, Image.Image):
        return _upright_size(image)
    with _opened(image, name_of(image)) as opened:
        return _upright_size(opened)


def _upright_size(image: Image.Image) -> tuple[int, int]:
    turned = image.format != "TIFF" and _orientation(image) >= 5  # Pillow turns TIFF itself
    return image.size[::-1] if turned else image.size


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:  # of metadata, nothing but this is needed
        return 1


def _damaged(name: str, error: Exception) -> ImageError:
    reason = printable(str(error)) or type(error).__name__
    return ImageError(f"{name} is damaged ({reason}); save the image again")


def _from_array(pixels: NDArray[np.uint8], name: str) -> Image.Image:
    """Return pixels as a Pillow image, which shares their memory where it can."""
    shaped = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)
    if pixels.dtype != np.uint8 or not shaped or not pixels.size:
        raise ImageError(
            f"{name} is an array of {pixels.dtype} of shape {pixels.shape}; "
            "give one of uint8 of shape (height, width), grey, or (height, width, 3), RGB"
        )
    return Image.fromarray(pixels)


@contextmanager
def _opened(image: str | Path | AnyFile | Page, name: str) -> Iterator[Image.Image]:
    """Read the header with the decoder of the one format that the file begins like."""
    file, number = page_named(image)
    if isinstance(file, (bytes, bytearray)):
        file = BytesIO(file)
    with _begun(file, name) as begun:
        format = _format(begun, name)
        page = _at_page(begun, number, name) if format == "TIFF" else None
        import_module(f"PIL.{FORMATS[format][0]}ImagePlugin")
        with Image.open(page or file, formats=(format,)) as opened:
            yield opened


def _begun(file: str | Path | BinaryIO, name: str) -> AbstractContextManager[BinaryIO]:
    """Return a file at its beginning; one at a path is opened."""
    if isinstance(file, (str, Path)):
        if not stat.S_ISREG(Path(file).stat().st_mode):  # a FIFO would block
            raise ImageError(f"{name} is not a regular file; give the path of an image")
        return open(file, "rb")
    if not hasattr(file, "seek"):
        raise ImageError(
            f"{name} is a {type(file).__name__}; give a path, a binary file, bytes, "
            "a NumPy array or a Pillow image"
        )
    file.seek(0)
    return nullcontext(file)


def _at_page(file: BinaryIO, number: int, name: str) -> BinaryIO | None:
    """Return a TIFF file as if it began with a page; None says that it does."""
    pages = find_pages(file)
    if number > len(pages.places):
        raise ImageError(f"{name} has no such page; the last one is {len(pages.places)}")
    place = pages.places[number - 1]
    if place == pages.first:
        return None
    page = from_page(file, place)
    if tag_bytes(page) > MAX_METADATA:
        raise _too_much_metadata(name)
    return page


def _too_much_metadata(name: str) -> ImageError:
    return ImageError(f"{name} has too much metadata; save the image again without it")


def _format(file: BinaryIO, name: str) -> str:
    """Return the format that a file begins like, if its size and that of its parts allow."""
    start = file.read(16)
    formats = (key for key, (_, begin) in FORMATS.items() if re.match(begin, start, re.DOTALL))
    format = next(formats, None)
    if format is None:
        raise UnidentifiedImageError
    size = file.seek(0, os.SEEK_END)
    most = MAX_BYTES_OF.get(format, MAX_BYTES)
    if format == "PPM" and start[1:2] in b"123":
        most = _MAX_PLAIN_PPM
    if size > most:
        raise ImageError(
            f"{name} has {size >> 20:,} MiB, more than digitcli decodes; scale it down"
        )
    if has_much_metadata(file, format, size):
        raise _too_much_metadata(name)
    return format


def _pixels(image: Image.Image, name: str, sight: int) -> Picture:
    """Decode and bring to upright pixels of grey or RGB, fewer if there are many."""
    width, height = _icon_size(image) if image.format == "ICO" else image.size
    if image.format in ("JPEG", "MPO"):
        # the decoder leaves out high frequencies: a 12-megapixel photo takes a sixth of the time
        whole = _has_several_scans(image)
        share = sight / max(image.size)
        enough = max(1, int(image.width * share)), max(1, int(image.height * share))
        image.draft(None, enough)
        if not whole:
            width, height = image.size
    _check_size((width, height), MAX_PIXELS_OF.get(image.format or "", MAX_PIXELS), name)
    image.load()
    return _flat_pixels(image, _orientation(image), sight)


def _check_size(size: tuple[int, int], most: int, name: str) -> None:
    width, height = size
    if width * height > most:
        raise ImageError(
            f"{name} has {width}×{height} pixels, more than digitcli decodes; scale it down"
        )


def _flat_pixels(image: Image.Image, orientation: int, sight: int) -> Picture:
    """Reduce, flatten and turn upright an image that was decoded; its own pixels may get lost."""
    image = _reduce(_flatten(image, sight), sight)
    if orientation in UPRIGHT:
        image = image.transpose(UPRIGHT[orientation])
    return np.asarray(image)


def _has_several_scans(image: Image.Image) -> bool:
    """Whether a JPEG has to be held whole before its first row is known; if in doubt, it has."""
    if "progressive" in image.info:
        return True
    file, layers = image.fp, image.layers  # type: ignore[attr-defined]
    at = file.tell()
    file.seek(2)
    try:
        while True:
            start, marker, length = struct.unpack(">BBH", file.read(4))
            if start != 0xFF or marker < 0xC0 or 0xD0 <= marker <= 0xD9:
                return True
            if marker == 0xDA:  # the header of the first scan
                return (length, *file.read(1)) != (6 + 2 * layers, layers)
            if marker == 0xFF:  # fills up
                file.seek(-3, 1)
            else:
                file.seek(length - 2, 1)
    except struct.error:
        return True
    finally:
        file.seek(at)


def _icon_size(image: Image.Image) -> tuple[int, int]:
    """Return the size of the picture inside an icon, which the icon itself need not tell."""
    icons = image.ico  # type: ignore[attr-defined]
    icons.buf.seek(icons.entry[icons.getentryindex(image.size)].offset)
    head = icons.buf.read(24)
    if head.startswith(b"\x89PNG"):
        return struct.unpack(">II", head[16:24])
    width, height = struct.unpack_from("<HH" if head[0] == 12 else "<ii", head, 4)
    return width, abs(height)


def _flatten(image: Image.Image, sight: int) -> Image.Image:
    """Bring every mode to L or RGB."""
    mode = image.mode
    if mode in ("L", "RGB") and "transparency" not in image.info:
        return image
    if mode == "1":
        return image.convert("L")
    if mode.startswith("I") or mode == "F":
        return _stretch(image)
    if "transparency" in image.info or mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        opened, image = image, image.convert("RGBA")
        opened.close()  # large pixels should not be there twice when they are reduced
        return _on_white(_reduce(image, sight))
    if mode == "LAB":
        return image.getchannel("L")
    return image.convert("RGB")


def _reduce(image: Image.Image, sight: int) -> Image.Image:
    factor = max(image.size) // sight
    return image.reduce(factor) if factor > 1 else image


def _stretch(image: Image.Image) -> Image.Image:
    """Map the range of values that occur to 0…255, piece by piece, as floats take much room.

    What is no number, or beyond `MISSING`, stands for a pixel that is missing: it counts for
    nothing, and becomes black if it is negative and else white.
    """
    width = min(image.width, _PIECE)
    height = _PIECE // width
    corners = [
        (left, top, min(left + width, image.width), min(top + height, image.height))
        for top in range(0, image.height, height)
        for left in range(0, image.width, width)
    ]

    def values(box: tuple[int, int, int, int]) -> NDArray[np.float32]:
        piece = np.asarray(image if len(corners) == 1 else image.crop(box), np.float32)
        return np.where(np.isnan(piece), np.float32(np.inf), piece)

    def known(box: tuple[int, int, int, int]) -> tuple[float, float]:
        piece = values(box)
        there = piece[np.abs(piece) < MISSING]
        return (float(there.min()), float(there.max())) if there.size else (np.inf, -np.inf)

    lows, highs = zip(*map(known, corners), strict=True)
    low, high = (min(lows), max(highs)) if min(lows) <= max(highs) else (0.0, 0.0)
    scale = 255 / (high - low) if high > low else 0.0
    stretched = np.empty(image.size[::-1], np.uint8)
    for box in corners:
        left, top, right, bottom = box
        stretched[top:bottom, left:right] = (np.clip(values(box), low, high) - low) * scale
    return Image.fromarray(stretched)


def _on_white(image: Image.Image) -> Image.Image:
    """Lay an RGBA image on white paper; pale strokes on nothing become black strokes on it."""
    paper = Image.new("RGBA", image.size, "white")
    paper.alpha_composite(image)
    flat = paper.convert("RGB")
    if np.min(flat.getextrema()) >= PALE:
        return Image.eval(image.getchannel("A"), lambda alpha: 255 - alpha)
    return flat
