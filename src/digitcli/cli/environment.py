"""The streams a command speaks through, in one object that tests can replace."""

from __future__ import annotations

import os
import sys
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal, TextIO

from digitcli.errors import DigitcliError
from digitcli.paths import printable

if TYPE_CHECKING:
    from rich.console import Console


def _stream(stream: TextIO | None, mode: Literal["r", "w"] = "w") -> TextIO:
    """Return `stream`, or a sink when the process was started with it closed."""
    if stream is None:
        return open(os.devnull, mode, encoding="utf-8")
    return stream


LEAST_MEMORY: Final = 176
LEAST_MEMORY_TO_TRAIN: Final = 600
BLAS_THREAD_MEMORY: Final = 220
"""MiB of address space without which NumPy cannot start and a small network cannot be trained, and
for each thread of BLAS but the first."""

_BLAS_THREADS: Final = "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"


def use_one_blas_thread() -> None:
    """Keep NumPy from starting a pool of threads, unless the user has asked for some.

    Starting it takes longer than reading a digit, and networks learn with one thread anyway. To be
    called before NumPy is imported.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def check_address_space(*, training: bool = False) -> None:
    """Refuse to start where there is a limit of address space (``ulimit -v``) that is too low.

    OpenBLAS, which comes with NumPy and SciPy, would wait for memory for ever and hear no signal
    meanwhile, or end the process in its own words. To be called before NumPy is imported.

    Raises
    ------
    DigitcliError
        If it is too low.
    """
    least = LEAST_MEMORY
    if training:
        wanted = any(os.environ.get(name, "1") != "1" for name in _BLAS_THREADS)
        threads = (os.cpu_count() or 1) if wanted else 1
        least = LEAST_MEMORY_TO_TRAIN + BLAS_THREAD_MEMORY * (threads - 1)
    try:
        import resource
    except ImportError:  # no such limits here
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < least << 20:
        raise DigitcliError(
            f"the limit of memory is {limit >> 20} MiB, too little to start; "
            f"set it to {least} MiB or more (ulimit -v {least << 10})"
        )


class Environment:
    """Standard streams, whether they are terminals, and whether to be quiet.

    Parameters
    ----------
    quiet
        Leave out progress and tables on stderr; errors and warnings are still said.
    stderr
        Another stream than the standard one.
    """

    def __init__(self, *, quiet: bool = False, stderr: TextIO | None = None) -> None:
        self.quiet = quiet
        self.stdin = _stream(sys.stdin, "r")
        self.stdout = _stream(sys.stdout)
        self.stderr = stderr or _stream(sys.stderr)
        self._status_is_shown = False

    @property
    def stderr_is_terminal(self) -> bool:
        """Whether progress bars make sense."""
        return self.stderr.isatty() and os.environ.get("TERM") != "dumb"

    def answer(self, text: str) -> None:
        """Print a line of the answer on stdout."""
        self.stdout.write(text + "\n")

    def answer_path(self, path: str | os.PathLike[str]) -> None:
        """Print a path on stdout: as it is for a script, escaped for a terminal."""
        buffer = getattr(self.stdout, "buffer", None)
        if buffer is None or self.stdout.isatty():
            self.answer(printable(path))
        else:
            buffer.write(os.fsencode(path) + os.linesep.encode())

    def say(self, text: str) -> None:
        """Print a line about the progress on stderr, unless quiet."""
        if not self.quiet:
            self.warn(text)

    def warn(self, text: str) -> None:
        """Print a line on stderr that even a quiet run shows; control characters are escaped."""
        self.show_status("")
        self._write(printable(text) + "\n")

    def show_status(self, text: str) -> None:
        """Show a short line on the terminal at stderr that the next one takes the place of."""
        if text or self._status_is_shown:
            self._write(f"\r{text}\x1b[K")
            self._status_is_shown = bool(text)

    def _write(self, text: str) -> None:
        try:
            self.stderr.write(text)
            self.stderr.flush()
        except OSError:  # nobody reads it any more, which must not end the work
            self.stderr = sys.stderr = open(os.devnull, "w")  # noqa: SIM115

    @cached_property
    def console(self) -> Console:
        """A Rich console on stderr for tables and progress; silent when quiet."""
        from rich.console import Console

        class SideConsole(Console):
            def on_broken_pipe(self) -> None:
                self.quiet = True  # Rich would end the process, and the answer on stdout with it

        return SideConsole(file=self.stderr, quiet=self.quiet, highlight=False)

    @cached_property
    def answer_console(self) -> Console:
        """A Rich console on stdout for tables that are the answer."""
        from rich.console import Console

        class AnswerConsole(Console):
            def on_broken_pipe(self) -> None:
                raise BrokenPipeError  # Rich would end the process here

        return AnswerConsole(file=self.stdout, highlight=False)
