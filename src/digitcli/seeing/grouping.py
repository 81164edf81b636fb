"""Which of the connected pieces of ink make up one digit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from digitcli.seeing.pieces import Regions

Chosen = NDArray[np.bool_]
"""Which pieces, shape (n,)."""

REACHES = (0.2, 0.18), (0.5, 0.09), (0.03, 0.09)
"""A part of the digit is no farther from the rest than this share of the rest's size, and no
smaller than that share of the largest piece: usually, in faint strokes, and beside blots;"""
SPECK = 0.01
"""or it lies within the rest and has at least this share of the largest piece's area."""
FULL_STOP = 0.3
"""A full stop after the digit is a round blot, no larger than this share of the digit."""
CUT_OFF = 0.25
"""Weight of a piece that touches the edge of the paper, against one that does not."""
HELD = 0.25
"""What holds another piece of at least this share of its own size is a ring around it,"""
ROOM = 0.04
"""if there is so much room between them on all sides, as a share of the ring's size."""
ALIKE = 0.3
"""Pieces of at least this share of the main one's weight may be the digit too."""
MOST = 4
"""So many pieces at most are tried as the main one."""


def possible_digits(regions: Regions, touching: Chosen) -> Iterator[Chosen]:
    """Choose pieces that may make up the digit, the likeliest choice first.

    The main piece is large, near the middle and not cut off by the edge of the paper; a ring
    around others is not it.

    Parameters
    ----------
    regions : Regions
        The n pieces.
    touching : ndarray of bool, shape (n,)
        Which of them touch the edge of the paper.

    Yields
    ------
    ndarray of bool, shape (n,)
    """
    size, ring = regions.size, rings(regions)
    weight = size * centrality(regions) * np.where(touching, CUT_OFF, 1)
    order = np.argsort(-weight, kind="stable")
    likely = weight >= ALIKE * weight[order[0]]
    free = [int(main) for main in order if likely[main] and not ring[main]]
    surrounding = [int(main) for main in order if likely[main] and ring[main]]
    held = np.zeros(len(size), np.bool_)
    for main in surrounding:
        held |= _within(regions, main) & (size >= HELD * size[main])
    inner = [int(main) for main in order if held[main]]
    seen: set[bytes] = set()
    mains = list(dict.fromkeys([*inner[:1], *free, *inner, *surrounding]))[:MOST]
    for main in mains:
        foreign = touching if main in surrounding else touching | ring
        for reach in REACHES:
            own = grown(regions, foreign, main, reach)
            if own.tobytes() not in seen:
                seen.add(own.tobytes())
                yield own
    whole = size * np.where(touching, 1, CUT_OFF)
    cut = int(whole.argmax())  # the digit may be what the edge cuts
    own = grown(regions, touching & False, cut, REACHES[0])
    if own.tobytes() not in seen:
        yield own


def grown(regions: Regions, touching: Chosen, main: int, reach: tuple[float, float]) -> Chosen:
    """Add to the main piece what belongs to it, such as the bar of a 5: what is near and not small.

    Parameters
    ----------
    regions : Regions
    touching : ndarray of bool, shape (n,)
        Which pieces are cut off.
    main : int
    reach : tuple of float
        How far parts are at most, and how large at least: shares of the digit's size.
    """
    size = regions.size
    near, least = reach
    # what is cut off is a neighbour's; if the main piece is cut off, its parts may be so, too
    foreign = touching & (size < 0.5 * size[main]) if touching[main] else touching
    blot = (size <= FULL_STOP * size[main]) & is_round(regions)
    own = np.zeros(len(size), bool)
    own[main] = True
    while True:
        top, bottom = regions.top[own].min(), regions.bottom[own].max()
        left, right = regions.left[own].min(), regions.right[own].max()
        gap = np.maximum(
            np.maximum(top - regions.bottom, regions.top - bottom),
            np.maximum(left - regions.right, regions.left - right),
        )
        part = (size >= least * size[main]) & (gap <= near * max(bottom - top, right - left))
        inner = (regions.area >= SPECK * regions.area[main]) & (gap < 0)
        low_right = (regions.top + regions.bottom > 1.2 * bottom + 0.8 * top) & (
            regions.left + regions.right > left + right
        )
        more = own | ((part | inner) & ~foreign & ~(blot & low_right))
        if np.array_equal(more, own):
            return own
        own = more


def rings(regions: Regions) -> Chosen:
    """Which pieces hold another one of some size within their box, with room on all sides."""
    size = regions.size
    held = np.zeros(len(size), bool)
    for piece in np.flatnonzero(size >= 0.5 * size.max()):
        held[piece] = bool((_within(regions, int(piece)) & (size >= HELD * size[piece])).any())
    return held


def _within(regions: Regions, ring: int) -> Chosen:
    room = ROOM * regions.size[ring]
    return np.asarray(
        (regions.top >= regions.top[ring] + room)
        & (regions.left >= regions.left[ring] + room)
        & (regions.bottom <= regions.bottom[ring] - room)
        & (regions.right <= regions.right[ring] - room)
    )


def is_round(regions: Regions) -> Chosen:
    """Which components are as wide as high, nearly, and fill their bounding box."""
    height, width = regions.bottom - regions.top, regions.right - regions.left
    even = np.minimum(height, width) >= 0.6 * np.maximum(height, width)
    return np.asarray(even & (regions.area >= 0.6 * height * width))


def centrality(regions: Regions) -> NDArray[np.float64]:
    """1 for components in the middle of the picture, 0.2 for those at its sides."""
    height, width = regions.labels.shape
    off_y = np.abs((regions.top + regions.bottom) / height - 1)
    off_x = np.abs((regions.left + regions.right) / width - 1)
    return np.asarray(1 - 0.8 * np.maximum(off_y, off_x))
