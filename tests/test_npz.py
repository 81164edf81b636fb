"""Dataset files keep what was saved, and a hostile one ends in one clear error."""

from __future__ import annotations

import errno
import io
import os
import pickle
import random
import resource
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conftest import posix
from digitcli.data.dataset import LONGEST_PATH, Dataset, load_npz
from digitcli.data.sources import load_dataset
from digitcli.errors import DataError


@pytest.fixture
def dataset() -> Dataset:
    images = np.random.default_rng(0).integers(0, 256, (4, 28, 28), np.uint8)
    split = np.array(["train", "test", "train", "test"])
    paths = ("1/a.png", "2/ü\n.png", "3/\udcff.png", "4/" + "long" * 50)
    return Dataset("four.npz", images, np.arange(4, dtype=np.uint8), split, paths)


def test_what_is_saved_is_loaded(dataset: Dataset, tmp_path: Path) -> None:
    dataset.save(tmp_path / "four.npz")
    loaded = load_npz(tmp_path / "four.npz")
    assert loaded.name == dataset.name
    assert np.array_equal(loaded.images, dataset.images)
    assert np.array_equal(loaded.labels, dataset.labels)
    assert np.array_equal(loaded.split, dataset.split)
    assert loaded.paths == dataset.paths


def test_files_that_numpy_writes_by_itself_are_loaded(dataset: Dataset, tmp_path: Path) -> None:
    arrays = {"images": dataset.images, "labels": dataset.labels, "split": dataset.split}
    np.savez(tmp_path / "plain.npz", **arrays)
    loaded = load_npz(tmp_path / "plain.npz")
    assert np.array_equal(loaded.images, dataset.images)
    assert loaded.paths is None


class Dangerous:
    """Pickles to something that leaves a mark when it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, ("mark",)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": None}, "no array 'images'"),
        ({"split": None}, "no array 'split'"),
        ({"images": np.zeros((4, 32, 32), np.uint8)}, r"\(4, 32, 32\)"),
        ({"images": np.zeros((4, 784), np.uint8)}, r"\(4, 784\)"),
        ({"images": np.zeros((4, 28, 28), np.float32)}, "not an array of bytes"),
        ({"images": np.asfortranarray(np.ones((4, 28, 28), np.uint8))}, "not an array of bytes"),
        ({"images": np.zeros((3, 28, 28), np.uint8)}, "'labels' declares 4 bytes"),
        ({"images": np.zeros((5, 28, 28), np.uint8)}, "uint8 .*5, 28, 28"),
        ({"labels": np.arange(3, dtype=np.uint8)}, "images|labels"),
        ({"labels": np.array([0, 1, 2, 10], np.uint8)}, "0 to 9"),
        ({"labels": np.array(["0", "1", "2", "3"])}, "'labels' has shape"),
        ({"split": np.array(["train"] * 3 + ["valid"])}, "'train' or 'test'"),
        ({"paths": np.array(["a"])}, "differ in number"),
        ({"labels": np.array([Dangerous()] * 4, dtype=object)}, "not an array of bytes"),
    ],
)
def test_other_arrays_are_refused(
    dataset: Dataset,
    changes: dict[str, np.ndarray | None],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    arrays = {"images": dataset.images, "labels": dataset.labels, "split": dataset.split, **changes}
    np.savez_compressed(
        "bad.npz", **{name: array for name, array in arrays.items() if array is not None}
    )
    with pytest.raises(DataError, match=message) as raised:
        load_npz("bad.npz")
    assert "bad.npz" in str(raised.value)
    assert not Path("mark").exists()


def npz(**members: bytes) -> bytes:
    """Return a zip file of arrays given as raw .npy bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return buffer.getvalue()


def npy(shape: tuple[int, ...], data: bytes = b"", descr: str = "|u1") -> bytes:
    """Return the bytes of a .npy file that declares `shape`, with other data if so wished."""
    buffer = io.BytesIO()
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue() + data


