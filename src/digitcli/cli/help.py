"""How help looks: options in groups, and the same words for the same kinds of value."""

from __future__ import annotations

import shutil
from functools import partial
from typing import Any, Final

from typer.core import TyperCommand

_KINDS: Final = {
    "int": "whole number",
    "int range": "whole number",
    "float": "number",
    "float range": "number",
}
"""What a person calls the types that Typer names in its errors."""

_TWO_COLUMNS: Final = 60
"""Columns of a terminal from which on an option and what it does stand side by side."""


def help_text(command: Any, ctx: Any) -> str:
    """Return the help of a command, no wider than the terminal."""
    formatter = ctx.make_formatter()
    columns = shutil.get_terminal_size().columns
    if columns < _TWO_COLUMNS:
        formatter.width = max(columns - 2, 20)
        formatter.write_dl = partial(_write_below, formatter)
    command.format_help(ctx, formatter)
    text: str = formatter.getvalue()
    return text.rstrip("\n")


def _write_below(formatter: Any, records: list[tuple[str, str]]) -> None:
    """Write each name on a line of its own and what it is for below."""
    for name, purpose in records:
        formatter.write_text(name)
        with formatter.indentation():
            formatter.write_text(purpose)


class Command(TyperCommand):
    """A command whose help lists each option under the heading of its ``rich_help_panel``.

    What is typed as it stands is written in small letters, with ``|`` between choices, and what a
    user replaces in capitals.
    """

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        for parameter in self.params:
            kind = parameter.type
            kind.name = _KINDS.get(kind.name, kind.name)
            if parameter.metavar is None and (choices := getattr(kind, "choices", None)):
                parameter.metavar = "|".join(choices)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the arguments, without the braces that Typer puts around a needed one."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]

    def get_help(self, ctx: Any) -> str:
        return help_text(self, ctx)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the sections in the order of their first members, those of no group last."""
        sections: dict[str, list[tuple[str, str]]] = {}
        others: list[tuple[str, str]] = []
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            heading = getattr(parameter, "rich_help_panel", None)
            if parameter.param_type_name == "argument":
                heading = "Arguments"
            records = others if heading is None else sections.setdefault(heading, [])
            records.append(record)
        for heading, records in (sections | {"Options": others}).items():
            with formatter.section(heading):
                formatter.write_dl(records)
