"""Time the start of `digitcli` against the imports it cannot do without, in turn.

    python benchmarks/startup.py [--rounds 20] [--against REV]

Each line is of whole processes. The floor is a bare interpreter that imports the libraries that the
command needs: NumPy, Pillow and Typer to predict, Typer and Rich for the rest.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from digitcli import load_dataset
from pairs import Task, add_options, compare, program

PREDICT_FLOOR = [sys.executable, "-c", "import numpy, PIL.Image, typer"]
HELP_FLOOR = [sys.executable, "-c", "import typer, rich"]


def tasks(folder: Path) -> list[Task]:
    """Return the starts to measure; what they read is put into the folder."""
    drawing = Image.new("L", (64, 64), 255)
    font = ImageFont.load_default(48)
    ImageDraw.Draw(drawing).text((32, 32), "3", 0, font, anchor="mm")
    drawing.save(folder / "3.png")
    Image.fromarray(load_dataset("digits").images[0]).save(folder / "28.png")
    completion = {
        "_DIGITCLI_COMPLETE": "complete_bash",
        "COMP_WORDS": "digitcli predict --min",
        "COMP_CWORD": "2",
    }
    predict = [*program(), "predict"]
    starts = [
        Task("predict, MNIST form", [*predict, str(folder / "28.png")], floor=PREDICT_FLOOR),
        Task("predict, drawing", [*predict, str(folder / "3.png")], floor=PREDICT_FLOOR),
        Task("--help", [*program(), "--help"], floor=HELP_FLOOR),
        Task("--version", [*program(), "--version"], floor=HELP_FLOOR),
        Task("completion", program(), floor=HELP_FLOOR, environment=completion),
    ]
    return [task._replace(is_start=True) for task in starts]


def main() -> None:
    """Compare `predict`, `--help`, `--version` and shell completion with their floors."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_options(parser, rounds=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        compare(tasks(Path(folder)), options.rounds, options.against)


if __name__ == "__main__":
    main()
