"""Processes that work for this one: they are its own, and they end with it."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import clean_environment
from digitcli.errors import DigitcliError
from digitcli.processes import BrokenProcessPool, Processes


def add(shared: Any, number: int) -> Any:
    return shared["numbers"].sum() + number


def is_writable(shared: Any) -> bool:
    return bool(shared["numbers"].flags.writeable)


def fail(shared: Any) -> None:
    raise DigitcliError("no such number; give another")


def die(shared: Any) -> None:
    os._exit(1)


def die_in_the_midst_of_an_answer(shared: Any) -> None:
    frame = sys._getframe()
    while "result_queue" not in frame.f_locals:
        assert frame.f_back is not None
        frame = frame.f_back
    os.write(frame.f_locals["result_queue"]._writer.fileno(), struct.pack("!i", 100) + b"half")
    os._exit(1)


def count(shared: Any, last: int, *, tell: Any) -> int:
    for number in range(last):
        tell(number)
    return os.getpid()


def sleep(shared: Any = None) -> None:
    time.sleep(600)


SHARED = {"numbers": np.arange(100), "none": np.zeros(0), "name": "digits"}


def test_a_call_has_the_shared_object_and_its_arguments() -> None:
    with Processes(2, SHARED) as processes:
        futures = [processes.submit(add, number) for number in range(5)]
        assert [future.result() for future in futures] == [4950 + number for number in range(5)]
        assert processes.submit(is_writable).result() is False


def test_what_a_call_raises_is_raised_here() -> None:
    with Processes(1, SHARED) as processes:
        with pytest.raises(DigitcliError, match="no such number"):
            processes.submit(fail).result()
        assert processes.submit(add, 0).result() == 4950


def test_messages_are_all_heard_before_the_end() -> None:
    heard: list[int] = []
    with Processes(2, None, on_message=heard.append) as processes:
        pids = {processes.submit(count, 500).result() for _ in range(2)}
    assert os.getpid() not in pids
    assert sorted(heard) == sorted([*range(500)] * 2)


def test_a_death_is_told_for_all_that_was_in_work() -> None:
    with Processes(2, SHARED) as processes:
        slow, deadly = processes.submit(sleep), processes.submit(die)
        for future in (slow, deadly):
            with pytest.raises(BrokenProcessPool):
                future.result()
        with pytest.raises(BrokenProcessPool):
            processes.submit(add, 1)


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
def test_nobody_waits_for_the_rest_of_an_answer() -> None:
    with Processes(2, SHARED) as processes, pytest.raises(BrokenProcessPool):
        processes.submit(die_in_the_midst_of_an_answer).result(timeout=20)


def test_only_the_own_processes_are_ended() -> None:
    stranger = multiprocessing.get_context("spawn").Process(target=sleep, daemon=True)
    stranger.start()
    try:
        with Processes(1, SHARED) as processes:
            processes.submit(sleep)
        assert multiprocessing.active_children() == [stranger]
        with pytest.raises(BrokenProcessPool):
            processes.submit(add, 1)
    finally:
        stranger.kill()
        stranger.join()


def test_nothing_is_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of this process would have its locks, but not the threads that open them."""

    def fork() -> int:
        raise AssertionError("forked")

    monkeypatch.setattr(os, "fork", fork, raising=False)
    ended = threading.Event()
    threading.Thread(target=ended.wait, daemon=True).start()
    with Processes(2, SHARED) as processes:
        assert processes.submit(add, 1).result() == 4951
    ended.set()


def test_no_room_for_a_thread_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    processes = Processes(2, SHARED)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start)
        with pytest.raises(DigitcliError, match=r"can't start new thread; use fewer --jobs"):
            processes.submit(add, 1)
        processes.close()
    assert multiprocessing.active_children() == []


