"""Accuracy on pictures of single digits, per source and kind, next to the naive way to see them.

    python benchmarks/real_pictures.py PICTURES [-m MODEL] [--misread SHEET.png] [--without TABLE]

PICTURES is a table such as labels.csv with the columns path (relative to it) and label, and
perhaps source and kind; or a folder with one sub-folder per class, 0 … 9. The images of each source
weigh together as one source. The naive way – convert to grey, invert if the border is light, resize
to 28×28 – goes through the same network. The last lines say how well the confidence tells digits
from pictures that hold none: drawn ones, and those of a TABLE of paths and kinds. Of its kinds,
`blank` and `ambiguous`, such as an O, are left out of the sum.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps

from digitcli.errors import ImageError
from digitcli.evaluation.metrics import auroc
from digitcli.model.modelfile import load_model
from digitcli.model.network import Model
from digitcli.reading.digit import Seen, see_digit, see_picture
from digitcli.reading.turn import recognised
from digitcli.seeing.decode import Picture, decode

THUMBNAIL = 112
COLUMNS = 6
KEPT = 0.99
"""Share of the digits whose confidence what is no digit should not reach."""
NOT_IN_THE_SUM = "ambiguous", "blank"


@dataclass(frozen=True)
class Labelled:
    path: Path
    label: int
    source: str
    kind: str


def labelled_pictures(place: Path) -> list[Labelled]:
    """Read a table of pictures, or list a folder of classes."""
    if place.is_file():
        with place.open(newline="", encoding="utf-8") as table:
            return [
                Labelled(
                    place.parent / row["path"],
                    int(row.get("label") or -1),
                    row.get("source") or place.parent.name,
                    row.get("kind") or "all",
                )
                for row in csv.DictReader(table)
            ]
    return [
        Labelled(path, digit, place.name, "all")
        for digit in range(10)
        for path in sorted((place / str(digit)).iterdir())
    ]


def naive(path: Path) -> NDArray[np.uint8]:
    """Convert to grey, invert if the border is light, resize to 28×28."""
    with Image.open(path) as image:
        grey = image.convert("L")
    pixels = np.asarray(grey)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    if border.mean() > 127:
        grey = ImageOps.invert(grey)
    return np.asarray(grey.resize((28, 28), Image.Resampling.BILINEAR))


def seen(path: Path) -> tuple[Seen | None, Seen]:
    """What digitcli and what the naive way make of a picture; None for a refusal."""
    try:
        return see_digit(path), Seen(naive(path), ready=True)
    except ImageError:
        return None, Seen(naive(path), ready=True)


def answers(
    model: Model, images: Sequence[Seen | None]
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Digits and confidences; -1 and 0 for refused pictures."""
    refused = np.array([image is None for image in images])
    probabilities = np.stack(
        [np.zeros(10) if image is None else recognised(image, model) for image in images]
    )
    digits = np.where(refused, -1, probabilities.argmax(axis=1))
    return digits, np.where(refused, np.float32(0), probabilities.max(axis=1))


def mean_over_sources(right: NDArray[np.bool_], sources: NDArray[np.str_]) -> float:
    return float(np.mean([right[sources == source].mean() for source in np.unique(sources)]))


def print_table(
    pictures: list[Labelled], right: NDArray[np.bool_], naive_right: NDArray[np.bool_]
) -> None:
    kinds = np.array([picture.kind for picture in pictures])
    sources = np.array([picture.source for picture in pictures])
    print(f"{'kind':10} {'source':24} {'images':>6} {'right':>7} {'naive':>7}")
    for kind in np.unique(kinds):
        for source in np.unique(sources[kinds == kind]):
            of = (kinds == kind) & (sources == source)
            shares = f"{right[of].mean():7.1%} {naive_right[of].mean():7.1%}"
            print(f"{kind:10} {source:24} {of.sum():6} {shares}")
    print()
    for kind in np.unique(kinds):
        of = kinds == kind
        ours = mean_over_sources(right[of], sources[of])
        theirs = mean_over_sources(naive_right[of], sources[of])
        print(f"{kind:10} {'mean over sources':24} {of.sum():6} {ours:7.2%} {theirs:7.2%}")
    ours, theirs = mean_over_sources(right, sources), mean_over_sources(naive_right, sources)
    print(f"{'all':10} {'mean over sources':24} {len(right):6} {ours:7.2%} {theirs:7.2%}")


def no_digits(count: int, rng: np.random.Generator) -> Iterator[tuple[str, Picture]]:
    """Pictures that hold no digit: blank, noise, gradients, textures, and letters."""
    for _ in range(count):
        side = int(rng.integers(28, 400))
        level = rng.uniform(30, 225)
        grain = rng.normal(0, 1, (side, side))
        slope = np.linspace(-1, 1, side)
        yield "blank", _pixels(level + 2 * grain)
        yield "noise", _pixels(level + rng.uniform(20, 80) * grain)
        yield "gradient", _pixels(level + rng.uniform(30, 90) * slope + 2 * grain)
        fog = Image.fromarray(_pixels(128 + 50 * grain)).filter(
            ImageFilter.GaussianBlur(rng.uniform(1, side / 12))
        )
        yield "texture", np.asarray(ImageOps.autocontrast(fog))
        letter = str(rng.choice(list("ABCDEFGHJKLMNPQRTUVWXYacdefhkmnprtuvwxy")))
        sheet = Image.new("L", (side, side), 240)
        font = ImageFont.load_default(side * 0.7)
        ImageDraw.Draw(sheet).text((side / 2, side / 2), letter, 30, font, anchor="mm")
        yield "letter", np.asarray(sheet.rotate(rng.uniform(-12, 12), fillcolor=240))


