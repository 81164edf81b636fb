"""Time the start of `digitcli` against the imports it cannot do without, pair by pair.

    python benchmarks/startup.py [--pairs 20]

Each line compares a whole process with a bare interpreter that imports the libraries named, in
turn A B A B …; the ratio is the median over the pairs, so a machine whose speed drifts does it no
harm. Bytecode is written first, as an installation does.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from digitcli import load_dataset

PREDICT_FLOOR = "import numpy, PIL.Image, typer"
HELP_FLOOR = "import typer, rich"


def measure(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Return the wall and the processor seconds of a process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def compare(name: str, command: list[str], floor: str, pairs: int, environment: dict[str, str]):
    """Print the medians of a command, its floor and their ratio."""
    bare = [sys.executable, "-c", floor]
    for warm_up in (command, bare):
        measure(warm_up, environment)
    ours, theirs = [], []
    for _ in range(pairs):
        ours.append(measure(command, environment))
        theirs.append(measure(bare, environment))
    wall, processor = (
        statistics.median(a[kind] / b[kind] for a, b in zip(ours, theirs, strict=True))
        for kind in (0, 1)
    )
    print(
        f"{name:24} {1000 * statistics.median(a[0] for a in ours):6.0f} ms  "
        f"{1000 * statistics.median(b[0] for b in theirs):6.0f} ms  "
        f"wall {wall:.2f}  cpu {processor:.2f}  ({floor})",
        flush=True,
    )


def main() -> None:
    """Compare `predict`, `--help`, `--version` and shell completion with their floors."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=20)
    pairs = parser.parse_args().pairs
    beside = Path(sys.executable).with_name("digitcli")
    program = [str(beside)] if beside.exists() else [shutil.which("digitcli") or "digitcli"]
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONDONTWRITEBYTECODE", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")
    }
    completion = environment | {
        "_DIGITCLI_COMPLETE": "complete_bash",
        "COMP_WORDS": "digitcli predict --min",
        "COMP_CWORD": "2",
    }
    with tempfile.TemporaryDirectory() as folder:
        drawing = Image.new("L", (64, 64), 255)
        font = ImageFont.load_default(48)
        ImageDraw.Draw(drawing).text((32, 32), "3", 0, font, anchor="mm")
        image = str(Path(folder, "3.png"))
        drawing.save(image)
        small = str(Path(folder, "28.png"))
        Image.fromarray(load_dataset("digits").images[0]).save(small)
        print(f"{'':24} {'digitcli':>9}  {'floor':>9}  ratio (median of {pairs} pairs)")
        compare(
            "predict, MNIST form", [*program, "predict", small], PREDICT_FLOOR, pairs, environment
        )
        compare(
            "predict, drawing",
            [*program, "predict", image],
            PREDICT_FLOOR,
            pairs,
            environment,
        )
    compare("--help", [*program, "--help"], HELP_FLOOR, pairs, environment)
    compare("--version", [*program, "--version"], HELP_FLOOR, pairs, environment)
    compare("completion", program, HELP_FLOOR, pairs, completion)


if __name__ == "__main__":
    main()