def test_a_death_at_the_start_is_a_death(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who starts a process writes to it, so that its death may be met as a broken pipe."""

    def start(process: SpawnProcess) -> None:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    with Processes(2, SHARED) as processes:
        with monkeypatch.context() as patched:
            patched.setattr(SpawnProcess, "start", start)
            with pytest.raises(BrokenProcessPool, match="died as it started"):
                processes.submit(add, 1)
        assert processes.submit(add, 1).result() == 4951


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_waits_until_a_process_has_started(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """Or that process would show a traceback."""
    whole_start, started = SpawnProcess.start, []

    def start(process: SpawnProcess) -> None:
        signal.raise_signal(number)
        whole_start(process)
        started.append(process.pid)

    monkeypatch.setattr(SpawnProcess, "start", start)
    before = signal.signal(number, signal.default_int_handler)
    try:
        with Processes(1, SHARED) as processes, pytest.raises(KeyboardInterrupt):
            processes.submit(add, 1)
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, before)
    assert len(started) == 1
    assert multiprocessing.active_children() == []


PARENT = """
import multiprocessing, os, sys, time
if __name__ == "__main__":
    from digitcli.processes import Processes
    from test_processes import sleep
    multiprocessing.set_start_method(sys.argv[1])
    processes = Processes(2, None)
    for _ in range(2):
        processes.submit(sleep)
    print(*[child.pid for child in multiprocessing.active_children()], flush=True)
    time.sleep(float(sys.argv[2]))
    os.kill(os.getpid(), 9)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize("seconds", [0, 1], ids=["while they start", "while they work"])
@pytest.mark.parametrize(
    "method",
    [
        "spawn",
        *(pytest.param(m, marks=pytest.mark.slow("processes")) for m in ("fork", "forkserver")),
    ],
)
def test_they_end_with_a_killed_parent_whatever_the_default_method(
    tmp_path: Path, method: str, seconds: float
) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    result = subprocess.run(  # waits until nobody holds its pipes any more
        [sys.executable, script, method, str(seconds)],
        capture_output=True,
        text=True,
        timeout=60,
        env=clean_environment(tmp_path) | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert result.returncode == -9, result.stderr
    assert result.stderr == ""
    assert len(result.stdout.split()) == 2


def test_no_module_of_the_working_folder_is_imported(tmp_path: Path) -> None:
    """Pictures may come in one folder with a ``pickle.py``, which somebody hopes is run."""
    program = tmp_path / "bin" / "program.py"
    program.parent.mkdir()
    program.write_text("from digitcli.cli import main\nif __name__ == '__main__':\n    main()\n")
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name in ("pickle", "signal", "socket", "struct", "tempfile"):
        (pictures / f"{name}.py").write_text("open('ran', 'w')\n")
    picture = Path(__file__).parent.parent / "examples" / "digits" / "form.png"
    result = subprocess.run(
        [sys.executable, program, "predict", picture, "--jobs", "2"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=pictures,
        env=clean_environment(tmp_path),
    )
    assert not (pictures / "ran").exists()
    assert result.stderr == ""
    assert "form.png\t5\t" in result.stdout


KILLED_AT_THE_START = """
import os, signal, sys
from multiprocessing import util

from digitcli.processes import Processes

start = util.spawnv_passfds

def start_and_die(path, arguments, descriptors):
    start(path, arguments, descriptors)
    if any("spawn_main" in str(argument) for argument in arguments):
        os.kill(os.getpid(), signal.SIGKILL)

util.spawnv_passfds = start_and_die
if __name__ == "__main__":
    Processes(1, None).submit(print)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_process_whose_parent_is_killed_as_it_starts_says_nothing(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(KILLED_AT_THE_START)
    result = subprocess.run(  # waits until nobody holds its pipes any more
        [sys.executable, script],
        capture_output=True,
        text=True,
        timeout=60,
        env=clean_environment(tmp_path) | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert (result.returncode, result.stderr) == (-9, "")


@pytest.mark.skipif(sys.platform != "linux", reason="looks for room on Linux alone")
def test_no_room_for_what_is_shared_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where ``/dev/shm`` is small, as in containers, memory may be given that is not there."""

    def allocate(descriptor: int, offset: int, length: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", allocate)
    with pytest.raises(DigitcliError, match=r"no space left on device; use --jobs 1, or see .*shm"):
        Processes(2, SHARED)


@pytest.mark.skipif(sys.platform == "win32", reason="needs ulimit")
@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize(
    "files",
    [
        5,
        10,
        64,
        *(pytest.param(n, marks=pytest.mark.slow("processes")) for n in (6, 8, 12, 16, 24, 32, 40)),
    ],
)
def test_too_few_open_files_end_in_one_line(tmp_path: Path, files: int, jobs: str) -> None:
    """Either all goes well, or one line names the limit."""
    import resource

    picture = Path(__file__).parent.parent / "examples" / "digits" / "form.png"
    result = subprocess.run(
        [sys.executable, "-m", "digitcli", "predict", picture, "--jobs", jobs],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        env=clean_environment(tmp_path),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files)),
    )
    if result.returncode == 0:
        assert files >= (6 if jobs == "1" else 40)
        assert result.stderr == ""
        assert "form.png\t5\t" in result.stdout
    else:
        assert files <= (8 if jobs == "1" else 48)
        assert result.stdout == ""
        assert len(result.stderr.splitlines()) == 1, result.stderr
        assert "too many open files" in result.stderr
