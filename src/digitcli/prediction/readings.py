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

from digitcli.errors import ImageError
from digitcli.model.network import Model
from digitcli.paths import printable
from digitcli.polarity import Polarity
from digitcli.prediction.paths import Burst, Source

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
    """

    paths: list[str]
    errors: dict[int, str] = field(default_factory=dict)
    notes: dict[int, str] = field(default_factory=dict)


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

        An input that cannot be read is an error in the answers; nothing is raised.
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


def why(source: Source, error: Exception) -> str:
    """Return the line for an input that could not be read; not even a bug ends the stream."""
    if isinstance(error, ImageError):
        return str(error)
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return f"{source.name} cannot be read: too many open files; raise the limit (ulimit -n)"
    if os.environ.get("DIGITCLI_DEBUG"):
        raise error
    return (
        f"{source.name} cannot be read ({type(error).__name__}: {printable(str(error))}); "
        "this is a fault in digitcli, please report it"
    )
