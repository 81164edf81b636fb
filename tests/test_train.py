"""`digitcli train` as a person or a script meets it."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import Run, clean_environment, load_digits, posix
from digitcli.cli.environment import Environment
from digitcli.cli.training_display import Shown, show_training
from digitcli.cli.training_options import RecipeName
from digitcli.data.mnist import FILES
from digitcli.errors import ExitCode
from digitcli.model.modelfile import load_model
from digitcli.training.recipe import RECIPES, Recipe
from digitcli.training.run import InterruptedAtTheEnd, Plan, train_model
from digitcli.training.trainer import EpochRecord

TINY = ("train", "--dataset", "digits", "--hidden", "16", "--epochs", "2")


@pytest.fixture
def tiny(tmp_path: Path) -> tuple[str, ...]:
    """Train as `TINY` does, on a file of a third of the digits: for what any training shows."""
    digits = load_digits()
    digits.take(np.arange(0, len(digits), 3)).save(tmp_path / "few.npz")
    return ("train", "--dataset", "few.npz", *TINY[3:])


def test_training_on_the_embedded_digits(digitcli: Run, tmp_path: Path) -> None:
    """Needs no network and no data, and is right on at least 97 % of the test split."""
    (tmp_path / "out").mkdir()
    result = digitcli(
        "train", "--dataset", "digits", "-o", "out/my.joblib", "--history", "curve.csv",
        "--preview", "sheet.png",
    )  # fmt: skip
    assert result.returncode == ExitCode.OK, result.stderr
    assert result.stdout.splitlines() == ["out/my.joblib", "curve.csv", "sheet.png"]
    model = load_model(tmp_path / "out/my.joblib")
    assert model.metadata["metrics"]["test_accuracy"] >= 0.97
    assert f"{model.metadata['metrics']['test_accuracy']:.2%}" in result.stderr
    assert "digitcli predict -m out/my.joblib" in result.stderr
    assert "\x1b" not in result.stderr
    with (tmp_path / "curve.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == RECIPES["small"].epochs
    assert float(rows[-1]["training_loss"]) < float(rows[0]["training_loss"])
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.format == "PNG"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["my.joblib"]

    evaluated = digitcli("evaluate", "-m", "out/my.joblib", "--dataset", "digits", "--format=json")
    assert json.loads(evaluated.stdout)["accuracy"] == pytest.approx(
        model.metadata["metrics"]["test_accuracy"]
    )


def test_quiet_says_nothing_but_the_path(
    digitcli: Run, tmp_path: Path, tiny: tuple[str, ...]
) -> None:
    result = digitcli(*tiny, "--history", "curve.json", "--quiet")
    assert (result.stdout, result.stderr) == ("model.joblib\ncurve.json\n", "")
    assert [row["epoch"] for row in json.loads((tmp_path / "curve.json").read_text())] == [1, 2]


def test_options_change_the_recipe_and_are_written_down(
    digitcli: Run, tmp_path: Path, tiny: tuple[str, ...]
) -> None:
    result = digitcli(
        *tiny, "--batch-size=50", "--learning-rate=0.03", "--momentum=0.8", "--alpha=0.001",
        "--warmup-epochs=0", "--calm-epochs=1", "--seed=5", "--validation=0.2",
        "--augmentation=rotation=3,shear=0", "--patience=7", "--features=deslant",
        "--dtype=float16",
    )  # fmt: skip
    assert result.returncode == ExitCode.OK, result.stderr
    model = load_model(tmp_path / "model.joblib")
    used = model.metadata["hyperparameters"]
    assert used.pop("augmentation") | {"rotation": 3, "shear": 0} == {
        field.name: getattr(RECIPES["small"].augmentation, field.name)
        for field in fields(RECIPES["small"].augmentation or ())
    } | {"rotation": 3, "shear": 0}
    assert used == {
        "hidden_layer_sizes": [16], "epochs": 2, "batch_size": 50, "learning_rate_init": 0.03,
        "momentum": 0.8, "alpha": 0.001, "warmup_epochs": 0, "calm_epochs": 1,
        "input_features": ["deslant"], "patience": 7,
    }  # fmt: skip
    assert model.metadata["seed"] == 5
    assert model.metadata["split"]["validation"] == 0.2
    assert model.members[0].input_features == "deslant"
    assert model.members[0].layer_sizes == (784, 16, 10)


def test_no_augment_trains_on_the_images_as_they_are(
    digitcli: Run, tmp_path: Path, tiny: tuple[str, ...]
) -> None:
    assert digitcli(*tiny, "--no-augment").returncode == ExitCode.OK
    model = load_model(tmp_path / "model.joblib")
    assert model.metadata["hyperparameters"]["augmentation"] is None


def test_every_recipe_has_its_name_and_every_field_its_option(digitcli: Run) -> None:
    assert {name.value for name in RecipeName} == set(RECIPES)
    usage = digitcli("train", "--help").stdout
    for field in fields(Recipe):
        option = {
            "hidden_layer_sizes": "hidden",
            "learning_rate_init": "learning-rate",
            "augmentation": "augmentation",
            "input_features": "features",
        }.get(field.name, field.name.replace("_", "-"))
        assert f"--{option} " in usage


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--hidden", "0"], "--hidden"),
        (["--hidden", "12,x"], "--hidden"),
        (["--learning-rate", "0"], "--learning-rate"),
        (["--learning-rate", "nan"], "--learning-rate"),
        (["--validation", "0.9"], "--validation"),
        (["--augmentation", "rotation"], "rotation"),
        (["--augmentation", "rotatoin=3"], "rotatoin"),
        (["--augmentation", "rotation=3", "--no-augment"], "--no-augment"),
        (["--features", "pixels,slant"], "slant"),
        (["--history", "curve.txt"], "--history"),
        (["--preview", "sheet.txt"], "--preview"),
        (["-o", "."], "--output"),
        (["-o", "h.csv", "--history", "./h.csv"], "--history"),
        (["--recipe", "fine-tune"], "--init-from"),
        (["--features", "pixels,deslant"], "--members 2"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_an_impossible_option_is_wrong_usage(
    digitcli: Run, arguments: list[str], named: str
) -> None:
    result = digitcli("train", "--dataset", "digits", *arguments)
    assert result.returncode == ExitCode.USAGE
    assert named in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


def test_divergence_ends_in_one_line_of_advice(
    digitcli: Run, tmp_path: Path, tiny: tuple[str, ...]
) -> None:
    result = digitcli(*tiny, "--learning-rate", "1e6", "-q")
    assert result.returncode == ExitCode.FAILED
    assert "at learning rate 1e+06; try a lower one, such as --learning-rate 0.1" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "model.joblib").exists()


def test_mnist_that_is_not_there_and_no_network(digitcli: Run) -> None:
    """The last line offers both ways on."""
    closed = "http://127.0.0.1:9"
    result = digitcli("train", env={"https_proxy": closed, "HTTPS_PROXY": closed, "no_proxy": ""})
    assert result.returncode == ExitCode.FAILED
    last = result.stderr.splitlines()[-1]
    assert re.search(r"4 mirrors: connection refused\. Check the network", last)
    assert "digitcli fetch --from" in last
    assert "--dataset digits" in last


@pytest.mark.slow("training")
def test_pictures_in_a_folder_are_preprocessed_on_the_way(digitcli: Run, tmp_path: Path) -> None:
    """What cannot be read is said, and the exit code says that something was."""
    digits = load_digits()
    for index in range(200):
        folder = tmp_path / "mine" / str(digits.labels[index])
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(255 - digits.images[index]).save(folder / f"{index}.png")
    (tmp_path / "mine" / "3" / "broken.png").write_bytes(b"no picture")
    result = digitcli("train", "--dataset", "mine", "--hidden", "16", "--epochs", "2")
    assert result.returncode == ExitCode.PARTIAL
    assert result.stdout == "model.joblib\n"
    assert "preprocessing the pictures in mine" in result.stderr
    assert "broken.png" in result.stderr
    assert load_model(tmp_path / "model.joblib").metadata["data"]["test_images"] == 0


@pytest.mark.slow("processes")
@posix
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_the_best_model_so_far(tmp_path: Path, kind: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "digitcli", *TINY, "--epochs", "8000", "--patience", "8000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=clean_environment(tmp_path),
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "epoch 1 of" in line:
            break
    time.sleep(0.5)
    process.send_signal(kind)
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == ExitCode.INTERRUPTED
    assert stdout == "model.joblib\n"
    assert "interrupted after epoch" in stderr
    assert "--resume" in stderr
    assert "Traceback" not in stderr
    metadata = load_model(tmp_path / "model.joblib").metadata
    assert metadata["interrupted"] is True
    assert metadata["metrics"]["validation_accuracy"] > 0.5
    assert (tmp_path / "model.joblib.checkpoint").exists()


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def shown_lines(
    monkeypatch: pytest.MonkeyPatch, columns: int, report: Callable[[Shown], None], **options: int
) -> list[str]:
    """Return what the last picture of a training's progress shows on so wide a terminal."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    env = Environment(stderr=Terminal())
    with show_training(env, **({"members": 1, "epochs": 8} | options)) as shown:
        report(shown)
    text = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", env.stderr.getvalue())  # type: ignore[attr-defined]
    return text.replace("\r", "\n").rstrip("\n").splitlines()[-options.get("members", 1) :]


