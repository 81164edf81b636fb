"""Kill and starve whoever writes: the old file or the new one is there whole, and no litter stays.

Each kind of output is written over and over by the code that the commands use, in a process that is
killed with SIGKILL after a random time; then the same again with too little room on the disk.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from table import Row, main

from digitcli.data.dataset import Dataset, load_npz
from digitcli.data.download import Mirror, RemoteFile, fetch
from digitcli.data.idx import read_idx, write_idx
from digitcli.data.preview import save_contact_sheet
from digitcli.errors import DigitcliError
from digitcli.evaluation.describe import describe
from digitcli.evaluation.evaluate import evaluate
from digitcli.evaluation.junit import write_junit
from digitcli.evaluation.report import write_report
from digitcli.files import remove_litter
from digitcli.model.modelfile import load_model, save_model
from digitcli.model.network import Model, Network
from digitcli.training.checkpoint import Checkpoint
from digitcli.training.trainer import TrainingState

Write = Callable[[Path, int], None]
Check = Callable[[Path], int]
"""Returns which version a file is, having read all of it."""

N = 1200


def network(version: int, hidden: int = 300) -> Network:
    shapes = ((784, hidden), (hidden, 10))
    return Network(
        tuple(np.full(shape, version, np.float32) for shape in shapes),
        tuple(np.full(units, version, np.float32) for _, units in shapes),
    )


def _one_value(arrays: Any) -> int:
    values = {float(value) for array in arrays for value in (array.min(), array.max())}
    assert len(values) == 1, f"a mixture of {values}"
    return int(values.pop())


def write_model(path: Path, version: int) -> None:
    save_model(Model((network(version),), {"version": version}), path)


def check_model(path: Path) -> int:
    model = load_model(path)
    version = _one_value((*model.members[0].weights, *model.members[0].biases))
    assert model.metadata == {"version": version}
    return version


def _checkpoint(path: Path) -> Checkpoint:
    return Checkpoint(path, {"hidden_layer_sizes": [300]}, interval=0)


def write_checkpoint(path: Path, version: int) -> None:
    history = [{"version": version}]
    state = TrainingState(network(version), network(version), 1, 1, 0.5, history)
    _checkpoint(path).save(state)


def check_checkpoint(path: Path) -> int:
    state = _checkpoint(path).load()
    assert state is not None
    version = _one_value((*state.network.weights, *state.best.weights))
    assert state.history == [{"version": version}]
    return version


def dataset(version: int) -> Dataset:
    images = np.random.default_rng(version).integers(0, 256, (N, 28, 28), dtype=np.uint8)
    labels = (np.arange(N) % 10).astype(np.uint8)
    images[:, 0, 0] = version % 250
    return Dataset("data", images, labels, np.full(N, "test"))


def write_dataset(path: Path, version: int) -> None:
    dataset(version).save(path)


def check_dataset(path: Path) -> int:
    return _one_value([load_npz(path).images[:, 0, 0]])


def write_idx_file(path: Path, version: int) -> None:
    write_idx(path, np.full((N, 28, 28), version % 250, np.uint8))


def check_idx_file(path: Path) -> int:
    return _one_value([read_idx(path, ndim=3)])


class _Outcome:
    """What `train` hands to the function that writes its history."""

    def __init__(self, version: int) -> None:
        history = {"epoch": list(range(1, 3001)), "version": [version] * 3000}
        self.model = Model((), {"history": history})


def write_history(path: Path, version: int) -> None:
    from digitcli.cli.train import _write_history

    _write_history(_Outcome(version), path)  # type: ignore[arg-type]


def check_history(path: Path) -> int:
    if path.suffix == ".json":
        rows = json.loads(path.read_text())
    else:
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == list(range(1, 3001))
    return _one_value([np.array([int(row["version"]) for row in rows])])


_EVALUATIONS: dict[int, Any] = {}


def _evaluated(version: int) -> tuple[Any, Model]:
    version = version % 2 + 1
    if version not in _EVALUATIONS:
        model = Model((network(version, 8),), {"version": version}, f"version{version}")
        _EVALUATIONS[version] = evaluate(model, dataset(1), split="test"), model
    return _EVALUATIONS[version]  # type: ignore[no-any-return]


def write_html(path: Path, version: int) -> None:
    evaluation, model = _evaluated(version)
    write_report(evaluation, path, describe(model))


def check_html(path: Path) -> int:
    text = path.read_text()
    assert text.startswith("<!")
    assert text.rstrip().endswith("</html>")
    return 1 + ("version2" in text)


def write_xml(path: Path, version: int) -> None:
    evaluation, _model = _evaluated(version)
    write_junit(evaluation, [], path)


def check_xml(path: Path) -> int:
    import xml.etree.ElementTree as ET

    return len(list(ET.parse(path).iter())) and 1


def write_sheet(path: Path, version: int) -> None:
    save_contact_sheet(dataset(version), path)


def check_sheet(path: Path) -> int:
    from PIL import Image

    with Image.open(path) as image:
        image.load()
    return 1


REMOTE_BYTES = gzip.compress(np.random.default_rng(9).bytes(2_000_000), 1, mtime=0)


def write_download(path: Path, version: int) -> None:
    """Fetch by force from a folder, over what is there."""
    import hashlib

    mirror = path.parent.with_name(path.parent.name + "-mirror")
    if not (mirror / path.name).exists():
        mirror.mkdir(exist_ok=True)
        (mirror / path.name).write_bytes(REMOTE_BYTES)
    sha256 = hashlib.sha256(REMOTE_BYTES).hexdigest()
    file = RemoteFile(path.name, len(REMOTE_BYTES), sha256)
    fetch([file], [Mirror.parse(os.fspath(mirror))], path.parent, force=True)


def check_download(path: Path) -> int:
    assert path.read_bytes() == REMOTE_BYTES, "not the verified bytes"
    return 1


KINDS: dict[str, tuple[str, Write, Check]] = {
    "model": ("model.joblib", write_model, check_model),
    "checkpoint": ("model.joblib.checkpoint", write_checkpoint, check_checkpoint),
    "dataset .npz": ("data.npz", write_dataset, check_dataset),
    "IDX file": ("images-idx3-ubyte", write_idx_file, check_idx_file),
    "history .csv": ("history.csv", write_history, check_history),
    "history .json": ("history.json", write_history, check_history),
    "report .html": ("report.html", write_html, check_html),
    "JUnit .xml": ("report.xml", write_xml, check_xml),
    "preview .png": ("sheet.png", write_sheet, check_sheet),
    "download": ("file.gz", write_download, check_download),
}


def work(kind: str, path: Path) -> None:
    """Write versions 1, 2, 3, … for ever, telling when each begins."""
    _name, write, _check = KINDS[kind]
    remove_litter(path.parent)
    for version in range(2, 10**9):
        os.write(1, b"%d\n" % version)
        write(path, version % 200 + 1)


def kill(kind: str, count: int, rng: random.Random) -> Row:
    """Kill a process that writes, `count` times, and look at what is there each time."""
    name, write, check = KINDS[kind]
    lost: list[str] = []
    landed: Counter[str] = Counter()
    folder = Path(tempfile.mkdtemp(prefix="digitcli-faults-"))
    path = folder / "out" / name
    path.parent.mkdir()
    started = time.perf_counter()
    for version in range(3):
        write(path, version + 1)
    one_write = (time.perf_counter() - started) / 3
    try:
        for number in range(count):
            process = _start_worker(kind, path)
            if number % 2:  # preparing may take longer than writing, which is what matters
                _wait_for_litter(path.parent)
                time.sleep(rng.random() ** 2 * one_write / 2)
            else:
                time.sleep(rng.random() * 1.5 * one_write)
            if process.poll() is not None:
                lost.append(f"{kind}, kill {number}: the writer had ended by itself")
            process.kill()
            process.wait()
            process.stdout.close()  # type: ignore[union-attr]
            litter = [entry for entry in path.parent.iterdir() if entry.name.startswith(".")]
            sizes = [_size(entry) for entry in litter]
            landed[
                "while it wrote" if any(sizes) else "its file still empty" if litter else "between"
            ] += 1
            try:
                check(path)
            except (Exception, AssertionError) as error:
                lost.append(f"{kind}, kill {number}: {type(error).__name__}: {error}"[:300])
                write(path, 1)
            if len(litter) > 1:
                lost.append(f"{kind}, kill {number}: {len(litter)} pieces of litter")
        write(path, 1)
        left = [e.name for e in path.parent.iterdir() if e.name.startswith(".")]
        lost += [f"{kind}: {entry} was not cleared" for entry in left]
    finally:
        shutil.rmtree(folder)
        shutil.rmtree(folder / "out-mirror", ignore_errors=True)
    seen = ", ".join(f"{n} {where}" for where, n in landed.most_common())
    return Row(f"SIGKILL while a {kind} is written", count, tuple(lost), seen)


def _wait_for_litter(folder: Path) -> None:
    end = time.monotonic() + 5
    while time.monotonic() < end and not any(e.name.startswith(".") for e in folder.iterdir()):
        time.sleep(0.0001)


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size


def _start_worker(kind: str, path: Path) -> subprocess.Popen[bytes]:
    """Fork a writer off this process, which has imported everything, and wait till it writes."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(reading)
        os.dup2(writing, 1)
        try:
            work(kind, path)
        finally:
            os._exit(1)
    os.close(writing)
    process = _Child(pid, reading)
    process.stdout.readline()
    return process  # type: ignore[return-value]


