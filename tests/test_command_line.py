"""What holds for every command: help, version, suggestions, exit codes, one line per error."""

from __future__ import annotations

import importlib
import inspect
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import digitcli as package
from conftest import Run, clean_environment
from digitcli.cli import app, completion
from digitcli.data.sources import NAMED, WRITER
from digitcli.errors import DigitcliError, ExitCode
from digitcli.model.input import INPUT_FEATURES
from digitcli.training.recipe import RECIPES

COMMANDS = ["fetch", "preprocess", "train", "predict", "evaluate", "export", "info"]
README = Path(__file__).parent.parent / "README.md"


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_describes_each_option_and_gives_examples(
    digitcli: Run, command: str, flag: str
) -> None:
    result = digitcli(command, flag)
    assert result.returncode == ExitCode.OK
    assert result.stderr == ""
    assert f"digitcli {command}" in result.stdout
    assert "Example" in result.stdout
    undescribed = re.findall(r"^  (--?[a-z][^ ]*)$", result.stdout, re.MULTILINE)
    assert not undescribed, "options without a word of help"


def test_help_lists_the_commands_with_a_line_each(digitcli: Run) -> None:
    result = digitcli("--help")
    assert result.returncode == ExitCode.OK
    for command in COMMANDS:
        assert re.search(rf"^  {command}  +[A-Z].+", result.stdout, re.MULTILINE), command


def test_no_summary_is_cut_at_80_columns(digitcli: Run) -> None:
    text = digitcli("--help", env={"COLUMNS": "80"}).stdout
    assert [line.split(maxsplit=1)[1] for line in text.splitlines()[-len(app.COMMANDS) :]] == list(
        app.COMMANDS.values()
    )


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_breaks_no_word_at_40_columns(digitcli: Run, command: str) -> None:
    """Below, what an option is for stands under its name; the examples stay as they are typed."""
    arguments = (command, "--help") if command else ("--help",)
    narrow, wide = (
        digitcli(*arguments, env={"COLUMNS": columns}).stdout.partition("Examples:")[0]
        for columns in ("40", "80")
    )
    assert max(map(len, narrow.splitlines())) <= 40
    assert "".join(narrow.split()) == "".join(wide.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_80_columns_and_names_values_in_one_way(digitcli: Run, command: str) -> None:
    text = digitcli(command, "--help", env={"COLUMNS": "80"}).stdout.partition("Examples:")[0]
    assert max(map(len, text.splitlines())) < 80
    assert not re.findall(r"[<{]\w", text), "Typer's own way"


def test_the_options_of_train_stand_in_groups(digitcli: Run) -> None:
    text = digitcli("train", "--help").stdout
    groups = re.split(r"^(\w[\w ]*):$", text, flags=re.MULTILINE)
    options = {
        heading: re.findall(r"^  (?:-\w, )?--([\w-]+)", lines, re.MULTILINE)
        for heading, lines in zip(groups[1::2], groups[2::2], strict=True)
    }
    assert list(options) == [
        "Arguments", "Data", "Network", "Training", "Search", "Where to run", "Output", "Options",
    ]  # fmt: skip
    assert options["Search"] == ["search"]
    assert options["Where to run"] == ["jobs", "backend", "scheduler"]
    assert options["Options"] == ["data-dir", "quiet", "help"]


def test_help_tells_what_each_recipe_costs(digitcli: Run) -> None:
    text = digitcli("train", "--help").stdout
    for name in RECIPES:
        assert re.search(rf"^ +{name}  +\w.*$", text, re.MULTILINE), name
    assert re.search(r"standard +0\.38% in 3 minutes", text)


@pytest.mark.parametrize("arguments", ["train digits", "evaluate --dataset digits"])
def test_a_package_that_was_left_out_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: str
) -> None:
    """Reading needs less than all, as docs/predict.md says."""
    monkeypatch.setitem(sys.modules, "sklearn", None)
    assert app.run(arguments.split()) == ExitCode.FAILED
    assert capsys.readouterr().err == (
        "digitcli: error: this needs scikit-learn, which is not installed; "
        "pip install scikit-learn\n"
    )


@pytest.mark.parametrize("value", ["two", "1.5"])
def test_what_is_no_number_is_called_so(digitcli: Run, value: str) -> None:
    result = digitcli("train", "digits", "--epochs", value)
    assert result.returncode == ExitCode.USAGE
    assert f"'{value}' is not a valid whole number" in result.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_the_list_of_commands_says_what_each_says_of_itself(command: str) -> None:
    module = importlib.import_module(f"digitcli.cli.{command}")
    summary = inspect.cleandoc(module.command.__doc__ or "").splitlines()[0]
    assert app.COMMANDS[command] == summary


def test_version_is_the_packages(digitcli: Run) -> None:
    result = digitcli("--version")
    assert (result.returncode, result.stdout) == (0, f"digitcli {package.__version__}\n")


