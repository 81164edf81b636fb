"""`--backend dask`: a real scheduler and real worker processes, some of which are killed."""

from __future__ import annotations

import json
import operator
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import Run, clean_environment, load_digits
from digitcli import cluster
from digitcli.cli.app import run
from digitcli.errors import DigitcliError, ExitCode
from digitcli.model.modelfile import load_model
from digitcli.training.recipe import RECIPES
from digitcli.training.run import Plan, train_model
from drawings import draw_digits, drawn, save_reader
from test_lines import page

pytestmark = [
    pytest.mark.slow("cluster"),
    pytest.mark.skipif(find_spec("distributed") is None, reason="needs the extra digitcli[dask]"),
]

PROGRAM = [sys.executable, "-m", "digitcli"]
GONE = 120  # seconds after which whatever was waited for will not come


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Cluster:
    """A scheduler and two workers in a folder of their own."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        port = port or free_port()
        self.address = f"tcp://127.0.0.1:{port}"
        self._folder = folder
        self._environment = clean_environment(folder) | {"OPENBLAS_NUM_THREADS": "1"}
        self._scheduler = self._start("dask_scheduler", "--port", str(port))
        self.workers: list[subprocess.Popen[bytes]] = []
        self.add_workers()

    def add_workers(self, *, allowed_failures: int = 3) -> None:
        """Have two workers, and tell the scheduler how many of them a task may take with it."""
        self.workers = [worker for worker in self.workers if worker.poll() is None]
        while len(self.workers) < 2:
            self.add_worker()

        def allow(dask_scheduler: Any) -> None:
            dask_scheduler.allowed_failures = allowed_failures

        from distributed import Client  # takes half a second, also where these tests are left out

        with Client(self.address, timeout=GONE, set_as_default=False) as client:
            client.wait_for_workers(2, GONE)
            client.run_on_scheduler(allow)

    def add_worker(self) -> None:
        self.workers.append(
            self._start("dask_worker", self.address, "--no-nanny", "--nthreads", "1")
        )

    def freeze(self, who: str) -> None:
        for process in [self._scheduler] if who == "scheduler" else self.workers:
            process.send_signal(signal.SIGSTOP)

    def kill_scheduler(self) -> None:
        self._scheduler.kill()
        self._scheduler.wait()

    def _start(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.{program}", *arguments]
        return subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--no-dashboard"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
            env=self._environment,
        )

    def close(self) -> None:
        for process in (*self.workers, self._scheduler):
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    yield made
    made.close()


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for workers on a machine that is busy."""
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", GONE)


def on_cluster(two_workers: Cluster) -> tuple[str, ...]:
    return "--backend", "dask", "--scheduler", two_workers.address


def test_evaluating_a_folder_gives_the_same(
    two_workers: Cluster,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for digit in range(10):
        folder = tmp_path / "digits" / "test" / str(digit)
        folder.mkdir(parents=True)
        for side in (48, 64):
            drawn(digit, side).save(folder / f"{side}.png")
    Path("digits/test/3/damaged.png").write_bytes(b"no picture")
    arguments = ["evaluate", "-m", str(save_reader(tmp_path / "reader.joblib"))]
    arguments += ["--dataset", "digits/", "--format", "json", "--quiet"]
    assert run(arguments) == ExitCode.PARTIAL
    here = capsys.readouterr()
    assert run([*arguments, *on_cluster(two_workers)]) == ExitCode.PARTIAL
    there = capsys.readouterr()
    assert json.loads(there.out)["count"] == 20
    assert there == here


def test_a_committee_is_the_same_and_tells_its_progress(
    two_workers: Cluster, tmp_path: Path
) -> None:
    plan = Plan(replace(RECIPES["small"], hidden_layer_sizes=(8,), epochs=2), members=2)
    told = []
    outcome = train_model(
        load_digits(),
        plan,
        output=tmp_path / "model.joblib",
        scheduler=two_workers.address,
        on_epoch=lambda member, record: told.append((member, record.epoch, record.epochs)),
    )
    here = train_model(load_digits(), plan, jobs=1)
    assert sorted(told) == [(0, 1, 2), (0, 2, 2), (1, 1, 2), (1, 2, 2)]
    assert outcome.model.metadata == here.model.metadata
    for there, member in zip(outcome.model.members, here.model.members, strict=True):
        np.testing.assert_array_equal(there.weights[0], member.weights[0])


def test_ctrl_c_ends_the_training_on_the_workers_too(two_workers: Cluster, tmp_path: Path) -> None:
    command = ["train", "--dataset", "digits", "--hidden", "8", "--epochs", "20000"]
    command += ["--patience", "20000", "--checkpoint-interval", "0", *on_cluster(two_workers)]
    process = subprocess.Popen(
        [*PROGRAM, *command],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(tmp_path),
    )
    checkpoint = tmp_path / "model.joblib.checkpoint"
    while process.poll() is None and not checkpoint.exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=GONE)
    assert (process.returncode, stdout) == (ExitCode.INTERRUPTED, "model.joblib\n"), stderr
    assert "Traceback" not in stderr
    load_model(tmp_path / "model.joblib")
    wait_until_unchanged(checkpoint)


