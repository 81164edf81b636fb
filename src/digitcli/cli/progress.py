"""Show how far long work is: a bar on a terminal, otherwise a plain line now and then."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from digitcli.cli.environment import Environment
from digitcli.paths import printable

if TYPE_CHECKING:
    from rich.progress import Progress

PLAIN_INTERVAL = 10.0
"""Seconds between two plain lines."""


STATUS_INTERVAL = 0.5
"""Seconds between two states of a line that is written over."""


class Counter:
    """Says now and then how many pictures are done, at no cost to the work.

    On a terminal it is a line that is written over and goes in the end, otherwise plain lines.
    """

    def __init__(self, env: Environment) -> None:
        self._env = env
        self._on_terminal = env.stderr_is_terminal
        self._interval = STATUS_INTERVAL if self._on_terminal else PLAIN_INTERVAL
        self._started = time.monotonic()
        self._next_line = self._started + max(1.0, self._interval)

    def update(self, done: int) -> None:
        """Say that so many are done, unless that was said a moment ago."""
        now = time.monotonic()
        if now < self._next_line:
            return
        self._next_line = now + self._interval
        if self._on_terminal:
            rate = done / (now - self._started)
            self._env.show_status(f"{done:,} pictures, {rate:,.0f} a second")
        else:
            self._env.say(f"pictures: {done:,}")

    def close(self) -> None:
        """Take the line away."""
        self._env.show_status("")


class Work:
    """Long work that is under way; lines go through here so that they do not break the bar."""

    def __init__(self, env: Environment, bar: Progress | None = None) -> None:
        self._env = env
        self._bar = bar
        self._task = None if bar is None else bar.add_task("", visible=False)
        self._next_line = time.monotonic() + PLAIN_INTERVAL

    def update(self, what: str, done: int, total: int | None = None) -> None:
        """Say that `done` of `total` units of `what` are done, or of nobody knows how many."""
        if self._bar is not None and self._task is not None:
            self._bar.update(
                self._task, description=what, completed=done, total=total, visible=True
            )
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + PLAIN_INTERVAL
            self._env.say(f"{what}: {done:,}" + ("" if total is None else f" of {total:,}"))

    def say(self, line: str) -> None:
        """Print a line about the progress, unless quiet."""
        if not self._env.quiet:
            self.warn(line)

    def warn(self, line: str) -> None:
        """Print a line that even a quiet run shows."""
        if self._bar is None:
            self._env.warn(line)
        else:
            from rich.text import Text

            self._bar.console.print(Text(printable(line)), soft_wrap=True)


@contextlib.contextmanager
def show_progress(env: Environment, *, in_bytes: bool = False) -> Iterator[Work]:
    """Show a bar on stderr while the block runs, when stderr is a terminal and not quiet."""
    if env.quiet or not env.stderr_is_terminal:
        yield Work(env)
        return
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn() if in_bytes else MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=env.console, transient=True) as bar, lines_above_bar(env):
        yield Work(env, bar)


@contextlib.contextmanager
def lines_above_bar(env: Environment) -> Iterator[None]:
    """Keep the lines that are said while a bar is shown from running into it."""
    terminal, env.stderr = env.stderr, sys.stderr  # which Rich has replaced meanwhile
    try:
        yield
    finally:
        env.stderr = terminal
