"""How well rows of digits are read: whole rows right, and digits by edit distance."""

from __future__ import annotations

import csv
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from digitcli.errors import DataError, ImageError
from digitcli.evaluation.evaluate import Check, check
from digitcli.model.network import Model
from digitcli.paths import printable
from digitcli.polarity import Polarity
from digitcli.reading.draw import draw_rows
from digitcli.reading.page import Page, read_page
from digitcli.seeing.frames import every_page

CELL = 320, 240
"""Size of a picture in the gallery."""
COLUMNS = 4
TITLE = 40
MAX_LABEL_BYTES = 1 << 24
"""Largest file of labels: some hundred thousand pictures."""


@dataclass(frozen=True)
class LabelledRows:
    """A picture and the texts of its rows."""

    path: Path
    name: str
    rows: tuple[str, ...]


@dataclass(frozen=True)
class Reading:
    """What was read in a picture, or why it could not be.

    Attributes
    ----------
    truth : LabelledRows
    rows : tuple of str
        The texts of the rows that were read,
    confidences : tuple of float
        and how probable it is that they are right.
    drawing : Image, optional
        The picture with what was read in it, of the size that it has in the gallery.
    error : str, optional
    """

    truth: LabelledRows
    rows: tuple[str, ...] = ()
    confidences: tuple[float, ...] = ()
    drawing: Image.Image | None = None
    error: str | None = None

    @property
    def right(self) -> bool:
        """Whether every digit of every row is right."""
        return self.rows == self.truth.rows


@dataclass(frozen=True)
class LineEvaluation:
    """The readings of labelled pictures of rows."""

    readings: tuple[Reading, ...]

    @property
    def string_accuracy(self) -> float:
        """Share of the pictures whose rows are all right, 0 to 1."""
        return sum(reading.right for reading in self.readings) / len(self.readings)

    @property
    def row_accuracy(self) -> float:
        """Share of the rows that are right, 0 to 1."""
        right = sum(common_rows(reading.truth.rows, reading.rows) for reading in self.readings)
        return right / sum(len(reading.truth.rows) for reading in self.readings)

    @property
    def digit_error_rate(self) -> float:
        """Digits to insert, delete or replace, as a share of all digits."""
        errors = sum(
            edit_distance("".join(reading.truth.rows), "".join(reading.rows))
            for reading in self.readings
        )
        return errors / sum(len("".join(reading.truth.rows)) for reading in self.readings)

    def to_dict(self) -> dict[str, Any]:
        """Return plain builtins for JSON."""
        return {
            "string_accuracy": self.string_accuracy,
            "row_accuracy": self.row_accuracy,
            "digit_error_rate": self.digit_error_rate,
            "count": len(self.readings),
            "pictures": [
                {
                    "path": reading.truth.name,
                    "text": "\n".join(reading.truth.rows),
                    "read": "\n".join(reading.rows),
                    **({"error": reading.error} if reading.error else {}),
                }
                for reading in self.readings
            ],
        }