RECORD = EpochRecord(3, 8, 0.05, 0.1234, 0.0456, 0.9876, 12345.6)


def test_progress_on_a_wide_terminal_shows_the_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = shown_lines(monkeypatch, 140, lambda shown: shown.on_epoch(0, RECORD))
    for figure in ("3/8", "0.1234", "0.0456", "98.76%", "0.05", "12,346 images/s"):
        assert figure in line


@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize("members", [1, 12])
def test_epoch_bar_and_time_left_stay_at_any_width(
    monkeypatch: pytest.MonkeyPatch, columns: int, members: int
) -> None:
    def report(shown: Shown) -> None:
        for member in range(members):
            shown.on_epoch(member, RECORD)

    lines = shown_lines(monkeypatch, columns, report, members=members)
    for number, line in enumerate(lines, 1):
        assert len(line) <= columns
        name = rf"network {number} +" if members > 1 else ""
        whole = rf"{name}epoch 3/8 ━+╸? +(-:--:--|\d+:\d\d:\d\d)( .*[^·…])?"
        assert re.fullmatch(whole, line.rstrip()), line


def test_the_bar_moves_inside_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    def bar(epochs: float) -> int:
        (line,) = shown_lines(monkeypatch, 100, lambda shown: shown.on_part(0, epochs), epochs=2)
        assert line.startswith("epoch 0/2 ")
        return line.count("━")

    assert [bar(epochs) for epochs in (0.0, 0.25, 0.5, 0.75)] == [0, 2, 5, 7]


