"""What can be read in a picture: a reading turns paths into answers, wherever it runs.

A lone digit is one reading and rows are another. Both are small objects that can be pickled, so
that the same code serves them in this process, in others and on other machines.
"""

from __future__ import annotations

import errno
import os
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Final, Generic, TypeVar

from digitcli.errors import NO_FILES_LEFT, ImageError
from digitcli.model.network import Model
from digitcli.paths import printable
from digitcli.polarity import Polarity
from digitcli.prediction.pages import pages_of
from digitcli.prediction.paths import Burst, Source, Unreadable, source_of
from digitcli.seeing.frames import FIRST_FRAME, look_for_frames

if TYPE_CHECKING:
    from PIL import Image

PATIENCE: Final = 0.05
"""Seconds after which slow pictures are answered before there are as many as could be."""


@dataclass
class Answers:
    """What was read in consecutive inputs; each reading adds its results.

    Attributes
    ----------
    paths : list of str
        The n inputs.
    errors : dict
        The error line of each place that could not be read.
    notes : dict
        What else is to be said, in one line, of places that were read.
    sources : dict
        For each place that is not simply the file at its path, where its picture is.
    pages : list of inputs
        The pages of the next input, which was left out, as each of them is an input of its own.
    """

    paths: list[str]
    errors: dict[int, str] = field(default_factory=dict)
    notes: dict[int, str] = field(default_factory=dict)
    sources: dict[int, Source] = field(default_factory=dict)
    pages: Burst = field(default_factory=list)


A = TypeVar("A", bound=Answers)


@dataclass(frozen=True)
class Reading(ABC, Generic[A]):
    """A way of reading pictures.

    Attributes
    ----------
    model : Model
    polarity : Polarity
        Whether the ink is darker or brighter than the paper.
    """

    model: Model
    polarity: Polarity = Polarity.AUTO

    batch: ClassVar[int]
    """Inputs that are handed out and answered together at most."""

    @abstractmethod
    def answer(self, part: Burst) -> A:
        """Answer the first inputs of a part: all, or as many as take `PATIENCE` seconds.

        An input that cannot be read is an error in the answers; nothing is raised. An input that
        has several pages is not answered, and nothing after it: its pages are in the answers.
        """

    @abstractmethod
    def failed(self, path: str, reason: str) -> A:
        """Return the answers for one input that could not be read, and why."""

    @abstractmethod
    def explain(self, source: Source, answers: A, place: int) -> Image.Image:
        """Draw how one of the inputs was read.

        Raises
        ------
        ImageError
            If it has changed since, so that it cannot be read any more.
        """


@dataclass(frozen=True)
class SingleReading(Reading[A]):
    """Reads one picture at a time, which gains nothing by others beside it."""

    batch: ClassVar[int] = 1

    @abstractmethod
    def read(self, source: Source) -> A:
        """Read a picture.

        Raises
        ------
        ImageError
            If it cannot be read.
        """

    @abstractmethod
    def left_out(self, pages: Burst) -> A:
        """Return the answers for nothing before an input that has several pages."""

    def answer(self, part: Burst) -> A:
        """Answer the first input of a part."""
        item = part[0]
        if isinstance(item, Unreadable):
            return self.failed(*item)
        source = source_of(item)
        frames = look_for_frames(source.file)
        if pages := pages_of(source, frames):
            return self.left_out(pages)
        try:
            answers = self.read(source)
        except Exception as error:
            return self.failed(source.path, why(source, error))
        answers.sources[0] = source
        if frames.animated:
            answers.notes[0] = f"{source.name} {FIRST_FRAME}"
        return answers


def why(source: Source, error: Exception) -> str:
    """Return the line for an input that could not be read; not even a bug ends the stream."""
    if isinstance(error, ImageError):
        return str(error)
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return f"{source.name} cannot be read: {NO_FILES_LEFT}"
    if os.environ.get("DIGITCLI_DEBUG"):
        raise error
    return (
        f"{source.name} cannot be read ({type(error).__name__}: {printable(str(error))}); "
        "this is a fault in digitcli, please report it"
    )
