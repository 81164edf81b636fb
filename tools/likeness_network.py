"""Teach the networks that tell digits from all else in a scene, from drawn scenes.

python tools/likeness_network.py src/digitcli/reading/likeness.npy [--examples EXAMPLES.npz]

MNIST's training digits, and some that a writer wrote, are drawn into scenes (benchmarks/scenes.py),
now and then a mark that is no digit in their place. The scenes are seen in all the ways that the
reader sees them, and each part that may be a digit is held against what the drawing knows: a part
is right if it has nearly all of the digit's ink and hardly anything else. The scenes take an hour
of processor time and the networks ten minutes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier

from digitcli import load_dataset
from digitcli.polarity import Polarity
from digitcli.reading.digit import looks, scenes
from digitcli.reading.likeness import SIDE, SIZES, Look, features
from digitcli.seeing.decode import SIGHT, Picture, decode
from digitcli.seeing.light import shrink
from digitcli.seeing.morphology import Mask, dilate
from digitcli.writing.writer import write_digits, write_marks

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from scenes import KINDS, NEIGHBOURS, draw, encode

Float32Array = NDArray[np.float32]
SEED = 43
ROUNDS = 90
"""Scenes of each kind."""
ORDINARY, OFTEN = (
    ("drawing", "plain", "ballpoint", "pencil", "marker", "white-on-black", "squared"),
    3,
)
"""Kinds of scenes that most pictures are of, and how much more often than others they are drawn:
they must not be doubted."""
LEARNED, WRITTEN = 50_000, 40_000
"""So many of the training images are drawn, the rest are left for trials; and so many digits of
people who write otherwise."""
MARKS, MARKED = 3_000, 0.15
"""So many marks that are no digits, in the place of the digit in this share of the scenes."""
ABOUT, NEAR = 0.035, 0.02
"""Ink counts as the digit's up to this share of its size beyond it: blur widens strokes. Ink of the
digit counts as found up to that share beyond what was found."""
RIGHT, WRONG = 0.85, 0.72
"""Precision and recall from which on a part is right, and below which it is wrong."""
ELSEWHERE, CLOSE, COARSE = 0.2, 0.22, 0.35
"""Shares of the scenes of which a part without the digit is seen besides, that are cropped to the
digit, and that are made small."""
MEMBERS = 3
"""Networks, whose log-odds are averaged: a log loss of 0.060 where one of them has 0.063."""
EPOCHS, BATCH, RATE, DECAY = 14, 128, 1e-3, 0.05
CHUNK = 200 * BATCH
"""Examples that are moved at a time."""
SPREAD = 0.5
"""Standard deviation that the numbers beside the image are brought to."""
VALIDATION = 7
"""One of so many scenes is kept for validation."""


class Examples(NamedTuple):
    """Parts of scenes, n in all, scene by scene and way by way.

    Attributes
    ----------
    inputs : ndarray of float16, shape (n, features)
    labels : ndarray of int8, shape (n,)
        1 for the digit, 0 for what is not, -1 in between.
    scenes : ndarray of int32, shape (n,)
        Which scene each is a part of: round and kind of scene, number of the part that was seen.
    """

    inputs: NDArray[np.float16]
    labels: NDArray[np.int8]
    scenes: NDArray[np.int32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("output", type=Path)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="scenes of each kind")
    parser.add_argument("--examples", type=Path, help="keep them here, and take them from here")
    options = parser.parse_args()
    if options.examples and options.examples.exists():
        examples = Examples(**np.load(options.examples))
    else:
        with ProcessPoolExecutor() as pool:
            rounds = list(pool.map(examples_of, range(options.rounds)))
        examples = Examples(*map(np.concatenate, zip(*rounds, strict=True)))
        if options.examples:
            np.savez(options.examples, **examples._asdict())
    members = [
        np.concatenate([array.ravel() for layer in trained(examples, seed) for array in layer])
        for seed in range(MEMBERS)
    ]
    np.save(options.output, np.stack(members).astype(np.float16))


def examples_of(number: int) -> Examples:
    """Draw one round of scenes, one of each kind, and look at their parts."""
    images, labels, marks = drawn_images()
    found: list[tuple[NDArray[np.float16], int, int]] = []
    kinds = [kind for kind in KINDS if kind != "sideways"] + [*ORDINARY] * (OFTEN - 1)
    for place, kind in enumerate(kinds):
        rng = np.random.default_rng([SEED, number, place])
        marked = rng.random() < MARKED
        if marked:
            picked = rng.integers(len(images), size=NEIGHBOURS)
            drawn = KINDS[kind]([marks[rng.integers(len(marks))], *images[picked]], rng)
        else:
            drawn = draw(kind, images, labels, rng)
        if drawn.owner is None:
            continue
        picture = shrink(decode(BytesIO(encode(drawn)), "a scene"), SIGHT)
        owner = resized(drawn.owner, picture.shape[1::-1], 100)
        if not owner.any():
            continue
        if marked:
            owner[:] = False
        for view, (seen, own) in enumerate(views(picture, owner, rng)):
            scene = (number * len(kinds) + place) * 2 + view
            for look, label in judged(seen, own):
                found.append((features(look).astype(np.float16), label, scene))
    inputs, truths, scenes_ = zip(*found, strict=True)
    print(f"round {number}: {len(found)} parts", flush=True)
    return Examples(np.stack(inputs), np.array(truths, np.int8), np.array(scenes_, np.int32))


@cache
def drawn_images() -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Digits of many hands, which they are, and marks that are no digits."""
    digits = load_dataset("mnist").part("train")
    written, labels = write_digits(WRITTEN, seed=SEED)
    return (
        np.concatenate([digits.images[:LEARNED], written]),
        np.concatenate([digits.labels[:LEARNED], labels]),
        write_marks(MARKS, seed=SEED),
    )


