"""The parts of a GIF file, of which only the beginnings are read."""

from __future__ import annotations

from collections.abc import Iterator
from os import SEEK_CUR
from typing import BinaryIO, Final

IMAGE: Final = b","
EXTENSION: Final = b"!"
END: Final = b";"

MAX_STEPS: Final = 1 << 17
"""Parts, and blocks of them, that are stepped over: the largest file in blocks of full size."""


def parts(file: BinaryIO) -> Iterator[bytes]:
    """Yield what each part begins with: an image, an extension, or a byte that belongs to none.

    Raises
    ------
    ValueError
        After `MAX_STEPS`.
    """
    file.seek(10)
    _skip_palette(file, skipped=2)
    steps = 0
    while (part := file.read(1)) and part != END:
        yield part
        steps += 1
        if part in (IMAGE, EXTENSION):
            if part == IMAGE:
                file.seek(8, SEEK_CUR)
                _skip_palette(file, skipped=1)
            else:
                file.seek(1, SEEK_CUR)
            while (length := file.read(1)) > b"\0" and steps < MAX_STEPS:
                file.seek(length[0], SEEK_CUR)
                steps += 1
        if steps >= MAX_STEPS:
            raise ValueError("has too many parts")


def _skip_palette(file: BinaryIO, *, skipped: int) -> None:
    """Step over the flags, some bytes, and the palette that the flags tell of."""
    flags = file.read(1) or b"\0"
    colours = 2 << (flags[0] & 7) if flags[0] & 128 else 0
    file.seek(skipped + 3 * colours, SEEK_CUR)
