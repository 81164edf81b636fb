"""Look along a row without cutting it, and tell which texts the network finds likely there."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from digitcli.reading.pattern import Pattern
from digitcli.reading.uncut import (
    COLUMN,
    SHARE,
    likelihoods,
    likely_texts,
    row_image,
    runs,
    signed_columns,
    without_signs,
)
from digitcli.seeing.morphology import Float32Array

FRAME_SHARES = 1.0, 0.85
"""Shares of the height at which a whole picture is looked at."""


Place = tuple[float, float, float, float]
"""Left, top, right and bottom; of a tilted row, top and bottom are those in its middle."""


class Look(NamedTuple):
    """A row as the network sees it that does not cut.

    Attributes
    ----------
    columns : ndarray of float32, shape (columns, 11)
        As `columns_of` returns them.
    signed : ndarray of float32, shape (columns, OUTPUTS)
        As `signed_columns` returns them.
    left, scale : float
        Where the first column begins in the picture, and columns for each of its pixels.
    place : Place
    slope : float
        Of the row: how far it falls to the right.
    """

    columns: Float32Array
    signed: Float32Array
    left: float
    scale: float
    place: Place
    slope: float

    def between(self, left: float, right: float) -> Look:
        """Return the part of the look between two places of the picture."""
        first = max(0, round((left - self.left) * self.scale))
        end = max(first + 1, round((right - self.left) * self.scale))
        start, top, stop, bottom = self.place
        fall = self.slope * ((left + right) / 2 - (start + stop) / 2)
        return self._replace(
            columns=self.columns[first:end],
            signed=self.signed[first:end],
            left=self.left + first / self.scale,
            place=(left, top + fall, right, bottom + fall),
        )


def look_at(
    dark: Float32Array,
    place: Place,
    slope: float = 0.0,
    share: float = SHARE,
    light: Float32Array | None = None,
) -> Look:
    """Look along a row without cutting it."""
    image, left, scale = row_image(dark, place, slope, share, light)
    signed = signed_columns(image)
    return Look(without_signs(signed), signed, left, scale / COLUMN, place, slope)


class Texts(NamedTuple):
    """What one or more looks at the same find likely.

    Attributes
    ----------
    looks : list of Look
    texts : list of str
        The most probable first.
    probabilities : ndarray of float, shape (texts, looks)
    """

    looks: list[Look]
    texts: list[str]
    probabilities: NDArray[np.float64]

    @property
    def text(self) -> str:
        """The most probable one."""
        return self.texts[0] if self.texts else ""

    @property
    def probability(self) -> float:
        """How probable it is, on average over the looks."""
        return float(self.probabilities[0].mean()) if self.texts else 0.0

    def of(self, texts: list[str]) -> NDArray[np.float64]:
        """Return the probabilities of given texts, on average over the looks, shape (texts,)."""
        return np.asarray(probabilities_of(self.looks, texts).mean(1), np.float64)


def texts_of(looks: list[Look], pattern: Pattern | None) -> Texts:
    """Return the texts that some looks find likely."""
    found = list(
        dict.fromkeys(
            reading.text
            for look in looks
            for reading in likely_texts(look.columns, pattern=pattern)
        )
    )
    if not found:
        return Texts(looks, [], np.empty((0, len(looks))))
    probabilities = probabilities_of(looks, found)
    order = np.argsort(-probabilities.mean(1), kind="stable")
    return Texts(looks, [found[place] for place in order], probabilities[order])


def read_along(look: Look) -> Texts:
    """Return the one text that is most probable column by column."""
    text = "".join(str(digit) for digit, _, _ in runs(look.columns))
    return Texts([look], [text], probabilities_of([look], [text]))


def probabilities_of(looks: list[Look], texts: list[str]) -> NDArray[np.float64]:
    """Return how probable each text is to each look, shape (texts, looks)."""
    odds = [likelihoods(look.columns, texts) for look in looks]
    return np.asarray(np.exp(np.stack(odds, axis=1)), np.float64)


def see_frame(dark: Float32Array, light: Float32Array | None, pattern: Pattern | None) -> Texts:
    """Look along a whole picture, as one row that fills it."""
    height, width = dark.shape
    place = 0.0, 0.0, float(width), float(height)
    return texts_of(
        [look_at(dark, place, share=share, light=light) for share in FRAME_SHARES], pattern
    )
