"""Kill, stop and interrupt programs that have several processes: no hang, nothing left behind.

After each blow no process of the program may be left, `predict` must have answered every picture
with its digit and blamed none, and `train` must have ended in one clear line. Needs Linux.
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
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

from PIL import Image
from table import Row, main

from digitcli import load_dataset

HANG_SECONDS = 120
"""After which a program that does not end counts as lost."""

LEFT_SECONDS = 20
"""After which a process that still lives counts as left behind."""

PICTURES = 20_000
DIGIT = "5"
COMMANDS = {
    "predict": ("predict", "--jobs", "2"),
    "train": (
        "train", "digits", "--hidden", "16", "--members", "3", "--jobs", "2", "--epochs", "60",
        "--patience", "60", "-q", "-o", "model.joblib",
    ),
}  # fmt: skip
MOMENTS = {"predict": (0.1, 1.5), "train": (0.1, 4.0)}
"""Seconds after the start between which the blow falls."""


def living(session: int, *, workers: bool = False) -> list[int]:
    """Return the processes of a session; with `workers` only those that work for the first."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, its_session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        pid = int(entry.name)
        if int(its_session) != session or state == "Z":
            continue
        if not workers or b"spawn_main" in command:
            found.append(pid)
    return found


def send(pid: int, number: int) -> bool:
    """Send a signal; False when there is nobody to receive it."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def kill_worker(first: int, rng: random.Random) -> bool:
    while not (found := living(first, workers=True)) and living(first):
        time.sleep(0.02)
    return bool(found) and send(rng.choice(found), signal.SIGKILL)


def kill_six(first: int, rng: random.Random) -> bool:
    struck = False
    for _ in range(6):
        struck |= kill_worker(first, rng)
        time.sleep(rng.uniform(0, 0.4))
    return struck


def kill_first(first: int, rng: random.Random) -> bool:
    return send(first, signal.SIGKILL)


def terminate_first(first: int, rng: random.Random) -> bool:
    return send(first, signal.SIGTERM)


def interrupt(first: int, rng: random.Random) -> bool:
    return sum(send(pid, signal.SIGINT) for pid in living(first)) > 0


def stop_and_go(first: int, rng: random.Random) -> bool:
    pid = rng.choice(living(first) or [first])
    struck = send(pid, signal.SIGSTOP)
    time.sleep(rng.uniform(0, 1))
    send(pid, signal.SIGCONT)
    return struck


BLOWS: dict[str, tuple[Callable[[int, random.Random], bool], tuple[int, ...]]] = {
    "SIGKILL of a worker": (kill_worker, (0,)),
    "SIGKILL of six workers": (kill_six, (0,)),
    "SIGKILL of the first process": (kill_first, (0, -9)),
    "SIGTERM of the first process": (terminate_first, (0, 143, -15)),
    "Ctrl-C": (interrupt, (0, 130, -2)),
    "SIGSTOP, then SIGCONT, of one process": (stop_and_go, (0,)),
}
"""What is done, and the exit codes that it may end with."""


def draw(path: Path) -> None:
    """Write a picture of the digit, in MNIST's form so that many are read in a second."""
    digits = load_dataset("digits")
    image = digits.images[digits.labels == int(DIGIT)][0]
    Image.fromarray(image).save(path)


def strike(command: str, blow: str, rng: random.Random, folder: Path) -> Generator[str, None, str]:
    """Start a program and strike it; yield what is wrong with its end, and return how it ended."""
    act, codes = BLOWS[blow]
    draw(folder / "digit.png")
    (folder / "paths").write_text("digit.png\n" * PICTURES)
    with (
        (folder / "paths").open() as stdin,
        (folder / "out").open("w") as stdout,
        (folder / "err").open("w") as stderr,
    ):
        process = subprocess.Popen(
            [sys.executable, "-m", "digitcli", *COMMANDS[command]],
            cwd=folder,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
    time.sleep(rng.uniform(*MOMENTS[command]))
    struck = act(process.pid, rng)
    try:
        code = process.wait(HANG_SECONDS)
    except subprocess.TimeoutExpired:
        yield "it hangs"
        process.kill()
        code = process.wait()
    end = time.monotonic() + LEFT_SECONDS
    while (left := living(process.pid)) and time.monotonic() < end:
        time.sleep(0.05)
    if left:
        yield f"{len(left)} processes left"
        for pid in left:
            send(pid, signal.SIGKILL)
    errors = (folder / "err").read_text()
    if "Traceback" in errors or "Warning" in errors:
        yield errors[-500:]
    given_up = command == "train" and code == 1 and "--resume goes on" in errors
    if command == "train" and blow.startswith("SIGTERM"):
        codes = (*codes, 130)  # it saves what it has, as after Ctrl-C
    if code not in codes and not (given_up and "worker" in blow):
        yield f"exit code {code}: {errors[-500:]}"
    if command == "predict" and code == 0:
        answers = (folder / "out").read_text().splitlines()
        if len(answers) != PICTURES or any(line.split("\t")[1] != DIGIT for line in answers):
            yield f"{len(answers)} answers of {PICTURES}: {errors[-500:]}"
    return f"exit code {code}" if struck else "had ended before"


def often(command: str, blow: str, count: int, rng: random.Random) -> Row:
    """Do one kind of blow `count` times."""
    lost: list[str] = []
    seen: Counter[str] = Counter()

    def once() -> Iterator[str]:
        with tempfile.TemporaryDirectory(prefix="digitcli-faults-") as folder:
            seen[(yield from strike(command, blow, rng, Path(folder)))] += 1

    for number in range(count):
        lost += [f"{command}, {blow}, {number}: {what}" for what in once()]
    ends = ", ".join(f"{n} × {end}" for end, n in sorted(seen.items()))
    return Row(f"`{command}` in two processes: {blow}", count, tuple(lost), ends)


def rows(count: int, seed: int) -> Iterator[Row]:
    rng = random.Random(seed)
    for command in COMMANDS:
        for blow in BLOWS:
            yield often(command, blow, count, rng)


if __name__ == "__main__":
    sys.exit(main(__doc__, rows, count=100))
