"""`digitcli info`: what a model is and how it was made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import typer

from digitcli.cli.environment import Environment
from digitcli.cli.evaluate import Format
from digitcli.errors import ExitCode
from digitcli.jsontext import dumps
from digitcli.paths import printable

EXAMPLES = """\
digitcli info
digitcli info model.joblib --format json
"""

BLOCKS = "▁▂▃▄▅▆▇█"
SPARKLINE = 40
"""At most so many characters wide; longer histories are averaged."""


def command(
    model: Annotated[
        Path | None,
        typer.Argument(
            metavar="[MODEL]",
            envvar="DIGITCLI_MODEL",
            help="Model file, or shipped.  [default: shipped, the model inside the package]",
            show_default=False,
            show_envvar=True,
        ),
    ] = None,
    output: Annotated[
        Format, typer.Option("--format", help="A table, or one JSON object.")
    ] = Format.TEXT,
) -> ExitCode:
    """Tell what a model is made of and how it was made."""
    from digitcli.evaluation.describe import describe, outline
    from digitcli.evaluation.evaluate import without_nan
    from digitcli.model.modelfile import SHIPPED, is_shipped, load_model

    env = Environment()
    path = SHIPPED if model is None or is_shipped(model) else model
    description = describe(load_model(model), path)
    if output is Format.JSON:
        env.answer(dumps(without_nan(description.to_dict())))
        return ExitCode.OK

    from rich.table import Table
    from rich.text import Text

    rows = [
        ("model", description.model),
        ("layers", description.architecture),
        ("parameters", f"{description.parameters:,}"),
        ("size", f"{description.size:,} bytes"),
        ("sha256", description.sha256 or ""),
        *description.rows(),
    ]
    for name, values in description.curves():
        drawn = sparkline(values) if _can_say(BLOCKS, env) else ""
        rows.append((name, f"{values[0]:.4g} to {values[-1]:.4g}  {drawn}"))
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for depth, name, value in outline(rows):
        table.add_row(Text("  " * depth + printable(name)), Text(printable(value)))
    env.answer_console.print(table)
    return ExitCode.OK


def sparkline(values: Sequence[float]) -> str:
    """Draw a curve in one line of blocks, at most `SPARKLINE` wide; gaps are blank.

    Parameters
    ----------
    values : sequence of float
        NaN where there is no value. A longer curve is thinned by taking means.
    """
    count = min(len(values), SPARKLINE)
    edges = [i * len(values) // count for i in range(count + 1)]
    means = []
    for start, end in pairwise(edges):
        there = [value for value in values[start:end] if math.isfinite(value)]
        means.append(sum(there) / len(there) if there else math.nan)
    known = [mean for mean in means if math.isfinite(mean)]
    low, span = min(known), max(known) - min(known)
    heights = [(mean - low) / span if span else 0.5 for mean in means]
    return "".join(
        BLOCKS[min(int(height * len(BLOCKS)), len(BLOCKS) - 1)] if math.isfinite(height) else " "
        for height in heights
    )


def _can_say(text: str, env: Environment) -> bool:
    try:
        text.encode(env.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
