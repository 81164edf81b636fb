"""What a start imports: no more than the command needs, so that the first answer comes at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import clean_environment
from drawings import draw_digits, drawn, save_reader

HEAVY = {
    "_ssl",
    "asyncio",
    "click",
    "concurrent.futures",
    "digitcli.data",
    "digitcli.evaluation",
    "digitcli.training",
    "jinja2",
    "joblib",
    "multiprocessing",
    "numpy.ma",
    "pooch",
    "pydantic",
    "requests",
    "rich",
    "scipy",
    "sklearn",
    "threadpoolctl",
    "urllib.request",
}


def imported(folder: Path, *arguments: str | Path, **environment: str) -> set[str]:
    """Return the modules that the program has imported when it ends well."""
    code = (
        "import sys, atexit\n"
        "atexit.register(lambda: print(*sys.modules, file=sys.__stderr__))\n"
        "from digitcli.cli import main; main()"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, *map(os.fspath, arguments)],
        capture_output=True,
        text=True,
        cwd=folder,
        env=clean_environment(folder) | environment,
    )
    assert result.returncode == 0, result.stderr
    return set(result.stderr.split())


def imported_by_numpy() -> set[str]:
    """Return what NumPy imports by itself; old ones import numpy.ma, too."""
    code = "import numpy, sys; print(*sys.modules)"
    return set(subprocess.check_output([sys.executable, "-c", code], text=True).split())


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("predict", "--help")])
def test_help_and_version_import_neither_numpy_nor_pillow(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    modules = imported(tmp_path, *arguments)
    assert "digitcli.cli.app" in modules
    assert not modules & (HEAVY | {"numpy", "PIL"})


def test_only_the_command_that_runs_is_imported(tmp_path: Path) -> None:
    modules = imported(tmp_path, "predict", "--help")
    commands = {"fetch", "preprocess", "train", "predict", "evaluate", "info"}
    assert [name for name in commands if f"digitcli.cli.{name}" in modules] == ["predict"]


def test_completion_imports_no_more_than_help(tmp_path: Path) -> None:
    modules = imported(
        tmp_path,
        _DIGITCLI_COMPLETE="complete_bash",
        COMP_WORDS="digitcli predict --min",
        COMP_CWORD="2",
    )
    assert not modules & (HEAVY | {"numpy", "PIL"})


def test_completion_offers_commands_and_options(tmp_path: Path) -> None:
    def complete(words: str, count: int) -> list[str]:
        result = subprocess.run(
            [sys.executable, "-m", "digitcli"],
            capture_output=True,
            text=True,
            env=clean_environment(tmp_path)
            | {
                "_DIGITCLI_COMPLETE": "complete_bash",
                "COMP_WORDS": words,
                "COMP_CWORD": str(count),
            },
        )
        return result.stdout.split()

    assert complete("digitcli pre", 1) == ["predict", "preprocess"]
    assert complete("digitcli predict --min", 2) == ["--min-confidence"]


@pytest.mark.parametrize("ready", [True, False], ids=["mnist-form", "drawn"])
def test_predicting_an_image_imports_nothing_heavy(tmp_path: Path, ready: bool) -> None:
    model = save_reader(tmp_path / "reader.joblib")
    image = draw_digits(tmp_path, ready=ready)[3]
    modules = imported(tmp_path, "predict", "-m", model, image)
    assert "digitcli.prediction.stream" in modules
    assert not modules & (HEAVY - imported_by_numpy())
    if ready:
        assert not {name for name in modules if name.startswith(("PIL.Png", "PIL.ImageFile"))}
        assert "digitcli.reading.digit" not in modules


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc")
@pytest.mark.parametrize(("asked", "threads"), [({}, 1), ({"OPENBLAS_NUM_THREADS": "2"}, None)])
def test_no_pool_of_threads_is_started_unless_asked_for(
    tmp_path: Path, asked: dict[str, str], threads: int | None
) -> None:
    drawn(3).save(tmp_path / "3.png")
    code = (
        "import os, sys, atexit\n"
        "def tell():\n"
        "    print(len(os.listdir('/proc/self/task')), os.environ['OPENBLAS_NUM_THREADS'],"
        " file=sys.__stderr__)\n"
        "atexit.register(tell)\n"
        "from digitcli.cli import main; main()"
    )
    model = save_reader(tmp_path / "reader.joblib")
    environment = clean_environment(tmp_path)
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        environment.pop(name, None)
    result = subprocess.run(
        [sys.executable, "-c", code, "predict", "-m", model, "3.png"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment | asked,
    )
    running, setting = result.stderr.split()
    assert setting == asked.get("OPENBLAS_NUM_THREADS", "1")
    if threads is not None:
        assert int(running) == threads
