"""How help looks: options in groups, and the same words for the same kinds of value."""

from __future__ import annotations

from typing import Any, Final

from typer.core import TyperCommand

_KINDS: Final = {
    "int": "whole number",
    "int range": "whole number",
    "float": "number",
    "float range": "number",
}
"""What a person calls the types that Typer names in its errors."""


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
