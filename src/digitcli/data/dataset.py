"""A labelled set of 28×28 digits, and the `.npz` file that holds one."""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digitcli.errors import DataError
from digitcli.files import atomic_write

SPLITS = ("train", "test")
MAX_IMAGES = 10_000_000
_HEADER_BYTES = 4096


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
        The digits, 0 to 9.
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
        if self.labels.shape != (n,) or self.labels.dtype != np.uint8 or (self.labels > 9).any():
            raise DataError(
                f"{self.name}: labels must be {n} digits 0 to 9 (uint8); check the labels"
            )
        if self.split.shape != (n,) or not np.isin(self.split, SPLITS).all():
            raise DataError(
                f"{self.name}: split must say 'train' or 'test' for each of the {n} images"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def part(self, split: str) -> Dataset:
        """Return the images of one split (``"train"`` or ``"test"``), possibly none."""
        return self.take(np.flatnonzero(self.split == split))

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

        Equal datasets give equal files. `paths` is kept in ``paths`` where there is one.
        """
        arrays: dict[str, Any] = {
            "images": self.images,
            "labels": self.labels,
            "split": self.split,
        }
        if self.paths is not None:
            arrays["paths"] = np.array(self.paths, dtype=np.str_)
        with atomic_write(path) as file:
            np.savez_compressed(file, **arrays)


def load_npz(path: str | os.PathLike[str]) -> Dataset:
    """Read a dataset that `Dataset.save` wrote.

    The header of each array is checked before its data is decompressed, so a small file cannot
    ask for more memory than `MAX_IMAGES` images take; pickled objects are refused.

    Raises
    ------
    DataError
        When the file is missing, damaged, or not such a dataset.
    """
    name = os.fspath(path)
    try:
        with zipfile.ZipFile(path) as archive:
            images = _read_array(archive, "images", np.dtype(np.uint8), 3)
            labels = _read_array(archive, "labels", np.dtype(np.uint8), 1)
            split = _read_array(archive, "split", np.dtype(np.str_), 1)
            paths = None
            if "paths.npy" in archive.namelist():
                paths = tuple(_read_array(archive, "paths", np.dtype(np.str_), 1).tolist())
                if len(paths) != len(labels):
                    raise ValueError("paths and labels differ in number")
    except FileNotFoundError:
        raise DataError(f"{name} does not exist; check the path") from None
    except OSError as error:
        raise DataError(
            f"{name} cannot be read: {(error.strerror or str(error)).lower()}"
        ) from None
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile, NotImplementedError) as error:
        raise DataError(
            f"{name} is not a dataset of digits ({_reason(error)}); "
            "make one with 'digitcli preprocess'"
        ) from None
    except (RuntimeError, zipfile.LargeZipFile, zipfile.error) as error:  # encrypted, zlib
        raise DataError(f"{name} cannot be unpacked ({_reason(error)})") from None
    return Dataset(Path(path).name, images, labels, split, paths)


def _reason(error: Exception) -> str:
    return str(error).strip("'\"").splitlines()[0] if str(error) else type(error).__name__


def _read_array(
    archive: zipfile.ZipFile,
    name: str,
    dtype: np.dtype[Any],
    ndim: int,
) -> NDArray[Any]:
    """Read one member after holding its header against what it may be and what is there."""
    try:
        info = archive.getinfo(f"{name}.npy")
    except KeyError:
        raise ValueError(f"it holds no array {name!r}") from None
    with archive.open(info) as file:
        version = np.lib.format.read_magic(file)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if read_header is None:
            raise ValueError(f"array {name!r} has an unknown format {version}")
        shape, fortran, found = read_header(file, max_header_size=_HEADER_BYTES)
        if found.kind != dtype.kind or (dtype.kind == "u" and found != dtype):
            raise ValueError(f"array {name!r} is {found}, not {dtype.name}")
        if len(shape) != ndim or fortran or any(side < 0 for side in shape):
            raise ValueError(f"array {name!r} has shape {shape}")
        if shape and shape[0] > MAX_IMAGES:
            raise ValueError(f"array {name!r} declares {shape[0]} images")
        if (dtype.kind == "u" and shape[1:] not in ((), (28, 28))) or found.itemsize > 4 * 4096:
            raise ValueError(f"array {name!r} has shape {shape} of {found}")
        size = int(np.prod(shape, dtype=np.int64)) * found.itemsize
        # Deflate packs at most 1032 to 1; a declared size beyond that is a lie.
        if size > info.file_size or size > 1032 * info.compress_size + 4096:
            raise ValueError(f"array {name!r} declares more data than the file holds")
        data = file.read(size)
    if len(data) != size:
        raise ValueError(f"array {name!r} is cut short")
    return np.frombuffer(data, dtype=found).reshape(shape)
