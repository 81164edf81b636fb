"""Ways of writing a digit that MNIST hardly holds: the 1 with a flag or a base, the crossed 7.

MNIST was written in the United States, where 1 is a bare stroke. Elsewhere, and in print, it has
a flag that reaches down from its top, often a base as well; without such examples a network reads
it as 7 or 2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIDE = 28
MIDDLE = 14.0
"""Index of the row and column where the centre of mass is, as in MNIST's own digits."""


def _segment(
    start: NDArray[np.float64], end: NDArray[np.float64], width: float
) -> NDArray[np.float64]:
    """Antialiased line between two points (row, column), shape (28, 28), values in [0, 1]."""
    points = np.moveaxis(np.indices((SIDE, SIDE)), 0, -1) - start
    along = end - start
    place = np.clip((points @ along) / max(1e-9, float(along @ along)), 0, 1)
    distance: NDArray[np.float64] = np.linalg.norm(points - place[..., None] * along, axis=-1)
    return np.clip(width / 2 + 0.5 - distance, 0, 1)


def _centred(image: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Move the centre of mass to the middle, by whole pixels."""
    for axis in (0, 1):
        profile = image.sum(axis=1 - axis)
        shift = round(MIDDLE - float(profile @ np.arange(SIDE)) / float(profile.sum()))
        image = np.roll(image, shift, axis=axis)
    return (image * 255).astype(np.uint8)


def _stroke_ends(
    ink: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Top and bottom end (row, column) and width of a digit that is one stroke."""
    rows = np.flatnonzero(ink.max(axis=1) > 0.4)
    top, bottom = int(rows[0]), int(rows[-1])
    columns = np.arange(SIDE)

    def middle(row: int) -> float:
        return float(ink[row] @ columns / ink[row].sum())

    ends = (
        np.array([top + 1.0, middle(top)]),
        np.array([bottom - 1.0, middle(bottom)]),
    )
    length = max(1.0, float(np.linalg.norm(ends[1] - ends[0])))
    return *ends, float(np.clip(ink.sum() / length, 1.5, 5))


def flagged_one(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Give a 1 a flag, and to a third of them a base, with its own stroke width."""
    ink = image / 255
    top, bottom, width = _stroke_ends(ink)
    height = bottom[0] - top[0]
    angle = np.deg2rad(rng.uniform(25, 58))  # from upright
    length = height * rng.uniform(0.25, 0.6)
    end = top + length * np.array([np.cos(angle), -np.sin(angle)])
    ink = np.maximum(ink, _segment(top, end, width))
    if rng.random() < 1 / 3:
        half = height * rng.uniform(0.15, 0.4)
        reach = np.array([rng.uniform(-1, 1), half])  # nearly level
        ink = np.maximum(ink, _segment(bottom - reach, bottom + reach, width))
    return _centred(ink)


def crossed_seven(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Put a bar across the stem of a 7."""
    ink = image / 255
    rows = np.flatnonzero(ink.max(axis=1) > 0.4)
    row = int(rows[0] + (rows[-1] - rows[0]) * rng.uniform(0.45, 0.65))
    middle = float(ink[row] @ np.arange(SIDE) / max(1e-9, ink[row].sum()))
    half, tilt = rng.uniform(2.5, 5), rng.uniform(-1, 1)
    left, right = np.array([row + tilt, middle - half]), np.array([row - tilt, middle + half])
    return _centred(np.maximum(ink, _segment(left, right, rng.uniform(1.5, 3.5))))


def with_variants(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], *, share: float, seed: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Add flagged 1s and crossed 7s made from a share of the 1s and 7s.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, 28, 28)
    labels : ndarray of uint8, shape (n,)
    share : float
        Share of the 1s, and a third of it of the 7s, that are added once more as a variant.
    seed : int

    Returns
    -------
    (ndarray of uint8, shape (m, 28, 28), ndarray of uint8, shape (m,))
        The images given, followed by the new ones.
    """
    rng = np.random.default_rng(seed)
    new_images, new_labels = [images], [labels]
    for digit, change, part in ((1, flagged_one, share), (7, crossed_seven, share / 3)):
        of_digit = np.flatnonzero(labels == digit)
        # not blank or nearly so: a stroke has at least two rows of ink
        of_digit = of_digit[(images[of_digit].max(axis=2) > 102).sum(axis=1) > 4]
        chosen = rng.permutation(of_digit)[: round(part * len(of_digit))]
        if len(chosen):
            new_images.append(np.stack([change(images[index], rng) for index in chosen]))
            new_labels.append(np.full(len(chosen), digit, np.uint8))
    return np.concatenate(new_images), np.concatenate(new_labels)
