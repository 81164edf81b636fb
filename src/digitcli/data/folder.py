"""A folder of labelled pictures: a sub-folder per digit, optionally under train/ and test/."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from digitcli.data.dataset import SPLITS, Dataset
from digitcli.errors import DataError, ImageError
from digitcli.paths import printable
from digitcli.reading.digit import read_digit
from digitcli.seeing.frames import FIRST_FRAME, look_for_frames, page_name

CLASSES = tuple("0123456789")
UNSURE = "unsure"
"""Folder of pictures that `predict --sort` put aside; they take no part in a dataset."""

Reader = Callable[[Sequence[Path]], Iterable[NDArray[np.uint8] | ImageError]]
"""Gives the digit in each picture, shape (28, 28), or why it cannot be read, in order."""


def load_folder(
    folder: Path,
    *,
    polarity: str = "auto",
    on_error: Callable[[str, str], None] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    on_note: Callable[[str], None] | None = None,
    read: Reader | None = None,
) -> Dataset:
    """Read the pictures in the class sub-folders ``0`` … ``9`` of `folder`.

    The layout is that of torchvision's ImageFolder. The sub-folders may lie under ``train`` and
    ``test``; without these, every picture is of the split ``"train"``. Pictures are found at any
    depth; hidden files and a sub-folder ``unsure`` are left out, and the order is that of the
    sorted paths. Each page of a TIFF file is a picture, as ``3/two.tif[1]``.

    Parameters
    ----------
    folder : the folder
    polarity : how to see the pictures; see `digitcli.seeing.read_digit`
    on_error : called for each picture that cannot be read, each folder that cannot be listed, and
        each sub-folder that is not a digit, with its path and a line that says why; without it,
        the first picture or folder that cannot be read raises
    on_progress : called with the number of pictures read so far and in all
    on_note : called with a line about each picture of which only the first frame is read, and about
        pictures that were put aside
    read : how to read the pictures, instead of one by one with `digitcli.seeing.read_digit`

    Raises
    ------
    DataError
        When there is no class sub-folder, one cannot be listed and there is no `on_error`, or no
        picture could be read.
    ImageError
        When a picture cannot be read and there is no `on_error`.
    """
    found = [
        (split, int(class_folder.name), path)
        for split, class_folder in _class_folders(folder, on_error)
        for file in _pictures(class_folder, on_error)
        for path in _pages(file, on_error, on_note)
    ]
    if on_note is not None:
        for put_aside in _put_aside(folder):
            on_note(
                f"{put_aside} takes no part; move its pictures into the folder of their digit first"
            )
    files = [path for _, _, path in found]
    pictures = _read(files, polarity) if read is None else read(files)
    images, labels, splits, paths = [], [], [], []
    for number, ((split, label, path), image) in enumerate(
        zip(found, pictures, strict=True), start=1
    ):
        if isinstance(image, ImageError):
            if on_error is None:
                raise image
            on_error(os.fspath(path), str(image))
        else:
            images.append(image)
            labels.append(label)
            splits.append(split)
            paths.append(os.fspath(path))
        if on_progress is not None:
            on_progress(number, len(found))
    if not images:
        raise DataError(f"{folder} holds no picture that could be read in its folders 0 to 9")
    return Dataset(
        folder.resolve().name or "folder",
        np.stack(images),
        np.array(labels, np.uint8),
        np.array(splits),
        tuple(paths),
    )


def _read(paths: Sequence[Path], polarity: str) -> Iterator[NDArray[np.uint8] | ImageError]:
    for path in paths:
        try:
            yield read_digit(path, polarity=polarity, name=os.fspath(path))
        except ImageError as error:
            yield error


def _class_folders(
    folder: Path, on_error: Callable[[str, str], None] | None
) -> list[tuple[str, Path]]:
    """Return the split and the path of each class sub-folder."""
    parents = [(split, folder / split) for split in SPLITS if (folder / split).is_dir()]
    children = [
        (split, child)
        for split, parent in parents or [("train", folder)]
        for child in sorted(parent.iterdir())
        if child.is_dir() and not child.name.startswith(".")
    ]
    classes = [(split, child) for split, child in children if child.name in CLASSES]
    if not classes:
        raise DataError(
            f"{folder} has no sub-folders 0 to 9 (or train/0 … and test/0 …) with pictures; "
            "put each picture into the folder of its digit"
        )
    if on_error is not None:
        for _, child in children:
            if child.name not in (*CLASSES, UNSURE):
                on_error(os.fspath(child), f"{child} is not a folder 0 to 9; it is left out")
    return classes


def _pages(
    file: Path,
    on_error: Callable[[str, str], None] | None,
    on_note: Callable[[str], None] | None,
) -> Iterator[Path]:
    """Yield a file, or each of its pages if it has several."""
    path = os.fspath(file)
    frames = look_for_frames(path)
    if frames.animated and on_note is not None:
        on_note(f"{printable(path)} {FIRST_FRAME}")
    if not frames.several:
        yield file
        return
    for number in range(1, frames.pages + 1):
        yield Path(page_name(path, number))
    if frames.fault:
        reason = frames.missing(printable(path))
        if on_error is None:
            raise ImageError(reason)
        on_error(page_name(path, frames.pages + 1), reason)


def _put_aside(folder: Path) -> list[Path]:
    """Return the folders of pictures that `predict --sort` was not sure of, unless empty."""
    folders = [parent / UNSURE for parent in (folder, *(folder / split for split in SPLITS))]
    return [path for path in folders if path.is_dir() and any(path.iterdir())]


def _pictures(folder: Path, on_error: Callable[[str, str], None] | None) -> Iterator[Path]:
    def tell(error: OSError) -> None:
        reason = (
            f"{error.filename} cannot be listed: {(error.strerror or str(error)).lower()}; "
            "check the folder and its permissions"
        )
        if on_error is None:
            raise DataError(reason)
        on_error(error.filename, reason)

    for parent, folders, files in os.walk(folder, onerror=tell):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith("."):
                yield Path(parent, name)
