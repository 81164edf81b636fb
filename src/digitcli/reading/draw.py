"""Show on a picture which digits were read, and where."""

from __future__ import annotations

import colorsys

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from digitcli.reading.row import Row
from digitcli.reading.rows import PAGE_SIDE
from digitcli.reading.table import SIDE, Table, TableCell
from digitcli.seeing.decode import AnyImage, Picture, decode, upright_size

DOUBTFUL, UNREAD = 0.9, "#d4a72c"
"""Cells that are less sure than this are marked in red, what is no number in yellow."""
SURE, UNSURE, EMPTY = "#1a7f37", "#cf222e", "#8c959f"
TEXT = 0.3
"""Size of the numbers written into cells, as a share of these."""
LABEL = 0.35
"""Size of the written digits, as a share of the height of those they label."""


def explain_rows(file: AnyImage, rows: list[Row], *, name: str | None = None) -> Image.Image:
    """Draw the rows that were read in a picture, which is reduced if it is large.

    Parameters
    ----------
    file, name
        As for `digitcli.read_digit`.
    rows : list of Row
        With boxes in pixels of the file, held upright.

    Raises
    ------
    ImageError
        If the file cannot be read as an image.
    """
    picture = decode(file, name, sight=PAGE_SIDE)
    return draw_rows(picture, rows, scale=picture.shape[1] / upright_size(file)[0])


def draw_rows(picture: Picture, rows: list[Row], *, scale: float = 1.0) -> Image.Image:
    """Draw a box around each digit with its reading above, in one colour for each row.

    Parameters
    ----------
    picture : ndarray of uint8, shape (height, width) or (height, width, 3)
    rows : list of Row
    scale : float
        Pixels of the picture for each unit of the boxes.
    """
    image = Image.fromarray(picture).convert("RGB")
    draw = ImageDraw.Draw(image)
    for number, row in enumerate(rows):
        colour = _colour(number)
        boxes = [[round(edge * scale) for edge in digit.box] for digit in row.digits]
        height = float(np.median([bottom - top for _, top, _, bottom in boxes]))
        font = ImageFont.load_default(max(10, LABEL * height))
        for digit, (left, top, right, bottom) in zip(row.digits, boxes, strict=True):
            draw.rectangle((left, top, right - 1, bottom - 1), None, colour, 1 + int(height / 50))
            draw.text(
                (left, top - 2),
                f"{digit.digit}",
                colour,
                font,
                anchor="lb" if top > height else "lt",
            )
    return image


def explain_tables(file: AnyImage, tables: list[Table], *, name: str | None = None) -> Image.Image:
    """Draw the cells of tables with what was read in them, doubtful ones in red.

    The parameters, but for the tables, are those of `explain_rows`.

    Raises
    ------
    ImageError
        If the file cannot be read as an image.
    """
    picture = decode(file, name, sight=SIDE)
    return draw_tables(picture, tables, scale=picture.shape[1] / upright_size(file)[0])


def draw_tables(picture: Picture, tables: list[Table], *, scale: float = 1.0) -> Image.Image:
    """Draw the cells of tables with what was read in them.

    Parameters
    ----------
    picture : ndarray of uint8, shape (height, width) or (height, width, 3)
    tables : list of Table
    scale : float
        Pixels of the picture for each unit of the corners.
    """
    image = Image.fromarray(picture).convert("RGB")
    draw = ImageDraw.Draw(image)
    for table in tables:
        tall = float(np.median([cell.box[3] - cell.box[1] for cell in table.cells])) * scale
        font = ImageFont.load_default(max(10.0, TEXT * tall))
        wide = 1 + int(tall / 50)
        # what is doubtful is drawn last, over the sides of its neighbours
        for cell in sorted(table.cells, key=lambda cell: _colour_of(cell) == UNSURE):
            corners = [(x * scale, y * scale) for x, y in cell.corners]
            colour = _colour_of(cell)
            draw.polygon(corners, None, colour, wide if colour != EMPTY else 1)
            if cell.text:
                left, top = corners[0]
                place = left + wide + 2, top + wide + 1
                draw.rectangle(draw.textbbox(place, cell.text, font), "white")
                draw.text(place, cell.text, colour, font)
    return image


def _colour_of(cell: TableCell) -> str:
    if not cell.is_read:
        return UNREAD
    if not cell.text:
        return EMPTY
    return SURE if cell.confidence >= DOUBTFUL else UNSURE


def _colour(number: int) -> tuple[int, int, int]:
    """Strong colours, far apart for neighbouring numbers."""
    red, green, blue = colorsys.hls_to_rgb(number * 0.382 % 1, 0.42, 0.9)
    return round(255 * red), round(255 * green), round(255 * blue)
