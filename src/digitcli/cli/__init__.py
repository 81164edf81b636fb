"""The command line: one module per command; `app` joins them."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> NoReturn:
    """Run the program on ``sys.argv`` and end the process with its exit code."""
    try:
        from digitcli.cli.app import main as app_main
    except KeyboardInterrupt:
        sys.exit(130)
    app_main()
