"""Write the datasets that the shipped model learns from.

    python tools/shipped_training_set.py variants.npz
    python tools/shipped_training_set.py --writer written.npz
    python tools/shipped_training_set.py --harder MODEL.joblib [--seen SEEN.npz] harder.npz

The first is MNIST, with the training digits of the UCI set (three times, for there are few) and
with flagged 1s, crossed 7s and looped 2s made from MNIST's (digitcli.training.variants). The second
has besides what a writer wrote (digitcli.writing.writer): digits in the hands that MNIST lacks,
and marks that are no digits. The third has more of both, those on which a model errs more often
than others, the MNIST digits that it doubts a second time, and what `tools/seen_pictures.py` saw,
but for what it surely takes for another digit. The test split is MNIST's own.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from digitcli import Model, load_model
from digitcli.data.dataset import NO_DIGIT, Dataset
from digitcli.data.sources import load_dataset
from digitcli.model.input import as_pixels
from digitcli.training.augment import augmented_epochs
from digitcli.training.recipe import EVERYDAY
from digitcli.training.variants import with_variants
from digitcli.writing.writer import write_digits, write_marks

Images = NDArray[np.uint8]
Doubts = NDArray[np.float32]

UCI_COPIES = 3
VARIANT_SHARE = 0.4
WRITTEN, MARKS = 18_000, 10_000
SEED = 1
HARDER_WRITTEN, HARDER_MARKS, DOUBTED = 24_000, 14_000, 3_000
POOL, HARDER_SEED = 2.5, 11
"""So many times as many are written as are taken."""
EASY = 0.15
"""How often one that the model has no doubt of is taken, against one that it misreads."""
SURELY_WRONG = 0.95
"""What the model is so sure to be another digit, people cannot tell, or its label is wrong."""
STRENGTH = 0.6
"""Of the distortions in which MNIST's digits are looked at."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("output", type=Path)
    parser.add_argument("--writer", action="store_true", help="with what a writer wrote")
    parser.add_argument(
        "--harder", type=Path, metavar="MODEL", help="with what is hard for a model"
    )
    parser.add_argument("--seen", type=Path, help="with what was seen in scenes, too")
    parser.add_argument("--seed", type=int, default=HARDER_SEED, help="of what is hard")
    parser.add_argument("--data-dir", type=Path, help="where `digitcli fetch` put MNIST")
    options = parser.parse_args()

    mnist = load_dataset("mnist", data_dir=options.data_dir)
    training, test = mnist.part("train"), mnist.part("test")
    uci = load_dataset("digits").part("train")
    parts = [
        with_variants(training.images, training.labels, share=VARIANT_SHARE, seed=0),
        *[(uci.images, uci.labels)] * UCI_COPIES,
    ]
    if options.writer:
        marks = write_marks(MARKS, seed=SEED)
        parts.append(write_digits(WRITTEN, seed=SEED))
        parts.append((marks, np.full(len(marks), NO_DIGIT, np.uint8)))
    if options.harder:
        model = load_model(options.harder)
        parts += [
            doubted(training, model),
            harder_digits(model, options.seed),
            (found := harder_marks(model, options.seed), np.full(len(found), NO_DIGIT, np.uint8)),
        ]
        if options.seen:
            parts.append(seen_rightly(load_dataset(str(options.seen)), model))
    parts.append((test.images, test.labels))
    images, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    split = np.where(np.arange(len(labels)) < len(labels) - len(test), "train", "test")
    Dataset("mnist, digits and variants", images, labels, split).save(options.output)
    print(options.output)


def misread(model: Model, images: Images, labels: Images) -> tuple[Doubts, Doubts]:
    """Return how little a model believes the labels, and how much another digit, 0 to 1."""
    (network,) = model.members
    probabilities = np.concatenate(
        [network.predict_proba(as_pixels(part)) for part in np.array_split(images, 40)]
    )
    of = np.arange(len(labels)), labels
    doubt = 1 - probabilities[of]
    probabilities[of] = 0
    return doubt, probabilities.max(axis=1)


def taken(doubt: Doubts, count: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Choose by doubt, without taking any twice."""
    weights = (EASY + doubt).astype(np.float64)
    return rng.choice(len(doubt), count, replace=False, p=weights / weights.sum())


def harder_digits(model: Model, seed: int) -> tuple[Images, Images]:
    """Write digits, and take those that a model doubts."""
    rng = np.random.default_rng(seed)
    images, labels = write_digits(round(POOL * HARDER_WRITTEN), seed=seed)
    doubt, other = misread(model, images, labels)
    fair = np.flatnonzero(other < SURELY_WRONG)
    chosen = fair[taken(doubt[fair], HARDER_WRITTEN, rng)]
    return images[chosen], labels[chosen]


def harder_marks(model: Model, seed: int) -> Images:
    """Write marks, and take those that a model is sure to be digits."""
    rng = np.random.default_rng(seed)
    images = write_marks(round(POOL * HARDER_MARKS), seed=seed)
    _, sure = misread(model, images, np.zeros(len(images), np.uint8))
    return images[taken(sure, HARDER_MARKS, rng)]


def seen_rightly(seen: Dataset, model: Model) -> tuple[Images, Images]:
    """Leave out the scenes in which something else was probably taken for the digit."""
    other = np.zeros(len(seen))
    digits = seen.labels != NO_DIGIT
    _, other[digits] = misread(model, seen.images[digits], seen.labels[digits])
    kept = other < SURELY_WRONG
    return seen.images[kept], seen.labels[kept]


def doubted(training: Dataset, model: Model) -> tuple[Images, Images]:
    """Find the digits that a model doubts most when they are distorted."""
    images, labels = next(
        augmented_epochs(
            training.images,
            np.arange(len(training)),
            lambda _: EVERYDAY.weakened(STRENGTH),
            seed=HARDER_SEED,
            epochs=range(1),
            threads=1,
        )
    )
    doubt, other = misread(model, images, training.labels[labels])
    doubt[other > SURELY_WRONG] = 0
    chosen = labels[np.argsort(doubt)[-DOUBTED:]]
    return training.images[chosen], training.labels[chosen]


if __name__ == "__main__":
    main()
