"""`train --init-from`: teach a model a handwriting without its forgetting the rest."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import Run, load_digits
from digitcli.data.dataset import Dataset
from digitcli.errors import ExitCode
from digitcli.model.modelfile import load_model, save_model
from digitcli.training.recipe import RECIPES
from digitcli.training.run import Plan, train_model

pytestmark = pytest.mark.slow("training")


@pytest.fixture(scope="module")
def hand() -> Dataset:
    """The digits of somebody who leans far to the left, 300 to learn from and 200 to test."""
    digits = load_digits()
    chosen = digits.take(np.random.default_rng(0).permutation(len(digits))[:500])
    leaning = [
        Image.fromarray(image).transform(
            (28, 28), Image.Transform.AFFINE, (1, -0.8, 0.8 * 13.5, 0, 1, 0)
        )
        for image in chosen.images
    ]
    split = np.repeat(["train", "test"], [300, 200])
    return Dataset("hand", np.stack([np.asarray(image) for image in leaning]), chosen.labels, split)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has never seen such a hand."""
    path = tmp_path_factory.mktemp("known") / "known.joblib"
    recipe = replace(RECIPES["small"], hidden_layer_sizes=(48,), epochs=12)
    save_model(train_model(load_digits(), Plan(recipe)).model, path)
    return path


@pytest.fixture
def mnist_there(shared_data: Path, tmp_path: Path) -> Path:
    """A data folder as `fetch` leaves it."""
    (tmp_path / "data").mkdir()
    shutil.copytree(shared_data / "mnist", tmp_path / "data" / "mnist")
    return tmp_path / "data"


def accuracy(path: Path, data: Dataset) -> float:
    return float((load_model(path).predict(data.images) == data.labels).mean())


def test_a_folder_of_a_few_hundred_pictures_teaches_a_handwriting(
    digitcli: Run, tmp_path: Path, hand: Dataset, known: Path
) -> None:
    for index, (image, label, split) in enumerate(
        zip(hand.images, hand.labels, hand.split, strict=True)
    ):
        folder = tmp_path / "hand" / split / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(255 - image).save(folder / f"{index:04}.png")
    result = digitcli("train", "--dataset", "hand", "--init-from", known, "-o", "mine.joblib")
    assert result.returncode == ExitCode.OK, result.stderr
    assert "mixing in 1,442 images of digits" in result.stderr
    before, after = re.search(r"(\d+\.\d+)% → (\d+\.\d+)%", result.stderr).groups()  # type: ignore[union-attr]
    assert float(after) > float(before) + 10

    mine = tmp_path / "mine.joblib"
    digits = load_digits().part("test")
    assert accuracy(mine, digits) >= accuracy(known, digits) - 0.01
    metadata = load_model(mine).metadata
    assert metadata["recipe"] == "fine-tune"
    assert metadata["rehearsal"]["name"] == "digits"
    assert metadata["init_from"]["data"]["name"] == "digits"


def test_a_single_digit_can_be_taught(
    digitcli: Run, tmp_path: Path, hand: Dataset, known: Path
) -> None:
    """What is rehearsed holds the other digits."""
    sevens = hand.take(np.flatnonzero(hand.labels == 7))
    sevens.save(tmp_path / "sevens.npz")
    result = digitcli("train", "--dataset", "sevens.npz", "--init-from", known)
    assert result.returncode == ExitCode.OK, result.stderr
    mine = tmp_path / "model.joblib"
    assert accuracy(mine, sevens.part("test")) > accuracy(known, sevens.part("test"))
    digits = load_digits().part("test")
    assert accuracy(mine, digits) >= accuracy(known, digits) - 0.01


@pytest.mark.parametrize(("option", "value"), [("--hidden", "12"), ("--features", "pixels")])
def test_layers_and_features_are_those_of_the_model(
    digitcli: Run, known: Path, option: str, value: str
) -> None:
    result = digitcli("train", "--dataset", "digits", "--init-from", known, option, value)
    assert result.returncode == ExitCode.USAGE
    assert f"{option} and --init-from exclude each other" in result.stderr


@pytest.mark.parametrize("options", [(), ("--rehearse", "digits")])
def test_what_is_rehearsed_does_not_depend_on_what_was_fetched(
    digitcli: Run,
    tmp_path: Path,
    hand: Dataset,
    known: Path,
    mnist_there: Path,
    options: tuple[str, ...],
) -> None:
    hand.part("train").save(tmp_path / "hand.npz")
    train = "train", "--dataset", "hand.npz", "--init-from", known, "--epochs", "1", *options
    for output, folder in (("without", tmp_path / "empty"), ("with", mnist_there)):
        result = digitcli(*train, "-o", f"{output}.joblib", "--data-dir", folder)
        assert result.returncode == ExitCode.OK, result.stderr
        assert "mixing in 1,442 images of digits" in result.stderr
    without, there = ((tmp_path / f"{name}.joblib").read_bytes() for name in ("without", "with"))
    assert without == there


def test_another_dataset_or_none_is_rehearsed_where_that_is_asked_for(
    digitcli: Run, tmp_path: Path, hand: Dataset, known: Path
) -> None:
    hand.part("train").save(tmp_path / "hand.npz")
    train = "train", "--dataset", "hand.npz", "--epochs", "1"
    result = digitcli(*train, "--init-from", known, "--rehearse", "none")
    assert result.returncode == ExitCode.OK, result.stderr
    assert "mixing in" not in result.stderr
    result = digitcli(*train, "--init-from", known, "--rehearse", "hand.npz")
    assert "mixing in 300 images of hand" in result.stderr
    result = digitcli(*train, "--rehearse", "digits")
    assert result.returncode == ExitCode.USAGE
    assert "--init-from" in result.stderr


def test_equal_inputs_give_an_equal_model(hand: Dataset, known: Path) -> None:
    recipe = replace(RECIPES["fine-tune"], hidden_layer_sizes=(48,), epochs=1)
    plan = Plan(recipe, start=load_model(known), rehearsal=load_digits().part("train"))
    one, other = (train_model(hand, plan).model for _ in range(2))
    for a, b in zip(one.members[0].weights, other.members[0].weights, strict=True):
        np.testing.assert_array_equal(a, b)
    start = load_model(known).members[0].weights[0]
    assert not np.array_equal(one.members[0].weights[0], start)
