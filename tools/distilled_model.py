"""Teach a smaller network what a larger one knows.

    python tools/distilled_model.py MODEL.joblib TRAINING.npz -o SMALLER.joblib [--hidden 704 416]

The smaller network starts as a part of the larger one: the hidden units that are least missed are
left out, and those that stay take over their work as well as they can. Then it learns from both,
the labels of the training images and what the larger network makes of the same distorted images;
the latter tells it, too, how near each image is to other digits. The learning rate is even, and the
mean of the weights after each epoch is taken. The file is written before the first epoch and anew
after each, so the run may be ended at any time.

References
----------
Hassibi, Stork: Second Order Derivatives for Network Pruning: Optimal Brain Surgeon. NIPS 1992.
Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network. 2015.
Izmailov et al.: Averaging Weights Leads to Wider Optima and Better Generalization. UAI 2018.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from digitcli import load_dataset, load_model
from digitcli.model.input import INPUT_FEATURES
from digitcli.model.modelfile import save_model
from digitcli.model.network import Model, Network
from digitcli.training.augment import augmented_epochs, augmented_parts
from digitcli.training.recipe import EVERYDAY
from digitcli.training.trainer import any_digit

Floats = NDArray[np.float32]

HIDDEN = 704, 416
EPOCHS, SKIPPED = 40, 4
"""Epochs in all, and those whose weights do not count for the mean."""
RATE, MOMENTUM, DECAY = 0.02, 0.9, 1e-4
"""Of learning, of Nesterov's momentum, and of the L2 penalty, as the recipes have it: 0.05 a batch
of 512."""
BATCH = 512
STRENGTH = 0.7
"""Of the distortions."""
SHARE, SOFTNESS = 0.5, 1.5
"""Share of the loss that is the larger network's, and the temperature at which answers are
compared."""
PRUNED_BY, SEED = 24_000, 6
"""Distorted images by which units are left out."""
PARTS = 16
"""Of an epoch, in which images are distorted together."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model", type=Path)
    parser.add_argument("training", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--hidden", type=int, nargs="+", default=HIDDEN)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    options = parser.parse_args()
    model = load_model(options.model)
    (teacher,) = model.members
    data = load_dataset(str(options.training)).part("train")
    features = distorted_features(teacher, data.images, data.labels)
    learner = Learner(pruned(teacher, features, options.hidden))
    mean = [values.astype(np.float64) for values in learner.values]
    losses: list[float] = []

    def save(epochs: int) -> None:
        values, layers = [array.astype(np.float32) for array in mean], learner.layers
        smaller = Network(tuple(values[:layers]), tuple(values[layers:]), teacher.input_features)
        metadata = model.metadata | {"distilled_epochs": epochs}
        save_model(Model((smaller,), metadata, model.name), options.output)

    save(0)
    for part in augmented_parts(
        data.images,
        data.labels,
        lambda _: EVERYDAY.weakened(STRENGTH),
        arranged,
        seed=SEED,
        epochs=range(options.epochs),
        features=INPUT_FEATURES[teacher.input_features],
    ):
        losses += learner.learn(part.images, part.labels, teacher)
        if part.number < part.parts - 1:
            continue
        print(f"epoch {part.epoch + 1}: loss {np.mean(losses):.4f}", flush=True)
        losses.clear()
        share = 1 / max(1, part.epoch + 1 - SKIPPED)
        mean = [old + share * (new - old) for old, new in zip(mean, learner.values, strict=True)]
        save(part.epoch + 1)


def arranged(labels: NDArray[np.uint8], epoch: int) -> tuple[NDArray[np.uint8], list[slice]]:
    """Cut an epoch into parts, at the borders of batches."""
    bounds = np.linspace(0, -(-len(labels) // BATCH), PARTS + 1).astype(int) * BATCH
    return any_digit(labels, epoch), [slice(*ends) for ends in pairwise(bounds.tolist())]


def distorted_features(
    teacher: Network, images: NDArray[np.uint8], labels: NDArray[np.uint8]
) -> Floats:
    """Return what the network sees of some of the images, distorted."""
    chosen = np.random.default_rng(SEED).permutation(len(images))[:PRUNED_BY]
    features, _ = next(
        augmented_epochs(
            images[chosen],
            labels[chosen],
            lambda _: EVERYDAY.weakened(STRENGTH),
            seed=SEED + 1,
            epochs=range(1),
            features=INPUT_FEATURES[teacher.input_features],
        )
    )
    return features


def pruned(teacher: Network, features: Floats, hidden: list[int]) -> Network:
    """Leave out hidden units, layer by layer, and let the others take over."""
    weights, biases = list(teacher.weights), list(teacher.biases)
    rows = features
    for layer, count in enumerate(hidden):
        rows = np.maximum(rows @ weights[layer] + biases[layer], 0)
        kept, taken_over, bias = least_missed(rows, weights[layer + 1], count)
        print(f"layer {layer + 1}: {count} of {rows.shape[1]} units")
        weights[layer], biases[layer] = weights[layer][:, kept], biases[layer][kept]
        weights[layer + 1] = taken_over
        biases[layer + 1] = biases[layer + 1] + bias
        rows = rows[:, kept]
    return Network(tuple(weights), tuple(biases), teacher.input_features)


def least_missed(
    rows: Floats, outgoing: Floats, count: int
) -> tuple[NDArray[np.intp], Floats, Floats]:
    """Choose units without which the next layer's sums change least, and refit their weights.

    One by one the unit is left out whose loss the others, refitted by least squares, make up for
    best; that is the second-order criterion of the optimal brain surgeon, for a linear layer.

    Parameters
    ----------
    rows : ndarray, shape (n, units)
        What the units answer.
    outgoing : ndarray, shape (units, next)
    count : int
        Units to keep.

    Returns
    -------
    kept : ndarray of int, shape (count,)
    weights : ndarray, shape (count, next)
    bias : ndarray, shape (next,)
        To add.
    """
    centre = rows.mean(axis=0, dtype=np.float64)
    gram = (rows.T @ rows).astype(np.float64) / len(rows) - np.outer(centre, centre)
    gram[np.diag_indices_from(gram)] += 1e-4 * np.trace(gram) / len(gram)
    inverse = np.linalg.inv(gram)
    weights = outgoing.astype(np.float64)
    alive = np.arange(len(gram))
    while len(alive) > count:
        missed = (weights**2).sum(axis=1) / np.diag(inverse)
        out = int(np.argmin(missed))
        column = inverse[:, out] / inverse[out, out]
        weights -= np.outer(column, weights[out])
        inverse -= np.outer(column, inverse[out])
        rest = np.arange(len(alive)) != out
        weights, alive = weights[rest], alive[rest]
        inverse = inverse[np.ix_(rest, rest)]
    bias = centre @ outgoing - centre[alive] @ weights
    return alive, weights.astype(np.float32), bias.astype(np.float32)


class Learner:
    """Stochastic gradient descent with Nesterov's momentum, by backpropagation."""

    def __init__(self, network: Network) -> None:
        self.layers = len(network.biases)
        self.values = [array.astype(np.float32) for array in (*network.weights, *network.biases)]
        self._speeds = [np.zeros_like(array) for array in self.values]

    def learn(
        self, features: Floats, labels: NDArray[np.uint8], teacher: Network
    ) -> Iterator[float]:
        """Take a step for each batch, and give its loss for the labels."""
        for start in range(0, len(labels), BATCH):
            rows, true = features[start : start + BATCH], labels[start : start + BATCH]
            taught = softened(np.log(np.maximum(teacher.predict_proba_of(rows), 1e-12)))
            yield self._step(rows, true, taught)

    def _step(self, rows: Floats, true: NDArray[np.uint8], taught: Floats) -> float:
        weights, biases = self.values[: self.layers], self.values[self.layers :]
        answers = [rows]
        for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            rows = rows @ weight
            rows += bias
            if layer < self.layers - 1:
                np.maximum(rows, np.zeros(rows.shape[1], np.float32), out=rows)
                answers.append(rows)
        soft = softened(rows)
        probabilities = softmax(rows)
        picked = np.arange(len(true)), true
        loss = -float(np.log(np.maximum(probabilities[picked], 1e-12)).mean())
        probabilities[picked] -= 1
        delta = (1 - SHARE) * probabilities + SHARE * SOFTNESS * (soft - taught)
        delta = (delta / len(true)).astype(np.float32)
        for layer in range(self.layers)[::-1]:
            gradient = answers[layer].T @ delta
            gradient += np.float32(DECAY) * weights[layer]
            of_bias = delta.sum(axis=0)
            if layer:
                delta = delta @ weights[layer].T
                delta *= answers[layer] > 0
            for place, slope in ((layer, gradient), (self.layers + layer, of_bias)):
                speed = self._speeds[place]
                slope *= np.float32(RATE)
                speed *= np.float32(MOMENTUM)
                speed -= slope
                self.values[place] += np.float32(MOMENTUM) * speed - slope
        return loss


def softened(logits: Floats) -> Floats:
    """Return the probabilities at a higher temperature."""
    return softmax(logits / np.float32(SOFTNESS))


def softmax(logits: Floats) -> Floats:
    """Return probabilities for rows of logits."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    result: Floats = shifted / shifted.sum(axis=1, keepdims=True)
    return result


if __name__ == "__main__":
    main()
