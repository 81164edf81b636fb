"""Where the rules of a table are, and the cells between them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from digitcli.seeing.arrangement import by_alignment, by_boxes, by_squares
from digitcli.seeing.grid import Grid, find_ruled
from digitcli.seeing.tracks import Track, find_tracks, paint_over

Dark = NDArray[np.float32]
Line = tuple[tuple[float, float], tuple[float, float]]
SIZE = 900, 640


def drawn(lines: list[Line], *, width: int = 2, noise: float = 0.01, seed: int = 0) -> Dark:
    """Draw lines on paper with some grain: darkness."""
    image = Image.new("L", SIZE)
    pen = ImageDraw.Draw(image)
    for line in lines:
        pen.line(line, 160, width)
    dark = np.asarray(image.filter(ImageFilter.GaussianBlur(0.6)), np.float32) / 255
    rng = np.random.default_rng(seed)
    return np.clip(dark + 0.15 + rng.normal(0, noise, dark.shape), 0, 1).astype(np.float32)


def grid_lines(rows: int, columns: int, *, tall: int = 60, wide: int = 120) -> list[Line]:
    """Return the rules of a table."""
    bottom, right = 50 + rows * tall, 40 + columns * wide
    across = [((40, 50 + row * tall), (right, 50 + row * tall)) for row in range(rows + 1)]
    down = [((40 + n * wide, 50), (40 + n * wide, bottom)) for n in range(columns + 1)]
    return [*across, *down]


def only(dark: Dark) -> Grid:
    """Return the one grid of a picture."""
    (grid,) = find_ruled(dark).grids
    return grid


def places(grid: Grid) -> list[tuple[int, int, int, int]]:
    return [(cell.row, cell.column, cell.rows, cell.columns) for cell in grid.cells]


@pytest.mark.parametrize("width", [1, 2, 5])
def test_a_ruled_table_has_its_rows_and_columns(width: int) -> None:
    grid = only(drawn(grid_lines(5, 4), width=width))
    assert (grid.rows, grid.columns) == (5, 4)
    assert places(grid) == [(row, column, 1, 1) for row in range(5) for column in range(4)]
    corners = np.array(grid.cells[5].corners)  # second row, second column
    assert np.abs(corners - [(160, 110), (280, 110), (280, 170), (160, 170)]).max() < 2.5


@pytest.mark.parametrize("turn", [-8, 3, 9])
def test_a_table_that_is_turned(turn: int) -> None:
    dark = drawn(grid_lines(4, 4))
    image = Image.fromarray(dark).rotate(turn, Image.Resampling.BICUBIC, fillcolor=0.15)
    grid = only(np.asarray(image, np.float32))
    assert (grid.rows, grid.columns) == (4, 4)


def test_a_table_that_bends() -> None:
    dark = drawn(grid_lines(5, 5))
    x = np.arange(SIZE[0])
    down = np.rint(9 * np.sin(x / 200)).astype(int)
    rows = (np.arange(SIZE[1])[:, None] - down) % SIZE[1]
    grid = only(np.take_along_axis(dark, rows, 0))
    assert (grid.rows, grid.columns) == (5, 5)
    lower = [cell.corners[0][1] for cell in grid.cells if cell.row == 2]
    assert max(lower) - min(lower) > 5


def test_broken_rules_are_whole() -> None:
    dark = drawn(grid_lines(5, 5))
    rng = np.random.default_rng(3)
    for _ in range(40):
        y, x = int(rng.integers(50, 350)), int(rng.integers(40, 640))
        dark[y : y + 14, x : x + 14] = 0.15
    grid = only(dark)
    assert (grid.rows, grid.columns) == (5, 5)
    assert len(grid.cells) == 25


def test_cells_that_no_rule_parts_are_one() -> None:
    lines = grid_lines(4, 3)
    lines[6] = ((160, 50), (160, 230))  # the last row has no rule below its first column
    grid = only(drawn(lines))
    assert (3, 0, 1, 2) in places(grid)
    assert len(grid.cells) == 11


def test_a_table_without_rules_at_its_sides() -> None:
    lines = [line for line in grid_lines(4, 4) if line[0][0] != line[1][0] or 40 < line[0][0] < 520]
    grid = only(drawn(lines))
    assert (grid.rows, grid.columns) == (4, 4)


def test_the_strokes_of_digits_are_no_rules() -> None:
    lines = grid_lines(5, 4)
    ones = [
        ((220 + off, 60 + 60 * row), (224 + off, 102 + 60 * row))
        for row, off in enumerate((0, 3, -4, 1, -2))
    ]
    grid = only(drawn([*lines, *ones], width=3))
    assert (grid.rows, grid.columns) == (5, 4)


def test_boxes_apart_are_so_many_grids_and_are_laid_out() -> None:
    lines: list[Line] = []
    for row in range(3):
        for column in range(4):
            left, top = 60 + 190 * column, 60 + 110 * row
            corners = [(left, top), (left + 140, top), (left + 140, top + 70), (left, top + 70)]
            lines += list(zip(corners, [*corners[1:], corners[0]], strict=True))
    grids = find_ruled(drawn(lines)).grids
    assert [(grid.rows, grid.columns) for grid in grids] == [(1, 1)] * 12
    table = by_boxes(grids)
    assert table is not None
    assert (table.rows, table.columns) == (3, 4)
    assert places(table) == [(row, column, 1, 1) for row in range(3) for column in range(4)]


def test_numbers_below_each_other_are_columns() -> None:
    def number(left: float, top: float, digits: int) -> list[tuple[float, float, float, float]]:
        return [(left + 24 * n, top, left + 24 * n + 18, top + 30) for n in range(digits)]

    rows = [
        [*number(50, 40, 2), *number(180, 44, 1), *number(300, 48, 3)],
        [*number(74, 100, 1), *number(300, 108, 3)],
        [*number(50, 160, 2), *number(180, 164, 1), *number(324, 168, 2)],
    ]
    grid = by_alignment(rows)
    assert grid is not None
    assert (grid.rows, grid.columns) == (3, 3)
    assert by_alignment(rows[:1]) is None
    assert by_alignment([number(50, 40, 2), number(50, 90, 3)]) is None


def test_marks_in_squares_are_columns_where_squares_between_are_empty() -> None:
    squares = only(drawn(grid_lines(14, 16, tall=40, wide=40), width=1))
    assert (squares.rows, squares.columns) == (14, 16)

    def mark(row: int, column: int) -> tuple[float, float, float, float]:
        left, top = 40 + 40 * column + 10, 50 + 40 * row + 6
        return left, top, left + 16, top + 28

    marks = [mark(2, 2), mark(2, 3), mark(2, 7), mark(4, 3), mark(4, 6), mark(4, 7), mark(4, 8)]
    grid = by_squares(squares, marks)
    assert grid is not None
    assert (grid.rows, grid.columns) == (2, 2)
    assert np.abs(np.array(grid.cells[1].corners[0]) - [40 + 240, 50 + 80]).max() < 3


def test_rules_are_painted_over_and_strokes_across_them_go_on() -> None:
    dark = drawn([((100, 300), (800, 300)), ((400, 260), (400, 340))], width=4)
    tracks, _ = find_tracks(dark)
    paint_over(dark, [track for track in tracks if track.last - track.first > 400])
    assert dark[296:305, 150:380].max() < 0.3
    assert dark[290:310, 400].min() > 0.5


def test_ink_on_a_pale_rule_stays() -> None:
    dark = 0.3 * drawn([((100, 300), (800, 300))], noise=0.002)
    dark[299:302, 400:430] = 0.6  # the bar of a 7, along the rule
    tracks, _ = find_tracks(dark)
    paint_over(dark, tracks)
    assert dark[296:305, 150:380].max() < 0.08
    assert dark[299:302, 404:426].min() > 0.5


def test_strokes_beside_a_rule_do_not_bend_it() -> None:
    along = np.arange(100.0, 900.0)
    level = 300 + 0.02 * along
    bent = level + np.where(np.abs(along - 500) < 12, 3.0, 0.0)
    smooth = Track(along, bent, thick=2, strength=0.5, reach=50).smoothed(40)
    assert np.abs(smooth.level - level).max() < 0.5


def test_squares_of_a_strip_of_paper_are_evenly_apart() -> None:
    lines = grid_lines(6, 20, tall=40, wide=40)
    beside = [((40 + 40 * n, 224), (120 + 40 * n, 224)) for n in range(0, 12, 3)]
    assert len(find_ruled(drawn([*lines, *beside], width=1)).grids[0].cells) == 6 * 20
