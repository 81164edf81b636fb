"""Where digits that touch might be cut apart: paths from top to bottom that cross little ink."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from digitcli.reading.seams import seams
from digitcli.seeing.morphology import Float32Array, Mask, padded

Path = NDArray[np.intp]

CUT_FROM = 0.45
"""Strokes wider than this share of the row's height may be several digits."""
APART = 0.0125
"""Between two cuts lies at least this much ink, as a share of the row's height squared,"""
LEAST = 0.03
"""and beside them this much."""
STARTS = 20
"""Cuts are looked for through the pixels of so many rows in the height of a digit."""
MOST_STARTS = 32
"""No more of them are tried for each cut that is wanted."""
CUTS_PER_HEIGHT = 6.0
SIDEWAYS = 0.1
"""Cost of moving one pixel to the side, in pixels of ink."""
BLANK = 0.02
CROSSING = 0.25
"""Cost of a pixel from which on it belongs to a stroke that is crossed."""
STEP = 0.25
"""Differences of cost, in pixels of ink, that make a valley."""
OUTSIDE, WALL = -1, 1e6
"""Less and more than any cost."""
TOGETHER = 2**17
"""Ways are looked for through so many pixels at once."""
FAINTNESS = 2
"""Power of the density that crossing a pixel of ink costs."""


@dataclass(frozen=True, eq=False)
class Stroke:
    """Connected ink, and where in the picture it begins.

    Attributes
    ----------
    mask : ndarray of bool, shape (height, width)
    density : ndarray of float32, shape (height, width)
        0 for paper to 1 for ink: strokes that touch are a little fainter between.
    top, left : int
    """

    mask: Mask
    density: Float32Array
    top: int
    left: int

    @property
    def bottom(self) -> int:
        """The row of pixels after its last."""
        return self.top + int(self.mask.shape[0])

    @property
    def right(self) -> int:
        """The column of pixels after its last."""
        return self.left + int(self.mask.shape[1])


@dataclass(frozen=True, eq=False)
class Cut:
    """A path through a stroke from top to bottom.

    Attributes
    ----------
    path : ndarray of intp, shape (height,)
        The first column to the right of the cut, for each row of the stroke.
    column : float
        The column up to which the stroke has as much ink as on the left of the path.
    crossed : float
        Pixels of ink on the path.
    doubt : float
        The part of it where digits do not seem to meet.
    strokes : int
        How many strokes the path crosses: digits mostly touch at one place, and a cut through a
        loop crosses two.
    """

    path: Path
    column: float
    crossed: float
    doubt: float
    strokes: int


@dataclass(frozen=True, eq=False)
class Piece:
    """A stroke, or the part of one between two cuts; no cut where the stroke ends."""

    stroke: Stroke
    after: Cut | None = None
    before: Cut | None = None

    @property
    def middle(self) -> float:
        """Column of the picture in the middle between its sides."""
        left = self.after.column if self.after else 0.0
        right = self.before.column if self.before else self.stroke.mask.shape[1]
        return float(self.stroke.left + (left + right) / 2)


def split(strokes: list[Stroke], height: float) -> list[Piece]:
    """Cut strokes wherever digits might touch.

    Parameters
    ----------
    strokes : list of Stroke
    height : float
        Height of the digits in their row, in pixels.

    Returns
    -------
    list of Piece
        Of each stroke from left to right; a stroke itself if it is too narrow to be more than one
        digit.
    """
    wide = [stroke for stroke in strokes if stroke.mask.shape[1] >= CUT_FROM * height]
    inks = [np.where(one.mask, one.density**FAINTNESS, 0).astype(np.float32) for one in wide]
    doubtful = [
        ink * (1 - seams(stroke.mask, stroke.density, height))
        for ink, stroke in zip(inks, wide, strict=True)
    ]
    ways = ways_through([ink + np.float32(BLANK) for ink in doubtful])
    cuts = {
        stroke: _cuts(stroke, height, ink, doubt, through)
        for stroke, ink, doubt, through in zip(wide, inks, doubtful, ways, strict=True)
    }
    return [
        Piece(stroke, after, before)
        for stroke in strokes
        for after, before in pairwise([None, *cuts.get(stroke, []), None])
    ]


