"""What is otherwise on Windows and elsewhere, as far as it can be tried here."""

from __future__ import annotations

import codecs
import errno
import os
import sys
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest

from conftest import Run
from digitcli import files
from digitcli.cli import app
from digitcli.cli.explanations import name_for
from digitcli.files import atomic_write, remove_litter
from digitcli.prediction import paths
from digitcli.prediction.paths import argument_paths, stream_paths

PHOTO = Path(__file__).resolve().parent.parent / "examples" / "digits" / "photo.jpg"


def test_patterns_are_expanded_where_the_shell_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("b.png", "a.png", "c.jpg"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    arguments = ["predict", "*.png", "no*", "--pattern", "20dd", "c.jpg"]
    assert list(app.expanded(arguments)) == [
        "predict", "a.png", "b.png", "no*", "--pattern", "20dd", "c.jpg",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (PureWindowsPath(r"C:\pictures\..\7.png"), "pictures_7.png"),
        (PureWindowsPath(r"\\server\share\7.png"), "7.png"),
        (PureWindowsPath(r"pictures\a?b.png"), "pictures_a_b.png"),
        (PureWindowsPath("-"), "-"),
        (PurePosixPath("/pictures/../7.png"), "pictures_7.png"),
        (PurePosixPath("a:b/7.png"), "a:b_7.png"),
        (PurePosixPath("/"), "stdin"),
    ],
)
def test_a_path_gives_a_file_name(path: PurePosixPath | PureWindowsPath, name: str) -> None:
    assert name_for(path) == name


def piped(data: bytes) -> list[object]:
    reader, writer = os.pipe()
    os.write(writer, data)
    os.close(writer)
    try:
        return [path for burst in stream_paths(reader) for path in burst]
    finally:
        os.close(reader)


def test_a_list_with_windows_line_ends_names_files_that_are_not_there_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(paths, "WINDOWS", True)
    assert piped(b"missing.png\r\n\r\nC:\\a b.png\r\nlast.png") == [
        "missing.png", "C:\\a b.png", "last.png",
    ]  # fmt: skip


def test_a_list_in_the_code_page_of_a_console(monkeypatch: pytest.MonkeyPatch) -> None:
    def search(name: str) -> codecs.CodecInfo | None:
        return codecs.lookup("cp850") if name == "oem" else None

    monkeypatch.setattr(os, "fsdecode", bytes.decode)
    codecs.register(search)
    try:
        assert piped("Übung.png\n".encode("cp850")) == ["Übung.png"]
        assert piped("Übung.png\n".encode()) == ["Übung.png"]
    finally:
        codecs.unregister(search)


def test_what_windows_hides_is_no_picture_of_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("7.png", "Thumbs.db"):
        (tmp_path / name).touch()
    monkeypatch.setattr(paths, "WINDOWS", True)
    monkeypatch.setattr(paths, "_attributes", lambda entry: 2 * (entry.name == "Thumbs.db"))
    assert list(argument_paths([str(tmp_path)])) == [[str(tmp_path / "7.png")]]


def test_a_file_is_closed_before_it_is_moved_where_nothing_is_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = []
    replace = Path.replace

    def move(source: Path, target: Path) -> Path:
        moved.append(file.closed)
        return replace(source, target)

    monkeypatch.setattr(files, "_HAS_FLOCK", False)
    monkeypatch.setattr(Path, "replace", move)
    with atomic_write(tmp_path / "model") as file:
        file.write(b"new")
    assert moved == [True]
    assert (tmp_path / "model").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.skipif(sys.platform == "win32", reason="has no flock")
def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(files.fcntl, "flock", flock)
    litter = tmp_path / ".model.0123456789abcdef.digitcli"
    litter.touch()
    with atomic_write(tmp_path / "model") as file:
        file.write(b"new")
    remove_litter(tmp_path)
    assert (tmp_path / "model").read_bytes() == b"new"
    assert litter.exists()  # nobody knows whether its writer lives


def test_a_terminal_without_a_name(digitcli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TERM", raising=False)
    result = digitcli("predict", PHOTO)
    assert (result.returncode, result.stderr) == (0, "")
    help_text = digitcli("--help")
    assert (help_text.returncode, help_text.stderr) == (0, "")
    assert "predict" in help_text.stdout
