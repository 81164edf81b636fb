"""Processes measured in turn: this program, the same of another revision, and a floor below both.

The speed of a busy machine drifts, so only what ran one right after the other is compared: ratios
are medians over the rounds, of processor time unless a task is about wall time.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import truediv
from pathlib import Path
from typing import NamedTuple

import numpy as np

from digitcli.blas import one_blas_thread

ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if name not in ("PYTHONDONTWRITEBYTECODE", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")
}
"""That of a user: bytecode is written, as an installation does."""

_MEASURE = """
import os, subprocess, sys, time
start = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
wall, processor = time.perf_counter() - start, usage.ru_utime + usage.ru_stime
print(wall, processor, usage.ru_maxrss / 1024, os.waitstatus_to_exitcode(status))
"""
"""Runs a process from a small one: the peak of a process is at least that of who started it."""

_NAMES = {"processor": "", "wall": ", wall time", "peak": ", memory"}
_UNITS = ((1, "s"), (1e-3, "ms"), (1e-6, "µs"))


class Cost(NamedTuple):
    """What a process and those that it started took, in seconds and MiB."""

    wall: float
    processor: float
    peak: float


class Task(NamedTuple):
    """Something to measure.

    Attributes
    ----------
    name : str
    command : list of str
    count : int
        How many things a process does; times are given for one of them.
    floor : list of str
        What cannot be done without, or what else one would run.
    stdin : Path
    environment : mapping
        Variables beside those of the user.
    measures : tuple of {"processor", "wall", "peak"}
        The fields of `Cost` to compare. Wall time means nothing while the machine has other work.
    is_start : bool
        Run it once before it counts, so that its files are in the system's cache.
    exits : tuple of int
        Exit codes of a process that went well.
    """

    name: str
    command: list[str]
    count: int = 1
    floor: list[str] | None = None
    stdin: Path = Path(os.devnull)
    environment: Mapping[str, str] = {}
    measures: tuple[str, ...] = ("processor",)
    is_start: bool = False
    exits: tuple[int, ...] = (0,)


def program() -> list[str]:
    """Return the command of the installed program."""
    beside = Path(sys.executable).with_name("digitcli")
    return [str(beside) if beside.exists() else shutil.which("digitcli") or "digitcli"]


@contextlib.contextmanager
def revision(name: str | None) -> Iterator[dict[str, str] | None]:
    """Unpack a Git revision; yield what makes the same commands run it, None without a name."""
    if name is None:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        house = Path(__file__).parent.parent
        archive = ["git", "-C", str(house), "archive", name, "src"]
        source = subprocess.run(archive, check=True, stdout=subprocess.PIPE).stdout
        subprocess.run(["tar", "-x", "-C", folder], check=True, input=source)
        yield {"PYTHONPATH": str(Path(folder, "src"))}


def cost(
    command: list[str],
    stdin: Path = Path(os.devnull),
    environment: Mapping[str, str] | None = None,
    exits: tuple[int, ...] = (0,),
) -> Cost:
    """Run a process and return what it took."""
    with stdin.open("rb") as opened:
        measured = subprocess.run(
            [sys.executable, "-S", "-c", _MEASURE, *command],
            stdin=opened,
            capture_output=True,
            env=ENVIRONMENT | dict(environment or {}),
        )
    *numbers, code = map(float, measured.stdout.split())
    if code not in exits:
        raise SystemExit(f"{command} ended with {code:.0f}: {measured.stderr.decode()}")
    return Cost(*numbers)


def compare(tasks: Iterable[Task], rounds: int, against: str | None) -> None:
    """Measure tasks in turn with the other revision and their floor, and print a table."""
    other = "" if against is None else f"{against:>11.9}{'times':>7}"
    print(f"{'':40}{'now':>9}{'floor':>9}{'times':>7}{other}")
    with revision(against) as beside:
        for task in tasks:
            costs = measured(task, rounds, beside)
            for measure in task.measures:
                print(f"{task.name + _NAMES[measure]:40}{line(task, measure, costs)}", flush=True)


def measured(task: Task, rounds: int, other: Mapping[str, str] | None) -> dict[str, list[Cost]]:
    """Measure a task so many times: now, its floor, and the other revision, where they are."""
    kinds: dict[str, tuple[list[str], Mapping[str, str]]] = {"now": (task.command, {})}
    if task.floor is not None:
        kinds["floor"] = task.floor, {}
    if other is not None:
        kinds["other"] = task.command, other

    def run(kind: str) -> Cost:
        command, beside = kinds[kind]
        return cost(command, task.stdin, {**task.environment, **beside}, task.exits)

    if task.is_start:
        for kind in kinds:
            run(kind)
    costs: dict[str, list[Cost]] = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind, found in costs.items():
            found.append(run(kind))
    return costs


def line(task: Task, measure: str, costs: dict[str, list[Cost]]) -> str:
    """Return the medians of one measure, and of its ratios."""
    values = {kind: [getattr(each, measure) for each in found] for kind, found in costs.items()}

    def shown(kind: str) -> str:
        value = statistics.median(values[kind])
        return f"{value:.0f} MiB" if measure == "peak" else _time(value / task.count)

    def times(kind: str) -> str:
        return f"{statistics.median(map(truediv, values['now'], values[kind])):.2f}"

    text = f"{shown('now'):>9}"
    text += f"{shown('floor'):>9}{times('floor'):>7}" if "floor" in values else " " * 16
    return f"{text}{shown('other'):>11}{times('other'):>7}" if "other" in values else text


def _time(seconds: float) -> str:
    size, unit = next((each for each in _UNITS if seconds >= each[0]), _UNITS[-1])
    return f"{seconds / size:.3g} {unit}"


def machine() -> str:
    """Describe what runs here: processors, load, and the peak of matrix products."""
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return (
        f"{os.cpu_count()} processors ({platform.machine()}), load {load}, Python "
        f"{platform.python_version()}, NumPy {np.__version__}, "
        f"sgemm {sgemm_peak(clock=time.thread_time) / 1e9:,.0f} GFLOP/s"
    )


def sgemm_peak(
    side: int = 2048, seconds: float = 1.0, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Most floating-point operations a second that a product of large matrices reaches here.

    By one thread, as digitcli trains and predicts.
    """
    a = np.random.default_rng(0).random((side, side), dtype=np.float32)
    out = np.empty_like(a)
    best, end = float("inf"), time.perf_counter() + seconds
    with one_blas_thread():
        while time.perf_counter() < end:
            start = clock()
            np.matmul(a, a, out=out)
            best = min(best, clock() - start)
    return 2 * side**3 / best


def add_options(parser: argparse.ArgumentParser, rounds: int) -> None:
    """Add the options that all scripts about speed have."""
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--against", metavar="REV", help="also measure this Git revision")
