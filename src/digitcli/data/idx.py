"""Read and write IDX, the file format of MNIST.

A file is two zero bytes, a type code, the number of dimensions, each dimension as a big-endian
32-bit integer, and the values in C order; often the whole is gzipped. Only unsigned bytes, the
type of images and labels, are read.

References
----------
.. [1] Y. LeCun, C. Cortes and C. J. C. Burges, "The MNIST database of handwritten digits",
   section "File formats for the MNIST database".
"""

from __future__ import annotations

import contextlib
import gzip
import io
import math
import os
import stat
import zlib
from collections.abc import Iterator
from io import BufferedIOBase, BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digitcli.data.dataset import Dataset
from digitcli.errors import DataError
from digitcli.files import atomic_write

MAX_BYTES = 400_000_000
"""Largest array read: half a million 28×28 images."""
MAX_LABELS = 1_000_000

_UNSIGNED_BYTE = 0x08
_TYPES = {0x09: "int8", 0x0B: "int16", 0x0C: "int32", 0x0D: "float32", 0x0E: "float64"}
_GZIP_MAGIC = b"\x1f\x8b"
_DEFLATE_RATIO = 1032  # no deflate stream expands further (zlib.net/zlib_tech.html)
_STEP = 1 << 20
_PIECE = 16 * 1024
_MOST_MEMBERS = 10_000


def read_idx(path: str | os.PathLike[str], *, ndim: int) -> NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes, gzipped or not.

    The header is checked against the file before anything of the declared size is allocated, and
    no more is read than it declares.

    Parameters
    ----------
    path : path of the file; gzip is told from its first bytes, not from its name
    ndim : number of dimensions the file must have: 1 for labels, 3 for images

    Returns
    -------
    uint8 array with the dimensions that the file declares

    Raises
    ------
    DataError
        When the file cannot be read, is not IDX, has another type or number of dimensions, is
        shorter or longer than declared, or is larger than `MAX_BYTES`.
    """
    name = os.fspath(path)
    try:
        with _open_unpacked(Path(path), name) as (stream, available):
            shape = _read_header(stream, name, ndim)
            return _read_values(stream, name, shape, available - 4 - 4 * ndim)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DataError(
            f"{name} is damaged: its gzip data does not unpack; fetch or copy it again"
        ) from error
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror or error}") from error


def write_idx(path: str | os.PathLike[str], array: NDArray[np.uint8]) -> None:
    """Write a uint8 array as an IDX file, gzipped when the name ends in ``.gz``."""
    header = bytes([0, 0, _UNSIGNED_BYTE, array.ndim])
    data = header + np.array(array.shape, ">u4").tobytes() + array.tobytes()
    with atomic_write(path) as file:
        file.write(gzip.compress(data, mtime=0) if Path(path).suffix == ".gz" else data)


def load_idx_pair(path: str | os.PathLike[str]) -> Dataset:
    """Load images and labels from a pair of IDX files, given the path of either.

    The other is found beside it by the names of MNIST: ``images`` becomes ``labels`` and ``idx3``
    ``idx1``; either may be gzipped. A name with ``t10k`` or ``test`` makes the split ``"test"``,
    any other ``"train"``.

    Raises
    ------
    DataError
        When either file is missing, damaged or not what it must be, or the two do not match.
    """
    images_path, labels_path = _pair(Path(path))
    images = read_idx(images_path, ndim=3)
    labels = read_idx(labels_path, ndim=1)
    if images.shape[1:] != (28, 28):
        raise DataError(
            f"{images_path} holds images of {images.shape[1]}×{images.shape[2]} pixels, not 28×28; "
            "save them as picture files in folders 0 to 9 and give that folder"
        )
    if len(images) != len(labels) or not len(labels):
        raise DataError(
            f"{images_path} holds {len(images)} images and {labels_path.name} {len(labels)} "
            "labels; check that they belong together"
        )
    if labels.max() > 9:
        raise DataError(f"{labels_path} holds the label {labels.max()}; digits are 0 to 9")
    name = images_path.name.removesuffix(".gz")
    split = "test" if "t10k" in name or "test" in name else "train"
    return Dataset(name, images, labels, np.full(len(labels), split))


def _pair(path: Path) -> tuple[Path, Path]:
    """Return the paths of images and labels, given either."""
    to_labels = (("images", "labels"), ("idx3", "idx1"))
    if "images" in path.name:
        return path, _beside(path, to_labels)
    if "labels" in path.name:
        return _beside(path, tuple((new, old) for old, new in to_labels)), path
    raise DataError(
        f"{path} is not a dataset: give mnist, digits, an .npz file, a folder with a sub-folder "
        "for each digit, or an IDX file named like train-images-idx3-ubyte.gz"
    )


def _beside(path: Path, changes: tuple[tuple[str, str], ...]) -> Path:
    name = path.name
    for old, new in changes:
        name = name.replace(old, new)
    plain = name.removesuffix(".gz")
    for candidate in (name, plain, plain + ".gz"):
        if path.with_name(candidate).exists():
            return path.with_name(candidate)
    raise DataError(f"{path} has no {name} beside it; images and labels come as a pair")


@contextlib.contextmanager
def _open_unpacked(path: Path, name: str) -> Iterator[tuple[BufferedIOBase, int]]:
    """Open `path`, unpacking gzip, with the largest number of bytes it can hold."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # to open a FIFO would wait for its writer
        raise DataError(f"{name} is not a regular file; give the path of an IDX file")
    with path.open("rb") as file:
        if file.peek(2)[:2] == _GZIP_MAGIC:
            with io.BufferedReader(_Unpacked(file)) as unpacked:
                yield unpacked, status.st_size * _DEFLATE_RATIO
        else:
            yield file, status.st_size


