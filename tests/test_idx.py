"""IDX files are read exactly as they declare, and nothing they declare is trusted."""

from __future__ import annotations

import gzip
import os
import random
import resource
import struct
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from conftest import posix
from digitcli.data.idx import MAX_BYTES, load_idx_pair, read_idx, write_idx
from digitcli.errors import DataError


def header(*shape: int, magic: bytes = b"\0\0\x08") -> bytes:
    return magic + bytes([len(shape)]) + struct.pack(f">{len(shape)}I", *shape)


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (12, 28, 28), np.uint8)


def compressed(data: bytes) -> bytes:
    """Return gzip data that is the same at any time of day, as the name of a test has to be."""
    return gzip.compress(data, mtime=0)


@pytest.mark.parametrize("name", ["x-idx3-ubyte", "x-idx3-ubyte.gz"])
def test_what_is_written_is_read_again(name: str, images: np.ndarray, tmp_path: Path) -> None:
    write_idx(tmp_path / name, images)
    assert np.array_equal(read_idx(tmp_path / name, ndim=3), images)
    plain = gzip.decompress if name.endswith(".gz") else bytes
    data = plain((tmp_path / name).read_bytes())
    assert data == header(12, 28, 28) + images.tobytes()


def test_gzip_is_told_from_the_content_not_the_name(images: np.ndarray, tmp_path: Path) -> None:
    write_idx(tmp_path / "a.gz", images)
    (tmp_path / "a.gz").rename(tmp_path / "a")
    assert np.array_equal(read_idx(tmp_path / "a", ndim=3), images)


