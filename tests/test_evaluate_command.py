"""`digitcli evaluate` as a process: streams, formats, exit codes, and one set of numbers."""

from __future__ import annotations

import html
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from centroids import centroid_model
from conftest import Run, clean_environment, load_digits
from digitcli.evaluation.evaluate import number, p_value, percent
from digitcli.model.modelfile import save_model

DIGITS = load_digits()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two model files, the second learned from less."""
    folder = tmp_path_factory.mktemp("models")
    train = DIGITS.part("train")
    for name, step in (("first", 1), ("second", 40)):
        part = train.take(np.arange(0, len(train), step))
        save_model(centroid_model(part), folder / f"{name}.joblib")
    return folder / "first.joblib", folder / "second.joblib"


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset file of the embedded digits, which loads faster than scikit-learn."""
    path = tmp_path_factory.mktemp("data") / "digits.npz"
    DIGITS.save(path)
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A labelled folder of 20 pictures, black on white, from two sources."""
    folder = tmp_path / "photos"
    test = DIGITS.part("test")
    for i in range(20):
        parent = folder / str(test.labels[i]) / ("ada" if i % 2 else "bob")
        parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(255 - test.images[i]).save(parent / f"{i}.png")
    return folder


def test_json_alone_is_on_stdout(digitcli: Run, models):
    run = digitcli("evaluate", "-m", models[0], "--dataset", "digits", "--format", "json")
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout)
    promised = {
        "accuracy",
        "accuracy_interval",
        "log_loss",
        "expected_calibration_error",
        "confusion_matrix",
        "per_class",
        "count",
        "dataset",
        "model",
        "schema_version",
    }
    assert promised <= told.keys()
    assert told["dataset"] == "digits"
    assert told["split"] == "test"
    assert told["model"] == str(models[0])
    assert 0.8 < told["accuracy"] < 1


def test_terminal_json_and_report_tell_the_same_numbers(digitcli: Run, models, tmp_path, digits):
    common = ["evaluate", models[0], "--against", models[1], "--dataset", digits]
    told = json.loads(digitcli(*common, "--format", "json").stdout)
    text = digitcli(*common, "--report", "report.html").stdout
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="evaluation">(.*?)</script>', page)
    assert found is not None
    assert json.loads(found[1]) == told

    shown = html.unescape(re.sub(r"<script.*?</script>|<[^>]+>", " ", page, flags=re.DOTALL))
    low, high = told["accuracy_interval"]
    figures = [
        percent(told["accuracy"]),
        f"{percent(low)} – {percent(high)}",
        number(told["log_loss"]),
        percent(told["expected_calibration_error"]),
        number(told["confidence_auroc"]),
        percent(told["against"]["accuracy"]),
        p_value(told["against"]["p_value"]),
    ]
    for figure in figures:
        assert figure in text
        assert figure in shown

    lines = [line.split() for line in text.splitlines()]
    for score in told["per_class"]:
        ratios = [percent(score[name]) for name in ("precision", "recall", "f1")]
        assert [str(score["label"]), *ratios, str(score["support"])] in lines
        assert re.search(r"\s+".join([str(score["label"]), *ratios[:2]]), shown)
    for truth, row in enumerate(told["confusion_matrix"]):
        assert [str(truth), *(str(count or "·") for count in row)] in lines
        cells = re.findall(rf'href="#cell-{truth}-\d" aria-label="[^"]*">(\d+)</a></td>', page)
        assert list(map(int, cells)) == [count for count in row if count]


def test_without_a_model_option_the_environment_names_it(digitcli: Run, models, digits):
    env = {"DIGITCLI_MODEL": str(models[1])}
    told = digitcli("evaluate", "--dataset", digits, "--format", "json", env=env)
    assert json.loads(told.stdout)["model"] == str(models[1])
    named = digitcli("evaluate", models[0], "--dataset", digits, "--format", "json", env=env)
    assert json.loads(named.stdout)["model"] == str(models[0])


def test_the_default_dataset_is_what_the_model_was_trained_on(digitcli: Run, models):
    run = digitcli("evaluate", "-m", models[0], "--format", "json")
    assert json.loads(run.stdout)["dataset"] == "digits"


def test_two_models_by_name_are_wrong_usage(digitcli: Run, models, digits):
    run = digitcli("evaluate", models[0], "-m", models[1], "--dataset", digits)
    assert run.returncode == 2
    assert "--against" in run.stderr
    assert run.stdout == ""


def test_below_the_bar_ends_with_4_and_one_line(digitcli: Run, models, digits):
    common = ["evaluate", "-q", "-m", models[0], "--dataset", digits]
    run = digitcli(*common, "--fail-under", "0.99")
    assert run.returncode == 4
    assert run.stderr.count("\n") == 1
    told = r"digitcli: accuracy 0\.[89]\d+ is below 0\.99 \(\d+ of 355 wrong\)"
    assert re.match(told, run.stderr)
    assert "accuracy" in run.stdout
    assert digitcli(*common, "--fail-under", "0.5").returncode == 0

    run = digitcli(*common, "--fail-under", "0.99", "--fail-under-class", "0.8")
    assert run.returncode == 4
    assert run.stderr.count("\n") == 1
    assert "; recall of " in run.stderr


@pytest.mark.parametrize("bar", ["98", "-0.1", "nan", "high"])
def test_a_bar_that_is_no_fraction_is_wrong_usage(digitcli: Run, bar, digits):
    run = digitcli("evaluate", "--dataset", digits, f"--fail-under={bar}")
    assert run.returncode == 2
    assert "--fail-under" in run.stderr


def test_junit_tells_each_bar(digitcli: Run, models, tmp_path, digits):
    common = ["evaluate", "-m", models[0], "--dataset", digits, "--junit", "bars.xml"]
    digitcli(*common, "--fail-under", "0.5", "--fail-under-class", "0.99")
    suite = ElementTree.parse(tmp_path / "bars.xml").getroot()
    cases = {case.get("name"): case.find("failure") for case in suite}
    assert list(cases) == ["accuracy", *(f"recall of {digit}" for digit in range(10))]
    assert cases["accuracy"] is None
    failures = [failure for failure in cases.values() if failure is not None]
    assert len(failures) == int(suite.get("failures", "")) > 0
    assert "is below 0.99" in failures[0].get("message", "")


def test_a_folder_is_read_as_predict_reads_it(digitcli: Run, models, photos):
    common = ["evaluate", "-m", models[0], "--dataset", photos]
    run = digitcli(*common, "--format", "json")
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout)
    assert (told["dataset"], told["split"], told["count"]) == ("photos", "all", 20)
    assert [part["name"] for part in told["slices"]] == ["ada", "bob"]
    assert "photos has no test part" in run.stderr

    files = sorted(photos.rglob("*.png"))
    answers = digitcli("predict", "-m", models[0], *files).stdout.splitlines()
    pairs = [line.split("\t")[:2] for line in answers]
    right = sum(Path(path).parent.parent.name == digit for path, digit in pairs)
    assert len(pairs) == 20
    assert told["correct"] == right


def test_unreadable_pictures_are_each_told_and_left_out(digitcli: Run, models, photos, tmp_path):
    (photos / "3" / "broken\x1b[31m.png").write_bytes(b"no picture")
    Image.new("L", (40, 40), 255).save(photos / "4" / "empty.png")
    common = ["evaluate", "-m", models[0], "--dataset", photos]
    run = digitcli(*common, "--format", "json", "--report", "report.html")
    assert run.returncode == 3
    told = json.loads(run.stdout)
    assert told["count"] == 20
    assert len(told["unreadable"]) == 2
    assert "empty.png" in run.stderr
    assert "broken" in run.stderr
    assert "\x1b" not in run.stderr
    assert "empty.png" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert digitcli(*common, "--fail-under", "1").returncode == 4


def test_train_and_test_folders_are_splits(digitcli: Run, models, photos, tmp_path):
    both = tmp_path / "both"
    both.mkdir()
    photos.rename(both / "test")
    one = next((both / "test").rglob("*.png"))
    (both / "train" / "5").mkdir(parents=True)
    one.rename(both / "train" / "5" / "one.png")
    counts = [
        json.loads(
            digitcli(
                "evaluate", "-m", models[0], "--dataset", both, "--format", "json", *more
            ).stdout
        )["count"]
        for more in ([], ["--split", "train"], ["--split", "all"])
    ]
    assert counts == [19, 1, 20]


def test_npz_and_errors(digitcli: Run, models, tmp_path, digits):
    part = DIGITS.part("train").take(np.arange(50))
    part.save(tmp_path / "some.npz")
    run = digitcli("evaluate", "-m", models[0], "--dataset", "some.npz", "--split", "test")
    assert run.returncode == 1
    assert "some.npz has no test pictures; try --split train" in run.stderr
    for wrong in (["--report", "page.txt"], ["--junit", "bars.json"], ["--polarity", "auto2"]):
        assert digitcli("evaluate", "--dataset", digits, *wrong).returncode == 2
    missing = digitcli("evaluate", "-m", "none.joblib", "--dataset", digits)
    assert missing.returncode == 1
    assert missing.stderr.count("\n") == 1
    assert "none.joblib" in missing.stderr


@pytest.mark.parametrize("output", ["text", "json"])
def test_a_reader_who_leaves_changes_neither_files_nor_verdict(models, digits, tmp_path, output):
    arguments = ["evaluate", models[0], "--dataset", digits, "--format", output]
    arguments += ["--fail-under", "0.99", "--report", "report.html"]
    process = subprocess.Popen(
        [sys.executable, "-m", "digitcli", *map(os.fspath, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env=clean_environment(tmp_path),
        text=True,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    problems = process.stderr.read()
    assert process.wait(60) == 4
    written, verdict = problems.splitlines()
    assert written == "report written to report.html"
    assert "is below 0.99" in verdict
    assert (tmp_path / "report.html").exists()


def test_a_failed_report_leaves_the_old_one(digitcli: Run, models, tmp_path, digits):
    (tmp_path / "blocked").write_text("a file")
    run = digitcli("evaluate", models[0], "--dataset", digits, "--report", "blocked/r.html")
    assert run.returncode == 1
    assert "blocked" in run.stderr
    assert "Traceback" not in run.stderr


def on_terminal(tmp_path: Path, columns: int, *arguments: str | Path, **env: str) -> str:
    """Run the program with a terminal of that width as its stdout and return what it shows."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "digitcli", *map(os.fspath, arguments)],
        stdout=theirs,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        cwd=tmp_path,
        env=clean_environment(tmp_path)
        | {"COLUMNS": str(columns), "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        | env,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    _, problems = process.communicate(timeout=60)
    assert process.returncode == 0, problems
    return shown.decode()


def test_confusions_are_shaded_on_a_terminal(models, tmp_path, digits):
    arguments = ["evaluate", models[0], "--dataset", digits]
    assert "\x1b[30;48;2;" in on_terminal(tmp_path, 100, *arguments)
    assert "48;2;" not in on_terminal(tmp_path, 100, *arguments, NO_COLOR="1")
    assert "\x1b[" not in on_terminal(tmp_path, 100, *arguments, TERM="dumb", COLORTERM="")


@pytest.mark.parametrize("columns", [20, 34, 50, 80])
def test_no_line_is_wider_than_the_terminal_and_no_number_is_cut(
    digitcli: Run, models, tmp_path, columns, digits
):
    arguments = ["evaluate", models[0], "--against", models[1], "--dataset", digits]
    told = json.loads(digitcli(*arguments, "--format", "json").stdout)
    shown = re.sub(r"\x1b\[[\d;]*m", "", on_terminal(tmp_path, columns, *arguments))
    assert max(map(len, shown.splitlines())) <= columns
    assert "…" not in shown
    for score in told["per_class"]:
        assert percent(score["recall"]) in shown
    assert percent(told["accuracy_interval"][0]) in shown
    assert number(told["log_loss"]) in shown


def test_markup_in_names_is_shown_as_it_is(digitcli: Run, tmp_path):
    DIGITS.save(tmp_path / "[red]x.npz")
    save_model(centroid_model(DIGITS), tmp_path / "[bold]m.joblib")
    run = digitcli("evaluate", "[bold]m.joblib", "--dataset", "[red]x.npz")
    assert "[bold]m.joblib on [red]x.npz" in run.stdout
