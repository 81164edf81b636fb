"""Draw digits and marks into scenes and see them: what a network meets in pictures.

    python tools/seen_pictures.py SEEN.npz [--rounds 150] [--seed 31]

MNIST's training digits, some that a writer wrote, and marks that are no digits are drawn into the
scenes of benchmarks/scenes.py, and read as a picture is. What comes out is a little blurred, or
thin, or has lost a joint; it is that which the network has to know. A round takes eight to
ten seconds of processor time.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from digitcli import load_dataset
from digitcli.data.dataset import NO_DIGIT, Dataset
from digitcli.errors import ImageError
from digitcli.reading.digit import Seen, see_digit
from digitcli.writing.writer import write_digits, write_marks

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from scenes import KINDS, NEIGHBOURS, ONLY, Scene, draw, encode

LEFT_OUT = frozenset({"sideways", "photo-12-megapixels"})
"""Kinds that would teach another digit, or take long."""
WRITTEN, COPIES, MARKS = 4000, 4, 6000
"""Written digits, each so often among MNIST's, and marks."""
MARKED = 3
"""A mark is drawn in one of so many rounds."""
DOUBTED = 0.5
"""A scene that is doubted more than this may hold something else."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("output", type=Path)
    parser.add_argument("--rounds", type=int, default=150, help="of one scene of each kind")
    parser.add_argument("--seed", type=int, default=31)
    options = parser.parse_args()
    with ProcessPoolExecutor() as pool:
        rounds = list(pool.map(partial(seen_round, options.seed), range(options.rounds)))
    images, labels = zip(*(found for one in rounds for found in one), strict=True)
    split = np.full(len(labels), "train")
    Dataset("seen", np.stack(images), np.array(labels, np.uint8), split).save(options.output)


def seen_round(seed: int, number: int) -> list[tuple[NDArray[np.uint8], int]]:
    """Draw a scene of each kind, of digits or of marks, and return what was seen in them."""
    images, labels, marks = drawn_images(seed)
    marked = number % MARKED == MARKED - 1
    found = []
    for place, kind in enumerate(sorted(KINDS.keys() - LEFT_OUT)):
        rng = np.random.default_rng([seed, number, place])
        if not marked:
            scene = draw(kind, images, labels, rng)
            label = scene.label
        elif kind not in ONLY:
            picked = rng.integers(len(images), size=NEIGHBOURS)
            scene = KINDS[kind]([marks[rng.integers(len(marks))], *images[picked]], rng)
            label = NO_DIGIT
        else:
            continue
        if (seen := seen_in(scene)) is not None and seen.doubt <= DOUBTED:
            found.append((seen.image, label))
    return found


def seen_in(scene: Scene) -> Seen | None:
    """Read a scene as a picture is read; None where nothing is found."""
    try:
        return see_digit(BytesIO(encode(scene)))
    except ImageError:
        return None


@cache
def drawn_images(seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Digits of many hands, which they are, and marks that are no digits."""
    digits = load_dataset("mnist").part("train")
    written, labels = write_digits(WRITTEN, seed=seed)
    return (
        np.concatenate([digits.images, *[written] * COPIES]),
        np.concatenate([digits.labels, *[labels] * COPIES]),
        write_marks(MARKS, seed=seed),
    )


if __name__ == "__main__":
    main()
