"""Training speed: digitcli's loop against a plain `MLPClassifier.fit`, and against sgemm's peak.

    python benchmarks/training_throughput.py [--recipe standard] [--rounds 3] [--images 60000]

Each round measures, one right after the other: the machine's peak in single-precision matrix
products; digitcli's trainer with the recipe on MNIST, distortions included, in its second epoch;
and scikit-learn's `MLPClassifier(hidden_layer_sizes=…, solver="sgd").fit` with its default batch
size on float64 data. Only ratios within a round mean anything on a busy machine.

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
from digitcli.training.committee import cpu_count
from digitcli.training.recipe import RECIPES, Recipe
from digitcli.training.trainer import (
    EpochRecord,
    TrainingData,
    initial_state,
    split_validation,
    train,
)


def sgemm_peak(side: int = 2048, seconds: float = 1.0) -> float:
    """Most floating-point operations a second that a large matrix product reaches."""
    a = np.random.default_rng(0).random((side, side), dtype=np.float32)
    out = np.empty_like(a)
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        np.matmul(a, a, out=out)
        best = min(best, time.perf_counter() - start)
    return 2 * side**3 / best


def operations(recipe: Recipe) -> int:
    """Floating-point operations of forward and backward pass for one image."""
    sizes = (784, *recipe.hidden_layer_sizes, 10)
    return sum(6 * a * b for a, b in pairwise(sizes)) - 2 * 784 * sizes[1]


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
    """Images a second of scikit-learn's own loop as most people call it."""
    features = data.training.images.reshape(-1, 784) / 255.0
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
    layers = "-".join(map(str, (784, *recipe.hidden_layer_sizes, 10)))
    print(f"{layers}, batches of {recipe.batch_size}, {len(data.training):,} images")
    print("round   peak GF/s   in fit   all in all   plain fit   of the peak   against plain")
    shares, factors = [], []
    for number in range(1, arguments.rounds + 1):
        peak = sgemm_peak()
        inside, overall = digitcli_speed(data, recipe)
        peak = max(peak, sgemm_peak())
        plain = plain_speed(data, recipe)
        shares.append(inside * operations(recipe) / peak)
        factors.append(overall / plain)
        print(
            f"{number:5} {peak / 1e9:11,.0f} {inside:8,.0f} {overall:12,.0f} {plain:11,.0f} "
            f"{shares[-1]:13.2f} {factors[-1]:15.1f}"
        )
    share, factor = statistics.median(shares), statistics.median(factors)
    print(f"median: {share:.2f} of the peak; {factor:.1f} times plain MLPClassifier.fit")


if __name__ == "__main__":
    main()
