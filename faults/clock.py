"""Set the clock back, and far ahead, while commands work: they end as ever, with the same files.

    python faults/clock.py

The clock is that of libfaketime (`apt-get install faketime`), which the program and all of its
processes are started with; it jumps at a random moment of each run. The system's own clock stays as
it is, and so does the time since its start, which no clock that is set changes.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from fuzz_images import picture
from table import Row, main

HANG_SECONDS = 300
JUMPS = ("-1h", "-400d", "-20000d", "+400d", "+20000d")
"""-20000d is before 1980, the first year that a zip archive knows, and +20000d after 2038."""

PROGRAM = [sys.executable, "-m", "digitcli"]
TRAIN = "train", "digits", "-q", "--hidden", "16", "--epochs", "4", "-o", "model.joblib"
COMMANDS = {
    "predict -j 2": ("predict", "set", "-r", "-j", "2"),
    "preprocess": ("preprocess", "set", "-q", "-o", "set.npz", "--preview", "sheet.png"),
    "evaluate --report": ("evaluate", "--dataset", "digits", "--report", "report.html"),
    "train": (*TRAIN, "--checkpoint-interval", "0"),
    "train --members 3 --jobs 2": (*TRAIN, "--members", "3", "--jobs", "2"),
}


def library() -> str:
    """Return the path of libfaketime, or nothing."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    return str(found[0]) if found else ""


def run(arguments: tuple[str, ...], jump: str | None, moment: float) -> tuple[object, float]:
    """Run a command in a folder of its own; return how it ended and how long that took.

    `jump` is what the clock is set by, `moment` seconds after the start.
    """
    folder = Path(tempfile.mkdtemp(prefix="digitcli-faults-"))
    try:
        for digit in range(60):
            place = folder / "set" / str(digit % 10)
            place.mkdir(parents=True, exist_ok=True)
            picture(digit % 10, 100).save(place / f"{digit}.png")
        clock = folder / "clock"
        clock.write_text("+0")
        environment = os.environ | {
            "LD_PRELOAD": library(),
            "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DIGITCLI_DATA_DIR": str(folder / "none"),
        }
        started = time.monotonic()
        with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
            process = subprocess.Popen(
                [*PROGRAM, *arguments], cwd=folder, env=environment, stdout=out, stderr=err
            )
            time.sleep(moment)
            if jump:
                (folder / "new").write_text(jump)
                (folder / "new").replace(clock)
            try:
                code = process.wait(HANG_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                return "it hangs", HANG_SECONDS
        seconds = time.monotonic() - started
        clock.unlink()
        files = {
            str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        return (code, (folder / "err").read_text(), files), seconds
    finally:
        shutil.rmtree(folder)


def often(name: str, count: int, rng: random.Random) -> Row:
    """Set the clock `count` times while one of the commands works."""
    lost = []
    seen: Counter[str] = Counter()
    wanted, seconds = run(COMMANDS[name], None, 0)
    for number in range(count):
        jump = JUMPS[number % len(JUMPS)]
        ended, _ = run(COMMANDS[name], jump, rng.random() * seconds)
        seen[jump] += 1
        if ended != wanted:
            lost.append(f"{name}, clock set by {jump}: {ended} instead of {wanted}"[:1000])
    told = ", ".join(f"{n} × {jump}" for jump, n in seen.items())
    return Row(f"the clock set while `{name}` works", count, tuple(lost), f"same files: {told}")


def rows(count: int, seed: int) -> Iterator[Row]:
    if not library():
        print("libfaketime is not there: apt-get install faketime", file=sys.stderr)
        return
    rng = random.Random(seed)
    for name in COMMANDS:
        yield often(name, count, rng)


if __name__ == "__main__":
    sys.exit(main(__doc__, rows, count=10))
