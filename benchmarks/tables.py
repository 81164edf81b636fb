"""Measure how well tables are read: drawn ones of MNIST's digits, or labelled pictures.

python benchmarks/tables.py --count 20 --mnist FOLDER
python benchmarks/tables.py --labels FOLDER
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from digitcli import load_dataset, load_model
from digitcli.errors import ImageError
from digitcli.evaluation.tables import Scores, read_table_labels, score
from digitcli.reading.table import read_tables

Rng = np.random.Generator
BLANK, MINUS, POINT = 0.2, 0.1, 0.1
"""Shares of the cells that are blank, and of the numbers with a minus and a decimal point."""
PENS = (25, 25, 30), (30, 50, 150), (170, 30, 40), (70, 70, 75), (10, 90, 60)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=10, help="tables of each kind")
    parser.add_argument("--kind", action="append", choices=KINDS, help="only this kind")
    parser.add_argument("--mnist", default="mnist", help="dataset whose digits are set")
    parser.add_argument("--split", choices=["train", "test"], default="test")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--labels", type=Path, help="pictures, each with a CSV of the same name")
    parser.add_argument("--save", type=Path, help="keep the tables that were drawn here")
    options = parser.parse_args()
    model = load_model()
    if options.labels:
        for path, wanted in read_table_labels(options.labels):
            found, seconds = timed(lambda path=path: texts_of(path, model))
            print(f"{path.name:32} {report(score(wanted, found))} {seconds:6.2f} s")
        return
    digits = load_dataset(options.mnist).part(options.split)
    for kind in options.kind or KINDS:
        total, seconds = Scores(), 0.0
        for number in range(options.count):
            rng = np.random.default_rng([options.seed, number, list(KINDS).index(kind)])
            picture, wanted = KINDS[kind](Set(digits.images, digits.labels, rng))
            if options.save:
                save(options.save / f"{kind}-{number:03}.png", picture, wanted)
            found, needed = timed(lambda picture=picture: texts_of(picture, model))
            total += score(wanted, found)
            seconds += needed
        print(f"{kind:12} {report(total)} {seconds / options.count:6.2f} s", flush=True)


def texts_of(picture: Path | NDArray[np.uint8], model: object) -> list[list[str]]:
    try:
        tables = read_tables(picture, model)  # type: ignore[arg-type]
    except ImageError:
        return []
    return [row for table in tables for row in table.texts()]


def timed(work: Callable[[], list[list[str]]]) -> tuple[list[list[str]], float]:
    start = time.process_time()
    return work(), time.process_time() - start


def report(scores: Scores) -> str:
    return (
        f"numbers {scores.right:5} of {scores.numbers:5} = {scores.share:6.1%}   "
        f"blanks {scores.blanks_right:5} of {scores.blanks:5} = {scores.blanks_share:6.1%}   "
        f"invented {scores.invented_share:5.2%}"
    )


def save(path: Path, picture: NDArray[np.uint8], wanted: list[list[str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)
    path.with_suffix(".csv").write_text("".join(",".join(row) + "\n" for row in wanted))


class Set:
    """Sets numbers of MNIST's digits into cells."""

    def __init__(self, images: NDArray[np.uint8], labels: NDArray[np.integer], rng: Rng) -> None:
        self.images, self.labels, self.rng = images, labels, rng
        self.rows, self.columns = int(rng.integers(3, 11)), int(rng.integers(3, 8))
        self.thick = rng.uniform(1.5, 3)

    def number(self, *, most: int = 3, signs: bool = True) -> str:
        """Draw what a cell holds."""
        rng = self.rng
        if rng.random() < BLANK:
            return ""
        digits = "".join(map(str, rng.integers(0, 10, int(rng.integers(1, most + 1))).tolist()))
        if signs and len(digits) > 1 and rng.random() < POINT:
            place = int(rng.integers(1, len(digits)))
            digits = f"{digits[:place]}.{digits[place:]}"
        return "-" + digits if signs and rng.random() < MINUS else digits

    def digit(self, digit: int, size: int) -> NDArray[np.uint8]:
        """Return the ink of a digit, `size` pixels for MNIST's twenty."""
        image = self.images[self.rng.choice(np.flatnonzero(self.labels == digit))]
        rows, columns = np.flatnonzero(image.any(1)), np.flatnonzero(image.any(0))
        image = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        factor = size / 20
        shape = max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor))
        return np.asarray(Image.fromarray(image).resize(shape, Image.Resampling.BICUBIC))

    def written(self, text: str, size: int) -> NDArray[np.uint8]:
        """Return the ink of a number, as wide as it comes."""
        rng = self.rng
        ink = np.zeros((2 * size, size * (2 * len(text) + 1)), np.uint8)
        right = 2
        pen = max(2, round(size * rng.uniform(0.07, 0.12)))
        for sign in text:
            if sign == "-":
                middle, long = size + int(rng.integers(-2, 4)), round(size * rng.uniform(0.3, 0.5))
                ink[middle : middle + pen, right : right + long] = 230
                right += long + round(size * rng.uniform(0.15, 0.3))
            elif sign == ".":
                low = round(1.5 * size) - pen
                ink[low : low + pen + 1, right : right + pen + 1] = 230
                right += pen + 1 + round(size * rng.uniform(0.1, 0.25))
            else:
                image = self.digit(int(sign), size)
                top = size - len(image) // 2 + int(rng.integers(-2, 3))
                part = ink[top : top + len(image), right : right + image.shape[1]]
                np.maximum(part, image, out=part)
                right += image.shape[1] + round(size * rng.uniform(0.08, 0.25))
        columns = np.flatnonzero(ink.any(0))
        return ink[:, : columns[-1] + 3]

    def table(self, *, most: int = 3, signs: bool = True) -> list[list[str]]:
        """Draw what a table holds: in each row and each column something."""
        while True:
            texts = [
                [self.number(most=most, signs=signs) for _ in range(self.columns)]
                for _ in range(self.rows)
            ]
            if all(map(any, texts)) and all(map(any, zip(*texts, strict=True))):
                return texts


