"""Images that are digits in the form of MNIST already: read and recognised many at a time.

Archives of digits hold millions of such files, so they get a way of their own, several times as
fast as the one for any picture. What is not exactly of this kind is left to that other way.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE: Final = 28
BOX: Final = 20
MIDDLE: Final = (SIDE + 1) / 2
"""Where the centres of mass of MNIST's digits lie on average, half a pixel below and right of the
image's own middle: 14.51 and 14.50 for its training images, within half a pixel for nearly all."""

# The signature and the whole IHDR chunk: 28×28 pixels, 8-bit grey, not interlaced.
_PNG_START: Final = bytes.fromhex(
    "89504e470d0a1a0a 0000000d 49484452 0000001c 0000001c 08 00 00 00 00 57668048"
)
_PNG_END: Final = bytes.fromhex("00000000 49454e44 ae426082")
_LENGTH_AT: Final = len(_PNG_START)
_DATA_AT: Final = _LENGTH_AT + 8

_LINE: Final = 1 + SIDE
"""Bytes of a line before its filter is undone, and lines from one image to the next."""
_EMPTY: Final = bytes(_LINE)
_FILTERS: Final = bytes(range(5))


def plain_scanlines(data: bytes) -> bytes | None:
    """Unpack a 28×28 8-bit grey PNG of one IDAT chunk and no optional ones.

    Returns
    -------
    bytes or None
        The 28 scanlines, each of a filter's number and 28 filtered bytes; None for any other file,
        and for a damaged one.
    """
    if not (data.startswith(_PNG_START) and data.endswith(_PNG_END)):
        return None
    length = int.from_bytes(data[_LENGTH_AT : _LENGTH_AT + 4])
    checksum_at = _DATA_AT + length
    if not data.startswith(b"IDAT", _DATA_AT - 4) or checksum_at + 4 + len(_PNG_END) != len(data):
        return None
    if zlib.crc32(data[_DATA_AT - 4 : checksum_at]) != int.from_bytes(data[checksum_at:][:4]):
        return None
    try:
        lines = zlib.decompress(data[_DATA_AT:checksum_at], bufsize=SIDE * _LINE)
    except zlib.error:
        return None
    if len(lines) != SIDE * _LINE or lines[::_LINE].translate(None, _FILTERS):
        return None
    return lines


def undo_filters(images: Sequence[bytes]) -> NDArray[np.uint8]:
    """Return the pixels, shape (n, 28, 28), of the scanlines of n images.

    Pillow undoes the filters, as if it were one image: an empty line above each stands for the one
    that its first line is to be compared with.
    """
    size = SIDE, len(images) * _LINE
    packed = zlib.compress(b"".join(_EMPTY + image for image in images), level=0)
    # An image that shares the memory of its pixels: no copy, and `tobytes` would import much more.
    pixels = bytearray(size[0] * size[1])
    Image.frombuffer("L", size, pixels, "raw", "L", 0, 1).frombytes(packed, "zip", "L", 0)
    return np.frombuffer(pixels, np.uint8).reshape(-1, _LINE, SIDE)[:, 1:]


def in_mnist_form(images: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Tell which images are digits in a 20×20 box, centred by mass, on a black ground.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, 28, 28)

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    # sums of 28 bytes are small enough for float32, whose products with a vector are quick
    values = images.astype(np.float32)
    rows, columns = values.sum(2), values.sum(1)
    height, width = _extent(rows), _extent(columns)
    mass = np.maximum(rows.sum(1), 1)
    pixels = np.arange(0.5, SIDE, dtype=np.float32)
    return np.asarray(
        (np.maximum(height, width) == BOX)
        & (np.abs(rows @ pixels / mass - MIDDLE) < 1)
        & (np.abs(columns @ pixels / mass - MIDDLE) < 1)
    )


def _extent(lines: NDArray[np.float32]) -> NDArray[np.intp]:
    """Count the lines from the first to the last with ink, shape (n,), of masses (n, 28)."""
    ink = lines > 0
    return np.asarray(SIDE - ink.argmax(1) - ink[:, ::-1].argmax(1))
