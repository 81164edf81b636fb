"""The shipped model reads real pictures, and the benchmark that measures it counts right."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from digitcli.model.modelfile import load_model
from digitcli.reading.digit import read_digit
from drawings import drawn

BENCHMARK = Path(__file__).parent.parent / "benchmarks" / "real_pictures.py"
LARGE = ("usps-test", "hwd-1000")


@pytest.mark.slow("pictures")
def test_benchmark_weighs_sources_alike(tmp_path: Path) -> None:
    """One source of one picture weighs as much as one of three; the sheet shows the misread."""
    labels = {"a": [3, 4, 7], "b": [0]}
    for source, digits in labels.items():
        (tmp_path / source).mkdir()
        for digit in digits:
            drawn(digit).save(tmp_path / source / f"{digit}.png")
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "label", "source", "kind"])
        for source, digits in labels.items():
            for digit in digits:
                wrong = (digit + 1) % 10 if source == "b" else digit  # a label that is not true
                table.writerow([f"{source}/{digit}.png", wrong, source, "drawing"])
    sheet = tmp_path / "sheet.png"
    command = [sys.executable, BENCHMARK, tmp_path, "--no-digits", "1", "--misread", sheet]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    lines = [line.split() for line in result.stdout.splitlines() if line]
    assert ["drawing", "a", "3", "100.0%"] in [line[:4] for line in lines]
    assert ["drawing", "b", "1", "0.0%"] in [line[:4] for line in lines]
    assert ["all", "mean", "over", "sources", "4", "50.00%"] in [line[:6] for line in lines]
    assert {"blank", "noise", "gradient", "texture", "letter"} < {line[0] for line in lines}
    assert Image.open(sheet).width > 200


@pytest.mark.slow("pictures")
def test_photos_and_drawings_are_read(shared_data: Path) -> None:
    """A twentieth of the pictures of each source but the two largest, and of photos a third."""
    folder = shared_data / "real" / "single"
    with (folder / "labels.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["source"] not in LARGE]
    chosen = [row for row in rows[::20] if row["kind"] != "photo"]
    chosen += [row for row in rows if row["kind"] == "photo"][::3]
    images = np.stack([read_digit(folder / row["path"]) for row in chosen])
    right = load_model().predict(images) == [int(row["label"]) for row in chosen]
    assert right.mean() >= 0.99
