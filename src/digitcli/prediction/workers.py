"""Share predictions among processes on this machine: same answers, same order, bounded memory."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Final, Generic

from digitcli.paths import printable
from digitcli.prediction.paths import Burst, path_of
from digitcli.prediction.readings import PATIENCE, A, Reading
from digitcli.prediction.stream import answer_bursts
from digitcli.processes import end_with_parent

_FIRST_PART: Final = 16
"""Inputs in a part until it is known how long they take."""

_Done = tuple[list[A], float]
"""What came of a part, and the seconds it took."""


def answer_in_processes(reading: Reading[A], bursts: Iterable[Burst], *, jobs: int) -> Iterator[A]:
    """Do what `answer_bursts` does in `jobs` processes.

    The bursts are read by a thread of their own, so that answers go out while it waits for more.
    When a process dies, what it was at is done again, carefully: an input that kills its process
    twice more becomes an error, and everything else is answered.
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
                    size = min(reading.batch, max(1, int(PATIENCE / seconds_each)))
                    part = burst[start : start + size]
                    parts.put((part, pool.submit(part)))
                    start += size
            parts.put(None)
        except Exception as error:
            parts.put(error)

    threading.Thread(target=read, daemon=True).start()
    try:
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
    """Processes that each hold the reading with its model; replaced when one of them dies."""

    def __init__(self, reading: Reading[A], jobs: int) -> None:
        self._reading = reading
        self._jobs = jobs
        self._executor = self._start(jobs)

    def _start(self, jobs: int) -> ProcessPoolExecutor:
        # A forked process shares the model and starts at once; elsewhere forking is not safe.
        method = "fork" if sys.platform == "linux" else "spawn"
        executor = ProcessPoolExecutor(
            jobs, multiprocessing.get_context(method), _prepare, (self._reading,)
        )
        executor.submit(os.getpid)  # starts them now, before there are threads or unsaid words
        return executor

    def submit(self, part: Burst) -> Future[_Done[A]] | None:
        """Hand out a part; None when the processes are gone."""
        try:
            return self._executor.submit(_answer, part)
        except RuntimeError:  # BrokenProcessPool is one
            return None

    def result(self, part: Burst, future: Future[_Done[A]] | None) -> _Done[A]:
        """Wait for what comes of a part."""
        try:
            if future is not None:
                return future.result()
        except BrokenProcessPool:
            pass
        if self.submit([]) is None:
            self._executor = self._start(self._jobs)
        return self._answer_alone(part)

    def _answer_alone(self, part: Burst) -> _Done[A]:
        """Answer a part in a process of its own, input by input if even that one dies."""
        start = time.monotonic()
        with contextlib.suppress(BrokenProcessPool), self._start(1) as alone:
            return alone.submit(_answer, part).result()
        if len(part) > 1:
            answers = [one for item in part for one in self._answer_alone([item])[0]]
            return answers, time.monotonic() - start
        path = path_of(part[0])
        reason = f"{printable(path)} ends every process that reads it; save the image again"
        return [self._reading.failed(path, reason)], 0.0

    def close(self) -> None:
        """End the processes, whatever they are at."""
        for process in multiprocessing.active_children():
            process.kill()  # a just forked one still has our SIGTERM handler
        # Without waiting, the interpreter's exit may meet the executor's thread half-way out.
        self._executor.shutdown(wait=True, cancel_futures=True)


# In each process ---------------------------------------------------------------------------------

_reading: Reading[Any]


def _prepare(reading: Reading[Any]) -> None:
    global _reading
    _reading = reading
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to end
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end_with_parent()


def _answer(part: Burst) -> _Done[Any]:
    start = time.monotonic()
    answers = list(answer_bursts(_reading, [part], first_batch=len(part)))
    return answers, time.monotonic() - start
