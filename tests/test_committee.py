"""Several networks as one model."""

from __future__ import annotations

import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import active_children
from pathlib import Path

import numpy as np
import pytest

from conftest import Run, clean_environment, load_digits, posix
from digitcli.errors import ExitCode, TrainingError
from digitcli.model.modelfile import load_model
from digitcli.training.recipe import RECIPES
from digitcli.training.run import Plan, plan_members, train_model
from digitcli.training.trainer import EpochRecord, split_validation

pytestmark = pytest.mark.slow("processes")

COMMITTEE = (
    "train", "--dataset", "digits", "--hidden", "16", "--members", "3", "--jobs", "2",
    "--features", "pixels,deslant-directions", "--checkpoint-interval", "0",
)  # fmt: skip


@pytest.fixture(scope="module")
def committee(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("committee")
    result = subprocess.run(
        [sys.executable, "-m", "digitcli", *COMMITTEE, "--epochs", "5", "--history", "h.csv"],
        cwd=folder,
        capture_output=True,
        text=True,
        env=clean_environment(folder),
    )
    assert result.returncode == ExitCode.OK, result.stderr
    assert result.stdout.splitlines() == ["model.joblib", "h.csv"]
    return folder, result.stderr


def test_members_differ_and_their_probabilities_are_averaged(committee: tuple[Path, str]) -> None:
    folder, stderr = committee
    model = load_model(folder / "model.joblib")
    assert [member.input_features for member in model.members] == [
        "pixels",
        "deslant-directions",
        "pixels",
    ]
    first, _, third = (member.weights[0] for member in model.members)
    assert not np.allclose(first, third)
    images = load_digits().images[:200]
    features = images.reshape(-1, 784).astype(np.float32) / 255
    mean = np.mean([member.predict_proba(features) for member in model.members], axis=0)
    sure = mean.max(axis=1) > 0.96  # the others are looked at twice
    assert sure.any()
    np.testing.assert_allclose(model.predict_proba(images)[sure], mean[sure], atol=1e-5)
    assert re.search(r"network [123], epoch [1-5] of 5", stderr)
    assert {path.name for path in folder.iterdir()} == {"model.joblib", "h.csv"}


def test_the_history_tells_the_members_apart(committee: tuple[Path, str]) -> None:
    folder, _ = committee
    with (folder / "h.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["member"] for row in rows] == ["1"] * 5 + ["2"] * 5 + ["3"] * 5
    seeds = [m["seed"] for m in load_model(folder / "model.joblib").metadata["members"]]
    assert len(set(seeds)) == 3


def test_the_first_member_is_the_network_that_the_seed_gives_alone(
    committee: tuple[Path, str],
) -> None:
    recipe = replace(
        RECIPES["small"], hidden_layer_sizes=(16,), epochs=5, input_features=("pixels",)
    )
    (alone,) = train_model(load_digits(), Plan(recipe)).model.members
    first = load_model(committee[0] / "model.joblib").members[0]
    np.testing.assert_array_equal(first.weights[0], alone.weights[0])


def test_one_temperature_calibrates_the_whole(committee: tuple[Path, str]) -> None:
    from digitcli.training.calibration import fit_temperature

    model = load_model(committee[0] / "model.joblib")
    validation = split_validation(load_digits().part("train"), 0.1, seed=0).validation
    features = validation.images.reshape(-1, 784).astype(np.float32) / 255
    probabilities = [member.predict_proba(features) for member in model.members]
    used = model.metadata["temperature"]
    # Fitted again, the temperature has nothing left to do, unless it stopped at its bound.
    again = fit_temperature(probabilities, validation.labels)
    assert again == pytest.approx(1, abs=0.01) or used == pytest.approx(0.5, abs=1e-3)


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "digitcli", *COMMITTEE, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(folder),
        start_new_session=True,
    )


@posix
def test_a_killed_committee_continues_to_the_same_model(
    digitcli: Run, tmp_path: Path, committee: tuple[Path, str]
) -> None:
    process = start(tmp_path, "--epochs", "5")
    while process.poll() is None and not list(tmp_path.glob("*.checkpoint")):
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    result = digitcli(*COMMITTEE, "--epochs", "5", "--resume")
    assert result.returncode == ExitCode.OK, result.stderr
    assert "continuing model.joblib.member" in result.stderr
    undisturbed = (committee[0] / "model.joblib").read_bytes()
    assert (tmp_path / "model.joblib").read_bytes() == undisturbed
    assert {path.name for path in tmp_path.iterdir()} == {"model.joblib"}


@posix
def test_ctrl_c_saves_the_members_as_far_as_they_are(tmp_path: Path) -> None:
    process = start(tmp_path, "--epochs", "8000", "--patience", "8000")
    while process.poll() is None and len(list(tmp_path.glob("*.checkpoint"))) < 2:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED, stderr
    assert stdout == "model.joblib\n"
    assert "interrupted after epoch" in stderr
    assert "Traceback" not in stderr
    assert len(load_model(tmp_path / "model.joblib").members) == 2


def train_two(folder: Path, *, on_epoch: Callable[[int, EpochRecord], None]) -> tuple[int, ...]:
    """Train two small networks side by side and return how many epochs each had."""
    recipe = replace(RECIPES["small"], hidden_layer_sizes=(16,), epochs=5)
    plan = Plan(recipe, members=2)
    output = folder / "model.joblib"
    outcome = train_model(
        load_digits(), plan, output=output, checkpoint_interval=0, jobs=2, on_epoch=on_epoch
    )
    return outcome.epochs


def test_a_process_that_the_system_kills_is_named_with_the_way_on(tmp_path: Path) -> None:
    killed = []

    def on_epoch(member: int, record: EpochRecord) -> None:
        if not killed:
            killed.extend(active_children())
            for child in killed:
                child.kill()

    with pytest.raises(TrainingError, match=r"--resume goes on, and needs less with --jobs 1"):
        train_two(tmp_path, on_epoch=on_epoch)
    assert len(killed) == 2
    assert list(tmp_path.glob("*.checkpoint"))


lists_processes = pytest.mark.skipif(
    shutil.which("pgrep") is None or shutil.which("ps") is None, reason="needs pgrep and ps"
)


def children(pid: int) -> list[int]:
    listed = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True)
    return [int(line) for line in listed.stdout.split()]


