"""Measure how well rows of digits are read, beside Tesseract and rapidocr where they are installed.

python benchmarks/lines.py --labels FOLDER/labels.csv --tesseract --rapidocr
python benchmarks/lines.py --rows 2000 --touching 0.33 --mnist FOLDER
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from digitcli import load_dataset, load_model
from digitcli.errors import ImageError
from digitcli.evaluation.lines import (
    LabelledRows,
    LineEvaluation,
    common_rows,
    edit_distance,
    evaluate_lines,
    read_labels,
)
from digitcli.model.network import Model
from digitcli.polarity import Polarity
from digitcli.reading.rows import read_rows
from rows import draw_row

RELIABILITY = 0, 0.5, 0.8, 0.9, 0.95, 0.99, 1.01


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", type=Path, help="instead of the model inside the package")
    parser.add_argument("--labels", type=Path, help="CSV file of path and text")
    parser.add_argument("--tesseract", action="store_true", help="also on the labelled pictures")
    parser.add_argument("--rapidocr", action="store_true", help="its recogniser, one row a picture")
    parser.add_argument("--rows", type=int, default=0, help="draw so many rows of MNIST's test set")
    parser.add_argument("--mnist", default="mnist", help="dataset to draw them from")
    parser.add_argument("--touching", type=float, default=0.0, help="share of the neighbours")
    parser.add_argument("--paper", action="store_true", help="ruled paper in uneven light")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    model = load_model(options.model)
    if options.labels:
        labelled = read_labels(options.labels)
        measure_pictures(model, labelled)
        truth = [pictured.rows for pictured in labelled]
        if options.tesseract and shutil.which("tesseract"):
            for mode in (6, 7):
                read = [run_tesseract(pictured.path, mode) for pictured in labelled]
                report(f"tesseract --psm {mode}", truth, read)
        if options.rapidocr:
            report("rapidocr", truth, run_rapidocr([pictured.path for pictured in labelled]))
    if options.rows:
        measure_rows(model, options)


def measure_pictures(model: Model, labelled: list[LabelledRows]) -> None:
    """Print what was read in each picture, and the totals."""
    result = evaluate_lines(model, labelled)
    for reading in result.readings:
        if not reading.right:
            print(f"{reading.truth.name}: {' '.join(reading.truth.rows)} read as", *reading.rows)
    print(f"digitcli: {result.digit_error_rate:.2%} of the digits wrong, "
          f"{result.row_accuracy:.2%} of the rows and {result.string_accuracy:.2%} of the "
          f"{len(labelled)} pictures right")  # fmt: skip
    print_reliability(result)


def print_reliability(result: LineEvaluation) -> None:
    """Print how many of the rows of each confidence are right."""
    pairs = [
        (confidence, row in reading.truth.rows)
        for reading in result.readings
        for row, confidence in zip(reading.rows, reading.confidences, strict=True)
    ]
    if not pairs:
        return
    sure, right = (np.array(column) for column in zip(*pairs, strict=True))
    print("confidence    rows    right")
    for low, high in itertools.pairwise(RELIABILITY):
        own = (sure >= low) & (sure < high)
        if own.any():
            print(f"{low:4.2f} to {min(high, 1):4.2f} {own.sum():6} {right[own].mean():8.1%}")


def report(name: str, truth: list[tuple[str, ...]], read: list[tuple[str, ...]]) -> None:
    """Print digit error rate, rows and pictures right."""
    pairs = list(zip(truth, read, strict=True))
    digits = sum(len("".join(rows)) for rows in truth)
    errors = sum(edit_distance("".join(wanted), "".join(got)) for wanted, got in pairs)
    rows = sum(common_rows(wanted, got) for wanted, got in pairs)
    right = sum(wanted == got for wanted, got in pairs)
    print(f"{name}: {errors / digits:.2%} of the digits wrong, "
          f"{rows / sum(map(len, truth)):.2%} of the rows and {right / len(truth):.2%} of the "
          f"{len(truth)} pictures right")  # fmt: skip


def run_tesseract(path: Path, mode: int) -> tuple[str, ...]:
    """Return the rows that Tesseract reads when it may only read digits."""
    with tempfile.TemporaryDirectory() as folder:
        upright = Path(folder) / "upright.png"  # it ignores EXIF and lays alpha on black
        with Image.open(path) as image:
            turned = ImageOps.exif_transpose(image).convert("RGBA")
        white = Image.new("RGBA", turned.size, "white")
        white.alpha_composite(turned)
        white.convert("L").save(upright)
        command = ["tesseract", upright, "-", "--psm", str(mode)]
        options = ["-c", "tessedit_char_whitelist=0123456789"]
        text = subprocess.run([*command, *options], capture_output=True, text=True).stdout
    return tuple(row for line in text.splitlines() if (row := "".join(line.split())))


def run_rapidocr(paths: list[Path]) -> list[tuple[str, ...]]:
    """Return the digits that the recogniser of rapidocr 3 reads in each picture, as one row."""
    from rapidocr import RapidOCR

    engine = RapidOCR()
    read = []
    start = time.process_time()
    for path in paths:
        found = engine(str(path), use_det=False, use_cls=False, use_rec=True)
        text = "".join(sign for sign in "".join(found.txts or ()) if sign in "0123456789")
        read.append((text,) if text else ())
    print(f"rapidocr: {1000 * (time.process_time() - start) / len(paths):.0f} ms of processor time")
    return read


def measure_rows(model: Model, options: argparse.Namespace) -> None:
    """Print how many drawn rows of five digits are read entirely right."""
    test = load_dataset(options.mnist).part("test")
    rng = np.random.default_rng(options.seed)
    right = errors = 0
    seconds = 0.0
    for _ in range(options.rows):
        chosen = rng.integers(len(test.images), size=5)
        row = draw_row(
            test.images[chosen],
            test.labels[chosen],
            rng,
            touching=options.touching,
            on_paper=options.paper,
        )
        start = time.perf_counter()
        try:
            read = read_rows(row.picture, model, polarity=Polarity.AUTO)
        except ImageError:
            read = []
        seconds += time.perf_counter() - start
        text = "".join(found.text() for found in read)
        right += len(read) == 1 and text == row.text
        errors += edit_distance(row.text, text)
    share = right / options.rows
    print(f"{options.rows} rows of five digits, {options.touching:.0%} of neighbours touching: "
          f"{share:.2%} right, {errors / options.rows / 5:.2%} of the digits wrong, "
          f"{1000 * seconds / options.rows:.0f} ms a row")  # fmt: skip


if __name__ == "__main__":
    main()
