"""The bars that `train` shows on a terminal: where each network is, and how its epochs went."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.measure import Measurement
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

from digitcli.cli.epoch_figures import figures

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.progress import Task

    from digitcli.training.trainer import EpochRecord

_FIRST = ("Ctrl-C saves nothing before epoch 1",)


class TrainingBars(Progress):
    """A line a network: the epoch, a bar, the time left, and as many figures as there is room for.

    Parameters
    ----------
    console : Console
    names : sequence of str
        What each network is called; one without a name needs none.
    epochs : int
    """

    def __init__(self, console: Console, names: Sequence[str], epochs: int) -> None:
        width = min(20, console.width // 5)
        columns: list[ProgressColumn] = [
            _EpochColumn(Column(no_wrap=True)),
            BarColumn(bar_width=width, table_column=Column(no_wrap=True)),
            TimeRemainingColumn(table_column=Column(no_wrap=True)),
            _FiguresColumn(Column(no_wrap=False)),  # this one alone gives way
        ]
        if any(names):
            columns.insert(0, TextColumn("{task.description}", markup=False))
        super().__init__(*columns, console=console, speed_estimate_period=600)
        self._of_member = [
            self.add_task(name, total=epochs, figures=_FIRST, epoch=0) for name in names
        ]

    def on_epoch(self, member: int, record: EpochRecord) -> None:
        """Show how an epoch of a member, from 0, went."""
        task = self._of_member[member]
        self.update(task, completed=record.epoch, epoch=record.epoch, figures=figures(record))

    def on_part(self, member: int, epochs: float) -> None:
        """Move the bar of a member that has done so many epochs."""
        self.update(self._of_member[member], completed=epochs)


class _EpochColumn(ProgressColumn):
    """The epochs that are done, and how many there will be."""

    def render(self, task: Task) -> Text:
        total = f"{task.total:.0f}"
        return Text(f"epoch {task.fields['epoch']:>{len(total)}}/{total}")


class _FiguresColumn(ProgressColumn):
    """The figures of the last epoch, as far as the terminal is wide."""

    def render(self, task: Task) -> _Figures:
        return _Figures(task.fields["figures"])


class _Figures:
    """A line with as many whole figures as fit."""

    def __init__(self, figures: Sequence[str]) -> None:
        self._figures = figures

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(0, min(options.max_width, len(" · ".join(self._figures))))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        shown = list(self._figures)
        while len(" · ".join(shown)) > options.max_width:
            shown.pop()
        yield Text(" · ".join(shown), no_wrap=True)
