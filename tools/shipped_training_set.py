"""Write the datasets that the shipped model learns from.

    python tools/shipped_training_set.py variants.npz
    python tools/shipped_training_set.py --writer written.npz

The first is MNIST, with the training digits of the UCI set (three times, for there are few) and
with flagged 1s, crossed 7s and looped 2s made from MNIST's (digitcli.training.variants). The second
has besides what a writer wrote (digitcli.writing.writer): digits in the hands that MNIST lacks,
and marks that are no digits. The test split is MNIST's own.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from digitcli.data.dataset import NO_DIGIT, Dataset
from digitcli.data.sources import load_dataset
from digitcli.training.variants import with_variants
from digitcli.writing.writer import write_digits, write_marks

UCI_COPIES = 3
VARIANT_SHARE = 0.4
WRITTEN, MARKS = 18_000, 10_000
SEED = 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("output", type=Path)
    parser.add_argument("--writer", action="store_true", help="with what a writer wrote")
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
    parts.append((test.images, test.labels))
    images, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    split = np.where(np.arange(len(labels)) < len(labels) - len(test), "train", "test")
    Dataset("mnist, digits and variants", images, labels, split).save(options.output)
    print(options.output)


if __name__ == "__main__":
    main()
