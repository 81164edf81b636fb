"""`predict --backend dask`: a real scheduler and real workers, one of which is killed."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Run, clean_environment
from drawings import draw_digits, save_reader

PROGRAM = [sys.executable, "-m", "digitcli"]

pytest.importorskip("distributed", reason="needs the extra digitcli[dask]")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """The address of a scheduler, and its two workers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    dask = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--no-nanny"]
    environment = clean_environment(tmp_path) | {"OPENBLAS_NUM_THREADS": "1"}

    def start(*command: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--no-dashboard"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=tmp_path,
            env=environment,
        )

    scheduler = start(*dask, "--port", str(port))
    workers = [start(*worker, "--nthreads", "1") for _ in range(2)]
    yield address, workers
    for process in (*workers, scheduler):
        process.terminate()
    for process in (*workers, scheduler):
        process.wait(20)


def test_every_line_comes_once_and_in_order_though_a_worker_dies(
    digitcli: Run, tmp_path: Path, cluster: tuple[str, list[subprocess.Popen[bytes]]]
) -> None:
    address, workers = cluster
    paths = [str(path) for path in draw_digits(tmp_path / "ready", ready=True)]
    paths += ["missing.png", *map(str, draw_digits(tmp_path / "drawn"))]
    listing = "".join(f"{path}\n" for path in paths * 50)
    arguments = ["predict", "-m", save_reader(tmp_path / "reader.joblib")]
    here = digitcli(*arguments, input=listing)
    (tmp_path / "listing").write_text(listing)
    with (
        (tmp_path / "listing").open("rb") as stdin,
        (tmp_path / "errors").open("w+") as errors,
        subprocess.Popen(
            [*PROGRAM, *arguments, "--backend", "dask", "--scheduler", address],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=tmp_path,
            env=clean_environment(tmp_path),
            text=True,
        ) as process,
    ):
        first = process.stdout.readline()
        workers[0].kill()
        output = process.stdout.read()
        process.wait(60)
        errors.seek(0)
        complaints = errors.read()
    assert first + output == here.stdout
    assert process.returncode == here.returncode == 3
    assert complaints.count("missing.png cannot be read") == 50
    assert "Traceback" not in complaints


def test_an_absent_scheduler_is_one_line(
    digitcli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT", "1s")
    (image,) = draw_digits(tmp_path)[:1]
    result = digitcli("predict", "--backend", "dask", "--scheduler", "tcp://127.0.0.1:9", image)
    assert (result.returncode, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1
    assert "no Dask workers at tcp://127.0.0.1:9" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [("--backend", "dask"), ("--scheduler", "tcp://x:1")],
)
def test_backend_and_scheduler_go_together(digitcli: Run, arguments: tuple[str, ...]) -> None:
    assert digitcli("predict", *arguments, "x.png").returncode == 2
