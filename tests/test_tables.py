"""Tables as programs and from Python: `predict --table`, `evaluate --table`, `read_table`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

import digitcli as package
from digitcli.errors import ExitCode
from digitcli.evaluation.tables import Scores, score
from digitcli.reading import number
from digitcli.reading.cell import is_crossed_out, without_gaps
from digitcli.reading.number import with_signs
from digitcli.reading.table import Table, TableCell
from digitcli.reading.uncut import BLANK, OUTPUTS, code_of
from digitcli.seeing.pieces import Regions

Run = Callable[..., CompletedProcess[str]]
EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "tables" / "scores.jpg"
HOLDS = [
    ["1", "12", "7", "19"],
    ["2", "8", "", "8"],
    ["3", "15", "-4", "11"],
    ["4", "9", "10", "19"],
    ["5", "6.5", "3", "9.5"],
    ["6", "11", "-6", "5"],
]
"""What the example holds, below a row of letters."""


@pytest.fixture(scope="module")
def upper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture of the first four rows of the example, which takes half the time to read."""
    path = tmp_path_factory.mktemp("upper") / "upper.png"
    with Image.open(EXAMPLE) as image:
        image.crop((0, 0, image.width, 420)).save(path)
    return path


def cell(row: int, column: int, text: str = "", **more: object) -> TableCell:
    corners = ((0.0, 0.0), (9.0, 0.0), (9.0, 9.0), (0.0, 9.0))
    values = {"rows": 1, "columns": 1, "confidence": 0.9, "is_read": True, "corners": corners}
    return TableCell(row=row, column=column, text=text, **(values | more))  # type: ignore[arg-type]


def test_the_example_is_read(digitcli: Run) -> None:
    result = digitcli("predict", "--table", EXAMPLE)
    assert (result.returncode, result.stderr) == (0, "")
    rows = list(csv.reader(io.StringIO(result.stdout)))
    assert rows[1:] == HOLDS
    assert len(rows[0]) == 4


def test_json_tells_where_each_cell_is_and_how_sure_it_is(digitcli: Run, upper: Path) -> None:
    result = digitcli("predict", "--table", "--format", "json", upper)
    answer = json.loads(result.stdout)
    (table,) = answer["tables"]
    assert (table["rows"], table["columns"]) == (4, 4)
    cells = {(cell["row"], cell["column"]): cell for cell in table["cells"]}
    assert len(cells) == 16
    assert cells[2, 2]["text"] == ""
    assert cells[2, 2]["read"] is True
    assert cells[1, 1]["confidence"] > 0.5
    with Image.open(upper) as image:
        width, height = image.size
    left, top, right, bottom = table["box"]
    assert 0 < left < right < width
    assert 0 < top < bottom < height
    assert cells[1, 1]["box"][0] < cells[1, 2]["box"][0]


def test_doubtful_cells_and_what_is_no_number(digitcli: Run, upper: Path) -> None:
    result = digitcli("predict", "--table", "--min-confidence", "1", "--unread", "x", upper)
    rows = list(csv.reader(io.StringIO(result.stdout)))
    assert set(rows[0]) <= {"x", "?"}
    assert "x" in rows[0]
    assert rows[2] == ["?", "?", "", "?"]


@pytest.mark.slow("pictures")
def test_tables_of_several_pictures_are_parted_by_an_empty_line(digitcli: Run) -> None:
    once = digitcli("predict", "--table", EXAMPLE).stdout
    twice = digitcli("predict", "--table", EXAMPLE, EXAMPLE)
    assert twice.stdout == f"{once}\n{once}"
    as_csv = digitcli("predict", "--table", "--format", "csv", EXAMPLE)
    assert as_csv.stdout == once


def test_a_page_without_any_table_ends_in_one_line(digitcli: Run, tmp_path: Path) -> None:
    paper = np.random.default_rng(1).normal(240, 3, (150, 200)).clip(0, 255).astype(np.uint8)
    Image.fromarray(paper).save(tmp_path / "paper.png")
    result = digitcli("predict", "--table", "paper.png")
    assert (result.returncode, result.stdout) == (ExitCode.PARTIAL, "")
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("paper.png holds no table; ")


@pytest.mark.parametrize(
    "options",
    [("--table", "--line"), ("--unread", "x"), ("--table", "--top-k", "2")],
)
def test_options_that_contradict_each_other(digitcli: Run, options: tuple[str, ...]) -> None:
    result = digitcli("predict", *options, EXAMPLE)
    assert (result.returncode, result.stdout) == (ExitCode.USAGE, "")


