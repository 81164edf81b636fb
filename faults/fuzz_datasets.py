"""Damaged and hostile dataset files, .npz and IDX: each is read right or refused in one line."""

from __future__ import annotations

import gzip
import io
import pickle
import random
import struct
import sys
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from fuzz import feed, mutate, report
from fuzz_models import calls
from table import Row, main

from digitcli.data.dataset import Dataset, load_npz
from digitcli.data.idx import load_idx_pair, read_idx
from digitcli.errors import DataError

N = 6
DTYPES = ("|u1", "<U5", ">U5", "|O", "<f8", "<U4096", "<U99999", "|V784", "<M8[s]", "x")
LABELS_IDX = bytes([0, 0, 8, 1]) + struct.pack(">I", N) + bytes(range(N))


def dataset() -> Dataset:
    rng = np.random.default_rng(0)
    split = np.array(["train", "test"] * (N // 2))
    images = rng.integers(0, 256, (N, 28, 28), dtype=np.uint8)
    return Dataset("six", images, np.arange(N, dtype=np.uint8), split, ("a/ü.png",) * N)


def read_npz(path: Path) -> None:
    check(load_npz(path))


def check(data: Dataset) -> None:
    n = len(data.labels)
    assert data.images.shape == (n, 28, 28)
    assert data.images.dtype == data.labels.dtype == np.uint8
    assert not n or data.labels.max() <= 9
    assert len(data.split) == n
    assert set(data.split[:1000].tolist()) <= {"train", "test"}
    assert data.paths is None or len(data.paths) == n


def read_idx_images(path: Path) -> None:
    array = read_idx(path, ndim=3)
    assert array.dtype == np.uint8
    assert array.ndim == 3


def read_pair(path: Path) -> None:
    """Read the file as the labels that belong to few images, as every command does."""
    check(load_idx_pair(path))


# --- .npz --------------------------------------------------------------------------------------


def npy(
    shape: tuple[int, ...] | str, data: bytes = b"", descr: str = "|u1", order: str = "False"
) -> bytes:
    """Return a .npy file that declares what it likes."""
    header = f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + data


def archive(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return buffer.getvalue()


def whole() -> dict[str, bytes]:
    data = dataset()
    arrays = {"images": data.images, "labels": data.labels, "split": data.split}
    arrays["paths"] = np.array(data.paths)
    members = {}
    for name, array in arrays.items():
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, array)
        members[f"{name}.npy"] = buffer.getvalue()
    return members


def zip_places(data: bytes) -> list[int]:
    signs = (b"PK\1\2", b"PK\5\6", b"PK\3\4", b"NUMPY", b"descr", b"shape")
    return [at for at in range(len(data)) if data.startswith(signs, at)]


def mutated_npz(count: int, rng: random.Random) -> Iterator[bytes]:
    originals = [archive(whole()), archive(whole(), zipfile.ZIP_STORED)]
    places = [zip_places(data) for data in originals]
    for _ in range(count):
        which = rng.randrange(2)
        yield mutate(originals[which], places[which], rng, originals)


def crafted_npz(count: int, rng: random.Random) -> Iterator[bytes]:
    """Yield sound zip files whose arrays lie, or are pickles."""
    poisons = calls()
    for _ in range(count):
        members = whole()
        name = rng.choice(list(members))
        shapes = ((N,), (N, 28, 28), (), (0,), (2**31,), (N, 784), "(6L,)", "((((6", "(-1,)", "6,")
        match rng.randrange(6):
            case 0:
                poison = np.array([rng.choice(poisons)] * N, dtype=object)
                buffer = io.BytesIO()
                np.lib.format.write_array(buffer, poison, allow_pickle=True)
                members[name] = buffer.getvalue()
            case 1:
                members[name] = pickle.dumps(rng.choice(poisons), rng.randrange(6))
            case 2:
                size = rng.choice((0, 1, N, N * 784, 10**5))
                descr, order = rng.choice(DTYPES), rng.choice(("False", "True", "None"))
                members[name] = npy(rng.choice(shapes), bytes(size), descr, order)
            case 3:
                del members[name]
            case 4:
                members[name] = mutate(members[name], [10, 20, 40, 60], rng, [members["split.npy"]])
            case _:
                members[f"../{name}"] = members.pop(name)
        yield archive(members, rng.choice((0, 8, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)))


def growing_npz() -> Iterator[bytes]:
    """Yield bombs, crowds and files that are as large as they may be."""
    for n in (510_000, 511_000, 5_000_000):
        members = {
            "images.npy": npy((n, 28, 28), bytes(n * 784)) if n < 10**6 else npy((n, 28, 28)),
            "labels.npy": npy((n,), bytes(n)),
            "split.npy": npy((n,), "train".encode("utf-32-le") * n, "<U5"),
        }
        yield archive(members)
    few = whole()
    for name, descr, item in (("split", "<U99999", 399_996), ("paths", "<U99999", 399_996),
                              ("paths", "<U1", 4), ("labels", "|u1", 1)):  # fmt: skip
        for n in (N, 380_000_000 // item):
            data = bytes(n * item)
            yield archive({**few, f"{name}.npy": npy((n,), data, descr)})
    n = 400_000
    yield archive({
        "images.npy": npy((n, 28, 28), bytes(n * 784)),
        "labels.npy": npy((n,), bytes(n)),
        "split.npy": npy((n,), "test".ljust(5, "\0").encode("utf-32-le") * n, "<U5"),
        "paths.npy": npy((n,), "path/to/picture.png".encode("utf-32-le") * n, "<U19"),
    })  # fmt: skip
    yield archive({**few, **{f"{number}": b"" for number in range(60_000)}})
    bomb = archive(few)
    yield bomb + archive({"x": bytes(10**8)})
    yield from odd_zips()
    layers = bytes(10**8)
    for _ in range(4):
        layers = archive({"images.npy": layers})
        yield layers


def odd_zips() -> Iterator[bytes]:
    """Yield archives that use what zip allows and NumPy never writes, or that contradict it."""
    few = whole()
    for size in (2**32 + 1, 2**63, 2**64 - 1):  # zip64 fields, of which one lies
        sound = archive(few, zipfile.ZIP_STORED)
        name = b"split.npy"
        start = sound.index(b"PK\1\2")
        central = bytearray(sound[start : sound.index(b"PK\5\6")])
        at = central.index(name) - 46
        extra = struct.pack("<HHQQ", 1, 16, size, size)
        central[at + 20 : at + 28] = b"\xff" * 8
        central[at + 30 : at + 32] = struct.pack("<H", len(extra))
        central[at + 46 + len(name) : at + 46 + len(name)] = extra
        end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 4, 4, len(central), start, 0)
        yield sound[:start] + central + end
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, data in few.items():
            with file.open(name, "w", force_zip64=True) as member:  # as NumPy writes it, in fact
                member.write(data)
    yield buffer.getvalue()
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        warnings.simplefilter("ignore")
        for name, data in [*few.items(), ("images.npy", npy((N, 28, 28), bytes(9)))]:
            file.writestr(name, data)  # the last of a name counts
    yield buffer.getvalue()
    sound = bytearray(archive(few))
    for sign, flags in ((b"PK\1\2", 8), (b"PK\3\4", 6)):  # encrypted, it says
        at = -1
        while (at := sound.find(sign, at + 1)) >= 0:
            sound[at + flags] |= 1
    yield bytes(sound)
    yield archive({f"{name}\0.txt": data for name, data in few.items()})
    yield archive(few) + bytes(70_000)
    yield b"#!/bin/sh\n" + archive(few)
    kernel = b"\0" * 380_000_000  # one stretch of packed zeros for each array
    yield archive({"images.npy": npy((484_000, 28, 28), kernel), **{
        f"{number}.npy": b"" for number in range(900)
    }})  # fmt: skip


# --- IDX ---------------------------------------------------------------------------------------


def idx(*sides: int, data: bytes = b"", kind: int = 8, ndim: int | None = None) -> bytes:
    head = bytes([0, 0, kind, len(sides) if ndim is None else ndim])
    return head + b"".join(struct.pack(">I", side) for side in sides) + data


def mutated_idx(count: int, rng: random.Random) -> Iterator[bytes]:
    plain = idx(N, 28, 28, data=dataset().images.tobytes())
    originals = [plain, gzip.compress(plain, mtime=0), LABELS_IDX]
    for _ in range(count):
        yield mutate(rng.choice(originals), [0, 2, 4, 8, 12, 16], rng, originals)


def crafted_idx(count: int, rng: random.Random) -> Iterator[bytes]:
    """Yield headers that lie, plain and gzipped, in one or many members."""
    sides = (0, 1, N, 28, 784, 2**16, 2**31, 2**32 - 1)
    for _ in range(count):
        shape = [rng.choice(sides) for _ in range(rng.choice((0, 1, 2, 3, 3, 3, 4, 255)))]
        data = idx(*shape, data=rng.randbytes(rng.choice((0, 6, 4704))), kind=rng.choice((8, 8, 9)))
        match rng.randrange(4):
            case 0:
                yield data
            case 1:
                yield gzip.compress(data, mtime=0)
            case 2:
                yield b"".join(gzip.compress(data[at : at + 7]) for at in range(0, len(data), 7))
            case _:
                packed = gzip.compress(data, mtime=0)
                yield packed[: -rng.randrange(1, 9)] + rng.randbytes(rng.randrange(9))


def growing_idx() -> Iterator[bytes]:
    """Yield gzip bombs and files that are as large as they may be."""
    for n in (510_000, 511_000):
        plain = idx(n, 28, 28, data=bytes(n * 784))
        yield gzip.compress(plain, 1)
        yield plain
    yield gzip.compress(idx(N, 28, 28, data=bytes(4 * 10**8)), 1)
    yield gzip.compress(idx(400_000_000, data=bytes(4 * 10**8)), 1)
    yield gzip.compress(idx(1, 1, 400_000_000, data=bytes(4 * 10**8)), 1)
    yield gzip.compress(idx(N, data=bytes(4 * 10**8)), 1)
    empty = gzip.compress(b"", mtime=0)
    yield empty * 10**6  # a member each that holds nothing
    yield gzip.compress(idx(N, 28, 28)) + empty * 10**6
    packer = zlib.compressobj(9, wbits=31)
    yield packer.compress(idx(N, data=bytes(N))) + packer.flush() + bytes(10**8)


def warm_up(path: Path) -> None:
    """Import everything that reading needs."""
    path = path.with_name("images.npz")
    for data in (b"", archive(whole()), archive(whole(), zipfile.ZIP_LZMA)):
        path.write_bytes(data)
        try:
            read_npz(path)
        except DataError as error:
            str(error)
    images, labels = path.with_name("images"), path.with_name("labels")
    labels.write_bytes(LABELS_IDX)
    plain = idx(N, 28, 28, data=dataset().images.tobytes())
    for data in (b"", plain, gzip.compress(plain), gzip.compress(plain)[:-9]):
        images.write_bytes(data)
        try:
            read_pair(images)
        except DataError as error:
            str(error)
    images.write_bytes(plain)


READERS = {"npz": read_npz, "idx": read_idx_images, "pair": read_pair}


def rows(count: int, seed: int, *, with_large: bool = True) -> Iterator[Row]:
    """Do everything with about `count` inputs of each format."""
    rng = random.Random(seed)

    def fed(fault: str, inputs: Iterator[bytes], kind: str, name: str, alone: bool = False) -> Row:
        read: Callable[[Path], None] = READERS[kind]
        command = (__file__, "--read", kind) if alone else ()
        return feed(fault, inputs, read, name=name, warm_up=warm_up, alone=command)

    yield fed(".npz: flips, cuts, splices", mutated_npz(count * 3 // 4, rng), "npz", "x.npz")
    yield fed(".npz: arrays that lie, pickles", crafted_npz(count // 4, rng), "npz", "x.npz")
    yield fed("IDX: flips, cuts, splices", mutated_idx(count // 2, rng), "idx", "x-images")
    yield fed("IDX: headers that lie", crafted_idx(count // 4, rng), "idx", "x-images")
    yield fed("IDX: a pair of which one is damaged", mutated_idx(count // 4, rng), "pair", "labels")
    if with_large:
        yield fed(".npz: bombs and crowds", growing_npz(), "npz", "x.npz", alone=True)
        yield fed("IDX: bombs", growing_idx(), "idx", "x-images", alone=True)
        yield fed("IDX: bombs as labels", growing_idx(), "pair", "labels", alone=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--read"]:
        report(READERS[sys.argv[2]], Path(sys.argv[3]), warm_up)
    else:
        sys.exit(main(__doc__, rows, count=20_000))
