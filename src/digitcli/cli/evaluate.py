"""`digitcli evaluate`."""

from __future__ import annotations

from digitcli.cli.options import Quiet
from digitcli.errors import DigitcliError, ExitCode

EXAMPLES = "Examples: digitcli evaluate"


def command(quiet: Quiet = False) -> ExitCode:
    """Not written yet."""
    raise DigitcliError("evaluate is not written yet; come back soon")