@pytest.mark.slow("pictures")
def test_the_cells_are_explained(digitcli: Run, tmp_path: Path) -> None:
    assert digitcli("predict", "--table", EXAMPLE, "--explain", "seen").returncode == 0
    (path,) = (tmp_path / "seen").iterdir()
    with Image.open(path) as drawn, Image.open(EXAMPLE) as image:
        assert drawn.size == image.size


def test_from_python(upper: Path) -> None:
    table = package.read_table(upper)
    assert table.texts()[1:] == HOLDS[:3]
    (other,) = package.read_tables(np.asarray(Image.open(upper)), package.load_model())
    assert other.texts() == table.texts()


def test_a_cell_that_spans_others_stands_once() -> None:
    cells = [
        cell(0, 0, "1", rows=2),
        cell(0, 1, "2", columns=2),
        cell(1, 1, "3"),
        cell(1, 2, "4", confidence=0.2),
        cell(2, 0, "", is_read=False, columns=2),
        cell(2, 2, "5"),
    ]
    table = Table(cells, 3, 3)
    assert table.texts() == [["1", "2"], ["", "3", "4"], ["", "5"]]
    assert table.texts(min_confidence=0.5, unread="#") == [["1", "2"], ["", "3", "?"], ["#", "5"]]


def test_signs_stand_where_they_are_seen() -> None:
    def columns(signs: str) -> np.ndarray:
        odds = np.full((3 * len(signs) + 2, OUTPUTS), -12.0, np.float32)
        odds[:, BLANK] = -0.001
        for place, sign in enumerate(signs):
            odds[3 * place + 1, BLANK] = -12
            odds[3 * place + 1, code_of(sign)] = -0.001
        return odds

    for text in ("305", "-305", "3.05", "-30.5", "7", "-7"):
        digits = text.strip("-").replace(".", "")
        assert with_signs(columns(text), digits)[0] == text
    # what follows the number is no part of it
    assert with_signs(columns("305.-"), "305")[0] == "305"
    assert number.with_signs(columns("12")[:, : BLANK + 1], "12") == ("12", 1.0)


def test_scores_count_numbers_blanks_and_what_is_invented() -> None:
    wanted = [["1", "", "*"], ["2", "", "3"]]
    assert score(wanted, wanted) == Scores(3, 3, 2, 2, 0)
    assert score(wanted, [["1", "4", "9"], ["7", ""]]) == Scores(3, 1, 2, 1, 1)
    assert score(wanted, []) == Scores(3, 0, 2, 0, 0)


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    folder = tmp_path / "labels"
    folder.mkdir()
    (folder / "scores.jpg").write_bytes(EXAMPLE.read_bytes())
    rows = [["*"] * 4, *HOLDS]
    (folder / "scores.csv").write_text("\n".join(map(",".join, rows)))
    return folder


@pytest.mark.slow("pictures")
def test_evaluate_tells_cells_blanks_and_invented_numbers(digitcli: Run, labelled: Path) -> None:
    result = digitcli(
        "evaluate", "--table", labelled, "--gallery", "wrong.png", "--fail-under", "1"
    )
    assert result.returncode == 0, result.stderr
    assert "numbers right     100.00%  (23 of 23)" in result.stdout
    assert "blanks right      100.00%  (1 of 1)" in result.stdout
    answer = json.loads(digitcli("evaluate", "--table", labelled, "--format", "json").stdout)
    assert (answer["cells_right"], answer["invented"], answer["count"]) == (1, 0, 1)


@pytest.mark.slow("pictures")
def test_evaluate_says_which_cells_are_wrong(digitcli: Run, labelled: Path, tmp_path: Path) -> None:
    text = (labelled / "scores.csv").read_text()
    (labelled / "scores.csv").write_text(text.replace("15", "16"))
    result = digitcli(
        *("evaluate", "--table", labelled, "--gallery", "wrong.png"),
        *("--fail-under", "0.99", "--format", "json"),
    )
    assert result.returncode == ExitCode.BELOW_BAR
    assert "share of cells right 0.9583 is below 0.99 (1 of 24 wrong)" in result.stderr
    (picture,) = json.loads(result.stdout)["pictures"]
    assert picture["wrong"] == [{"row": 3, "column": 1, "text": "16", "read": "15"}]
    with Image.open(tmp_path / "wrong.png") as gallery:
        assert gallery.width == 900


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"\xff\xfe\x00", "is no CSV file in UTF-8"), (b"\n\n", "holds no rows")],
)
def test_labels_that_cannot_be_used(
    digitcli: Run, labelled: Path, content: bytes, told: str
) -> None:
    (labelled / "scores.csv").write_bytes(content)
    result = digitcli("evaluate", "--table", labelled)
    assert result.returncode == ExitCode.FAILED
    assert told in result.stderr
    assert result.stderr.count("\n") == 1


