"""Whether a digit lies on its side, as in photographs whose EXIF data are lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from digitcli.model.network import Model

if TYPE_CHECKING:
    from digitcli.reading.digit import Seen

SIDEWAYS, UPRIGHT = 0.5, 0.98
"""A digit that the network is less sure of is turned if it is as sure as this of it then. Chosen on
digits that a writer wrote: six in ten that lay on their side were read, and of a thousand upright
ones one was turned."""
CLAIMED = 0.3
"""What is claimed at most of what was turned: of the marks that a writer wrote, which were no
digits, one in eight looked like a digit on its side."""
DIGIT_TRUST = 0.15
"""Power of the probability that it is a digit, by which that of an answer is multiplied. On written
digits and marks more tells them apart hardly better, and costs real digits their confidence."""
LEFT, RIGHT = 1, 3
"""Quarters, anticlockwise, that bring upright what lies on its side."""


class Turned(NamedTuple):
    """A digit that was turned.

    Attributes
    ----------
    turns : int
        By how many quarters, anticlockwise.
    probabilities : ndarray of float32, shape (10,)
        What is said of it then.
    """

    turns: int
    probabilities: NDArray[np.float32]


def turned(image: NDArray[np.uint8], model: Model) -> Turned | None:
    """Turn a doubtful image, shape (28, 28), to the side on which it is surely a digit, if any."""
    ways = np.stack([np.rot90(image, turns) for turns in (LEFT, RIGHT)])
    probabilities = model.predict_proba(ways)
    surest = int(probabilities.max(axis=1).argmax())
    if probabilities[surest].max() < UPRIGHT:
        return None
    doubted = CLAIMED * probabilities[surest] + (1 - CLAIMED) / 10
    return Turned((LEFT, RIGHT)[surest], doubted.astype(np.float32))


def heeded(
    seen: Seen, probabilities: NDArray[np.float32], likely: float, model: Model
) -> tuple[NDArray[np.float32], int]:
    """Turn what lies on its side, and lower the confidence of doubtful scenes and of no digits.

    Parameters
    ----------
    seen : Seen
    probabilities : ndarray of float32, shape (10,)
        What the model says of the digit as it was seen,
    likely : float
        and how probable it is to it that this is a digit at all.
    model : Model

    Returns
    -------
    probabilities : ndarray of float32, shape (10,)
    turns : int
        By how many quarters it was turned, anticlockwise.
    """
    turns = 0
    if not seen.ready and probabilities.max() < SIDEWAYS and (upright := turned(seen.image, model)):
        turns, probabilities = upright
        likely = float(model.is_digit(np.rot90(seen.image, turns)[None])[0])
    trust = 1 - seen.doubt
    if not seen.ready:
        trust *= likely**DIGIT_TRUST
    return np.asarray(trust * probabilities + (1 - trust) / 10, np.float32), turns


def recognised(seen: Seen, model: Model) -> NDArray[np.float32]:
    """Return the probabilities of a digit in a picture, shape (10,)."""
    image = seen.image[None]
    return heeded(seen, model.predict_proba(image)[0], float(model.is_digit(image)[0]), model)[0]
