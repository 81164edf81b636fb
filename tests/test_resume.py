"""`--resume` after a kill at any moment ends in the model of a run that nobody disturbed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conftest import Run, clean_environment, load_digits, posix
from digitcli.data.dataset import Dataset
from digitcli.errors import ExitCode, TrainingError
from digitcli.model.modelfile import read_plain, write_plain
from digitcli.training.checkpoint import Checkpoint
from digitcli.training.committee import OnEpoch
from digitcli.training.recipe import RECIPES
from digitcli.training.run import Plan, train_model

TRAINING = (
    "train", "--dataset", "digits", "--hidden", "16", "--epochs", "12",
    "--checkpoint-interval", "0",
)  # fmt: skip
TINY = replace(RECIPES["small"], hidden_layer_sizes=(16,), epochs=6)


@pytest.fixture(scope="module")
def few() -> Dataset:
    digits = load_digits()
    return digits.take(np.arange(0, len(digits), 3))


def epochs_done(checkpoint: Path) -> int:
    try:
        content = read_plain(checkpoint)
    except FileNotFoundError:
        return 0
    assert isinstance(content, dict), "half a checkpoint"
    return int(content["epoch"])


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("undisturbed")
    subprocess.run(
        [sys.executable, "-m", "digitcli", *TRAINING, "-q"],
        cwd=folder,
        check=True,
        capture_output=True,
        env=clean_environment(folder),
    )
    return (folder / "model.joblib").read_bytes()


@pytest.mark.slow("processes")
@posix
def test_a_killed_training_continues_to_the_same_model(
    digitcli: Run, tmp_path: Path, undisturbed: bytes
) -> None:
    checkpoint = tmp_path / "model.joblib.checkpoint"
    for least in (1, 5):
        process = subprocess.Popen(
            [sys.executable, "-m", "digitcli", *TRAINING, "--resume"],
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=clean_environment(tmp_path),
        )
        while process.poll() is None and epochs_done(checkpoint) < least:
            time.sleep(0.01)
        process.kill()
        assert process.wait() == -signal.SIGKILL
        assert least <= epochs_done(checkpoint) < 12
        assert not (tmp_path / "model.joblib").exists()

    result = digitcli(*TRAINING, "--resume")
    assert result.returncode == ExitCode.OK, result.stderr
    assert "continuing model.joblib.checkpoint after epoch" in result.stderr
    assert (tmp_path / "model.joblib").read_bytes() == undisturbed
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"model.joblib"}, "neither checkpoint nor litter"


@pytest.mark.slow("training")
def test_without_a_checkpoint_resume_starts_from_the_beginning(
    digitcli: Run, tmp_path: Path
) -> None:
    result = digitcli(*TRAINING, "--epochs", "1", "--resume")
    assert result.returncode == ExitCode.OK
    assert "no checkpoint to continue" in result.stderr


class Stop(Exception):  # noqa: N818
    """Ends a training from outside, as a kill would."""


def stop_after(epochs: int) -> OnEpoch:
    def on_epoch(_member: int, record: object) -> None:
        if record.epoch == epochs:  # type: ignore[attr-defined]
            raise Stop

    return on_epoch


@pytest.fixture(scope="module")
def checkpoint_left(few: Dataset, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The checkpoint of a training that was stopped after its third epoch."""
    output = tmp_path_factory.mktemp("left") / "model.joblib"
    with pytest.raises(Stop):
        train_model(few, Plan(TINY), output=output, checkpoint_interval=0, on_epoch=stop_after(3))
    return output.with_name("model.joblib.checkpoint").read_bytes()


@pytest.fixture
def stopped(checkpoint_left: bytes, tmp_path: Path) -> Path:
    """The output of the stopped training, with its checkpoint beside it."""
    (tmp_path / "model.joblib.checkpoint").write_bytes(checkpoint_left)
    return tmp_path / "model.joblib"


@pytest.mark.parametrize(
    ("plan", "difference"),
    [
        (Plan(replace(TINY, epochs=7)), "epochs 6, not 7"),
        (Plan(replace(TINY, hidden_layer_sizes=(17,))), "hidden layer sizes"),
        (Plan(TINY, seed=1), "seed 0, not 1"),
        (Plan(TINY, validation=0.2), "validation 0.1, not 0.2"),
        (Plan(replace(TINY, input_features=("deslant",))), "directions, not deslant"),
    ],
)
def test_a_checkpoint_of_other_options_is_refused(
    few: Dataset, stopped: Path, plan: Plan, difference: str
) -> None:
    with pytest.raises(TrainingError, match=difference) as raised:
        train_model(few, plan, output=stopped, resume=True)
    assert "leave out --resume" in str(raised.value)


def test_a_checkpoint_of_other_data_is_refused(few: Dataset, stopped: Path) -> None:
    with pytest.raises(TrainingError, match="other data"):
        train_model(few.take(np.arange(500)), Plan(TINY), output=stopped, resume=True)


def test_without_resume_a_checkpoint_is_not_used(few: Dataset, stopped: Path) -> None:
    seen: list[int] = []
    train_model(
        few, Plan(TINY), output=stopped, on_epoch=lambda _, record: seen.append(record.epoch)
    )
    assert seen == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_damaged_checkpoint_is_refused_in_one_line(
    few: Dataset, stopped: Path, share: float
) -> None:
    path = stopped.with_name("model.joblib.checkpoint")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(TrainingError, match="is not a checkpoint"):
        train_model(few, Plan(TINY), output=stopped, resume=True)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("format", "digitcli-model"),
        ("version", 99),
        ("epoch", -1),
        ("epoch", "3"),
        ("best_epoch", 4),
        ("best_loss", float("nan")),
        ("history", []),
        ("network", None),
        ("settings", []),
    ],
)
def test_a_checkpoint_that_cannot_be_is_refused(
    few: Dataset, stopped: Path, field: str, value: object
) -> None:
    path = stopped.with_name("model.joblib.checkpoint")
    content = read_plain(path)
    assert isinstance(content, dict)
    plain = {key: _plain(item) for key, item in content.items()} | {field: value}
    write_plain(plain, path)
    with pytest.raises(TrainingError, match="is not a checkpoint"):
        train_model(few, Plan(TINY), output=stopped, resume=True)


def _plain(item: object) -> object:
    if isinstance(item, dict):
        return {key: _plain(value) for key, value in item.items()}
    if isinstance(item, list):
        return [_plain(value) for value in item]
    return bytes(item) if isinstance(item, memoryview) else item


def test_checkpoints_are_not_written_more_often_than_asked(few: Dataset, tmp_path: Path) -> None:
    from digitcli.training.trainer import initial_state

    checkpoint = Checkpoint(tmp_path / "c", {}, interval=3600)
    state = initial_state(TINY, seed=0)
    checkpoint.offer(state)
    (tmp_path / "c").unlink()
    checkpoint.offer(state)
    assert not (tmp_path / "c").exists()
