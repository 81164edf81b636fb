"""Search for better hyperparameters: random changes of a recipe, judged by validation images."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from digitcli.data.dataset import Dataset
from digitcli.errors import TrainingError
from digitcli.files import atomic_write
from digitcli.training.augment import Augmentation
from digitcli.training.checkpoint import checkpoint_path
from digitcli.training.committee import OnEpoch, OnPart, train_members
from digitcli.training.recipe import Recipe
from digitcli.training.run import (
    Plan,
    check_size,
    plan_members,
    remove_checkpoints,
    training_data,
    trial_output,
)
from digitcli.training.trainer import TrainingState

_SHARES = ("wild", "degrade", "blur", "fade")
"""Strengths of distortions that cannot be above 1."""


@dataclass(frozen=True)
class Trial:
    """How a network fared that was trained with one set of hyperparameters.

    Attributes
    ----------
    number : int
        From 1.
    recipe : Recipe
    strength : float
        Of its distortions, as a multiple of the first recipe's.
    epochs : int
        Epochs run; 0 when it diverged.
    validation_loss : float
        The least over its epochs, infinite when it diverged.
    validation_accuracy : float
        In that epoch, 0 to 1.
    """

    number: int
    recipe: Recipe
    strength: float
    epochs: int
    validation_loss: float
    validation_accuracy: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain builtins: what differs between trials, and how they fared."""
        recipe = asdict(self.recipe)
        names = ("learning_rate_init", "batch_size", "momentum", "alpha")
        return {name: recipe[name] for name in names} | {
            "distortion": self.strength,
            "epochs": self.epochs,
            "validation_loss": self.validation_loss if self.epochs else None,
            "validation_accuracy": self.validation_accuracy if self.epochs else None,
        }


def draw_recipes(recipe: Recipe, count: int, *, seed: int) -> list[tuple[Recipe, float]]:
    """Return `count` recipes and the strength of their distortions; the first is `recipe`.

    Each of the others is drawn on its own, log-uniformly: the learning rate from a quarter to four
    times the recipe's, the L2 penalty from a tenth to ten times, one minus the momentum from half
    to twice, the strength of the distortions from half to one and a half, and the batch size half,
    equal or double. The same seed gives the same recipes, and a larger count only adds some.

    References
    ----------
    Bergstra, Bengio: Random Search for Hyper-Parameter Optimization. JMLR 13, 2012.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0x5EA4C8,)))

    def between(low: float, high: float) -> float:
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    drawn = [(recipe, 1.0)]
    while len(drawn) < count:
        rate, penalty, friction = between(1 / 4, 4), between(1 / 10, 10), between(1 / 2, 2)
        batch, strength = 2.0 ** rng.integers(-1, 2), round(between(0.5, 1.5), 2)
        changed = replace(
            recipe,
            learning_rate_init=_rounded(recipe.learning_rate_init * rate),
            batch_size=max(1, int(recipe.batch_size * batch)),
            momentum=_rounded(max(0.0, 1 - (1 - recipe.momentum) * friction)),
            alpha=_rounded(max(recipe.alpha, 1e-6) * penalty),
            augmentation=_scaled(recipe.augmentation, strength),
        )
        drawn.append((changed, strength))
    return drawn


def search(
    dataset: Dataset,
    plan: Plan,
    count: int,
    *,
    output: Path | None = None,
    resume: bool = False,
    checkpoint_interval: float = 30.0,
    jobs: int | None = None,
    scheduler: str | None = None,
    on_epoch: OnEpoch | None = None,
    on_part: OnPart | None = None,
) -> list[Trial]:
    """Train a network with the recipe of `plan` and `count` - 1 others near it.

    All start with the same seed and are judged by the same validation images; the test images take
    no part. The parameters are those of `train_model`; `on_epoch` and `on_part` receive the number
    of a trial, from 0. The checkpoint of the best is left as that of the (first) network of the
    plan, which `train_model` need then not train again.

    Raises
    ------
    TrainingError
        When there are no validation images, the networks are too large, or every trial diverges.
    KeyboardInterrupt
        On Ctrl-C.
    """
    check_size(plan)
    data = training_data(dataset, plan)
    if not len(data.validation):
        raise TrainingError("a search is judged by validation images; give --validation 0.1")
    if output is not None:
        output = output.absolute()
        if not resume:
            remove_checkpoints(output)
    drawn = draw_recipes(plan.recipe, count, seed=plan.seed)
    members = []
    for number, (recipe, _) in enumerate(drawn, 1):
        beside = None if output is None else trial_output(output, number)
        alone = replace(plan, recipe=recipe, members=1)
        (member,) = plan_members(
            dataset, alone, beside, resume or scheduler is not None, checkpoint_interval
        )
        members.append(replace(member, may_diverge=True))
    states = train_members(
        data, members, jobs=jobs, scheduler=scheduler, on_epoch=on_epoch, on_part=on_part
    )
    trials = [
        _trial(number, recipe, strength, state)
        for number, ((recipe, strength), state) in enumerate(zip(drawn, states, strict=True), 1)
    ]
    best = best_trial(trials)
    if output is not None:
        first = checkpoint_path(output, 1 if plan.members > 1 else None)
        # Workers that do not share the disk have left it elsewhere.
        with contextlib.suppress(FileNotFoundError):
            content = checkpoint_path(trial_output(output, best.number)).read_bytes()
            with atomic_write(first) as file:
                file.write(content)
    return trials


def best_trial(trials: Sequence[Trial]) -> Trial:
    """Return the trial with the least validation loss.

    Raises
    ------
    TrainingError
        When all have diverged.
    """
    best = min(trials, key=lambda trial: trial.validation_loss)
    if not best.epochs:
        raise TrainingError("every trial diverged; try a lower --learning-rate")
    return best


def _trial(number: int, recipe: Recipe, strength: float, state: TrainingState) -> Trial:
    accuracy = state.history[state.best_epoch - 1]["validation_accuracy"] if state.epoch else 0.0
    return Trial(number, recipe, strength, state.epoch, state.best_loss, accuracy)


def _scaled(augmentation: Augmentation | None, strength: float) -> Augmentation | None:
    if augmentation is None:
        return None
    stronger = augmentation.weakened(strength)
    return replace(stronger, **{name: min(1.0, getattr(stronger, name)) for name in _SHARES})


def _rounded(number: float) -> float:
    """Round to three digits, which is all that a person wants to repeat."""
    return float(f"{number:.3g}")
