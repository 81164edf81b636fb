"""From paths to answers: in order, in constant memory, in batches when there is plenty to do."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from digitcli.errors import ImageError
from digitcli.model.network import Model
from digitcli.paths import printable
from digitcli.polarity import Polarity
from digitcli.prediction.paths import Burst, Unreadable

if TYPE_CHECKING:
    from digitcli.reading.digit import Seen
from digitcli.seeing.ready import SIDE, in_mnist_form, plain_pixels

BATCH: Final = 256
"""Images that pass through the network together: more is hardly faster."""

FIRST_BATCH: Final = 16
"""Images in the first batch where somebody waits; the next ones grow as long as they are quick."""

PATIENCE: Final = 0.05
"""Seconds after which a batch of slow images is answered before it is full."""

MAX_STREAM_BYTES: Final = 256 << 20
"""Largest image that is taken from a stream."""

_SMALL_FILE: Final = 2048
"""Bytes that hold any 28×28 8-bit PNG."""

_OPEN_FLAGS: Final = os.O_RDONLY | getattr(os, "O_BINARY", 0)
_BLANK: Final = bytes(SIDE * SIDE)

Image = NDArray[np.uint8]
Reader = Callable[[str], "Seen"]
"""Reads the digit in a file; raises ImageError."""


class Answers(NamedTuple):
    """What the model reads in consecutive inputs.

    Attributes
    ----------
    paths : list of str
        The n inputs.
    probabilities : ndarray of float32, shape (n, 10)
        A row for each input; meaningless where there is an error.
    errors : dict
        The error line of each place that could not be read.
    others : dict
        How many other marks of a digit's size each place holds that has any.
    """

    paths: list[str]
    probabilities: NDArray[np.float32]
    errors: dict[int, str]
    others: dict[int, int]


def answer_bursts(
    model: Model,
    bursts: Iterable[Burst],
    *,
    polarity: Polarity = Polarity.AUTO,
    read: Reader | None = None,
    first_batch: int = FIRST_BATCH,
) -> Iterator[Answers]:
    """Answer each burst of paths before the next is asked for.

    Parameters
    ----------
    model : Model
    bursts : iterable of lists of paths
    polarity : Polarity
        Whether the ink is darker or brighter than the paper.
    read : callable, optional
        How to see an image instead of `digitcli.reading.digit.see_digit`.
    first_batch : int
        Images that are answered together at first.

    Yields
    ------
    Answers
        For at most `BATCH` inputs, or as many as took `PATIENCE` seconds.
    """
    size = first_batch
    for burst in bursts:
        start = 0
        while start < len(burst):
            began = time.monotonic()
            batch = _read_batch(burst[start : start + size], polarity, read)
            yield batch.answered_by(model)
            start += len(batch.paths)
            quick = time.monotonic() - began < PATIENCE
            size = min(BATCH, 2 * size) if quick else max(1, size // 2)


def read_stream(file: BinaryIO) -> BytesIO:
    """Read the one image in a binary stream such as stdin, which may never end."""
    data = file.read(MAX_STREAM_BYTES + 1)
    if len(data) > MAX_STREAM_BYTES:
        raise ImageError(
            f"the image on stdin is larger than {MAX_STREAM_BYTES >> 20} MiB; scale it down"
        )
    return BytesIO(data)


def answer_image(model: Model, file: BinaryIO, *, polarity: Polarity = Polarity.AUTO) -> Answers:
    """Answer for the one image in a binary stream such as stdin; its path is ``-``."""
    try:
        seen = _see_digit(read_stream(file), polarity, name="the image on stdin")
    except Exception as error:
        return Answers(["-"], np.zeros((1, 10), np.float32), {0: _reason("-", error)}, {})
    doubts, others = {0: seen.doubt}, {0: seen.others} if seen.others else {}
    return _Batch(["-"], seen.image[None], {}, doubts, others).answered_by(model)


class _Batch(NamedTuple):
    """Images of the same size one after the other, and the places of those that have none."""

    paths: list[str]
    images: Image
    errors: dict[int, str]
    doubts: dict[int, float]
    others: dict[int, int]

    def answered_by(self, model: Model) -> Answers:
        good = [place for place in range(len(self.paths)) if place not in self.errors]
        if not self.errors:
            probabilities = model.predict_proba(self.images)
        else:
            probabilities = np.zeros((len(self.paths), 10), np.float32)
            if good:
                probabilities[good] = model.predict_proba(self.images[good])
        for place, doubt in self.doubts.items():  # what was not meant may be any digit
            probabilities[place] = (1 - doubt) * probabilities[place] + doubt / 10
        return Answers(self.paths, probabilities, self.errors, self.others)


def _read_batch(burst: Burst, polarity: Polarity, read: Reader | None) -> _Batch:
    """Read images until all are read or it takes too long."""
    general = read or (lambda path: _see_digit(path, polarity))
    paths: list[str] = []
    pixels: list[bytes | bytearray] = []
    plain_ones: list[int] = []
    errors: dict[int, str] = {}
    doubts: dict[int, float] = {}
    others: dict[int, int] = {}

    def read_any(place: int) -> bytes:
        try:
            seen = general(paths[place])
        except Exception as error:
            errors[place] = _reason(paths[place], error)
            return _BLANK
        if seen.doubt:
            doubts[place] = seen.doubt
        if seen.others:
            others[place] = seen.others
        return seen.image.tobytes()

    end = time.monotonic() + PATIENCE
    for place, item in enumerate(burst):
        if isinstance(item, Unreadable):
            paths.append(item.path)
            pixels.append(_BLANK)
            errors[place] = item.reason
            continue
        paths.append(item)
        plain = None if read else _plain_pixels(item)
        if plain is None:
            pixels.append(read_any(place))
        else:
            pixels.append(plain)
            plain_ones.append(place)
        if time.monotonic() > end:
            break
    images = np.frombuffer(bytearray().join(pixels), np.uint8).reshape(-1, SIDE, SIDE)
    ready = in_mnist_form(images[plain_ones])
    if polarity is Polarity.DARK_ON_LIGHT:
        ready[:] = False
    for place in np.array(plain_ones, np.intp)[~ready].tolist():
        images[place] = np.frombuffer(read_any(place), np.uint8).reshape(SIDE, SIDE)
    return _Batch(paths, images, errors, doubts, others)


def _see_digit(file: str | BinaryIO, polarity: Polarity, name: str | None = None) -> Seen:
    # Plain digits need nothing of it, so that they need not wait for its import.
    from digitcli.reading.digit import see_digit

    return see_digit(file, polarity=polarity, name=name)


def _reason(path: str, error: Exception) -> str:
    """Return the line for an input that could not be read; not even a bug ends the stream."""
    if isinstance(error, ImageError):
        return str(error)
    if os.environ.get("DIGITCLI_DEBUG"):
        raise error
    return (
        f"{printable(path)} cannot be read ({type(error).__name__}: {printable(str(error))}); "
        "this is a fault in digitcli, please report it"
    )


def _plain_pixels(path: str) -> bytearray | None:
    """Return the pixels of a plain 28×28 PNG file; None says: read it the other way."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - in the innermost loop
            return None
        descriptor = os.open(path, _OPEN_FLAGS)
        try:
            return plain_pixels(os.read(descriptor, _SMALL_FILE))
        finally:
            os.close(descriptor)
    except (OSError, ValueError):
        return None
