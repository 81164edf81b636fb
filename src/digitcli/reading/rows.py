"""Read the rows of digits in a picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import compress
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from digitcli.errors import ImageError
from digitcli.model.input import as_pixels
from digitcli.model.network import Model
from digitcli.polarity import Polarity
from digitcli.reading.candidates import (
    Candidate,
    candidates,
    digit_image,
    log_odds,
    whole_strokes,
    wholeness,
)
from digitcli.reading.ink import PAGE_SIDE, Ink, find_ink, weighted_median
from digitcli.reading.pattern import ANY, Pattern
from digitcli.reading.search import best_path
from digitcli.reading.split import Piece, Stroke, split
from digitcli.seeing.decode import Picture, decode, upright_size
from digitcli.seeing.pieces import Regions
from digitcli.seeing.rows import find_rows, heights

Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels; right and bottom are just outside."""

SKIP = 6.0
"""What it costs to leave out a stroke as large as a digit, in log-odds."""
SURE = 4.0
"""Log-odds from which on a stroke is taken for one digit without trying to cut it."""
UNLIKELY = -5.0
"""Log-odds below which what is judged is not tried as a digit."""
LEAST = 0.4
"""Rows whose digits are lower than this share of the highest row's are smudges."""


@dataclass(frozen=True)
class Digit:
    """A digit in a row.

    Attributes
    ----------
    box : Box
    probabilities : ndarray of float32, shape (10,)
    digit : int
        The most probable one that the pattern allows.
    """

    box: Box
    probabilities: NDArray[np.float32]
    digit: int

    @property
    def confidence(self) -> float:
        """Probability of the digit."""
        return float(self.probabilities[self.digit])


@dataclass(frozen=True)
class Row:
    """The digits of a row from left to right."""

    digits: tuple[Digit, ...]

    def text(self, min_confidence: float = 0.0) -> str:
        """Return the digits, ``?`` for each below `min_confidence`."""
        return "".join(
            str(digit.digit) if digit.confidence >= min_confidence else "?" for digit in self.digits
        )

    @property
    def confidence(self) -> float:
        """Product over the digits."""
        return float(np.prod([digit.confidence for digit in self.digits]))


@dataclass(frozen=True)
class Page:
    """A picture and the rows in it.

    Attributes
    ----------
    picture : ndarray of uint8, shape (height, width) or (height, width, 3)
        The picture, reduced if it is large.
    seen : list of Row
        The rows, with boxes in pixels of `picture`;
    rows : list of Row
        and with boxes in pixels of the file, held upright.
    """

    picture: Picture
    seen: list[Row]
    rows: list[Row]


def read_page(
    file: str | Path | BinaryIO,
    model: Model,
    *,
    name: str | None = None,
    polarity: Polarity = Polarity.AUTO,
    pattern: Pattern | None = None,
) -> Page:
    """Read every row of handwritten digits in an image file.

    Parameters
    ----------
    file : str, Path or binary file object
        An image as `digitcli.read_digit` takes it.
    model : Model
    name : str, optional
        What error messages call the image; the path by default.
    polarity, pattern
        As for `read_rows`.

    Raises
    ------
    ImageError
        If the file cannot be read as an image, holds no ink or no row with the pattern.
    """
    picture = decode(file, name, sight=PAGE_SIDE)
    try:
        rows = read_rows(picture, model, polarity=polarity, pattern=pattern)
    except ImageError as error:
        raise ImageError(f"{name or file} {error}") from None
    scale = upright_size(file)[0] / picture.shape[1]
    return Page(picture, rows, [_scaled(row, scale) for row in rows])


def read_rows(
    picture: Picture,
    model: Model,
    *,
    polarity: Polarity = Polarity.AUTO,
    pattern: Pattern | None = None,
) -> list[Row]:
    """Read every row of handwritten digits in a picture.

    Strokes are cut wherever digits might touch, the pieces put together in all ways that might be
    a digit, and those ways chosen that the network and their shape speak for most (after
    Matan, Burges, LeCun, Denker: Multi-digit recognition using a space displacement neural
    network, 1992, and the segmentation graphs of LeCun et al., 1998).

    Parameters
    ----------
    picture : ndarray of uint8, shape (height, width) or (height, width, 3)
        As `digitcli.seeing.decode.decode` returns it.
    model : Model
    polarity : Polarity
        Whether the ink is darker or brighter than the paper; found out by default.
    pattern : Pattern, optional
        The digits that may stand at each place; rows that cannot be read so are left out.

    Returns
    -------
    list of Row
        From the top down, with boxes in pixels of `picture`.

    Raises
    ------
    ImageError
        If the picture holds no ink or no row with the pattern.
    """
    ink = find_ink(picture, polarity)
    found = Regions.of(ink.mask)
    scale = picture.shape[1] / ink.mask.shape[1]
    read = [_read_row(found, row, ink, model, pattern) for row in find_rows(found, ink.mask.shape)]
    rows = [_scaled(row, scale) for row in _without_smudges(read)]
    if not rows:
        wanted = f"row of {len(pattern)} digits" if pattern else "row of digits"
        raise ImageError(f"holds no {wanted}; check that the picture shows one")
    return rows