def place(page: NDArray[np.uint8], ink: NDArray[np.uint8], left: int, middle: int) -> None:
    """Lay a number's ink on that of a page, its middle line at a height."""
    top = middle - len(ink) // 2
    rows = slice(max(0, top), min(len(page), top + len(ink)))
    part = page[rows, max(0, left) : left + ink.shape[1]]
    np.maximum(part, ink[rows.start - top : rows.stop - top, : part.shape[1]], out=part)


def captured(
    ink: NDArray[np.uint8], rules: NDArray[np.uint8], rng: Rng, *, pale: bool = False
) -> NDArray[np.uint8]:
    """Put ink and rules on paper, as a scan or a photo has them: shape (height, width, 3)."""
    height, width = ink.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    light = np.ones((height, width), np.float32)
    clean = rng.random() < 0.4
    if not clean:
        angle = rng.uniform(0, 2 * np.pi)
        light -= rng.uniform(0, 0.3) * (
            0.5 + 0.5 * (np.cos(angle) * x / width + np.sin(angle) * y / height)
        )
    paper = np.array([255, 255, 255]) if clean else rng.uniform(205, 250) + rng.normal(0, 4, 3)
    pen = np.array(PENS[int(rng.integers(len(PENS)))])
    line = np.array([150, 180, 215]) if pale else np.full(3, rng.uniform(20, 150))
    picture = np.broadcast_to(paper, (height, width, 3)).astype(np.float32)
    for layer, colour in ((rules, line), (ink, pen)):
        cover = layer[..., None] / np.float32(255)
        picture = picture * (1 - cover) + colour * cover
    picture = picture * light[..., None]
    if not clean:
        picture += rng.normal(0, rng.uniform(1, 6), picture.shape)
    image = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    if not clean:
        image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 1.2))))
    return np.asarray(image)


