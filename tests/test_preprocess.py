"""`digitcli preprocess` turns every kind of source into one dataset file."""

from __future__ import annotations

import re
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import Run
from digitcli.data.dataset import Dataset
from digitcli.data.idx import write_idx
from digitcli.data.preview import COLUMNS, contact_sheet
from test_folder import draw


def load(path: Path) -> dict[str, np.ndarray]:
    """Read a dataset file with NumPy alone, as the contract describes it."""
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def counts(table: str) -> dict[str, list[int]]:
    """Read the table of counts: a row per digit and one for all."""
    rows = (re.findall(r"[^│\s]+", line) for line in table.splitlines())
    return {
        row[0]: [int(number.replace(",", "")) for number in row[1:]]
        for row in rows
        if row and re.fullmatch(r"\d|all", row[0]) and "of" not in row
    }


def test_the_embedded_digits(digitcli: Run, tmp_path: Path) -> None:
    result = digitcli("preprocess", "digits")
    assert (result.returncode, result.stdout) == (0, "digits.npz\n")
    arrays = load(tmp_path / "digits.npz")
    assert arrays["images"].shape == (1797, 28, 28)
    assert arrays["images"].dtype == arrays["labels"].dtype == np.uint8
    assert np.bincount(arrays["labels"][arrays["split"] == "test"]).sum() == 355
    table = counts(result.stderr)
    assert table["all"] == [1442, 355]
    assert table["1"] == [146, 36]
    assert len(table) == 11


def test_an_idx_pair(digitcli: Run, tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 28, 28), np.uint8)
    labels = np.arange(20, dtype=np.uint8) % 10
    write_idx(tmp_path / "t10k-images-idx3-ubyte.gz", images)
    write_idx(tmp_path / "t10k-labels-idx1-ubyte", labels)
    (tmp_path / "out").mkdir()
    result = digitcli("preprocess", "t10k-images-idx3-ubyte.gz", "-q", "-o", "out/set.npz")
    assert (result.returncode, result.stdout, result.stderr) == (0, "out/set.npz\n", "")
    arrays = load(tmp_path / "out" / "set.npz")
    assert np.array_equal(arrays["images"], images)
    assert np.array_equal(arrays["labels"], labels)
    assert set(arrays["split"].tolist()) == {"test"}


@pytest.mark.slow("pictures")
def test_mnist(digitcli: Run, shared_data: Path, tmp_path: Path) -> None:
    assert digitcli("fetch", "--from", shared_data / "mnist").returncode == 0
    result = digitcli("preprocess", "mnist")
    assert (result.returncode, result.stdout) == (0, "mnist.npz\n")
    table = counts(result.stderr)
    assert table["all"] == [60_000, 10_000]
    assert table["5"] == [5421, 892]
    arrays = load(tmp_path / "mnist.npz")
    assert arrays["labels"][:5].tolist() == [5, 0, 4, 1, 9]
    assert arrays["labels"][-5:].tolist() == [2, 3, 4, 5, 6]


def test_a_folder_with_bad_pictures(digitcli: Run, tmp_path: Path) -> None:
    for name in ("test/1/a.png", "train/1/b.png", "train/9/c.png"):
        draw(tmp_path / "set" / name)
    bad = tmp_path / "set" / "train" / "9" / "bad\nname\x1b[31m.png"
    bad.write_text("not a picture")
    (tmp_path / "set" / "train" / "9" / "worse.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    result = digitcli("preprocess", "set", "--preview", "sheet.png")
    assert result.returncode == 3
    assert result.stdout == "set.npz\nsheet.png\n"
    lines = [line for line in result.stderr.splitlines() if ".png" in line]
    assert len(lines) == 2
    assert "worse.png" in lines[1]
    assert "\x1b" not in result.stderr
    assert "2 of 5 inputs could not be read" in result.stderr
    assert counts(result.stderr)["all"] == [2, 1]
    arrays = load(tmp_path / "set.npz")
    assert arrays["labels"].tolist() == [1, 9, 1]
    assert arrays["split"].tolist() == ["train", "train", "test"]


def test_a_dataset_file_may_be_the_source_but_not_the_target(digitcli: Run, tmp_path: Path) -> None:
    draw(tmp_path / "set" / "1" / "a.png")
    assert digitcli("preprocess", "set").returncode == 0
    before = (tmp_path / "set.npz").read_bytes()
    result = digitcli("preprocess", "set.npz")
    assert result.returncode == 2
    assert "source itself" in result.stderr
    assert (tmp_path / "set.npz").read_bytes() == before
    assert digitcli("preprocess", "set.npz", "-o", "copy.npz").returncode == 0
    assert (tmp_path / "copy.npz").read_bytes() == before


def test_equal_sources_give_equal_files(digitcli: Run, tmp_path: Path) -> None:
    draw(tmp_path / "set" / "1" / "a.png")
    assert digitcli("preprocess", "set", "-q", "-o", "one.npz").returncode == 0
    time.sleep(2)  # the resolution of a zip file's times
    assert digitcli("preprocess", "set", "-q", "-o", "two.npz").returncode == 0
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        ([], 2, "SOURCE"),
        (["digits", "-o", "out.csv"], 2, ".npz"),
        (["digits", "--preview", "sheet.jpg"], 2, ".png"),
        (["digits", "--polarity", "dark-on-light"], 2, "--polarity"),
        (["digits", "--polarity", "blue"], 2, "dark-on-light"),
        (["nowhere"], 1, "nowhere"),
        (["."], 1, "sub-folders 0 to 9"),
        (["set", "-q", "-o", "file/out.npz"], 1, "file"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    digitcli: Run, tmp_path: Path, arguments: list[str], code: int, word: str
) -> None:
    (tmp_path / "file").touch()
    draw(tmp_path / "set" / "1" / "a.png")
    result = digitcli("preprocess", *arguments)
    assert result.returncode == code
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert word in result.stderr


def test_the_preview_shows_a_row_of_each_digit(digitcli: Run, tmp_path: Path) -> None:
    for digit in range(10):
        draw(tmp_path / "set" / str(digit) / "a.png", end=(10 + 4 * digit, 70))
    (tmp_path / "new").mkdir()
    result = digitcli("preprocess", "set", "-q", "--preview", "new/sheet.png")
    assert result.stdout == "set.npz\nnew/sheet.png\n"
    sheet = np.asarray(Image.open(tmp_path / "new" / "sheet.png"))
    assert sheet.shape == (600, 1800)
    images = load(tmp_path / "set.npz")["images"]
    assert len(np.unique(images, axis=0)) == 10
    for digit in range(10):
        cell = sheet[digit * 60 : (digit + 1) * 60, :60][::2, ::2]
        assert np.array_equal(cell[1:29, 1:29], images[digit])


def test_the_preview_is_spread_over_the_class_and_leaves_missing_cells_grey() -> None:
    images = np.repeat(np.arange(200, dtype=np.uint8), 28 * 28).reshape(200, 28, 28)
    labels = np.array([3] * 195 + [8] * 5, np.uint8)
    sheet = contact_sheet(Dataset("x", images, labels, np.full(200, "train")))
    cells = sheet[::2, ::2].reshape(10, 30, COLUMNS, 30)[:, 15, :, 15]
    assert np.diff(cells[3].astype(int)).min() >= 6
    assert cells[3].max() >= 188
    assert cells[8].tolist() == [195, 196, 197, 198, 199] + [64] * 25
    assert (cells[[0, 1, 2, 4, 5, 6, 7, 9]] == 64).all()
