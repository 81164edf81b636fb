"""Files with several pictures: each page of a TIFF has its answer, an animation its first frame."""

from __future__ import annotations

import csv
import json
import struct
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from conftest import Run
from digitcli import read_digit, read_rows
from digitcli.data.folder import load_folder
from digitcli.errors import ExitCode, ImageError
from digitcli.seeing.decode import decode
from digitcli.seeing.frames import look_for_frames
from digitcli.seeing.tiff import MAX_PAGES, find_pages
from drawings import drawn, save_reader

DIGITS = 4, 5, 7


def pages(*digits: int) -> list[Image.Image]:
    return [drawn(digit).convert("L") for digit in digits]


def save_tiff(path: Path, *digits: int, **options: object) -> Path:
    first, *others = pages(*digits)
    first.save(path, "TIFF", save_all=True, append_images=others, **options)
    return path


def chain(places: list[int], *, order: str = "<", after: int = 0, kind: int = 0) -> bytes:
    """Return a TIFF of directories without pixels, each of which leads to the next of `places`."""
    begin = b"II*\0" if order == "<" else b"MM\0*"
    entry = struct.pack(order + "HHII", 254, 4, 1, kind)
    file = bytearray(begin + struct.pack(order + "I", places[0]))
    for place, following in zip(places, [*places[1:], after], strict=True):
        file[len(file) : place] = bytes(place - len(file))
        file += struct.pack(order + "H", 1) + entry + struct.pack(order + "I", following)
    return bytes(file)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_reader(tmp_path / "reader.joblib")
    save_tiff(tmp_path / "two.tif", 4, 5)
    save_tiff(tmp_path / "one.tif", 7)
    save_tiff(tmp_path / "packed.tif", *DIGITS, compression="tiff_lzw")
    return tmp_path


NAMES = ["two.tif[1]", "two.tif[2]", "one.tif", *(f"packed.tif[{n}]" for n in (1, 2, 3))]


@pytest.mark.parametrize("options", [(), ("-j", "2"), ("--explain", "why")])
def test_every_page_has_its_line(digitcli: Run, folder: Path, options: tuple[str, ...]) -> None:
    files = ["two.tif", "one.tif", "packed.tif"]
    result = digitcli("predict", "-m", "reader.joblib", *options, *files)
    assert (result.returncode, result.stderr) == (ExitCode.OK, "")
    lines = [line.split("\t")[:2] for line in result.stdout.splitlines()]
    assert lines == [list(pair) for pair in zip(NAMES, "457457", strict=True)]
    if options == ("--explain", "why"):
        explained = sorted(path.name for path in (folder / "why").iterdir())
        assert explained == sorted(f"{name}.png" for name in NAMES)


def test_the_pages_of_listed_files_and_of_stdin_have_theirs(digitcli: Run, folder: Path) -> None:
    model = "-m", "reader.joblib"
    result = digitcli("predict", *model, "--format", "csv", input="two.tif\none.tif\n")
    paths = [line["path"] for line in csv.DictReader(result.stdout.splitlines())]
    assert paths == ["two.tif[1]", "two.tif[2]", "one.tif"]
    data = (folder / "two.tif").read_bytes()
    result = digitcli("predict", *model, "--stdin-image", "--explain", "why", input=data)
    assert [line.split("\t")[:2] for line in result.stdout.splitlines()] == [
        ["-[1]", "4"],
        ["-[2]", "5"],
    ]
    explained = sorted(path.name for path in (folder / "why").iterdir())
    assert explained == ["stdin[1].png", "stdin[2].png"]


def test_the_rows_and_tables_of_every_page_are_read(digitcli: Run, folder: Path) -> None:
    result = digitcli("predict", "--line", "two.tif", "one.tif")
    lines = [line.split("\t")[:2] for line in result.stdout.splitlines()]
    assert lines == [["two.tif[1]", "4"], ["two.tif[2]", "5"], ["one.tif", "7"]]
    result = digitcli("predict", "--table", "--format", "json", "two.tif")
    assert [json.loads(line)["path"] for line in result.stdout.splitlines()] == NAMES[:2]
    assert result.returncode == ExitCode.PARTIAL  # there is no table
    assert result.stderr == ""


def test_a_name_of_a_page_is_understood(digitcli: Run, folder: Path) -> None:
    result = digitcli("predict", "-m", "reader.joblib", "packed.tif[2]", "packed.tif[4]")
    assert result.stdout.startswith("packed.tif[2]\t5\t")
    assert result.stderr == "packed.tif[4] has no such page; the last one is 3\n"
    second = read_digit(folder / "two.tif[2]")
    assert (second == read_digit(pages(5)[0])).all()
    assert (read_digit(folder / "two.tif") == read_digit(pages(4)[0])).all()
    assert [row.text() for row in read_rows(folder / "packed.tif[3]")] == ["7"]


def test_a_file_that_has_the_name_of_a_page_is_that_file(digitcli: Run, folder: Path) -> None:
    save_tiff(folder / "two.tif[2]", 7)
    result = digitcli("predict", "-m", "reader.joblib", "two.tif", "two.tif[2]")
    assert [line.split("\t")[1] for line in result.stdout.splitlines()] == ["4", "5", "7"]