def ruled(
    make: Set, *, upright: bool = True, broken: bool = False
) -> tuple[NDArray[np.uint8], list[list[str]]]:
    """A table with rules all round its cells, or only between its rows."""
    rng = make.rng
    texts = make.table()
    wide, tall = int(rng.integers(110, 190)), int(rng.integers(56, 90))
    size = int(tall * rng.uniform(0.4, 0.6))
    left, top = (int(rng.integers(10, 90)) for _ in range(2))
    shape = top * 2 + tall * make.rows, left * 2 + wide * make.columns
    ink = np.zeros(shape, np.uint8)
    rules = Image.new("L", shape[::-1])
    pen = ImageDraw.Draw(rules)
    thin, thick = int(rng.integers(1, 4)), int(rng.integers(2, 6))
    for row in range(make.rows + 1):
        outer = row in (0, 1, make.rows)
        level = top + row * tall
        pen.line(
            [(left, level), (left + wide * make.columns, level)], 255, thick if outer else thin
        )
    for column in range(make.columns + 1) if upright else ():
        outer = column in (0, make.columns)
        place_x = left + column * wide
        pen.line([(place_x, top), (place_x, top + tall * make.rows)], 255, thick if outer else thin)
    drawn = np.array(rules)
    if broken:
        for _ in range(int(rng.integers(10, 40))):
            y, x = int(rng.integers(shape[0])), int(rng.integers(shape[1]))
            drawn[y : y + int(rng.integers(4, 20)), x : x + int(rng.integers(4, 20))] = 0
    aligned = rng.choice(["left", "middle", "right"])
    for row, line in enumerate(texts):
        for column, text in enumerate(line):
            if text:
                own = fitted(make, text, size, wide - (12 if upright else size + 8))
                free = max(1, wide - 8 - own.shape[1])
                share = {"left": 0.1, "middle": 0.5, "right": 0.9}[str(aligned)]
                x = (
                    left
                    + column * wide
                    + 4
                    + round(free * np.clip(share + rng.normal(0, 0.08), 0, 1))
                )
                place(ink, own, x, top + row * tall + tall // 2 + int(rng.normal(0, 0.04 * tall)))
    return captured(ink, drawn, rng), texts


def fitted(make: Set, text: str, size: int, wide: int) -> NDArray[np.uint8]:
    """Write a number no wider than some pixels."""
    while True:
        ink = make.written(text, size)
        if ink.shape[1] <= wide:
            return ink
        size = round(0.9 * size)


def unruled(make: Set) -> tuple[NDArray[np.uint8], list[list[str]]]:
    """Numbers below each other."""
    rng = make.rng
    texts = make.table()
    size = int(rng.integers(24, 44))
    wide, tall = round(size * rng.uniform(5, 6)), round(size * rng.uniform(1.5, 2.4))
    edge = int(rng.integers(20, 80))
    ink = np.zeros((tall * make.rows + 2 * edge, wide * make.columns + 2 * edge), np.uint8)
    aligned = float(rng.choice([0.0, 0.5, 1.0]))
    for row, line in enumerate(texts):
        for column, text in enumerate(line):
            if text:
                own = fitted(make, text, size, wide - round(1.2 * size))
                free = wide - round(1.2 * size) - own.shape[1]
                x = edge + column * wide + round(free * aligned + rng.normal(0, 0.05 * size))
                place(ink, own, x, edge + row * tall + tall // 2 + int(rng.normal(0, 0.05 * size)))
    return captured(ink, np.zeros_like(ink), rng), texts


def boxes(make: Set) -> tuple[NDArray[np.uint8], list[list[str]]]:
    """A box for each number, apart from its neighbours."""
    rng = make.rng
    texts = make.table()
    wide, tall, apart = (int(rng.integers(*ends)) for ends in ((90, 170), (50, 80), (12, 50)))
    size = int(tall * rng.uniform(0.45, 0.62))
    shape = (tall + apart) * make.rows + apart, (wide + apart) * make.columns + apart
    ink, rules = np.zeros(shape, np.uint8), Image.new("L", shape[::-1])
    pen, thick = ImageDraw.Draw(rules), int(rng.integers(1, 4))
    for row, line in enumerate(texts):
        for column, text in enumerate(line):
            x, y = apart + column * (wide + apart), apart + row * (tall + apart)
            pen.rectangle((x, y, x + wide, y + tall), outline=255, width=thick)
            if text:
                own = fitted(make, text, size, wide - 12)
                left = x + (wide - own.shape[1]) // 2 + int(rng.normal(0, 4))
                place(ink, own, left, y + tall // 2 + int(rng.normal(0, 2)))
    return captured(ink, np.array(rules), rng), texts


def combs(make: Set) -> tuple[NDArray[np.uint8], list[list[str]]]:
    """A box for each digit, those of a number in a strip."""
    rng = make.rng
    long = int(rng.integers(2, 5))
    make.columns = min(make.columns, 4)
    texts = make.table(most=long, signs=False)
    wide, tall, apart = (int(rng.integers(*ends)) for ends in ((40, 60), (52, 72), (20, 60)))
    size = int(min(wide, tall) * rng.uniform(0.55, 0.7))
    shape = (
        (tall + apart) * make.rows + apart,
        (wide * long + apart) * make.columns + apart,
    )
    ink, rules = np.zeros(shape, np.uint8), Image.new("L", shape[::-1])
    pen, thick = ImageDraw.Draw(rules), int(rng.integers(1, 4))
    for row, line in enumerate(texts):
        for column, text in enumerate(line):
            x, y = apart + column * (wide * long + apart), apart + row * (tall + apart)
            pen.rectangle((x, y, x + wide * long, y + tall), outline=255, width=thick)
            for tooth in range(1, long):
                at = x + tooth * wide
                pen.line([(at, y), (at, y + tall)], 255, thick)
            for number, sign in enumerate(text):
                own = make.written(sign, size)
                left = x + number * wide + (wide - own.shape[1]) // 2 + int(rng.normal(0, 2))
                place(ink, own, left, y + tall // 2 + int(rng.normal(0, 2)))
    return captured(ink, np.array(rules), rng), texts


def squared(make: Set) -> tuple[NDArray[np.uint8], list[list[str]]]:
    """Squared paper: a digit a square, two or more squares between numbers."""
    rng = make.rng
    texts = make.table()
    pitch = int(rng.integers(28, 46))
    size = int(pitch * rng.uniform(0.65, 0.85))
    most = [max(len(text) for text in column) for column in zip(*texts, strict=True)]
    starts = np.cumsum([2, *(count + int(rng.integers(2, 4)) for count in most)])
    step = int(rng.integers(1, 3))
    shape = pitch * (step * make.rows + 3), pitch * (int(starts[-1]) + 1)
    ink, rules = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    for level in range(pitch // 2, shape[0], pitch):
        rules[level : level + 1 + (pitch > 36)] = 255
    for level in range(pitch // 2, shape[1], pitch):
        rules[:, level : level + 1 + (pitch > 36)] = 255
    for row, line in enumerate(texts):
        for column, text in enumerate(line):
            start = int(starts[column]) + most[column] - len(text)
            for number, sign in enumerate(text):
                own = make.written(sign, size)
                x = pitch // 2 + (start + number) * pitch + (pitch - own.shape[1]) // 2
                y = pitch // 2 + (1 + step * row) * pitch + pitch // 2
                place(ink, own, x + int(rng.normal(0, 2)), y + int(rng.normal(0, 2)))
    return captured(ink, rules, rng, pale=True), texts


def photographed(make: Set) -> tuple[NDArray[np.uint8], list[list[str]]]:
    """A ruled sheet on a table, from an angle."""
    rng = make.rng
    sheet, texts = ruled(make)
    height, width = sheet.shape[:2]
    tall, wide = round(1.35 * height), round(1.35 * width)
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], float)
    turn = rng.normal(0, 0.05)
    spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    placed = (corners - [width / 2, height / 2]) @ spin.T + [wide / 2, tall / 2]
    placed += rng.uniform(-0.05, 0.05, (4, 2)) * [width, height]
    coefficients = perspective(placed, corners)
    image = Image.fromarray(sheet)
    size = wide, tall
    moved = image.transform(
        size, Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BICUBIC
    )
    inside = Image.new("L", image.size, 255).transform(
        size, Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BILINEAR
    )
    grain = rng.normal(0, 1, (tall, wide)).astype(np.float32)
    streaks = Image.fromarray(np.clip(128 + 60 * grain, 0, 255).astype(np.uint8))
    streaks = streaks.filter(ImageFilter.GaussianBlur((float(rng.uniform(4, 30)), 1.0)))
    wood = (np.asarray(streaks, np.float32)[..., None] - 128) * 2 + rng.uniform(40, 120, 3)
    cover = np.asarray(inside, np.float32)[..., None] / 255
    picture = np.asarray(moved, np.float32) * cover + np.clip(wood, 0, 255) * (1 - cover)
    picture += rng.normal(0, rng.uniform(1, 5), picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8), texts


def perspective(source: NDArray[np.float64], target: NDArray[np.float64]) -> list[float]:
    """Return the coefficients of Pillow's transform that takes four points to four others."""
    rows, values = [], []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return [float(value) for value in np.linalg.solve(np.array(rows), np.array(values))]


Kind = Callable[[Set], tuple[NDArray[np.uint8], list[list[str]]]]
KINDS: dict[str, Kind] = {
    "ruled": ruled,
    "broken": lambda make: ruled(make, broken=True),
    "horizontal": lambda make: ruled(make, upright=False),
    "unruled": unruled,
    "boxes": boxes,
    "combs": combs,
    "squared": squared,
    "photographed": photographed,
}


if __name__ == "__main__":
    main()
