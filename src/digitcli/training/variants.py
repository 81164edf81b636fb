"""Ways of writing a digit that MNIST hardly holds.

MNIST was written in the United States of the 1990s, where 1 is a bare stroke. Elsewhere, and in
print, it has a flag that reaches down from its top, often a base as well; without such examples a
network reads it as 7 or 2. The 7 may have a bar across its stem, and the 2 of older, cursive hands
has a closed loop for a head, which a network takes for a 9.
"""

from __future__ import annotations

from itertools import pairwise

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


def looped_two(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8] | None:
    """Close the head of a 2: lead its first stroke on to the stem. None where there is no hook."""
    ink = image / 255
    mask = ink > 0.4
    rows = np.flatnonzero(mask.any(axis=1))
    top, height = int(rows[0]), int(rows[-1] - rows[0])
    head = mask[: top + round(0.6 * height)]
    columns = np.flatnonzero(head.any(axis=0))
    width = int(columns[-1] - columns[0])
    if width < 5:
        return None
    hook = np.argwhere(head[:, : columns[0] + max(2, round(0.3 * width))])
    start = hook[np.argmax(hook @ [1, -0.3])].astype(float)  # its lower left end
    row = round(start[0] + height * rng.uniform(-0.02, 0.22))
    row = min(max(row, top), top + round(0.68 * height))
    stem = np.flatnonzero(mask[row])
    if not len(stem) or stem[-1] - start[1] < 3.5:
        return None
    end = np.array([row, stem[-1] - 0.5])
    sag = max(start[0], end[0]) + height * rng.uniform(0, 0.14)
    control = np.array([sag, (start[1] + end[1]) / 2 + rng.uniform(-1, 1)])
    step = np.linspace(0, 1, 6)[:, None]
    curve = (1 - step) ** 2 * start + 2 * step * (1 - step) * control + step**2 * end
    stroke = float(np.clip(ink.sum() / (2.6 * height), 1.5, 4)) * rng.uniform(0.75, 1)
    for first, second in pairwise(curve):
        ink = np.maximum(ink, _segment(first, second, stroke))
    return _centred(ink)


def with_variants(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], *, share: float, seed: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Add flagged 1s, crossed 7s and looped 2s made from a share of the 1s, 7s and 2s.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, 28, 28)
    labels : ndarray of uint8, shape (n,)
    share : float
        Share of the 1s, a third of it of the 7s and 0.6 of it of the 2s, that are added once more
        as a variant.
    seed : int

    Returns
    -------
    (ndarray of uint8, shape (m, 28, 28), ndarray of uint8, shape (m,))
        The images given, followed by the new ones.
    """
    rng = np.random.default_rng(seed)
    new_images, new_labels = [images], [labels]
    for digit, change, part in (
        (1, flagged_one, share),
        (7, crossed_seven, share / 3),
        (2, looped_two, 0.6 * share),
    ):
        of_digit = np.flatnonzero(labels == digit)
        # not blank or nearly so: a stroke has at least two rows of ink
        of_digit = of_digit[(images[of_digit].max(axis=2) > 102).sum(axis=1) > 4]
        chosen = rng.permutation(of_digit)[: round(part * len(of_digit))]
        variants = [
            variant for index in chosen if (variant := change(images[index], rng)) is not None
        ]
        if variants:
            new_images.append(np.stack(variants))
            new_labels.append(np.full(len(variants), digit, np.uint8))
    return np.concatenate(new_images), np.concatenate(new_labels)
