"""Draw an evaluation on a terminal, as wide or as narrow as it is."""

from __future__ import annotations

import math

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from digitcli.evaluation.evaluate import Comparison, Evaluation, number, p_value, percent
from digitcli.paths import printable

NARROW = 48
"""Below so many columns, words are cut short and columns left out."""

PALE, DEEP = (255, 226, 220), (213, 20, 10)
"""Background of the rarest and of the commonest confusion."""


def print_evaluation(console: Console, result: Evaluation) -> None:
    """Print headline figures, the comparison if there is one, confusions and scores per digit."""
    narrow = console.width < NARROW
    part = "" if result.split == "all" else f", {result.split} split"
    console.print(_plain(f"{result.model} on {result.data.name}{part}"), style="bold")
    console.print(_figures(result, narrow))
    if result.against is not None:
        console.print()
        console.print(_comparison(result, result.against, narrow))
    console.print()
    # Each column has room for its widest count and one or two spaces.
    digits = len(str(result.confusion_matrix.max()))
    column = min((console.width - 2) // 10, digits + 2)
    if column > digits:
        console.print(_plain("confusions: row is the true digit, column the digit read"))
        console.print(_matrix(result, column, console.color_system in ("256", "truecolor")))
    else:
        console.print(_plain("commonest confusions"))
        console.print(_commonest(result))
    console.print()
    console.print(_per_class(result, narrow))
    if result.slices:
        console.print()
        console.print(_slices(result))


def _plain(text: str) -> Text:
    """Return text that neither markup nor a control character can change."""
    return Text(printable(text))


def _figures(result: Evaluation, narrow: bool) -> Table:
    low, high = map(percent, result.accuracy_interval)
    interval = [("at least", low), ("at most", high)]
    rows = [
        ("accuracy", percent(result.accuracy)),
        *(interval if narrow else [("95% interval", f"{low} – {high}")]),
        ("wrong", f"{result.count - result.correct} of {result.count}"),
        ("log loss", number(result.log_loss)),
        (
            "ECE" if narrow else "expected calibration error",
            percent(result.expected_calibration_error),
        ),
        ("AUROC" if narrow else "AUROC of the confidence", number(result.confidence_auroc)),
    ]
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column()
    table.add_column(justify="right")
    for row in rows:
        table.add_row(*row)
    return table


def _comparison(result: Evaluation, other: Comparison, narrow: bool) -> Table:
    rows: list[tuple[str, str | Text, str | Text]] = [
        ("", _plain(result.model), _plain(other.model)),
        ("accuracy", percent(result.accuracy), percent(other.accuracy)),
        ("log loss", number(result.log_loss), number(other.log_loss)),
        (
            "ECE" if narrow else "calibration error",
            percent(result.expected_calibration_error),
            percent(other.expected_calibration_error),
        ),
        ("right alone", str(other.only_first), str(other.only_second)),
    ]
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column()
    table.add_column(justify="right", overflow="fold")
    if not narrow:
        table.add_column(justify="right", overflow="fold")
    for name, first, second in rows:
        if narrow:
            table.add_row(name, first)
            table.add_row("", second)
        else:
            table.add_row(name, first, second)
    table.add_row("McNemar p" if narrow else "McNemar's exact p", p_value(other.p_value))
    return table


def _matrix(result: Evaluation, width: int, shades: bool) -> Table:
    matrix = result.confusion_matrix
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    most = max(float(shares[~np.eye(10, dtype=bool)].max()), 1e-9)
    table = Table.grid()
    table.add_column(width=2)
    for _ in range(10):
        table.add_column(width=width)
    table.add_row("", *(Text(f"{read:>{width - 1}} ", "bold") for read in range(10)))
    for truth in range(10):
        row = [Text(str(truth), "bold")]
        for read in range(10):
            count = matrix[truth, read]
            style = "bold"
            if not count:
                style = "dim"
            elif truth != read:
                style = _heat(math.sqrt(shares[truth, read] / most)) if shades else "red"
            row.append(Text(f"{count or '·':>{width - 1}} ", style))
        table.add_row(*row)
    return table


def _heat(degree: float) -> str:
    """Return black or white on a red between `PALE` and `DEEP`, for a degree from 0 to 1."""
    mix = [round(p + (d - p) * degree) for p, d in zip(PALE, DEEP, strict=True)]
    ink = "black" if degree < 0.8 else "bright_white"
    return f"{ink} on rgb({mix[0]},{mix[1]},{mix[2]})"


def _commonest(result: Evaluation) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    matrix = result.confusion_matrix
    pairs = [(int(matrix[i, j]), i, j) for i in range(10) for j in range(10) if i != j]
    for count, truth, read in sorted(pairs, key=lambda pair: -pair[0])[:8]:
        if count:
            table.add_row(f"{truth} → {read}", str(count))
    return table


def _per_class(result: Evaluation, narrow: bool) -> Table:
    names = ["recall"] if narrow else ["precision", "recall", "f1"]
    table = Table.grid(padding=(0, 1 if narrow else 2, 0, 0))
    table.add_column()
    headers = ["F1" if name == "f1" else name for name in names]
    for _ in (*names, "support"):
        table.add_column(justify="right")
    table.add_row("digit", *headers, "count" if narrow else "support", style="bold")
    for score in result.per_class:
        values = [percent(getattr(score, name)) for name in names]
        table.add_row(str(score.label), *values, str(score.support))
    return table


def _slices(result: Evaluation) -> Table:
    table = Table("folder", box=None, pad_edge=False)
    table.columns[0].overflow = "fold"
    table.add_column("right", justify="right", no_wrap=True)
    table.add_column("of", justify="right", no_wrap=True)
    for part in result.slices:
        table.add_row(_plain(part.name or "(top)"), percent(part.accuracy), str(part.count))
    return table
