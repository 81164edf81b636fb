"""Mix two models of the same layers: what one knows best with what the other learned after it.

    python tools/mixed_model.py BEFORE.joblib AFTER.joblib -o MIXED.joblib

A network that goes on to learn other hands, and to be sure of none where there is no digit, forgets
a little of what it knew. Between its weights before and after lie networks that keep most of both.
The share of the weights after was chosen by training digits distorted anew, by digits that other
people than those of the training wrote, and by marks (digitcli.writing). The temperature is fitted
to the distorted digits.

References
----------
Wortsman et al.: Robust Fine-Tuning of Zero-Shot Models. CVPR 2022.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from digitcli import load_dataset, load_model
from digitcli.model.modelfile import save_model
from digitcli.model.network import Model, Network
from digitcli.training.augment import augmented_epochs
from digitcli.training.calibration import fit_temperature, fold_temperature
from digitcli.training.recipe import HANDWRITING

AFTER = 0.7
STRENGTH, SEED = 0.8, 77
"""Of the distortions."""
DIGITS = 12_000


def mixed(before: Network, after: Network, share: float) -> Network:
    """Mean of two networks' weights, with a share of `after`."""
    weights, biases = (
        tuple((1 - share) * one + share * other for one, other in zip(*both, strict=True))
        for both in ((before.weights, after.weights), (before.biases, after.biases))
    )
    return Network(weights, biases, after.input_features)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--share", type=float, default=AFTER, help="of the weights after")
    parser.add_argument("--data-dir", type=Path, help="where `digitcli fetch` put MNIST")
    options = parser.parse_args()

    after = load_model(options.after)
    network = mixed(load_model(options.before).members[0], after.members[0], options.share)
    digits = load_dataset("mnist", data_dir=options.data_dir).part("train")
    chosen = np.random.default_rng(SEED).permutation(len(digits))[:DIGITS]
    distorted, labels = next(
        augmented_epochs(
            digits.images[chosen],
            digits.labels[chosen],
            lambda _: HANDWRITING.weakened(STRENGTH),
            seed=SEED,
            epochs=range(1),
            threads=1,
        )
    )
    temperature = fit_temperature([network.predict_proba(distorted)], labels)
    network = fold_temperature(network, temperature)
    metadata = after.metadata | {"mixed_with_before": 1 - options.share, "temperature": temperature}
    metadata.pop("metrics", None)  # those of the model after
    save_model(Model((network,), metadata, after.name), options.output, dtype="float16")
    print(options.output)


if __name__ == "__main__":
    main()
