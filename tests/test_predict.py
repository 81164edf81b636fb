"""`predict`: its ways in, its ways out, and its exit codes."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from digitcli.model.modelfile import save_model
from digitcli.model.network import Model, Network
from drawings import draw_digits, drawn, save_reader

Run = Callable[..., CompletedProcess[str]]

NUMBER = Path(__file__).parents[1] / "examples" / "rows" / "number.png"
"""A picture of four digits."""


@pytest.fixture
def digits(tmp_path: Path) -> list[Path]:
    return draw_digits(tmp_path / "digits")


@pytest.fixture
def predict(digitcli: Run, tmp_path: Path) -> Run:
    """Run `predict` with a model that reads what the tests draw."""
    model = save_reader(tmp_path / "reader.joblib")

    def run(*arguments: str | Path, **options: Any) -> CompletedProcess[str]:
        options["env"] = {"DIGITCLI_MODEL": str(model)} | options.get("env", {})
        return digitcli("predict", *arguments, **options)

    return run


def fields(result: CompletedProcess[str]) -> list[list[str]]:
    return [line.split("\t") for line in result.stdout.splitlines()]


def test_text_is_path_digit_and_confidence_in_the_order_of_the_arguments(
    predict: Run, digits: list[Path]
) -> None:
    order = [digits[3], digits[1], digits[3]]
    result = predict(*order)
    assert (result.returncode, result.stderr) == (0, "")
    rows = fields(result)
    assert [row[0] for row in rows] == [str(path) for path in order]
    assert [row[1] for row in rows] == ["3", "1", "3"]
    assert all(0 <= float(row[2]) <= 1 for row in rows)


def test_json_lines_hold_path_digit_confidence_and_ten_probabilities(
    predict: Run, digits: list[Path]
) -> None:
    result = predict("--format", "json", digits[7], digits[2])
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["digit"] for line in lines] == [7, 2]
    for line, path in zip(lines, (digits[7], digits[2]), strict=True):
        assert list(line) == ["path", "digit", "confidence", "probabilities", "others"]
        assert line["path"] == str(path)
        assert len(line["probabilities"]) == 10
        assert sum(line["probabilities"]) == pytest.approx(1, abs=1e-4)
        assert line["confidence"] == max(line["probabilities"])
        assert line["others"] == 0


def test_json_counts_no_mark_of_another_pen(predict: Run, tmp_path: Path) -> None:
    picture = Image.new("L", (480, 160), 255)
    draw = ImageDraw.Draw(picture)
    for left, pen in ((40, 14), (210, 10), (360, 3)):
        draw.line([(left, 30), (left + 60, 30), (left + 20, 140)], 0, pen)
    picture.save(tmp_path / "7.png")
    (line,) = predict("--format", "json", tmp_path / "7.png").stdout.splitlines()
    assert json.loads(line)["others"] == 1


def test_csv_has_a_header_and_quotes_what_needs_it(predict: Run, tmp_path: Path) -> None:
    drawn(5).save(tmp_path / 'a,"b.png')
    result = predict("--format", "csv", 'a,"b.png')
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [(row["path"], row["digit"]) for row in rows] == [('a,"b.png', "5")]


def test_top_k_gives_the_likeliest_digits_in_order(predict: Run, digits: list[Path]) -> None:
    text = fields(predict("--top-k", "3", digits[4]))[0]
    line = json.loads(predict("--top-k", "3", "--format", "json", digits[4]).stdout)
    header, row = predict("--top-k", "3", "--format", "csv", digits[4]).stdout.split()
    assert header == "path,digit,confidence,digit_2,confidence_2,digit_3,confidence_3"
    assert row.split(",") == text
    assert [entry["digit"] for entry in line["top_k"]] == [int(digit) for digit in text[1::2]]
    confidences = [entry["confidence"] for entry in line["top_k"]]
    assert confidences == sorted(confidences, reverse=True)
    assert line["top_k"][0] == {"digit": line["digit"], "confidence": line["confidence"]}


@pytest.mark.parametrize(("format", "unsure"), [("text", "?"), ("csv", "?"), ("json", None)])
def test_below_the_minimum_confidence_there_is_no_digit(
    predict: Run, tmp_path: Path, format: str, unsure: str | None
) -> None:
    layer = np.zeros((784, 10), np.float32), np.zeros(10, np.float32)
    save_model(Model((Network(layer[:1], layer[1:]),)), tmp_path / "unsure.joblib")
    drawn(5).save(tmp_path / "5.png")
    arguments = ["-m", "unsure.joblib", "--format", format, "5.png"]
    result = predict(*arguments, "--min-confidence", "0.11")
    last = result.stdout.splitlines()[-1]
    if format == "json":
        assert json.loads(last)["digit"] is unsure
        assert json.loads(last)["confidence"] == pytest.approx(0.1)
    else:
        assert last.replace(",", "\t").split("\t") == ["5.png", unsure, "0.1000"]
    sure = predict(*arguments, "--min-confidence", "0.09")
    assert "?" not in sure.stdout
    assert "null" not in sure.stdout


def test_a_failing_file_has_its_line_and_the_rest_goes_on(
    predict: Run, tmp_path: Path, digits: list[Path]
) -> None:
    (tmp_path / "text.png").write_text("not an image")
    result = predict(digits[1], "missing.png", "text.png", digits[2])
    assert result.returncode == 3
    assert [row[0] for row in fields(result)] == [str(digits[1]), str(digits[2])]
    missing, text = result.stderr.splitlines()
    assert missing.startswith("missing.png cannot be read: No such file")
    assert text.startswith("text.png is not an image")


def test_a_failing_file_is_a_line_of_json(predict: Run, digits: list[Path]) -> None:
    result = predict("--format", "json", "missing.png", digits[2])
    assert (result.returncode, result.stderr) == (3, "")
    error, answer = map(json.loads, result.stdout.splitlines())
    assert list(error) == ["path", "error"]
    assert error["path"] == "missing.png"
    assert answer["digit"] == 2


@pytest.mark.parametrize("options", [(), ("--jobs", "2")])
def test_other_digits_in_the_picture_are_told(
    predict: Run, digits: list[Path], options: tuple[str, ...]
) -> None:
    arguments = (*options, digits[3], NUMBER, digits[4])
    result = predict(*arguments)
    told = f"{NUMBER} holds 4 digits, of which one was read; --line reads them all\n"
    assert (result.returncode, result.stderr) == (0, told)
    assert [row[0] for row in fields(result)] == [str(digits[3]), str(NUMBER), str(digits[4])]
    result = predict("--format", "json", *arguments)
    assert (result.returncode, result.stderr) == (0, told)
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [answer["others"] for answer in answers] == [0, 3, 0]
    assert [answer["confidence"] > 0.5 for answer in answers] == [True, False, True]


def test_other_digits_in_the_image_on_stdin_are_told(predict: Run) -> None:
    result = predict("--stdin-image", input=NUMBER.read_bytes())
    assert result.returncode == 0
    assert result.stderr.startswith("the image on stdin holds 4 digits, of which one was read")


def test_a_folder_stands_for_its_files(predict: Run, tmp_path: Path) -> None:
    draw_digits(tmp_path / "digits" / "more")
    for name in ("b.png", "a.png", ".hidden.png"):
        drawn(8).save(tmp_path / "digits" / name)
    assert [row[0] for row in fields(predict("digits"))] == [
        "digits/a.png",
        "digits/b.png",
    ]
    assert [row[0] for row in fields(predict("-r", "digits/"))] == [
        "digits/a.png",
        "digits/b.png",
        *(f"digits/more/{digit}.png" for digit in range(10)),
    ]


def test_a_folder_without_files_is_told(predict: Run, tmp_path: Path) -> None:
    (tmp_path / "outer" / "inner").mkdir(parents=True)
    result = predict("outer")
    assert result.returncode == 3
    assert result.stderr == "outer holds no files; use -r to look in its sub-folders\n"


@pytest.mark.parametrize("arguments", [(), ("-",)])
def test_paths_come_from_stdin(predict: Run, digits: list[Path], arguments: tuple[str]) -> None:
    result = predict(*arguments, input=f"{digits[6]}\n\n{digits[9]}")
    assert [row[:2] for row in fields(result)] == [[str(digits[6]), "6"], [str(digits[9]), "9"]]


def test_stdin_takes_the_place_of_its_dash(predict: Run, digits: list[Path]) -> None:
    result = predict(digits[1], "-", digits[3], input=f"{digits[2]}\n")
    assert [row[1] for row in fields(result)] == ["1", "2", "3"]


def test_paths_on_stdin_may_end_with_nul(predict: Run, tmp_path: Path) -> None:
    name = "two\nlines\t.png"
    drawn(3).save(tmp_path / name)
    result = predict("-0", input=name + "\0")
    assert fields(result)[0][:2] == ["two\\nlines\\t.png", "3"]
    line = json.loads(predict("-0", "--format", "json", input=name + "\0").stdout)
    assert line["path"] == name


def test_an_image_may_come_on_stdin(predict: Run, digits: list[Path]) -> None:
    result = predict("--stdin-image", input=digits[7].read_bytes())
    assert fields(result)[0][:2] == ["-", "7"]
    broken = predict("--stdin-image", input=b"no image")
    assert (broken.returncode, broken.stdout) == (3, "")
    assert broken.stderr.startswith("the image on stdin is not an image")


def test_the_model_comes_from_the_option_the_environment_or_the_package(
    predict: Run, digits: list[Path]
) -> None:
    environment = {"DIGITCLI_MODEL": "from-environment.joblib"}
    result = predict(digits[1], env=environment)
    assert result.returncode == 1
    assert "from-environment.joblib does not exist" in result.stderr
    result = predict("-m", "from-option.joblib", digits[1], env=environment)
    assert "from-option.joblib does not exist" in result.stderr
    assert predict(digits[1], env={"DIGITCLI_MODEL": ""}).returncode == 0


def test_polarity_is_obeyed(predict: Run, tmp_path: Path) -> None:
    drawn(4).save(tmp_path / "4.png")
    result = predict("--polarity", "dark-on-light", "4.png")
    assert fields(result)[0][1] == "4"
    seen_wrong = predict("--polarity", "light-on-dark", "4.png")
    assert seen_wrong.stdout != result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("--top-k", "0"),
        ("--top-k", "11"),
        ("--min-confidence", "1.5"),
        ("--format", "xml"),
        ("--jobs", "0"),
        ("--stdin-image", "a.png"),
        ("--colour",),
    ],
)
def test_wrong_usage_exits_2_with_one_line(predict: Run, arguments: tuple[str, ...]) -> None:
    result = predict(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 1


def test_without_a_path_a_terminal_is_not_waited_for(tmp_path: Path) -> None:
    pty = pytest.importorskip("pty")
    import subprocess
    import sys

    controller, terminal = pty.openpty()
    result = subprocess.run(
        [sys.executable, "-m", "digitcli", "predict"],
        stdin=terminal,
        capture_output=True,
        text=True,
        timeout=30,
    )
    os.close(controller)
    os.close(terminal)
    assert result.returncode == 2
    assert "no PATH" in result.stderr
