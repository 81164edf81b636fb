"""Accuracy on digits as people capture them, drawn from MNIST, per kind of capture.

    python benchmarks/captures.py [--split test] [--count 100] [--rows] [--misread SHEET.png]

Training digits are for development, test digits for reports. `sideways` stays out of the mean.
"""

from __future__ import annotations

import argparse
import csv
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from io import BytesIO
from pathlib import Path
from typing import BinaryIO
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps

from digitcli import Model, load_dataset, load_model
from digitcli.errors import ImageError
from digitcli.evaluation.lines import edit_distance
from digitcli.reading.digit import see_digit
from digitcli.reading.page import read_page
from digitcli.reading.turn import recognised
from scenes import KINDS, ROWS, Scene, draw, encode

OUTSIDE_THE_MEAN = frozenset({"sideways"})
SURE = 0.9
COLUMNS = 12


def read_single(model: Model, file: BinaryIO) -> tuple[int | None, float]:
    """Return the digit and its confidence, None for a refusal."""
    try:
        seen = see_digit(file)
    except ImageError:
        return None, 0.0
    probabilities = recognised(seen, model)
    return int(probabilities.argmax()), float(probabilities.max())


def read_rows_of(model: Model, file: BinaryIO) -> list[tuple[str, float]]:
    """Return the text and the confidence of each row, none for a refusal."""
    try:
        page = read_page(file, model)
    except ImageError:
        return []
    return [(row.text(), row.confidence) for row in page.rows]


@dataclass(frozen=True)
class Answer:
    """What was read in a scene; None for a refusal."""

    kind: str
    number: int
    text: str
    read: str | None
    confidence: float
    saved: Path | None = None

    @property
    def right(self) -> bool:
        return self.read == self.text


