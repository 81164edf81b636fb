"""Teach the shipped model a hand that leans far to the left: what it learns and what it forgets.

    python benchmarks/fine_tuning.py [--data-dir FOLDER] [--count 300] [--rehearse DATASET]

The hand is made of MNIST's training digits, sheared by 56° (1.5 columns a row): some to learn from,
1,000 others to test. `digitcli train --init-from` itself prints the accuracy on them, and on the
test set of MNIST, before and after.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
from PIL import Image

from digitcli import load_dataset
from digitcli.data.dataset import Dataset

SHEAR = 1.5
TEST = 1000


def leaning(known: Dataset, count: int, seed: int) -> Dataset:
    """Shear `count` images to learn from and TEST others."""
    training = known.part("train")
    chosen = training.take(np.random.default_rng(seed).permutation(len(training))[: count + TEST])
    shear = (1, -SHEAR, SHEAR * 13.5, 0, 1, 0)
    images = [
        np.asarray(Image.fromarray(image).transform((28, 28), Image.Transform.AFFINE, shear))
        for image in chosen.images
    ]
    split = np.repeat(["train", "test"], [count, TEST])
    return Dataset("hand", np.stack(images), chosen.labels, split)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data-dir", type=Path, help="where `digitcli fetch` put MNIST")
    parser.add_argument("--count", type=int, default=300, help="pictures to learn from")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rehearse", default="digits", help="what is mixed in, or none")
    options = parser.parse_args()
    hand = leaning(load_dataset("mnist", data_dir=options.data_dir), options.count, options.seed)
    data_dir = [] if options.data_dir is None else ["--data-dir", str(options.data_dir)]
    with (
        tempfile.TemporaryDirectory() as folder,
        as_file(files("digitcli.model") / "default.joblib") as shipped,
    ):
        dataset, output = Path(folder) / "hand.npz", Path(folder) / "mine.joblib"
        hand.save(dataset)
        command = [sys.executable, "-m", "digitcli", "train", "--dataset", str(dataset)]
        command += ["--init-from", str(shipped), "-o", str(output), *data_dir]
        command += ["--rehearse", options.rehearse]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
