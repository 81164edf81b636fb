"""The directories of a TIFF file: where its pages are, and how much they hold beside pixels."""

from __future__ import annotations

import struct
from io import SEEK_SET, BufferedReader, RawIOBase
from typing import BinaryIO, Final, NamedTuple

MAX_PAGES: Final = 1000
"""Pages of a file that are read."""

_TYPE_BYTES = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8)
_MOST_ENTRIES = 1 << 16
_NEW_SUBFILE_TYPE = 254
_REDUCED, _MASK = 1, 4
"""Bits of that tag: a smaller copy of another page, and where another is transparent."""
_BIG = 43

_CUT = (struct.error, OverflowError, OSError, ValueError)
"""What reading and seeking raise where a place leads out of the file."""


class _Layout(NamedTuple):
    """How a file writes its numbers.

    Attributes
    ----------
    first : int
        Where the place of the first directory stands.
    place, size, entry : struct.Struct
        A place in the file; the number of entries of a directory; the tag, the type and the number
        of values of an entry, and its first value if that is a small integer.
    """

    first: int
    place: struct.Struct
    size: struct.Struct
    entry: struct.Struct


def _layout(file: BinaryIO) -> _Layout:
    file.seek(0)
    order = "<" if file.read(2) == b"II" else ">"
    (version,) = _unpack(file, struct.Struct(order + "H"))
    first, *forms = (8, "Q", "Q", "HHQI4x") if version == _BIG else (4, "I", "H", "HHII")
    return _Layout(first, *(struct.Struct(order + form) for form in forms))


def _unpack(file: BinaryIO, form: struct.Struct) -> tuple[int, ...]:
    return form.unpack(file.read(form.size))


class Pages(NamedTuple):
    """The pages of a file.

    Attributes
    ----------
    places : list of int
        Where the directory of each begins; of one page at least.
    first : int
        Where the first directory begins, which need not be that of a page.
    fault : str, optional
        Why there may be more that are not found.
    """

    places: list[int]
    first: int
    fault: str | None = None


def find_pages(file: BinaryIO) -> Pages:
    """Find the pages of a TIFF file, at most `MAX_PAGES`; only its directories are read.

    Smaller copies of a page and masks, which cameras and editors add, are no pages.
    """
    pages: dict[int, bool] = {}
    fault = None
    first = 0
    try:
        layout = _layout(file)
        file.seek(layout.first)
        (first,) = (place,) = _unpack(file, layout.place)
        while place and not fault:
            if place in pages:
                fault = "its list of pages is a circle"
            elif sum(pages.values()) == MAX_PAGES or len(pages) == 2 * MAX_PAGES:
                fault = f"it has more than {MAX_PAGES:,} pages"
            else:
                pages[place], place = _read_directory(file, layout, place)
    except _CUT:
        fault = "its list of pages is damaged" if pages else None  # else the decoder tells
    return Pages([place for place, is_page in pages.items() if is_page] or [first], first, fault)


def _read_directory(file: BinaryIO, layout: _Layout, place: int) -> tuple[bool, int]:
    """Return whether a directory is that of a page, and where the next one begins."""
    file.seek(place)
    (count,) = _unpack(file, layout.size)
    start = file.read(layout.entry.size)
    file.seek(place + layout.size.size + count * layout.entry.size)
    (after,) = _unpack(file, layout.place)
    tag, _kind, _values, value = layout.entry.unpack(start)  # entries are sorted by their tags
    return tag != _NEW_SUBFILE_TYPE or not value & (_REDUCED | _MASK), after


def tag_bytes(file: BinaryIO) -> int:
    """Return the size of all values of the first directory; they may lie over each other."""
    try:
        layout = _layout(file)
        file.seek(layout.first)
        file.seek(*_unpack(file, layout.place))
        (count,) = _unpack(file, layout.size)
        entries = file.read(layout.entry.size * min(count, _MOST_ENTRIES))
    except _CUT:
        return 0
    whole = len(entries) // layout.entry.size * layout.entry.size
    return sum(
        values * (_TYPE_BYTES[kind] if kind < len(_TYPE_BYTES) else 0)
        for _tag, kind, values, _value in layout.entry.iter_unpack(entries[:whole])
    )


def from_page(file: BinaryIO, place: int) -> BinaryIO:
    """Return a TIFF file as it would be if it began with the page whose directory is at `place`."""
    return BufferedReader(_FromPage(file, place))


class _FromPage(RawIOBase):
    """The same bytes but for the place of the first directory."""

    def __init__(self, file: BinaryIO, place: int) -> None:
        layout = _layout(file)
        file.seek(0)
        self._file = file
        self._start = file.read(layout.first) + layout.place.pack(place)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        at = self._file.tell()
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        changed = self._start[at : at + len(data)]
        buffer[: len(changed)] = changed
        return len(data)