class _Child:
    """What of `subprocess.Popen` is needed for a process that was forked."""

    def __init__(self, pid: int, reading: int) -> None:
        self.pid = pid
        self.stdout = open(reading, "rb")  # noqa: SIM115

    def poll(self) -> int | None:
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return status if pid else None

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> None:
        os.waitpid(self.pid, 0)


# --- full disks --------------------------------------------------------------------------------


def fill(kind: str, count: int, rng: random.Random, disk: Path | None) -> Row:
    """Write with less and less room: on a small file system, or else under a limit of file size."""
    name, write, check = KINDS[kind]
    lost: list[str] = []
    outcomes: Counter[str] = Counter()
    folder = Path(tempfile.mkdtemp(prefix="digitcli-faults-", dir=disk))
    path = folder / "out" / name
    path.parent.mkdir()
    write(path, 1)
    size = path.stat().st_size
    for number in range(count):
        room = int(size * rng.random() * 0.98)
        outcome = _write_with(room, write, path, disk)
        outcomes["refused" if outcome.startswith("refused") else "written"] += 1
        text = outcome.partition(" ")[2]
        if outcome.startswith("escaped") or "\n" in text:
            lost.append(f"{kind}, try {number}: {outcome}"[:300])
        try:
            check(path)
        except (Exception, AssertionError) as error:
            lost.append(f"{kind}, try {number}: {type(error).__name__}: {error}"[:300])
        if left := [e.name for e in path.parent.iterdir() if e.name.startswith(".")]:
            lost.append(f"{kind}, try {number}: left {left}")
    shutil.rmtree(folder)
    shutil.rmtree(folder / "out-mirror", ignore_errors=True)
    how = "full disk (tmpfs)" if disk else "file size limit"
    seen = ", ".join(f"{n} {what}" for what, n in outcomes.most_common())
    if not outcomes["refused"]:
        lost.append(f"{kind}: there was always room")
    return Row(f"{how} while a {kind} is written", count, tuple(lost), seen)


