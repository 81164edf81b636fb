"""How well tables are read: against CSV files that say what their cells hold."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from digitcli.errors import DataError

UNSCORED: Final = "*"
"""In a CSV file, a cell that does not count."""


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
            raise DataError(f"{labels} has no picture of the same name beside it")
        try:
            with labels.open(encoding="utf-8-sig", newline="") as file:
                rows = [row for row in csv.reader(file) if row]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"{labels} cannot be read: {error}") from None
        labelled.append((pictures[0], rows))
    if not labelled:
        raise DataError(f"{folder} holds no CSV file; put one of the same name beside each picture")
    return labelled
