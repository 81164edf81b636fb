"""A folder of 100,000 labelled pictures: what each command that reads it takes.

    python faults/many_files.py

Half of the pictures have MNIST's form, and half are black on white as scans are. Reading them must
not take more than 512 MB; training may, and its memory is told.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from table import Row, main

from digitcli import load_dataset

MOST_MIB = 512
PROGRAM = [sys.executable, "-m", "digitcli"]
COMMANDS = {
    "predict": ("predict", "set", "-r", "-q"),
    "evaluate": ("evaluate", "--dataset", "set", "-q"),
    "preprocess": ("preprocess", "set", "-q", "-o", "set.npz"),
    "train": ("train", "set", "-q", "--hidden", "32", "--epochs", "2", "-o", "model.joblib"),
}


def draw(folder: Path, count: int) -> None:
    """Write the embedded digits over and over."""
    digits = load_dataset("digits")
    for number in range(count):
        image = digits.images[number % len(digits.images)]
        if number % 2:
            image = np.pad(255 - image, 8, constant_values=255)
        place = folder / str(digits.labels[number % len(digits.labels)])
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{number:06}.png", compress_level=1)


def run(name: str, count: int, folder: Path) -> Row:
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        process = subprocess.Popen([*PROGRAM, *COMMANDS[name]], cwd=folder, stdout=out, stderr=err)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    lost = []
    mib = used.ru_maxrss / 1024
    errors = (folder / "err").read_text()
    if process.returncode or "Traceback" in errors:
        lost.append(f"{name}: exit code {process.returncode}, {errors[-300:]}")
    if mib > MOST_MIB and name != "train":
        lost.append(f"{name}: {mib:.0f} MiB")
    if name == "predict" and (folder / "out").read_bytes().count(b"\n") != count:
        lost.append("not every picture has an answer")
    seen = f"{used.ru_utime + used.ru_stime:.0f} s of processor time, peak {mib:.0f} MiB"
    return Row(f"{count:,} pictures in a folder: `{name}`", 1, tuple(lost), seen)


def rows(count: int, seed: int) -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="digitcli-faults-") as name:
        draw(Path(name) / "set", count)
        for command in COMMANDS:
            yield run(command, count, Path(name))


if __name__ == "__main__":
    sys.exit(main(__doc__, rows, count=100_000))
