"""Short runs of the scripts in faults/: nothing lost, nobody let in."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

FAULTS = Path(__file__).parent.parent / "faults"

pytestmark = [
    pytest.mark.slow("processes"),
    pytest.mark.skipif(not FAULTS.is_dir(), reason="the sources are not all there"),
    pytest.mark.skipif(os.name != "posix", reason="signals and limits of POSIX"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]
sys.path.insert(0, os.fspath(FAULTS))


def check(rows: Iterable[Any]) -> None:
    """Each fault was tried and lost nothing."""
    tried = 0
    for row in rows:
        assert not row.lost, row
        assert row.tried > 0
        tried += 1
    assert tried


SHORT = """
import sys
sys.path.insert(0, {folder!r})
import {module}
for row in {module}.rows({count}, 7, with_large=False):
    assert row.tried and not row.lost, row
    print(row.fault, row.seen)
"""


@pytest.mark.parametrize("module", ["fuzz_models", "fuzz_datasets"])
def test_a_short_fuzz_loses_nothing(module: str) -> None:
    code = SHORT.format(folder=os.fspath(FAULTS), module=module, count=300)
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )
    assert result.returncode == 0, result.stderr
    assert "refused" in result.stdout
    assert " read (" in result.stdout


def test_the_watch_sees_what_a_reader_must_not_do(tmp_path: Path) -> None:
    code = f"""
import os, socket, subprocess, sys
from pathlib import Path
sys.path.insert(0, {os.fspath(FAULTS)!r})
from fuzz import once
path = Path({os.fspath(tmp_path)!r})
(path / "file").touch()
deeds = [
    lambda _: (path / "new").open("w"), lambda _: os.open(path / "file", os.O_RDWR),
    lambda _: os.mkdir(path / "folder"), lambda _: socket.socket(), lambda _: eval("1"),
    lambda _: subprocess.Popen(["true"]).wait(), lambda _: os.system("true"),
    lambda _: __import__("this_is_new"), lambda _: __import__("pickle").loads(b"cos\\nsystem\\n."),
]
for deed in deeds:
    print(bool(once(deed, path).seen))
print(bool(once(lambda file: (file / "file").read_bytes(), path).seen))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.split() == ["True"] * 9 + ["False"], result.stderr


def test_the_growing_files_that_were_once_too_much_are_refused(tmp_path: Path) -> None:
    """A nest, an unfolding list, floats and an aliased array, each in a process of its own."""
    import fuzz_models
    from fuzz import _read_alone

    nest = b"\x80\4}(\x8c\6format\x8c\x0edigitcli-model\x8c\7version%su."
    inputs = [
        nest % fuzz_models.nested(10**5),
        nest % fuzz_models.laughs(10, 30),
        nest % ((b"G" + bytes(8)) * 300_000),
        next(fuzz_models.aliased()),
    ]
    for data in inputs:
        path = tmp_path / "model.joblib"
        path.write_bytes(data)
        command = (os.fspath(FAULTS / "fuzz_models.py"), "--read", "model")
        reading = _read_alone(command, path)
        assert reading.outcome == "refused"
        assert "holds too much" in reading.text
        assert not reading.wrongs()


@pytest.mark.parametrize(
    "kind", ["model", "dataset .npz", "history .csv", "explanation .png", "download"]
)
def test_a_few_kills_and_full_disks_lose_nothing(kind: str) -> None:
    import kill_writers

    rng = random.Random(7)
    check([kill_writers.kill(kind, 4, rng), kill_writers.fill(kind, 2, rng, None)])


def test_what_others_do_meanwhile_loses_nothing(tmp_path: Path) -> None:
    import meanwhile

    rows = [meanwhile.models(3, tmp_path)]
    if os.geteuid() == 0:
        rows.append(meanwhile.links(2, tmp_path))
    check(rows)


def test_two_fetches_and_a_few_faulty_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    import faulty_servers

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    rng = random.Random(7)
    check([faulty_servers.kills(3, rng), faulty_servers.together(1, rng)])
    check(faulty_servers.faults(2, rng, names=("cut", "gzip_bomb")))


@pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")
@pytest.mark.parametrize("blow", ["SIGKILL of a worker", "SIGKILL of the first process"])
def test_killed_processes_lose_nothing(blow: str) -> None:
    import kill_processes

    check([kill_processes.often("predict", blow, 1, random.Random(7))])
