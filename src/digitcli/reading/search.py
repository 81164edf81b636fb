"""The best way to divide a row into digits, by dynamic programming over its pieces."""

from __future__ import annotations

from math import inf
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from digitcli.reading.candidates import Candidate
from digitcli.reading.pattern import ANY, Pattern


class Choice(NamedTuple):
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
    digits, odds = zip(*(_likeliest(scores, allowed) for allowed in pattern or [ANY]), strict=True)
    left_out = skips.tolist()
    best = [[-inf] * (places + 1) for _ in range(count + 1)]
    best[0][0] = 0.0
    back: dict[tuple[int, int], tuple[int, int, int | None]] = {}
    starting: list[list[tuple[int, int]]] = [[] for _ in range(count)]
    for number, candidate in enumerate(candidates):
        starting[candidate.first].append((number, candidate.last))
    for piece in range(count):
        for place, here in enumerate(best[piece]):
            if here == -inf:
                continue
            steps: list[tuple[int | None, int, int, float]]
            steps = [(None, piece + 1, place, left_out[piece])]
            after = place + 1 if pattern else place
            if after <= places:
                own = odds[place]
                steps += [(number, last, after, own[number]) for number, last in starting[piece]]
            for choice, end, then, gain in steps:
                if here + gain > best[end][then]:
                    best[end][then] = here + gain
                    back[end, then] = piece, place, choice
    if best[count][places] == -inf:
        return None
    path, state = [], (count, places)
    while state != (0, 0):
        piece, place, choice = back[state]
        if choice is not None:
            path.append(Choice(choice, digits[place][choice]))
        state = piece, place
    return Way(path[::-1], best[count][places])


def _likeliest(
    scores: NDArray[np.float32], allowed: frozenset[int]
) -> tuple[list[int], list[float]]:
    """Return the digit among some that each candidate is read as, and its log-odds."""
    digits = np.array(sorted(allowed))
    own = scores[:, digits]
    return digits[own.argmax(1)].tolist(), own.max(1).tolist()
