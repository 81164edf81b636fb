"""Fixtures that every test may use."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from threadpoolctl import threadpool_limits

from digitcli.data import uci
from digitcli.data.dataset import Dataset
from warm_start import ONE_THREAD, Request, WarmStart

# A shell starts background jobs with Ctrl-C ignored, which the programs under test would inherit.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

posix = pytest.mark.skipif(os.name != "posix", reason="signals, links and pipes of POSIX")

Run = Callable[..., "subprocess.CompletedProcess[str]"]

SLOW = {
    "browser": "need a browser",
    "cluster": "start a cluster",
    "pictures": "read many pictures",
    "processes": "start and kill many processes",
    "training": "train for long",
}
"""Why a test is slow: what ``pytest.mark.slow`` may say."""

HIDDEN = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "PYTHONUNBUFFERED")
"""What users rarely set and would change what the program shows, or when."""


@pytest.fixture(scope="session", autouse=True)
def _one_blas_thread() -> Iterator[None]:
    """Several workers with several threads each wait for each other most of the time."""
    with threadpool_limits(1):
        yield


@cache
def load_digits() -> Dataset:
    """Return the embedded digits, which take most of a second to make; not to be changed."""
    digits = uci.load_digits()
    for array in (digits.images, digits.labels, digits.split):
        array.setflags(write=False)
    return digits


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with ``mnist/`` and ``real/``; tests that need it are skipped without it."""
    folder = os.environ.get("DIGITCLI_TEST_DATA")
    if not folder:
        pytest.skip("DIGITCLI_TEST_DATA does not name a folder with MNIST and real pictures")
    path = Path(folder).resolve()
    if not (path / "mnist").is_dir():
        pytest.skip(f"{path} holds no mnist folder")
    return path


@pytest.fixture(scope="session")
def warm_start() -> Iterator[WarmStart | None]:
    """A process that the program is forked from, where that can be done."""
    if sys.platform != "linux":
        yield None
        return
    started = WarmStart()
    yield started
    started.close()


@pytest.fixture
def digitcli(tmp_path: Path, warm_start: WarmStart | None) -> Run:
    """Run the program as a process in an empty folder, with its own data folder."""

    def run(
        *arguments: str | Path,
        input: str | bytes | None = None,
        env: dict[str, str] | None = None,
        timeout: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        data = input.encode("utf-8", "surrogateescape") if isinstance(input, str) else input
        command = list(map(os.fspath, arguments))
        environment = clean_environment(tmp_path) | (env or {})
        with tempfile.TemporaryDirectory() as folder:
            stdin, stdout, stderr = (Path(folder, str(number)) for number in range(3))
            stdin.write_bytes(data or b"")
            stdout.touch()
            stderr.touch()
            if warm_start is not None and not any(map(read_by_python, env or {})):
                streams = [os.devnull if data is None else str(stdin), str(stdout), str(stderr)]
                request = Request(command, str(tmp_path), environment, *streams)
                code = warm_start.run(request, timeout)
            else:
                with stdin.open("rb") as into, stdout.open("wb") as out, stderr.open("wb") as told:
                    code = subprocess.run(
                        [sys.executable, "-m", "digitcli", *command],
                        stdin=subprocess.DEVNULL if data is None else into,
                        stdout=out,
                        stderr=told,
                        cwd=tmp_path,
                        timeout=timeout,
                        env=environment,
                    ).returncode
            return subprocess.CompletedProcess(
                command,
                code,
                stdout.read_bytes().decode("utf-8", "surrogateescape"),
                stderr.read_bytes().decode("utf-8", "surrogateescape"),
            )

    return run


def read_by_python(variable: str) -> bool:
    """Return whether the interpreter or NumPy's libraries look at a variable when they start."""
    return variable.startswith(("PYTHON", "LC_", "LANG", "OMP_", "OPENBLAS_"))


def clean_environment(home: Path) -> dict[str, str]:
    """Return the environment without what would change digitcli's answers.

    With one thread for all, however the program starts: sums of several differ in the last bits.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("DIGITCLI_") and name not in HIDDEN
    }
    return kept | {"DIGITCLI_DATA_DIR": os.fspath(home / "data")} | ONE_THREAD


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse slow tests that do not say why."""
    for item in items:
        for mark in item.iter_markers("slow"):
            if mark.args not in [(why,) for why in SLOW]:
                raise pytest.UsageError(f"{item.nodeid} must be slow for one of {', '.join(SLOW)}")


LEFT_OUT = pytest.StashKey["Counter[str]"]()
"""Why tests were left out, and how many for each reason."""


def pytest_configure(config: pytest.Config) -> None:
    """Start counting."""
    config.stash[LEFT_OUT] = Counter()


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Count slow tests."""
    for item in items:
        if mark := item.get_closest_marker("slow"):
            item.config.stash[LEFT_OUT][mark.args[0]] += 1


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Let a process of pytest-xdist tell the one that reports; each has left out the same."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = dict(session.config.stash[LEFT_OUT])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a process of pytest-xdist told."""
    node.config.stash[LEFT_OUT] = Counter(getattr(node, "workeroutput", {}).get("left_out", {}))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say which slow tests were left out, and how to run them."""
    counts = config.stash[LEFT_OUT]
    if counts and config.option.markexpr == "not slow":
        told = ", ".join(f"{counts[why]} {what}" for why, what in SLOW.items() if counts[why])
        terminalreporter.write_line(
            f"left out {counts.total()} slow tests ({told}); run them with: pytest -m slow"
        )
