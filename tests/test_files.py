"""Who interrupts, kills or fills the disk finds the old file or the new one, and no litter."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from digitcli.errors import DigitcliError
from digitcli.files import atomic_write, remove_litter, temporary_folder

POSIX = pytest.mark.skipif(os.name != "posix", reason="permissions, locks and limits of POSIX")
LITTER = ".model.joblib.0123456789abcdef.digitcli"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write(path: Path, content: bytes) -> None:
    with atomic_write(path) as file:
        file.write(content)


def test_a_file_appears_whole_with_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    with atomic_write(path) as file:
        file.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert names(path.parent) == ["file"]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, SystemExit, OSError])
def test_whatever_is_raised_leaves_the_old_file(tmp_path: Path, failure: type) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with (  # noqa: PT012
        pytest.raises(DigitcliError if failure is OSError else failure),
        atomic_write(path) as file,
    ):
        file.write(b"half")
        raise failure
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("name", ["x" * 255, "ä" * 127, "数" * 85, "😀" * 63, "-", " .x"])
def test_every_name_that_the_system_allows_can_be_written(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, b"1")
    write(tmp_path / name, b"2")
    assert names(tmp_path) == [name]


@POSIX
def test_permissions_are_those_of_the_old_file_or_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write(tmp_path / "file", b"1")
        assert (tmp_path / "file").stat().st_mode & 0o7777 == 0o640
        (tmp_path / "file").chmod(0o600)
        write(tmp_path / "file", b"2")
        assert (tmp_path / "file").stat().st_mode & 0o7777 == 0o600
    finally:
        os.umask(before)


@POSIX
def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there/file")
    for content in (b"1", b"2"):
        write(tmp_path / "link", content)
        assert (tmp_path / "there" / "file").read_bytes() == content
    assert (tmp_path / "link").is_symlink()
    assert names(tmp_path / "there") == ["file"]


@POSIX
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
def test_a_link_that_somebody_else_made_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"old")
    link = tmp_path / "model"
    link.symlink_to("precious")
    os.lchown(link, 12345, 12345)
    write(link, b"new")
    assert (tmp_path / "precious").read_bytes() == b"old"
    assert not link.is_symlink()


@POSIX
@pytest.mark.parametrize("kind", ["folder", "fifo", "link to a device"])
def test_what_is_no_file_is_left_alone(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "thing"
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/null")
    before = path.lstat()
    with pytest.raises(DigitcliError, match="not a regular file"), atomic_write(path):
        pass
    assert path.lstat() == before
    assert names(tmp_path) == ["thing"]


def test_litter_is_cleared_by_the_next_write_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / LITTER).write_bytes(b"half")
    (tmp_path / ".folder.fedcba9876543210.digitcli" / "deep").mkdir(parents=True)
    others = [".hidden", ".x.0123456789abcdef.tmp", "x.0123456789abcdef.digitcli"]
    for name in others:
        (tmp_path / name).touch()
    write(tmp_path / "file", b"new")
    assert names(tmp_path) == sorted([*others, "file"])


@POSIX
def test_litter_that_is_a_link_or_a_fifo_harms_nobody(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    (tmp_path / LITTER).symlink_to("precious")
    os.mkfifo(tmp_path / ".fifo.0123456789abcdef.digitcli")
    remove_litter(tmp_path)
    assert names(tmp_path / "precious") == ["file"]


@POSIX
def test_what_another_is_writing_is_not_litter(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "one") as first, temporary_folder(tmp_path / "two") as folder:
        first.write(b"1")
        write(tmp_path / "three", b"3")
        assert folder.is_dir()
    assert (tmp_path / "one").read_bytes() == b"1"
    assert names(tmp_path) == ["one", "three"]


@POSIX
def test_a_killed_writer_leaves_the_old_file_and_litter_that_the_next_clears(
    tmp_path: Path,
) -> None:
    code = textwrap.dedent("""
        import os, signal
        from digitcli.files import atomic_write
        with atomic_write("file") as file:
            file.write(bytes(100_000))
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
    """)
    write(tmp_path / "file", b"old")
    killed = subprocess.run([sys.executable, "-c", code], cwd=tmp_path)
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "file").read_bytes() == b"old"
    assert len(names(tmp_path)) == 2
    write(tmp_path / "other", b"")
    assert names(tmp_path) == ["file", "other"]


@POSIX
def test_a_full_disk_is_one_line_and_leaves_the_old_file(tmp_path: Path) -> None:
    code = textwrap.dedent("""
        import resource
        from digitcli.errors import DigitcliError
        from digitcli.files import atomic_write
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
        try:
            with atomic_write("file") as file:
                for _ in range(100):
                    file.write(bytes(1000))
        except DigitcliError as error:
            print(error)
    """)
    write(tmp_path / "file", b"old")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout.startswith("file cannot be written: file too large; check the folder")
    assert done.stdout.count("\n") == 1
    assert (tmp_path / "file").read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize(
    ("number", "is_written"), [(errno.EINVAL, True), (errno.ENOTSUP, True), (errno.EIO, False)]
)
def test_a_file_system_may_not_know_how_to_flush(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, is_written: bool
) -> None:
    """But where flushing fails, the old file stays."""

    def fsync(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    write(tmp_path / "file", b"old")
    monkeypatch.setattr(os, "fsync", fsync)
    if is_written:
        write(tmp_path / "file", b"new")
    else:
        with pytest.raises(DigitcliError, match="file cannot be written"):
            write(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == (b"new" if is_written else b"old")
    assert names(tmp_path) == ["file"]


def test_a_file_system_may_have_one_mode_for_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def chmod(path: Path, mode: int) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    write(tmp_path / "file", b"old")
    monkeypatch.setattr(Path, "chmod", chmod)
    write(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"


def _write_often(path: Path, value: int) -> None:
    for _ in range(60):
        write(path, bytes([value]) * 50_000)


def test_many_writers_of_one_path_leave_one_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_often, args=(path, value)) for value in (1, 2)]
    thread = threading.Thread(target=_write_often, args=(path, 3))
    for writer in (*writers, thread):
        writer.start()
    while any(writer.is_alive() for writer in writers):
        if path.exists():
            content = path.read_bytes()
            assert len(content) == 50_000
            assert len(set(content)) == 1
    for writer in (*writers, thread):
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert names(tmp_path) == ["file"]
