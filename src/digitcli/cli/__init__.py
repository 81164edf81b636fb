"""The command line: one module per command; `app` joins them."""

from __future__ import annotations

from typing import NoReturn


def main() -> NoReturn:
    """Run the program on ``sys.argv`` and end the process with its exit code."""
    from digitcli.cli.app import main as app_main

    app_main()
