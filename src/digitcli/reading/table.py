"""Read the numbers in the cells of a table."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digitcli.errors import ImageError
from digitcli.model.network import Model
from digitcli.polarity import Polarity
from digitcli.reading.cell import FAINTEST, GRAIN, HEIGHT, CellView, read_cell
from digitcli.reading.rows import read_rows
from digitcli.reading.ways import ways
from digitcli.seeing.arrangement import Box, by_alignment, by_boxes, by_squares, tilt
from digitcli.seeing.decode import AnyImage, Picture, decode, name_of, upright_size
from digitcli.seeing.grid import Cell, Grid, Point, Ruled, find_ruled
from digitcli.seeing.light import shrink
from digitcli.seeing.morphology import Float32Array
from digitcli.seeing.pieces import Regions
from digitcli.seeing.quantile import median
from digitcli.seeing.rows import heights
from digitcli.seeing.tracks import paint_over
from digitcli.seeing.view import View

DARK = Polarity.DARK_ON_LIGHT
SIDE = 2048
"""Larger pictures are reduced to this longer side;"""
GRID_SIDE = 1200
"""rules are looked for in one no larger than this."""
DOT = 0.07
"""Marks on squared paper are larger than this share of its squares."""
SQUARES, SQUARE = 12, 1.2
"""Grids of so many rows or columns, whose cells are longer than wide by less than this factor, are
squared paper."""
TOOTH = 1.3
"""Boxes for a digit each are no wider than this share of their height."""
PART, STROKE, TALLEST = 0.05, 0.12, 1.6
"""Strokes of a row without rules are at least so high, so large, and at most so high and wide, as
shares of its height."""


@dataclass(frozen=True)
class TableCell:
    """What a cell of a table holds.

    Attributes
    ----------
    row, column : int
        Of its upper left place, from 0 on.
    rows, columns : int
        So many places it spans.
    text : str
        Its number, empty where there is none.
    confidence : float
        How probable it is that the text is right, 0 to 1.
    is_read : bool
        Whether what the cell holds, if anything, was read as a number.
    corners : tuple
        Upper left, upper right, lower right and lower left, each x and y in pixels.
    """

    row: int
    column: int
    rows: int
    columns: int
    text: str
    confidence: float
    is_read: bool
    corners: tuple[Point, Point, Point, Point]

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom."""
        across, down = zip(*self.corners, strict=True)
        return round(min(across)), round(min(down)), round(max(across)), round(max(down))

    def scaled(self, scale: float) -> TableCell:
        """Return the cell in a picture `scale` times as large."""
        one, two, three, four = ((x * scale, y * scale) for x, y in self.corners)
        return replace(self, corners=(one, two, three, four))


