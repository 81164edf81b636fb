"""A folder of labelled pictures becomes a dataset; what cannot be read is told, not hidden."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from digitcli.data.folder import load_folder
from digitcli.data.sources import load_dataset
from digitcli.errors import DataError, ImageError
from digitcli.reading.digit import read_digit


def draw(path: Path, *, dark: bool = True, end: tuple[int, int] = (40, 70)) -> None:
    """Save a picture of a stroke."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ink, paper = (0, 255) if dark else (255, 0)
    picture = Image.new("L", (60, 80), paper)
    ImageDraw.Draw(picture).line([(20, 10), end], fill=ink, width=7)
    picture.save(path)


def test_class_folders_are_training_data_in_the_order_of_their_paths(tmp_path: Path) -> None:
    for name in ("7/b.png", "7/a.jpg", "0/deep/er/c.png", "0/z.bmp", "3/.hidden.png"):
        draw(tmp_path / name)
    (tmp_path / "labels.csv").write_text("not a picture, and not in a class folder")
    (tmp_path / ".cache").mkdir()
    seen: list[tuple[int, int]] = []
    dataset = load_folder(tmp_path, on_progress=lambda *numbers: seen.append(numbers))
    expected = ["0/z.bmp", "0/deep/er/c.png", "7/a.jpg", "7/b.png"]
    assert dataset.paths == tuple(str(tmp_path / name) for name in expected)
    assert dataset.labels.tolist() == [0, 0, 7, 7]
    assert dataset.split.tolist() == ["train"] * 4
    assert dataset.name == tmp_path.name
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    for image, path in zip(dataset.images, dataset.paths, strict=True):
        assert np.array_equal(image, read_digit(path))


def test_train_and_test_folders_are_the_splits(tmp_path: Path) -> None:
    for name in ("test/1/a.png", "train/1/b.png", "train/9/c.png"):
        draw(tmp_path / name)
    dataset = load_dataset(tmp_path)
    assert dataset.labels.tolist() == [1, 9, 1]
    assert dataset.split.tolist() == ["train", "train", "test"]


def test_polarity_is_handed_on(tmp_path: Path) -> None:
    draw(tmp_path / "1" / "a.png", dark=False)
    right = load_folder(tmp_path, polarity="light-on-dark").images[0]
    assert np.array_equal(right, load_folder(tmp_path).images[0])
    with pytest.raises(ImageError):
        load_folder(tmp_path, polarity="dark-on-light")


def test_each_bad_input_is_told_and_the_rest_kept(tmp_path: Path) -> None:
    draw(tmp_path / "4" / "good.png")
    (tmp_path / "4" / "text.png").write_text("not a picture")
    (tmp_path / "4" / "cut.png").write_bytes((tmp_path / "4" / "good.png").read_bytes()[:60])
    Image.new("L", (30, 30), 255).save(tmp_path / "4" / "empty.png")
    draw(tmp_path / "A" / "letter.png")
    bad: dict[str, str] = {}
    dataset = load_folder(tmp_path, on_error=bad.__setitem__)
    assert dataset.paths == (str(tmp_path / "4" / "good.png"),)
    assert list(bad) == [
        str(tmp_path / name) for name in ("A", "4/cut.png", "4/empty.png", "4/text.png")
    ]
    assert "not a folder 0 to 9" in bad[str(tmp_path / "A")]
    with pytest.raises(ImageError, match=r"cut\.png"):
        load_folder(tmp_path)


def test_a_folder_without_readable_pictures_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no sub-folders 0 to 9"):
        load_folder(tmp_path)
    (tmp_path / "5").mkdir()
    (tmp_path / "5" / "text.png").write_text("not a picture")
    with pytest.raises(DataError, match="no picture that could be read"):
        load_folder(tmp_path, on_error=lambda path, reason: None)


def test_a_folder_that_cannot_be_listed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("3/a.png", "4/b.png", "4/locked/c.png"):
        draw(tmp_path / name)
    scandir = os.scandir

    def deny(path: str) -> object:
        if Path(path).name == "locked":
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", deny)  # root may list any folder
    told: list[tuple[str, str]] = []
    data = load_folder(tmp_path, on_error=lambda path, reason: told.append((path, reason)))
    assert data.labels.tolist() == [3, 4]
    ((path, reason),) = told
    assert path == os.fspath(tmp_path / "4/locked")
    assert "cannot be listed: permission denied" in reason
    with pytest.raises(DataError, match="cannot be listed"):
        load_folder(tmp_path)
