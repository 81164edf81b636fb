"""Teach the shipped model a hand that leans far to the left: what it learns and what it forgets.

    python benchmarks/fine_tuning.py [--data-dir FOLDER] [--count 300] [--rehearse DATASET]
    python benchmarks/fine_tuning.py --pictures FOLDER

The hand is made of MNIST's training digits, sheared by 56° (1.5 columns a row): some to learn from,
1,000 others to test. `digitcli train --init-from` itself prints the accuracy on them, and on the
test set of MNIST, before and after.

With --pictures nothing is trained: the digits to learn from are drawn black on white into
``FOLDER/scans``, and as many others into ``FOLDER/more``, for docs/teach.md. What each shows is in
``FOLDER/labels.csv``.
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


def draw(hand: Dataset, count: int, folder: Path) -> None:
    """Draw the digits to learn from, and `count` others, as pictures on paper."""
    with (folder / "labels.csv").open("w") as labels:
        for name, split in (("scans", "train"), ("more", "test")):
            (folder / name).mkdir(parents=True)
            part = hand.part(split).take(np.arange(count))
            for place, (image, label) in enumerate(zip(part.images, part.labels, strict=True)):
                large = Image.fromarray(255 - image).resize((140, 140), Image.Resampling.BICUBIC)
                paper = Image.new("L", (200, 200), 255)
                paper.paste(large, (30, 30))
                paper.save(folder / name / f"{place:03}.png")
                labels.write(f"{name}/{place:03}.png,{label}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data-dir", type=Path, help="where `digitcli fetch` put MNIST")
    parser.add_argument("--count", type=int, default=300, help="pictures to learn from")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rehearse", default="digits", help="what is mixed in, or none")
    parser.add_argument("--pictures", type=Path, help="draw them here, and train nothing")
    options = parser.parse_args()
    hand = leaning(load_dataset("mnist", data_dir=options.data_dir), options.count, options.seed)
    if options.pictures:
        options.pictures.mkdir()
        draw(hand, options.count, options.pictures)
        return
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
