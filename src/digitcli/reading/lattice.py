"""Divide a row into digits: cut its strokes, and put the pieces together to digits.

Strokes are cut wherever digits might touch, the pieces put together in all ways that might be a
digit, and those ways chosen that the network and their shape speak for most (after Matan, Burges,
LeCun, Denker: Multi-digit recognition using a space displacement neural network, 1992, and the
segmentation graphs of LeCun et al., 1998).
"""

from __future__ import annotations

from itertools import compress

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


class Lattice:
    """What may be the digits of a row.

    To bring ink to the form of MNIST takes longer than all else, so what may be a digit is looked
    at only where it would be one in the best way if it were seen as clearly as can be.

    Parameters
    ----------
    tried : list of Candidate
        Neighbouring pieces that may be a digit together,
    whole : ndarray of float32, shape (n,)
        and the log-odds that they are one.
    skips : ndarray of float32, shape (pieces,)
        Score of taking a piece for no digit.
    ink : Ink
    model : Model

    Attributes
    ----------
    tried : list of Candidate
    skips : ndarray of float32, shape (pieces,)
    images : dict
        The candidates that were looked at, by their place in `tried`, in the form of MNIST.
    """

    def __init__(
        self,
        tried: list[Candidate],
        whole: NDArray[np.float32],
        skips: NDArray[np.float32],
        ink: Ink,
        model: Model,
    ) -> None:
        self.tried = tried
        self.skips = skips
        self._whole = whole
        self._ink = ink
        self._model = model
        self.images: dict[int, NDArray[np.uint8]] = {}
        # log-odds of each digit: the most that they can be, until the candidate is looked at
        self._scores = log_odds(whole, np.ones((len(tried), 10), np.float32))

    def way(self, pattern: Pattern | None = None) -> Way | None:
        """Return the best way to divide the row, None if none has the pattern."""
        while way := best_way(self.tried, self._scores, self.skips, pattern):
            new = [number for number, _ in way.choices if number not in self.images]
            if not new:
                return way
            self.look_at(new)
        return None

    def look_at(self, numbers: list[int]) -> None:
        """Tell which digits some candidates may be; few are left to be looked at a second time."""
        images = [digit_image(self.tried[number], self._ink) for number in numbers]
        self.images.update(zip(numbers, images, strict=True))
        stacked = np.stack(images)
        with np.errstate(over="ignore", invalid="ignore"):
            probabilities = self._model.first_look(as_pixels(stacked))
        if not np.isfinite(probabilities).all():
            probabilities = self._model.predict_proba(stacked)  # says what is wrong with the model
        self._scores[numbers] = log_odds(self._whole[numbers], probabilities)

    def weakest(self, way: Way) -> float:
        """Return the least log-odds of a digit of a way."""
        return min(float(self._scores[choice.candidate].max()) for choice in way.choices)

    def digits(self, way: Way, model: Model, pattern: Pattern | None) -> list[Digit]:
        """Look at the digits of a way once more."""
        chosen = [choice.candidate for choice in way.choices]
        seen = model.predict_proba(np.stack([self.images[number] for number in chosen]))
        places = pattern or [ANY] * len(chosen)
        return [
            Digit(
                self.tried[number].box,
                looked,
                _likeliest(looked, allowed),
                float(self._scores[number].max()) - WRITING,
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
    pieces = sorted(split(strokes, height), key=lambda piece: piece.middle)
    width = int(found.right[row].max() - found.left[row].min())
    skips = _skips(pieces, height)
    tried: list[Candidate] = []
    whole = np.empty(0, np.float32)
    if all_cuts or len(pieces) <= CROWDED * (width / height + 0.5):
        sure = frozenset[Stroke]() if all_cuts else sure_digits(pieces, ink, height)
        tried = candidates(pieces, height, whole=sure)
    if tried:
        whole = wholeness(tried, pieces, ink, height)
    if not all_cuts:
        tried, whole = list(compress(tried, whole > UNLIKELY)), whole[whole > UNLIKELY]
    return Lattice(tried, whole, skips, ink, model)


def sure_digits(pieces: list[Piece], ink: Ink, height: float) -> frozenset[Stroke]:
    """Which strokes are one digit each beyond doubt, so that they need not be cut."""
    found = whole_strokes(pieces)
    if not found:
        return frozenset()
    odds = wholeness(found, pieces, ink, height)
    return frozenset(pieces[candidate.first].stroke for candidate in compress(found, odds > SURE))


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
