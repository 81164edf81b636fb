"""Processes that work for this one: started and ended here, in one way on every system.

They are those of `concurrent.futures`, started as new interpreters ("spawn"): these inherit no
locks, threads or signal handlers, and no system or version of Python has another default.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from multiprocessing import parent_process, spawn
from multiprocessing.connection import wait
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.heap import BufferWrapper
from multiprocessing.queues import SimpleQueue
from typing import Any, Final, Generic, TypeVar

from digitcli.errors import DigitcliError

__all__ = ["BrokenProcessPool", "Processes"]

T = TypeVar("T")
R = TypeVar("R")

_FILES: Final = 32
"""Open files that are needed to start, here and in each process."""

_FILES_EACH: Final = 3
"""Open files that each process takes here."""

_ALIGNMENT: Final = 64
"""Of arrays in shared memory, in bytes: the width of a cache line."""

_STARTING: Final = threading.RLock()
"""Held while an interpreter starts, for what it starts with belongs to the whole program."""


class Processes(Generic[T]):
    """Up to `jobs` processes that call functions on one object, which all of them hold.

    Each starts when there is work for it. When one of them dies, all are ended, and what they were
    at raises `BrokenProcessPool`. None outlives this process, however it ends.

    Parameters
    ----------
    jobs : int
    shared : object
        First argument of every call. Its arrays are read-only there, and in memory only once.
    on_message : callable, optional
        Receives what functions tell, in a thread of its own; functions then also take ``tell``.

    Raises
    ------
    DigitcliError
        When the system has no room for them.
    """

    def __init__(
        self, jobs: int, shared: T, *, on_message: Callable[[Any], None] | None = None
    ) -> None:
        if sys.platform == "win32":
            jobs = min(jobs, 61)  # what Windows can wait for
        self._closing = threading.Lock()
        self._closed = False
        with _told_when_there_is_no_room():
            _start_tracker()
            _check_room(_FILES + _FILES_EACH * jobs)
            self._context = _Context(self._end)
            self._messages = None if on_message is None else _Messages(self._context, on_message)
            channel = None if self._messages is None else self._messages.channel
            self._executor = ProcessPoolExecutor(
                jobs, self._context, _prepare, (_Shared(shared), channel)
            )

    def submit(self, function: Callable[..., R], *arguments: Any) -> Future[R]:
        """Let a process return ``function(shared, *arguments)``.

        Raises
        ------
        BrokenProcessPool
            When the processes are gone.
        DigitcliError
            When the system has no room for another one.
        """
        with self._closing:
            if self._closed:
                raise BrokenProcessPool("the processes have been ended")
            with _told_when_there_is_no_room():
                return self._executor.submit(_call, function, arguments)

    def _end(self) -> None:
        """End the processes, whatever they are at, as when one of them has died.

        An executor does not notice the death of a process that it started after it looked, and
        waits for ever for the rest of an answer that a process was ended in the midst of.
        """
        with self._closing:
            self._closed = True
            self._context.kill()

    def close(self) -> None:
        """End the processes, whatever they are at, and hear what they still had to tell."""
        self._end()
        # Without waiting, the interpreter's exit may meet the executor's thread half-way out.
        with contextlib.suppress(RuntimeError):  # its thread could not start
            self._executor.shutdown(wait=True, cancel_futures=True)
        self._context.join()
        if self._messages is not None:
            self._messages.close()

    def __enter__(self) -> Processes[T]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Process(SpawnProcess):
    on_end: Callable[[], None]

    def start(self) -> None:
        with signals_wait():
            with _interpreters_start(), _without_ctrl_c():
                super().start()
            threading.Thread(target=self._watch, args=(self.sentinel,), daemon=True).start()

    def __getstate__(self) -> dict[str, Any]:
        """Return what the new interpreter gets of it."""
        return {name: value for name, value in vars(self).items() if name != "on_end"}

    def _watch(self, sentinel: int) -> None:
        wait([sentinel])
        self.on_end()

    def terminate(self) -> None:
        self.kill()  # a library that computes may be deaf to anything else


class _Results(SimpleQueue[Any]):
    """What processes answer."""

    def end(self) -> None:
        """Let whoever waits for an answer hear that none comes any more."""
        self._writer.close()  # type: ignore[attr-defined]


class _Context(SpawnContext):
    """Knows the processes that it starts, so that no other one of this program is ever ended."""

    def __init__(self, on_end: Callable[[], None]) -> None:
        super().__init__()
        self._started: list[_Process] = []
        self._on_end = on_end
        self._results: list[_Results] = []

    def SimpleQueue(self) -> _Results:  # noqa: N802
        self._results.append(_Results(ctx=self.get_context()))
        return self._results[-1]

    def Process(self, *arguments: Any, **options: Any) -> _Process:  # type: ignore[override]  # noqa: N802
        process = _Process(*arguments, **options)
        process.on_end = self._on_end
        self._started.append(process)
        return process

    def kill(self) -> None:
        for process in self._started:
            if process.pid is not None:
                process.kill()
        for results in self._results:
            results.end()

    def join(self) -> None:
        for process in self._started:
            if process.pid is not None:
                process.join()


class _Shared(Generic[T]):
    """An object in memory that all processes see; it is gone with the last of them."""

    def __init__(self, thing: T) -> None:
        buffers: list[pickle.PickleBuffer] = []
        head = pickle.dumps(thing, protocol=5, buffer_callback=buffers.append)
        parts = [memoryview(head), *(buffer.raw() for buffer in buffers)]
        self._places: list[tuple[int, int]] = []
        end = 0
        for part in parts:
            start = -(-end // _ALIGNMENT) * _ALIGNMENT
            end = start + part.nbytes
            self._places.append((start, end))
        self._block: Any = BufferWrapper(end)
        _claim(self._block)
        view = self._block.create_memoryview()
        for part, (start, end) in zip(parts, self._places, strict=True):
            view[start:end] = part

    def get(self) -> T:
        view = self._block.create_memoryview().toreadonly()
        head, *buffers = (view[start:end] for start, end in self._places)
        thing: T = pickle.loads(head, buffers=buffers)
        return thing


def _claim(block: Any) -> None:
    """Take the room for shared memory now: to write where there is none is a bus error."""
    if sys.platform == "linux":
        arena, start, end = block._state[0]
        os.posix_fallocate(arena.fd, start, end - start)


class _Messages:
    """Hears what processes tell, as long as one of them is there."""

    def __init__(self, context: SpawnContext, on_message: Callable[[Any], None]) -> None:
        self._reader, self._writer = context.Pipe(duplex=False)
        self.channel = self._writer, context.Lock()
        self._on_message = on_message
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        while True:
            try:
                message = self._reader.recv()
            except (EOFError, OSError):
                return
            self._on_message(message)

    def close(self) -> None:
        self._writer.close()
        self._listener.join(timeout=5)  # whoever else was forked meanwhile may hold the pipe open


def _start_tracker() -> None:
    """Start the library's process that clears up after this one, before Ctrl-C is held back.

    It would warn, on stderr, of what a killed program has left to clear up.
    """
    if sys.platform != "win32":
        from multiprocessing import resource_tracker

        before = os.environ.get("PYTHONWARNINGS")
        quiet = "ignore:resource_tracker:UserWarning"
        quiet = quiet if before is None else f"{before},{quiet}"
        with _interpreters_start(), _environment("PYTHONWARNINGS", quiet):
            resource_tracker.ensure_running()


@contextlib.contextmanager
def _interpreters_start() -> Iterator[None]:
    """Start interpreters safely meanwhile, and without a word of those whose parent is killed.

    Their program is an argument of theirs, and for such Python first looks for modules in the
    working folder: a ``pickle.py`` beside the pictures would run.
    """
    with _STARTING, _environment("PYTHONSAFEPATH", "1"):
        before = spawn.get_command_line
        spawn.get_command_line = lambda **options: _quiet_orphan(before(**options))
        try:
            yield
        finally:
            spawn.get_command_line = before


def _quiet_orphan(command: list[str]) -> list[str]:
    """Let an interpreter end without a traceback when its parent dies while it starts.

    It may see the end of their pipe a moment before that of its parent.
    """
    if "-c" in command and sys.platform != "win32":
        at = command.index("-c") + 1
        command[at] = (
            f"import os, time\n"
            f"try:\n {command[at]}\n"
            f"except Exception:\n"
            f" for _ in range(20):\n"
            f"  if os.getppid() != {os.getpid()}: os._exit(1)\n"
            f"  time.sleep(0.05)\n"
            f" raise"
        )
    return command


@contextlib.contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _check_room(files: int) -> None:
    """Open as many files, for a program that runs out of them half-way shows tracebacks."""
    with contextlib.ExitStack() as stack:
        for _ in range(files):
            stack.callback(os.close, os.open(os.devnull, os.O_RDONLY))


@contextlib.contextmanager
def _told_when_there_is_no_room() -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool:
        raise
    except BrokenPipeError:
        raise BrokenProcessPool("a process died as it started") from None
    except (OSError, RuntimeError) as error:  # Python's word for a thread that cannot start
        limits = {errno.EMFILE: "-n", errno.ENFILE: "-n", errno.ENOMEM: "-v", errno.EAGAIN: "-u"}
        limit = limits.get(getattr(error, "errno", None) or errno.EAGAIN)
        hint = "use --jobs 1, or see what is wrong with /dev/shm or the working folder"
        if limit is not None:
            hint = f"use fewer --jobs, or raise the limit (ulimit {limit})"
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise DigitcliError(f"the processes cannot be started: {reason}; {hint}") from None


@contextlib.contextmanager
def signals_wait() -> Iterator[None]:
    """Let SIGINT and SIGTERM wait for the end of the block.

    Their handlers raise: half-way through the start of a process, it would show a traceback of a
    pipe that ends too soon; and half-way through an import of NumPy's, the exception is lost.
    """
    came: list[int] = []
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            if callable(handler := signal.getsignal(number)):
                before[number] = handler
                signal.signal(number, lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        for restored, handler in before.items():
            signal.signal(restored, handler)
        for late in came:
            signal.raise_signal(late)


@contextlib.contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Hold Ctrl-C back from processes that start meanwhile: they would show tracebacks."""
    if sys.platform == "win32":
        import ctypes

        # Processes inherit that it is ignored.
        ignore = ctypes.windll.kernel32.SetConsoleCtrlHandler
        ignore(None, True)
        try:
            yield
        finally:
            ignore(None, False)
    else:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


# In each process ---------------------------------------------------------------------------------

_sent: _Shared[Any]
_channel: tuple[Any, Any] | None


def _prepare(shared: _Shared[Any], channel: tuple[Any, Any] | None) -> None:
    global _sent, _channel
    _sent, _channel = shared, channel
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process decides when to end
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _call(function: Callable[..., R], arguments: tuple[Any, ...]) -> R:
    options = {} if _channel is None else {"tell": _tell}
    return function(_held(), *arguments, **options)


@cache
def _held() -> Any:
    """Return the shared object; made by the first call, so that what goes wrong is its error."""
    return _sent.get()


def _tell(message: Any) -> None:
    if _channel is not None:
        writer, lock = _channel
        with lock, contextlib.suppress(OSError):  # the first process is about to end this one
            writer.send(message)
