"""Write the answers for rows of digits: text, JSON Lines or CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from digitcli.cli.answers import DECIMALS, AnswerWriter, quoted
from digitcli.cli.environment import Environment
from digitcli.jsontext import dumps
from digitcli.paths import printable

if TYPE_CHECKING:
    from digitcli.prediction.rows import RowAnswers
    from digitcli.reading.row import Digit, Row


class RowWriter(AnswerWriter["RowAnswers"]):
    """Writes a line for each row; in JSON, an object for each picture.

    Parameters
    ----------
    env, format, top_k, min_confidence
        As for `AnswerWriter`.
    signs : bool
        Whether the minus, the decimal point and spaces between numbers are written.
    """

    def __init__(
        self,
        env: Environment,
        format: str,
        *,
        top_k: int = 1,
        min_confidence: float = 0.0,
        signs: bool = False,
    ) -> None:
        super().__init__(env, format, top_k=top_k, min_confidence=min_confidence)
        self._signs = signs

    def _text(self, row: Row) -> str:
        return row.text(self._min_confidence, signs=self._signs)

    def _text_lines(self, answers: RowAnswers) -> list[str]:
        return [
            "\n".join(f"{printable(path)}\t{self._text(row)}\t{row.confidence:.4f}" for row in rows)
            for path, rows in zip(answers.paths, answers.rows, strict=True)
        ]

    def _csv_header(self) -> list[str]:
        return ["path", "row", "digits", "confidence"]

    def _csv_lines(self, answers: RowAnswers) -> list[str]:
        return [
            "\n".join(
                f"{quoted(printable(path))},{number},{self._text(row)},{row.confidence:.4f}"
                for number, row in enumerate(rows)
            )
            for path, rows in zip(answers.paths, answers.rows, strict=True)
        ]

    def _json_lines(self, answers: RowAnswers) -> list[str]:
        return [
            dumps(
                {"path": path, "rows": [self._row(*item) for item in enumerate(rows)]}, compact=True
            )
            for path, rows in zip(answers.paths, answers.rows, strict=True)
        ]

    def _row(self, number: int, row: Row) -> dict[str, Any]:
        doubtful = row.doubtful(self._min_confidence)
        return {
            "row": number,
            "text": self._text(row),
            "confidence": round(row.confidence, DECIMALS),
            "digits": [
                self._digit(digit, number, given=place not in doubtful)
                for place, digit in enumerate(row.digits)
            ],
        }

    def _digit(self, digit: Digit, number: int, *, given: bool) -> dict[str, Any]:
        answer = digit.digit if given else None
        line: dict[str, Any] = {
            "digit": answer,
            "confidence": round(digit.confidence, DECIMALS),
            "row": number,
            "box": list(digit.box),
        }
        if self._top_k > 1:
            line["top_k"] = [
                {
                    "digit": answer if other == digit.digit else other,
                    "confidence": round(float(digit.probabilities[other]), DECIMALS),
                }
                for other in _likeliest(digit)[: self._top_k]
            ]
        return line


def _likeliest(digit: Digit) -> list[int]:
    """Return the ten digits by probability; the one that was read, which fits a pattern, first."""
    probabilities = digit.probabilities
    return sorted(range(10), key=lambda other: (other != digit.digit, -probabilities[other]))
