"""Hostile files: `predict` gives each exactly one result or one error, in order, and goes on."""

from __future__ import annotations

import json
import os
import resource
import socket
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest
from PIL import Image

from conftest import clean_environment
from drawings import drawn, save_reader

Run = Callable[..., CompletedProcess[str]]
PREDICT = [sys.executable, "-m", "digitcli", "predict", "-m", "reader.joblib"]
FUZZ = Path(__file__).parent.parent / "faults" / "fuzz_images.py"

pytestmark = pytest.mark.skipif(os.name != "posix", reason="special files and names of POSIX")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_reader(tmp_path / "reader.joblib")
    drawn(3).save(tmp_path / "3.png")
    return tmp_path


def predict(folder: Path, paths: list[str], *options: str) -> list[dict[str, Any]]:
    """Predict the paths, each with a sound image after it, and return the line of each."""
    listed = [item for path in paths for item in (path, "3.png")]
    result = subprocess.run(
        [*PREDICT, "-0", "--format", "json", *options],
        input=b"".join(os.fsencode(path) + b"\0" for path in listed),
        capture_output=True,
        cwd=folder,
        timeout=60,
        env=clean_environment(folder),
        preexec_fn=limit_memory,
    )
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["path"] for line in lines] == listed
    answer = "rows" if "--line" in options else "digit"
    assert all(line.get("digit", 3) == 3 and line[answer] for line in lines[1::2])
    hostile = lines[::2]
    assert all((answer in line) != ("error" in line) for line in hostile)
    assert result.returncode == (3 if any("error" in line for line in hostile) else 0)
    assert b"Traceback" not in result.stderr
    return hostile


def limit_memory() -> None:
    """Give the program 2 GiB of address space: Python with NumPy has taken half of one by then."""
    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))