def test_a_damaged_page_hides_no_other(digitcli: Run, folder: Path) -> None:
    whole = (folder / "packed.tif").read_bytes()
    second = find_pages(BytesIO(whole)).places[1]
    broken = bytearray(whole)
    broken[second + 2 : second + 12] = b"\xff" * 10
    (folder / "broken.tif").write_bytes(broken)
    result = digitcli("predict", "-m", "reader.joblib", "broken.tif", "one.tif")
    answered = [line.split("\t")[0] for line in result.stdout.splitlines()]
    assert answered == ["broken.tif[1]", "broken.tif[3]", "one.tif"]
    assert result.stderr.startswith("broken.tif[2] ")
    assert len(result.stderr.splitlines()) == 1


def test_a_file_that_was_cut_between_its_pages_says_so(digitcli: Run, folder: Path) -> None:
    whole = (folder / "two.tif").read_bytes()
    (folder / "cut.tif").write_bytes(whole[: find_pages(BytesIO(whole)).places[1] + 1])
    result = digitcli("predict", "-m", "reader.joblib", "cut.tif")
    assert result.returncode == ExitCode.PARTIAL
    assert result.stdout.startswith("cut.tif[1]\t4\t")
    assert result.stderr == (
        "cut.tif[2] cannot be read: its list of pages is damaged; save the file again, in parts\n"
    )


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("places", "after", "count", "fault"),
    [
        ([8], 0, 1, None),
        ([8, 40], 0, 2, None),
        ([8], 8, 1, "circle"),
        ([8, 40, 80], 40, 3, "circle"),
        ([8], 1 << 31, 1, "damaged"),
        (list(range(8, 8 + 18 * (MAX_PAGES + 1), 18)), 0, MAX_PAGES, "more than 1,000 pages"),
    ],
    ids=["one", "two", "its own", "circle", "outside", "many"],
)
def test_lists_of_pages_end(
    order: str, places: list[int], after: int, count: int, fault: str | None
) -> None:
    frames = look_for_frames(chain(places, order=order, after=after))
    assert frames.pages == count
    assert (frames.fault is None) if fault is None else (fault in str(frames.fault))


def test_smaller_copies_of_pages_are_no_pages(tmp_path: Path) -> None:
    assert look_for_frames(chain([8, 40, 80], kind=1)).pages == 1
    path = tmp_path / "with_copy.tif"
    data = bytearray(save_tiff(path, 4, 5).read_bytes())
    first, second = find_pages(BytesIO(data)).places
    data[second + 2 : second + 14] = struct.pack("<HHII", 254, 4, 1, 1)
    assert look_for_frames(bytes(data)).pages == 1
    data[second + 2 : second + 14] = struct.pack("<HHII", 254, 4, 1, 0)
    data[first + 2 : first + 14] = struct.pack("<HHII", 254, 4, 1, 1)
    assert find_pages(BytesIO(data)).places == [second]


def test_a_page_has_no_more_metadata_than_a_file(tmp_path: Path) -> None:
    data = bytearray(save_tiff(tmp_path / "two.tif", 4, 5).read_bytes())
    second = find_pages(BytesIO(data)).places[1]
    data[second + 2 : second + 14] = struct.pack("<HHII", 40_000, 1, 4_000_000_000, 8)
    (tmp_path / "two.tif").write_bytes(data)
    with pytest.raises(ImageError, match="too much metadata"):
        decode(tmp_path / "two.tif[2]")


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "avif"])
def test_of_an_animation_the_first_frame_is_read_and_a_line_says_so(
    digitcli: Run, folder: Path, suffix: str
) -> None:
    first, *others = (image.convert("RGB") for image in pages(*DIGITS))
    first.save(folder / f"moves.{suffix}", save_all=True, append_images=others)
    first.save(folder / f"still.{suffix}")
    files = f"moves.{suffix}", f"still.{suffix}"
    for options in ((), ("-j", "2"), ("--line",)):
        result = digitcli("predict", "-m", "reader.joblib", *options, *files)
        assert [line.split("\t")[0] for line in result.stdout.splitlines()] == [*files]
        assert result.stderr == (
            f"moves.{suffix} is an animation, of which the first frame was read\n"
        )
        assert result.returncode == ExitCode.OK


def test_every_page_in_a_folder_of_a_class_is_of_that_class(tmp_path: Path) -> None:
    for label in ("4", "5"):
        (tmp_path / label).mkdir()
    save_tiff(tmp_path / "4" / "fours.tif", 4, 4)
    frames = [image.convert("RGB") for image in pages(5, 5)]
    frames[0].save(tmp_path / "5" / "moves.gif", save_all=True, append_images=pages(7))
    notes: list[str] = []
    data = load_folder(tmp_path, on_note=notes.append)
    assert data.labels.tolist() == [4, 4, 5]
    assert data.paths is not None
    assert [Path(path).name for path in data.paths] == ["fours.tif[1]", "fours.tif[2]", "moves.gif"]
    assert len(notes) == 1
    assert notes[0].endswith("moves.gif is an animation, of which the first frame was read")


def test_rows_are_evaluated_page_by_page_or_all_together(digitcli: Run, folder: Path) -> None:
    (folder / "labels.csv").write_text("path,text\ntwo.tif,4\\n5\ntwo.tif[2],5\none.tif,7\n")
    result = digitcli(
        "evaluate", "--line", "labels.csv", "--format", "json", "--gallery", "gallery.png"
    )
    assert result.returncode == ExitCode.OK, result.stderr
    assert json.loads(result.stdout)["string_accuracy"] == 1.0
    assert (folder / "gallery.png").is_file()
