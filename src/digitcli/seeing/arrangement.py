"""Which marks of a page stand in one column: tables without rules, or of boxes apart."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from digitcli.seeing.grid import Cell, Grid, Point

APART = 0.8
"""Numbers in neighbouring columns are at least so far from each other, as a share of the height."""
STRAY = 0.08
"""This share of the rows may reach over the gap between two columns,"""
GAP = 0.3
"""which is as wide as this share of the height."""
SAME_ROW = 0.5
"""Boxes whose middles differ by less than this share of their height stand in one row."""
ROOM = 0.5
"""A table reaches beyond its numbers by this share of their height."""

Box = tuple[float, float, float, float]
"""Left, top, right and bottom."""


def by_alignment(rows: list[list[Box]]) -> Grid | None:
    """Lay out the cells of a table whose rows of digits are known.

    Parameters
    ----------
    rows : list of list of Box
        The digits of each row, from left to right.

    Returns
    -------
    Grid or None
        None if there are fewer than two rows or two columns.
    """
    rows = [row for row in rows if row]
    if len(rows) < 2:
        return None
    slope = tilt(rows)
    height = float(np.median([box[3] - box[1] for row in rows for box in row]))
    upright = [[_straight(box, slope) for box in row] for row in rows]
    numbers = [_numbers(row, APART * height) for row in upright]
    gaps = gaps_between(numbers, height)
    if not gaps:
        return None
    left = min(row[0][0] for row in numbers) - ROOM * height
    right = max(row[-1][1] for row in numbers) + ROOM * height
    edges = [left, *gaps, right]
    tops = np.array([np.median([box[1] for box in row]) for row in upright])
    bottoms = np.array([np.median([box[3] for box in row]) for row in upright])
    order = np.argsort(tops + bottoms)
    tops, bottoms = tops[order], bottoms[order]
    between = ((bottoms[:-1] + tops[1:]) / 2).tolist()
    levels = [tops[0] - ROOM * height, *between, bottoms[-1] + ROOM * height]
    cells = []
    for row, (top, bottom) in enumerate(pairwise(levels)):
        top, bottom = max(top, tops[row] - height), min(bottom, bottoms[row] + height)
        for column, (first, last) in enumerate(pairwise(edges)):
            corners = [(first, top), (last, top), (last, bottom), (first, bottom)]
            upper_left, upper_right, lower_right, lower_left = (
                _tilted(corner, slope) for corner in corners
            )
            own = upper_left, upper_right, lower_right, lower_left
            cells.append(Cell(row, column, 1, 1, own))
    return Grid(cells, len(levels) - 1, len(edges) - 1)


def by_boxes(grids: list[Grid]) -> Grid | None:
    """Lay out a table of boxes that stand apart, each of them a cell.

    None if there are fewer than two.
    """
    if len(grids) < 2:
        return None
    boxes = [grid.box for grid in grids]
    height = float(np.median([box[3] - box[1] for box in boxes]))
    sides = [grid.cells[0].corners[:2] for grid in grids]
    slope = float(np.median([(b[1] - a[1]) / max(1.0, b[0] - a[0]) for a, b in sides]))
    straight = [_straight(box, slope) for box in boxes]
    middle = np.array([(box[1] + box[3]) / 2 for box in straight])
    order = np.argsort(middle)
    breaks = np.flatnonzero(np.diff(middle[order]) > SAME_ROW * height) + 1
    rows = [part.tolist() for part in np.split(order, breaks)]
    intervals = [sorted((straight[n][0], straight[n][2]) for n in row) for row in rows]
    gaps = gaps_between(intervals, 0.0)
    cells = []
    for row, own in enumerate(rows):
        taken: set[int] = set()
        for number in sorted(own, key=lambda n: straight[n][0]):
            column = int(np.searchsorted(gaps, (straight[number][0] + straight[number][2]) / 2))
            if column in taken:
                continue
            taken.add(column)
            cells.append(Cell(row, column, 1, 1, outline(grids[number])))
    return Grid(cells, len(rows), len(gaps) + 1)


def outline(grid: Grid) -> tuple[Point, Point, Point, Point]:
    """Return the four corners of a grid."""
    first = [cell for cell in grid.cells if cell.row == 0]
    last = [cell for cell in grid.cells if cell.row + cell.rows == grid.rows]
    return (
        min(first, key=lambda cell: cell.column).corners[0],
        max(first, key=lambda cell: cell.column).corners[1],
        max(last, key=lambda cell: cell.column).corners[2],
        min(last, key=lambda cell: cell.column).corners[3],
    )


def tilt(rows: list[list[Box]]) -> float:
    """How far the rows of a page fall, on the median."""
    slopes = []
    for row in rows:
        if len(row) > 1:
            x = np.array([(box[0] + box[2]) / 2 for box in row])
            y = np.array([(box[1] + box[3]) / 2 for box in row])
            slopes.append(float(np.polyfit(x, y, 1)[0]))
    return float(np.median(slopes)) if slopes else 0.0


def gaps_between(rows: list[list[tuple[float, float]]], height: float) -> list[float]:
    """Return where the columns of a table are parted: where hardly any row has anything.

    Parameters
    ----------
    rows : list of list of tuple of float
        Of each row, where its numbers begin and end.
    height : float
        Of the digits.
    """
    ends = [(edge, step) for row in rows for pair in row for edge, step in zip(pair, (1, -1), strict=True)]
    ends.sort()
    least = max(1, int(STRAY * len(rows)) + 1)
    gaps, crossed, since = [], 0, None
    for place, step in ends:
        before = crossed
        crossed += step
        if crossed < least <= before:
            since = place
        elif before < least <= crossed and since is not None and place - since >= GAP * height:
            gaps.append((since + place) / 2)
    return gaps


def _numbers(row: list[Box], apart: float) -> list[tuple[float, float]]:
    """Return where the numbers of a row begin and end: digits far from each other are of two."""
    numbers = []
    first, last = row[0][0], row[0][2]
    for box in row[1:]:
        if box[0] - last > apart:
            numbers.append((first, last))
            first = box[0]
        last = max(last, box[2])
    return [*numbers, (first, last)]


def _straight(box: Box, slope: float) -> Box:
    """Turn the middle of a box about the origin, so that rows no longer fall."""
    left, top, right, bottom = box
    x, y = (left + right) / 2, (top + bottom) / 2
    across, down = slope * y, -slope * x
    return left + across, top + down, right + across, bottom + down


def _tilted(point: Point, slope: float) -> Point:
    """Turn a point back."""
    x, y = point
    factor = 1 + slope**2
    return (x - slope * y) / factor, (y + slope * x) / factor
