"""Where the inputs come from: arguments, folders, a stream of paths that may never end, an image.

They come in bursts: lists of inputs that are there now. All of a burst can be answered before the
next one may have to be waited for.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple

from digitcli.errors import DigitcliError
from digitcli.paths import printable
from digitcli.seeing.frames import Page

READ_BYTES = 1 << 16
"""What is taken from a stream at once: the capacity of a pipe on Linux."""

MAX_PATH_BYTES = 1 << 20
"""A stream without any line end is refused after so much."""

FOLDER_BURST = 256

WINDOWS: bool = sys.platform == "win32"


MAX_IMAGE_BYTES = 256 << 20
"""Largest image that is taken from a stream."""


class Unreadable(NamedTuple):
    """An input that is known to be unreadable before it is opened, and the whole error line."""

    path: str
    reason: str


class Source(NamedTuple):
    """An input that is not simply the file at its path.

    Attributes
    ----------
    path : str
        What answers call it.
    file : str, bytes or Page
        Where it is, or what is in it; or one of the pages of that.
    name : str
        What error messages call it.
    """

    path: str
    file: str | bytes | Page
    name: str


Burst = list[str | Source | Unreadable]


def source_of(item: str | Source) -> Source:
    """Return an input with its file and name."""
    return Source(item, item, printable(item)) if isinstance(item, str) else item


def path_of(item: str | Source | Unreadable) -> str:
    """Return what answers call an input."""
    return item if isinstance(item, str) else item.path


def argument_paths(arguments: Iterable[str], *, recursive: bool = False) -> Iterator[Burst]:
    """Yield the files that `arguments` name, in order; a folder stands for the files in it.

    Hidden files of a folder are left out, its names are sorted, and `recursive` adds what is in its
    sub-folders.
    """
    burst: Burst = []
    for argument in arguments:
        if not argument:
            burst.append(Unreadable("", "an empty path names no image; check the arguments"))
            continue
        if not os.path.isdir(argument):  # noqa: PTH112 - Path raises at names that are too long
            burst.append(argument)
            continue
        found = False
        for path in folder_paths(argument, recursive):
            found = True
            burst.append(path)
            if len(burst) >= FOLDER_BURST:
                yield burst
                burst = []
        if not found:
            burst.append(no_files(argument, recursive))
    if burst:
        yield burst


PICTURE = re.compile(
    rb"\x89PNG\r\n|\xff\xd8\xff|II\*\0|MM\0\*|RIFF....WEBP|\0\0\0\x0cjP|GIF8[79]a...\0", re.DOTALL
)
"""What files of pictures begin with."""


def stream_paths(descriptor: int, *, separator: bytes = b"\n") -> Iterator[Burst]:
    """Yield the paths that arrive on a file descriptor; empty ones are left out.

    Raises
    ------
    DigitcliError
        When there is no separator for so long that this cannot be a list of paths, or nothing can
        be read.
    """
    end = os.fsdecode(separator)
    rest = b""
    begun = False
    while chunk := _read(descriptor):
        if not begun and PICTURE.match(chunk):
            raise DigitcliError(
                "stdin holds a picture and not paths; add --stdin-image to read the picture"
            )
        begun = True
        whole, found, tail = chunk.rpartition(separator)
        if not found:
            rest += chunk
            if len(rest) > MAX_PATH_BYTES:
                raise DigitcliError(
                    "stdin is not a list of paths, one a line; "
                    "use --stdin-image for an image, -0 for NUL-separated paths"
                )
            continue
        if burst := _split(rest + whole, end):
            yield burst
        rest = tail
    if rest:
        yield _split(rest, end)


def _split(data: bytes, end: str) -> Burst:
    paths = [_without_return(path) for path in _decoded(data).split(end)]
    return _without_nul([path for path in paths if path])


def _without_return(path: str) -> str:
    """Return a path without the carriage return of a list from Windows, if that is a file."""
    if not path.endswith("\r"):
        return path
    if WINDOWS or (not os.path.lexists(path) and os.path.lexists(path[:-1])):
        return path[:-1]
    return path


def _decoded(data: bytes) -> str:
    try:
        return os.fsdecode(data)
    except UnicodeDecodeError:  # on Windows, where a path is text and a pipe may have older text
        return data.decode("oem", "replace")


def stream_image(stream: BinaryIO) -> Source | Unreadable:
    """Take the one image in a binary stream such as stdin, which may never end; its path is ``-``.

    Raises
    ------
    DigitcliError
        When nothing can be read.
    """
    name = "the image on stdin"
    try:
        data = stream.read(MAX_IMAGE_BYTES + 1)
    except OSError as error:
        raise _cannot_read_stdin(error) from None
    if len(data) > MAX_IMAGE_BYTES:
        return Unreadable("-", f"{name} is larger than {MAX_IMAGE_BYTES >> 20} MiB; scale it down")
    return Source("-", data, name)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, READ_BYTES)
    except OSError as error:
        raise _cannot_read_stdin(error) from None


def _cannot_read_stdin(error: OSError) -> DigitcliError:
    """Return the error of a stdin that is there and gives nothing."""
    reason = (error.strerror or str(error)).lower()
    return DigitcliError(f"stdin cannot be read: {reason}; give it a file or a pipe")


def _without_nul(paths: list[str]) -> Burst:
    """Tell who forgot ``-0``."""
    if not any("\0" in path for path in paths):
        return [*paths]
    advice = "use -0 for NUL-separated paths"
    return [
        Unreadable(path, f"{printable(path[:100])} is no path: it holds a NUL; {advice}")
        if "\0" in path
        else path
        for path in paths
    ]


def no_files(folder: str, recursive: bool) -> Unreadable:
    """Tell that there is nothing to be read in a folder."""
    advice = "check the path" if recursive else "use -r to look in its sub-folders"
    return Unreadable(folder, f"{printable(folder)} holds no files; {advice}")


def folder_paths(folder: str, recursive: bool) -> Iterator[str | Unreadable]:
    """Yield the visible files of a folder; tell when it cannot be listed."""
    waiting = [folder]
    while waiting:
        parent = waiting.pop()
        try:
            files, folders = _list(parent)
        except OSError as error:
            yield Unreadable(
                parent, f"{printable(parent)} cannot be listed: {error.strerror}; check the folder"
            )
            continue
        for name in files:
            yield _join(parent, name)
        if recursive:
            waiting.extend(_join(parent, name) for name in reversed(folders))


def _list(folder: str) -> tuple[list[str], list[str]]:
    """Return the sorted names of the visible files and of the sub-folders, links to them not."""
    files, folders = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            if _is_hidden(entry):
                continue
            if not _is_folder(entry):
                files.append(entry.name)
            elif not entry.is_symlink():
                folders.append(entry.name)
    return sorted(files), sorted(folders)


def _is_hidden(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is not shown to users, as ``.DS_Store`` and ``Thumbs.db``."""
    if entry.name.startswith("."):
        return True
    return WINDOWS and bool(_attributes(entry) & stat.FILE_ATTRIBUTE_HIDDEN)


def _attributes(entry: os.DirEntry[str]) -> int:
    attributes: int = getattr(entry.stat(follow_symlinks=False), "st_file_attributes", 0)
    return attributes


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder; a link that leads nowhere is none, and has its own error."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _join(folder: str, name: str) -> str:
    return os.path.join(folder, name)  # noqa: PTH118 - Path would respell what the user typed
