"""Folders in a list of paths, which may be that of ``find`` and name the files in them as well."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from digitcli.prediction.paths import FOLDER_BURST, Burst, Unreadable, folder_paths, no_files

_NO_FOLDER: Final = (".png", ".PNG", ".jpg", ".JPG", ".jpeg", ".JPEG", ".tif", ".tiff", ".bmp")
"""Ends of names that nobody gives a folder, which need not be looked at."""


def with_folders(bursts: Iterable[Burst], *, recursive: bool = False) -> Iterator[Burst]:
    """Put the files of each folder in its place.

    Where the list goes on with what is in the folder, as that of ``find`` does, no file comes a
    second time, and an empty folder is no error. Only the folders around the path of the moment
    are remembered, so the list may be endless.

    Parameters
    ----------
    bursts : iterable of lists of inputs
    recursive : bool
        A folder stands for what is in its sub-folders, too.
    """
    folders = _Folders(recursive)
    for burst in bursts:
        result: Burst = []
        for item in burst:
            if isinstance(item, str) and item.endswith(_NO_FOLDER) and not folders.count:
                result.append(item)
                continue
            for path in folders.paths(item) if isinstance(item, str) else [item]:
                result.append(path)
                if len(result) >= FOLDER_BURST:
                    yield result
                    result = []
        if result:
            yield result
    if last := folders.end():
        yield [*last]


class _Folders:
    """What a list of paths has come to: the folders that were listed and the list is still in."""

    def __init__(self, recursive: bool) -> None:
        self._recursive = recursive
        self._around: list[str] = []
        self._empty: str | None = None

    @property
    def count(self) -> int:
        """Folders that matter for the next path."""
        return len(self._around) + (self._empty is not None)

    def paths(self, path: str) -> Iterator[str | Unreadable]:
        """Yield what the next path of the list stands for."""
        while self._around and not _lies_in(path, self._around[-1]):
            self._around.pop()
        if self._empty is not None and self._empty not in self._around:
            yield from self.end()
        self._empty = None
        given = self._was_given(path)
        if not os.path.isdir(path):  # noqa: PTH112 - Path raises at names that are too long
            if not given:
                yield path
            return
        if not (given and self._recursive):
            found = False
            for file in folder_paths(path, self._recursive):
                found = True
                yield file
            if not (found or self._around):
                self._empty = path
        self._around.append(path)

    def end(self) -> list[Unreadable]:
        """Return the error of an empty folder that nothing in it followed."""
        return [] if self._empty is None else [no_files(self._empty, self._recursive)]

    def _was_given(self, path: str) -> bool:
        """Whether a folder around stood for this path, which hidden files are not part of."""
        if not self._around:
            return False
        folder = self._around[0 if self._recursive else -1]
        parts = Path(path).relative_to(folder).parts
        if any(part.startswith(".") for part in parts):
            return False
        return self._recursive or len(parts) == 1


def _lies_in(path: str, folder: str) -> bool:
    return path.startswith(folder if folder.endswith(os.sep) else folder + os.sep)
