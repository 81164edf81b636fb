"""`digitcli info`."""

from __future__ import annotations

from digitcli.cli.options import Quiet
from digitcli.errors import DigitcliError, ExitCode

EXAMPLES = "Examples: digitcli info"


def command(quiet: Quiet = False) -> ExitCode:
    """Not written yet."""
    raise DigitcliError("info is not written yet; come back soon")
