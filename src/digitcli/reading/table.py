"""Read the numbers in the cells of a table."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digitcli.errors import ImageError
from digitcli.model.network import Model
from digitcli.polarity import Polarity
from digitcli.reading.candidates import Candidate, digit_image
from digitcli.reading.number import with_signs
from digitcli.reading.row import Row
from digitcli.reading.rows import read_rows
from digitcli.reading.transcribe import extent, read_row
from digitcli.reading.uncut import row_image, signed_columns
from digitcli.reading.ways import Way
from digitcli.seeing.arrangement import by_alignment, by_boxes
from digitcli.seeing.decode import AnyImage, Picture, decode, name_of, upright_size
from digitcli.seeing.grid import Cell, Grid, Point, Ruled, find_ruled
from digitcli.seeing.ink import Ink
from digitcli.seeing.light import shrink
from digitcli.seeing.morphology import Float32Array, Mask, dilate
from digitcli.seeing.pieces import Regions
from digitcli.seeing.quantile import median, quantile
from digitcli.seeing.rows import find_rows, heights
from digitcli.seeing.tracks import paint_over
from digitcli.seeing.view import View

DARK = Polarity.DARK_ON_LIGHT
SIDE = 2048
"""Larger pictures are reduced to this longer side;"""
GRID_SIDE = 1200
"""rules are looked for in one no larger than this."""
CELL_HEIGHT = 96
"""Pixels of the usual cell's height in which it is read."""
MARGIN = 0.14
"""So far beyond a cell is seen, as a share of its height: digits reach over its rules."""
SQUARES, SQUARE = 12, 1.2
"""Grids of so many rows or columns, whose cells are longer than wide by less than this factor, are
squared paper."""
TOOTH = 1.3
"""Boxes for a digit each are no wider than this share of their height."""
FAINTEST = 10 / 255
"""Less contrast than this is no ink,"""
GRAIN = 5.0
"""nor is less than so many times the grain of the paper,"""
OF_PEN = 0.25
"""nor less than this share of what the pens of the table mostly have."""
DARKEST = 0.985
"""What is darker than this share of a cell may be ink."""
INK = 0.45
"""A pixel with this share of its cell's contrast is ink."""
SPECK = 0.12
"""Ink that is smaller than this share of the height of the cell is dirt,"""
LOWEST = 0.2
"""and cells without any that is this high are blank."""
FLAT = 2.2
"""A dash is so many times longer than high."""
WRITTEN = 0.3
"""What a cell holds is taken for a number if it is this probable,"""
DOUBT = 0.25
"""and so much counts the model's doubt that its digits are digits at all."""


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
        corners = tuple((x * scale, y * scale) for x, y in self.corners)
        return replace(self, corners=corners)


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
    return [
        replace(table, cells=[cell.scaled(scale) for cell in table.cells]) for table in tables
    ]


def tables_of(
    picture: Picture, model: Model, *, polarity: Polarity = Polarity.AUTO
) -> list[Table]:
    """Read every table in a picture, with corners in its pixels; none if there is none."""
    small = shrink(picture, GRID_SIDE)
    values = View(small).values
    scale = picture.shape[1] / small.shape[1]
    for dark_ink in (True, False) if polarity is Polarity.AUTO else (polarity is DARK,):
        ruled = find_ruled(1 - values if dark_ink else values)
        grids = tables_among(ruled.grids)
        if grids:
            return [
                _read_grid(grid, ruled, picture, scale, dark_ink, model)
                for grid in _in_reading_order(grids)
            ]
    return _unruled(picture, small, scale, model, polarity)


def tables_among(grids: list[Grid]) -> list[Grid]:
    """Choose what is a table among what is ruled: grids, or boxes and combs beside each other."""
    tables = [
        grid for grid in grids if grid.rows > 1 and grid.columns > 1 and not _is_squared(grid)
    ]
    if tables:
        return tables
    rows = [grid for grid in grids if grid.rows == 1 or grid.columns == 1]
    boxes = by_boxes([grid for grid in rows if _is_comb(grid)])
    if boxes:
        return [boxes]
    return [grid for grid in rows if len(grid.cells) > 1 and not _is_comb(grid)]