def views(
    picture: Picture, owner: Mask, rng: np.random.Generator
) -> Iterator[tuple[Picture, Mask]]:
    """Crop a scene and make it small, at random; now and then a part without the digit, too."""
    height, width = owner.shape
    if not owner.any():
        yield picture, owner
        return
    if rng.random() < ELSEWHERE:
        for _ in range(20):
            tall, wide = rng.uniform(0.25, 0.9, 2)
            top, left = rng.uniform(0, 1 - tall), rng.uniform(0, 1 - wide)
            rows = slice(int(top * height), int((top + tall) * height))
            columns = slice(int(left * width), int((left + wide) * width))
            part = owner[rows, columns]
            if min(part.shape) > 20 and not part.any():
                yield picture[rows, columns], part
                break
    ys, xs = np.nonzero(owner)
    size = max(int(np.ptp(ys)), int(np.ptp(xs))) + 1
    if rng.random() < CLOSE:
        margin = rng.uniform(-0.02, 0.25, 4) * size
        rows = slice(int(max(0, ys.min() - margin[0])), int(min(height, ys.max() + 1 + margin[1])))
        columns = slice(
            int(max(0, xs.min() - margin[2])), int(min(width, xs.max() + 1 + margin[3]))
        )
        picture, owner = picture[rows, columns], owner[rows, columns]
    if rng.random() < COARSE and size > 20:
        scale = rng.uniform(14, 60) / size
        if scale < 1:
            image = Image.fromarray(picture)
            smaller = (max(4, round(image.width * scale)), max(4, round(image.height * scale)))
            box = rng.random() < 0.5
            method = Image.Resampling.BOX if box else Image.Resampling.BILINEAR
            picture = np.asarray(image.resize(smaller, method))
            owner = resized(owner, smaller, 90)
    if owner.any():
        yield picture, owner


