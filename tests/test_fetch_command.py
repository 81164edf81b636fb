"""`digitcli fetch` as a process: streams, exit codes, signals, full disks."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import servers
from conftest import Run, clean_environment
from digitcli.data.mnist import FILES

NAMES = [file.name for file in FILES]


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def zeros(request: servers.Request, body: bytes) -> None:
    """Send as many bytes as the wanted file has, but other ones, in about a second."""
    size = next(file.size for file in FILES if request.path.endswith(file.name))
    request.head(Content_Length=size)
    for _ in range(0, size, size // 50):
        request.wfile.write(bytes(size // 50))
        if not request.wait(0.02):
            return
    request.wfile.write(bytes(size % (size // 50)))


@pytest.fixture
def slow_server(tmp_path: Path) -> Iterator[servers.Server]:
    with servers.serve(tmp_path, zeros) as server:
        yield server


def start(home: Path, *arguments: str, **options: int) -> subprocess.Popen[str]:
    """Start a fetch in the background."""
    return subprocess.Popen(
        [sys.executable, "-m", "digitcli", "fetch", *arguments],
        env=clean_environment(home),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        **{"stderr": subprocess.PIPE, **options},
    )


def _has_bytes(path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_size > 0
    except FileNotFoundError:  # a file that was there only to see what the file system can
        return False


def wait_until_downloading(folder: Path) -> None:
    """Wait until a temporary file has grown."""
    end = time.monotonic() + 20
    while not any(map(_has_bytes, folder.rglob("*"))):
        assert time.monotonic() < end
        time.sleep(0.02)


def test_paths_go_to_stdout_and_the_table_to_stderr(
    digitcli: Run, shared_data: Path, tmp_path: Path
) -> None:
    with (
        servers.serve(tmp_path, servers.not_found) as missing,
        servers.serve(shared_data / "mnist", servers.well) as good,
    ):
        result = digitcli("fetch", "--from", missing.url, "--from", good.url)
        again = digitcli("fetch", "mnist", "--offline")
        assert len(good.requests) == 4
    folder = tmp_path / "data" / "mnist"
    assert result.returncode == 0
    assert result.stdout.splitlines() == [str(folder / name) for name in NAMES]
    assert result.stderr.count("skipped") == 1
    assert f"{missing.url} skipped for {NAMES[0]}: answered 404" in result.stderr
    for file in FILES:
        row = [file.name, f"{file.size:,}", good.url, "SHA-256"]
        assert row in [re.findall(r"[^│\s]+", line) for line in result.stderr.splitlines()]
        assert (folder / file.name).stat().st_size == file.size
    assert again.stdout == result.stdout
    assert again.stderr.count("already there") == 4


def test_quiet_prints_the_paths_only(digitcli: Run, shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "mnist"
    result = digitcli("fetch", "-q", "--from", "nowhere", "--from", source, "--data-dir", "here")
    assert result.stdout.splitlines() == [f"here/mnist/{name}" for name in NAMES]
    assert result.stderr == ""
    assert (tmp_path / "here" / "mnist" / NAMES[0]).is_file()


def test_failure_is_one_line_that_names_every_mirror(digitcli: Run, tmp_path: Path) -> None:
    with servers.serve(tmp_path, servers.login_page) as server:
        result = digitcli("fetch", "-q", "--from", server.url, "--from", tmp_path / "none")
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("digitcli: error: train-images-idx3-ubyte.gz could not be")
    assert f"{server.url}: announces 36 bytes" in result.stderr
    assert f"{tmp_path / 'none'}: is not a folder" in result.stderr


def test_a_file_is_announced_once_however_often_it_is_tried(digitcli: Run) -> None:
    result = digitcli("fetch", "--from", "http://127.0.0.1:1/a/", "--from", "http://127.0.0.1:1/b/")
    assert result.returncode == 1
    assert result.stderr.count("fetching train-images-idx3-ubyte.gz") == 1
    assert result.stderr.count(" skipped for ") == 2


@pytest.mark.parametrize(
    ("arguments", "word"),
    [(["cifar"], "mnist"), (["--from", "ftp://example.org/"], "ftp:"), (["--form", "x"], "--from")],
)
def test_wrong_usage(digitcli: Run, arguments: list[str], word: str) -> None:
    result = digitcli("fetch", *arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert word in result.stderr


def test_offline_without_the_files_fails(digitcli: Run, tmp_path: Path) -> None:
    result = digitcli("fetch", "--offline")
    assert result.returncode == 1
    assert "--offline" in result.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_ctrl_c_leaves_nothing_behind(slow_server: servers.Server, tmp_path: Path) -> None:
    process = start(tmp_path, "--from", slow_server.url)
    wait_until_downloading(tmp_path / "data")
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=20)
    assert process.returncode == 130
    assert stdout == ""
    assert "Traceback" not in stderr
    assert not list((tmp_path / "data" / "mnist").iterdir())


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_the_next_fetch_clears_what_a_killed_one_left(
    slow_server: servers.Server, digitcli: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "data" / "mnist"
    process = start(tmp_path, "--from", slow_server.url)
    wait_until_downloading(folder)
    process.kill()
    process.communicate(timeout=20)
    assert len(list(folder.iterdir())) == 1  # a temporary folder, and none of the final names
    assert not any((folder / name).exists() for name in NAMES)
    assert digitcli("fetch", "--from", tmp_path / "none").returncode == 1
    assert not list(folder.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="POSIX limits")
def test_a_full_disk_is_said_and_leaves_nothing(
    slow_server: servers.Server, tmp_path: Path
) -> None:
    import resource

    process = subprocess.run(
        [sys.executable, "-m", "digitcli", "fetch", "--from", slow_server.url],
        env=clean_environment(tmp_path),
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20)),
    )
    assert process.returncode == 1
    assert "train-images-idx3-ubyte.gz cannot be written: file too large" in process.stderr
    assert "Traceback" not in process.stderr
    assert not list((tmp_path / "data" / "mnist").iterdir())


@pytest.mark.skipif(os.name == "nt", reason="no pseudo-terminals")
def test_a_bar_is_shown_on_a_terminal_and_nowhere_else(
    slow_server: servers.Server, tmp_path: Path
) -> None:
    import pty

    ours, theirs = pty.openpty()
    process = start(tmp_path, "--from", slow_server.url, stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        while block := os.read(ours, 65536):
            shown += block
    except OSError:  # Linux says so when the other end is closed
        pass
    os.close(ours)
    stdout, _ = process.communicate(timeout=20)
    assert process.returncode == 1
    assert stdout == ""
    assert b"\x1b[" in shown
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert "train-images-idx3-ubyte.gz ━" in text
    assert "/9.9 MB" in text
    assert re.search(
        r"[\r\n]http:\S+ skipped for train-images-idx3-ubyte.gz: serves another file", text
    )
    assert text.splitlines()[-1].startswith("digitcli: error: train-images-idx3-ubyte.gz")
