"""The command line: one module per command; `app` joins them."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn


def main() -> NoReturn:
    """Run the program on ``sys.argv`` and end the process with its exit code."""
    try:
        sys.unraisablehook = _let_signals_come_again()
        from digitcli.cli.app import main as app_main
    except KeyboardInterrupt:
        sys.exit(130)
    app_main()


def _let_signals_come_again() -> Any:
    """Return what meets exceptions that nothing can be told of, such as those of callbacks.

    Where such a one is that of Ctrl-C or SIGTERM, the signal comes again in a moment, when it can
    end the program.
    """
    import signal
    from threading import Timer

    def meet(met: Any) -> None:
        if not isinstance(met.exc_value, KeyboardInterrupt | SystemExit):
            sys.__unraisablehook__(met)
            return
        interrupted = isinstance(met.exc_value, KeyboardInterrupt)
        number = signal.SIGINT if interrupted else signal.SIGTERM
        while True:
            try:
                timer = Timer(0.01, signal.raise_signal, (number,))
                timer.daemon = True
                timer.start()
            except (KeyboardInterrupt, SystemExit):
                continue  # on a busy machine it may come before the start has returned
            return

    return meet