def _read_row(
    found: Regions, row: NDArray[np.intp], ink: Ink, model: Model, pattern: Pattern | None
) -> Row | None:
    height = weighted_median(heights(found)[row], found.size[row])
    strokes = [stroke_of(found, int(number), ink) for number in row]
    pieces = sorted(
        (piece for stroke in strokes for piece in split(stroke, height)),
        key=lambda piece: piece.middle,
    )
    sure = frozenset[Stroke]() if pattern else sure_digits(pieces, ink, height)
    least = -np.inf if pattern else UNLIKELY
    tried, images, scores = _scored(pieces, sure, height, ink, model, least)
    path = best_path(tried, scores, _skips(pieces, height), pattern)
    if not path:
        return None
    chosen = [tried[choice.candidate] for choice in path]
    seen = model.predict_proba(np.stack([images[choice.candidate] for choice in path]))
    places = pattern or [ANY] * len(path)
    return Row(
        tuple(
            Digit(candidate.box, looked, max(sorted(allowed), key=lambda digit: looked[digit]))
            for candidate, looked, allowed in zip(chosen, seen, places, strict=True)
        )
    )


def sure_digits(pieces: list[Piece], ink: Ink, height: float) -> frozenset[Stroke]:
    """Which strokes are one digit each beyond doubt, so that they need not be cut."""
    found = whole_strokes(pieces)
    if not found:
        return frozenset()
    odds = wholeness(found, pieces, ink, height)
    return frozenset(pieces[candidate.first].stroke for candidate in compress(found, odds > SURE))


def _scored(
    pieces: list[Piece],
    sure: frozenset[Stroke],
    height: float,
    ink: Ink,
    model: Model,
    least: float,
) -> tuple[list[Candidate], NDArray[np.uint8], NDArray[np.float32]]:
    """Return what may be a digit, in the form of MNIST, and the log-odds of each digit.

    What is judged to be a whole digit with log-odds below `least` is not looked at, and nothing
    twice: few are left to be looked at again.
    """
    tried = candidates(pieces, height, whole=sure)
    whole = wholeness(tried, pieces, ink, height) if tried else np.empty(0, np.float32)
    tried = list(compress(tried, whole > least))
    if not tried:
        return [], np.empty((0, 28, 28), np.uint8), np.empty((0, 10), np.float32)
    images = np.stack([digit_image(part, ink) for part in tried])
    with np.errstate(over="ignore", invalid="ignore"):
        probabilities = model.first_look(as_pixels(images))
    if not np.isfinite(probabilities).all():
        probabilities = model.predict_proba(images)  # which says what is wrong with the model
    return tried, images, log_odds(whole[whole > least], probabilities)


def stroke_of(found: Regions, number: int, ink: Ink) -> Stroke:
    """Crop one stroke of a page."""
    top, left = int(found.top[number]), int(found.left[number])
    window = slice(top, int(found.bottom[number])), slice(left, int(found.right[number]))
    mask = found.labels[window] == number + 1
    dark = np.quantile(ink.density[window][mask], 0.8)
    return Stroke(mask, np.minimum(ink.density[window] / dark, 1).astype(np.float32), top, left)


def _skips(pieces: list[Piece], height: float) -> NDArray[np.float32]:
    """Score of leaving out a piece: the larger its stroke, the lower; cut off parts stay in."""
    sizes = [
        max(piece.stroke.mask.shape) / height if piece.after is piece.before else 1.0
        for piece in pieces
    ]
    return np.array([-SKIP * min(1.0, size) for size in sizes], np.float32)


def _without_smudges(rows: list[Row | None]) -> list[Row]:
    heights = [
        float(np.median([digit.box[3] - digit.box[1] for digit in row.digits])) if row else 0.0
        for row in rows
    ]
    return [
        row
        for row, height in zip(rows, heights, strict=True)
        if row and height >= LEAST * max(heights)
    ]


def _scaled(row: Row, scale: float) -> Row:
    return Row(tuple(replace(digit, box=_scaled_box(digit.box, scale)) for digit in row.digits))


def _scaled_box(box: Box, scale: float) -> Box:
    left, top, right, bottom = box
    return round(left * scale), round(top * scale), round(right * scale), round(bottom * scale)