def wait_until_unchanged(path: Path) -> None:
    deadline = time.monotonic() + GONE
    last = None
    while (now := path.stat().st_mtime_ns) != last:
        assert time.monotonic() < deadline
        last = now
        time.sleep(1)


def test_a_closed_pipe_ends_quietly(two_workers: Cluster, tmp_path: Path) -> None:
    images = [str(path) for path in draw_digits(tmp_path, ready=True)]
    listing = "".join(f"{path}\n" for path in images * 300)
    model = save_reader(tmp_path / "reader.joblib")
    with subprocess.Popen(
        [*PROGRAM, "predict", "-m", model, *on_cluster(two_workers)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environment(tmp_path),
        text=True,
    ) as process:
        process.stdin.write(listing)
        process.stdin.close()
        assert process.stdout.readline()
        process.stdout.close()
        assert process.wait(GONE) == ExitCode.OK
        assert process.stderr.read() == ""


def test_every_line_comes_once_and_in_order_though_workers_die(
    two_workers: Cluster, digitcli: Run, tmp_path: Path
) -> None:
    """First one worker dies; later the other one too, with the model and all results it holds."""
    paths = [str(path) for path in draw_digits(tmp_path / "ready", ready=True)] * 8
    paths += ["missing.png", *(str(path) for path in draw_digits(tmp_path / "drawn"))]
    listing = "".join(f"{path}\n" for path in paths * 8)
    arguments = ["predict", "-m", save_reader(tmp_path / "reader.joblib")]
    here = digitcli(*arguments, input=listing)
    with (
        (tmp_path / "errors").open("w+") as errors,
        subprocess.Popen(
            [*PROGRAM, *arguments, *on_cluster(two_workers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=tmp_path,
            env=clean_environment(tmp_path),
            text=True,
        ) as process,
    ):
        half = len(listing) // 2
        process.stdin.write(listing[:half])
        process.stdin.flush()
        lines = [process.stdout.readline()]
        two_workers.workers.pop(0).kill()
        lines += [process.stdout.readline() for _ in range(300)]
        two_workers.workers.pop(0).kill()
        two_workers.add_worker()
        process.stdin.write(listing[half:])
        process.stdin.close()
        lines += process.stdout.readlines()
        process.wait(GONE)
        errors.seek(0)
        complaints = errors.read()
    assert "".join(lines) == here.stdout
    assert process.returncode == here.returncode == ExitCode.PARTIAL
    assert complaints.count("missing.png cannot be read") == 8
    assert "Traceback" not in complaints


def test_rows_are_those_of_one_machine(two_workers: Cluster, digitcli: Run, tmp_path: Path) -> None:
    page("2074", "36").save(tmp_path / "page.png")
    page("1852").save(tmp_path / "second.png")
    arguments = ["predict", "-m", save_reader(tmp_path / "reader.joblib"), "--line"]
    arguments += ["--format", "json", "--top-k", "2", "page.png", "missing.png", "second.png"]
    here = digitcli(*arguments)
    there = digitcli(*arguments, *on_cluster(two_workers), "--explain", "why")
    assert (there.stdout, there.stderr, there.returncode) == (here.stdout, here.stderr, 3)
    assert here.stdout.count('"rows"') == 2
    assert len(list((tmp_path / "why").iterdir())) == 2


def test_other_digits_in_a_picture_are_told(
    two_workers: Cluster, digitcli: Run, tmp_path: Path
) -> None:
    number = Path(__file__).parents[1] / "examples" / "rows" / "number.png"
    arguments = ["predict", "-m", save_reader(tmp_path / "reader.joblib"), number]
    here = digitcli(*arguments)
    there = digitcli(*arguments, *on_cluster(two_workers))
    assert there.stderr == here.stderr
    assert there.stderr.startswith(f"{number} holds 4 digits")
    assert there.stdout == here.stdout


def test_what_ends_every_worker_is_given_up_and_the_rest_goes_on(two_workers: Cluster) -> None:
    two_workers.add_workers(allowed_failures=0)
    deadly = "__import__('os')._exit(1)"
    first, second, third = evaluate(two_workers, "1 + 1", deadly, "2 + 2")
    assert second == "given up"
    # The others may have been about to run on the worker that died.
    assert first in (2, "given up")
    assert third in (4, "given up")
    assert list(evaluate(two_workers, "1 + 1", "2 + 2")) == [2, 4]
    with pytest.raises(ZeroDivisionError):
        list(evaluate(two_workers, "1 / 0"))


def evaluate(made: Cluster, *expressions: str) -> Iterator[object]:
    calls = ((expression,) for expression in expressions)
    return cluster.run_on_cluster(
        made.address, operator.call, (eval,), calls, given_up=lambda _: "given up"
    )


def test_a_scheduler_that_dies_is_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    made = Cluster(tmp_path)
    try:
        monkeypatch.setattr(cluster, "ABSENCE_SECONDS", 1)
        results = evaluate(made, "1", *["__import__('time').sleep(0.2)"] * 100)
        assert next(results) == 1
        made.kill_scheduler()
        with pytest.raises(DigitcliError, match=f"no Dask workers at {made.address}"):
            list(results)
        assert capfd.readouterr().err == ""
    finally:
        made.close()


def test_an_address_where_something_else_listens_is_one_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(DigitcliError, match="does not answer as a scheduler"):
            list(cluster.run_on_cluster(address, len, (), [("abc",)], given_up=len))


def test_every_page_of_a_file_is_read(
    two_workers: Cluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    save_reader(tmp_path / "reader.joblib")
    first, second = (drawn(digit).convert("L") for digit in (4, 5))
    first.save("two.tif", save_all=True, append_images=[second])
    arguments = "predict", "-m", "reader.joblib", "--explain", "why", "two.tif"
    assert run([*arguments, *on_cluster(two_workers)]) == ExitCode.OK
    output = capsys.readouterr().out
    lines = [line.split("\t")[:2] for line in output.splitlines()]
    assert lines == [["two.tif[1]", "4"], ["two.tif[2]", "5"]]
    assert {path.name for path in Path("why").iterdir()} == {"two.tif[1].png", "two.tif[2].png"}


@pytest.mark.parametrize("who", ["scheduler", "workers"])
def test_what_is_frozen_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    made = Cluster(tmp_path)
    try:
        monkeypatch.setattr(cluster, "ABSENCE_SECONDS", 3)

        def calls() -> Iterator[tuple[int]]:
            yield (1,)
            frozen.wait()
            yield (2,)

        frozen = threading.Event()
        results = cluster.run_on_cluster(made.address, operator.mul, ("a",), calls(), given_up=len)
        assert next(results) == "a"
        made.freeze(who)
        frozen.set()
        with pytest.raises(DigitcliError, match="no Dask workers at"):
            list(results)
    finally:
        made.close()


def test_an_absent_scheduler_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 0.5)
    image = str(draw_digits(tmp_path)[0])
    arguments = ["predict", "--backend", "dask", "--scheduler", "tcp://127.0.0.1:9", image]
    assert run(arguments) == ExitCode.FAILED
    output, complaint = capsys.readouterr()
    assert output == ""
    assert complaint.count("\n") == 1
    assert "no Dask workers at tcp://127.0.0.1:9" in complaint


DYING = """
import asyncio, os, sys
from distributed import Scheduler

class Dying(Scheduler):
    async def add_client(self, *_, **__):
        os._exit(0)

async def main():
    async with Dying(host="127.0.0.1", port=int(sys.argv[1]), dashboard=False) as scheduler:
        await scheduler.finished()

asyncio.run(main())
"""


def test_a_scheduler_that_is_started_again_while_one_connects_is_waited_for(tmp_path: Path) -> None:
    port = free_port()
    started: list[Cluster] = []
    command = [sys.executable, "-c", DYING, str(port)]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL) as dying:

        def start_again() -> None:
            dying.wait(GONE)
            started.append(Cluster(tmp_path, port))

        again = threading.Thread(target=start_again)
        again.start()
        try:
            address = f"tcp://127.0.0.1:{port}"
            calls = [("b",), ("c",)]
            found = list(cluster.run_on_cluster(address, operator.add, ("a",), calls, given_up=len))
        finally:
            dying.kill()
            again.join()
            for made in started:
                made.close()
    assert found == ["ab", "ac"]


class Unknown:
    """Cannot be made anew where it arrives, as what belongs to a package that is not there."""

    def __reduce__(self) -> tuple[Any, ...]:
        return __import__, ("digitcli.missing",)


def test_a_worker_without_digitcli_is_told_in_a_line(two_workers: Cluster) -> None:
    calls = [(1,)]
    with pytest.raises(DigitcliError, match=r"a worker cannot run digitcli \(.*missing.*install"):
        list(
            cluster.run_on_cluster(
                two_workers.address, operator.mul, (Unknown(),), calls, given_up=len
            )
        )


def test_a_worker_with_another_version_says_so() -> None:
    result, error = cluster._call("0.0.1", len, (), ("abc",), None)
    assert result is None
    assert isinstance(error, DigitcliError)
    assert "not 0.0.1" in str(error)


@pytest.mark.parametrize(
    "arguments",
    [
        ("predict", "--backend", "dask", "x.png"),
        ("predict", "--scheduler", "tcp://x:1", "x.png"),
        ("predict", "--backend", "dask", "--scheduler", "tcp://x:1", "--jobs", "2", "x.png"),
        ("predict", "--backend", "dask", "--scheduler", "tcp://x:1", "--stdin-image"),
        ("evaluate", "--backend", "dask", "--scheduler", "tcp://x:1", "--dataset", "digits"),
        ("train", "--backend", "dask", "--scheduler", "tcp://x:1", "--jobs", "2"),
    ],
)
def test_options_that_do_not_go_together(arguments: tuple[str, ...]) -> None:
    assert run(list(arguments)) == ExitCode.USAGE
