"""Where digits that touch might be cut apart: paths from top to bottom that cross little ink."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from digitcli.images.morphology import Float32Array, Mask

Path = NDArray[np.intp]

CUT_FROM = 0.45
"""Strokes wider than this share of the row's height may be several digits."""
APART = 0.1
"""Cuts through one stroke are on average this share of the row's height apart, or more."""
THROUGH = (0.3, 0.5, 0.7)
"""Cuts are looked for through every column at these shares of the stroke's height."""
CUTS_PER_HEIGHT = 5.0
SIDEWAYS = 0.3
"""Cost of moving one pixel to the side, in pixels of ink."""
BLANK = 0.02
CROSSING = 0.25
"""Cost of a pixel from which on it belongs to a stroke that is crossed."""
STEP = 0.5
"""Differences of cost, in pixels of ink, that make a valley."""
FAINTNESS = 4
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
    crossed : float
        Pixels of ink on the path.
    strokes : int
        How many strokes the path crosses: digits mostly touch at one place, and a cut through a
        loop crosses two.
    """

    path: Path
    crossed: float
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
        left = self.after.path.mean() if self.after else 0.0
        right = self.before.path.mean() if self.before else self.stroke.mask.shape[1]
        return float(self.stroke.left + (left + right) / 2)


def split(stroke: Stroke, height: float) -> list[Piece]:
    """Cut a stroke wherever digits might touch.

    Parameters
    ----------
    stroke : Stroke
    height : float
        Height of the digits in its row, in pixels.

    Returns
    -------
    list of Piece
        From left to right; the stroke itself if it is too narrow to be more than one digit.
    """
    width = stroke.mask.shape[1]
    if width < CUT_FROM * height:
        return [Piece(stroke)]
    ink = np.where(stroke.mask, stroke.density**FAINTNESS, 0).astype(np.float32)
    paths = _paths(ink, max(2.0, APART * height), int(CUTS_PER_HEIGHT * width / height))
    rows = np.arange(len(ink))
    cuts = [
        Cut(path, float(ink[rows, path].sum()), _runs(ink[rows, path] > CROSSING))
        for path in sorted(paths, key=np.mean)
    ]
    return [
        Piece(stroke, after, before)
        for after, before in zip([None, *cuts], [*cuts, None], strict=True)
    ]


def _runs(crossing: Mask) -> int:
    """Number of stretches of True."""
    return int(crossing[0]) + int(np.count_nonzero(crossing[1:] > crossing[:-1]))


def _paths(ink: Float32Array, apart: float, count: int) -> list[Path]:
    """Up to `count` paths from top to bottom that cross less ink than those beside them.

    Each path gives a column for every row.
    """
    cost = ink + np.float32(BLANK)
    from_top, down = cheapest_ways(cost)
    from_bottom, up = cheapest_ways(cost[::-1])
    through = from_top + from_bottom[::-1] - cost
    found = []
    for share in THROUGH:
        row = int(share * len(ink))
        for column in valleys(through[row]):
            if apart <= column < ink.shape[1] - apart:
                found.append((float(through[row, column]), row, column))
    paths: list[Path] = []
    for _, row, column in sorted(found):
        path = _trace(row, column, down, up[::-1])
        if len(paths) < count and all(np.abs(path - other).mean() >= apart for other in paths):
            paths.append(path)
    return paths


def cheapest_ways(cost: Float32Array) -> tuple[Float32Array, NDArray[np.int8]]:
    """Find the cheapest way from the first row to every pixel.

    Returns
    -------
    total : ndarray of float32, shape of cost
        What the way to a pixel costs, with its moves to the side.
    moves : ndarray of int8, shape of cost
        Where the way comes from: -1, 0 or 1 column to the side in the row before.
    """
    total = cost.copy()
    moves = np.zeros(cost.shape, np.int8)
    far = np.full(1, np.inf, np.float32)
    for row in range(1, len(cost)):
        before = total[row - 1]
        left = np.concatenate([far, before[:-1]]) + np.float32(SIDEWAYS)
        right = np.concatenate([before[1:], far]) + np.float32(SIDEWAYS)
        side = np.minimum(left, right)
        moves[row] = np.where(side < before, np.where(left <= right, -1, 1), 0)
        total[row] += np.minimum(side, before)
    return total, moves


def _trace(row: int, column: int, down: NDArray[np.int8], up: NDArray[np.int8]) -> Path:
    """Follow the moves from a pixel to the top and to the bottom."""
    path = np.empty(len(down), np.intp)
    path[row] = column
    for above in range(row, 0, -1):
        path[above - 1] = path[above] + down[above, path[above]]
    for below in range(row, len(down) - 1):
        path[below + 1] = path[below] + up[below, path[below]]
    return path


def valleys(cost: Float32Array) -> list[int]:
    """The middles of the stretches whose cost, in whole pixels, is lower than on both sides."""
    level = np.rint(cost / STEP).astype(np.intp)
    change = np.flatnonzero(np.diff(level)) + 1
    starts, ends = np.concatenate([[0], change]), np.concatenate([change, [len(level)]])
    floor = np.concatenate([[0], level[starts], [0]])  # there is no ink outside of the stroke
    lower = (floor[1:-1] < floor[:-2]) & (floor[1:-1] < floor[2:])
    return [int(column) for column in (starts[lower] + ends[lower] - 1) // 2]
