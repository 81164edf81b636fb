"""`train --search`: random hyperparameters, chosen by validation images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from conftest import load_digits
from digitcli.cli.app import run
from digitcli.errors import ExitCode, TrainingError
from digitcli.model.modelfile import load_model
from digitcli.training import search as module
from digitcli.training.recipe import RECIPES
from digitcli.training.run import Plan
from digitcli.training.search import best_trial, draw_recipes, search
from digitcli.training.trainer import train

TINY = replace(RECIPES["small"], hidden_layer_sizes=(8,), epochs=2)


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train one after the other: no processes to start."""
    one_by_one = module.train_members

    def train_members(data, members, *, on_epoch=None, **options):  # type: ignore[no-untyped-def]
        return [
            one_by_one(
                data,
                [member],
                on_epoch=on_epoch and (lambda _, record, index=index: on_epoch(index, record)),
            )[0]
            for index, member in enumerate(members)
        ]

    monkeypatch.setattr(module, "train_members", train_members)


def test_recipes_are_drawn_around_the_first_and_repeat_with_the_seed() -> None:
    recipe = RECIPES["shipped"]
    drawn = draw_recipes(recipe, 40, seed=1)
    assert drawn[0] == (recipe, 1.0)
    assert drawn[:10] == draw_recipes(recipe, 10, seed=1)
    assert drawn[1:] != draw_recipes(recipe, 40, seed=2)[1:]
    rates = [changed.learning_rate_init / recipe.learning_rate_init for changed, _ in drawn]
    assert 0.24 < min(rates) < 0.5
    assert 2 < max(rates) < 4.1
    assert {changed.batch_size for changed, _ in drawn} == {256, 512, 1024}
    for changed, strength in drawn:
        assert changed.augmentation is not None
        assert changed.augmentation.rotation == pytest.approx(strength * 12)
        assert changed.augmentation.blur <= 1
        assert changed.hidden_layer_sizes == recipe.hidden_layer_sizes


def test_the_trial_with_the_least_validation_loss_becomes_the_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["train", "--dataset", "digits", "--hidden", "8", "--epochs", "2", "--search", "4"]
    assert run([*command, "-o", "a.joblib"]) == ExitCode.OK
    stdout, stderr = capsys.readouterr()
    assert stdout == "a.joblib\n"
    assert "trial 4, epoch 2 of 2" in stderr
    (row,) = [line for line in stderr.splitlines() if "best" in line and "%" in line]
    model = load_model("a.joblib")
    trials = model.metadata["search"]
    best = min(trials, key=lambda trial: trial["validation_loss"])
    assert len(trials) == 4
    assert row.split()[0] == str(1 + trials.index(best))
    for name in ("learning_rate_init", "batch_size", "momentum", "alpha"):
        assert model.metadata["hyperparameters"][name] == best[name]
    assert model.metadata["history"]["validation_loss"][-1] == best["validation_loss"]
    assert {path.name for path in tmp_path.iterdir()} == {"a.joblib"}

    assert run([*command, "-o", "b.joblib"]) == ExitCode.OK
    assert Path("a.joblib").read_bytes() == Path("b.joblib").read_bytes()


def test_the_test_images_take_no_part() -> None:
    digits = load_digits()
    other = replace(digits, labels=digits.labels.copy())
    other.labels[other.split == "test"] = 0
    assert search(digits, Plan(TINY), 3) == search(other, Plan(TINY), 3)


def test_an_interrupted_search_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits, plan, output = load_digits(), Plan(TINY), tmp_path / "model.joblib"

    def interrupt(trial: int, _: object) -> None:
        if trial == 2:
            raise KeyboardInterrupt

    whole = search(digits, plan, 3)
    with pytest.raises(BaseException):  # noqa: B017, PT011 - of one network, not of processes
        search(digits, plan, 3, output=output, on_epoch=interrupt)
    assert len(list(tmp_path.glob("*.trial*.checkpoint"))) >= 2
    epochs = []
    again = search(
        digits, plan, 3, output=output, resume=True, on_epoch=lambda t, _: epochs.append(t)
    )
    assert again == whole
    assert set(epochs) == {2}


def test_a_trial_that_diverges_only_loses(monkeypatch: pytest.MonkeyPatch) -> None:
    def diverge(data: object, recipe: object, **options: object) -> object:
        if recipe == TINY:
            raise TrainingError("training diverged")
        return train(data, recipe, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("digitcli.training.committee.train", diverge)
    trials = search(load_digits(), Plan(TINY), 2)
    assert [trial.epochs for trial in trials] == [0, 2]
    assert best_trial(trials) is trials[1]
    with pytest.raises(TrainingError, match="every trial diverged"):
        best_trial(trials[:1])


def test_a_search_needs_validation_images() -> None:
    with pytest.raises(TrainingError, match="--validation"):
        search(load_digits(), Plan(TINY, validation=0), 2)


def test_networks_that_are_too_large_are_refused_before_the_trials() -> None:
    plan = Plan(replace(RECIPES["small"], hidden_layer_sizes=(1024,)), members=64)
    with pytest.raises(TrainingError, match="make --hidden smaller"):
        search(load_digits(), plan, 2)
