"""Write the answers for tables: CSV, or a JSON object for each picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from digitcli.cli.answers import DECIMALS, UNSURE, AnswerWriter, quoted
from digitcli.cli.environment import Environment
from digitcli.jsontext import dumps

if TYPE_CHECKING:
    from digitcli.prediction.tables import TableAnswers
    from digitcli.reading.table import Table, TableCell


class TableWriter(AnswerWriter["TableAnswers"]):
    """Writes each table as CSV, an empty line before each but the first.

    Parameters
    ----------
    env, format, top_k, min_confidence
        As for `AnswerWriter`.
    unread : str
        What stands for content that is no number.
    """

    def __init__(
        self,
        env: Environment,
        format: str,
        *,
        top_k: int = 1,
        min_confidence: float = 0.0,
        unread: str = "",
    ) -> None:
        super().__init__(env, format, top_k=top_k, min_confidence=min_confidence)
        self._unread = unread
        self._begun = False

    def _text_lines(self, answers: TableAnswers) -> list[str]:
        return self._csv_lines(answers)

    def _csv_header(self) -> list[str]:
        return []

    def _csv_lines(self, answers: TableAnswers) -> list[str]:
        written = []
        for tables in answers.tables:
            lines: list[str] = []
            for table in tables:
                if self._begun:
                    lines.append("")
                self._begun = True
                texts = table.texts(min_confidence=self._min_confidence, unread=self._unread)
                lines += [",".join(map(quoted, row)) or '""' for row in texts]
            written.append("\n".join(lines))
        return written

    def _json_lines(self, answers: TableAnswers) -> list[str]:
        return [
            dumps({"path": path, "tables": [self._table(table) for table in tables]}, compact=True)
            for path, tables in zip(answers.paths, answers.tables, strict=True)
        ]

    def _table(self, table: Table) -> dict[str, Any]:
        return {
            "rows": table.rows,
            "columns": table.columns,
            "box": list(table.box),
            "cells": [self._cell(cell) for cell in table.cells],
        }

    def _cell(self, cell: TableCell) -> dict[str, Any]:
        doubtful = bool(cell.text) and cell.confidence < self._min_confidence
        spans = {}
        if cell.rows > 1 or cell.columns > 1:
            spans = {"rows": cell.rows, "columns": cell.columns}
        return {
            "row": cell.row,
            "column": cell.column,
            **spans,
            "text": UNSURE if doubtful else cell.text if cell.is_read else self._unread,
            "read": cell.is_read,
            "confidence": round(cell.confidence, DECIMALS),
            "box": list(cell.box),
        }
