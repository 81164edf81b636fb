"""What `train` shows on stderr: how each epoch went, the trials of a search, and the outcome."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from digitcli.cli.environment import Environment
from digitcli.cli.epoch_figures import figures
from digitcli.cli.progress import lines_above_bar
from digitcli.paths import printable

if TYPE_CHECKING:
    from digitcli.training.run import Outcome
    from digitcli.training.search import Trial
    from digitcli.training.trainer import EpochRecord


class Shown(Protocol):
    """Shows how far each member of a training is."""

    def on_epoch(self, member: int, record: EpochRecord) -> None:
        """Show how an epoch of a member, from 0, went."""

    def on_part(self, member: int, epochs: float) -> None:
        """Show how many epochs a member has done."""


@contextlib.contextmanager
def show_training(
    env: Environment, *, members: int, epochs: int, what: str = "network"
) -> Iterator[Shown]:
    """Show how far the training in the block is: a bar a member on a terminal, else lines.

    `what` is what a member is called.
    """
    if env.quiet or not env.stderr_is_terminal:
        yield _PlainLines(env, members, what)
        return
    from digitcli.cli.training_bars import TrainingBars

    names = [f"{what} {number}" for number in range(1, members + 1)] if members > 1 else [""]
    with TrainingBars(env.console, names, epochs) as bars, lines_above_bar(env):
        yield bars


class _PlainLines:
    """A line on stderr for an epoch, at most every few seconds, and for the last one."""

    interval = 5.0

    def __init__(self, env: Environment, members: int, what: str) -> None:
        self._env = env
        self._members = members
        self._what = what
        self._next = 0.0
        self._started = time.monotonic()

    def on_part(self, member: int, epochs: float) -> None:
        """Say nothing: an epoch has a line at most."""

    def on_epoch(self, member: int, record: EpochRecord) -> None:
        """Say how an epoch went."""
        now = time.monotonic()
        if now < self._next and record.epoch < record.epochs:
            return
        self._next = now + self.interval
        who = f"{self._what} {member + 1}, " if self._members > 1 else ""
        self._env.say(
            f"{who}epoch {record.epoch} of {record.epochs}: {' · '.join(figures(record))}"
        )


def print_trials(env: Environment, trials: Sequence[Trial], best: Trial) -> None:
    """Print a table of the trials of a search."""
    if env.quiet:
        return
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    for heading in ("trial", "rate", "batch", "momentum", "alpha", "distorted", "loss", "accuracy"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("")
    for trial in trials:
        recipe = trial.recipe
        table.add_row(
            f"{trial.number}",
            f"{recipe.learning_rate_init:.3g}",
            f"{recipe.batch_size}",
            f"{recipe.momentum:.3g}",
            f"{recipe.alpha:.2g}",
            "none" if recipe.augmentation is None else f"× {trial.strength:.2f}",
            f"{trial.validation_loss:.4f}" if trial.epochs else "diverged",
            f"{trial.validation_accuracy:.2%}" if trial.epochs else "",
            "best" if trial is best else "",
        )
    env.console.print(table)


def print_outcome(
    env: Environment,
    outcome: Outcome,
    output: Path,
    seconds: float,
    comparison: list[tuple[str, str]],
) -> None:
    """Print a table about a training that is done."""
    from rich.table import Table
    from rich.text import Text

    def percent(name: str) -> str:
        value = outcome.metrics.get(name)
        return "no images" if value is None else f"{value:.2%}"

    def listed(numbers: tuple[int, ...]) -> str:
        return ", ".join(map(str, numbers))

    path = printable(output)
    table = Table(show_header=False)
    for name, value in (
        ("epochs run", listed(outcome.epochs)),
        ("best epoch", listed(outcome.best_epochs)),
        ("validation accuracy", percent("validation_accuracy")),
        ("test accuracy", percent("test_accuracy")),
        *comparison,
        ("time", f"{seconds // 60:.0f} min {seconds % 60:.0f} s"),
        ("model size", f"{output.stat().st_size / 1e6:.1f} MB"),
        ("model", path),
        ("next", f"digitcli predict -m {path} PICTURE.png"),
    ):
        table.add_row(printable(name), Text(value, overflow="fold"))
    env.console.print(table)
