"""The reading of rows of digits, any number a picture."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from digitcli.prediction.paths import Burst, Source
from digitcli.prediction.readings import Answers, SingleReading
from digitcli.reading.page import read_page
from digitcli.reading.pattern import Form
from digitcli.reading.row import Row

if TYPE_CHECKING:
    from PIL import Image


@dataclass
class RowAnswers(Answers):
    """The rows in consecutive inputs.

    Attributes
    ----------
    rows : list of list of Row
        For each input; empty where there is an error. Boxes are in pixels of the file, held
        upright.
    """

    rows: list[list[Row]] = field(default_factory=lambda: [[]])


@dataclass(frozen=True)
class RowReading(SingleReading[RowAnswers]):
    """Reads the rows of digits in each picture.

    Attributes
    ----------
    forms : tuple of Form, optional
        What rows may look like; others are left out.
    """

    forms: tuple[Form, ...] | None = None

    def read(self, source: Source) -> RowAnswers:
        """Read the rows of a picture."""
        page = read_page(
            source.file, self.model, name=source.name, polarity=self.polarity, forms=self.forms
        )
        return RowAnswers([source.path], rows=[page.rows])

    def left_out(self, pages: Burst) -> RowAnswers:
        """Return the answers for nothing before an input that has several pages."""
        return RowAnswers([], pages=pages, rows=[])

    def failed(self, path: str, reason: str) -> RowAnswers:
        """Return the answers for one input that could not be read, and why."""
        return RowAnswers([path], {0: reason})

    def explain(self, source: Source, answers: RowAnswers, place: int) -> Image.Image:
        """Draw the rows on the picture."""
        from digitcli.reading.draw import explain_rows

        return explain_rows(source.file, answers.rows[place], name=source.name)
