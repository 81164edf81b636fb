"""The reading of lone digits, one a picture: many pictures pass through the network together."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from digitcli.model.network import Model
from digitcli.polarity import Polarity
from digitcli.prediction.pages import pages_of
from digitcli.prediction.paths import Burst, Source, Unreadable, path_of, source_of
from digitcli.prediction.readings import PATIENCE, Answers, Reading, why
from digitcli.reading.turn import LEFT, heeded
from digitcli.seeing.frames import FIRST_FRAME, look_for_frames
from digitcli.seeing.ready import SIDE, in_mnist_form, plain_scanlines, undo_filters

if TYPE_CHECKING:
    from PIL import Image

    from digitcli.reading.digit import Seen

BATCH: Final = 256
"""Images that pass through the network together: more is hardly faster."""

_SMALL_FILE: Final = 2048
"""Bytes that hold any 28×28 8-bit PNG."""

_OPEN_FLAGS: Final = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
"""Without waiting for one that is a FIFO."""


def _nothing() -> NDArray[np.float32]:
    return np.zeros((1, 10), np.float32)


@dataclass
class DigitAnswers(Answers):
    """What the model reads in consecutive inputs.

    Attributes
    ----------
    probabilities : ndarray of float32, shape (n, 10)
        A row for each input; meaningless where there is an error.
    others : dict
        For each place where other marks of a digit's size stand beside the one that was read, how
        many they are.
    turns : dict
        For each place that was read turned, by how many quarters, anticlockwise.
    """

    probabilities: NDArray[np.float32] = field(default_factory=_nothing)
    others: dict[int, int] = field(default_factory=dict)
    turns: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class DigitReading(Reading[DigitAnswers]):
    """Reads the digit in each picture."""

    batch: ClassVar[int] = BATCH

    def answer(self, part: Burst) -> DigitAnswers:
        """Answer the first inputs of a part: all, or as many as take `PATIENCE` seconds."""
        return _read_batch(part, self.polarity).answered_by(self.model)

    def failed(self, path: str, reason: str) -> DigitAnswers:
        """Return the answers for one input that could not be read, and why."""
        return DigitAnswers([path], {0: reason})

    def explain(self, source: Source, answers: DigitAnswers, place: int) -> Image.Image:
        """Draw the steps from a picture to the probabilities of its digit."""
        from digitcli.reading.explain import explain_digit

        return explain_digit(
            source.file,
            answers.probabilities[place],
            polarity=self.polarity,
            name=source.name,
            turns=answers.turns.get(place, 0),
        )


@dataclass
class _Batch:
    """Images of the same size one after the other, and what is to be known of them.

    Attributes
    ----------
    answers : DigitAnswers
        Those of the inputs, still without probabilities.
    images : ndarray of uint8, shape (n, 28, 28)
        Blank where there is an error.
    scenes : dict
        What was seen in each picture that had not the form of MNIST already, and its name.
    """

    answers: DigitAnswers
    images: NDArray[np.uint8]
    scenes: dict[int, tuple[str, Seen]]

    def answered_by(self, model: Model) -> DigitAnswers:
        answers = self.answers
        if not answers.paths:
            answers.probabilities = np.zeros((0, 10), np.float32)
        elif not answers.errors:
            answers.probabilities = model.predict_proba(self.images)
        else:
            answers.probabilities = np.zeros((len(answers.paths), 10), np.float32)
            good = [place for place in range(len(answers.paths)) if place not in answers.errors]
            if good:
                answers.probabilities[good] = model.predict_proba(self.images[good])
        if self.scenes:
            likely = model.is_digit(self.images[[*self.scenes]]).tolist()
            for (place, (name, seen)), one in zip(self.scenes.items(), likely, strict=True):
                self._heed(place, name, seen, one, model)
        return answers

    def _heed(self, place: int, name: str, seen: Seen, likely: float, model: Model) -> None:
        """Heed what the scene tells of an answer, and say so."""
        answers = self.answers
        said = [answers.notes[place]] if place in answers.notes else []
        answers.probabilities[place], turns = heeded(
            seen, answers.probabilities[place], likely, model
        )
        if turns:
            answers.turns[place] = turns
            said.append(
                f"{name} was read turned by 90° to the {'left' if turns == LEFT else 'right'}"
            )
        if seen.others:
            answers.others[place] = seen.others
            said.append(
                f"{name} holds {seen.others + 1} digits, of which one was read; "
                "--line reads them all"
            )
        if said:
            answers.notes[place] = "; ".join(said)


def _read_batch(part: Burst, polarity: Polarity) -> _Batch:
    """Read images until all are read or it takes too long."""
    answers = DigitAnswers([])
    scenes: dict[int, tuple[str, Seen]] = {}
    forms: dict[int, NDArray[np.uint8]] = {}
    plain: dict[int, bytes] = {}

    def see(place: int) -> None:
        item = part[place]
        if isinstance(item, Unreadable):
            answers.errors[place] = item.reason
            return
        source = source_of(item)
        try:
            seen = _see(source, polarity)
        except Exception as error:
            answers.errors[place] = why(source, error)
            return
        if not seen.ready:
            scenes[place] = source.name, seen
        forms[place] = seen.image

    count = 0
    end = time.monotonic() + PATIENCE
    for place, item in enumerate(part):
        lines = _plain_scanlines(item)
        if lines is not None:
            plain[place] = lines
        else:
            if not isinstance(item, Unreadable):
                source = source_of(item)
                frames = look_for_frames(source.file)
                if pages := pages_of(source, frames):
                    answers.pages = pages
                    break
                answers.sources[place] = source
                if frames.animated:
                    answers.notes[place] = f"{source.name} {FIRST_FRAME}"
            see(place)
        count += 1
        if time.monotonic() > end:
            break
    answers.paths = [*map(path_of, part[:count])]
    images = np.zeros((count, SIDE, SIDE), np.uint8)
    if plain:
        places = np.array([*plain], np.intp)
        pixels = undo_filters([*plain.values()])
        images[places] = pixels
        ready = in_mnist_form(pixels)
        if polarity is Polarity.DARK_ON_LIGHT:
            ready[:] = False
        for place in places[~ready].tolist():
            see(place)
    for place, form in forms.items():
        images[place] = form
    return _Batch(answers, images, scenes)


def _see(source: Source, polarity: Polarity) -> Seen:
    # Plain digits need nothing of it, so that they need not wait for its import.
    from digitcli.reading.digit import see_digit

    return see_digit(source.file, polarity=polarity, name=source.name)


def _plain_scanlines(item: str | Source | Unreadable) -> bytes | None:
    """Return the scanlines of a plain 28×28 PNG file; None says: read it the other way."""
    path = item if isinstance(item, str) else item.file if isinstance(item, Source) else None
    if not isinstance(path, str):
        return None
    try:
        descriptor = os.open(path, _OPEN_FLAGS)
        try:
            # A FIFO has no place to read at, so it is an error.
            data = (
                os.read(descriptor, _SMALL_FILE)
                if sys.platform == "win32"
                else os.pread(descriptor, _SMALL_FILE, 0)
            )
        finally:
            os.close(descriptor)
    except (OSError, ValueError):
        return None
    return plain_scanlines(data)
