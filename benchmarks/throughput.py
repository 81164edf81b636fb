"""Images per second of `digitcli predict` against a bare Pillow loop, and its memory.

    python benchmarks/throughput.py --mnist FOLDER [--jobs 2] [--rounds 5] [--paths 1000000]

Writes the 10,000 MNIST test digits as PNG files and sends their paths through stdin, several times
over; the bare loop only opens and decodes them. Rates are of processor time where one core is
meant, and both with and without the start of the process; ratios are medians over paired rounds.

What --jobs gains in wall time needs as many idle processors. The processor time that it costs per
image can be compared on a busy machine too: were there nothing else to wait for, -j N would do N
times the rate of one process divided by that cost.
"""

from __future__ import annotations

import argparse
import gzip
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

BARE = """
import sys
from PIL import Image
for line in sys.stdin:
    with Image.open(line[:-1]) as image:
        image.load()
"""
PREDICT = [sys.executable, "-m", "digitcli", "predict"]
ENVIRONMENT = {
    name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
}


def write_digits(mnist: Path, folder: Path) -> list[str]:
    """Save the test digits as PNG files and return their paths."""
    with gzip.open(mnist / "t10k-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)
    paths = [str(folder / f"{number:05d}.png") for number in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    return paths


def run(command: list[str], listing: Path) -> tuple[float, float, float]:
    """Return wall seconds, processor seconds and peak MiB of a process that reads the listing."""
    start = time.perf_counter()
    with listing.open("rb") as paths:
        process = subprocess.Popen(command, stdin=paths, stdout=subprocess.DEVNULL, env=ENVIRONMENT)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    wall = time.perf_counter() - start
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def seconds_to_first_line(listing: Path) -> float:
    """Return how long the first answer takes when all paths are queued."""
    start = time.perf_counter()
    with listing.open("rb") as paths:
        process = subprocess.Popen(PREDICT, stdin=paths, stdout=subprocess.PIPE, env=ENVIRONMENT)
        assert process.stdout is not None
        process.stdout.readline()
        seconds = time.perf_counter() - start
        process.kill()
        process.communicate()
    return seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mnist", type=Path, required=True)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--paths", type=int, default=1_000_000, help="for the memory")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = write_digits(options.mnist, folder)[: options.images]
        one, ten, all_paths, nothing = (folder / name for name in ("1", "10", "all", "0"))
        one.write_text("".join(f"{path}\n" for path in paths))
        ten.write_text("".join(f"{path}\n" for path in paths * 10))
        nothing.write_text("")
        bare = [sys.executable, "-c", BARE]
        whole, steady, wall, processor = [], [], [], []
        for _ in range(options.rounds):
            ours, theirs = run(PREDICT, one)[1], run(bare, one)[1]
            our_start, their_start = run(PREDICT, nothing)[1], run(bare, nothing)[1]
            whole.append((len(paths) / ours, len(paths) / theirs))
            steady.append((len(paths) / (ours - our_start), len(paths) / (theirs - their_start)))
            alone, shared = run(PREDICT, ten), run([*PREDICT, "-j", str(options.jobs)], ten)
            wall.append((10 * len(paths) / shared[0], 10 * len(paths) / alone[0]))
            processor.append((10 * len(paths) / shared[1], 10 * len(paths) / alone[1]))
        show("one core, whole process", whole, "predict", "bare Pillow")
        show("one core, without start", steady, "predict", "bare Pillow")
        show(f"-j {options.jobs}, wall time", wall, f"-j {options.jobs}", "-j 1")
        show(f"-j {options.jobs}, processor time", processor, f"-j {options.jobs}", "-j 1")
        with all_paths.open("w") as file:
            for start in range(0, options.paths, len(paths)):
                file.writelines(f"{path}\n" for path in paths[: options.paths - start])
        first = statistics.median(seconds_to_first_line(all_paths) for _ in range(options.rounds))
        alone = statistics.median(seconds_to_first_line(one) for _ in range(options.rounds))
        print(
            f"first answer: {first:.2f} s with {options.paths:,} paths queued, "
            f"{alone:.2f} s with {len(paths):,}"
        )
        few, many = run(PREDICT, one)[2], run(PREDICT, all_paths)[2]
        print(
            f"peak memory: {few:.0f} MiB for {len(paths):,} paths, {many:.0f} MiB for "
            f"{options.paths:,}"
        )


def show(name: str, rates: list[tuple[float, float]], first: str, second: str) -> None:
    """Print the medians of two rates and of their ratio."""
    ratio = statistics.median(a / b for a, b in rates)
    a, b = (statistics.median(pair[side] for pair in rates) for side in (0, 1))
    print(f"{name}: {first} {a:,.0f}/s, {second} {b:,.0f}/s, ratio {ratio:.2f}", flush=True)


if __name__ == "__main__":
    main()
