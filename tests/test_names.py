"""What models, datasets and pictures are called on the command line."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from conftest import posix
from digitcli.data.sources import is_name, load_dataset
from digitcli.errors import ExitCode
from digitcli.model.modelfile import is_shipped, load_model

Run = Callable[..., CompletedProcess[str]]
PHOTO = Path(__file__).resolve().parent.parent / "examples" / "digits" / "photo.jpg"


def test_the_model_inside_the_package_has_a_name(digitcli: Run, tmp_path: Path) -> None:
    assert load_model("shipped").name == load_model().name
    assert not is_shipped("/models/shipped")
    named, plain = digitcli("info", "Shipped"), digitcli("info")
    assert (named.returncode, named.stdout) == (0, plain.stdout)
    result = digitcli("predict", "-m", "shipped", PHOTO)
    assert result.stdout == digitcli("predict", PHOTO).stdout
    missing = digitcli("predict", "-m", tmp_path / "shipped", PHOTO)
    assert missing.returncode == ExitCode.FAILED
    assert "shipped does not exist" in missing.stderr


def test_the_dataset_of_train_is_an_argument_in_any_case(digitcli: Run, tmp_path: Path) -> None:
    small = "--epochs", "1", "--hidden", "8", "--no-augment", "--quiet"
    first = digitcli("train", "digits", "-o", "a.joblib", *small)
    assert (first.returncode, first.stdout) == (0, "a.joblib\n"), first.stderr
    second = digitcli("train", "--dataset", "DIGITS", "-o", "b.joblib", *small)
    assert second.returncode == 0, second.stderr
    assert (tmp_path / "a.joblib").read_bytes() == (tmp_path / "b.joblib").read_bytes()
    result = digitcli("train", "digits", "--dataset", "mnist")
    assert result.returncode == ExitCode.USAGE
    assert "two datasets are named" in result.stderr


def test_a_folder_that_is_called_like_a_dataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(load_dataset("Digits")) == 1797
    (tmp_path / "Digits").mkdir()
    assert not is_name("Digits")
    assert is_name("digits")


def test_a_picture_on_stdin_is_no_list_of_paths(digitcli: Run) -> None:
    result = digitcli("predict", input=PHOTO.read_bytes())
    assert (result.returncode, result.stdout) == (ExitCode.FAILED, "")
    assert result.stderr.count("\n") == 1
    assert "add --stdin-image" in result.stderr


def test_lists_from_windows_end_in_carriage_returns(digitcli: Run, tmp_path: Path) -> None:
    shutil.copy(PHOTO, tmp_path / "photo.jpg")
    result = digitcli("predict", input="photo.jpg\r\nphoto.jpg\r\n")
    assert result.returncode == 0, result.stderr
    assert [line.split("\t")[:2] for line in result.stdout.splitlines()] == [["photo.jpg", "4"]] * 2


@posix
def test_a_link_that_leads_nowhere_hides_no_other_picture(digitcli: Run, tmp_path: Path) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    shutil.copy(PHOTO, folder / "photo.jpg")
    (folder / "x").symlink_to("y")
    (folder / "y").symlink_to("x")
    for options in ((), ("-r",)):
        result = digitcli("predict", *options, "f")
        assert result.returncode == ExitCode.PARTIAL
        assert result.stdout.startswith("f/photo.jpg\t4\t")
        assert [line.split()[0] for line in result.stderr.splitlines()] == ["f/x", "f/y"]
