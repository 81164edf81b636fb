"""`predict --jobs`: the same lines in the same order, whatever happens to the processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import active_children
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from conftest import clean_environment
from digitcli.model.modelfile import load_model
from digitcli.prediction import workers
from digitcli.prediction.digits import DigitReading
from digitcli.prediction.paths import Burst
from digitcli.prediction.workers import answer_in_processes
from drawings import draw_digits, save_reader

Run = Callable[..., CompletedProcess[str]]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")


@pytest.fixture
def reader(tmp_path: Path) -> Path:
    return save_reader(tmp_path / "reader.joblib")


def children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(condition: Callable[[], bool], seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


@pytest.mark.parametrize(
    "format",
    [
        "text",
        *(pytest.param(each, marks=pytest.mark.slow("processes")) for each in ("json", "csv")),
    ],
)
def test_the_output_is_that_of_one_process(
    digitcli: Run, tmp_path: Path, reader: Path, format: str
) -> None:
    paths = [*draw_digits(tmp_path / "drawn"), Path("missing"), *draw_digits(tmp_path, ready=True)]
    arguments = ["predict", "-m", reader, "--format", format]
    paths_on_stdin = "".join(f"{path}\n" for path in paths) * 5
    one = digitcli(*arguments, input=paths_on_stdin)
    three = digitcli(*arguments, "--jobs", "3", input=paths_on_stdin)
    assert three.stdout == one.stdout
    assert three.stderr == one.stderr
    assert three.returncode == one.returncode == 3


def test_a_trickle_is_answered_at_once(tmp_path: Path, reader: Path) -> None:
    paths = draw_digits(tmp_path)
    with running(tmp_path, reader) as process:
        for digit in (5, 2, 7):
            say(process, paths[digit])
            assert process.stdout.readline().split(b"\t")[1] == str(digit).encode()
        process.stdin.close()
        assert process.wait(20) == 0


@pytest.mark.parametrize("to_all", [True, False], ids=["terminal", "kill"])
def test_ctrl_c_ends_all_processes_quietly(tmp_path: Path, reader: Path, to_all: bool) -> None:
    with running(tmp_path, reader) as process:
        say(process, draw_digits(tmp_path)[1])
        process.stdout.readline()
        pids = children(process.pid)
        assert len(pids) == 2
        (os.killpg if to_all else os.kill)(process.pid, signal.SIGINT)
        assert process.wait(20) == 130
        assert process.stderr.read() == b""
        assert wait_for(lambda: not any(map(alive, pids)))


def test_a_signal_as_the_inputs_begin_to_be_read_ends_all_processes(
    tmp_path: Path, reader: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that reads them may have started a process before its start has returned."""
    path = str(draw_digits(tmp_path)[0])
    started = threading.Event()

    def bursts() -> Iterator[Burst]:
        yield [path]
        started.set()
        yield [path]

    whole_start = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        whole_start(thread)
        if threading.current_thread() is threading.main_thread():
            assert started.wait(60)
            raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(KeyboardInterrupt):
        list(answer_in_processes(DigitReading(load_model(reader)), bursts(), jobs=1))
    assert active_children() == []


def test_no_process_survives_a_killed_parent(tmp_path: Path, reader: Path) -> None:
    with running(tmp_path, reader) as process:
        say(process, draw_digits(tmp_path)[1])
        process.stdout.readline()
        pids = children(process.pid)
        process.kill()
        assert wait_for(lambda: not any(map(alive, pids)))


def test_a_wrong_list_of_paths_ends_in_one_line(digitcli: Run, reader: Path) -> None:
    result = digitcli("predict", "-m", reader, "-j", "2", input=b"x" * 3_000_000)
    assert (result.returncode, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.slow("processes")
def test_what_a_killed_process_was_at_is_done_again(tmp_path: Path, reader: Path) -> None:
    paths = [str(path) for path in draw_digits(tmp_path, ready=True)] * 200
    answers = answer_in_processes(DigitReading(load_model(reader)), cut(paths), jobs=2)
    answered = list(next(answers).paths)
    active_children()[0].kill()
    digits = []
    for some in answers:
        assert not some.errors
        answered += some.paths
        digits += some.probabilities.argmax(1).tolist()
    assert answered == paths
    assert digits == (list(range(10)) * 200)[-len(digits) :]


def test_an_image_that_ends_its_process_is_an_error_and_the_rest_goes_on(
    tmp_path: Path, reader: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [str(path) for path in draw_digits(tmp_path)]
    deadly = paths[4]
    monkeypatch.setattr(workers, "_answer", Deadly(deadly, tmp_path / "deaths"))
    results = list(answer_in_processes(DigitReading(load_model(reader)), [paths], jobs=2))
    errors = {
        some.paths[place]: reason for some in results for place, reason in some.errors.items()
    }
    assert [path for some in results for path in some.paths] == paths
    assert list(errors) == [deadly]
    assert "ends every process" in errors[deadly]


@pytest.mark.slow("processes")
@pytest.mark.parametrize("others", [0, 3])
def test_an_image_is_not_blamed_for_what_two_more_processes_died_of(
    tmp_path: Path, reader: Path, monkeypatch: pytest.MonkeyPatch, others: int
) -> None:
    paths = [str(path) for path in draw_digits(tmp_path)][: others + 1]
    monkeypatch.setattr(workers, "_answer", Deadly(paths[-1], tmp_path / "deaths", 3))
    results = list(answer_in_processes(DigitReading(load_model(reader)), [paths], jobs=2))
    assert (tmp_path / "deaths").read_text() == "died" * 3
    assert [path for some in results for path in some.paths] == paths
    assert not any(some.errors for some in results)


class Deadly:
    """Answers a part like a worker, but dies of one path, or the first times that it has it."""

    def __init__(self, path: str, deaths: Path, times: int = sys.maxsize) -> None:
        self.path, self.deaths, self.times = path, deaths, times

    def __call__(self, reading: DigitReading, part: Burst) -> object:
        if self.path in part:
            with self.deaths.open("a+") as file:
                file.seek(0)
                died = file.read().count("died")
                if died < self.times:
                    file.write("died")
                    file.flush()
                    os.kill(os.getpid(), signal.SIGKILL)
        return ANSWER(reading, part)


ANSWER = workers._answer


def cut(paths: list[str]) -> Iterator[Burst]:
    for start in range(0, len(paths), 100):
        yield list(paths[start : start + 100])


def running(folder: Path, reader: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "digitcli", "predict", "-m", reader, "--jobs", "2"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env=clean_environment(folder),
    )


def say(process: subprocess.Popen[bytes], path: Path) -> None:
    process.stdin.write(f"{path}\n".encode())
    process.stdin.flush()
