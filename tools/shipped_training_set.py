"""Write the dataset that the shipped model learns from.

    python tools/shipped_training_set.py -o shipped-training-set.npz

MNIST, with the training digits of the UCI set (three times, for there are few) and with flagged 1s,
crossed 7s and looped 2s made from MNIST's (see digitcli.training.variants). The test split is
MNIST's own.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from digitcli.data.dataset import Dataset
from digitcli.data.sources import load_dataset
from digitcli.training.variants import with_variants

UCI_COPIES = 3
VARIANT_SHARE = 0.4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=Path("shipped-training-set.npz"))
    parser.add_argument("--data-dir", type=Path, help="where `digitcli fetch` put MNIST")
    options = parser.parse_args()

    mnist = load_dataset("mnist", data_dir=options.data_dir)
    training, test = mnist.part("train"), mnist.part("test")
    uci = load_dataset("digits").part("train")
    images, labels = with_variants(training.images, training.labels, share=VARIANT_SHARE, seed=0)
    images = np.concatenate([images, *[uci.images] * UCI_COPIES, test.images])
    labels = np.concatenate([labels, *[uci.labels] * UCI_COPIES, test.labels])
    split = np.where(np.arange(len(labels)) < len(labels) - len(test), "train", "test")
    Dataset("mnist, digits and variants", images, labels, split).save(options.output)
    print(options.output)


if __name__ == "__main__":
    main()