def _cuts(
    stroke: Stroke, height: float, ink: Float32Array, doubtful: Float32Array, ways: Ways
) -> list[Cut]:
    """Find paths that cross less ink than those beside them, each with other ink on its left."""
    rows = np.unique(
        np.linspace(0, len(ink) - 1, round(len(ink) / height * STARTS) + 2).astype(int)
    )[1:-1]
    numbers, seed_columns = valleys(ways.cost[rows])
    if not len(numbers):
        return []
    seed_rows = rows[numbers]
    most = int(CUTS_PER_HEIGHT * ink.shape[1] / height)
    order = np.argsort(ways.cost[seed_rows, seed_columns], kind="stable")[: MOST_STARTS * most]
    paths = _traced(seed_rows[order], seed_columns[order], ways)
    every = np.arange(len(ink))
    before = np.zeros((len(ink), ink.shape[1] + 1), np.intp)
    np.cumsum(stroke.mask, axis=1, out=before[:, 1:])
    left = before[every, paths]
    mass, total = left.sum(1), int(before[:, -1].sum())
    least, apart = LEAST * height**2, APART * height**2
    chosen: list[int] = []
    rest = np.flatnonzero((mass >= least) & (mass <= total - least))
    while len(rest) and len(chosen) < most:
        chosen.append(int(rest[0]))
        rest = rest[np.abs(left[rest] - left[rest[0]]).sum(1) >= apart]
    chosen.sort(key=lambda number: int(mass[number]))
    columns = np.interp(mass[chosen], np.cumsum(stroke.mask.sum(0)), np.arange(ink.shape[1]) + 1)
    return [
        Cut(*cut)
        for cut in zip(
            paths[chosen],
            columns.tolist(),
            _crossed(ink, paths[chosen]),
            _crossed(doubtful, paths[chosen]),
            _runs(ink[every, paths[chosen]] > CROSSING),
            strict=True,
        )
    ]


def _crossed(ink: Float32Array, paths: Path) -> list[float]:
    """Return how much there is on each path, shape (n, height), its moves to the side included."""
    rows = np.arange(len(ink))
    on_path, across = ink[rows, paths], np.cumsum(ink, axis=1)
    aside = np.abs(across[rows[1:], paths[:, 1:]] - across[rows[1:], paths[:, :-1]])
    crossed: list[float] = (on_path[:, 0] + np.maximum(on_path[:, 1:], aside).sum(1)).tolist()
    return crossed


def _runs(crossing: Mask) -> list[int]:
    """Count the stretches of True of each path, shape (n, height)."""
    begun = np.count_nonzero(crossing[:, 1:] > crossing[:, :-1], axis=1)
    runs: list[int] = (crossing[:, 0] + begun).tolist()
    return runs


class Ways(NamedTuple):
    """The cheapest ways from the first to the last row of an array through each of its pixels.

    Attributes
    ----------
    cost : ndarray of float32, shape (height, width)
        What each costs.
    down, up : ndarray of intp, shape (height, width)
        The column where it comes into the pixel's row from above, and from below.
    """

    cost: Float32Array
    down: NDArray[np.intp]
    up: NDArray[np.intp]


def ways_through(costs: list[Float32Array]) -> list[Ways]:
    """Find the cheapest ways through some arrays; many small ones at once, which is quicker."""
    groups: list[list[Float32Array]] = []
    tall = wide = 0
    for cost in costs:
        tall, wide = max(tall, cost.shape[0]), max(wide, cost.shape[1])
        if not groups or (len(groups[-1]) + 1) * tall * wide > TOGETHER:
            groups.append([])
            tall, wide = cost.shape
        groups[-1].append(cost)
    return [ways for group in groups for ways in _ways_through(group)]