@dataclass(frozen=True)
class Table:
    """A table that was read.

    Attributes
    ----------
    cells : list of TableCell
        From the top down and from left to right.
    rows, columns : int
    """

    cells: list[TableCell]
    rows: int
    columns: int

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom in pixels."""
        boxes = np.array([cell.box for cell in self.cells])
        left, top = boxes[:, :2].min(0).tolist()
        right, bottom = boxes[:, 2:].max(0).tolist()
        return left, top, right, bottom

    def texts(self, *, min_confidence: float = 0.0, unread: str = "") -> list[list[str]]:
        """Return what its rows hold, from left to right.

        A cell that spans several columns stands once; where one spans several rows, those below
        its first have an empty text in its place.

        Parameters
        ----------
        min_confidence : float
            A number that is less probable is ``?``.
        unread : str
            What stands for content that is no number.
        """
        lines: list[list[tuple[int, str]]] = [[] for _ in range(self.rows)]
        for cell in self.cells:
            text = cell.text if cell.is_read else unread
            if cell.text and cell.confidence < min_confidence:
                text = "?"
            lines[cell.row].append((cell.column, text))
            for below in range(1, cell.rows):
                lines[cell.row + below].append((cell.column, ""))
        return [[text for _, text in sorted(line, key=lambda one: one[0])] for line in lines]


def read_tables(
    image: AnyImage,
    model: Model,
    *,
    name: str | None = None,
    polarity: Polarity = Polarity.AUTO,
) -> list[Table]:
    """Read every table in an image file.

    Parameters
    ----------
    image : path, binary file object, bytes, array or Pillow image
        As `digitcli.read_digit` takes it.
    model : Model
    name : str, optional
        What error messages call the image; the path by default.
    polarity : Polarity
        Whether the ink is darker or brighter than the paper; found out by default.

    Returns
    -------
    list of Table
        In reading order, with corners in pixels of the image, held upright.

    Raises
    ------
    ImageError
        If the file cannot be read as an image, or no table is seen in it.
    """
    picture = decode(image, name, sight=SIDE)
    tables = tables_of(picture, model, polarity=polarity)
    if not tables:
        raise ImageError(
            f"{name or name_of(image)} holds no table; check the picture, or read its rows "
            "with --line"
        )
    scale = upright_size(image)[0] / picture.shape[1]
    return [replace(table, cells=[cell.scaled(scale) for cell in table.cells]) for table in tables]


def tables_of(picture: Picture, model: Model, *, polarity: Polarity = Polarity.AUTO) -> list[Table]:
    """Read every table in a picture, with corners in its pixels; none if there is none."""
    small = shrink(picture, GRID_SIDE)
    values = View(small).values
    scale = picture.shape[1] / small.shape[1]
    polarities = (True, False) if polarity is Polarity.AUTO else (polarity is DARK,)
    seen: dict[bool, Ruled] = {}
    for dark_ink in polarities:
        ruled = seen[dark_ink] = find_ruled(1 - values if dark_ink else values)
        read = [
            _read_grid(grid, ruled, picture, scale, dark_ink, model)
            for grid in _in_reading_order(tables_among(ruled.grids))
        ]
        if tables := [table for table in read if _is_of_numbers(table)]:
            return tables
    dark_ink = polarities[0]
    ruled = seen[dark_ink]
    bare = _bare(picture, ruled, scale, dark_ink)
    grid, dark_ink = _without_sides(bare, ruled, scale, dark_ink, model, polarity)
    if grid is None:
        return []
    ruled = seen.get(dark_ink, ruled)
    table = _read_grid(grid, ruled, picture, scale, dark_ink, model)
    return [table] if _is_of_numbers(table) else []


def _is_of_numbers(table: Table) -> bool:
    """Whether anything was read in a table, or it is empty: letters have strokes like rules."""
    return any(cell.text for cell in table.cells) or all(cell.is_read for cell in table.cells)


def tables_among(grids: list[Grid]) -> list[Grid]:
    """Choose what is a table among what is ruled: grids, or boxes and combs beside each other."""
    tables = [
        grid for grid in grids if grid.rows > 1 and grid.columns > 1 and not _is_squared(grid)
    ]
    if tables:
        return tables
    units = []
    for grid in grids:
        if _is_comb(grid):
            units.append(grid)
        elif grid.rows == 1 or grid.columns == 1:
            units += [Grid([cell._replace(row=0, column=0)], 1, 1) for cell in grid.cells]
    boxes = by_boxes(units)
    return [boxes] if boxes else []


def _is_squared(grid: Grid) -> bool:
    """Whether a grid is that of squared paper: many squares of one size."""
    if max(grid.rows, grid.columns) < SQUARES:
        return False
    wide, tall = _sides(grid)
    return 1 / SQUARE < wide / tall < SQUARE


def _sides(grid: Grid) -> tuple[float, float]:
    """Width and height of the usual cell of a grid, which its frame may cut off."""
    corners = np.array([cell.corners for cell in grid.cells])
    spans = np.array([(cell.columns, cell.rows) for cell in grid.cells])
    sides = (corners[:, 2] - corners[:, 0]) / spans
    return float(median(sides[:, 0])), float(median(sides[:, 1]))


def _is_comb(grid: Grid) -> bool:
    """Whether a grid is one box, or a row of boxes for a digit each."""
    wide, tall = grid.box[2] - grid.box[0], grid.box[3] - grid.box[1]
    return len(grid.cells) == 1 or (grid.rows == 1 and wide <= TOOTH * tall * grid.columns)


def _bare(picture: Picture, ruled: Ruled, scale: float, dark_ink: bool) -> Picture:
    """Return a picture in grey, held so that its ink is dark if it should be, without its rules."""
    dark = _without_rules(picture, ruled, scale, dark_ink)
    return np.asarray(np.clip(255 * (1 - dark) + 0.5, 0, 255), np.uint8)


def _without_sides(
    bare: Picture, ruled: Ruled, scale: float, dark_ink: bool, model: Model, polarity: Polarity
) -> tuple[Grid | None, bool]:
    """Lay out a table that is not ruled on all sides, and tell whether its ink is dark.

    Its numbers stand below each other, or in the squares of the paper.
    """
    small = shrink(bare, GRID_SIDE)
    for squares in ruled.grids:
        if _is_squared(squares):
            found = _strokes(small, DARK)
            marks = (found.size > DOT * _sides(squares)[0]) & (found.size < 2 * _sides(squares)[0])
            marked = [_edges(found, number) for number in np.flatnonzero(marks).tolist()]
            if grid := by_squares(squares, marked):
                return grid, dark_ink
    automatic = polarity is Polarity.AUTO
    try:
        rows = read_rows(bare, model, polarity=polarity if automatic else DARK)
    except ImageError:
        return None, dark_ink
    boxes = [[_scaled(digit.box, 1 / scale) for digit in row.digits] for row in rows]
    as_held = not automatic or _is_dark(View(small).values, boxes)
    found = _strokes(small, DARK if as_held else Polarity.LIGHT_ON_DARK)
    return by_alignment(_with_strokes(_merged(boxes), found)), dark_ink is as_held


def _strokes(picture: Picture, polarity: Polarity) -> Regions:
    """Return the pieces of ink of a picture, as it is usually seen; none if there is none."""
    way = next(ways(View(picture), polarity))
    if isinstance(way, ImageError):
        return Regions.of(np.zeros(picture.shape[:2], np.bool_))
    return Regions.of(way.ink.mask)


def _merged(rows: list[list[Box]]) -> list[list[Box]]:
    """Take rows that stand beside each other for one."""
    merged: list[list[Box]] = []
    for row in rows:
        level = float(np.median([(box[1] + box[3]) / 2 for box in row]))
        for other in merged:
            top, bottom = (float(np.median([box[side] for box in other])) for side in (1, 3))
            if top < level < bottom:
                other += row
                break
        else:
            merged.append(list(row))
    return merged


def _with_strokes(rows: list[list[Box]], found: Regions) -> list[list[Box]]:
    """Add to rows the strokes that stand in them, though no digit was read there."""
    more = []
    for row in rows:
        boxes = np.array(row)
        top, bottom = float(np.median(boxes[:, 1])), float(np.median(boxes[:, 3]))
        level = tilt([row]) * ((found.left + found.right) / 2 - float(boxes[:, [0, 2]].mean()))
        middle = (found.top + found.bottom) / 2 - level
        tall = heights(found) / (bottom - top)
        wide = (found.right - found.left) / (bottom - top)
        own = (middle > top) & (middle < bottom) & (tall > PART) & (tall < TALLEST)
        own &= (wide < TALLEST) & (np.maximum(tall, wide) > STROKE)
        more.append([*row, *(_edges(found, number) for number in np.flatnonzero(own).tolist())])
    return more


def _edges(found: Regions, number: int) -> Box:
    left, top, right, bottom = (
        float(edge[number]) for edge in (found.left, found.top, found.right, found.bottom)
    )
    return left, top, right, bottom


def _is_dark(values: Float32Array, rows: list[list[Box]]) -> bool:
    """Whether ink is darker than its paper, which covers more of the boxes of digits."""
    skews = []
    for left, top, right, bottom in (map(round, box) for row in rows for box in row):
        part = values[max(0, top) : bottom, max(0, left) : right]
        if part.size:
            skews.append(float(part.mean()) - float(median(part)))
    return not skews or float(np.median(skews)) < 0


def _without_rules(picture: Picture, ruled: Ruled, scale: float, dark_ink: bool) -> Float32Array:
    """Return how dark a picture is, its rules, which were found in a smaller one, painted over."""
    brightness = View(picture).values
    dark = 1 - brightness if dark_ink else brightness.copy()
    paint_over(dark, ruled.across, scale)
    paint_over(dark.T, ruled.down, scale)
    return dark


def _scaled(box: tuple[int, int, int, int], scale: float) -> Box:
    left, top, right, bottom = box
    return left * scale, top * scale, right * scale, bottom * scale


def _in_reading_order(grids: list[Grid]) -> list[Grid]:
    """From the top down; those beside each other from left to right."""
    left = sorted(grids, key=lambda grid: grid.box[1])
    ordered: list[Grid] = []
    while left:
        bottom = (left[0].box[1] + left[0].box[3]) / 2
        beside = [grid for grid in left if grid.box[1] < bottom]
        ordered += sorted(beside, key=lambda grid: grid.box[0])
        left = [grid for grid in left if grid.box[1] >= bottom]
    return ordered


def _read_grid(
    grid: Grid, ruled: Ruled, picture: Picture, scale: float, dark_ink: bool, model: Model
) -> Table:
    """Read the cells of a grid that was found, as all that is ruled, in a smaller picture."""
    corners = [np.array(cell.corners) * scale for cell in grid.cells]
    height = float(np.median([own[3, 1] - own[0, 1] for own in corners]))
    factor = min(1.0, HEIGHT / max(1.0, height))
    size = round(picture.shape[1] * factor), round(picture.shape[0] * factor)
    image = Image.fromarray(picture)
    if factor < 1:
        image = image.resize(size, Image.Resampling.BOX, reducing_gap=2.0)
    values = Image.fromarray(_without_rules(np.asarray(image), ruled, scale * factor, dark_ink))
    seen = [CellView(values, own * factor, height * factor) for own in corners]
    # a table that the frame cuts off goes on beyond it
    limits = picture.shape[1::-1]
    inside = [np.clip(own, 0, limits) for own in corners]
    return _table(grid.cells, inside, seen, grid.rows, grid.columns, model)


def _table(
    cells: list[Cell],
    corners: list[NDArray[np.float64]],
    seen: list[CellView],
    rows: int,
    columns: int,
    model: Model,
) -> Table:
    """Read cells that are seen."""
    contrasts = np.array([each.contrast for each in seen])
    grain = float(np.median([each.grain for each in seen]))
    inked = contrasts > max(FAINTEST, GRAIN * grain)
    pen = float(np.median(contrasts[inked])) if inked.any() else 1.0
    read = []
    for cell, own, each in zip(cells, corners, seen, strict=True):
        content = read_cell(each, pen, grain, model)
        one, two, three, four = ((float(x), float(y)) for x, y in own)
        place = cell.row, cell.column, cell.rows, cell.columns
        read.append(TableCell(*place, *content, (one, two, three, four)))
    return Table(read, rows, columns)
