"""Write what `predict` found out, whatever it read: answers on stdout, the rest on stderr."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final, Generic

from digitcli.cli.environment import Environment
from digitcli.jsontext import dumps
from digitcli.prediction.readings import A

UNSURE: Final = "?"
"""In place of a digit whose confidence is below the minimum."""

DECIMALS: Final = 6
"""Of probabilities in JSON; float32 holds little more."""


class AnswerWriter(ABC, Generic[A]):
    """Writes answers as they come, and counts the inputs that could not be read.

    Nothing is held back: each call ends with all of its lines handed to the system. Lines on
    stderr and lines on stdout keep their order where both go to the same place.

    Parameters
    ----------
    env : Environment
    format : str
        ``"text"``, ``"json"`` or ``"csv"``.
    top_k : int
        Digits to give for each one that was read, the likeliest first.
    min_confidence : float
        A digit whose confidence is lower is not given.
    """

    def __init__(
        self, env: Environment, format: str, *, top_k: int = 1, min_confidence: float = 0.0
    ) -> None:
        self.failed = 0
        self._env = env
        self._json = format == "json"
        self._top_k = top_k
        self._min_confidence = min_confidence
        self._lines = {"text": self._text_lines, "json": self._json_lines, "csv": self._csv_lines}[
            format
        ]
        if format == "csv" and (header := self._csv_header()):
            self._flush([",".join(header)])

    def write(self, answers: A) -> None:
        """Write the lines of each of the answers."""
        self.failed += len(answers.errors)
        lines = self._lines(answers)
        said, unanswered = dict(answers.notes), answers.errors
        if self._json:
            for place, reason in answers.errors.items():
                lines[place] = dumps({"path": answers.paths[place], "error": reason}, compact=True)
            unanswered = {}
        said |= unanswered
        start = 0
        for place in sorted(said):
            self._flush(lines[start : place if place in unanswered else place + 1])
            self._env.warn(said[place])
            start = place + 1
        self._flush(lines[start:])

    def _flush(self, lines: list[str]) -> None:
        if lines:
            lines.append("")
            self._env.stdout.write("\n".join(lines))
            self._env.stdout.flush()

    @abstractmethod
    def _text_lines(self, answers: A) -> list[str]:
        """Return what to write for each input, one line or several; anything at errors."""

    @abstractmethod
    def _json_lines(self, answers: A) -> list[str]:
        """Return the JSON object of each input."""

    @abstractmethod
    def _csv_lines(self, answers: A) -> list[str]:
        """Return the same as text, for a program that reads tables."""

    @abstractmethod
    def _csv_header(self) -> list[str]:
        """Return the names of the columns; none if the first line is an answer."""


def quoted(text: str) -> str:
    """Quote a CSV field where RFC 4180 asks for it."""
    if any(char in text for char in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text