@cache
def digits(split: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    part = load_dataset("mnist").part(split)
    return np.asarray(part.images), np.asarray(part.labels)


the_model = cache(load_model)


def scene_of(split: str, seed: int, kind: str, number: int) -> Scene:
    """Draw a scene, the same for the same arguments."""
    images, labels = digits(split)
    rng = np.random.default_rng([seed, crc32(kind.encode()), number])
    return draw(kind, images, labels, rng)


def save(scene: Scene, number: int, folder: Path | None) -> Path | None:
    """Write the scene's file to the folder of its kind, if any folder is given."""
    if folder is None:
        return None
    place = folder / scene.kind
    place.mkdir(parents=True, exist_ok=True)
    name = f"{number:04}-{scene.text.replace(chr(10), '-')}{scene.suffix}"
    (place / name).write_bytes(encode(scene))
    return place / name


def measured(
    split: str, seed: int, model: Path | None, folder: Path | None, task: tuple[str, int]
) -> Answer:
    """Draw a scene and read it."""
    kind, number = task
    scene = scene_of(split, seed, kind, number)
    saved = save(scene, number, folder)
    file = BytesIO(encode(scene))
    if kind.startswith("rows/"):
        rows = read_rows_of(the_model(model), file)
        read = "\n".join(text for text, _ in rows) if rows else None
        confidence = min((confidence for _, confidence in rows), default=0.0)
    else:
        digit, confidence = read_single(the_model(model), file)
        read = None if digit is None else str(digit)
    return Answer(kind, number, scene.text, read, confidence, saved)


def drawn(split: str, seed: int, folder: Path | None, task: tuple[str, int]) -> Answer:
    """Draw a scene without reading it."""
    kind, number = task
    scene = scene_of(split, seed, kind, number)
    return Answer(kind, number, scene.text, None, 0.0, save(scene, number, folder))


def print_table(answers: Sequence[Answer], rows: bool) -> None:
    """Print each kind's share of right answers and refusals, and how sure the wrong ones are."""
    kinds = list(dict.fromkeys(answer.kind for answer in answers))
    last = f"{'digit errors':>13}" if rows else ""
    print(
        f"{'kind':24} {'images':>6} {'right':>7} {'refused':>8} {'wrong':>6} "
        f"{'its confidence':>15} {'above 0.9':>10}{last}"
    )
    shares = {
        kind: print_line(kind, [a for a in answers if a.kind == kind], rows) for kind in kinds
    }
    inside = [kind for kind in kinds if kind not in OUTSIDE_THE_MEAN]
    if inside:
        print()
        print_line("all", [a for a in answers if a.kind in inside], rows)
        mean = float(np.mean([shares[kind] for kind in inside]))
        print(f"{'mean over kinds':24} {len(inside):6} {mean:7.2%}")


def print_line(kind: str, answers: Sequence[Answer], rows: bool) -> float:
    """Print a kind's numbers, and return its share of right answers."""
    right = float(np.mean([answer.right for answer in answers]))
    refused = float(np.mean([answer.read is None for answer in answers]))
    wrong = [a.confidence for a in answers if a.read is not None and not a.right]
    sureness = f"{np.mean(wrong):15.2f}" if wrong else " " * 15
    sure = float(np.sum(np.array(wrong) > SURE)) / len(answers)
    last = ""
    if rows:
        errors = sum(edit_distance(a.text, a.read or "") for a in answers)
        last = f"{errors / sum(len(a.text) for a in answers):13.1%}"
    print(
        f"{kind:24} {len(answers):6} {right:7.1%} {refused:8.1%} "
        f"{len(wrong) / len(answers):6.1%} {sureness} {sure:10.1%}{last}"
    )
    return right


def contact_sheet(scenes: Sequence[tuple[Scene, str]], wide: bool) -> Image.Image:
    """Each scene with its kind, its text and what was read."""
    width, height = (300, 150) if wide else (150, 150)
    columns = COLUMNS // 2 if wide else COLUMNS
    rows = max(1, -(-len(scenes) // columns))
    sheet = Image.new("RGB", (columns * (width + 4), rows * (height + 32)), "gray")
    pen = ImageDraw.Draw(sheet)
    for number, (scene, answer) in enumerate(scenes):
        left, top = number % columns * (width + 4), number // columns * (height + 32)
        picture = Image.fromarray(scene.picture)
        picture = ImageOps.contain(picture.convert("RGB"), (width, height))
        sheet.paste(picture, (left, top))
        pen.text((left, top + height + 2), scene.kind, "white")
        pen.text((left, top + height + 15), answer, "white")
    return sheet


def write_labels(folder: Path, answers: Sequence[Answer]) -> None:
    """List the pictures as benchmarks/real_pictures.py and benchmarks/lines.py read them."""
    rows = any(answer.kind.startswith("rows/") for answer in answers)
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["path", "text" if rows else "label", "source"])
        for answer in answers:
            path = answer.saved.relative_to(folder).as_posix() if answer.saved else ""
            table.writerow([path, answer.text.replace("\n", r"\n"), answer.kind])


def chosen(names: str | None, rows: bool) -> list[str]:
    known = {f"rows/{name}" for name in ROWS} if rows else set(KINDS)
    listed = [f"rows/{name}" for name in ROWS] if rows else list(KINDS)
    if not names:
        return listed
    wanted = [
        name if not rows else f"rows/{name.removeprefix('rows/')}" for name in names.split(",")
    ]
    if unknown := [name for name in wanted if name not in known]:
        raise SystemExit(f"no such kind: {', '.join(unknown)}; there are {', '.join(listed)}")
    return wanted


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--split", choices=["train", "test"], default="train")
    parser.add_argument("--count", type=int, default=50, help="pictures of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", help="some kinds only, with commas")
    parser.add_argument("--rows", action="store_true", help="rows instead of single digits")
    parser.add_argument("--save", type=Path, metavar="DIR", help="keep the pictures")
    parser.add_argument("--misread", type=Path, metavar="SHEET.png", help="draw misread pictures")
    parser.add_argument("-m", "--model", type=Path, help="model file; the shipped one by default")
    parser.add_argument("--draw-only", action="store_true", help="read nothing")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    arguments = parser.parse_args()

    split, seed, folder = arguments.split, arguments.seed, arguments.save
    kinds = chosen(arguments.kinds, arguments.rows)
    tasks = [(kind, number) for kind in kinds for number in range(arguments.count)]
    work = (
        partial(drawn, split, seed, folder)
        if arguments.draw_only
        else partial(measured, split, seed, arguments.model, folder)
    )
    with ProcessPoolExecutor(arguments.processes) as pool:
        answers = list(pool.map(work, tasks, chunksize=max(1, min(16, arguments.count))))
    if folder:
        write_labels(folder, answers)
    if arguments.draw_only:
        print(f"drew {len(answers)} pictures of {len(kinds)} kinds")
    else:
        print_table(answers, arguments.rows)
    if arguments.misread:
        wrong = [answer for answer in answers if arguments.draw_only or not answer.right]
        pictures = [
            (scene_of(split, seed, answer.kind, answer.number), summary(answer)) for answer in wrong
        ]
        contact_sheet(pictures, arguments.rows).save(arguments.misread)


def summary(answer: Answer) -> str:
    text, read = answer.text.replace("\n", "/"), (answer.read or "none").replace("\n", "/")
    return f"{text}, read as {read} ({answer.confidence:.0%})"


if __name__ == "__main__":
    main()