def png(width: int, height: int, *, bits: int = 8, colour: int = 0, data: bytes = b"") -> bytes:
    """Return a PNG that claims a size, whatever its data."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    return start + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_special_files_are_errors_and_never_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "fifo")
    (folder / "folder").mkdir()
    (folder / "dangling").symlink_to("nowhere")
    (folder / "loop").symlink_to("loop")
    (folder / "empty.png").touch()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
        paths = ["fifo", "folder", "dangling", "loop", "empty.png", "socket", "/dev/zero"]
        paths += ["/dev/null", "/dev/tty", "missing", "3.png/below", "x" * 300, "x/" * 3000]
        lines = predict(folder, paths)
    assert all("error" in line for line in lines)


def test_a_link_to_an_image_is_followed(folder: Path) -> None:
    (folder / "link").symlink_to("3.png")
    assert predict(folder, ["link"])[0]["digit"] == 3


@pytest.mark.skipif(getattr(os, "geteuid", int)() == 0, reason="root reads everything")
def test_an_unreadable_file_is_an_error(folder: Path) -> None:
    drawn(3).save(folder / "secret.png")
    (folder / "secret.png").chmod(0)
    assert "ermission" in predict(folder, ["secret.png"])[0]["error"]


NAMES = [
    "new\nline",
    "tab\t",
    "\x1b[31mred\x1b[0m",
    "\x07",
    "\u202e",
    "delete\x7f",
    "-r",
    "a\udcffb",
    "ü",
    " ",
    "~",
]


def test_names_of_any_bytes_are_read_and_told_apart(folder: Path) -> None:
    for name in NAMES:
        with open(folder / name, "wb") as file:
            drawn(5).save(file, "PNG")
    assert [line["digit"] for line in predict(folder, NAMES)] == [5] * len(NAMES)


@pytest.mark.parametrize("format", ["text", "csv", "json"])
def test_names_never_reach_a_terminal_raw(folder: Path, format: str) -> None:
    for name in NAMES[::2]:
        with open(folder / name, "wb") as file:
            drawn(5).save(file, "PNG")
    result = subprocess.run(
        [*PREDICT, "--format", format, "--", *NAMES],
        capture_output=True,
        cwd=folder,
        env=clean_environment(folder),
    )
    assert result.returncode == 3
    shown = (result.stdout + result.stderr).decode("utf-8").replace("\n", "")
    tabs = "\t" if format == "text" else ""
    assert [char for char in shown if not char.isprintable() and char not in tabs] == []
    lines = result.stdout.splitlines() + result.stderr.splitlines()
    assert len(lines) == len(NAMES) + (format == "csv")


def test_pictures_that_claim_to_be_huge_are_refused(folder: Path) -> None:
    bombs = {
        "wide.png": png(2**31 - 1, 1),
        "square.png": png(50_000, 50_000, bits=1),
        "sixteen.png": png(30_000, 30_000, bits=16, colour=6),
        "data.png": png(9_000, 9_000, data=zlib.compress(bytes(9_001 * 9_000), 9)),
        "bmp.bmp": b"BM" + struct.pack("<I4xIIiiHH24x", 9, 54, 40, 60_000, 60_000, 1, 24),
        "ppm.ppm": b"P6 100000 100000 255\n" + bytes(100),
        "text.png": b"not an image",
    }
    for name, data in bombs.items():
        (folder / name).write_bytes(data)
    lines = predict(folder, list(bombs))
    assert all("error" in line for line in lines), lines


@pytest.mark.slow("pictures")
def test_pictures_that_take_more_memory_than_their_pixels_are_refused(folder: Path) -> None:
    blank = Image.new("RGB", (7200, 7200), "white")
    blank.save(folder / "progressive.jpg", progressive=True)
    blank.save(folder / "baseline.jpg")
    scan = b"\xff\xda\0\x0c\3\1\0\2\x11\3\x11"  # of all three layers, and of the first alone
    one = (folder / "baseline.jpg").read_bytes().replace(scan, b"\xff\xda\0\x08\1\1\0")
    (folder / "scans.jpg").write_bytes(one)
    blank.convert("1").save(folder / "blank.png")
    picture = (folder / "blank.png").read_bytes()
    entry = struct.pack("<HHHBBBBHHII", 0, 1, 1, 32, 32, 0, 0, 1, 32, len(picture), 22)
    (folder / "icon.ico").write_bytes(entry + picture)
    names = ["progressive.jpg", "scans.jpg", "icon.ico", "baseline.jpg"]
    errors = [line["error"] for line in predict(folder, names)]
    assert all("7200×7200 pixels" in error for error in errors[:3])
    assert "no ink" in errors[3] or "holds" in errors[3]


@pytest.mark.slow("pictures")
def test_extreme_shapes_end_in_a_line_each(folder: Path) -> None:
    shapes = [(1, 1), (1, 30_000), (30_000, 1), (30_000, 3), (2, 2), (28, 1), (1000, 30)]
    names = []
    for width, height in shapes:
        pixels = np.full((height, width), 255, np.uint8)
        pixels[height // 3 : height // 2 + 1, width // 3 : width // 2 + 1] = 0
        names.append(f"{width}x{height}.png")
        Image.fromarray(pixels).save(folder / names[-1])
    predict(folder, names)
    lines = predict(folder, names, "--line")
    assert all("too thin" in line["error"] for line in lines[:4])


def test_a_wrong_extension_does_not_matter(folder: Path) -> None:
    drawn(7).save(folder / "7.jpg", "PNG")
    drawn(4).convert("RGB").save(folder / "4.png", "BMP")
    drawn(5).save(folder / "none", "GIF")
    lines = predict(folder, ["7.jpg", "4.png", "none"])
    assert [line["digit"] for line in lines] == [7, 4, 5]


def test_a_cut_image_is_an_error(folder: Path) -> None:
    names = []
    for suffix in ("png", "jpg", "gif", "bmp", "tiff", "webp"):
        drawn(3).save(folder / f"whole.{suffix}")
        whole = (folder / f"whole.{suffix}").read_bytes()
        for part in (0.1, 0.5, 0.9):
            names.append(f"{part}.{suffix}")
            (folder / names[-1]).write_bytes(whole[: int(len(whole) * part)])
    lines = predict(folder, names)
    assert all("error" in line for line in lines[::3] + lines[1::3])


def test_formats_that_are_not_on_the_list_are_refused(folder: Path) -> None:
    starts = {
        "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n",
        "pdf": b"%PDF-1.4\n",
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "psd": b"8BPS\0\1",
        "fits": b"SIMPLE  =",
        "hdf": b"\x89HDF\r\n\x1a\n",
        "xbm": b"#define im_width 8\n#define im_height 1\nstatic char im_bits[] = {\n0x00};\n",
    }
    for suffix, start in starts.items():
        (folder / f"a.{suffix}").write_bytes(start + bytes(100))
    lines = predict(folder, [f"a.{suffix}" for suffix in starts])
    assert all("is not an image" in line["error"] for line in lines)


def test_a_file_may_vanish_while_it_is_in_the_queue(folder: Path) -> None:
    (folder / "3.png").rename(folder / "gone.png")
    process = subprocess.Popen(
        PREDICT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        env=clean_environment(folder),
    )
    with process:
        process.stdin.write(b"gone.png\n")
        process.stdin.flush()
        assert process.stdout.readline().startswith(b"gone.png\t3")
        (folder / "gone.png").unlink()
        output, errors = process.communicate(b"gone.png\n", timeout=20)
    assert (process.returncode, output) == (3, b"")
    assert errors.startswith(b"gone.png cannot be read")


@pytest.mark.slow("pictures")
@pytest.mark.skipif(not FUZZ.exists(), reason="the sources are not all there")
def test_damaged_and_odd_files_are_each_read_or_refused() -> None:
    code = (
        f"import sys; sys.path.insert(0, {os.fspath(FUZZ.parent)!r})\n"
        "from fuzz_images import rows\n"
        "for row in rows(150, 7, with_large=False):\n"
        "    assert row.tried and not row.lost, row"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    "mebibytes",
    [100, 245, 590, *(pytest.param(n, marks=pytest.mark.slow("processes")) for n in (150, 400))],
)
@pytest.mark.parametrize("arguments", ["predict 3.png", "info", "train digits --epochs 1"])
def test_a_low_limit_of_memory_is_one_line(folder: Path, arguments: str, mebibytes: int) -> None:
    """OpenBLAS would wait for memory for ever, and hear no signal meanwhile."""
    limit = mebibytes << 20
    result = subprocess.run(
        [sys.executable, "-m", "digitcli", *arguments.split()],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=60,
        env=clean_environment(folder),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    if result.returncode:
        assert result.returncode == 1
        assert result.stderr.startswith("digitcli: error: the limit of memory is ")
        assert len(result.stderr.splitlines()) == 1
    else:
        assert arguments != "train digits --epochs 1"
        assert mebibytes > 150