def is_running(pid: int) -> bool:
    listed = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return listed.stdout.strip()[:1] not in ("", "Z")


@lists_processes
def test_the_processes_of_a_killed_committee_end_with_it(tmp_path: Path) -> None:
    process = start(tmp_path, "--epochs", "8000", "--patience", "8000")
    while process.poll() is None and len(list(tmp_path.glob("*.checkpoint"))) < 2:
        time.sleep(0.02)
    started = children(process.pid)
    assert len(started) >= 3  # two that train, and one that clears up what the system lends
    process.kill()
    process.communicate()
    end = time.monotonic() + 30
    while any(map(is_running, started)) and time.monotonic() < end:
        time.sleep(0.1)
    assert not [pid for pid in started if is_running(pid)]


@lists_processes
@pytest.mark.parametrize("delay", [0.0, 0.2])
def test_ctrl_c_while_the_processes_start_leaves_no_traceback(tmp_path: Path, delay: float) -> None:
    process = start(tmp_path, "--epochs", "8000", "--patience", "8000")
    while process.poll() is None and len(children(process.pid)) < 3:
        time.sleep(0.01)
    time.sleep(delay)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED
    plan = "training", "recipe", "network"
    assert [line for line in stderr.splitlines() if not line.startswith(plan)] in (
        [],
        ["interrupted before the first epoch ended; nothing was saved"],
    )


def test_checkpoints_of_an_earlier_run_are_not_taken_for_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(RECIPES["small"], hidden_layer_sizes=(16,), epochs=1)
    output = tmp_path / "model.joblib"
    train_model(load_digits(), Plan(recipe, members=2), output=output, jobs=1)
    members = plan_members(load_digits(), Plan(recipe, members=2), output, False, 0)
    assert all(member.checkpoint and member.checkpoint.load() for member in members)

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("digitcli.training.run.train_members", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train_model(load_digits(), Plan(recipe, members=2), output=output)
