"""A labelled set of 28×28 digits, and the `.npz` file that holds one."""

from __future__ import annotations

import math
import os
import re
import stat
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digitcli.errors import DataError
from digitcli.files import atomic_write

SPLITS = ("train", "test")
NO_DIGIT = 10
"""Label of training images that show no digit: a network learns to be sure of none there."""
MAX_BYTES = 400_000_000
"""Most bytes that a file's images may unpack to: half a million of them."""
MAX_MEMBERS = 1000
LONGEST_SPLIT = 16
LONGEST_PATH = 4096
_STEP = 1 << 20

# What numpy.lib.format writes in front of an array that is in C order.
_HEADER = re.compile(
    rb"\x93NUMPY[\1\2]\0..(?:\0\0)?\{'descr': '(?P<dtype>\|u1|[<>]U[1-9]\d{0,4})', "
    rb"'fortran_order': False, 'shape': \((?P<shape>\d{1,9},(?: \d{1,4})?(?:, \d{1,4})?)\), \} *\n",
    re.DOTALL,
)
_HEADER_BYTES = 256


@dataclass(frozen=True)
class Dataset:
    """Images of single digits with their labels.

    Attributes
    ----------
    name : str
        What the data is called in tables and in a model's metadata.
    images : ndarray of uint8, shape (n, 28, 28)
        Ink bright on black, 0 to 255.
    labels : ndarray of uint8, shape (n,)
        The digits, 0 to 9; NO_DIGIT is for training images only.
    split : ndarray of str, shape (n,)
        ``"train"`` or ``"test"`` for each image.
    paths : tuple of str, optional
        The file that each image was read from, where there is one.
    """

    name: str
    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    split: NDArray[np.str_]
    paths: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        n = len(self.labels)
        if self.images.shape != (n, 28, 28) or self.images.dtype != np.uint8:
            raise DataError(
                f"{self.name}: images are {self.images.dtype} {self.images.shape}, "
                f"not uint8 ({n}, 28, 28); make the file with 'digitcli preprocess'"
            )
        if self.split.shape != (n,) or not np.isin(self.split, SPLITS).all():
            raise DataError(
                f"{self.name}: split must say 'train' or 'test' for each of the {n} images"
            )
        if (
            self.labels.shape != (n,)
            or self.labels.dtype != np.uint8
            or (self.labels > np.where(self.split == "train", NO_DIGIT, 9)).any()
        ):
            raise DataError(
                f"{self.name}: labels must be {n} digits 0 to 9 (uint8); check the labels"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def part(self, split: str) -> Dataset:
        """Return the images of one split (``"train"`` or ``"test"``), possibly none."""
        return self.take(np.flatnonzero(self.split == split))

    def digits(self) -> Dataset:
        """Return the images that show a digit."""
        return self.take(np.flatnonzero(self.labels != NO_DIGIT))

    def take(self, indices: NDArray[np.intp]) -> Dataset:
        """Return the images at `indices`, in that order."""
        return replace(
            self,
            images=self.images[indices],
            labels=self.labels[indices],
            split=self.split[indices],
            paths=None if self.paths is None else tuple(self.paths[i] for i in indices),
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the dataset as a compressed ``.npz`` with ``images``, ``labels`` and ``split``.

        Equal datasets give equal files. `paths` is kept in ``paths`` where there is one, unless it
        would take more room than `load_npz` gives it.

        Raises
        ------
        DataError
            When there are more images than `load_npz` would read again.
        """
        if self.images.nbytes > MAX_BYTES:
            raise DataError(
                f"{self.name} has {len(self):,} images, and a dataset file holds "
                f"{MAX_BYTES // 28**2:,} at most; split it"
            )
        arrays: dict[str, Any] = {
            "images": self.images,
            "labels": self.labels,
            "split": self.split,
        }
        if self.paths and 4 * len(self) * max(map(len, self.paths)) <= _room_for_paths(len(self)):
            arrays["paths"] = np.array(self.paths, dtype=np.str_)
        with atomic_write(path) as file:
            np.savez_compressed(file, **arrays)


def load_npz(path: str | os.PathLike[str]) -> Dataset:
    """Read a dataset that `Dataset.save` wrote.

    The header of each array is checked before its data is unpacked, so a small file cannot ask
    for more memory than `MAX_BYTES`; pickled objects are refused.

    Raises
    ------
    DataError
        When the file is missing, damaged, or not such a dataset.
    """
    name = os.fspath(path)
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):  # to open a FIFO would wait for its writer
            raise DataError(f"{name} is not a regular file; give the path of an .npz file")
        with zipfile.ZipFile(path) as archive:
            if len(archive.filelist) > MAX_MEMBERS:
                raise ValueError("it holds too many arrays")
            if len(set(archive.namelist())) < len(archive.filelist):
                raise ValueError("it holds two arrays of one name")
            if len({info.header_offset for info in archive.filelist}) < len(archive.filelist):
                raise ValueError("it holds two arrays in one place")
            images = _read_array(archive, "images", "u", (28, 28), MAX_BYTES)
            n = len(images)
            labels = _read_array(archive, "labels", "u", (), n)
            split = _read_array(archive, "split", "U", (), n * 4 * LONGEST_SPLIT)
            paths = None
            if "paths.npy" in archive.namelist():
                room = _room_for_paths(n)
                paths = tuple(_read_array(archive, "paths", "U", (), room).tolist())
                if len(paths) != n:
                    raise ValueError("paths and images differ in number")
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"{name} does not exist; check the path") from None
    except OSError as error:
        raise DataError(
            f"{name} cannot be read: {(error.strerror or str(error)).lower()}"
        ) from None
    except Exception as error:  # parsers of damaged files raise nearly anything
        if (
            isinstance(cause := error.__context__, OSError) and cause.strerror
        ):  # as zipfile hides it
            raise DataError(f"{name} cannot be read: {cause.strerror.lower()}") from None
        raise DataError(
            f"{name} is not a dataset of digits ({str(error)[:200] or type(error).__name__}); "
            "make one with 'digitcli preprocess'"
        ) from None
    return Dataset(Path(path).name, images, labels, split, paths)


def _room_for_paths(count: int) -> int:
    """Return the bytes that the paths of so many images may take, each as long as the longest."""
    return min(count * 4 * LONGEST_PATH, (MAX_BYTES - count * 28**2) * 3 // 4)


def _read_array(
    archive: zipfile.ZipFile, name: str, kind: str, item_shape: tuple[int, ...], max_bytes: int
) -> NDArray[Any]:
    """Read one member after holding its header against what it may be and what is there.

    `kind` is NumPy's: ``"u"`` for bytes, ``"U"`` for strings.
    """
    try:
        info = archive.getinfo(f"{name}.npy")
    except KeyError:
        raise ValueError(f"it holds no array {name!r}") from None
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"array {name!r} is packed in a way that NumPy does not use")
    with archive.open(info) as file:
        header = _HEADER.match(file.read(_HEADER_BYTES))
        if header is None:
            raise ValueError(f"array {name!r} is not an array of bytes or strings")
        found = np.dtype(header["dtype"].decode())
        shape = tuple(int(side) for side in header["shape"].split(b",") if side.strip())
        if found.kind != kind or shape[1:] != item_shape:
            raise ValueError(f"array {name!r} has shape {shape} of {found}")
        size = math.prod(shape) * found.itemsize
        if size > max_bytes:
            raise ValueError(f"array {name!r} declares {size:,} bytes, which is too much")
        # Deflate packs at most 1032 to 1; a declared size beyond that is a lie.
        if size != info.file_size - header.end() or size > 1032 * info.compress_size:
            raise ValueError(f"array {name!r} declares another size than the file holds")
        file.seek(header.end())
        data = np.empty(size, np.uint8)
        filled = 0
        while piece := file.read(min(_STEP, size - filled)):
            data[filled : filled + len(piece)] = np.frombuffer(piece, np.uint8)
            filled += len(piece)
        if filled < size or file.read(1):  # reading to the end also checks the CRC
            raise ValueError(f"array {name!r} is cut short")
    return data.view(found).reshape(shape)
