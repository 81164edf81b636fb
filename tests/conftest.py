"""Fixtures that every test may use."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits

from digitcli.data import uci
from digitcli.data.dataset import Dataset

# A shell starts background jobs with Ctrl-C ignored, which the programs under test would inherit.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

posix = pytest.mark.skipif(os.name != "posix", reason="signals, links and pipes of POSIX")

Run = Callable[..., "subprocess.CompletedProcess[str]"]

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


@pytest.fixture
def digitcli(tmp_path: Path) -> Run:
    """Run the program as a process in an empty folder, with its own data folder."""

    def run(
        *arguments: str | Path,
        input: str | bytes | None = None,
        env: dict[str, str] | None = None,
        timeout: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        data = input.encode("utf-8", "surrogateescape") if isinstance(input, str) else input
        result = subprocess.run(
            [sys.executable, "-m", "digitcli", *map(os.fspath, arguments)],
            input=data,
            stdin=subprocess.DEVNULL if data is None else None,
            capture_output=True,
            cwd=tmp_path,
            timeout=timeout,
            env=clean_environment(tmp_path) | (env or {}),
        )
        return subprocess.CompletedProcess(
            result.args,
            result.returncode,
            result.stdout.decode("utf-8", "surrogateescape"),
            result.stderr.decode("utf-8", "surrogateescape"),
        )

    return run


def clean_environment(home: Path) -> dict[str, str]:
    """Return the environment without what would change digitcli's answers."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("DIGITCLI_") and name not in HIDDEN
    }
    return kept | {"DIGITCLI_DATA_DIR": os.fspath(home / "data")}