def read_labels(path: Path) -> list[LabelledRows]:
    r"""Read a CSV file with the columns path and text.

    Paths are relative to the file; the rows of a text are joined by ``\n``, written out or as a
    line end, and spaces count for nothing.

    Raises
    ------
    DataError
        If the file cannot be read, is too large, has no such columns or a text that holds no
        digits.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # to open a FIFO would wait for its writer
            raise DataError(f"{printable(path)} is not a regular file; give the path of a CSV file")
        if status.st_size > MAX_LABEL_BYTES:
            raise DataError(
                f"{printable(path)} is larger than {MAX_LABEL_BYTES >> 20} MiB; split it"
            )
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = list(csv.DictReader(file))
    except OSError as error:
        raise DataError(
            f"{printable(path)} cannot be read: {(error.strerror or str(error)).lower()}; "
            "check the path"
        ) from None
    except (UnicodeDecodeError, csv.Error):
        raise DataError(
            f"{printable(path)} is no CSV file in UTF-8; give one with the columns path and text, "
            "a line for each picture"
        ) from None
    labelled = []
    for number, line in enumerate(lines, 2):
        name, text = line.get("path"), line.get("text")
        if not name or not text:
            raise DataError(
                f"{printable(path)} has no path or no text in line {number}; "
                "it needs the columns path and text"
            )
        rows = tuple("".join(row.split()) for row in text.replace("\\n", "\n").splitlines())
        if not all(row.isascii() and row.isdigit() for row in rows):
            raise DataError(
                f"{printable(path)} has the text {text!r} in line {number}; write only digits"
            )
        labelled.append(LabelledRows(path.parent / name, name, rows))
    if not labelled:
        raise DataError(f"{printable(path)} names no pictures; add lines of path and text")
    return labelled


def evaluate_lines(
    model: Model,
    labelled: list[LabelledRows],
    *,
    polarity: Polarity = Polarity.AUTO,
    draw: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> LineEvaluation:
    """Let a model read labelled pictures of rows, and draw them for the gallery if asked to."""
    return LineEvaluation(tuple(_readings(model, labelled, polarity, draw, on_progress)))


def _readings(
    model: Model,
    labelled: list[LabelledRows],
    polarity: Polarity,
    draw: bool,
    on_progress: Callable[[int, int], None] | None,
) -> Iterator[Reading]:
    for done, truth in enumerate(labelled, 1):
        try:
            pages = [
                read_page(page, model, name=printable(truth.path), polarity=polarity)
                for page in every_page(truth.path)
            ]
        except ImageError as error:
            yield Reading(truth, error=str(error))
        else:
            found = [row for page in pages for row in page.rows]
            rows = tuple(row.text() for row in found)
            sure = tuple(row.confidence for row in found)
            yield Reading(truth, rows, sure, _drawing(pages[0]) if draw else None)
        if on_progress:
            on_progress(done, len(labelled))


def _drawing(page: Page) -> Image.Image:
    drawing = draw_rows(page.picture, page.seen)
    drawing.thumbnail((CELL[0] - 8, CELL[1] - 8))
    return drawing


def check_rows(result: LineEvaluation, bar: float) -> Check:
    """Hold the share of the pictures that were read entirely right against a bar."""
    right = sum(reading.right for reading in result.readings)
    share = result.string_accuracy
    return check("share of pictures entirely right", right, len(result.readings), share, bar)


def edit_distance(truth: str, read: str) -> int:
    """Fewest digits to insert, delete or replace (Levenshtein, 1966)."""
    distances = list(range(len(read) + 1))
    for row, wanted in enumerate(truth, 1):
        diagonal, distances[0] = distances[0], row
        for column, got in enumerate(read, 1):
            replaced = diagonal + (wanted != got)
            diagonal = distances[column]
            distances[column] = min(replaced, diagonal + 1, distances[column - 1] + 1)
    return distances[-1]


def common_rows(truth: tuple[str, ...], read: tuple[str, ...]) -> int:
    """Most rows of `truth` that are in `read`, in the same order."""
    longest = np.zeros((len(truth) + 1, len(read) + 1), int)
    for i, wanted in enumerate(truth):
        for j, got in enumerate(read):
            longest[i + 1, j + 1] = (
                longest[i, j] + 1 if wanted == got else max(longest[i, j + 1], longest[i + 1, j])
            )
    return int(longest[-1, -1])


def gallery(result: LineEvaluation) -> Image.Image:
    """Draw every picture with what was read in it; wrong ones have a red title."""
    width, height = CELL
    count = len(result.readings)
    sheet = Image.new("RGB", (COLUMNS * width, -(-count // COLUMNS) * (height + TITLE)), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(13)
    for number, reading in enumerate(result.readings):
        left = number % COLUMNS * width
        top = number // COLUMNS * (height + TITLE)
        colour = "#1f2328" if reading.right else "#cf222e"
        read = " ".join(reading.rows) or reading.error or "nothing"
        draw.text((left + 4, top + 2), f"is    {' '.join(reading.truth.rows)}"[:44], colour, font)
        draw.text((left + 4, top + 20), f"read {read}"[:44], colour, font)
        if reading.drawing is not None:
            sheet.paste(reading.drawing, (left + 4, top + TITLE))
    return sheet