def test_parts_of_epochs_are_told() -> None:
    recipe = replace(RECIPES["small"], hidden_layer_sizes=(16,), epochs=2)
    told: list[tuple[int, float]] = []
    train_model(load_digits(), Plan(recipe), on_part=lambda *part: told.append(part))
    assert told == [(0, quarter / 4) for quarter in range(1, 9)]


@pytest.mark.slow("processes")
def test_parts_of_the_epochs_of_a_committee_are_told() -> None:
    recipe = replace(RECIPES["small"], hidden_layer_sizes=(16,), epochs=2)
    told: list[tuple[int, float]] = []
    two = Plan(recipe, members=2)
    train_model(load_digits(), two, jobs=2, on_part=lambda *part: told.append(part))
    for member in range(2):
        assert [part for who, part in told if who == member] == [n / 4 for n in range(1, 9)]


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_in_the_first_epoch_says_what_is_lost(tmp_path: Path) -> None:
    """An earlier model is left alone: a quarter of an epoch is no network to save."""
    (tmp_path / "model.joblib").write_bytes(b"earlier")
    process = subprocess.Popen(
        [sys.executable, "-m", "digitcli", "train", "digits", "--hidden", "1000,1000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=clean_environment(tmp_path),
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("recipe small: 30 epochs"):
            break
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == ExitCode.INTERRUPTED
    assert stdout == ""
    assert stderr == "interrupted before the first epoch ended; nothing was saved\n"
    assert [path.name for path in tmp_path.iterdir()] == ["model.joblib"]
    assert (tmp_path / "model.joblib").read_bytes() == b"earlier"


def test_the_dataset_is_not_written_over(digitcli: Run, tmp_path: Path) -> None:
    load_digits().save(tmp_path / "mine.npz")
    before = (tmp_path / "mine.npz").read_bytes()
    result = digitcli("train", "--dataset", "mine.npz", "-o", "mine.npz")
    assert result.returncode == ExitCode.USAGE
    assert "--dataset and --output both name mine.npz" in result.stderr
    assert (tmp_path / "mine.npz").read_bytes() == before


def test_a_folder_that_cannot_be_written_is_refused_before_training(
    digitcli: Run, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    result = digitcli("train", "--dataset", "digits", "--history", "file/curve.csv")
    assert result.returncode == ExitCode.FAILED
    assert result.stderr.startswith("digitcli: error: --history file/curve.csv cannot be written")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("option", "file"), [("-o", "m.joblib"), ("--history", "h.csv"), ("--preview", "p.png")]
)
def test_no_folder_is_made_unasked(
    digitcli: Run, tmp_path: Path, tiny: tuple[str, ...], option: str, file: str
) -> None:
    result = digitcli(*tiny, option, f"typo/deep/{file}")
    assert result.returncode == ExitCode.FAILED
    assert result.stderr.endswith("there is no folder typo/deep; make it first\n")
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "typo").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="file names of any bytes")
def test_a_path_is_printed_as_the_bytes_that_it_is(
    digitcli: Run, tmp_path: Path, tiny: tuple[str, ...]
) -> None:
    name = os.fsdecode(b"m\xff.joblib")
    result = digitcli(*tiny, "-o", name)
    assert result.returncode == ExitCode.OK, result.stderr
    assert result.stdout == f"{name}\n"