def _is_squared(grid: Grid) -> bool:
    """Whether a grid is that of squared paper: many squares of one size."""
    corners = np.array([cell.corners for cell in grid.cells if cell.rows == cell.columns == 1])
    if not len(corners) or max(grid.rows, grid.columns) < SQUARES:
        return False
    wide, tall = corners[:, 1, 0] - corners[:, 0, 0], corners[:, 3, 1] - corners[:, 0, 1]
    ratio = float(np.median(wide) / np.median(tall))
    return 1 / SQUARE < ratio < SQUARE


def _is_comb(grid: Grid) -> bool:
    """Whether a grid is one box, or a row of boxes for a digit each."""
    wide, tall = grid.box[2] - grid.box[0], grid.box[3] - grid.box[1]
    return len(grid.cells) == 1 or (grid.rows == 1 and wide <= TOOTH * tall * grid.columns)


def _unruled(
    picture: Picture, small: Picture, scale: float, model: Model, polarity: Polarity
) -> list[Table]:
    """Read a table without rules, whose numbers stand below each other."""
    try:
        rows = read_rows(picture, model, polarity=polarity)
    except ImageError:
        return []
    boxes = [[_floats(digit.box) for digit in row.digits] for row in rows]
    grid = by_alignment([[_scaled(box, 1 / scale) for box in row] for row in boxes])
    if grid is None:
        return []
    values = View(small).values
    dark_ink = _is_dark(values, [_scaled(box, 1 / scale) for row in boxes for box in row])
    ruled = find_ruled(1 - values if dark_ink else values)
    return [_read_grid(grid, ruled, picture, scale, dark_ink, model)]


def _is_dark(values: Float32Array, boxes: list[tuple[float, float, float, float]]) -> bool:
    """Whether ink is darker than paper: it covers less of the boxes of digits."""
    skews = []
    for box in boxes:
        left, top, right, bottom = (round(edge) for edge in box)
        part = values[max(0, top) : bottom, max(0, left) : right]
        if part.size:
            skews.append(float(part.mean()) - float(median(part)))
    return not skews or float(np.median(skews)) < 0


def _floats(box: tuple[int, int, int, int]) -> tuple[float, float, float, float]:
    left, top, right, bottom = box
    return float(left), float(top), float(right), float(bottom)


def _scaled(
    box: tuple[float, float, float, float], scale: float
) -> tuple[float, float, float, float]:
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


class _Seen:
    """A cell, held straight: its darkness against its paper.

    Attributes
    ----------
    dark : ndarray of float32, shape (height, width)
    inner : tuple of slice
        Rows and columns of the cell itself.
    """

    def __init__(
        self, values: Image.Image, corners: NDArray[np.float64], height: float
    ) -> None:
        sides = np.hypot(*(corners - np.roll(corners, -1, axis=0)).T)
        tall, wide = float(sides[1] + sides[3]) / 2, float(sides[0] + sides[2]) / 2
        scale = min(1.0, 2 * CELL_HEIGHT / tall)
        margin = MARGIN * min(tall, height)
        left, right = _outward(corners[[0, 3]], corners[[1, 2]], margin / wide)
        wider = np.array([left[0], right[0], right[1], left[1]])
        top, bottom = _outward(wider[[0, 1]], wider[[3, 2]], margin / tall)
        quad = [*top[0], *bottom[0], *bottom[1], *top[1]]
        size = round((wide + 2 * margin) * scale), round((tall + 2 * margin) * scale)
        size = max(8, size[0]), max(8, size[1])
        cut = values.transform(size, Image.Transform.QUAD, quad, Image.Resampling.BILINEAR)
        dark = np.array(cut, np.float32)
        edge = round(margin * scale)
        self.inner = slice(edge, size[1] - edge), slice(edge, size[0] - edge)
        self.paper = float(median(dark[self.inner]))
        self.dark = dark - np.float32(self.paper)
        inside = self.dark[self.inner]
        self.grain = 1.4826 * float(median(np.abs(inside)))
        self.contrast = float(quantile(inside, DARKEST))


