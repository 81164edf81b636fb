"""How much a picture file holds beside its pixels, told without reading it.

Pillow reads all of that, keeps it two or three times, joins it in quadratic time where a JPEG has
many pieces of it, and steps over what belongs to no part of the file byte by byte.
"""

from __future__ import annotations

import os
import re
import struct
from typing import BinaryIO, Final

from digitcli.seeing import gif
from digitcli.seeing.tiff import tag_bytes

MAX_METADATA: Final = 8 << 20
"""Most bytes beside the pixels."""

MAX_STRAY: Final = 1 << 16
"""Most bytes between the parts of a file: padding is short, and long stretches are holes."""

_LEAST: Final = 64
"""What a piece counts for, however small it is: each takes time of its own."""

_TOO_MUCH: Final = MAX_METADATA + 1
_MAX_PPM_HEADER: Final = 4096
_WITHOUT_SEGMENT = {0x00, 0x01, *range(0xD0, 0xDA), 0xFF}
"""Second bytes of a JPEG's markers that nothing follows, and of what is no marker."""


def has_much_metadata(file: BinaryIO, format: str, size: int) -> bool:
    """Whether a file holds more than `MAX_METADATA` beside its pixels, or is full of holes.

    Parameters
    ----------
    file : BinaryIO
    format : str
        As Pillow calls it.
    size : int
        Bytes of the file.
    """
    if format == "TIFF":
        return tag_bytes(file) > MAX_METADATA
    if format == "PPM":
        file.seek(0)
        header = re.sub(rb"#[^\r\n]*", b"", file.read(_MAX_PPM_HEADER))
        return len(header.split(maxsplit=3)) < 4 and size > _MAX_PPM_HEADER
    if size <= MAX_STRAY or format not in _COUNTERS:
        return False
    try:
        return _COUNTERS[format](file, size) > MAX_METADATA
    except struct.error:  # cut short
        return False


def _png_bytes(file: BinaryIO, size: int) -> int:
    metadata = 0
    at = 8
    while at < size and metadata <= MAX_METADATA:
        file.seek(at)
        length, kind = struct.unpack(">I4s", file.read(8))
        at += 12 + length
        if kind == b"IEND":
            break
        metadata += _LEAST if kind in (b"IDAT", b"fdAT") else max(12 + length, _LEAST)
    return metadata


def _jpeg_bytes(file: BinaryIO, size: int) -> int:
    metadata = stray = 0
    file.seek(2)
    while metadata <= MAX_METADATA:
        start, marker, length = struct.unpack(">BBH", file.read(4))
        if start != 0xFF or marker in _WITHOUT_SEGMENT:
            stray += 1
            if stray > MAX_STRAY:
                return _TOO_MUCH
            file.seek(-3, os.SEEK_CUR)
        elif marker == 0xDA:
            break
        else:
            metadata += max(length, _LEAST)
            file.seek(length - 2, os.SEEK_CUR)
    return metadata


def _gif_bytes(file: BinaryIO, size: int) -> int:
    stray = 0
    try:
        for part in gif.parts(file):
            if part == gif.IMAGE:
                break
            stray += part != gif.EXTENSION
            if stray > MAX_STRAY:
                return _TOO_MUCH
    except ValueError:  # too many parts
        return _TOO_MUCH
    return file.tell()


_COUNTERS = {"PNG": _png_bytes, "JPEG": _jpeg_bytes, "GIF": _gif_bytes}
