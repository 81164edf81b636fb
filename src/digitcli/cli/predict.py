"""`digitcli predict`."""

from __future__ import annotations

from digitcli.cli.options import Quiet
from digitcli.errors import DigitcliError, ExitCode

EXAMPLES = "Examples: digitcli predict"


def command(quiet: Quiet = False) -> ExitCode:
    """Not written yet."""
    raise DigitcliError("predict is not written yet; come back soon")