def test_no_command_shows_help_and_is_wrong_usage(digitcli: Run) -> None:
    result = digitcli()
    assert result.returncode == ExitCode.USAGE
    assert "Commands:" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "suggestion"),
    [
        (["evalute"], "evaluate"),
        (["predict", "--min-confidense", "0.5", "x.png"], "--min-confidence"),
        (["train", "--epoch", "3"], "--epochs"),
    ],
)
def test_a_misspelt_word_gets_a_suggestion(
    digitcli: Run, arguments: list[str], suggestion: str
) -> None:
    result = digitcli(*arguments)
    assert result.returncode == ExitCode.USAGE
    assert suggestion in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["predict", "absent.png"],
        ["predict", "-m", "absent.joblib", "x.png"],
        ["evaluate", "-m", "absent.joblib", "--dataset", "digits"],
        ["evaluate", "--dataset", "absent"],
        ["info", "absent.joblib"],
        ["preprocess", "absent"],
        ["train", "--dataset", "absent"],
        ["train", "--dataset", "digits", "--init-from", "absent.joblib"],
        ["fetch", "--from", "/absent"],
        ["fetch", "--offline"],
    ],
    ids=" ".join,
)
def test_what_is_absent_is_named_in_one_line(digitcli: Run, arguments: list[str]) -> None:
    result = digitcli(*arguments)
    assert result.returncode in (ExitCode.FAILED, ExitCode.PARTIAL)
    last = result.stderr.splitlines()[-1]
    assert "absent" in last or "fetch" in arguments
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_a_bug_ends_in_one_line_and_shows_its_place_on_request(tmp_path: Path) -> None:
    code = (
        "import sys; from digitcli.cli import app\n"
        "app.app = lambda *a, **k: 1 / 0\n"
        "sys.argv = ['digitcli']; app.main()"
    )

    def run(**extra: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            env=clean_environment(tmp_path) | extra,
        )

    assert run().returncode == ExitCode.FAILED
    assert len(run().stderr.splitlines()) == 1
    assert "ZeroDivisionError" in run().stderr
    assert "Traceback" in run(DIGITCLI_DEBUG="1").stderr


@pytest.mark.parametrize("kind", DigitcliError.__subclasses__())
def test_every_error_has_an_exit_code_of_the_contract(kind: type[DigitcliError]) -> None:
    assert kind.exit_code in (ExitCode.FAILED, ExitCode.USAGE)
    assert {int(code) for code in ExitCode} == {0, 1, 2, 3, 4, 130}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_for_each_shell(digitcli: Run, shell: str) -> None:
    result = digitcli(env={"_DIGITCLI_COMPLETE": f"source_{shell}"})
    assert result.returncode == ExitCode.OK
    assert "_DIGITCLI_COMPLETE" in result.stdout


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("ev", ["evaluate"]),
        ("train m", ["mnist"]),
        ("train --dataset ", ["mnist", "digits", "writer:"]),
        ("preprocess d", ["digits"]),
        ("evaluate --dataset w", ["writer:"]),
        ("train --recipe s", ["standard", "shipped", "small"]),
        ("train --features d", ["deslant", "deslant-directions", "directions"]),
        ("train --features pixels,w", ["pixels,width", "pixels,width-directions"]),
        ("train --init-from sh", ["shipped"]),
        ("predict --model ", []),
        ("predict --format ", ["text", "json", "csv"]),
    ],
)
def test_completion_knows_what_may_follow(digitcli: Run, words: str, completed: list[str]) -> None:
    result = digitcli(
        env={
            "_DIGITCLI_COMPLETE": "complete_bash",
            "COMP_WORDS": f"digitcli {words}",
            "COMP_CWORD": str(len(words.split(" "))),
        }
    )
    assert result.stdout.split() == completed


def test_completion_knows_what_the_program_knows() -> None:
    assert set(completion.FEATURES) == set(INPUT_FEATURES)
    assert (*NAMED, WRITER) == completion.DATASETS


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGINT, ExitCode.INTERRUPTED), (signal.SIGTERM, 143)]
)
def test_signals_end_the_program_without_a_traceback(
    tmp_path: Path, sent: signal.Signals, code: int
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "digitcli", "predict"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environment(tmp_path),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    # Once the first answer is there, the program is past its start.
    process.stdin.write(b"absent.png\n")
    process.stdin.flush()
    assert process.stderr is not None
    assert b"absent.png" in process.stderr.readline()
    process.send_signal(sent)
    _, stderr = process.communicate(timeout=20)
    assert process.returncode == code
    assert b"Traceback" not in stderr


def test_every_command_is_in_the_readme() -> None:
    text = README.read_text(encoding="utf-8")
    for command in COMMANDS:
        assert f"digitcli {command}" in text, command
