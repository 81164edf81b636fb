"""How many pictures a file holds: the pages of a TIFF, the frames of an animation."""

from __future__ import annotations

import os
import re
import stat
import struct
from contextlib import suppress
from io import BytesIO
from itertools import islice
from os import SEEK_CUR
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from digitcli.seeing import gif
from digitcli.seeing.tiff import find_pages

AnyFile = BinaryIO | bytes | bytearray

_NAME = re.compile(r"(.+)\[([1-9]\d{0,5})\]", re.DOTALL)
_TIFF = re.compile(rb"II[*+]\0|MM\0[*+]")
_WEBP_ANIMATION = 2
_PNG_CHUNK = struct.Struct(">I4s")
_MOST_CHUNKS = 1000


class Page(NamedTuple):
    """One of the pages of a TIFF file.

    Attributes
    ----------
    file : str or bytes
        Where the file is, or what is in it.
    number : int
        From 1.
    """

    file: str | bytes
    number: int


class Frames(NamedTuple):
    """What else a file holds beside its first picture.

    Attributes
    ----------
    pages : int
        Those of a TIFF; 1 for any other file.
    fault : str, optional
        Why there may be more pages.
    animated : bool
        Whether its pictures follow each other in time.
    """

    pages: int = 1
    fault: str | None = None
    animated: bool = False

    @property
    def several(self) -> bool:
        """Whether there is more than one page, or would be."""
        return self.pages > 1 or self.fault is not None

    def missing(self, name: str) -> str:
        """Return the line that says of a file that not all of its pages are found."""
        page = page_name(name, self.pages + 1)
        return f"{page} cannot be read: {self.fault}; save the file again, in parts"


ONE: Final = Frames()
FIRST_FRAME: Final = "is an animation, of which the first frame was read"
"""What is said of one, after its name."""


def page_name(path: str, number: int) -> str:
    """Return what a page is called, such as ``two.tif[2]``."""
    return f"{path}[{number}]"


def look_for_frames(file: str | Path | bytes | Page) -> Frames:
    """Look how many pictures a file holds; one where that cannot be told."""
    if isinstance(file, Page):
        return ONE
    try:
        if isinstance(file, bytes):
            return _frames(BytesIO(file))
        with _opened(file) as opened:
            regular = stat.S_ISREG(os.fstat(opened.fileno()).st_mode)
            return _frames(opened) if regular else ONE
    except (OSError, ValueError, struct.error, IndexError):
        return ONE


def every_page(path: str | Path) -> list[str | Page]:
    """Return what there is to read at a path: the file, or each of its pages if it has several."""
    path = os.fspath(path)
    pages = look_for_frames(path).pages
    return [path] if pages == 1 else [Page(path, number) for number in range(1, pages + 1)]


def page_named(file: str | Path | AnyFile | Page) -> tuple[str | Path | AnyFile, int]:
    """Return a file and which of its pages is meant, the first unless it says so.

    A path such as ``two.tif[2]`` means a page if there is no file of that name.
    """
    if isinstance(file, Page):
        return file
    if isinstance(file, (str, Path)) and (named := _NAME.fullmatch(os.fspath(file))):
        path, number = named.groups()
        with suppress(OSError, ValueError):
            if not os.path.lexists(file):
                with _opened(path) as opened:
                    if _TIFF.match(opened.read(4)):
                        return path, int(number)
    return file, 1


def _opened(path: str | Path) -> BinaryIO:
    """Open a file to read, without waiting for one that is a FIFO."""
    return open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb")


def _frames(file: BinaryIO) -> Frames:
    start = file.read(64)
    if _TIFF.match(start):
        pages = find_pages(file)
        return Frames(len(pages.places), pages.fault)
    if start.startswith(b"\x89PNG"):
        return Frames(animated=_is_animated_png(file))
    if start.startswith(b"GIF8"):
        images = (part for part in gif.parts(file) if part == gif.IMAGE)
        return Frames(animated=len(list(islice(images, 2))) > 1)
    if start[8:16] == b"WEBPVP8X":
        return Frames(animated=bool(start[20] & _WEBP_ANIMATION))
    if start[4:8] == b"ftyp":
        return Frames(animated=b"avis" in start[: int.from_bytes(start[:4])])
    return ONE


def _is_animated_png(file: BinaryIO) -> bool:
    """Whether a PNG tells how many frames it has before its first pixels."""
    file.seek(8)
    for _ in range(_MOST_CHUNKS):
        length, kind = _PNG_CHUNK.unpack(file.read(8))
        if kind == b"acTL":
            return int.from_bytes(file.read(4)) > 1
        if kind == b"IDAT":
            break
        file.seek(length + 4, SEEK_CUR)
    return False
