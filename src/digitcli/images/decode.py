"""Any image file to an array of 8-bit grey or RGB pixels.

The formats are an explicit list, the size is bounded before a pixel is decoded, and whatever a
damaged file makes Pillow raise ends in one :class:`ImageError`.
"""

from __future__ import annotations

import contextlib
import re
import stat
import warnings
from importlib import import_module
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from digitcli.errors import ImageError
from digitcli.paths import printable

Picture = NDArray[np.uint8]
"""Pixels of shape (height, width), grey, or (height, width, 3), RGB."""

FORMATS = {
    "PNG": ("Png", rb"\x89PNG"),
    "JPEG": ("Jpeg", rb"\xff\xd8\xff"),
    "GIF": ("Gif", rb"GIF8"),
    "BMP": ("Bmp", rb"BM"),
    "TIFF": ("Tiff", rb"II[*+]\0|MM\0[*+]"),
    "WEBP": ("WebP", rb"RIFF....WEBP"),
    "AVIF": ("Avif", rb"....ftypavi[fs]"),
    "JPEG2000": ("Jpeg2K", rb"\xff\x4f\xff\x51|\0\0\0\x0cjP"),
    "PPM": ("Ppm", rb"P[1-6fF]"),
    "ICO": ("Ico", rb"\0\0\x01\0"),
    "PCX": ("Pcx", rb"\n[\0\2\3\5]"),
    "DIB": ("Bmp", rb"[\x0c\x28\x40\x6c\x7c]\0\0\0"),
    "TGA": ("Tga", rb".[\0\1][\1-\3\x09-\x0b]"),
}
"""The formats that are decoded: Pillow's module for each, and how its files begin."""

SIGHT = 640
"""Pixels on the longer side that are enough to see a single digit."""

MAX_PIXELS = 50_000_000
"""Largest picture that is decoded, after the reduction a JPEG decoder does by itself."""

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

# MAX_PIXELS is stricter than the size Pillow warns about, and counts after a JPEG's reduction
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def decode(file: str | Path | BinaryIO, name: str | None = None, *, sight: int = SIGHT) -> Picture:
    """Decode the first frame of an image file, upright and reduced if it is large.

    Parameters
    ----------
    file : str, Path or binary file object
        The image; a path must lead to a regular file.
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
        If the file cannot be read, is not an image of a known format, is damaged or too large.
    """
    path = file if isinstance(file, (str, Path)) else None
    name = printable(str(path)) if name is None and path is not None else name or "the image"
    try:
        if path is not None and not stat.S_ISREG(Path(path).stat().st_mode):  # a FIFO would block
            raise ImageError(f"{name} is not a regular file; give the path of an image")
        with _open(file) as image:
            return _pixels(image, name, sight)
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError(
            f"{name} is not an image that digitcli reads; save it as PNG or JPEG"
        ) from None
    except OSError as error:
        if error.strerror is None:  # Pillow's own: a damaged file, not a failing system call
            raise _damaged(name, error) from error
        raise ImageError(f"{name} cannot be read: {error.strerror}; check the path") from error
    except Image.DecompressionBombError:
        raise ImageError(f"{name} has too many pixels; scale it down") from None
    except MemoryError:
        raise ImageError(f"{name} does not fit into memory; scale it down") from None
    except Exception as error:
        # damaged files make Pillow's parsers raise nearly anything: struct.error, KeyError, …
        raise _damaged(name, error) from error


def upright_size(file: str | Path | BinaryIO) -> tuple[int, int]:
    """Width and height of an image that `decode` has read, before it was reduced."""
    if not isinstance(file, (str, Path)):
        file.seek(0)
    with _open(file) as image:
        turned = image.getexif().get(ORIENTATION, 1) >= 5
        return image.size[::-1] if turned else image.size


def _damaged(name: str, error: Exception) -> ImageError:
    reason = printable(str(error)) or type(error).__name__
    return ImageError(f"{name} is damaged ({reason}); save the image again")


def _open(file: str | Path | BinaryIO) -> Image.Image:
    """Read the header with the decoder of the one format that the file begins like."""
    if isinstance(file, (str, Path)):
        with open(file, "rb") as opened:
            start = opened.read(16)
    else:
        start = file.read(16)
        file.seek(0)
    for format, (module, beginning) in FORMATS.items():
        if re.match(beginning, start, re.DOTALL):
            with contextlib.suppress(ImportError):  # a Pillow that was built without it
                import_module(f"PIL.{module}ImagePlugin")
                return Image.open(file, formats=(format,))
    raise UnidentifiedImageError


def _pixels(image: Image.Image, name: str, sight: int) -> Picture:
    """Decode, reduce, flatten and turn upright."""
    if image.format in ("JPEG", "MPO"):
        # the decoder leaves out high frequencies: a 12-megapixel photo takes a sixth of the time
        share = sight / max(image.size)
        image.draft(None, (int(image.width * share), int(image.height * share)))
    if image.width * image.height > MAX_PIXELS:
        raise ImageError(
            f"{name} has {image.width}×{image.height} pixels, more than digitcli decodes; "
            "scale it down"
        )
    image.load()
    orientation = image.getexif().get(ORIENTATION)
    image = _reduce(_flatten(image, sight), sight)
    if orientation in UPRIGHT:
        image = image.transpose(UPRIGHT[orientation])
    return np.asarray(image)


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
        return _on_white(_reduce(image.convert("RGBA"), sight))
    if mode == "LAB":
        return image.getchannel("L")
    return image.convert("RGB")


def _reduce(image: Image.Image, sight: int) -> Image.Image:
    factor = max(image.size) // sight
    return image.reduce(factor) if factor > 1 else image


def _stretch(image: Image.Image) -> Image.Image:
    """Map the range of values that occur to 0…255."""
    values = np.nan_to_num(np.asarray(image, np.float32))
    low, high = float(values.min()), float(values.max())
    scale = 255 / (high - low) if high > low else 0.0
    return Image.fromarray(((values - low) * scale).astype(np.uint8))


def _on_white(image: Image.Image) -> Image.Image:
    """Lay an RGBA image on white paper; white strokes on nothing become black strokes on it."""
    paper = Image.new("RGBA", image.size, "white")
    paper.alpha_composite(image)
    flat = paper.convert("RGB")
    if flat.getextrema() == ((255, 255),) * 3:
        return Image.eval(image.getchannel("A"), lambda alpha: 255 - alpha)
    return flat