def print_answered(model: Model, confidence: NDArray[np.float32], pictures: list[Labelled]) -> None:
    """How many pictures without a digit get as much confidence as nearly all digits."""
    with ProcessPoolExecutor() as pool:
        images = list(pool.map(seen, [picture.path for picture in pictures], chunksize=32))
    _, without = answers(model, [image for image, _ in images])
    kinds = np.array([picture.kind for picture in pictures])
    line = np.quantile(confidence, 1 - KEPT)
    print(f"\n{KEPT:.0%} of the digits have a confidence of {line:.3f}")
    print(f"{'no digit':10} {'images':>6} {'answered':>9} {'AUROC':>7}")
    summed = ~np.isin(kinds, NOT_IN_THE_SUM)
    for name, of in [*((kind, kinds == kind) for kind in np.unique(kinds)), ("all", summed)]:
        truth = np.repeat([True, False], [len(confidence), of.sum()])
        area = auroc(truth, np.concatenate([confidence, without[of]]))
        print(f"{name:10} {of.sum():6} {(without[of] >= line).mean():9.1%} {area:7.4f}")


def _pixels(values: NDArray[np.float64]) -> Picture:
    return np.clip(values, 0, 255).astype(np.uint8)


def print_separation(model: Model, confidence: NDArray[np.float32], count: int) -> None:
    """How often a digit gets more confidence than a picture without one."""
    kinds: list[str] = []
    images: list[Seen | None] = []
    for kind, picture in no_digits(count, np.random.default_rng(0)):
        kinds.append(kind)
        try:
            images.append(see_picture(picture))
        except ImageError:
            images.append(None)
    _, without = answers(model, images)
    print(f"\n{'no digit':10} {'images':>6} {'refused':>8} {'above 0.9':>10} {'AUROC':>7}")
    for kind in [*dict.fromkeys(kinds), "all"]:
        of = np.array([kind in (name, "all") for name in kinds])
        truth = np.repeat([True, False], [len(confidence), of.sum()])
        area = auroc(truth, np.concatenate([confidence, without[of]]))
        refused = np.mean([images[number] is None for number in np.flatnonzero(of)])
        sure = (without[of] > 0.9).mean()
        print(f"{kind:10} {of.sum():6} {refused:8.1%} {sure:10.1%} {area:7.4f}")


def contact_sheet(
    misread: list[tuple[Labelled, NDArray[np.uint8] | None, str]],
) -> Image.Image:
    """Each misread picture beside its 28×28 image, with its label and the answer."""
    cell_width, cell_height = 2 * THUMBNAIL + 8, THUMBNAIL + 32
    rows = -(-len(misread) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * cell_width, max(1, rows) * cell_height), "white")
    draw = ImageDraw.Draw(sheet)
    for number, (picture, image, answer) in enumerate(misread):
        left, top = number % COLUMNS * cell_width, number // COLUMNS * cell_height
        original = Image.fromarray(decode(picture.path))
        original = ImageOps.contain(original, (THUMBNAIL, THUMBNAIL))
        sheet.paste(original, (left, top))
        if image is not None:
            large = Image.fromarray(image).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.NEAREST)
            sheet.paste(large, (left + THUMBNAIL + 2, top))
        name = f"{picture.source}/{picture.path.name}"
        draw.text((left, top + THUMBNAIL + 2), f"{picture.label}, read as {answer}", "black")
        draw.text((left, top + THUMBNAIL + 15), name[-36:], "gray")
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pictures", type=Path, help="labels.csv, or a folder of classes")
    parser.add_argument("-m", "--model", type=Path, help="model file; the shipped one by default")
    parser.add_argument("--misread", type=Path, metavar="SHEET.png", help="draw misread pictures")
    parser.add_argument("--no-digits", type=int, default=100, help="pictures of each kind without")
    parser.add_argument("--without", type=Path, metavar="TABLE", help="of pictures without a digit")
    arguments = parser.parse_args()

    model = load_model(arguments.model)
    place = arguments.pictures
    pictures = labelled_pictures(place / "labels.csv" if (place / "labels.csv").exists() else place)
    with ProcessPoolExecutor() as pool:
        images = list(pool.map(seen, [picture.path for picture in pictures], chunksize=32))
    labels = np.array([picture.label for picture in pictures])
    digits, confidence = answers(model, [image for image, _ in images])
    naive_digits, _ = answers(model, [image for _, image in images])
    print_table(pictures, digits == labels, naive_digits == labels)
    if arguments.no_digits:
        print_separation(model, confidence, arguments.no_digits)
    if arguments.without:
        print_answered(model, confidence, labelled_pictures(arguments.without))
    if arguments.misread:
        wrong = np.flatnonzero(digits != labels)
        rows = [
            (
                pictures[number],
                seen_as.image if (seen_as := images[number][0]) else None,
                f"{digits[number]} ({confidence[number]:.0%})" if digits[number] >= 0 else "none",
            )
            for number in wrong
        ]
        contact_sheet(rows).save(arguments.misread)


if __name__ == "__main__":
    main()
