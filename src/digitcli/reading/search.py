"""The best way to divide a row into digits, by dynamic programming over its pieces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from digitcli.reading.candidates import Candidate
from digitcli.reading.pattern import Pattern


@dataclass(frozen=True)
class Choice:
    """A candidate that is part of the best way, and the digit it is read as."""

    candidate: int
    digit: int


class Way(NamedTuple):
    """A way to divide a row: its digits from left to right, and the sum of its scores."""

    choices: list[Choice]
    score: float


def best_way(
    candidates: list[Candidate],
    scores: NDArray[np.float32],
    skips: NDArray[np.float32],
    pattern: Pattern | None = None,
) -> Way | None:
    """Divide a row into digits so that the sum of the scores is highest.

    Parameters
    ----------
    candidates : list of Candidate
        What may be a digit.
    scores : ndarray of float32, shape (len(candidates), 10)
        Log-odds that a candidate is a whole digit, and this one.
    skips : ndarray of float32, shape (pieces,)
        Score of taking a piece for no digit.
    pattern : Pattern, optional
        The digits that may stand at each place; any number of any digits by default.

    Returns
    -------
    Way or None
        None if no way has the pattern.
    """
    count = len(skips)
    places = len(pattern) if pattern else 0
    best = np.full((count + 1, places + 1), -np.inf)
    best[0, 0] = 0
    back: dict[tuple[int, int], tuple[int, int, Choice | None]] = {}
    starting: list[list[int]] = [[] for _ in range(count)]
    for number, candidate in enumerate(candidates):
        starting[candidate.first].append(number)
    for piece in range(count):
        for place in np.flatnonzero(np.isfinite(best[piece])).tolist():
            here = best[piece, place]
            _improve(best, back, piece + 1, place, here + skips[piece], (piece, place, None))
            if pattern and place == places:
                continue
            allowed = sorted(pattern[place]) if pattern else range(10)
            after = place + 1 if pattern else place
            for number in starting[piece]:
                digit = max(allowed, key=lambda digit: float(scores[number, digit]))
                step = piece, place, Choice(number, digit)
                score = here + scores[number, digit]
                _improve(best, back, candidates[number].last, after, score, step)
    if not np.isfinite(best[count, places]):
        return None
    path, state = [], (count, places)
    while state != (0, 0):
        piece, place, choice = back[state]
        if choice is not None:
            path.append(choice)
        state = piece, place
    return Way(path[::-1], float(best[count, places]))


def _improve(
    best: NDArray[np.float64],
    back: dict[tuple[int, int], tuple[int, int, Choice | None]],
    piece: int,
    place: int,
    score: float,
    step: tuple[int, int, Choice | None],
) -> None:
    if score > best[piece, place]:
        best[piece, place] = score
        back[piece, place] = step
