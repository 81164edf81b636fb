"""How well tables are read: against CSV files that say what their cells hold."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from digitcli.errors import DataError, ImageError
from digitcli.evaluation.evaluate import Check, check
from digitcli.model.network import Model
from digitcli.paths import printable
from digitcli.polarity import Polarity
from digitcli.reading.draw import draw_tables
from digitcli.reading.table import SIDE, Table, read_tables
from digitcli.seeing.decode import decode, upright_size
from digitcli.seeing.frames import Page, every_page

UNSCORED: Final = "*"
"""In a CSV file, a cell that does not count."""
MOST_LABELS = 1 << 20
"""Bytes of the largest CSV file: more cells than any picture has."""
WIDTH, TITLE, WRONG = 900, 34, "#cf222e"
"""Pixels of the gallery's width, and of the line above a picture; the colour of what is wrong."""
SHOWN = 6
"""So many wrong cells at most are told above a picture."""


@dataclass(frozen=True)
class Scores:
    """How many cells of tables were read right.

    Attributes
    ----------
    numbers, right : int
        Cells that hold a number, and those of them that were read right.
    blanks, blanks_right : int
        Cells that hold none, and those of them that came out empty.
    invented : int
        Cells that hold none, in which a number was read.
    """

    numbers: int = 0
    right: int = 0
    blanks: int = 0
    blanks_right: int = 0
    invented: int = 0

    def __add__(self, other: Scores) -> Scores:
        return Scores(
            self.numbers + other.numbers,
            self.right + other.right,
            self.blanks + other.blanks,
            self.blanks_right + other.blanks_right,
            self.invented + other.invented,
        )

    @property
    def share(self) -> float:
        """Share of the numbers that are right; 1 if there are none."""
        return self.right / self.numbers if self.numbers else 1.0

    @property
    def blanks_share(self) -> float:
        """Share of the blanks that are right; 1 if there are none."""
        return self.blanks_right / self.blanks if self.blanks else 1.0

    @property
    def invented_share(self) -> float:
        """Invented numbers, as a share of all cells that count."""
        return self.invented / max(1, self.numbers + self.blanks)


def score(wanted: list[list[str]], found: list[list[str]]) -> Scores:
    """Compare what cells hold with what was read, place by place.

    Parameters
    ----------
    wanted : list of list of str
        ``*`` for a cell that does not count, an empty text for a blank one.
    found : list of list of str
        What was read; rows and cells that are missing are wrong.
    """
    total = Scores()
    for number, row in enumerate(wanted):
        own = found[number] if number < len(found) else []
        for place, text in enumerate(row):
            read = own[place] if place < len(own) else None
            if text == UNSCORED:
                continue
            if text:
                total += Scores(numbers=1, right=int(read == text))
            else:
                total += Scores(blanks=1, blanks_right=int(read == ""), invented=int(bool(read)))
    return total


def read_table_labels(folder: Path) -> list[tuple[Path, list[list[str]]]]:
    """Read which pictures of tables a folder holds, and what their cells hold.

    Parameters
    ----------
    folder : Path
        Pictures, each with a CSV file of the same name: a line a row.

    Raises
    ------
    DataError
        If it holds no CSV file, or there is no picture to one.
    """
    labelled = []
    for labels in sorted(folder.glob("*.csv")):
        pictures = [
            path for path in sorted(folder.glob(f"{labels.stem}.*")) if path.suffix != ".csv"
        ]
        if not pictures:
            raise DataError(f"{printable(str(labels))} has no picture of the same name beside it")
        labelled.append((pictures[0], _rows_of(labels)))
    if not labelled:
        raise DataError(
            f"{printable(str(folder))} holds no CSV file; put one of the same name beside each "
            "picture"
        )
    return labelled


def _rows_of(labels: Path) -> list[list[str]]:
    """Read what the cells of a table hold; lines without anything part tables."""
    name = printable(str(labels))
    try:
        if labels.stat().st_size > MOST_LABELS:
            raise DataError(f"{name} is too large for the cells of a picture; check the file")
        with labels.open(encoding="utf-8-sig", newline="") as file:
            rows = [[text.strip() for text in row] for row in csv.reader(file) if row]
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error):
        raise DataError(f"{name} is no CSV file in UTF-8; write a line for each row") from None
    if not rows:
        raise DataError(f"{name} holds no rows; write a line for each row of the table")
    return rows


