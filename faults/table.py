"""The table that every script here prints: what was done, how often, and what was lost."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

SEED = 20261122


@dataclass(frozen=True)
class Row:
    """One fault.

    Attributes
    ----------
    fault : str
        What was done.
    tried : int
        How often.
    lost : tuple of str
        A line for each time that something was lost, broken or let in; there should be none.
    seen : str
        What happened instead, with counts.
    """

    fault: str
    tried: int
    lost: tuple[str, ...]
    seen: str


def main(
    doc: str | None,
    rows: Callable[[int, int], Iterable[Row]],
    *,
    count: int,
    arguments: Sequence[str] | None = None,
    extra: str = "",
) -> int:
    """Do the faults `rows(count, seed)`, print the table and return the exit code.

    `extra` is what the command that repeats them has besides.
    """
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--count", type=int, default=count, help="how often to try each fault")
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args(arguments)
    # Who starts this in the background may have had Ctrl-C ignored, and programs inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    command = f"python faults/{Path(sys.argv[0]).name}{extra}"
    if options.count != count:
        command += f" --count {options.count}"
    if options.seed != SEED:
        command += f" --seed {options.seed}"
    print("| fault | tried | lost | seen | repeat |\n|---|---:|---:|---|---|", flush=True)
    lost = 0
    for row in rows(options.count, options.seed):
        for line in row.lost[:20]:
            print(f"LOST: {line}", file=sys.stderr)
        lost += len(row.lost)
        print(
            f"| {row.fault} | {row.tried:,} | {len(row.lost) or 'nothing'} | {row.seen} "
            f"| `{shlex.join(shlex.split(command))}` |",
            flush=True,
        )
    return 1 if lost else 0
