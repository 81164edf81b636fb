"""From paths to answers: in order, in constant memory, in batches when there is plenty to do."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Final

from digitcli.memory import keep_freed_memory
from digitcli.prediction.paths import Burst
from digitcli.prediction.readings import PATIENCE, A, Reading

FIRST_BATCH: Final = 16
"""Inputs in the first batch where somebody waits; the next ones grow as long as they are quick."""


def answer_bursts(
    reading: Reading[A], bursts: Iterable[Burst], *, first_batch: int = FIRST_BATCH
) -> Iterator[A]:
    """Answer each burst of inputs before the next is asked for.

    Parameters
    ----------
    reading : Reading
    bursts : iterable of lists of inputs
    first_batch : int
        Inputs that are answered together at first.

    Yields
    ------
    Answers
        For as many inputs as the reading takes at once, or as took `PATIENCE` seconds.
    """
    keep_freed_memory()
    size = min(first_batch, reading.batch)
    for burst in bursts:
        start = 0
        while start < len(burst):
            began = time.monotonic()
            answers = reading.answer(burst[start : start + size])
            if answers.paths:
                yield answers
            start += len(answers.paths)
            if answers.pages:
                burst, start = [*answers.pages, *burst[start + 1 :]], 0
            quick = time.monotonic() - began < PATIENCE
            size = min(reading.batch, 2 * size) if quick else max(1, size // 2)
