"""Write the answers for lone digits: text, JSON Lines or CSV."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from digitcli.cli.answers import DECIMALS, UNSURE, AnswerWriter, quoted
from digitcli.jsontext import dumps
from digitcli.paths import printable

if TYPE_CHECKING:
    from digitcli.prediction.digits import DigitAnswers


class DigitWriter(AnswerWriter["DigitAnswers"]):
    """Writes a line for each picture."""

    def _text_lines(self, answers: DigitAnswers) -> list[str]:
        digits, confidences = self._ranking(answers, UNSURE)
        if self._top_k == 1:
            return [
                f"{printable(path)}\t{digit}\t{confidence:.4f}"
                for path, (digit,), (confidence,) in zip(
                    answers.paths, digits, confidences, strict=True
                )
            ]
        return [
            "\t".join([printable(path), *_alternating(row, row_confidences)])
            for path, row, row_confidences in zip(answers.paths, digits, confidences, strict=True)
        ]

    def _csv_header(self) -> list[str]:
        more = [f"digit_{rank},confidence_{rank}" for rank in range(2, self._top_k + 1)]
        return ["path", "digit", "confidence", *more]

    def _csv_lines(self, answers: DigitAnswers) -> list[str]:
        digits, confidences = self._ranking(answers, UNSURE)
        return [
            ",".join([quoted(printable(path)), *_alternating(row, row_confidences)])
            for path, row, row_confidences in zip(answers.paths, digits, confidences, strict=True)
        ]

    def _json_lines(self, answers: DigitAnswers) -> list[str]:
        digits, confidences = self._ranking(answers, None)
        rounded = answers.probabilities.astype(np.float64).round(DECIMALS).tolist()
        lines = []
        for place, (path, row, row_confidences, probabilities) in enumerate(
            zip(answers.paths, digits, confidences, rounded, strict=True)
        ):
            line: dict[str, Any] = {
                "path": path,
                "digit": row[0],
                "confidence": round(row_confidences[0], DECIMALS),
                "probabilities": probabilities,
                "others": answers.others.get(place, 0),
            }
            if self._top_k > 1:
                line["top_k"] = [
                    {"digit": digit, "confidence": round(confidence, DECIMALS)}
                    for digit, confidence in zip(row, row_confidences, strict=True)
                ]
            lines.append(dumps(line, compact=True))
        return lines

    def _ranking(
        self, answers: DigitAnswers, unsure: str | None
    ) -> tuple[list[list[int | str | None]], list[list[float]]]:
        """Return digits and confidences of each input, the likeliest first, shape (n, top_k).

        The first digit is `unsure` where the confidence is below the minimum.
        """
        probabilities = answers.probabilities.astype(np.float64)
        order = (-probabilities).argsort(axis=1, kind="stable")[:, : self._top_k]
        confidences = np.take_along_axis(probabilities, order, axis=1)
        digits: list[list[int | str | None]] = order.tolist()
        for place in np.flatnonzero(confidences[:, 0] < self._min_confidence):
            digits[place][0] = unsure
        return digits, confidences.tolist()


def _alternating(digits: list[int | str | None], confidences: list[float]) -> Iterator[str]:
    for digit, confidence in zip(digits, confidences, strict=True):
        yield str(digit)
        yield f"{confidence:.4f}"
