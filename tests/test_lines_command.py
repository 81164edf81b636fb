"""`predict --line` and `evaluate --line` as programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from PIL import Image

from digitcli.errors import ExitCode
from digitcli.evaluation.lines import common_rows, edit_distance
from drawings import save_reader
from test_lines import page

Run = Callable[..., CompletedProcess[str]]
TABLE = Path(__file__).resolve().parent.parent / "examples" / "tables" / "scores.jpg"


@pytest.fixture
def model(tmp_path: Path) -> dict[str, str]:
    return {"DIGITCLI_MODEL": str(save_reader(tmp_path / "reader.joblib"))}


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    page("2074", "36").save(tmp_path / "page.png")
    return tmp_path / "page.png"


def test_each_row_has_a_line_of_path_digits_and_confidence(
    digitcli: Run, model: dict[str, str], picture: Path
) -> None:
    result = digitcli("predict", "--line", picture, env=model)
    assert (result.returncode, result.stderr) == (0, "")
    lines = [line.split("\t") for line in result.stdout.splitlines()]
    assert [line[:2] for line in lines] == [[str(picture), "2074"], [str(picture), "36"]]
    assert all(0 < float(line[2]) <= 1 for line in lines)


def test_json_has_each_digit_with_box_confidence_and_row(
    digitcli: Run, model: dict[str, str], picture: Path
) -> None:
    result = digitcli("predict", "--line", "--format", "json", picture, env=model)
    answer = json.loads(result.stdout)
    assert [row["text"] for row in answer["rows"]] == ["2074", "36"]
    digits = answer["rows"][1]["digits"]
    assert [digit["digit"] for digit in digits] == [3, 6]
    assert [digit["row"] for digit in digits] == [1, 1]
    left, top, right, bottom = digits[0]["box"]
    assert left < right <= digits[1]["box"][0]
    assert answer["rows"][0]["digits"][0]["box"][3] < top < bottom


def test_unsure_digits_and_csv(digitcli: Run, model: dict[str, str], picture: Path) -> None:
    result = digitcli(
        "predict", "--line", "--format", "csv", "--min-confidence", "1", picture, env=model
    )
    header, first, second = result.stdout.splitlines()
    assert header == "path,row,digits,confidence"
    assert first.startswith(f"{picture},0,?")
    assert second.startswith(f"{picture},1,")


def test_unreadable_pictures_have_their_line_and_the_rest_goes_on(
    digitcli: Run, model: dict[str, str], picture: Path, tmp_path: Path
) -> None:
    Image.new("L", (90, 90), 255).save(tmp_path / "blank.png")
    result = digitcli("predict", "--line", "blank.png", "missing.png", picture, env=model)
    assert result.returncode == 3
    blank, missing = result.stderr.splitlines()
    assert blank.startswith("blank.png holds no ink")
    assert missing.startswith("missing.png cannot be read")
    assert len(result.stdout.splitlines()) == 2


def test_an_image_on_stdin(digitcli: Run, model: dict[str, str], picture: Path) -> None:
    data = picture.read_bytes()
    result = digitcli("predict", "--line", "--stdin-image", input=data, env=model)
    assert [line.split("\t")[:2] for line in result.stdout.splitlines()] == [
        ["-", "2074"],
        ["-", "36"],
    ]


@pytest.mark.parametrize(
    "options",
    [
        ("--length", "5"),
        ("--pattern", "dd"),
        ("--line", "--pattern", "2x"),
        ("--line", "--length", "2", "--pattern", "dd"),
        ("--line", "--pattern", "dd-"),
        ("--line", "--pattern", "d?d?d?d?d?d?d?"),
        ("--signs",),
        ("--line", "--top-k", "3"),
        ("--line", "--top-k", "3", "--format", "csv"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    digitcli: Run, picture: Path, options: tuple[str, ...]
) -> None:
    result = digitcli("predict", *options, picture)
    assert result.returncode in (1, 2)
    assert result.stderr.startswith("digitcli: error: --")
    assert result.stdout == ""


@pytest.mark.slow("processes")
@pytest.mark.parametrize("format", ["text", "json", "csv"])
def test_several_processes_give_the_lines_of_one(
    digitcli: Run, model: dict[str, str], picture: Path, tmp_path: Path, format: str
) -> None:
    page("1852").save(tmp_path / "second.png")
    paths = "".join(f"{name}\n" for name in ("page.png", "missing.png", "second.png") * 3)
    arguments = ("predict", "--line", "--format", format)
    one = digitcli(*arguments, input=paths, env=model)
    two = digitcli(*arguments, "--jobs", "2", input=paths, env=model)
    assert (two.stdout, two.stderr, two.returncode) == (one.stdout, one.stderr, one.returncode)
    assert one.returncode == ExitCode.PARTIAL


def test_json_gives_the_likeliest_digits_of_each_place(
    digitcli: Run, model: dict[str, str], picture: Path
) -> None:
    arguments = ("predict", "--line", "--format", "json", "--min-confidence", "0.5", picture)
    plain = json.loads(digitcli(*arguments, env=model).stdout)
    more = json.loads(digitcli(*arguments, "--top-k", "3", env=model).stdout)
    for row in more["rows"]:
        for digit in row["digits"]:
            first, *others = digit.pop("top_k")
            assert first == {"digit": digit["digit"], "confidence": digit["confidence"]}
            assert len(others) == 2
            assert others[0]["confidence"] >= others[1]["confidence"]
    assert more == plain


def test_the_digit_that_a_pattern_asks_for_comes_first(
    digitcli: Run, model: dict[str, str], picture: Path
) -> None:
    arguments = ("predict", "--line", "--format", "json", "--top-k", "2", "--pattern", "207[19]")
    rows = json.loads(digitcli(*arguments, picture, env=model).stdout)["rows"]
    forced = rows[0]["digits"][-1]
    assert forced["digit"] in (1, 9)
    assert [entry["digit"] for entry in forced["top_k"]] == [forced["digit"], 4]


@pytest.mark.slow("pictures")
def test_length_keeps_the_rows_that_fit(
    digitcli: Run, model: dict[str, str], picture: Path
) -> None:
    result = digitcli("predict", "--line", "--pattern", "d07d", picture, env=model)
    assert result.stdout.splitlines()[0].split("\t")[1] == "2074"


def test_evaluate_counts_pictures_rows_and_digits(
    digitcli: Run, model: dict[str, str], picture: Path, tmp_path: Path
) -> None:
    page("1852").save(tmp_path / "second.png")
    labels = tmp_path / "labels.csv"
    labels.write_text("path,text\npage.png,20 74\\n36\nsecond.png,1952\n")
    options = "--format", "json", "--gallery", "gallery.png", "--fail-under", "0.9"
    result = digitcli("evaluate", "--line", labels, *options, env=model)
    assert result.returncode == 4
    answer = json.loads(result.stdout)
    assert answer["string_accuracy"] == 1 / 2
    assert answer["row_accuracy"] == pytest.approx(2 / 3)
    assert answer["digit_error_rate"] == pytest.approx(1 / 10)
    assert [item["read"] for item in answer["pictures"]] == ["2074\n36", "1852"]
    assert "pictures entirely right 0.5000 is below 0.9 (1 of 2 wrong)" in result.stderr
    with Image.open(tmp_path / "gallery.png") as gallery:
        assert gallery.width > 500


@pytest.mark.parametrize(
    "option",
    [
        ("--dataset", "digits"),
        ("--split", "train"),
        ("--against", "other.joblib"),
        ("--fail-under-class", "0.9"),
        ("--junit", "bars.xml"),
        ("--report", "report.html"),
    ],
    ids=lambda option: option[0],
)
def test_evaluate_refuses_what_is_about_single_digits(
    digitcli: Run, tmp_path: Path, option: tuple[str, str]
) -> None:
    (tmp_path / "labels.csv").write_text("path,text\npage.png,12\n")
    result = digitcli("evaluate", "--line", "labels.csv", *option)
    assert result.returncode == ExitCode.USAGE
    assert option[0] in result.stderr


@pytest.mark.parametrize("text", ["path,label\na.png,1\n", "path,text\na.png,1a\n", "path,text\n"])
def test_labels_that_are_none_are_refused(digitcli: Run, tmp_path: Path, text: str) -> None:
    (tmp_path / "labels.csv").write_text(text)
    result = digitcli("evaluate", "--line", "labels.csv")
    assert result.returncode == 1
    assert result.stderr.startswith("digitcli: error: labels.csv")


def test_a_picture_is_no_file_of_labels(digitcli: Run, picture: Path) -> None:
    result = digitcli("evaluate", "--line", picture)
    assert result.returncode == ExitCode.FAILED
    assert result.stderr == (
        f"digitcli: error: {picture} is no CSV file in UTF-8; give one with the columns path and "
        "text, a line for each picture\n"
    )


@pytest.mark.parametrize(
    ("truth", "read", "distance"),
    [
        ("", "", 0),
        ("123", "", 3),
        ("", "12", 2),
        ("1234", "134", 1),
        ("77", "17", 1),
        ("12", "21", 2),
    ],
)
def test_edit_distance(truth: str, read: str, distance: int) -> None:
    assert edit_distance(truth, read) == distance


def test_rows_are_matched_in_order() -> None:
    assert common_rows(("12", "34", "56"), ("12", "9", "56")) == 2
    assert common_rows(("12", "34"), ("34", "12")) == 1


def test_a_dash_among_paths_is_a_file_of_that_name(
    digitcli: Run, model: dict[str, str], picture: Path
) -> None:
    result = digitcli("predict", "--line", input=f"-\n{picture}\n", env=model)
    assert result.returncode == ExitCode.PARTIAL
    assert result.stderr.startswith("- cannot be read")
    assert len(result.stdout.splitlines()) == 2


def test_signs_and_spaces_are_written_if_asked(digitcli: Run, tmp_path: Path) -> None:
    """Two cells of the example stand side by side in a row: minus 4 and 6.5."""
    with Image.open(TABLE) as image:
        minus, point = image.crop((425, 335, 545, 402)), image.crop((265, 492, 365, 560))
    row = Image.new("RGB", (330, 80), point.getpixel((2, 2)))
    row.paste(minus.resize((120, 67)), (10, 6))
    row.paste(point, (210, 6))
    row.save(tmp_path / "row.png")
    plain = digitcli("predict", "--line", "row.png").stdout.split("\t")[1]
    signed = digitcli("predict", "--line", "--signs", "row.png").stdout.split("\t")[1]
    assert (plain, signed) == ("465", "-4 6.5")
    for pattern, text in (("-?d? d.d", "-4 6.5"), ("d-?d?d", "465"), ("ddd", "465")):
        result = digitcli("predict", "--line", "--pattern", pattern, "row.png")
        assert result.stdout.split("\t")[1] == text, pattern
