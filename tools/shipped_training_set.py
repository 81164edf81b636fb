"""Write the dataset that the shipped model learns from.

    python tools/shipped_training_set.py -o shipped-training-set.npz

MNIST, with the training digits of the UCI set (three times, for there are few), with flagged 1s,
crossed 7s and looped 2s made from MNIST's (see digitcli.training.variants), and all these once more
as digitcli brings them to MNIST's form when it finds them in a larger picture. The test split is
MNIST's own.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digitcli.data.dataset import Dataset
from digitcli.data.sources import load_dataset
from digitcli.images.ink import ink_mask
from digitcli.images.mnist_form import form_digit
from digitcli.training.variants import with_variants

UCI_COPIES = 3
VARIANT_SHARE = 0.4
ENLARGED = 1.5, 4.0
LIMITS = 0.35, 0.6
"""Where ink begins, as a share of the density of a stroke; on photos it is found to be half."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=Path("shipped-training-set.npz"))
    parser.add_argument("--data-dir", type=Path, help="where `digitcli fetch` put MNIST")
    options = parser.parse_args()

    mnist = load_dataset("mnist", data_dir=options.data_dir)
    training, test = mnist.part("train"), mnist.part("test")
    uci = load_dataset("digits").part("train")
    images, labels = with_variants(training.images, training.labels, share=VARIANT_SHARE, seed=0)
    images = np.concatenate([images, *[uci.images] * UCI_COPIES])
    labels = np.concatenate([labels, *[uci.labels] * UCI_COPIES])
    rng = np.random.default_rng(1)
    seen = np.stack([as_seen(image, rng) for image in images])
    images = np.concatenate([images, seen, test.images])
    labels = np.concatenate([labels, labels, test.labels])
    split = np.where(np.arange(len(labels)) < len(labels) - len(test), "train", "test")
    Dataset("mnist, digits and variants", images, labels, split).save(options.output)
    print(options.output)


def as_seen(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw a digit larger, and bring it to the form of MNIST as one found in a picture."""
    side = round(len(image) * rng.uniform(*ENLARGED))
    grey = Image.fromarray(image.astype(np.float32) / np.float32(255))
    large = np.asarray(grey.resize((side, side), Image.Resampling.BICUBIC))
    density = np.clip(large, 0, 1)
    limit = rng.uniform(*LIMITS)
    return form_digit(density, ink_mask(density, limit), limit)


if __name__ == "__main__":
    main()