def _outward(
    one: NDArray[np.float64], other: NDArray[np.float64], share: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Move two sides of a quadrilateral away from each other."""
    way = (other - one) * share
    return one - way, other + way


def _read_grid(
    grid: Grid, ruled: Ruled, picture: Picture, scale: float, dark_ink: bool, model: Model
) -> Table:
    """Read the cells of a grid that was found, as all that is ruled, in a smaller picture."""
    corners = [np.array(cell.corners) * scale for cell in grid.cells]
    height = float(np.median([own[3, 1] - own[0, 1] for own in corners]))
    factor = min(1.0, CELL_HEIGHT / max(1.0, height))
    size = round(picture.shape[1] * factor), round(picture.shape[0] * factor)
    image = Image.fromarray(picture)
    if factor < 1:
        image = image.resize(size, Image.Resampling.BOX, reducing_gap=2.0)
    brightness = View(np.asarray(image)).values
    dark = 1 - brightness if dark_ink else brightness.copy()
    paint_over(dark, ruled.across, scale * factor)
    paint_over(dark.T, ruled.down, scale * factor)
    values = Image.fromarray(dark)
    seen = [_Seen(values, own * factor, height * factor) for own in corners]
    return _table(grid.cells, corners, seen, grid.rows, grid.columns, model)


def _table(
    cells: list[Cell],
    corners: list[NDArray[np.float64]],
    seen: list[_Seen],
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
        text, confidence, is_read = read_cell(each, pen, grain, model)
        places = tuple((float(x), float(y)) for x, y in own)
        read.append(TableCell(*cell[:4], text, confidence, is_read, places))  # type: ignore[arg-type]
    return Table(read, rows, columns)


def read_cell(seen: _Seen, pen: float, grain: float, model: Model) -> tuple[str, float, bool]:
    """Return the number of a cell, how sure it is, and whether what it holds is one, or nothing."""
    limit = max(FAINTEST, GRAIN * grain, OF_PEN * pen)
    if seen.contrast < limit:
        return "", 1.0, True
    mask = _own_ink(seen, max(limit, INK * seen.contrast))
    found = Regions.of(mask)
    tall = len(seen.dark[seen.inner])
    main = (heights(found) >= LOWEST * tall) & (found.size >= SPECK * tall)
    if not main.any():
        return "", 1.0, True
    density = np.clip(seen.dark / max(seen.contrast, 1e-6), 0, 1).astype(np.float32)
    ink = Ink(density, mask, INK)
    way = Way(ink, seen.dark)
    rows = find_rows(found, mask.shape)
    if not rows:
        return "", 0.5, False
    largest = max(rows, key=lambda row: int(found.area[row].sum()))
    row = read_row(found, largest, way, model, None)
    if row is None:
        return "", 0.5, False
    sure = row.confidence * _is_number(row, ink, model) ** DOUBT
    if sure < WRITTEN:
        return "", sure, False
    text, signs = _signed(found, largest, seen, row)
    return text, sure * signs, True


def _own_ink(seen: _Seen, limit: float) -> Mask:
    """Return the ink of a cell; what reaches into it from beside is wiped out."""
    mask = seen.dark >= limit
    found = Regions.of(mask)
    if not len(found.area):
        return mask
    inner = np.bincount(found.labels[seen.inner].ravel(), minlength=len(found.area) + 1)[1:]
    foreign = found.mask(inner < 0.5 * found.area)
    if foreign.any():
        seen.dark[dilate(foreign, 3)] = 0
        mask &= ~foreign
    specks = found.mask(found.size < SPECK / 2 * len(seen.dark))
    return mask & ~specks


def _is_number(row: Row, ink: Ink, model: Model) -> float:
    """Return the least of the probabilities that its digits are digits at all."""
    images = []
    for digit in row.digits:
        left, top, right, bottom = digit.box
        mask = ink.mask[top:bottom, left:right]
        if mask.any():
            images.append(digit_image(Candidate(0, 1, digit.box, mask), ink))
    if not images:
        return 1.0
    return float(model.is_digit(np.stack(images)).min())


def _signed(
    found: Regions, row: NDArray[np.intp], seen: _Seen, read: Row
) -> tuple[str, float]:
    """Put the signs of a number where they are seen."""
    height = float(np.median([digit.box[3] - digit.box[1] for digit in read.digits]))
    (_, top, _, bottom), slope = extent(found, row, height)
    middle = (found.top + found.bottom) / 2
    level = (middle > top) & (middle < bottom + 0.3 * height)
    left, right = float(found.left[level].min()), float(found.right[level].max())
    image, _, _ = row_image(seen.dark, (left, top, right, bottom), slope)
    return with_signs(signed_columns(image), read.text())


