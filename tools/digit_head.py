"""Learn what is a digit at all: an output beside the ten of a model, which leaves them as they are.

    python tools/digit_head.py MODEL.joblib TRAINING.npz -o WITH.joblib

The last hidden layer of the network is what is looked at, by logistic regression. TRAINING.npz is
what `tools/shipped_training_set.py --writer` makes: digits, and marks that are none. Hidden units
that stay at zero for all of these do nothing but take room, and are left out.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score

from digitcli import load_dataset, load_model
from digitcli.data.dataset import NO_DIGIT
from digitcli.model.input import INPUT_FEATURES, as_pixels
from digitcli.model.modelfile import save_model
from digitcli.model.network import Model, Network
from digitcli.writing.writer import write_digits, write_marks

SEED = 4
MOST = 60_000
"""Digits that are learned from."""
MARKS, MARKS_SEED = 10_000, 70
"""More marks, by other people."""
STRENGTHS = 0.01, 0.1, 1.0
"""Inverse strengths of regularization, of which the best is taken: on what other people wrote."""
VALIDATION, VALIDATION_SEED = 4000, 71


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model", type=Path)
    parser.add_argument("training", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    model = load_model(options.model)
    (network,) = model.members
    data = load_dataset(str(options.training)).part("train")
    rng = np.random.default_rng(SEED)
    digits = rng.permutation(np.flatnonzero(data.labels != NO_DIGIT))[:MOST]
    none = data.images[data.labels == NO_DIGIT]
    inputs, labels = joined(
        network, data.images[digits], [none, write_marks(MARKS, seed=MARKS_SEED)]
    )
    written, _ = write_digits(VALIDATION, seed=VALIDATION_SEED)
    checked, wanted = joined(network, written, [write_marks(VALIDATION, seed=VALIDATION_SEED)])
    best = None
    for strength in STRENGTHS:
        fitted = LogisticRegression(C=strength, max_iter=500).fit(inputs, labels)
        odds = fitted.decision_function(checked)
        loss = log_loss(wanted, 1 / (1 + np.exp(-odds)))
        print(f"{strength}: log loss {loss:.4f}, AUROC {roc_auc_score(wanted, odds):.4f}")
        if best is None or loss < best[0]:
            best = loss, fitted
    assert best is not None
    head = np.append(best[1].coef_[0], best[1].intercept_).astype(np.float32)
    with_head = Network(network.stored, network.biases, network.input_features, head)
    busy = without_idle(with_head, data.images)
    save_model(Model((busy,), model.metadata, model.name), options.output, dtype="float16")


def without_idle(network: Network, images: NDArray[np.uint8]) -> Network:
    """Leave out the hidden units that are zero for all of some images."""
    busy = [np.zeros(size, np.bool_) for size in network.layer_sizes[1:-1]]
    for part in np.array_split(images, max(1, len(images) // 2000)):
        values = INPUT_FEATURES[network.input_features].of(as_pixels(part))
        for layer, found in enumerate(busy):
            values = np.maximum(values @ network.weights[layer] + network.biases[layer], 0)
            found |= values.any(0)
    inner = [np.ones(network.layer_sizes[0], np.bool_), *busy, np.ones(10, np.bool_)]
    print("hidden units:", *(np.count_nonzero(found) for found in busy))
    return Network(
        tuple(w[np.ix_(*inner[n : n + 2])] for n, w in enumerate(network.stored)),
        tuple(bias[kept] for bias, kept in zip(network.biases, inner[1:], strict=True)),
        network.input_features,
        None if network.of_digits is None else network.of_digits[np.append(busy[-1], True)],
    )


def joined(
    network: Network, digits: NDArray[np.uint8], others: list[NDArray[np.uint8]]
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Return the hidden layer for digits and for what is none, and which is which."""
    images = np.concatenate([digits, *others])
    hidden = np.concatenate(
        [network.hidden(as_pixels(part)) for part in np.array_split(images, len(images) // 2000)]
    )
    return hidden, (np.arange(len(images)) < len(digits)).astype(np.intp)


if __name__ == "__main__":
    main()
