"""Write what `predict` found out: text, JSON Lines or CSV on stdout, errors on stderr."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from digitcli.cli.environment import Environment
from digitcli.paths import printable

if TYPE_CHECKING:
    from digitcli.prediction.stream import Answers

_DECIMALS: Final = 6
"""Of probabilities in JSON; float32 holds little more."""

UNSURE: Final = "?"


class AnswerWriter:
    """Writes answers as they come, and counts the inputs that could not be read.

    Nothing is held back: each call ends with all of its lines handed to the system. Errors on
    stderr and lines on stdout keep their order where both go to the same place.
    """

    def __init__(
        self, env: Environment, format: str, *, top_k: int = 1, min_confidence: float = 0.0
    ) -> None:
        self.failed = 0
        self._env = env
        self._json = format == "json"
        self._top_k = top_k
        self._min_confidence = min_confidence
        self._format = {"text": _text, "json": _json, "csv": _csv}[format]
        if format == "csv":
            more = [f"digit_{rank},confidence_{rank}" for rank in range(2, top_k + 1)]
            self._flush([",".join(["path", "digit", "confidence", *more])])

    def write(self, answers: Answers) -> None:
        """Write a line for each of the answers."""
        self.failed += len(answers.errors)
        lines = self._format(answers, self._top_k, self._min_confidence)
        notes = {place: _beside(answers, place) for place in answers.others}
        if self._json:
            for place, reason in answers.errors.items():
                lines[place] = _dumps({"path": answers.paths[place], "error": reason})
        else:
            notes |= answers.errors
        start = 0
        for place in sorted(notes):
            # an error takes the place of its line, a note comes after it
            self._flush(lines[start : place + (place in answers.others or self._json)])
            self._env.warn(notes[place])
            start = place + 1
        self._flush(lines[start:])

    def _flush(self, lines: list[str]) -> None:
        if lines:
            lines.append("")
            self._env.stdout.write("\n".join(lines))
            self._env.stdout.flush()


def _beside(answers: Answers, place: int) -> str:
    """Say that a picture holds more digits than the one that was read."""
    path = answers.paths[place]
    name = "the image on stdin" if path == "-" else printable(path)
    count = answers.others[place] + 1
    return f"{name} holds {count} digits, of which one was read; --line reads them all"


def _ranking(
    answers: Answers, top_k: int, min_confidence: float, unsure: str | None
) -> tuple[list[list[int | str | None]], list[list[float]]]:
    """Return the digits and confidences of each input, the likeliest first, shape (n, top_k).

    The first digit is `unsure` where the confidence is below the minimum.
    """
    probabilities = answers.probabilities.astype(np.float64)
    order = (-probabilities).argsort(axis=1, kind="stable")[:, :top_k]
    confidences = np.take_along_axis(probabilities, order, axis=1)
    digits: list[list[int | str | None]] = order.tolist()
    for place in np.flatnonzero(confidences[:, 0] < min_confidence):
        digits[place][0] = unsure
    return digits, confidences.tolist()


def _text(answers: Answers, top_k: int, min_confidence: float) -> list[str]:
    digits, confidences = _ranking(answers, top_k, min_confidence, UNSURE)
    if top_k == 1:
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


def _csv(answers: Answers, top_k: int, min_confidence: float) -> list[str]:
    digits, confidences = _ranking(answers, top_k, min_confidence, UNSURE)
    return [
        ",".join([_quoted(printable(path)), *_alternating(row, row_confidences)])
        for path, row, row_confidences in zip(answers.paths, digits, confidences, strict=True)
    ]


def _alternating(digits: list[int | str | None], confidences: list[float]) -> Iterator[str]:
    for digit, confidence in zip(digits, confidences, strict=True):
        yield str(digit)
        yield f"{confidence:.4f}"


def _quoted(text: str) -> str:
    """Quote a CSV field where RFC 4180 asks for it."""
    if "," in text or '"' in text:
        return '"' + text.replace('"', '""') + '"'
    return text


def _json(answers: Answers, top_k: int, min_confidence: float) -> list[str]:
    digits, confidences = _ranking(answers, top_k, min_confidence, None)
    rounded = answers.probabilities.astype(np.float64).round(_DECIMALS).tolist()
    lines = []
    for place, (path, row, row_confidences, probabilities) in enumerate(
        zip(answers.paths, digits, confidences, rounded, strict=True)
    ):
        line: dict[str, Any] = {
            "path": path,
            "digit": row[0],
            "confidence": round(row_confidences[0], _DECIMALS),
            "probabilities": probabilities,
            "others": answers.others.get(place, 0),
        }
        if top_k > 1:
            line["top_k"] = [
                {"digit": digit, "confidence": round(confidence, _DECIMALS)}
                for digit, confidence in zip(row, row_confidences, strict=True)
            ]
        lines.append(_dumps(line))
    return lines


def _dumps(line: dict[str, Any]) -> str:
    """Encode in ASCII, so that a path of any bytes is kept and none reaches a terminal raw."""
    import json

    return json.dumps(line, separators=(",", ":"))
