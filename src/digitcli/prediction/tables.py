"""The reading of tables, any number a picture."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from digitcli.prediction.paths import Burst, Source
from digitcli.prediction.readings import Answers, SingleReading
from digitcli.reading.table import Table, read_tables

if TYPE_CHECKING:
    from PIL import Image


@dataclass
class TableAnswers(Answers):
    """The tables in consecutive inputs.

    Attributes
    ----------
    tables : list of list of Table
        For each input; empty where there is an error. Corners are in pixels of the file, held
        upright.
    """

    tables: list[list[Table]] = field(default_factory=lambda: [[]])


@dataclass(frozen=True)
class TableReading(SingleReading[TableAnswers]):
    """Reads the tables in each picture."""

    def read(self, source: Source) -> TableAnswers:
        """Read the tables in a picture."""
        tables = read_tables(source.file, self.model, name=source.name, polarity=self.polarity)
        return TableAnswers([source.path], tables=[tables])

    def left_out(self, pages: Burst) -> TableAnswers:
        """Return the answers for nothing before an input that has several pages."""
        return TableAnswers([], pages=pages, tables=[])

    def failed(self, path: str, reason: str) -> TableAnswers:
        """Return the answers for one input that could not be read, and why."""
        return TableAnswers([path], {0: reason})

    def explain(self, source: Source, answers: TableAnswers, place: int) -> Image.Image:
        """Draw the cells on the picture."""
        from digitcli.reading.draw import explain_tables

        return explain_tables(source.file, answers.tables[place], name=source.name)
