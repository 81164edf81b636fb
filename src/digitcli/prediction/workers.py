"""Share predictions among processes on this machine: same answers, same order, bounded memory."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from typing import Final, Generic

from digitcli.errors import DigitcliError
from digitcli.paths import printable
from digitcli.prediction.paths import Burst, path_of
from digitcli.prediction.readings import PATIENCE, A, Reading
from digitcli.prediction.stream import answer_bursts
from digitcli.processes import BrokenProcessPool, Processes

_FIRST_PART: Final = 16
"""Inputs in a part until it is known how long they take."""

_LARGEST_PART: Final = 512
"""Inputs in a part at most: to hand out one takes as long whatever it holds."""

_TRIES: Final = 3
"""Processes that a lone input may take with it before it is blamed for it."""

_STARTS: Final = 10
"""Processes in a row that may die before they have anything to do."""

_Done = tuple[list[A], float]
"""What came of a part, and the seconds it took."""


def answer_in_processes(reading: Reading[A], bursts: Iterable[Burst], *, jobs: int) -> Iterator[A]:
    """Do what `answer_bursts` does in `jobs` processes.

    The bursts are read by a thread of their own, so that answers go out while it waits for more.
    When a process dies, what all were at is done again by one that has nothing else to do. An input
    that was alone with its process each time that three of them died becomes an error, and
    everything else is answered.

    Raises
    ------
    DigitcliError
        When the system has no room for the processes.
    """
    pool = _Pool(reading, jobs)
    parts: queue.Queue[tuple[Burst, Future[_Done[A]] | None] | Exception | None]
    parts = queue.Queue(maxsize=2 * jobs)
    seconds_each = PATIENCE / _FIRST_PART

    def read() -> None:
        try:
            for burst in bursts:
                start = 0
                while start < len(burst):
                    size = max(1, min(_LARGEST_PART, int(PATIENCE / seconds_each)))
                    part = burst[start : start + size]
                    parts.put((part, pool.submit(part)))
                    start += size
            parts.put(None)
        except Exception as error:
            parts.put(error)

    try:
        threading.Thread(target=read, daemon=True).start()
        while (item := parts.get()) is not None:
            if isinstance(item, Exception):
                raise item
            part, future = item
            answers, seconds = pool.result(part, future)
            seconds_each = max(seconds / len(part), 1e-6)
            yield from answers
    finally:
        pool.close()


class _Pool(Generic[A]):
    """Processes that answer parts of the inputs; replaced when one of them dies.

    One more process is for the parts that were in work then. It has one at a time, so that its
    death can be laid to that part.
    """

    def __init__(self, reading: Reading[A], jobs: int) -> None:
        self._reading = reading
        self._jobs = jobs
        self._all = Processes(jobs, reading)
        self._careful: Processes[Reading[A]] | None = None

    def submit(self, part: Burst) -> Future[_Done[A]] | None:
        """Hand out a part; None when the processes are gone."""
        try:
            return self._all.submit(_answer, part)
        except BrokenProcessPool:
            return None

    def result(self, part: Burst, future: Future[_Done[A]] | None) -> _Done[A]:
        """Wait for what comes of a part."""
        try:
            if future is not None:
                return future.result()
        except BrokenProcessPool:
            pass
        if self.submit([]) is None:
            self._all.close()
            self._all = Processes(self._jobs, self._reading)
        return self._answer_carefully(part)

    def _answer_carefully(self, part: Burst) -> _Done[A]:
        """Answer a part in a process of its own, input by input if even that one dies."""
        start = time.monotonic()
        for _ in range(_TRIES if len(part) == 1 else 1):
            careful = self._lone_process()
            with contextlib.suppress(BrokenProcessPool):
                return careful.submit(_answer, part).result()
        if len(part) > 1:
            answers = [one for item in part for one in self._answer_carefully([item])[0]]
            return answers, time.monotonic() - start
        path = path_of(part[0])
        reason = (
            f"{printable(path)} ends every process that reads it; save the image again, or see "
            "whether memory is short"
        )
        return [self._reading.failed(path, reason)], 0.0

    def _lone_process(self) -> Processes[Reading[A]]:
        """Return the process that does one part at a time, ready for it."""
        for _ in range(_STARTS):
            if self._careful is None:
                self._careful = Processes(1, self._reading)
            try:
                self._careful.submit(_answer, []).result()
            except BrokenProcessPool:
                self._careful.close()
                self._careful = None
            else:
                return self._careful
        raise DigitcliError(
            f"the system ended {_STARTS} processes in a row as they started, most likely for want "
            "of memory; use fewer --jobs"
        )

    def close(self) -> None:
        """End the processes, whatever they are at."""
        for processes in (self._all, self._careful):
            if processes is not None:
                processes.close()


def _answer(reading: Reading[A], part: Burst) -> _Done[A]:
    """Answer a part in one of the processes."""
    start = time.monotonic()
    answers = list(answer_bursts(reading, [part], first_batch=len(part)))
    return answers, time.monotonic() - start
