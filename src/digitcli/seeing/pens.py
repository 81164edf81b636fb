"""Which ink was written with which pen: a red ring around a blue digit, red rules under pencil.

Pens differ in colour, or in the width of their strokes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from digitcli.seeing.decode import Picture
from digitcli.seeing.morphology import Float32Array, Mask, blur, dilate, erode
from digitcli.seeing.quantile import median

LEAST_INK = 40
"""Pixels of ink below which no colours are told apart."""
APART = 0.2
"""How far the hues of two pens are apart at least, as a distance of unit vectors,"""
SPREAD = 0.45
"""and the most that pixels of one pen differ from their mean, against that distance."""
SHARE = 0.06
"""Each pen wrote at least this share of the ink."""
CORE = 0.05
"""The thickest strokes are so wide that this share of the ink lies in their middle,"""
THINNER = 0.6
"""and strokes narrower than this share of that are another pen's."""


def find_pens(picture: Picture, ink: Mask) -> list[Mask]:
    """Tell the ink of two pens of different hue apart.

    Where ink covers a part of a pixel only, the pixel lies between ink and paper, so the direction
    from the colour of the paper to that of the pixel is the same for all of a stroke.

    Parameters
    ----------
    picture : ndarray of uint8, shape (height, width) or (height, width, 3)
    ink : ndarray of bool, shape (height, width)

    Returns
    -------
    list of ndarray of bool, shape (height, width)
        The ink of each of two pens; nothing where there is one only.
    """
    if picture.ndim == 2 or np.count_nonzero(ink) < LEAST_INK or ink.all():
        return []
    paper = np.array([median(picture[~ink, colour]) for colour in range(3)])
    colours = picture[ink] - paper
    strength = np.maximum(np.linalg.norm(colours, axis=1), 1)
    hues = colours / strength[:, None]
    split = _split(hues, strength)
    if split is None:
        return []
    votes: Float32Array = np.zeros(ink.shape, np.float32)
    votes[ink] = np.where(split, strength, -strength)
    first = blur(votes, 3) > 0
    pens = [ink & first, ink & ~first]
    return pens if all(pen.any() for pen in pens) else []


def thick_strokes(ink: Mask) -> Mask | None:
    """Return what a thick pen wrote, without thin rings and lines, even where they touch it.

    None if all strokes are of one width.
    """
    area = np.count_nonzero(ink)
    if area == ink.size:  # nothing to erode it from
        return None
    radius, core = 0, ink
    while np.count_nonzero(core := erode(core, 3)) >= CORE * area:
        radius += 1
    least = max(1, round(THINNER * radius))
    thick = dilate(erode(ink, 2 * least + 1), 2 * least + 3) & ink
    share = np.count_nonzero(thick) / area
    return thick if SHARE < share < 1 - SHARE else None


def _split(hues: NDArray[np.float64], strength: NDArray[np.float64]) -> NDArray[np.bool_] | None:
    """Divide hues in two along the line on which they differ most; None if they are of one kind."""
    mean = np.average(hues, axis=0, weights=strength)
    away = hues - mean
    axis = np.linalg.eigh((away * strength[:, None]).T @ away)[1][:, -1]
    along = away @ axis
    middle = 0.0
    for _ in range(8):
        upper = along > middle
        if not 0 < np.count_nonzero(upper) < len(upper):
            return None
        low = np.average(along[~upper], weights=strength[~upper])
        high = np.average(along[upper], weights=strength[upper])
        middle = (low + high) / 2
    upper = along > middle
    share = strength[upper].sum() / strength.sum()
    spread = np.average(np.abs(along - np.where(upper, high, low)), weights=strength)
    if high - low < APART or spread > SPREAD * (high - low) / 2 or not SHARE < share < 1 - SHARE:
        return None
    return np.asarray(upper)
