"""`predict --sort`: pictures in the folder of their digit, for `train` and `evaluate` to read."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import Run
from digitcli.cli.environment import Environment
from digitcli.cli.sorting import SortedFolder, sort_answers
from digitcli.data.folder import load_folder
from digitcli.errors import DigitcliError, ExitCode
from digitcli.model.modelfile import save_model
from digitcli.model.network import Model, Network
from digitcli.prediction.digits import DigitAnswers
from digitcli.prediction.paths import source_of
from drawings import draw_digits, drawn, save_reader


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """A folder with ``0.png`` … ``9.png``; a model that reads them lies beside it."""
    save_reader(tmp_path / "reader.joblib")
    draw_digits(tmp_path / "scans")
    return tmp_path / "scans"


def files(folder: Path) -> dict[str, bytes]:
    """Return what is in a folder, by the path below it."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def sort(digitcli: Run, *arguments: str | Path, **settings: object):  # type: ignore[no-untyped-def]
    sure = ("-m", "reader.joblib", "--min-confidence", "0.2", "--sort", "sorted")
    return digitcli("predict", *sure, *arguments, **settings)


@pytest.mark.parametrize("options", [(), ("-j", "2")], ids=" ".join)
def test_each_picture_is_copied_into_the_folder_of_its_digit(
    digitcli: Run, scans: Path, options: tuple[str, ...]
) -> None:
    before = files(scans)
    result = sort(digitcli, scans, *options)
    assert result.returncode == ExitCode.OK, result.stderr
    assert [line.split("\t")[1] for line in result.stdout.splitlines()] == list("0123456789")
    copies = {f"{digit}/{digit}.png": before[f"{digit}.png"] for digit in range(10)}
    assert files(scans.parent / "sorted") == copies
    assert files(scans) == before
    assert result.stderr == "10 pictures sorted into sorted\n"
    assert (scans.parent / "sorted" / "unsure").is_dir()


def test_paths_from_stdin_are_sorted_too(digitcli: Run, scans: Path) -> None:
    result = sort(digitcli, "-0", input="scans/3.png\0scans/5.png\0")
    assert result.returncode == ExitCode.OK
    assert sorted(files(scans.parent / "sorted")) == ["3/3.png", "5/5.png"]


@pytest.mark.parametrize(
    ("confidence", "options", "place"),
    [
        (0.89, (), "unsure/3.png"),
        (0.91, (), "3/3.png"),
        (0.91, ("--min-confidence", "0.95"), "unsure/3.png"),
    ],
)
def test_the_doubtful_go_aside(
    digitcli: Run, scans: Path, confidence: float, options: tuple[str, ...], place: str
) -> None:
    """Without --min-confidence the bar is 0.9, for the answers too."""
    save_model(always(3, confidence), scans.parent / "three.joblib")
    result = digitcli("predict", "-m", "three.joblib", "scans/3.png", "--sort", "sorted", *options)
    assert result.stdout.split("\t")[1] == ("?" if place.startswith("unsure") else "3")
    assert list(files(scans.parent / "sorted")) == [place]
    assert ("1 of them into unsure" in result.stderr) == place.startswith("unsure")


def always(digit: int, confidence: float) -> Model:
    """Return a model that gives every picture the same answer."""
    probabilities = np.full(10, (1 - confidence) / 9)
    probabilities[digit] = confidence
    biases = np.log(probabilities).astype(np.float32)
    return Model((Network((np.zeros((784, 10), np.float32),), (biases,)),))


def test_what_was_read_turned_goes_aside(tmp_path: Path) -> None:
    """For `train` would learn it as it lies."""
    paths = [str(path) for path in draw_digits(tmp_path / "scans")[:2]]
    sure = np.eye(10, dtype=np.float32)[[0, 1]]
    folder = SortedFolder(tmp_path / "sorted")
    answers = DigitAnswers(paths, probabilities=sure, turns={1: 3})
    assert sort_answers(Environment(), answers, folder, min_confidence=0.5) == 0
    assert sorted(files(tmp_path / "sorted")) == ["0/0.png", "unsure/1.png"]


def test_nothing_is_replaced(digitcli: Run, scans: Path) -> None:
    target = scans.parent / "sorted"
    (target / "3").mkdir(parents=True)
    (target / "3" / "3.png").write_text("another picture")
    (target / "notes.txt").write_text("mine")
    assert sort(digitcli, scans / "3.png").returncode == ExitCode.OK
    after = files(target)
    assert after.pop("3/3.png") == b"another picture"
    assert after.pop("notes.txt") == b"mine"
    ((name, content),) = after.items()
    assert name.startswith("3/3-")
    assert name.endswith(".png")
    assert content == (scans / "3.png").read_bytes()


def test_a_second_run_adds_what_is_new_and_leaves_corrections(digitcli: Run, scans: Path) -> None:
    target = scans.parent / "sorted"
    sort(digitcli, scans)
    (target / "3" / "3.png").rename(target / "8" / "3.png")
    corrected = files(target)
    result = sort(digitcli, scans, target, "-r")
    assert result.stderr == "0 pictures sorted into sorted; 20 were there already\n"
    drawn(4, side=80).save(scans / "new.png")
    sort(digitcli, scans)
    assert files(target) == corrected | {"4/new.png": (scans / "new.png").read_bytes()}