def _write_with(room: int, write: Write, path: Path, disk: Path | None) -> str:
    reading, writing = os.pipe()
    ballast = None
    if disk:
        status = os.statvfs(disk)
        ballast = disk / "ballast"
        with ballast.open("wb") as file:
            size = max(0, status.f_bavail * status.f_frsize - room)
            os.posix_fallocate(file.fileno(), 0, max(1, size))
    pid = os.fork()
    if not pid:
        os.close(reading)
        if not disk:
            import resource

            resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
        try:
            write(path, 2)
            said = "written"
        except DigitcliError as error:
            said = f"refused {error}"
        except BaseException as error:
            said = f"escaped {type(error).__name__}: {error}"
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(pid, 0)
    if ballast:
        ballast.unlink()
    return said or "escaped without a word"


def small_disk() -> Path | None:
    """Mount a file system of 24 MB, where that is allowed."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which("mount") is None:
        return None
    folder = Path(tempfile.mkdtemp(prefix="digitcli-faults-disk-"))
    command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", os.fspath(folder)]
    if subprocess.run(command, capture_output=True).returncode:
        folder.rmdir()
        return None
    return folder


def rows(count: int, seed: int, *, kinds: tuple[str, ...] = tuple(KINDS)) -> Iterator[Row]:
    """Kill `count` times per kind, and fill the disk a quarter as often."""
    rng = random.Random(seed)
    for kind in kinds:
        yield kill(kind, count, rng)
    disk = small_disk()
    try:
        for kind in kinds:
            yield fill(kind, max(2, count // 4), rng, disk)
    finally:
        if disk:
            subprocess.run(["umount", os.fspath(disk)], check=True)
            disk.rmdir()
    for kind in kinds:
        yield fill(kind, max(2, count // 4), rng, None)


if __name__ == "__main__":
    sys.exit(main(__doc__, rows, count=200))