def test_ctrl_c_after_the_last_epoch_leaves_the_training_to_be_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> float:
        raise KeyboardInterrupt

    recipe = replace(RECIPES["small"], hidden_layer_sizes=(16,), epochs=1)
    output = tmp_path / "model.joblib"
    with monkeypatch.context() as patch:
        patch.setattr("digitcli.training.run.fit_temperature", interrupt)
        with pytest.raises(InterruptedAtTheEnd):
            train_model(load_digits(), Plan(recipe), output=output)
    steps: list[str] = []
    train_model(load_digits(), Plan(recipe), output=output, resume=True, on_step=steps.append)
    assert steps == [f"continuing {output}.checkpoint after epoch 1"]


@pytest.mark.slow("training")
def test_a_damaged_mnist_is_done_without_where_it_is_not_needed(
    digitcli: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "data" / "mnist"
    folder.mkdir(parents=True)
    for file in FILES:
        (folder / file.name).write_bytes(b"damaged")
    few = load_digits()
    few.take(np.arange(0, len(few), 9)).save(tmp_path / "few.npz")
    assert digitcli(*TINY).returncode == ExitCode.OK
    result = digitcli(
        "train", "--dataset", "few.npz", "--init-from", "model.joblib", "--epochs", "1"
    )
    assert result.returncode == ExitCode.OK, result.stderr
    assert "images of digits, so that the network does not forget" in result.stderr


def test_any_number_of_threads_gives_the_same_model(digitcli: Run, tmp_path: Path) -> None:
    """Steps of this size are shared out among BLAS threads, which changes the order of sums."""
    train = "train", "digits", "--hidden", "256,128", "--batch-size", "512", "--epochs", "1"
    three = {"OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "3"}
    for name, environment in (("one", None), ("three", three)):
        result = digitcli(*train, "-o", f"{name}.joblib", env=environment)
        assert result.returncode == ExitCode.OK, result.stderr
    assert (tmp_path / "one.joblib").read_bytes() == (tmp_path / "three.joblib").read_bytes()
