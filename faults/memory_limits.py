"""Give commands too little memory: they end as ever, in clear lines, or killed by the system.

    python faults/memory_limits.py

Each command runs in a control group (cgroup) of its own with some limit of memory, from what it
does not even start with to what is plenty. Linux kills what takes more, the first process or
another one. However it ends: no hang, no process left, no half of a file. Needs root and cgroups, 1
or 2.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fuzz_images import picture
from table import Row, main

from digitcli.data.dataset import load_npz
from digitcli.model.modelfile import load_model

HANG_SECONDS = 300
LEFT_SECONDS = 20
PICTURES = 40
PROGRAM = [sys.executable, "-m", "digitcli"]
TRAIN = "train", "digits", "-q", "--hidden", "16", "--epochs", "4", "-o", "model.joblib"
COMMANDS = {
    "predict": (("predict", "set", "-r"), (20, 80)),
    "predict -j 2": (("predict", "set", "-r", "-j", "2"), (20, 200)),
    "predict --line -j 2": (("predict", "set", "-r", "--line", "-j", "2"), (20, 200)),
    "preprocess": (("preprocess", "set", "-q", "-o", "set.npz"), (10, 60)),
    "evaluate": (("evaluate", "--dataset", "digits", "--report", "report.html"), (20, 250)),
    "train": (TRAIN, (20, 250)),
    "train --members 3 --jobs 2": ((*TRAIN, "--members", "3", "--jobs", "2"), (40, 500)),
}
"""What is run, and between which limits, in MiB."""

ROOT = Path("/sys/fs/cgroup")


@contextmanager
def group(mib: float) -> Iterator[Path]:
    """Make a control group whose processes have so much memory together."""
    second = (ROOT / "cgroup.controllers").exists()
    folder = (ROOT if second else ROOT / "memory") / f"digitcli-faults-{os.getpid()}"
    folder.mkdir()
    limits = ("memory.max",) if second else ("memory.limit_in_bytes",)
    try:
        for limit in limits:
            (folder / limit).write_text(str(int(mib * 2**20)))
        yield folder
    finally:
        for pid in within(folder):
            os.kill(pid, signal.SIGKILL)
        end = time.monotonic() + LEFT_SECONDS
        while within(folder) and time.monotonic() < end:
            time.sleep(0.05)
        folder.rmdir()


def within(folder: Path) -> list[int]:
    return [int(pid) for pid in (folder / "cgroup.procs").read_text().split()]


def whole(folder: Path) -> None:
    """Read all that a command may have written; a part of a file raises."""
    if (folder / "model.joblib").exists():
        load_model(folder / "model.joblib")
    if (folder / "set.npz").exists():
        load_npz(folder / "set.npz")
    if (folder / "report.html").exists():
        assert "</html>" in (folder / "report.html").read_text()[-100:]


def starve(arguments: tuple[str, ...], mib: float, folder: Path) -> Iterator[str]:
    """Run a command with so much memory; yield what is wrong, and at last how it ended."""
    with group(mib) as limited:
        join = f'echo $$ > "{limited}/cgroup.procs"; exec "$@"'
        process = subprocess.Popen(
            ["sh", "-c", join, "sh", *PROGRAM, *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            output, errors = process.communicate(timeout=HANG_SECONDS)
        except subprocess.TimeoutExpired:
            yield "LOST it hangs"
            process.kill()
            output, errors = process.communicate()
        end = time.monotonic() + LEFT_SECONDS
        while (left := within(limited)) and time.monotonic() < end:
            time.sleep(0.05)
        if left:
            yield f"LOST {len(left)} processes left"
    code = process.returncode
    text = errors.decode(errors="replace")
    if "Traceback" in text or "Warning" in text or "fault in digitcli" in text:
        yield f"LOST {text[-500:]}"
    if code not in (0, 1, 3, -9) or (code in (1, 3) and not text):
        yield f"LOST exit code {code}: {text[-500:]}"
    if arguments[0] == "predict" and code in (0, 3):
        answers, blamed = len(output.splitlines()), len(text.splitlines())
        if answers + blamed * (code == 3) < PICTURES:
            yield f"LOST {answers} answers, {blamed} errors: {text[-500:]}"
    try:
        whole(folder)
    except Exception as error:
        yield f"LOST {error!r}"
    yield "killed" if code == -9 else f"exit code {code}"


def often(name: str, count: int, rng: random.Random) -> Row:
    """Run one of the commands with `count` limits, evenly spread."""
    arguments, (least, most) = COMMANDS[name]
    lost: list[str] = []
    seen: Counter[str] = Counter()
    fault = f"`{name}` in a cgroup of {least} to {most} MiB"
    for number in range(count):
        mib = least + (most - least) * (number + rng.random()) / count
        with tempfile.TemporaryDirectory(prefix="digitcli-faults-") as name_:
            folder = Path(name_)
            for digit in range(PICTURES):
                place = folder / "set" / str(digit % 10)
                place.mkdir(parents=True, exist_ok=True)
                picture(digit % 10, 100).save(place / f"{digit}.png")
            *wrong, end = starve(arguments, mib, folder)
        lost += [f"{name} in {mib:.0f} MiB: {line[5:]}" for line in wrong]
        seen[end] += 1
    return Row(fault, count, tuple(lost), ", ".join(f"{n} × {end}" for end, n in seen.items()))


def rows(count: int, seed: int) -> Iterator[Row]:
    rng = random.Random(seed)
    for name in COMMANDS:
        yield often(name, count, rng)


if __name__ == "__main__":
    sys.exit(main(__doc__, rows, count=20))
