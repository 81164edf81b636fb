"""Let a model learn on at an even rate, and take the mean of its weights after each epoch.

    python tools/averaged_model.py MODEL.joblib TRAINING.npz -o AFTER.joblib [--epochs 40]

Each epoch of an even rate ends at some other side of the same valley; their mean lies lower than
where any of them or a falling rate ends. The file is written anew after each epoch that counts, so
the run may be ended at any time.

References
----------
Izmailov, Podoprikhin, Garipov, Vetrov, Wilson: Averaging Weights Leads to Wider Optima and Better
Generalization. UAI 2018.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from digitcli import load_dataset, load_model
from digitcli.model.modelfile import save_model
from digitcli.model.network import Model, Network
from digitcli.training.recipe import EVERYDAY, RECIPES, Recipe
from digitcli.training.trainer import (
    EpochRecord,
    TrainingState,
    split_validation,
    state_from,
    train,
)

RATE, WARM_UP, SKIPPED = 0.05, 1, 4
"""Epochs in which the rate rises, and epochs that do not count for the mean."""
STRENGTH = 0.6
"""Of the distortions."""
SEED = 5


@dataclass(frozen=True)
class EvenRecipe(Recipe):
    """A recipe whose learning rate does not fall."""

    def learning_rate(self, epoch: float) -> float:
        return self.learning_rate_init * min(1.0, (epoch + 1) / (self.warmup_epochs + 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model", type=Path)
    parser.add_argument("training", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--learning-rate", type=float, default=RATE)
    options = parser.parse_args()
    before = load_model(options.model)
    shipped = RECIPES["shipped"]
    recipe = EvenRecipe(
        **{name: getattr(shipped, name) for name in Recipe.__dataclass_fields__}
        | {
            "epochs": options.epochs,
            "warmup_epochs": WARM_UP,
            "learning_rate_init": options.learning_rate,
            "augmentation": EVERYDAY.weakened(STRENGTH),
            "calm_epochs": 0,
        }
    )
    counted: list[Network] = []
    mean: list[np.ndarray] = []

    def count(state: TrainingState) -> None:
        if state.epoch <= SKIPPED:
            return
        network = state.network
        values = [array.astype(np.float64) for array in (*network.weights, *network.biases)]
        counted[:] = [network]
        share = 1 / (state.epoch - SKIPPED)
        mean[:] = [
            old + share * (new - old) for old, new in zip(mean or values, values, strict=True)
        ]
        arrays = [array.astype(np.float32) for array in mean]
        layers = len(network.weights)
        averaged = Network(tuple(arrays[:layers]), tuple(arrays[layers:]), network.input_features)
        metadata = before.metadata | {"averaged_epochs": state.epoch - SKIPPED}
        save_model(Model((averaged,), metadata, before.name), options.output)

    def tell(record: EpochRecord) -> None:
        print(f"epoch {record.epoch}: loss {record.training_loss:.4f}", flush=True)

    data = split_validation(load_dataset(str(options.training)).part("train"), 0, seed=SEED)
    start = before.members[0]
    start = Network(start.weights, start.biases, start.input_features)
    train(
        data,
        recipe,
        seed=SEED,
        state=state_from(start),
        patience=options.epochs,
        on_epoch=tell,
        on_state=count,
    )


if __name__ == "__main__":
    main()
