"""What others do meanwhile: to the model, the folder, the links and the process itself.

    python faults/meanwhile.py

While `digitcli` works, its model is replaced, cut or written over, the folder that it reads grows,
somebody else swaps links where it writes, and it is stopped and continued. Links of somebody else
need root, who can be two users.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from fuzz_images import picture
from table import Row, main

PROGRAM = [sys.executable, "-m", "digitcli"]
NOBODY = 65534


def told(outcomes: Counter[str]) -> str:
    return ", ".join(f"{count} × {what}" for what, count in outcomes.most_common())


def models(count: int, folder: Path) -> Row:
    """Change the model between two paths on stdin; the answers are those of the first model."""
    lost = []
    outcomes: Counter[str] = Counter()
    model = folder / "model.joblib"
    picture(4).save(folder / "4.png")
    for number in range(count):
        how = ("replaced", "cut", "written over")[number % 3]
        shutil.copyfile(str(files("digitcli.model") / "default.joblib"), model)
        command = [*PROGRAM, "predict", "-m", str(model)]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, cwd=folder) as process:
            assert process.stdin
            assert process.stdout
            process.stdin.write(b"4.png\n")
            process.stdin.flush()
            first = process.stdout.readline()
            if how == "replaced":
                (folder / "other").write_bytes(b"other")
                (folder / "other").replace(model)
            elif how == "cut":
                os.truncate(model, 1000)
            else:
                with model.open("r+b") as file:
                    file.write(bytes(3_000_000))
            rest, errors = process.communicate(b"4.png\n" * 3, timeout=60)
        outcomes[how] += 1
        if (process.returncode, rest, errors) != (0, first * 3, b""):
            lost.append(f"{how}: exit code {process.returncode}, {rest!r}, {errors[-200:]!r}")
    return Row("a model replaced, cut or written over in use", count, tuple(lost), told(outcomes))


def growing(count: int, folder: Path) -> Row:
    """Read a folder that another program fills; all that was there at first is answered."""
    lost = []
    outcomes: Counter[str] = Counter()
    for number in range(count):
        place = folder / f"growing-{number}"
        place.mkdir()
        picture(7).save(folder / "7.png")
        for name in range(200):
            os.link(folder / "7.png", place / f"first-{name:03}.png")
        ended = threading.Event()

        def grow(place: Path = place, ended: threading.Event = ended) -> None:
            name = 0
            while not ended.is_set():
                os.link(folder / "7.png", place / f"later-{name:06}.png")
                name += 1
                ended.wait(0.002)

        thread = threading.Thread(target=grow)
        thread.start()
        try:
            result = subprocess.run(
                [*PROGRAM, "predict", str(place)], capture_output=True, timeout=300
            )
        finally:
            ended.set()
            thread.join()
        first = result.stdout.count(b"first-")
        outcomes["ended with all that was there at first"] += first == 200
        if result.returncode or first != 200:
            lost.append(f"exit code {result.returncode}, {first} of 200, {result.stderr[-200:]!r}")
        shutil.rmtree(place)
    return Row("a folder that grows while it is read", count, tuple(lost), told(outcomes))


def stopped(count: int, rng: random.Random, folder: Path) -> Row:
    """Stop and continue a run with two processes, all of them or one; it answers as ever."""
    lost = []
    outcomes: Counter[str] = Counter()
    names = []
    for number in range(60):
        names.append(f"{number}.png")
        picture(number % 10, 100).save(folder / names[-1])
    command = [*PROGRAM, "predict", "-j", "2", *names]
    wanted = subprocess.run(command, cwd=folder, capture_output=True, check=True).stdout
    for number in range(count):
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        time.sleep(rng.random() * 0.6)
        which = ("all of it", "the first process")[number % 2]
        with contextlib.suppress(ProcessLookupError):
            send = os.killpg if which == "all of it" else os.kill
            send(process.pid, signal.SIGSTOP)
            time.sleep(0.2)
            send(process.pid, signal.SIGCONT)
        output, errors = process.communicate(timeout=120)
        outcomes[f"SIGSTOP and SIGCONT of {which}"] += 1
        if (process.returncode, output, errors) != (0, wanted, b""):
            lost.append(f"{which}: exit code {process.returncode}, {errors[-200:]!r}")
    return Row("a run with two processes stopped and continued", count, tuple(lost), told(outcomes))


def swap_links(place: Path, victim: Path) -> None:
    """As somebody else, put links to a file where others write, for ever."""
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    number = 0
    while True:
        for name in ("set.npz", "sheet.png", "history.csv"):
            link = place / f".{number}"
            with contextlib.suppress(OSError):
                link.symlink_to(victim)
                link.replace(place / name)
            number += 1


def links(count: int, folder: Path) -> Row:
    """Write to a folder in which somebody else swaps links; what they lead to stays as it is."""
    fault = "outputs in a folder where somebody else swaps links"
    if os.geteuid() != 0:
        return Row(fault, 0, (), "needs root")
    folder.chmod(0o777)
    place, victim = folder / "shared", folder / "victim"
    place.mkdir()
    place.chmod(0o777)
    victim.write_text("mine")
    labelled = folder / "set" / "3"
    labelled.mkdir(parents=True)
    picture(3).save(labelled / "3.png")
    command = [*PROGRAM, "preprocess", str(folder / "set"), "-q"]
    command += ["-o", str(place / "set.npz"), "--preview", str(place / "sheet.png")]
    swapper = os.fork()
    if not swapper:
        try:
            swap_links(place, victim)
        finally:
            os._exit(1)
    lost = []
    outcomes: Counter[str] = Counter()
    try:
        for _ in range(count):
            result = subprocess.run(command, capture_output=True, timeout=120)
            outcomes[f"exit code {result.returncode}"] += 1
            if victim.is_symlink() or victim.read_text() != "mine":
                lost.append("the file that a link led to was replaced")
                victim.write_text("mine")
            if b"Traceback" in result.stderr:
                lost.append(result.stderr.decode(errors="replace")[-300:])
    finally:
        os.kill(swapper, signal.SIGKILL)
        os.waitpid(swapper, 0)
    return Row(fault, count, tuple(lost), told(outcomes))


def rows(count: int, seed: int) -> Iterator[Row]:
    """Do each about `count` times."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="digitcli-faults-") as name:
        folder = Path(name)
        yield models(count, folder)
        yield growing(max(2, count // 10), folder)
        yield stopped(count, rng, folder)
        yield links(count, folder)


if __name__ == "__main__":
    sys.exit(main(__doc__, rows, count=30))
