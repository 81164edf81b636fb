"""Divide a row into digits: cut its strokes, and put the pieces together to digits.

Strokes are cut wherever digits might touch, the pieces put together in all ways that might be a
digit, and those ways chosen that the network and their shape speak for most (after Matan, Burges,
LeCun, Denker: Multi-digit recognition using a space displacement neural network, 1992, and the
segmentation graphs of LeCun et al., 1998).
"""

from __future__ import annotations

from itertools import compress
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from digitcli.model.input import as_pixels
from digitcli.model.network import Model
from digitcli.reading.candidates import (
    Candidate,
    candidates,
    digit_image,
    log_odds,
    whole_strokes,
    wholeness,
)
from digitcli.reading.pattern import ANY, Pattern
from digitcli.reading.row import Digit
from digitcli.reading.search import Way, best_way
from digitcli.reading.split import Piece, Stroke, split
from digitcli.seeing.ink import Ink
from digitcli.seeing.pieces import Regions

SKIP = 6.0
"""What it costs to leave out a stroke as large as a digit, in log-odds."""
SURE = 4.0
"""Log-odds from which on a stroke is taken for one digit without trying to cut it."""
UNLIKELY = -5.0
"""Log-odds below which what is judged is not tried as a digit."""
CROWDED = 7.0
"""Where there are more pieces in a stretch as long as the row is high, they are the pattern of the
paper; rows that are read have six at most."""
WRITING = 2.0
"""Log-odds of a digit that written ones exceed and other marks do not, mostly."""


class Lattice(NamedTuple):
    """What may be the digits of a row.

    Attributes
    ----------
    tried : list of Candidate
        Neighbouring pieces that may be a digit together,
    images : ndarray of uint8, shape (n, 28, 28)
        in the form of MNIST,
    scores : ndarray of float32, shape (n, 10)
        and the log-odds that they are each digit.
    skips : ndarray of float32, shape (pieces,)
        Score of taking a piece for no digit.
    """

    tried: list[Candidate]
    images: NDArray[np.uint8]
    scores: NDArray[np.float32]
    skips: NDArray[np.float32]

    def way(self, pattern: Pattern | None = None) -> Way | None:
        """Return the best way to divide the row, None if none has the pattern."""
        return best_way(self.tried, self.scores, self.skips, pattern)

    def weakest(self, way: Way) -> float:
        """Return the least log-odds of a digit of a way."""
        return min(float(self.scores[choice.candidate].max()) for choice in way.choices)

    def digits(self, way: Way, model: Model, pattern: Pattern | None) -> list[Digit]:
        """Look at the digits of a way once more."""
        chosen = [choice.candidate for choice in way.choices]
        seen = model.predict_proba(self.images[chosen])
        places = pattern or [ANY] * len(chosen)
        return [
            Digit(
                self.tried[number].box,
                looked,
                _likeliest(looked, allowed),
                float(self.scores[number].max()) - WRITING,
            )
            for number, looked, allowed in zip(chosen, seen, places, strict=True)
        ]


def _likeliest(probabilities: NDArray[np.float32], allowed: frozenset[int]) -> int:
    return max(sorted(allowed), key=lambda digit: float(probabilities[digit]))


def lattice_of(
    found: Regions, row: NDArray[np.intp], height: float, ink: Ink, model: Model, *, all_cuts: bool
) -> Lattice:
    """Cut the strokes of a row and judge what may be a digit: nothing if they are a pattern.

    Parameters
    ----------
    found : Regions
    row : ndarray of intp
        The numbers of the strokes, from left to right.
    height : float
        Of the digits, in pixels.
    ink : Ink
    model : Model
    all_cuts : bool
        Whether to try cuts that hardly make sense, too: a pattern may want them.
    """
    strokes = [stroke_of(found, int(number), ink) for number in row]
    pieces = sorted(
        (piece for stroke in strokes for piece in split(stroke, height)),
        key=lambda piece: piece.middle,
    )
    width = int(found.right[row].max() - found.left[row].min())
    skips = _skips(pieces, height)
    if not all_cuts and len(pieces) > CROWDED * (width / height + 0.5):
        return Lattice([], np.empty((0, 28, 28), np.uint8), np.empty((0, 10), np.float32), skips)
    sure = frozenset[Stroke]() if all_cuts else sure_digits(pieces, ink, height)
    tried, images, scores = _scored(
        pieces, sure, height, ink, model, -np.inf if all_cuts else UNLIKELY
    )
    return Lattice(tried, images, scores, skips)


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
