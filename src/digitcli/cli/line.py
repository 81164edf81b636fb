"""`digitcli predict --line`: whole rows of digits, each with its place in the picture."""

from __future__ import annotations

import json
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from digitcli.cli.environment import Environment
from digitcli.errors import ExitCode, ImageError, UsageError
from digitcli.paths import printable

if TYPE_CHECKING:
    from digitcli.model.network import Model
    from digitcli.polarity import Polarity
    from digitcli.prediction.paths import Burst
    from digitcli.reading.pattern import Pattern
    from digitcli.reading.rows import Digit, Page

UNSURE = "?"
_DECIMALS = 6


def row_pattern(line: bool, length: int | None, pattern: str | None) -> Pattern | None:
    """Return what ``--length`` and ``--pattern`` allow, None for anything.

    Raises
    ------
    UsageError
        If they are given without ``--line`` or contradict each other.
    """
    if length is None and pattern is None:
        return None
    if not line:
        raise UsageError("--length and --pattern are about rows of digits; add --line")
    if length is not None and pattern is not None:
        raise UsageError("--pattern says the length too; leave out --length")
    from digitcli.reading.pattern import parse_pattern

    return parse_pattern("d" * (length or 0) if pattern is None else pattern)


def predict_rows(
    env: Environment,
    model: Model,
    bursts: Iterable[Burst] | None,
    *,
    format: str,
    polarity: Polarity,
    pattern: Pattern | None = None,
    min_confidence: float = 0.0,
    explain: Path | None = None,
) -> ExitCode:
    """Read the rows in each picture and write a line for each row; pictures keep their order.

    Without `bursts`, the one picture is on stdin.
    """
    from digitcli.cli.explanations import Explanations
    from digitcli.prediction.stream import read_stream
    from digitcli.reading.rows import read_page

    explanations = None if explain is None else Explanations(explain)
    if format == "csv":
        env.answer("path,row,digits,confidence")
    failed = 0
    for burst in [["-"]] if bursts is None else bursts:
        for item in burst:
            path, name = (item, printable(item)) if isinstance(item, str) else (item.path, "")
            try:
                if not isinstance(item, str):
                    raise ImageError(item.reason)
                source: str | BytesIO = item
                if bursts is None:
                    source, name = read_stream(env.stdin.buffer), "the image on stdin"
                page = read_page(source, model, name=name, polarity=polarity, pattern=pattern)
            except Exception as error:  # no picture may cost the others their answers
                failed += 1
                reason = str(error)
                if not isinstance(error, ImageError):
                    reason = f"{name or path} cannot be read ({type(error).__name__}: {error})"
                if format == "json":
                    env.answer(_json({"path": path, "error": printable(reason)}))
                    env.stdout.flush()
                else:
                    env.warn(reason)
                continue
            for line in _lines(path, page, format, min_confidence):
                env.answer(line)
            env.stdout.flush()
            if explanations is not None:
                from digitcli.reading.draw import draw_rows

                explanations.save(draw_rows(page.picture, page.seen), path)
    return ExitCode.PARTIAL if failed else ExitCode.OK


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"))


def _lines(path: str, page: Page, format: str, min_confidence: float) -> list[str]:
    if format == "json":
        return [_json(_page_object(path, page, min_confidence))]
    if format == "csv":
        name = printable(path)
        if any(character in name for character in ',"'):
            name = '"' + name.replace('"', '""') + '"'
        return [
            f"{name},{number},{row.text(min_confidence)},{row.confidence:.4f}"
            for number, row in enumerate(page.rows)
        ]
    return [
        f"{printable(path)}\t{row.text(min_confidence)}\t{row.confidence:.4f}" for row in page.rows
    ]


def _page_object(path: str, page: Page, min_confidence: float) -> dict[str, Any]:
    return {
        "path": path,
        "rows": [
            {
                "row": number,
                "text": row.text(min_confidence),
                "confidence": round(row.confidence, _DECIMALS),
                "digits": [_digit_object(digit, number, min_confidence) for digit in row.digits],
            }
            for number, row in enumerate(page.rows)
        ],
    }


def _digit_object(digit: Digit, row: int, min_confidence: float) -> dict[str, Any]:
    return {
        "digit": digit.digit if digit.confidence >= min_confidence else None,
        "confidence": round(digit.confidence, _DECIMALS),
        "row": row,
        "box": list(digit.box),
    }


def evaluate_rows(
    env: Environment,
    model: Model,
    labels: Path,
    *,
    format: str,
    polarity: Polarity,
    gallery: Path | None = None,
    fail_under: float | None = None,
) -> ExitCode:
    """Read labelled pictures of rows, answer how many are right, and draw them all."""
    from digitcli.cli.progress import show_progress
    from digitcli.evaluation.lines import check_rows, evaluate_lines, read_labels
    from digitcli.evaluation.lines import gallery as draw_gallery
    from digitcli.files import atomic_write

    labelled = read_labels(labels)
    with show_progress(env) as work:
        result = evaluate_lines(
            model,
            labelled,
            polarity=polarity,
            draw=gallery is not None,
            on_progress=lambda done, total: work.update("pictures", done, total),
        )
    if format == "json":
        env.answer(json.dumps({**result.to_dict(), "model": model.name}, allow_nan=False))
    else:
        env.answer(f"pictures entirely right  {result.string_accuracy:7.2%}")
        env.answer(f"rows entirely right      {result.row_accuracy:7.2%}")
        env.answer(f"digit error rate         {result.digit_error_rate:7.2%}")
    for reading in result.readings:
        if reading.error:
            env.warn(reading.error)
    if gallery is not None:
        with atomic_write(gallery) as file:
            draw_gallery(result).save(file, format="PNG")
        env.say(f"gallery written to {gallery}")
    verdict = None if fail_under is None else check_rows(result, fail_under)
    if verdict is not None and not verdict.passed:
        env.warn(f"digitcli: {verdict.told}")
        return ExitCode.BELOW_BAR
    return ExitCode.PARTIAL if any(reading.error for reading in result.readings) else ExitCode.OK