class _Unpacked(io.RawIOBase):
    """What a gzip file unpacks to. Unlike `gzip.GzipFile` it bounds the number of members."""

    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        self._packed = b""
        self._members = 0
        self._member = zlib.decompressobj(wbits=31)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            if self._member.eof:
                # Zeros may pad a member, as gzip allows.
                self._packed = self._member.unused_data.lstrip(b"\0")
                while not self._packed:
                    if not (piece := self._file.read(_PIECE)):
                        return 0
                    self._packed = piece.lstrip(b"\0")
                self._members += 1
                if self._members > _MOST_MEMBERS:
                    raise gzip.BadGzipFile("too many members")
                self._member = zlib.decompressobj(wbits=31)
            elif not self._packed and not (piece := self._file.read(_PIECE)):
                raise EOFError("the file ends inside a member")
            elif not self._packed:
                self._packed = piece
            data = self._member.decompress(self._packed, len(buffer))
            self._packed = self._member.unconsumed_tail
            if data:
                buffer[: len(data)] = data
                return len(data)


def _read_header(stream: BufferedIOBase, name: str, ndim: int) -> tuple[int, ...]:
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or not (magic[2] == 8 or magic[2] in _TYPES):
        raise DataError(
            f"{name} is not an IDX file (it starts with {magic.hex(' ') or 'nothing'}); "
            f"digit images and labels start with 00 00 08 {ndim:02x}"
        )
    if magic[2] != _UNSIGNED_BYTE:
        raise DataError(f"{name} holds {_TYPES[magic[2]]} values; digitcli reads unsigned bytes")
    if magic[3] != ndim:
        kind = "images" if ndim == 3 else "labels"
        raise DataError(
            f"{name} has {magic[3]} dimensions where {kind} have {ndim}; "
            "check that images and labels are not swapped"
        )
    sizes = stream.read(4 * ndim)
    if len(sizes) < 4 * ndim:
        raise DataError(f"{name} ends inside its header; fetch or copy it again")
    return tuple(int(size) for size in np.frombuffer(sizes, ">u4"))


def _read_values(
    stream: BufferedIOBase, name: str, shape: tuple[int, ...], available: int
) -> NDArray[np.uint8]:
    declared = math.prod(shape)
    most = MAX_LABELS if len(shape) == 1 else MAX_BYTES
    if max(declared, *shape) > most:  # a side, too: beside a side of 0 it may be anything
        raise DataError(
            f"{name} declares {'×'.join(map(str, shape))} values; digitcli reads at most {most:,}"
        )
    if declared > available:
        raise DataError(
            f"{name} declares {declared:,} values but cannot hold more than {max(available, 0):,}; "
            "fetch or copy it again"
        )
    values = np.empty(declared, np.uint8)
    filled = 0
    while filled < declared:
        count = stream.readinto(values[filled : filled + _STEP].data)
        if not count:
            raise DataError(
                f"{name} ends after {filled:,} of {declared:,} values; fetch or copy it again"
            )
        filled += count
    if stream.read(1):  # at the end of a gzip stream this also checks its CRC
        raise DataError(f"{name} goes on after the {declared:,} values that it declares")
    return values.reshape(shape)
