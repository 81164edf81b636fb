"""The reading of tables, any number a picture."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from digitcli.prediction.paths import Burst, Source, Unreadable, source_of
from digitcli.prediction.readings import Answers, Reading, why
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
class TableReading(Reading[TableAnswers]):
    """Reads the tables in each picture."""

    batch: ClassVar[int] = 1  # a page gains nothing by others beside it

    def answer(self, part: Burst) -> TableAnswers:
        """Answer the first input of a part."""
        item = part[0]
        if isinstance(item, Unreadable):
            return self.failed(*item)
        source = source_of(item)
        try:
            tables = read_tables(source.file, self.model, name=source.name, polarity=self.polarity)
        except Exception as error:
            return self.failed(source.path, why(source, error))
        return TableAnswers([source.path], tables=[tables])

    def failed(self, path: str, reason: str) -> TableAnswers:
        """Return the answers for one input that could not be read, and why."""
        return TableAnswers([path], {0: reason})

    def explain(self, source: Source, answers: TableAnswers, place: int) -> Image.Image:
        """Draw the cells on the picture."""
        from digitcli.reading.draw import explain_tables

        return explain_tables(source.file, answers.tables[place], name=source.name)