def test_two_arrays_in_one_place_are_refused(dataset: Dataset, tmp_path: Path) -> None:
    """Newer Pythons would show a warning with lines of source."""
    path = tmp_path / "two.npz"
    dataset.save(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("other.npy", b"")
        archive.getinfo("other.npy").header_offset = archive.getinfo("images.npy").header_offset
    with pytest.raises(DataError, match="two arrays in one place"):
        load_npz(path)


def test_two_arrays_of_one_name_are_refused(dataset: Dataset, tmp_path: Path) -> None:
    """Which of them counts would be a matter of the program that reads them."""
    path = tmp_path / "two.npz"
    dataset.save(path)
    with zipfile.ZipFile(path) as archive:
        labels = archive.read("labels.npy")
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("labels.npy", labels)
    with pytest.raises(DataError, match="two arrays of one name"):
        load_npz(path)


LIES: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "no zip": lambda: b"not a zip",
    "empty array": lambda: npz(images=b""),
    "cut header": lambda: npz(images=b"\x93NUMPY\1\0"),
    "nested header": lambda: npz(images=b"\x93NUMPY\x01\0\x76\0" + b"(" * 118),
    "2**31 images": lambda: npz(images=npy((2**31, 28, 28))),
    "450 MB": lambda: npz(images=npy((600_000, 28, 28), bytes(600_000 * 784))),
    "declares 784 GB": lambda: npz(images=npy((999_999_999, 28, 28), bytes(1000))),
    "a byte too few": lambda: npz(images=npy((2, 28, 28), bytes(1567))),
    "a byte too many": lambda: npz(images=npy((2, 28, 28), bytes(1569))),
    "long strings": lambda: npz(
        images=npy((0, 28, 28)), labels=npy((0,)), split=npy((90_000,), descr="<U16384")
    ),
    "pickled": lambda: npz(images=pickle.dumps(Dangerous())),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_file_that_lies_is_refused_in_little_time_and_memory(
    lie: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "bad.npz"
    path.write_bytes(LIES[lie]())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    with pytest.raises(DataError, match=r"bad\.npz"):
        load_npz(path)
    assert time.perf_counter() - start < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024
    assert not Path("mark").exists()


@posix
@pytest.mark.parametrize("kind", ["missing", "folder", "fifo"])
def test_what_is_no_regular_file_is_an_error(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "thing.npz"
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    with pytest.raises(DataError, match=r"thing\.npz"):
        load_npz(path)


@pytest.mark.slow("pictures")
def test_mutated_files_end_in_a_dataset_or_one_error(dataset: Dataset, tmp_path: Path) -> None:
    """Byte flips, cuts, insertions and edited numbers, half of them near the headers."""
    dataset.save(tmp_path / "packed.npz")
    np.savez(
        tmp_path / "plain.npz", images=dataset.images, labels=dataset.labels, split=dataset.split
    )
    originals = [(tmp_path / name).read_bytes() for name in ("packed.npz", "plain.npz")]
    signs = (b"PK\1\2", b"PK\5\6", b"PK\3\4", b"NUMPY")
    starts = [[at for at in range(len(data)) if data.startswith(signs, at)] for data in originals]
    rng = random.Random(7)
    loaded = refused = 0
    for number in range(2000):
        which = rng.randrange(2)
        data = bytearray(originals[which])
        for _ in range(rng.randint(1, 3)):
            near = rng.choice(starts[which]) + rng.randrange(120)
            at = min(rng.choice((near, rng.randrange(len(data) or 1))), len(data))
            match rng.randrange(5):
                case 0:
                    data[at : at + 1] = rng.randbytes(1)
                case 1:
                    data[at:at] = rng.randbytes(rng.randint(1, 8))
                case 2:
                    number_bytes = rng.choice((0, 1, 2**31, 2**32 - 1)).to_bytes(4, "little")
                    data[at : at + 4] = number_bytes
                case 3:
                    data[at : at + 1] = rng.choice((b"(", b"9", b"'", b"\n", b"O", b",", b"{"))
                case _:
                    if rng.random() < 0.2:
                        del data[at:]
        path = tmp_path / f"{number}.npz"
        path.write_bytes(data)
        start = time.perf_counter()
        try:
            load_npz(path)
        except DataError:
            refused += 1
        else:
            loaded += 1
        assert time.perf_counter() - start < 1
    assert loaded > 50
    assert refused > 1000


def test_a_disk_that_fails_is_not_called_a_damaged_file(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(io.FileIO):
        def tell(self) -> int:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    dataset.save(tmp_path / "x.npz")
    monkeypatch.setattr("io.open", lambda path, mode: Failing(path, mode))
    with pytest.raises(DataError, match=r"x\.npz cannot be read: input/output error$"):
        load_npz(tmp_path / "x.npz")


def test_what_could_not_be_loaded_again_is_not_saved(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("digitcli.data.dataset.MAX_BYTES", dataset.images.nbytes - 1)
    with pytest.raises(DataError, match="images, and a dataset file holds"):
        dataset.save(tmp_path / "large.npz")
    assert not list(tmp_path.iterdir())


def test_paths_that_are_too_long_are_left_out(dataset: Dataset, tmp_path: Path) -> None:
    paths = ("a" * (LONGEST_PATH + 1), *("b" for _ in range(len(dataset) - 1)))
    replace(dataset, paths=paths).save(tmp_path / "long.npz")
    loaded = load_npz(tmp_path / "long.npz")
    assert loaded.paths is None
    np.testing.assert_array_equal(loaded.images, dataset.images)


def test_the_name_may_be_in_capitals(dataset: Dataset, tmp_path: Path) -> None:
    dataset.save(tmp_path / "DIGITS.NPZ")
    assert len(load_dataset(tmp_path / "DIGITS.NPZ")) == len(dataset)