@pytest.mark.parametrize(
    ("data", "ndim", "message"),
    [
        (b"", 1, "not an IDX file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), 1, "not an IDX file"),
        (header(3, magic=b"\0\1\x08") + b"abc", 1, "not an IDX file"),
        (header(3, magic=b"\0\0\x07") + b"abc", 1, "not an IDX file"),
        (header(3, magic=b"\0\0\x0d") + bytes(12), 1, "float32"),
        (header(3) + b"abc", 3, "1 dimensions where images have 3"),
        (header(1, 2, 3) + b"abcdef", 1, "3 dimensions where labels have 1"),
        (header(3)[:6], 1, "inside its header"),
        (header(4) + b"abc", 1, "cannot hold more than 3"),
        (header(2) + b"abc", 1, "goes on after the 2"),
        (header(2**32 - 1, 2**32 - 1, 2**32 - 1), 3, "at most"),
        (header(0, 2**32 - 1, 2**32 - 1), 3, "at most"),
        (header(MAX_BYTES + 1) + b"abc", 1, "at most"),
        (compressed(header(4) + b"abc"), 1, "ends after 3 of 4"),
        (compressed(header(2) + b"abc"), 1, "goes on after the 2"),
        (compressed(header(3) + b"abc")[:-9], 1, "gzip"),
        (compressed(header(3) + b"abc")[:-8] + bytes(8), 1, "gzip"),
        (compressed(header(3) + b"abc") + b"garbage", 1, "gzip"),
        (b"\x1f\x8b" + bytes(30), 1, "gzip"),
        (compressed(header(MAX_BYTES)), 1, "at most"),
        (compressed(header(3) + b"abc") + compressed(b"") * 200_000, 1, "gzip"),
        (compressed(header(1_000_000)), 1, "cannot hold more than"),
    ],
)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_file_that_lies_is_refused(
    data: bytes, ndim: int, message: str, suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"bad{suffix}"
    path.write_bytes(data)
    with pytest.raises(DataError, match=message) as raised:
        read_idx(path, ndim=ndim)
    assert str(path) in str(raised.value)


def test_a_gzip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    """A small file that unpacks to 200 MB costs no more than what it declares."""
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(header(100))
        for _ in range(200):
            file.write(bytes(1 << 20))
    tracemalloc.start()
    start = time.perf_counter()
    with pytest.raises(DataError, match="goes on after the 100"):
        read_idx(path, ndim=1)
    assert time.perf_counter() - start < 0.5
    assert tracemalloc.get_traced_memory()[1] < 4_000_000
    tracemalloc.stop()


def test_a_file_of_several_gzip_members_and_padding_is_read(tmp_path: Path) -> None:
    data = header(3) + b"abc"
    packed = b"".join(compressed(data[at : at + 2]) for at in range(0, len(data), 2))
    (tmp_path / "labels.gz").write_bytes(packed + bytes(40_000))
    assert read_idx(tmp_path / "labels.gz", ndim=1).tolist() == [97, 98, 99]


@posix
@pytest.mark.parametrize("kind", ["missing", "folder", "fifo", "unreadable"])
def test_what_is_no_regular_file_is_an_error(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "thing"
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "unreadable":
        if os.geteuid() == 0:
            pytest.skip("root reads everything")
        path.touch(mode=0)
    with pytest.raises(DataError, match="thing"):
        read_idx(path, ndim=1)


def save_pair(folder: Path, images: np.ndarray, labels: list[int], name: str = "train-{}") -> Path:
    path = folder / name.format("images-idx3-ubyte")
    write_idx(path, images)
    write_idx(folder / name.format("labels-idx1-ubyte"), np.array(labels, np.uint8))
    return path


@pytest.mark.parametrize(
    ("images_name", "labels_name", "split"),
    [
        ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "train"),
        ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte", "train"),
        ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte.gz", "test"),
        ("t10k-images.idx3-ubyte", "t10k-labels.idx1-ubyte", "test"),
        (
            "emnist-digits-test-images-idx3-ubyte.gz",
            "emnist-digits-test-labels-idx1-ubyte.gz",
            "test",
        ),
        ("images", "labels", "train"),
    ],
)
def test_a_pair_is_found_from_either_file(
    images_name: str, labels_name: str, split: str, images: np.ndarray, tmp_path: Path
) -> None:
    labels = np.arange(12, dtype=np.uint8) % 10
    write_idx(tmp_path / images_name, images)
    write_idx(tmp_path / labels_name, labels)
    for name in (images_name, labels_name):
        dataset = load_idx_pair(tmp_path / name)
        assert np.array_equal(dataset.images, images)
        assert np.array_equal(dataset.labels, labels)
        assert set(dataset.split.tolist()) == {split}


def test_pairs_that_do_not_match_are_refused(images: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="12 images and train-labels-idx1-ubyte 3 labels"):
        load_idx_pair(save_pair(tmp_path, images, [1, 2, 3]))
    with pytest.raises(DataError, match="0 images"):
        load_idx_pair(save_pair(tmp_path, images[:0], []))
    with pytest.raises(DataError, match="label 10"):
        load_idx_pair(save_pair(tmp_path, images[:2], [1, 10]))
    with pytest.raises(DataError, match="20×28"):
        load_idx_pair(save_pair(tmp_path, images[:2, :20], [1, 2]))
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match="no train-labels-idx1-ubyte beside it"):
        load_idx_pair(tmp_path / "train-images-idx3-ubyte")
    with pytest.raises(DataError, match="not a dataset"):
        load_idx_pair(tmp_path / "photo.png")


def test_mutated_files_end_in_an_array_or_one_error(images: np.ndarray, tmp_path: Path) -> None:
    """Byte flips, cuts, splices and insertions, in under a second and little memory each."""
    rng = random.Random(5)
    plain = header(3, 28, 28) + images[:3].tobytes()
    originals = [
        plain,
        compressed(plain),
        header(5) + bytes(5),
        compressed(header(5) + bytes(5)),
    ]
    read = refused = 0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(2000):
        path = tmp_path / str(number)  # a new file; to truncate one can be slow
        data = bytearray(rng.choice(originals))
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(min(len(data), rng.choice((16, 64, len(data)))) or 1)
            match rng.randrange(4):
                case 0:
                    data[at : at + 1] = rng.randbytes(1)
                case 1:
                    del data[at:]
                case 2:
                    data[at:at] = rng.randbytes(rng.randint(1, 8))
                case 3:
                    data[at : at + 4] = struct.pack(">I", rng.choice((0, 1, 2**31, 2**32 - 1)))
        path.write_bytes(data)
        start = time.perf_counter()
        try:
            array = read_idx(path, ndim=rng.choice((1, 3)))
        except DataError:
            refused += 1
        else:
            assert array.nbytes <= 1032 * len(data)
            read += 1
        assert time.perf_counter() - start < 1
    assert read > 30
    assert refused > 1000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 256 * 1024
