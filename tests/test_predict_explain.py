"""`predict --explain DIR` draws what was seen, one picture for each that was read."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from conftest import Run
from digitcli.errors import ExitCode
from digitcli.prediction.readings import Answers


@pytest.fixture
def stroke(tmp_path: Path) -> Path:
    """A folder with two pictures of the same name in different sub-folders."""
    for folder in ("a", "b"):
        image = Image.new("L", (200, 150), 255)
        ImageDraw.Draw(image).line([(90, 30), (100, 120)], fill=0, width=9)
        (tmp_path / folder).mkdir()
        image.save(tmp_path / folder / "one.png")
    return tmp_path


def test_each_picture_that_was_read_gets_one(digitcli: Run, stroke: Path) -> None:
    (stroke / "blank.png").write_bytes(b"no image")
    paths = ["a/one.png", "blank.png", "b/one.png"]
    result = digitcli("predict", *paths, "--explain", "why")
    assert result.returncode == ExitCode.PARTIAL
    assert len(result.stdout.splitlines()) == 2
    drawn = sorted(path.name for path in (stroke / "why").iterdir())
    assert drawn == ["a_one.png.png", "b_one.png.png"]
    with Image.open(stroke / "why" / drawn[0]) as image:
        assert image.width > 3 * image.height


def test_a_picture_from_a_stream_is_explained_too(digitcli: Run, stroke: Path) -> None:
    data = (stroke / "a" / "one.png").read_bytes()
    result = digitcli("predict", "--stdin-image", "--explain", "why", input=data)
    assert result.returncode == ExitCode.OK
    assert (stroke / "why" / "stdin.png").is_file()


def test_long_and_strange_names_have_a_file_too(digitcli: Run, stroke: Path) -> None:
    strange = stroke / ("x" * 200 + "\n\udcff.png")
    strange.write_bytes((stroke / "a" / "one.png").read_bytes())
    result = digitcli("predict", strange.name, "--explain", "why")
    assert result.returncode == ExitCode.OK, result.stderr
    assert len(list((stroke / "why").iterdir())) == 1


def test_nothing_in_a_name_is_kept_raw(digitcli: Run, stroke: Path) -> None:
    """Neither in the name of an explanation nor in the text by which it is known again."""
    strange = "a\x1b[31m\u202eb.png"
    (stroke / strange).write_bytes((stroke / "a" / "one.png").read_bytes())
    for _ in range(2):
        assert digitcli("predict", strange, "--explain", "why").returncode == ExitCode.OK
    (drawn,) = (stroke / "why").iterdir()
    assert drawn.name == "a_x1b[31m_u202eb.png.png"
    with Image.open(drawn) as image:
        assert str(image.info["digitcli explains"]).isprintable()


def test_no_input_is_replaced(digitcli: Run, stroke: Path) -> None:
    """The explanation of `one` would be called one.png, as an input beside it is."""
    data = (stroke / "a" / "one.png").read_bytes()
    for name in ("one", "one.png"):
        (stroke / name).write_bytes(data)
    for _ in range(2):
        result = digitcli("predict", "one", "one.png", "--explain", ".")
        assert result.returncode == ExitCode.OK, result.stderr
        assert (stroke / "one.png").read_bytes() == data
    names = {path.name for path in stroke.iterdir() if path.is_file()} - {"one", "one.png"}
    assert len(names) == 2


def test_runs_into_one_folder_never_share_a_file(digitcli: Run, stroke: Path) -> None:
    (stroke / "a_one.png").write_bytes((stroke / "a" / "one.png").read_bytes())
    for path in ("a/one.png", "a_one.png", "a/one.png"):
        assert digitcli("predict", path, "--explain", "why").returncode == ExitCode.OK
    assert len(list((stroke / "why").iterdir())) == 2


def test_rows_are_drawn_on_the_picture(digitcli: Run, stroke: Path) -> None:
    result = digitcli("predict", "--line", "a/one.png", "--explain", "why")
    assert result.returncode == ExitCode.OK, result.stderr
    with Image.open(stroke / "why" / "a_one.png.png") as image:
        assert (image.mode, image.size) == ("RGB", (200, 150))


def test_different_pictures_never_share_a_file(digitcli: Run, stroke: Path) -> None:
    paths = ["a/one.png", "a_one.png", "./a/../a/one.png", "stdin", str(stroke / "a" / "one.png")]
    for name in ("a_one.png", "stdin"):
        (stroke / name).write_bytes((stroke / "a" / "one.png").read_bytes())
    result = digitcli("predict", *paths, "a/one.png", "--explain", "why")
    assert result.returncode == ExitCode.OK, result.stderr
    assert len(list((stroke / "why").iterdir())) == len(paths)


@pytest.mark.parametrize("options", [(), ("--line",)])
def test_a_picture_that_vanishes_before_it_is_explained_costs_no_other(
    stroke: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
) -> None:
    from digitcli.cli import app
    from digitcli.cli.answers import AnswerWriter

    write = AnswerWriter.write

    def vanish(writer: AnswerWriter[Answers], answers: Answers) -> None:
        write(writer, answers)
        (stroke / "a" / "one.png").unlink(missing_ok=True)

    monkeypatch.chdir(stroke)
    monkeypatch.setattr(AnswerWriter, "write", vanish)
    code = app.run(["predict", *options, "a/one.png", "b/one.png", "--explain", "why"])
    shown = capsys.readouterr()
    assert code == ExitCode.PARTIAL
    assert len(shown.out.splitlines()) == 2
    assert shown.err.startswith("a/one.png cannot be read")
    assert [path.name for path in (stroke / "why").iterdir()] == ["b_one.png.png"]


def test_a_file_is_no_folder_for_pictures(digitcli: Run, stroke: Path) -> None:
    before = (stroke / "a" / "one.png").read_bytes()
    result = digitcli("predict", "b/one.png", "--explain", "a/one.png")
    assert (result.returncode, result.stdout) == (ExitCode.USAGE, "")
    assert len(result.stderr.splitlines()) == 1
    assert (stroke / "a" / "one.png").read_bytes() == before
