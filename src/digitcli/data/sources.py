"""From what a person calls a dataset to its images and labels."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from digitcli.data.dataset import Dataset, load_npz
from digitcli.errors import DataError

NAMED = ("mnist", "digits")
"""Datasets that are called by name."""
WRITER = "writer:"
"""What comes before the number of digits that a writer is to write."""


OnError = Callable[[str, str], None]
"""Called for each picture of a folder that cannot be read: its path, and a line that says why."""


def is_name(source: str | os.PathLike[str]) -> bool:
    """Return whether a dataset is called by a name and not by a path."""
    return _name_of(source) is not None


def _name_of(source: str | os.PathLike[str]) -> str | None:
    """Return the name in small letters; of a file or folder called so in others, None."""
    if not isinstance(source, str):
        return None
    name = source.lower()
    if name not in NAMED and not name.startswith(WRITER):
        return None
    return name if name == source or not os.path.lexists(source) else None


def is_folder(source: str | os.PathLike[str]) -> bool:
    """Return whether a dataset is a folder of pictures; one called as a known dataset is not."""
    return not is_name(source) and Path(source).is_dir()


def load_dataset(
    source: str | os.PathLike[str],
    *,
    data_dir: str | os.PathLike[str] | None = None,
    polarity: str = "auto",
    on_error: OnError | None = None,
    on_step: Callable[[str], None] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Load a dataset by name or path.

    Parameters
    ----------
    source : str or path
        In any case, ``"mnist"`` (fetched when it is not there), ``"digits"`` (inside scikit-learn),
        ``"writer:60000"`` (so many that a writer writes), an ``.npz`` file, one IDX file of a
        pair, or a folder with a sub-folder per digit.
    data_dir : path, optional
        Where fetched data lives; see `digitcli.paths.data_dir`.
    polarity : {"auto", "dark-on-light", "light-on-dark"}
        How to see the pictures of a folder.
    on_error : callable, optional
        Receives the pictures of a folder that cannot be read; without it the first one raises.
    on_step : callable, optional
        Receives a line about each step that takes time, and about each animation in a folder.
    on_progress : callable, optional
        Receives the number of a folder's pictures read, or of digits written, so far and in all.

    Raises
    ------
    DataError, DownloadError
        When there is no such dataset, or it is damaged.
    """
    name = _name_of(source)
    if name == "mnist":
        from digitcli.data.mnist import load_mnist

        return load_mnist(data_dir, on_step=on_step)
    if name == "digits":
        from digitcli.data.uci import load_digits

        return load_digits()
    path = Path(source)
    if name is not None:
        from digitcli.data.written import load_written

        return load_written(name.removeprefix(WRITER), on_progress=on_progress)
    if path.is_dir():
        from digitcli.data.folder import load_folder

        return load_folder(
            path, polarity=polarity, on_error=on_error, on_progress=on_progress, on_note=on_step
        )
    if path.suffix.lower() == ".npz":
        return load_npz(path)
    if not path.exists():
        raise DataError(
            f"{source} is not a dataset: give mnist, digits, writer:N, an .npz file, an IDX file "
            "or a folder with a sub-folder for each digit"
        )
    from digitcli.data.idx import load_idx_pair

    return load_idx_pair(path)
