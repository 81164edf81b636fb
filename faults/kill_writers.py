"""Kill and starve whoever writes: the old file or the new one is there whole, and no litter stays.

Each kind of output is written over and over by the code that the commands use, in a process that is
killed with SIGKILL. A write takes milliseconds, most of which belong to a single system call, so
that a kill after a random time would nearly always miss it. Therefore the process is slowed where
it meets the system: each write(2) takes few bytes and waits first, and so does fsync(2). The kill
comes once a random part of the file is there, from none to all of it. Further kills come at full
speed, at random times. Then all is written once more with too little room on the disk.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import itertools
import json
import mmap
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from table import Row, main

from digitcli.data.dataset import Dataset, load_npz
from digitcli.data.download import Mirror, RemoteFile, fetch
from digitcli.data.idx import read_idx, write_idx
from digitcli.data.preview import save_contact_sheet
from digitcli.errors import DigitcliError
from digitcli.evaluation.describe import describe
from digitcli.evaluation.evaluate import Unreadable, evaluate
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
    from digitcli.cli import training_files

    training_files.write_history(_Outcome(version), path)  # type: ignore[arg-type]


def check_history(path: Path) -> int:
    if path.suffix == ".json":
        rows = json.loads(path.read_text())
    else:
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == list(range(1, 3001))
    return _one_value([np.array([int(row["version"]) for row in rows])])


_EVALUATIONS: list[tuple[Any, Model]] = []


def _evaluated(version: int) -> tuple[Any, Model]:
    if not _EVALUATIONS:
        model = Model((network(1, 8),), {"seed": 1}, "model")
        evaluation = evaluate(model, dataset(1), split="test")
        unreadable = tuple(Unreadable(f"{n}.png", "is damaged") for n in range(2000))
        _EVALUATIONS.append((replace(evaluation, unreadable=unreadable), model))
    evaluation, model = _EVALUATIONS[0]
    return replace(evaluation, model=f"version{version}."), model


def write_html(path: Path, version: int) -> None:
    evaluation, model = _evaluated(version)
    write_report(evaluation, path, describe(model))


def check_html(path: Path) -> int:
    text = path.read_text()
    assert text.startswith("<!")
    assert text.rstrip().endswith("</html>")
    return _named(text)


def write_xml(path: Path, version: int) -> None:
    evaluation, _model = _evaluated(version)
    write_junit(evaluation, [], path)


def check_xml(path: Path) -> int:
    import xml.etree.ElementTree as ET

    suite = ET.parse(path).getroot()
    assert len(suite) == 2000
    return _named(suite.attrib["name"])


def _named(text: str) -> int:
    versions = set(re.findall(r"version(\d+)\.", text))
    assert len(versions) == 1, f"a mixture of {versions}"
    return int(versions.pop())


def write_sheet(path: Path, version: int) -> None:
    save_contact_sheet(dataset(version), path)


def check_sheet(path: Path) -> int:
    with Image.open(path) as image:
        image.load()
        return int(image.getpixel((3, 3)))  # type: ignore[arg-type]


def write_explanation(path: Path, version: int) -> None:
    """Write it as ``predict --explain`` does, which gives it its name."""
    from digitcli.cli.explanations import Explanations

    shade = np.random.default_rng(version).integers(0, 256, (500, 700), dtype=np.uint8)
    shade[0, 0] = version
    Explanations(path.parent).save(Image.fromarray(shade), path.stem)


def check_explanation(path: Path) -> int:
    with Image.open(path) as image:
        image.load()
        return int(image.getpixel((0, 0)))  # type: ignore[arg-type]


VERSIONS = range(1, 7)
BODY = np.random.default_rng(9).bytes(8_000_000)
_MIRROR = tempfile.TemporaryDirectory(prefix="digitcli-faults-mirror-")


def _served(version: int) -> bytes:
    return bytes([version]) + BODY


def write_download(path: Path, version: int) -> None:
    """Fetch by force from a folder, over what is there."""
    for number in VERSIONS:
        folder = Path(_MIRROR.name, str(number))
        if not (folder / path.name).exists():
            folder.mkdir()
            (folder / path.name).write_bytes(_served(number))
    content = _served(version)
    file = RemoteFile(path.name, len(content), hashlib.sha256(content).hexdigest())
    mirrors = [Mirror.parse(f"{_MIRROR.name}/{version}")]
    fetch([file], mirrors, path.parent, force=True, on_progress=lambda _file, _size: _wait(5))


def check_download(path: Path) -> int:
    content = path.read_bytes()
    assert content[1:] == BODY, "not the verified bytes"
    return content[0]


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
    "explanation .png": ("picture.png", write_explanation, check_explanation),
    "download": ("file.gz", write_download, check_download),
}


STEPS = 40
PAUSE = 0.0005
_slow = False


def _wait(pauses: int) -> None:
    if _slow:
        time.sleep(PAUSE * pauses)


class _SlowFile(io.FileIO):
    """A file that takes `step` bytes at a time."""

    step = 1

    def write(self, data: Any, /) -> int:
        time.sleep(PAUSE)
        return super().write(memoryview(data)[: self.step])


def slow_down(size: int, flushing: mmap.mmap) -> None:
    """Make this process write slowly, `size` bytes in `STEPS` steps, and tell when it is done."""
    global _slow
    _slow = True
    _SlowFile.step = max(1, size // STEPS)
    open_path, fsync = Path.open, os.fsync

    def opened(path: Path, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if mode == "xb":  # the temporary file of `atomic_write`
            flushing[0] = 0
            return io.BufferedWriter(_SlowFile(path, mode))
        return open_path(path, mode, *arguments, **options)

    def slow_fsync(descriptor: int) -> None:
        flushing[0] = 1
        time.sleep(STEPS * PAUSE / 10)
        fsync(descriptor)
        time.sleep(STEPS * PAUSE / 10)

    Path.open = opened  # type: ignore[method-assign,assignment]
    os.fsync = slow_fsync  # type: ignore[assignment]


def work(kind: str, path: Path) -> None:
    """Write all versions but the first for ever, telling when each begins."""
    _name, write, _check = KINDS[kind]
    remove_litter(path.parent)
    for version in itertools.cycle(VERSIONS[1:]):
        os.write(1, b"%d\n" % version)
        write(path, version)


def kill(kind: str, count: int, rng: random.Random) -> Row:
    """Kill a process that writes, `count` times amid it and a quarter as often at any time."""
    name, write, check = KINDS[kind]
    lost: list[str] = []
    landed: Counter[str] = Counter()
    tenths = [0] * 10
    folder = Path(tempfile.mkdtemp(prefix="digitcli-faults-"))
    path = folder / "out" / name
    path.parent.mkdir()
    write(path, 1)
    started = time.perf_counter()
    write(path, 2)
    one_write = time.perf_counter() - started
    size = path.stat().st_size
    at_full_speed = count // 4
    flushing = mmap.mmap(-1, 1)
    try:
        for number in range(count + at_full_speed):
            before = check(path)
            slow = number < count
            flushing[0] = 0
            process = _start_worker(kind, path, size if slow else None, flushing)
            if slow:
                _wait_for_part(path.parent, rng.random(), size, flushing)
                time.sleep(rng.random() * PAUSE)
            else:
                time.sleep(rng.random() * 2 * one_write)
            if process.poll() is not None:
                lost.append(f"{kind}, kill {number}: the writer had ended by itself")
            else:
                process.kill()
                process.wait()
            begun = {before, *map(int, process.stdout.read().split()), 2}
            process.stdout.close()
            litter = [entry for entry in path.parent.iterdir() if entry.name.startswith(".")]
            there = sum(map(_size, litter))
            if not slow:
                landed["amid" if litter else "between"] += 1
            elif not litter:
                landed["outside"] += 1
            elif flushing[0]:
                landed["whole"] += 1
            elif not there:
                landed["empty"] += 1
            else:
                tenths[min(9, 10 * there // size)] += 1
            try:
                version = check(path)
                if version not in begun:
                    lost.append(f"{kind}, kill {number}: version {version}, not of {begun}")
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
    seen = (
        f"{landed['empty']} before the first byte, {' '.join(map(str, tenths))} in the tenths of "
        f"the file, {landed['whole']} with all of it but not yet in place, {landed['outside']} "
        f"elsewhere; at full speed {landed['amid']} amid it, {landed['between']} elsewhere"
    )
    article = "an" if kind[0] in "Ie" else "a"
    fault = f"SIGKILL while {article} {kind} is written"
    return Row(fault, count + at_full_speed, tuple(lost), seen)


def _wait_for_part(folder: Path, moment: float, size: int, flushing: mmap.mmap) -> None:
    """Wait till as much of a temporary file is there as at `moment`, from 0 to 1, of its writing.

    A tenth of these stands for the time before its first byte, a tenth for that after its last.
    """
    part = (moment - 0.1) / 0.8 * size
    end = time.monotonic() + 10
    while time.monotonic() < end:
        litter = [entry for entry in folder.iterdir() if entry.name.startswith(".")]
        if litter and (flushing[0] if moment > 0.9 else _size(litter[0]) >= part):
            break
        time.sleep(0.0001)


def _size(path: Path) -> int:
    """Return the bytes in a file or folder, which may vanish meanwhile."""
    try:
        if path.is_dir():
            return sum(_size(entry) for entry in path.iterdir())
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _start_worker(kind: str, path: Path, slow: int | None, flushing: mmap.mmap) -> _Child:
    """Fork a writer off this process, which has imported everything, and wait till it writes."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(reading)
        os.dup2(writing, 1)
        try:
            if slow is not None:
                slow_down(slow, flushing)
            work(kind, path)
        finally:
            os._exit(1)
    os.close(writing)
    process = _Child(pid, reading)
    process.stdout.readline()
    return process


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
    for version in (2, 1):
        write(path, version)
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
    """Mount a file system of 48 MB, where that is allowed."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which("mount") is None:
        return None
    folder = Path(tempfile.mkdtemp(prefix="digitcli-faults-disk-"))
    command = ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", os.fspath(folder)]
    if subprocess.run(command, capture_output=True).returncode:
        folder.rmdir()
        return None
    return folder


def rows(count: int, seed: int, *, kinds: tuple[str, ...] = tuple(KINDS)) -> Iterator[Row]:
    """Kill `count` times amid each kind, and fill the disk a quarter as often."""
    rng = random.Random(seed)
    for kind in kinds:
        yield kill(kind, count, rng)
    disk = small_disk()
    try:
        if disk:
            yield fill_all(kinds, count, rng, disk)
    finally:
        if disk:
            subprocess.run(["umount", os.fspath(disk)], check=True)
            disk.rmdir()
    yield fill_all(kinds, count, rng, None)


def fill_all(kinds: tuple[str, ...], count: int, rng: random.Random, disk: Path | None) -> Row:
    """Do the same to every kind, for one row."""
    parts = [fill(kind, max(2, count // 4), rng, disk) for kind in kinds]
    how = "full disk (tmpfs)" if disk else "file size limit"
    lost = tuple(line for part in parts for line in part.lost)
    outcomes: Counter[str] = Counter()
    for part in parts:
        for outcome in part.seen.split(", "):
            number, what = outcome.split()
            outcomes[what] += int(number)
    seen = ", ".join(f"{n} {what}" for what, n in outcomes.most_common())
    which = f"each of these {len(kinds)}" if len(kinds) > 1 else f"the {kinds[0]}"
    fault = f"{how} while {which} is written"
    return Row(fault, sum(part.tried for part in parts), lost, f"{seen} in one line")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--kind", choices=KINDS, action="append", help="only this kind of output")
    known, rest = parser.parse_known_args()
    chosen = tuple(known.kind or KINDS)
    extra = "".join(f" --kind {shlex.quote(kind)}" for kind in known.kind or ())
    sys.exit(main(__doc__, partial(rows, kinds=chosen), count=200, arguments=rest, extra=extra))
