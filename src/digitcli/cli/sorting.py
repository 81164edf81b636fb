"""Pictures sorted into folders by their digit: copies in the layout that `train` reads."""

from __future__ import annotations

import contextlib
import hashlib
import os
import unicodedata
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Final

from digitcli.data.folder import CLASSES, UNSURE
from digitcli.errors import DigitcliError, ImageError
from digitcli.files import link_new, remove_litter, write_new
from digitcli.prediction.paths import Source, source_of
from digitcli.seeing.frames import Page, page_named

if TYPE_CHECKING:
    from digitcli.cli.environment import Environment
    from digitcli.prediction.digits import DigitAnswers

_LONGEST: Final = 200
"""Bytes of a name without what tells it from others; file systems hold 255."""


class SortedFolder:
    """A folder into whose sub-folders ``0`` … ``9`` and ``unsure`` pictures are put.

    Nothing that is in it is ever replaced. A picture that is in it already, in whichever
    sub-folder, is left where it is: somebody may have corrected it. No two pictures have the same
    name, even if the case of letters did not count, so that they can be moved from one sub-folder
    to another on any system.

    Parameters
    ----------
    folder : Path
    link : bool
        Put symbolic links there instead of copies.

    Attributes
    ----------
    put, unsure, known : int
        Pictures that were put there, those of them that were put aside, and others that were there
        already.

    Raises
    ------
    DigitcliError
        When the folder cannot be made.
    """

    def __init__(self, folder: Path, *, link: bool = False) -> None:
        self.put = self.unsure = self.known = 0
        self._folder = folder
        self._link = link
        self._names: set[str] = set()
        self._unread: dict[int, list[Path]] = {}
        self._contents: set[bytes] = set()
        for name in (*CLASSES, UNSURE):
            try:
                (folder / name).mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise DigitcliError(
                    f"{folder / name} cannot be made: {(error.strerror or str(error)).lower()}; "
                    "name another folder for --sort"
                ) from None
            remove_litter(folder / name)
            for path in (folder / name).rglob("*"):
                self._names.add(_caseless(path.name))
                with contextlib.suppress(OSError):  # a link that leads nowhere
                    self._unread.setdefault(path.stat().st_size, []).append(path)

    def add(self, source: Source, digit: int | None) -> str | None:
        """Put a picture into the folder of its digit, or aside where that is None.

        A page of a TIFF file becomes a PNG file of its own, for a page can be neither copied nor
        linked. Returns the line that says why it could not be, if so.

        Raises
        ------
        DigitcliError
            When it cannot be written.
        """
        page, number = page_named(source.file)
        if not isinstance(page, str | Path) or not Path(page).is_file():
            return f"{source.name} is no file of its own and is not sorted; save it as one"
        path, link = Path(page), self._link
        try:
            if page == source.file:
                content = path.read_bytes()
            else:
                content, link = _as_png(Page(str(page), number), source.name), False
                path = path.with_name(f"{path.stem}-{number}.png")
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            return f"{source.name} cannot be sorted: {reason}; check the file"
        except ImageError as error:
            return str(error)
        digest = hashlib.sha256(content).digest()
        if self._holds(len(content), digest):
            self.known += 1
            return None
        self._contents.add(digest)
        folder = self._folder / (UNSURE if digit is None else str(digit))
        for name in _names(path.name, digest):
            if _caseless(name) in self._names:
                continue
            self._names.add(_caseless(name))
            try:
                if link:
                    link_new(folder / name, path)
                else:
                    write_new(folder / name, content)
            except FileExistsError:  # another process was quicker
                if _is_file_with(folder / name, content):
                    self.known += 1
                    return None
                continue
            break
        self.put += 1
        self.unsure += digit is None
        return None

    def summary(self) -> str:
        """Return a line that says what was done."""
        told = f"{self.put:,} picture{'s' * (self.put != 1)} sorted into {self._folder}"
        if self.unsure:
            told += f", {self.unsure:,} of them into {UNSURE}"
        if self.known:
            told += f"; {self.known:,} were there already"
        return told

    def _holds(self, size: int, digest: bytes) -> bool:
        """Whether a picture is there; what was there at first is read once it could be the same."""
        for path in self._unread.pop(size, []):
            with contextlib.suppress(OSError):
                self._contents.add(hashlib.sha256(path.read_bytes()).digest())
        return digest in self._contents


def _as_png(page: Page, name: str) -> bytes:
    """Return a PNG file of a page, upright and as large as it is."""
    from PIL import Image

    from digitcli.seeing.decode import MAX_PIXELS, decode

    file = BytesIO()
    Image.fromarray(decode(page, name, sight=MAX_PIXELS)).save(file, format="PNG")
    return file.getvalue()


def _is_file_with(path: Path, content: bytes) -> bool:
    with contextlib.suppress(OSError):
        return path.read_bytes() == content
    return False


def _names(name: str, digest: bytes) -> Iterator[str]:
    """Yield what a picture may be called: as it is, or with more and more of its digest."""
    name = name.lstrip(".") or "picture"  # hidden ones are not read
    yield name
    stem, dot, suffix = name.rpartition(".")
    if not dot:
        stem, suffix = suffix, ""
    stem = os.fsdecode(os.fsencode(stem)[: _LONGEST - 64])
    for length in range(8, 65, 8):
        yield f"{stem}-{digest.hex()[:length]}{dot}{suffix[:_LONGEST]}"


def _caseless(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def sort_answers(
    env: Environment, answers: DigitAnswers, folder: SortedFolder, *, min_confidence: float
) -> int:
    """Sort the pictures that could be read.

    Aside go those of a lower confidence, and those that were read turned, for `train` turns none.
    Returns how many could not be sorted; each has its line.
    """
    failed = 0
    for place, path in enumerate(answers.paths):
        if place in answers.errors:
            continue
        probabilities = answers.probabilities[place]
        sure = float(probabilities.max()) >= min_confidence and place not in answers.turns
        source = answers.sources.get(place) or source_of(path)
        error = folder.add(source, int(probabilities.argmax()) if sure else None)
        if error is not None:
            failed += 1
            env.warn(error)
    return failed
