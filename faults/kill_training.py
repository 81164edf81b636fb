"""Kill trainings and fetches, the whole program as a user runs it, and let two run at once."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from table import Row, main

from digitcli.errors import DigitcliError
from digitcli.model.modelfile import load_model, read_plain

TRAINING = (
    "train", "--dataset", "digits", "--hidden", "48", "--epochs", "60", "--patience", "60",
    "--checkpoint-interval", "0", "-q",
)  # fmt: skip
MODEL = "model.joblib"


def start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "digitcli", *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def epoch(folder: Path) -> int:
    """Return how far the checkpoint is; to read it is to check that it is whole."""
    try:
        content = read_plain(folder / f"{MODEL}.checkpoint")
    except FileNotFoundError:
        return 0
    assert isinstance(content, dict)
    return int(content["epoch"])


def resume(count: int, rng: random.Random) -> Row:
    """Kill one training `count` times in a row, resuming it each time, then let it end."""
    folder = Path(tempfile.mkdtemp(prefix="digitcli-faults-"))
    lost: list[str] = []
    try:
        (folder / "calm").mkdir()
        calm = start(folder / "calm", *TRAINING)
        assert calm.wait() == 0, calm.stderr.read()  # type: ignore[union-attr]
        reached: list[int] = []
        while len(reached) < count:
            process = start(folder, *TRAINING, "--resume")
            before = reached[-1] if reached else 0
            least = before + rng.randint(0, 3)
            while process.poll() is None and epoch(folder) < least:
                time.sleep(0.002)
            time.sleep(rng.random() * (0.05 if least > before else 2))
            if process.poll() is not None:
                lost.append(f"kill {len(reached)}: it had ended")
                break
            process.kill()
            process.wait()
            reached.append(epoch(folder))
            if reached[-1] < before:
                lost.append(f"kill {len(reached)}: went back from epoch {before} to {reached[-1]}")
        process = start(folder, *TRAINING, "--resume")
        _, errors = process.communicate()
        if process.returncode:
            lost.append(errors.decode()[:300])
        elif (folder / MODEL).read_bytes() != (folder / "calm" / MODEL).read_bytes():
            lost.append("the model is not that of the training that nobody disturbed")
        left = sorted(path.name for path in folder.iterdir())
        if left != ["calm", MODEL]:
            lost.append(f"left: {left}")
        seen = f"killed after epochs {', '.join(map(str, reached))} of 60; the model is byte-equal"
        if lost:
            seen = f"killed after epochs {reached}"
        return Row(
            "SIGKILL of a training, then --resume, in a row", len(reached), tuple(lost), seen
        )
    finally:
        shutil.rmtree(folder)


def together(count: int) -> Row:
    """Let two trainings of different seeds write the same path at the same time."""
    lost: list[str] = []
    winners: Counter[int] = Counter()
    short = ("train", "--dataset", "digits", "--hidden", "16", "--epochs", "3", "-q",
             "--checkpoint-interval", "0")  # fmt: skip
    for number in range(count):
        folder = Path(tempfile.mkdtemp(prefix="digitcli-faults-"))
        both = [start(folder, *short, "--seed", str(seed)) for seed in (1, 2)]
        for process in both:
            _, errors = process.communicate()
            if process.returncode:
                lost.append(f"pair {number}: {errors.decode()[:300]}")
        try:
            winners[load_model(folder / MODEL).metadata["seed"]] += 1
        except DigitcliError as error:
            lost.append(f"pair {number}: {error}")
        if (left := [path.name for path in folder.iterdir()]) != [MODEL]:
            lost.append(f"pair {number}: left {left}")
        shutil.rmtree(folder)
    seen = ", ".join(f"{n} times seed {seed} was last" for seed, n in sorted(winners.items()))
    return Row("two trainings that write the same path at once", count, tuple(lost), seen)


def signals(count: int, rng: random.Random) -> Row:
    """End trainings with SIGINT and SIGTERM at random moments of their life."""
    lost: list[str] = []
    codes: Counter[int] = Counter()
    for number in range(count):
        folder = Path(tempfile.mkdtemp(prefix="digitcli-faults-"))
        process = start(folder, *TRAINING)
        if number % 2:
            while process.poll() is None and not epoch(folder):
                time.sleep(0.005)
        time.sleep(rng.random())
        process.send_signal(rng.choice((signal.SIGINT, signal.SIGTERM)))
        _, errors = process.communicate(timeout=60)
        codes[process.returncode] += 1
        if b"Traceback" in errors and b"digitcli/" in errors:  # else Python itself had not started
            lost.append(f"signal {number}: {errors.decode()[-300:]}")
        if (folder / MODEL).exists():
            load_model(folder / MODEL)
        if litter := [path.name for path in folder.iterdir() if path.name.startswith(".")]:
            lost.append(f"signal {number}: left {litter}")
        shutil.rmtree(folder)
    seen = ", ".join(f"{n} × exit code {code}" for code, n in sorted(codes.items()))
    return Row("SIGINT or SIGTERM during a training", count, tuple(lost), seen)


def rows(count: int, seed: int) -> Iterator[Row]:
    rng = random.Random(seed)
    yield resume(count, rng)
    yield together(count)
    yield signals(count, rng)


if __name__ == "__main__":
    sys.exit(main(__doc__, rows, count=25))