def test_no_two_names_are_equal_even_if_case_does_not_count(digitcli: Run, scans: Path) -> None:
    """So each may be moved into any other folder, on any system."""
    for number, name in enumerate(("a/IMG.PNG", "b/img.png", "c/Img.png", "d/.img.png")):
        path = scans.parent / name
        path.parent.mkdir()
        drawn(number, side=70 + number).save(path)
    result = sort(digitcli, *sorted(scans.parent.glob("[a-d]/*")), *scans.parent.glob("d/.*"))
    assert result.returncode == ExitCode.OK
    names = [path.rpartition("/")[2] for path in files(scans.parent / "sorted")]
    assert len({name.casefold() for name in names}) == len(names) == 4
    assert not any(name.startswith(".") for name in names)


def test_what_cannot_be_read_is_not_sorted(digitcli: Run, scans: Path) -> None:
    (scans / "text.png").write_text("no picture")
    result = sort(digitcli, scans, "missing.png")
    assert result.returncode == ExitCode.PARTIAL
    assert len(files(scans.parent / "sorted")) == 10
    assert len(result.stderr.splitlines()) == 3


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_what_is_no_file_has_an_error_line(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    folder = SortedFolder(tmp_path / "sorted")
    error = folder.add(source_of(str(tmp_path / "pipe")), 3)
    assert error is not None
    assert "no file of its own" in error
    assert files(tmp_path / "sorted") == {}


def test_each_page_of_a_tiff_becomes_a_picture(digitcli: Run, scans: Path) -> None:
    """In full size and colour, once, and never the file that happens to have its name."""
    first, second = (drawn(digit, side=1500).convert("RGB") for digit in (4, 5))
    first.save(scans / "two.tif", save_all=True, append_images=[second])
    drawn(7).save(scans / "two.tif[2]", format="PNG")
    for options, told in ((), "2 pictures sorted"), (("--link",), "2 were there already"):
        result = sort(digitcli, "scans/two.tif", *options)
        assert result.returncode == ExitCode.OK, result.stderr
        assert told in result.stderr
    sorted_ = scans.parent / "sorted"
    assert sorted(files(sorted_)) == ["4/two-1.png", "5/two-2.png"]
    for path, page in ("4/two-1.png", first), ("5/two-2.png", second):
        with Image.open(sorted_ / path) as image:
            assert image.mode == "RGB"
            assert image.tobytes() == page.tobytes()
    (scans / "two.tif[2]").unlink()
    result = sort(digitcli, "scans/two.tif[2]", "--sort", "other", "--link")
    assert list(files(scans.parent / "other")) == ["5/two-2.png"]


@pytest.mark.skipif(os.name != "posix", reason="links need rights elsewhere")
def test_links_instead_of_copies(digitcli: Run, scans: Path) -> None:
    for _ in range(2):
        assert sort(digitcli, "scans/3.png", "--link").returncode == ExitCode.OK
    (link,) = (scans.parent / "sorted" / "3").iterdir()
    assert link.readlink() == scans / "3.png"


def test_what_is_sorted_is_a_dataset(digitcli: Run, scans: Path) -> None:
    """The folder of the doubtful ones takes no part, and is no error."""
    sort(digitcli, scans)
    drawn(1, side=90).save(scans.parent / "sorted" / "unsure" / "one.png")
    options = ("--dataset", "sorted", "--format", "json")
    result = digitcli("evaluate", "-m", "reader.joblib", *options)
    assert result.returncode == ExitCode.OK, result.stderr
    assert '"correct": 10, "accuracy": 1.0' in result.stdout
    assert "sorted/unsure takes no part" in result.stderr
    result = digitcli("train", "sorted", "--hidden", "8", "--epochs", "1", "--validation", "0")
    assert result.returncode == ExitCode.OK, result.stderr
    dataset = load_folder(scans.parent / "sorted", on_error=lambda *_: pytest.fail("an error"))
    assert dataset.labels.tolist() == list(range(10))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--link", "x.png"), "--sort DIR"),
        (("--sort", "d", "--line", "x.png"), "--line"),
        (("--sort", "d", "--table", "x.png"), "--table"),
        (("--sort", "d", "--stdin-image"), "--stdin-image"),
        (("--sort", "reader.joblib", "x.png"), "no folder"),
    ],
)
def test_what_makes_no_sense_is_wrong_usage(
    digitcli: Run, scans: Path, arguments: tuple[str, ...], named: str
) -> None:
    result = digitcli("predict", *arguments, input="")
    assert result.returncode == ExitCode.USAGE
    assert named in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (scans.parent / "d").exists()


def test_a_full_disk_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (path, *_) = draw_digits(tmp_path / "scans")
    folder = SortedFolder(tmp_path / "sorted")
    monkeypatch.setattr("digitcli.files._give_new_name", full)
    with pytest.raises(DigitcliError, match="cannot be written: no space left"):
        folder.add(source_of(str(path)), 0)
    assert files(tmp_path / "sorted") == {}


def test_file_systems_without_links_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", no_links)
    zero, one, *_ = draw_digits(tmp_path / "scans")
    folder = SortedFolder(tmp_path / "sorted")
    (tmp_path / "sorted" / "1" / "1.png").write_text("came meanwhile")
    assert folder.add(source_of(str(zero)), 0) is None
    assert folder.add(source_of(str(one)), 1) is None
    after = files(tmp_path / "sorted")
    assert after.pop("0/0.png") == zero.read_bytes()
    assert after.pop("1/1.png") == b"came meanwhile"
    assert list(after.values()) == [one.read_bytes()]


def test_two_runs_at_once_sort_each_picture_once(tmp_path: Path) -> None:
    (path, *_) = draw_digits(tmp_path / "scans")
    first, second = (SortedFolder(tmp_path / "sorted") for _ in range(2))
    for folder in (first, second):
        assert folder.add(source_of(str(path)), 0) is None
    assert (first.put, second.put, second.known) == (1, 0, 1)
    assert list(files(tmp_path / "sorted")) == ["0/0.png"]
