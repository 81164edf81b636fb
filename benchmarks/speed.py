"""All that is to be quick, in one table: what it takes now, at its floor, and in another revision.

    python benchmarks/speed.py --mnist FOLDER [--pictures FOLDER] [--rounds 3] [--against REV]

Times are of processors (but for the line that says so), of whole processes, for one of what the
line names: an image, a start, a page, an epoch. Its floor is a bare loop of Pillow, bare imports,
or for --jobs one process. `throughput.py`, `startup.py` and `training_throughput.py` say more.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import startup
import throughput
from digitcli import load_dataset
from digitcli.training.committee import cpu_count
from digitcli.training.recipe import RECIPES
from digitcli.training.trainer import initial_state, split_validation, train
from pairs import Task, add_options, compare, machine, program, sgemm_peak
from rows import draw_row
from training_throughput import operations

PAGES = (60, 20), (32, 10)
TRAINED = "quick", "standard"
EPOCHS = 2
SOME_FAILED = 3
"""The exit code where a picture of a folder cannot be read."""


def draw_page(
    rows: int, length: int, images: NDArray[np.uint8], labels: NDArray[np.uint8]
) -> Image.Image:
    """Draw rows of digits, a third of which touch their neighbours."""
    rng = np.random.default_rng([rows, length])
    drawn = []
    for _ in range(rows):
        chosen = rng.integers(len(images), size=length)
        drawn.append(draw_row(images[chosen], labels[chosen], rng, touching=1 / 3).picture)
    width = max(picture.shape[1] for picture in drawn)
    padded = [
        np.pad(picture, ((0, 0), (0, width - picture.shape[1])), constant_values=255)
        for picture in drawn
    ]
    return Image.fromarray(np.vstack(padded))


def page_tasks(folder: Path) -> list[Task]:
    """Return the reading of pages of rows."""
    test = load_dataset("mnist").part("test")
    tasks = []
    for rows, length in PAGES:
        path = folder / f"{rows}x{length}.png"
        draw_page(rows, length, np.asarray(test.images), np.asarray(test.labels)).save(path)
        command = [*program(), "predict", "--line", str(path)]
        tasks.append(Task(f"page of {rows} rows of {length}", command))
    return tasks


def folder_tasks(pictures: Path | None) -> list[Task]:
    """Return the reading of a folder of pictures."""
    if pictures is None:
        return []
    count = sum(path.is_file() and path.name[0] != "." for path in pictures.rglob("*"))
    command = [*program(), "predict", "-r", str(pictures)]
    return [Task("photo, scan or drawing", command, count, exits=(0, SOME_FAILED))]


def training_tasks(folder: Path) -> list[Task]:
    """Return a few epochs of training."""
    train = [*program(), "train", "--dataset", "mnist", "-q", "--epochs", str(EPOCHS)]
    train += ["-o", str(folder / "model.joblib"), "--recipe"]
    measures = "processor", "wall", "peak"
    return [
        Task(f"epoch of {EPOCHS}, recipe {name}", [*train, name], EPOCHS, measures=measures)
        for name in TRAINED
    ]


def large_task(folder: Path) -> Task:
    """Return the reading of a PNG file of 12 megapixels."""
    large = np.full((3000, 4000, 3), 230, np.uint8)
    digit = np.kron(np.asarray(load_dataset("mnist").part("test").images)[0], np.ones((60, 60)))
    large[700:2380, 1200:2880] -= (digit[..., None] * 0.8).astype(np.uint8)
    Image.fromarray(large).save(folder / "large.png")
    predict = [*program(), "predict", str(folder / "large.png")]
    return Task("PNG of 12 megapixels", predict, measures=("processor", "peak"))


def print_shares_of_the_peak() -> None:
    """Say how much of the peak of matrix products the loop of `MLPClassifier.fit` reaches.

    By the time of its thread, to which other work on the machine does nothing.
    """
    data = split_validation(load_dataset("mnist").part("train"), 0.1, seed=0)
    for name in TRAINED:
        recipe = replace(RECIPES[name], epochs=1)
        ends: list[float] = []
        train(
            data,
            recipe,
            seed=0,
            state=initial_state(recipe, seed=0),
            patience=9,
            threads=cpu_count(),
            on_part=lambda _, ends=ends: ends.append(time.thread_time()),
        )
        images = (1 - 1 / len(ends)) * len(data.training)  # all parts but the first
        speed = images * operations(recipe) / (ends[-1] - ends[0])
        print(f"recipe {name}: {speed / sgemm_peak(clock=time.thread_time):.2f} of the sgemm peak")


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mnist", type=Path, required=True)
    parser.add_argument("--pictures", type=Path, help="a folder of pictures of a digit each")
    parser.add_argument("--jobs", type=int, default=2)
    add_options(parser, rounds=3)
    options = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tasks = [
            *throughput.tasks(options.mnist, folder, options.jobs),
            *folder_tasks(options.pictures),
            *startup.tasks(folder),
            *page_tasks(folder),
            *training_tasks(folder),
            large_task(folder),
        ]
        compare(tasks, options.rounds, options.against)
    print_shares_of_the_peak()
    print(machine())


if __name__ == "__main__":
    main()