def _ways_through(costs: list[Float32Array]) -> Iterator[Ways]:
    tall, wide = (max(cost.shape[axis] for cost in costs) for axis in (0, 1))
    walled = np.full((2, len(costs), tall, wide), WALL, np.float32)
    for own, cost in zip(walled.swapaxes(0, 1), costs, strict=True):
        own[:, : len(cost), : cost.shape[1]] = cost, cost[::-1]
    totals, entries = (
        each.reshape(walled.shape) for each in cheapest_ways(walled.reshape(-1, tall, wide))
    )
    for number, cost in enumerate(costs):
        inside = slice(len(cost)), slice(cost.shape[1])
        (from_top, from_bottom), (down, up) = (
            each[:, number, *inside] for each in (totals, entries)
        )
        yield Ways(from_top + from_bottom[::-1] - cost, down, up[::-1])


def cheapest_ways(cost: Float32Array) -> tuple[Float32Array, NDArray[np.intp]]:
    """Find the cheapest ways from the first row down to every pixel.

    Ways go down or to the side, never up.

    Parameters
    ----------
    cost : ndarray of float32, shape (n, height, width)

    Returns
    -------
    total : ndarray of float32, shape of cost
        What the way to a pixel costs, with its moves to the side.
    entry : ndarray of intp, shape of cost
        The column where the way to a pixel comes into the pixel's row.
    """
    width = cost.shape[2]
    columns = np.arange(width)
    total = cost.copy()
    entry = np.broadcast_to(columns, cost.shape).copy()
    aside = np.cumsum(cost + np.float32(SIDEWAYS), axis=2)
    back = np.zeros_like(aside)
    back[:, :, 1:] = aside[:, :, :-1]
    for row in range(1, cost.shape[1]):
        down = total[:, row - 1] + cost[:, row]
        rightwards = down - aside[:, row]
        best = np.minimum.accumulate(rightwards, axis=1)
        from_left = np.maximum.accumulate(np.where(rightwards == best, columns, 0), axis=1)
        right = best + aside[:, row]
        leftwards = (down + back[:, row])[:, ::-1]
        best = np.minimum.accumulate(leftwards, axis=1)
        from_right = np.maximum.accumulate(np.where(leftwards == best, columns, 0), axis=1)
        left = best[:, ::-1] - back[:, row]
        entry[:, row] = np.where(left < right, width - 1 - from_right[:, ::-1], from_left)
        total[:, row] = np.minimum(left, right)
    return total, entry


def _traced(rows: NDArray[np.intp], columns: NDArray[np.intp], ways: Ways) -> NDArray[np.intp]:
    """Follow the ways through pixels to the top and to the bottom; shape (n, height)."""
    paths = np.repeat(columns[:, None], len(ways.down), axis=1)
    for row in range(len(ways.down) - 1, 0, -1):
        entered = ways.down[row, paths[:, row]]
        paths[:, row - 1] = np.where(rows >= row, entered, paths[:, row - 1])
    for row in range(len(ways.down) - 1):
        entered = ways.up[row, paths[:, row]]
        paths[:, row + 1] = np.where(rows <= row, entered, paths[:, row + 1])
    return paths


def valleys(cost: Float32Array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The middles of the stretches whose cost, in whole pixels, is lower than on both sides.

    Parameters
    ----------
    cost : ndarray of float32, shape (n, width)

    Returns
    -------
    rows, columns : ndarray of intp
    """
    # there is no ink outside of the stroke, so that nothing at its sides is a valley
    level = padded(np.rint(cost / STEP).astype(np.intp), 0, 1, OUTSIDE)
    flat = level.ravel()
    change = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts, ends = change[:-1], change[1:]
    floor = flat[starts]
    lower = (floor > OUTSIDE) & (floor < flat[starts - 1]) & (floor < flat[ends])
    rows, columns = np.divmod((starts[lower] + ends[lower] - 1) // 2, level.shape[1])
    return rows, columns - 1
