"""A row of digits that was read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels; right and bottom are just outside."""

LEAST, MOST = 1e-6, 1 - 1e-4
"""Smaller and larger confidences count as these."""


@dataclass(frozen=True)
class Digit:
    """A digit in a row.

    Attributes
    ----------
    box : Box
    probabilities : ndarray of float32, shape (10,)
    digit : int
        The most probable one that the pattern allows.
    score : float
        By how much the log-odds that it is a digit exceed those of other marks.
    """

    box: Box
    probabilities: NDArray[np.float32]
    digit: int
    score: float = 0.0

    @property
    def confidence(self) -> float:
        """Probability of the digit."""
        return float(self.probabilities[self.digit])

    def with_confidence(self, confidence: float) -> Digit:
        """Return the digit with another probability, which the other digits give or take."""
        others = 1 - self.confidence
        probabilities = self.probabilities * ((1 - confidence) / max(others, 1e-9))
        if others <= 1e-9:
            probabilities = np.full(10, (1 - confidence) / 9)
        probabilities[self.digit] = confidence
        return replace(self, probabilities=probabilities.astype(np.float32))


@dataclass(frozen=True)
class Row:
    """The digits of a row.

    Attributes
    ----------
    digits : tuple of Digit
        From left to right.
    signs : tuple of str
        What stands before each digit: ``-``, ``.`` for a decimal point or a comma, a space where
        another number begins, or nothing; empty if no signs were looked for.
    """

    digits: tuple[Digit, ...]
    signs: tuple[str, ...] = ()

    def text(self, min_confidence: float = 0.0, *, signs: bool = False) -> str:
        """Return what the row says.

        Parameters
        ----------
        min_confidence : float
            0 to 1. Where the row is less sure, its doubtful digits are ``?``: the least sure ones,
            until the rest reaches this.
        signs : bool
            Write the minus, the decimal point and the spaces too.
        """
        doubtful = self.doubtful(min_confidence)
        texts = [
            "?" if place in doubtful else str(digit.digit)
            for place, digit in enumerate(self.digits)
        ]
        if signs and self.signs:
            texts = [sign + text for sign, text in zip(self.signs, texts, strict=True)]
        return "".join(texts)

    def doubtful(self, min_confidence: float) -> frozenset[int]:
        """Return the places of the digits without which the row reaches a confidence."""
        order = sorted(range(len(self.digits)), key=lambda place: self.digits[place].confidence)
        for count in range(len(order)):
            rest = [self.digits[place].confidence for place in order[count:]]
            if float(np.prod(rest)) >= min_confidence:
                return frozenset(order[:count])
        return frozenset(order)

    @property
    def edges(self) -> tuple[float, float]:
        """Top and bottom of its digits, on the median."""
        tops, bottoms = (float(np.median([d.box[side] for d in self.digits])) for side in (1, 3))
        return tops, bottoms

    @property
    def confidence(self) -> float:
        """How probable it is that the whole row is right: the product over the digits."""
        return float(np.prod([digit.confidence for digit in self.digits]))

    def with_confidence(self, confidence: float) -> Row:
        """Return the row with another confidence, which the digits share as they did before."""
        wanted = -np.log(np.clip(confidence, LEAST, MOST))
        doubts = [-np.log(np.clip(digit.confidence, LEAST, MOST)) for digit in self.digits]
        factor = wanted / sum(doubts)
        digits = (
            digit.with_confidence(float(np.exp(-factor * doubt)))
            for digit, doubt in zip(self.digits, doubts, strict=True)
        )
        return replace(self, digits=tuple(digits))

    def scaled(self, scale: float) -> Row:
        """Return the row in a picture `scale` times as large."""
        return self._placed(lambda edge, _: round(edge * scale))

    def moved(self, right: int, down: int) -> Row:
        """Return the row farther to the right and down."""
        return self._placed(lambda edge, side: edge + (down if side % 2 else right))

    def _placed(self, place: Callable[[int, int], int]) -> Row:
        """Move each edge of each box: left, top, right and bottom are sides 0 to 3."""

        def placed(box: Box) -> Box:
            left, top, right, bottom = (place(edge, side) for side, edge in enumerate(box))
            return left, top, right, bottom

        digits = tuple(replace(digit, box=placed(digit.box)) for digit in self.digits)
        return replace(self, digits=digits)