def test_folders_without_labels_or_pictures(digitcli: Run, labelled: Path) -> None:
    (labelled / "scores.jpg").unlink()
    result = digitcli("evaluate", "--table", labelled)
    assert result.returncode == ExitCode.FAILED
    assert "has no picture of the same name beside it" in result.stderr
    (labelled / "scores.csv").unlink()
    result = digitcli("evaluate", "--table", labelled)
    assert "holds no CSV file" in result.stderr


@pytest.mark.slow("pictures")
def test_tables_that_people_filled_in(digitcli: Run, shared_data: Path) -> None:
    folder = shared_data / "tables"
    if not folder.is_dir():
        pytest.skip(f"{shared_data} holds no tables")
    result = digitcli("evaluate", "--table", folder, "--format", "json")
    answer = json.loads(result.stdout)
    assert answer["cells_right"] >= 0.95
    assert answer["blanks_right"] >= 0.97
    assert answer["invented"] <= 0.01


@pytest.mark.slow("pictures")
def test_a_page_of_print_is_no_table(digitcli: Run, tmp_path: Path) -> None:
    page = Image.new("L", (1000, 700), 255)
    words = "the feet of letters in lines of print are in line and so are some of their stems"
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(22)
    for row in range(20):
        pen.text((30, 20 + 32 * row), f"{words[row:]} {words[:row]}"[:90], 0, font)
    page.save(tmp_path / "page.png")
    result = digitcli("predict", "--table", "page.png")
    assert (result.returncode, result.stdout) == (ExitCode.PARTIAL, "")


@pytest.mark.parametrize("strokes", [1, 2])
@pytest.mark.parametrize("text", ["274", "8", "4"])
def test_a_number_with_strokes_through_it_is_crossed_out(text: str, strokes: int) -> None:
    wide = 40 * len(text)
    image = Image.new("L", (wide + 70, 80))
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(56)
    pen.text((30, 4), text, 255, font)

    def crossed() -> bool:
        found = Regions.of(np.asarray(image) > 128)
        return is_crossed_out(found, np.arange(len(found.area)), text)

    assert not crossed()
    for rise in range(0, 14 * strokes, 14):
        pen.line([(8 + rise // 3, 52 - rise), (wide + 50, 30 - rise)], 255, 4)
    assert crossed()


@pytest.mark.slow("pictures")
def test_several_tables_are_in_reading_order_and_a_dash_is_blank(
    digitcli: Run, tmp_path: Path
) -> None:
    with Image.open(EXAMPLE) as image:
        sheet = Image.new("RGB", (image.width, 2 * image.height), (120, 84, 52))
        sheet.paste(image, (0, 0))
        sheet.paste(image, (0, image.height))
    ImageDraw.Draw(sheet).line([(480, 288), (510, 287)], (35, 55, 150), 4)
    sheet.save(tmp_path / "two.png")
    result = digitcli("predict", "--table", "two.png")
    first, second = result.stdout.split("\n\n")
    for text in (first, second):
        assert list(csv.reader(io.StringIO(text)))[1:] == HOLDS


@pytest.mark.slow("pictures")
@pytest.mark.parametrize("pitch", [3, 12, 0])
def test_pictures_of_nothing_but_lines_or_noise_end_in_time(
    digitcli: Run, tmp_path: Path, pitch: int
) -> None:
    page = np.full((900, 900), 255, np.uint8)
    if pitch:
        page[::pitch] = page[:, ::pitch] = 0
    else:
        page = np.random.default_rng(0).integers(0, 256, page.shape, np.uint8)
    Image.fromarray(page).save(tmp_path / "page.png")
    result = digitcli("predict", "--table", "page.png", timeout=30)
    assert (result.returncode, result.stdout) == (ExitCode.PARTIAL, "")
    assert result.stderr.count("\n") == 1


def test_digits_far_apart_in_a_cell_are_one_number() -> None:
    mask = np.zeros((40, 200), np.bool_)
    mask[10:35, [10, 11, 12, 90, 91, 180]] = True
    kept = without_gaps(mask, 12)
    assert kept.tolist() == [*range(25), 90, 91, *range(92, 104), 180, *range(181, 200)]
