"""Training speed: digitcli's loop against a plain `MLPClassifier.fit`, and against sgemm's peak.

    python benchmarks/training_throughput.py [--recipe standard] [--rounds 3] [--images 60000]

Each round measures, one right after the other: the machine's peak in single-precision matrix
products; digitcli's trainer with the recipe on MNIST in its second epoch, with fresh distortions
(which take processor time of their own meanwhile) and without, when it does what the last one
does; and scikit-learn's `MLPClassifier(hidden_layer_sizes=…, solver="sgd").fit` with its default
batch size on float64 data. Only ratios within a round mean anything on a busy machine.

The arithmetic of a step is 2 operations per weight and image forwards, 4 backwards, less the
gradient of the input, which nobody needs.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from sklearn.neural_network import MLPClassifier

from digitcli.data.sources import load_dataset
from digitcli.model.input import INPUT_FEATURES, as_pixels
from digitcli.training.committee import cpu_count
from digitcli.training.recipe import RECIPES, Recipe
from digitcli.training.trainer import (
    EpochRecord,
    TrainingData,
    initial_state,
    split_validation,
    train,
)
from pairs import sgemm_peak


def operations(recipe: Recipe) -> int:
    """Floating-point operations of forward and backward pass for one image."""
    sizes = layer_sizes(recipe)
    return sum(6 * a * b for a, b in pairwise(sizes)) - 2 * sizes[0] * sizes[1]


def layer_sizes(recipe: Recipe) -> tuple[int, ...]:
    inputs = INPUT_FEATURES[recipe.input_features[0]].inputs
    return (inputs, *recipe.hidden_layer_sizes, 10)


def digitcli_speed(data: TrainingData, recipe: Recipe) -> tuple[float, float]:
    """Images a second inside MLPClassifier, and all in all, in the second epoch."""
    ends: list[float] = []
    records: list[EpochRecord] = []

    def on_epoch(record: EpochRecord) -> None:
        ends.append(time.perf_counter())
        records.append(record)

    train(
        data,
        replace(recipe, epochs=3, calm_epochs=0),
        seed=0,
        state=initial_state(recipe, seed=0),
        patience=99,
        threads=cpu_count(),
        on_epoch=on_epoch,
    )
    # While the last epoch is trained nothing is distorted any more, so it does not count.
    return records[1].samples_per_second, len(data.training) / (ends[1] - ends[0])


def plain_speed(data: TrainingData, recipe: Recipe) -> float:
    """Images a second of scikit-learn's own loop as most people call it, on the same features."""
    pixels = as_pixels(data.training.images)
    features = INPUT_FEATURES[recipe.input_features[0]].of(pixels).astype(np.float64)
    classifier = MLPClassifier(
        hidden_layer_sizes=recipe.hidden_layer_sizes, solver="sgd", max_iter=1, random_state=0
    )
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        classifier.fit(features, data.training.labels)
    return len(features) / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--recipe", choices=RECIPES, default="standard")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=60_000, help="use only so many of MNIST's")
    parser.add_argument("--data-dir", type=Path)
    arguments = parser.parse_args()
    recipe = RECIPES[arguments.recipe]
    dataset = load_dataset("mnist", data_dir=arguments.data_dir)
    training = dataset.part("train").take(np.arange(arguments.images))
    data = split_validation(training, 0.1, seed=0)
    layers = "-".join(map(str, layer_sizes(recipe)))
    print(f"{layers}, batches of {recipe.batch_size}, {len(data.training):,} images")
    print("images a second of digitcli, distorted and not, and of plain MLPClassifier.fit")
    print("round   peak GF/s   distorted   of peak   undistorted   of peak   plain   times plain")
    undistorted = replace(recipe, augmentation=None)
    rounds = []
    for number in range(1, arguments.rounds + 1):
        peak = sgemm_peak()
        distorted, distorted_overall = digitcli_speed(data, recipe)
        same, same_overall = digitcli_speed(data, undistorted)
        peak = max(peak, sgemm_peak()) / operations(recipe)  # in images a second
        plain = plain_speed(data, recipe)
        row = distorted / peak, same / peak, distorted_overall / plain, same_overall / plain
        rounds.append(row)
        print(
            f"{number:5} {peak * operations(recipe) / 1e9:11,.0f} {distorted:11,.0f} {row[0]:9.2f} "
            f"{same:13,.0f} {row[1]:9.2f} {plain:7,.0f} {row[2]:8.1f}, {row[3]:.1f}"
        )
    medians = [statistics.median(column) for column in zip(*rounds, strict=True)]
    print(
        "medians: {:.2f} of the peak, undistorted {:.2f}; {:.1f} times plain MLPClassifier.fit, "
        "on the same images {:.1f} times".format(*medians)
    )


if __name__ == "__main__":
    main()
