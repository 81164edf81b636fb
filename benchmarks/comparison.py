"""`digitcli predict` beside what people would otherwise run, on the same digits.

    python benchmarks/comparison.py --labels LABELS.csv [--every 5] [--rounds 3] [--rapidocr P]
    python benchmarks/comparison.py --mnist FOLDER [--count 2000] [--rounds 3] [--recognizer P]

The pictures are those of a table with the columns path (relative to it) and label, or MNIST's test
digits. The naive script opens each with Pillow and asks digitcli's network as a scikit-learn
classifier, loaded with joblib, once per image. Tesseract (one character, digits only) takes part
where it is installed. Two more take part where the interpreter of their virtual environment is
given: the recogniser of rapidocr, which finds more digits than with its search for text before it
(``pip install rapidocr onnxruntime``), and digit-recognizer-py, a convolutional network for PyTorch
(``pip install digit-recognizer-py torch torchvision``). All run in turn in each round, after a
start of each that does not count; figures are medians over the rounds. The table is Markdown.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

CONVERT = """
import sys
import joblib, digitcli
joblib.dump(digitcli.load_model().to_sklearn(), sys.argv[1])
"""
NAIVE = """
import sys
import joblib, numpy as np
from PIL import Image
model = joblib.load(sys.argv[1])
for line in sys.stdin:
    pixels = np.asarray(Image.open(line.strip()).convert("L").resize((28, 28)), np.float32) / 255
    print(line.strip(), model.predict(pixels.reshape(1, -1))[0], sep="\\t")
"""
RECOGNIZER = """
import sys
from digit_recognizer import DigitRecognizer
recognizer = DigitRecognizer()
for line in sys.stdin:
    print(line.strip(), int(recognizer.predict(line.strip())), sep="\\t")
"""
RAPIDOCR = """
import logging, sys
logging.disable()
from rapidocr import RapidOCR
engine = RapidOCR()
for line in sys.stdin:
    texts = engine(line.strip(), use_det=False, use_cls=False, use_rec=True).txts or ()
    digits = [sign for sign in "".join(texts) if sign in "0123456789"]
    print(line.strip(), digits[0] if len(digits) == 1 else "", sep="\\t")
"""
TESSERACT = """
while read -r path; do
    printf '%s\\t%s\\n' "$path" "$(tesseract "$path" - --psm 10 --dpi 70 \
        -c tessedit_char_whitelist=0123456789 2>/dev/null | head -c 1)"
done
"""


class Outcome(NamedTuple):
    """What a process that read pictures took, in seconds and MiB, and its digits."""

    seconds: float
    cpu_seconds: float
    peak: float
    digits: list[str]


def run(command: list[str], paths: list[str]) -> Outcome:
    """Let a process read the pictures whose paths come on its stdin."""
    with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stdout:
        stdin.write("".join(f"{path}\n" for path in paths).encode())
        stdin.seek(0)
        start = time.perf_counter()
        process = subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        stdout.seek(0)
        answers = dict(line.split("\t")[:2] for line in stdout.read().decode().splitlines())
    if process.returncode not in (0, 3):  # 3: digitcli has not read them all
        raise SystemExit(f"{command[0]} failed with {process.returncode}")
    digits = [answers.get(path, "") for path in paths]
    return Outcome(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, digits)


def mnist_digits(folder: Path, count: int, to: Path) -> tuple[list[str], list[str]]:
    """Write MNIST's first test digits as pictures; return their paths and labels."""
    with gzip.open(folder / "t10k-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)
    with gzip.open(folder / "t10k-labels-idx1-ubyte.gz") as file:
        labels = [str(label) for label in file.read()[8 : 8 + count]]
    paths = [str(to / f"{number}.png") for number in range(count)]
    for path, image in zip(paths, images, strict=False):
        Image.fromarray(image).save(path)
    return paths, labels


def labelled(table: Path, every: int) -> tuple[list[str], list[str]]:
    """Return the paths and labels of every so many pictures of a table."""
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[::every]
    return [str(table.parent / row["path"]) for row in rows], [row["label"] for row in rows]


def candidates(options: argparse.Namespace, classifier: Path) -> dict[str, list[str]]:
    """Return the commands that take part, by what they are called."""
    found = {
        "digitcli predict": [sys.executable, "-m", "digitcli", "predict"],
        "Pillow + scikit-learn": [sys.executable, "-c", NAIVE, str(classifier)],
    }
    if options.rapidocr:
        found["rapidocr"] = [options.rapidocr, "-c", RAPIDOCR]
    if options.recognizer:
        found["digit-recognizer-py"] = [options.recognizer, "-c", RECOGNIZER]
    if shutil.which("tesseract"):
        found["tesseract --psm 10"] = ["sh", "-c", TESSERACT]
    return found


def main() -> None:
    """Run all in turn and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    pictures = parser.add_mutually_exclusive_group(required=True)
    pictures.add_argument("--labels", type=Path, help="table of labelled pictures")
    pictures.add_argument("--mnist", type=Path, help="folder with MNIST's files")
    parser.add_argument("--every", type=int, default=1, help="take each so many of the table")
    parser.add_argument("--count", type=int, default=2000, help="take so many of MNIST")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rapidocr", help="an interpreter that has rapidocr")
    parser.add_argument("--recognizer", help="an interpreter that has digit-recognizer-py")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.labels:
            paths, labels = labelled(options.labels, options.every)
        else:
            paths, labels = mnist_digits(options.mnist, options.count, folder)
        classifier = folder / "classifier.joblib"
        # In a process of its own: a child's peak memory counts from that of its parent.
        subprocess.run([sys.executable, "-c", CONVERT, classifier], check=True)
        commands = candidates(options, classifier)
        figures: dict[str, list[tuple[float, ...]]] = {}
        for command in commands.values():
            run(command, paths[:1])
        for _ in range(options.rounds):
            for title, command in commands.items():
                cold = run(command, paths[:1]).seconds
                all_of_them = run(command, paths)
                right = sum(a == b for a, b in zip(all_of_them.digits, labels, strict=True))
                figures.setdefault(title, []).append(
                    (right, *all_of_them[1:3], cold, len(paths) / all_of_them.seconds)
                )
                print(f"{title}: {all_of_them.seconds:.1f} s", file=sys.stderr)
    columns = f"{len(paths):,} pictures", "right", "processor time", "peak memory", "cold start"
    print("|", " | ".join((*columns, "images/s")), "|")
    print("| --- | --- | --- | --- | --- | --- |")
    for title, rounds in figures.items():
        right, cpu, peak, cold, rate = (
            statistics.median(column) for column in zip(*rounds, strict=True)
        )
        print(
            f"| {title} | {right:,.0f} ({right / len(paths):.2%}) | {cpu:.1f} s | {peak:.0f} MiB "
            f"| {cold:.2f} s | {rate:,.0f} |"
        )


if __name__ == "__main__":
    main()