@dataclass(frozen=True)
class TableReading:
    """What was read in a picture of a table, or why it could not be.

    Attributes
    ----------
    path : Path
    wanted, found : list of list of str
    scores : Scores
    drawing : Image, optional
        The picture with what was read in it.
    error : str, optional
    """

    path: Path
    wanted: list[list[str]]
    found: list[list[str]]
    scores: Scores
    drawing: Image.Image | None = None
    error: str | None = None

    @property
    def wrong(self) -> list[tuple[int, int, str, str]]:
        """Row, column, what is there and what was read of each wrong cell."""
        listed = []
        for row, texts in enumerate(self.wanted):
            for column, text in enumerate(texts):
                own = self.found[row] if row < len(self.found) else []
                read = own[column] if column < len(own) else "no cell"
                if text not in (UNSCORED, read):
                    listed.append((row, column, text, read))
        return listed


@dataclass(frozen=True)
class TableEvaluation:
    """The readings of labelled pictures of tables."""

    readings: tuple[TableReading, ...]

    @property
    def scores(self) -> Scores:
        """Of all pictures together."""
        return sum((reading.scores for reading in self.readings), Scores())

    def to_dict(self) -> dict[str, Any]:
        """Return plain builtins for JSON."""
        return {
            **_shares(self.scores),
            "count": len(self.readings),
            "pictures": [
                {
                    "path": str(reading.path),
                    **_shares(reading.scores),
                    "wrong": [
                        {"row": row, "column": column, "text": text, "read": read}
                        for row, column, text, read in reading.wrong
                    ],
                    **({"error": reading.error} if reading.error else {}),
                }
                for reading in self.readings
            ],
        }


def _shares(scores: Scores) -> dict[str, float | int]:
    return {
        "cells_right": scores.share,
        "blanks_right": scores.blanks_share,
        "invented": scores.invented_share,
        "cells": scores.numbers,
        "blanks": scores.blanks,
    }


def evaluate_tables(
    model: Model,
    labelled: list[tuple[Path, list[list[str]]]],
    *,
    polarity: Polarity = Polarity.AUTO,
    draw: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> TableEvaluation:
    """Read labelled pictures of tables.

    Parameters
    ----------
    model : Model
    labelled : list
        As `read_table_labels` returns it.
    polarity : Polarity
        Whether the ink is darker or brighter than the paper; found out by default.
    draw : bool
        Whether to keep a drawing of each picture.
    on_progress : callable
        Called with how many pictures have been read, and of how many.
    """
    readings = []
    for number, (path, wanted) in enumerate(labelled):
        pages = every_page(path)
        tables: list[list[Table]] = []
        error = None
        try:
            name = printable(path)
            tables = [read_tables(page, model, name=name, polarity=polarity) for page in pages]
        except ImageError as reason:
            error = str(reason)
        found = [row for page in tables for table in page for row in table.texts()]
        drawing = _drawing(pages[0], tables[0]) if draw and error is None else None
        readings.append(TableReading(path, wanted, found, score(wanted, found), drawing, error))
        on_progress(number + 1, len(labelled))
    return TableEvaluation(tuple(readings))


def _drawing(page: str | Page, tables: list[Table]) -> Image.Image:
    picture = decode(page, sight=SIDE)
    drawn = draw_tables(picture, tables, scale=picture.shape[1] / upright_size(page)[0])
    drawn.thumbnail((WIDTH, WIDTH))
    return drawn


def check_tables(result: TableEvaluation, bar: float) -> Check:
    """Hold the share of the cells, blank ones among them, that are right against a bar."""
    scores = result.scores
    right, count = scores.right + scores.blanks_right, scores.numbers + scores.blanks
    return check("share of cells right", right, count, right / max(1, count), bar)


def gallery(result: TableEvaluation) -> Image.Image:
    """Draw all pictures below each other, with what was read and which cells are wrong."""
    drawn = [reading for reading in result.readings if reading.drawing is not None]
    heights = [TITLE + (reading.drawing.height if reading.drawing else 0) for reading in drawn]
    sheet = Image.new("RGB", (WIDTH, max(TITLE, int(np.sum(heights)))), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    top = 0
    for reading, height in zip(drawn, heights, strict=True):
        wrong = [
            f"row {row + 1}, column {column + 1}: {read or 'blank'} for {text or 'blank'}"
            for row, column, text, read in reading.wrong
        ]
        told = "; ".join(wrong[:SHOWN]) + (" ..." if len(wrong) > SHOWN else "")
        pen.text((6, top + 2), printable(reading.path.name), "black", font)
        told = printable(told) or "all right"
        pen.text((6, top + 17), told, WRONG if wrong else "black", font)
        if reading.drawing:
            sheet.paste(reading.drawing, (0, top + TITLE))
        top += height
    return sheet
