"""Which marks of a page stand in one column: tables without rules, or of boxes apart."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from digitcli.seeing.grid import Cell, Grid, Point, runs

APART = 0.8
"""Numbers in neighbouring columns are usually so far from each other, as a share of the height."""
STRAY = 0.08
"""This share of the rows may reach over the gap between two columns,"""
GAP = 0.3
"""which is at least as wide as this share of the height,"""
JOINED = 0.15
"""and on whose sides no more than this share of what the columns hold is too near to be of two."""
WITHIN = 1.1
"""Digits that are higher than this share of the squares do not keep to them."""
FULL = 0.5
"""Squares of which this share is written in are the cells of a table."""
SIGN = 0.4
"""Marks that are smaller than this share of the squares are signs, or specks."""
SAME_ROW = 0.5
"""Boxes whose middles differ by less than this share of their height stand in one row."""
ROOM = 0.5
"""A table reaches beyond its numbers by this share of their height."""

Box = tuple[float, float, float, float]
"""Left, top, right and bottom."""


def by_alignment(rows: list[list[Box]], apart: float | None = None) -> Grid | None:
    """Lay out the cells of a table whose rows of digits are known.

    Parameters
    ----------
    rows : list of list of Box
        The digits of each row.
    apart : float, optional
        How far numbers are from each other at least, in pixels.

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
    gaps = gaps_between(upright, GAP * height, APART * height if apart is None else apart)
    if not gaps:
        return None
    left = min(box[0] for row in upright for box in row) - ROOM * height
    right = max(box[2] for row in upright for box in row) + ROOM * height
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


def by_squares(squares: Grid, marks: list[Box]) -> Grid | None:
    """Lay out a table on squared paper, with a digit or sign a square.

    Parameters
    ----------
    squares : Grid
        Of the paper.
    marks : list of Box
        What is written.

    Returns
    -------
    Grid or None
        The squares themselves if most of them are written in; None if the marks are larger than
        squares, or stand in one row or one column.
    """
    cells = [square for cell in squares.cells for square in _squares_of(cell)]
    middles = np.array([np.mean(cell.corners, axis=0) for cell in cells])
    pitch = (squares.box[2] - squares.box[0]) / squares.columns
    if not marks or np.median([box[3] - box[1] for box in marks]) > WITHIN * pitch:
        return None
    places = {(cell.row, cell.column): cell for cell in cells}
    # row and column 0 are left free around the squares
    used, small = (np.zeros((squares.rows + 2, squares.columns + 2), np.bool_) for _ in range(2))
    for left, top, right, bottom in marks:
        off = np.hypot(*(middles - [(left + right) / 2, (top + bottom) / 2]).T)
        nearest = cells[int(off.argmin())]
        if off.min() <= pitch:
            large = max(right - left, bottom - top) >= SIGN * pitch
            (used if large else small)[nearest.row + 1, nearest.column + 1] = True
    beside = np.zeros_like(used)
    beside[:, 1:-1] = used[:, 2:] | used[:, :-2]  # signs stand beside digits
    used = (used | small & beside)[1:-1, 1:-1]
    if used.mean() >= FULL:
        return squares
    columns = runs(np.asarray(used.any(0)))
    rows = np.flatnonzero(used.any(1)).tolist()
    if len(rows) < 2 or len(columns) < 2:
        return None
    laid = []
    for row, own in enumerate(rows):
        for column, part in enumerate(columns):
            first, last = (places[own, column].corners for column in (part.start, part.stop - 1))
            laid.append(Cell(row, column, 1, 1, (first[0], last[1], last[2], first[3])))
    return Grid(laid, len(rows), len(columns))


def _squares_of(cell: Cell) -> list[Cell]:
    """Divide a cell that spans several squares, between which a rule was not seen."""
    if cell.rows == cell.columns == 1:
        return [cell]
    one, two, three, four = np.array(cell.corners)

    def at(row: int, column: int) -> Point:
        down, across = row / cell.rows, column / cell.columns
        upper, lower = one + across * (two - one), four + across * (three - four)
        x, y = (upper + down * (lower - upper)).tolist()
        return x, y

    return [
        Cell(
            cell.row + row,
            cell.column + column,
            1,
            1,
            (at(row, column), at(row, column + 1), at(row + 1, column + 1), at(row + 1, column)),
        )
        for row in range(cell.rows)
        for column in range(cell.columns)
    ]


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
    gaps = gaps_between([[straight[number] for number in row] for row in rows], 0.0, 0.0)
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
            off = x - x.mean()
            slopes.append(float((off * (y - y.mean())).sum() / max(1.0, (off**2).sum())))
    return float(np.median(slopes)) if slopes else 0.0


def gaps_between(rows: list[list[Box]], least: float, apart: float) -> list[float]:
    """Return where the columns of a table are parted.

    Parameters
    ----------
    rows : list of list of Box
        What stands in each row, held straight.
    least : float
        A gap between columns is this wide, in pixels, where hardly any row has anything;
    apart : float
        and mostly this wide in rows that have something on both of its sides.
    """
    ends = sorted((edge, step) for row in rows for box in row for edge, step in _ends(box))
    stray = int(STRAY * len(rows))
    gaps, crossed = [], 0
    since: float | None = None
    for place, step in ends:
        before, crossed = crossed, crossed + step
        if crossed <= stray < before:
            since = place
        elif before <= stray < crossed and since is not None and place - since >= least:
            gaps.append((since + place) / 2)
    while gaps:
        joined = [
            _joined(rows, edges[1], (edges[0], edges[2]), apart)
            for edges in zip([-np.inf, *gaps[:-1]], gaps, [*gaps[1:], np.inf], strict=True)
        ]
        worst = int(np.argmax(joined))
        if joined[worst] <= JOINED:
            break
        del gaps[worst]
    return gaps


def _ends(box: Box) -> tuple[tuple[float, int], tuple[float, int]]:
    return (box[0], 1), (box[2], -1)


def _joined(rows: list[list[Box]], gap: float, ends: tuple[float, float], apart: float) -> float:
    """Share of what two columns hold that is too near to be of two numbers."""
    near = before = after = 0
    for row in rows:
        middles = [((box[0] + box[2]) / 2, box) for box in row]
        left = [box[2] for middle, box in middles if ends[0] < middle < gap]
        right = [box[0] for middle, box in middles if gap <= middle < ends[1]]
        before += bool(left)
        after += bool(right)
        near += bool(left and right and min(right) - max(left) < apart)
    return near / max(1, min(before, after))


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
