"""The recipes and the schedule they describe."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from digitcli.training.augment import Augmentation
from digitcli.training.recipe import RECIPES, Recipe


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES.keys())
def test_the_rate_rises_to_its_peak_then_falls_to_zero(recipe: Recipe) -> None:
    times = np.arange(0, recipe.epochs + 0.25, 0.25)
    rates = np.array([recipe.learning_rate(time) for time in times])
    peak = int(rates.argmax())
    assert rates[peak] == pytest.approx(recipe.learning_rate_init, rel=0.02)
    assert 0 < rates[0] < recipe.learning_rate_init
    assert (np.diff(rates[: peak + 1]) >= 0).all()
    assert (np.diff(rates[peak:]) <= 0).all()
    assert rates[-1] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("epochs", "calm"), [(40, 8), (4, 1), (1, 0), (80, 8)])
def test_a_short_training_is_calm_at_its_end_alone(epochs: int, calm: int) -> None:
    recipe = RECIPES["standard"].shortened(epochs)
    assert (recipe.epochs, recipe.calm_epochs) == (epochs, calm)


def test_the_default_recipes_are_ordered_by_effort() -> None:
    work = [
        RECIPES[name].epochs
        * sum(
            a * b
            for a, b in zip(
                (784, *RECIPES[name].hidden_layer_sizes),
                (*RECIPES[name].hidden_layer_sizes, 10),
                strict=True,
            )
        )
        for name in ("quick", "standard", "best")
    ]
    assert work == sorted(work)
    assert work[1] > 3 * work[0]


def test_the_last_epochs_are_calmer() -> None:
    recipe = replace(RECIPES["standard"], epochs=10, calm_epochs=3)
    assert recipe.augmentation is not None
    for epoch in range(7):
        assert recipe.augmentation_at(epoch) == recipe.augmentation
    for epoch in range(7, 10):
        assert recipe.augmentation_at(epoch) == recipe.augmentation.weakened(0.5)
    assert replace(recipe, augmentation=None).augmentation_at(9) == Augmentation()
