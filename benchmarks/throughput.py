"""How quickly `digitcli predict` reads small PNG files, against a bare Pillow loop, and its memory.

    python benchmarks/throughput.py --mnist FOLDER [--jobs 2] [--rounds 5] [--against REV]

Writes the 10,000 MNIST test digits as PNG files and sends their paths through stdin, three times
over for --jobs; the bare loop only opens and decodes them. Times are for an image, the start of the
process included. The floor of the lines about --jobs is one process that does the same.

What --jobs gains in wall time needs as many idle processors. The processor time that it costs for
an image can be compared on a busy machine too: were there nothing else to wait for, -j N would need
one Nth of it.
"""

from __future__ import annotations

import argparse
import gzip
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from pairs import ENVIRONMENT, Task, add_options, compare, cost, program

BARE = """
import sys
from PIL import Image
for line in sys.stdin:
    with Image.open(line[:-1]) as image:
        image.load()
"""
PREDICT = [*program(), "predict", "-"]
TIMES = 3


def write_digits(mnist: Path, folder: Path) -> list[str]:
    """Save the test digits as PNG files and return their paths."""
    with gzip.open(mnist / "t10k-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)
    paths = [str(folder / f"{number:05d}.png") for number in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    return paths


def write_list(paths: list[str], count: int, file: Path) -> Path:
    """Write a list of so many paths, which begins again at its end."""
    with file.open("w") as lines:
        for start in range(0, count, len(paths)):
            lines.writelines(f"{path}\n" for path in paths[: count - start])
    return file


def tasks(mnist: Path, folder: Path, jobs: int) -> list[Task]:
    """Return what is to be measured; the digits are put into the folder."""
    paths = write_digits(mnist, folder)
    few = write_list(paths, len(paths), folder / "few")
    many = write_list(paths, TIMES * len(paths), folder / "many")
    bare = [sys.executable, "-c", BARE]
    shared = [*PREDICT, "-j", str(jobs)]
    count = TIMES * len(paths)
    return [
        Task("small PNG", PREDICT, len(paths), bare, few),
        Task(
            f"small PNG, -j {jobs}",
            shared,
            count,
            PREDICT,
            many,
            measures=("wall", "processor"),
        ),
    ]


def seconds_to_first_line(listing: Path, *options: str) -> float:
    """Return how long the first answer takes when all paths are queued."""
    start = time.perf_counter()
    with listing.open("rb") as paths:
        process = subprocess.Popen(
            [*PREDICT, *options], stdin=paths, stdout=subprocess.PIPE, env=ENVIRONMENT
        )
        assert process.stdout is not None
        process.stdout.readline()
        seconds = time.perf_counter() - start
        process.kill()
        process.communicate()
    return seconds


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mnist", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--paths", type=int, default=1_000_000, help="for the memory")
    add_options(parser, rounds=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        compare(tasks(options.mnist, folder, options.jobs), options.rounds, options.against)
        few = folder / "few"
        paths = few.read_text().splitlines()
        many = write_list(paths, options.paths, folder / "all")
        for jobs in ((), ("-j", str(options.jobs))):
            first = statistics.median(
                seconds_to_first_line(many, *jobs) for _ in range(options.rounds)
            )
            print(f"first of {options.paths:,} answers{' '.join(('', *jobs))}: {first:.2f} s")
        peaks = [cost(PREDICT, listing).peak for listing in (few, many)]
        print(
            f"peak memory: {peaks[0]:.0f} MiB for {len(paths):,} paths, {peaks[1]:.0f} MiB for "
            f"{options.paths:,}"
        )


if __name__ == "__main__":
    main()
