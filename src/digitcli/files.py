"""Write files so that, whatever interrupts, the old one or the new one is there and never half."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from digitcli.errors import DigitcliError

# Windows has no flock, but refuses to delete a file that is open, which serves as well.
try:
    import fcntl
except ImportError:
    _HAS_FLOCK = False
else:
    _HAS_FLOCK = True

_TEMPORARY = re.compile(r"^\..+\.[0-9a-f]{16}\.digitcli$")


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a binary file that takes the place of `path` when the block ends without an error.

    The bytes go to a temporary file in the same folder, are flushed to disk and moved into place
    by one rename. When the block raises, `path` stays as it was and the temporary file is removed.
    What a killed process left behind is cleared by the next write to the same folder. A link is
    followed, and a file that is replaced keeps its permissions.

    Raises
    ------
    DigitcliError
        When the folder cannot be made or written, the disk is full, or `path` is something else
        than a file.
    """
    target = Path(path)
    try:
        if target.is_symlink() and _is_trusted(target):
            target = _resolve(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and not target.is_file():  # such as /dev/null, which root could replace
            raise OSError(errno.EINVAL, "It is not a regular file")
        remove_litter(target.parent)
        file = _open_temporary(target)
        temporary = Path(file.name)
        try:
            with file:
                _copy_mode(target, temporary)
                yield file
                sync(file)
                if not _HAS_FLOCK:
                    file.close()  # Windows moves no file that is open
                temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(target.parent)
    except OSError as error:
        raise _cannot_write(target, error) from error


def write_new(path: Path, content: bytes) -> None:
    """Write a file that is not there yet: all of it, or none.

    The system puts it on the disk when it will. To wait for that, as `atomic_write` does, takes
    several times as long for thousands of small files, and these can be made again.

    Raises
    ------
    FileExistsError
        When anything has that name.
    DigitcliError
        When it cannot be written.
    """
    try:
        file = _open_temporary(path)
        temporary = Path(file.name)
        try:
            with file:
                file.write(content)
                file.flush()
                _give_new_name(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except FileExistsError:
        raise
    except OSError as error:
        raise _cannot_write(path, error) from error


def link_new(path: Path, target: Path) -> None:
    """Make a symbolic link to `target` with a name that nothing has; raises as `write_new`."""
    try:
        path.symlink_to(target.absolute())
    except FileExistsError:
        raise
    except OSError as error:
        raise _cannot_write(path, error) from error


def _give_new_name(temporary: Path, path: Path) -> None:
    try:
        path.hardlink_to(temporary)  # a rename would replace what has that name
    except FileExistsError:
        raise
    except OSError:  # a file system without links, such as that of memory cards
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
        temporary.rename(path)


def _cannot_write(path: Path, error: OSError) -> DigitcliError:
    return DigitcliError(
        f"{path} cannot be written: {(error.strerror or str(error)).lower()}; "
        "check the folder, its permissions and the free space"
    )


@contextlib.contextmanager
def temporary_folder(target: Path) -> Iterator[Path]:
    """Make an empty folder beside `target` that is removed at the end of the block.

    What a killed process left behind is cleared by the next write to the same folder.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_litter(target.parent)
    with contextlib.ExitStack() as stack:
        while True:
            folder = _temporary_path(target)
            folder.mkdir()
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            if _HAS_FLOCK:
                # Until it is locked, another process may take the folder for litter.
                with contextlib.suppress(FileNotFoundError):
                    descriptor = os.open(folder, os.O_RDONLY)
                    stack.callback(os.close, descriptor)
                    with contextlib.suppress(OSError):  # a file system without locks
                        fcntl.flock(descriptor, fcntl.LOCK_EX)
            if folder.exists():
                break
        yield folder


def remove_litter(folder: Path) -> None:
    """Remove the temporary files and folders in `folder` whose writers are dead.

    A living writer holds a lock on what it writes; the system drops it with the process, however
    that ended.
    """
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            if _TEMPORARY.match(entry.name):
                with contextlib.suppress(OSError):
                    _remove_unless_locked(Path(entry.path))


def _remove_unless_locked(path: Path) -> None:
    with contextlib.ExitStack() as stack:
        if _HAS_FLOCK:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
            stack.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _HAS_FLOCK and path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _resolve(link: Path) -> Path:
    try:
        return link.resolve()
    except RuntimeError:  # what Python before 3.13 makes of a link that leads to itself
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from None


def _is_trusted(link: Path) -> bool:
    """Whether a link was made by the user or the system, not by somebody in a shared folder."""
    return not hasattr(os, "geteuid") or link.lstat().st_uid in (0, os.geteuid())


def _copy_mode(source: Path, target: Path) -> None:
    """Let a private file stay private."""
    with contextlib.suppress(FileNotFoundError):
        mode = stat.S_IMODE(source.lstat().st_mode) & 0o777
        if stat.S_IMODE(target.lstat().st_mode) != mode:  # some file systems know one, for all
            target.chmod(mode)


def _temporary_path(target: Path) -> Path:
    return target.with_name(f".{target.name[:50]}.{os.urandom(8).hex()}.digitcli")


def _open_temporary(target: Path) -> BinaryIO:
    """Open and lock a new temporary file beside `target`."""
    while True:
        file = _temporary_path(target).open("xb")
        if not _HAS_FLOCK:
            return file
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:  # a file system without locks: nobody can take it for litter either
            return file
        # Between the two calls another process may have taken the file for litter.
        if os.fstat(file.fileno()).st_nlink:
            return file
        file.close()


def sync(file: BinaryIO) -> None:
    """Flush a file to disk, unless its file system knows no such thing, as some networks' do not.

    Raises
    ------
    OSError
        When that fails.
    """
    file.flush()
    try:
        os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
            raise


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable, where the platform lets a folder be opened."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