def judged(picture: Picture, owner: Mask) -> Iterator[tuple[Look, int]]:
    """Tell of each part that may be the digit whether it is: 1, 0, or -1 in between."""
    for scene in scenes(picture, Polarity.AUTO):
        for look in looks(scene):
            likeness = min(match(look, owner)) if owner.any() else 0.0
            yield look, 1 if likeness >= RIGHT else 0 if likeness < WRONG else -1


def match(look: Look, owner: Mask) -> tuple[float, float]:
    """Precision and recall of a part's ink, edges aside."""
    sheet = look.scene.sheet
    top, left = (0, 0) if sheet is None else (sheet.top, sheet.left)
    rows, columns = look.box
    found = np.zeros(owner.shape, np.bool_)
    found[rows.start + top : rows.stop + top, columns.start + left : columns.stop + left] = (
        look.mask((rows, columns))
    )
    ys, xs = np.nonzero(found | owner)
    box = slice(ys.min(), ys.max() + 1), slice(xs.min(), xs.max() + 1)
    found, own = found[box], owner[box]
    size = max(found.shape)
    about, near = (2 * max(1, round(share * size)) + 1 for share in (ABOUT, NEAR))
    return (
        np.count_nonzero(found & dilate(own, about)) / max(1, np.count_nonzero(found)),
        np.count_nonzero(own & dilate(found, near)) / max(1, np.count_nonzero(own)),
    )


def resized(mask: Mask, size: tuple[int, int], limit: int) -> Mask:
    """Reduce a mask to a width and height."""
    image = Image.fromarray(mask.astype(np.uint8) * 255).resize(size, Image.Resampling.BOX)
    return np.asarray(image) > limit


def trained(examples: Examples, seed: int) -> list[tuple[Float32Array, Float32Array]]:
    """Fit a network and print how it does on scenes that it did not learn from.

    Returns
    -------
    list of tuple of ndarray
        Weights and biases of each layer.
    """
    known = examples.labels >= 0
    inputs, labels = examples.inputs[known].astype(np.float32), examples.labels[known]
    pixels = SIDE * SIDE
    mean, spread = inputs[:, pixels:].mean(0), inputs[:, pixels:].std(0) + 1e-2
    inputs[:, pixels:] = (inputs[:, pixels:] - mean) / spread * SPREAD
    kept = examples.scenes[known] // 2 % VALIDATION == 0
    network = MLPClassifier(
        SIZES[1:-1], alpha=DECAY, batch_size=BATCH, learning_rate_init=RATE, random_state=seed
    )
    rng = np.random.default_rng(3)
    learned = np.flatnonzero(~kept)
    for epoch in range(EPOCHS):
        if epoch:
            rate = RATE * 0.5 * (1 + np.cos(np.pi * epoch / EPOCHS))
            network._optimizer.learning_rate_init = rate
        rng.shuffle(learned)
        for start in range(0, len(learned), CHUNK):
            rows = learned[start : start + CHUNK]
            batch = inputs[rows]
            images = batch[:, :pixels].reshape(-1, SIDE, SIDE).copy()
            for first in range(0, len(batch), BATCH):
                moved = tuple(rng.integers(-1, 2, 2))
                images[first : first + BATCH] = np.roll(
                    images[first : first + BATCH], moved, (1, 2)
                )
            batch[:, :pixels] = images.reshape(len(batch), -1)
            network.partial_fit(batch, labels[rows], classes=[0, 1])
        likely = network.predict_proba(inputs[kept])[:, 1]
        print(f"epoch {epoch + 1}: log loss {log_loss(labels[kept], likely):.4f}", flush=True)
    weights = [weight.copy() for weight in network.coefs_]
    biases = [bias.copy() for bias in network.intercepts_]
    weights[0][pixels:] *= (SPREAD / spread)[:, None]
    biases[0] -= mean @ weights[0][pixels:]
    return list(zip(weights, biases, strict=True))


if __name__ == "__main__":
    main()
