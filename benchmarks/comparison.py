"""`digitcli predict` beside what people would otherwise run, on the same MNIST test digits.

    python benchmarks/comparison.py --mnist FOLDER [--count 2000] [--rounds 3] [--other-python P]

The naive script opens each image with Pillow and asks digitcli's network as a scikit-learn
classifier, loaded with joblib, once per image. Tesseract (one character, digits only) takes part
where it is installed, and so does digit-recognizer-py, a convolutional network for PyTorch, from
the virtual environment whose interpreter is given (``pip install digit-recognizer-py torch
torchvision``). All run in turn in each round, after a start of each that does not count; figures
are medians over the rounds. The table is Markdown.
"""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

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
TESSERACT = """
while read -r path; do
    printf '%s\\t%s\\n' "$path" "$(tesseract "$path" - --psm 10 --dpi 70 \
        -c tessedit_char_whitelist=0123456789 2>/dev/null | head -c 1)"
done
"""


def run(command: list[str], paths: list[str]) -> tuple[float, float, list[str]]:
    """Return the wall seconds, the peak MiB and the digits of a process that reads paths."""
    with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stdout:
        stdin.write("".join(f"{path}\n" for path in paths).encode())
        stdin.seek(0)
        start = time.perf_counter()
        process = subprocess.Popen(command, stdin=stdin, stdout=stdout)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        stdout.seek(0)
        lines = stdout.read().decode().splitlines()
    if process.returncode or len(lines) != len(paths):
        raise SystemExit(f"{command[0]} failed with {process.returncode}")
    return seconds, usage.ru_maxrss / 1024, [line.partition("\t")[2][:1] for line in lines]


def main() -> None:
    """Run all in turn and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mnist", type=Path, required=True)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--other-python", help="an interpreter that has digit-recognizer-py")
    options = parser.parse_args()
    with gzip.open(options.mnist / "t10k-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)
    with gzip.open(options.mnist / "t10k-labels-idx1-ubyte.gz") as file:
        labels = [str(label) for label in file.read()[8 : 8 + options.count]]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = [str(folder / f"{number}.png") for number in range(options.count)]
        for path, image in zip(paths, images, strict=False):
            Image.fromarray(image).save(path)
        # In a process of its own: a child's peak memory counts from that of its parent.
        subprocess.run([sys.executable, "-c", CONVERT, folder / "classifier.joblib"], check=True)
        candidates = {
            "digitcli predict": [sys.executable, "-m", "digitcli", "predict"],
            "Pillow + scikit-learn": [
                sys.executable,
                "-c",
                NAIVE,
                str(folder / "classifier.joblib"),
            ],
        }
        if options.other_python:
            candidates["digit-recognizer-py"] = [options.other_python, "-c", RECOGNIZER]
        if shutil.which("tesseract"):
            candidates["tesseract --psm 10"] = ["sh", "-c", TESSERACT]
        figures: dict[str, list[tuple[float, float, float, float]]] = {}
        for command in candidates.values():
            run(command, paths[:1])
        for _ in range(options.rounds):
            for title, command in candidates.items():
                cold = run(command, paths[:1])[0]
                seconds, peak, digits = run(command, paths)
                right = sum(a == b for a, b in zip(digits, labels, strict=True))
                figures.setdefault(title, []).append(
                    (cold, len(paths) / seconds, peak, right / len(paths))
                )
                print(f"{title}: {seconds:.1f} s", file=sys.stderr)
    print("| | cold start | images/s | peak memory | accuracy |")
    print("| --- | --- | --- | --- | --- |")
    for title, rounds in figures.items():
        cold, rate, peak, accuracy = (
            statistics.median(column) for column in zip(*rounds, strict=True)
        )
        print(f"| {title} | {cold:.2f} s | {rate:,.0f} | {peak:.0f} MiB | {accuracy:.2%} |")


if __name__ == "__main__":
    main()
