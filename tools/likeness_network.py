"""Teach the network that tells digits from all else in a scene, from drawn scenes.

python tools/likeness_network.py src/digitcli/reading/likeness.npy

MNIST's training digits are drawn into scenes (benchmarks/scenes.py), seen in all the ways that the
reader sees them, and each part that may be a digit is held against what the drawing knows: a part
is right if it has nearly all of the digit's ink and hardly anything else. The scenes take half an
hour of processor time and the network three minutes. The file that ships was learned by an earlier
form of this script, from the same kinds of scenes; this one has not been run whole yet.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from io import BytesIO
from pathlib import Path

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

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from scenes import KINDS, draw, encode

Float32Array = NDArray[np.float32]
SEEDS = 41, 42
"""Scenes of each are drawn in a process of its own."""
ROUNDS = 10
"""Scenes of each kind and seed."""
LEARNED = 50_000
"""So many of the training images are drawn; the rest are left for trials."""
RIGHT, WRONG = 0.85, 0.72
"""Precision and recall from which on a part is right, and below which it is wrong."""
ELSEWHERE, CLOSE, COARSE = 0.12, 0.22, 0.35
"""Shares of the scenes of which a part without the digit is seen besides, that are cropped to the
digit, and that are made small."""
EPOCHS, BATCH, RATE, DECAY = 14, 128, 1e-3, 0.05
SPREAD = 0.5
"""Standard deviation that the numbers beside the image are brought to."""
VALIDATION = 6
"""One of so many scenes is kept for validation."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("output", type=Path)
    options = parser.parse_args()
    with ProcessPoolExecutor() as pool:
        parts = list(pool.map(examples, SEEDS))
    inputs, labels, _ = (np.concatenate(kind) for kind in zip(*parts, strict=True))
    groups = np.concatenate([part[2] + 1_000_000 * number for number, part in enumerate(parts)])
    weights, biases = trained(inputs.astype(np.float32), labels, groups)
    layers = zip(weights, biases, strict=True)
    numbers = np.concatenate([array.ravel() for layer in layers for array in layer])
    np.save(options.output, numbers.astype(np.float16))


def examples(seed: int) -> tuple[NDArray[np.float16], NDArray[np.intp], NDArray[np.intp]]:
    """Return the features of parts of scenes, which are the digit, and the scenes' numbers."""
    digits = load_dataset("mnist").part("train")
    images, labels = digits.images[:LEARNED], digits.labels[:LEARNED]
    found: list[tuple[NDArray[np.float16], int, int]] = []
    scene = 0
    for number in range(ROUNDS):
        for place, kind in enumerate(KINDS):
            if kind == "sideways":
                continue
            rng = np.random.default_rng([seed, number, place])
            drawn = draw(kind, images, labels, rng)
            if drawn.owner is None:
                continue
            picture = shrink(decode(BytesIO(encode(drawn)), "a scene"), SIGHT)
            owner = resized(drawn.owner, picture.shape[1::-1], 100)
            if not owner.any():
                continue
            for seen, own in views(picture, owner, rng):
                for look, label in judged(seen, own):
                    found.append((features(look).astype(np.float16), label, scene))
                scene += 1
    inputs, truths, scenes_ = zip(*found, strict=True)
    return np.stack(inputs), np.array(truths), np.array(scenes_)


def views(
    picture: Picture, owner: Mask, rng: np.random.Generator
) -> Iterator[tuple[Picture, Mask]]:
    """Crop a scene and make it small, at random; now and then a part without the digit, too."""
    height, width = owner.shape
    if rng.random() < ELSEWHERE:
        for _ in range(20):
            tall, wide = rng.uniform(0.25, 0.7, 2)
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
    """Tell of each part that may be the digit whether it is; parts in between are left out."""
    for scene in scenes(picture, Polarity.AUTO):
        for look in looks(scene):
            precision, recall = match(look, owner) if owner.any() else (0.0, 0.0)
            if min(precision, recall) >= RIGHT:
                yield look, 1
            elif min(precision, recall) < WRONG:
                yield look, 0


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
    reach = 2 * max(1, round(0.015 * max(found.shape))) + 1
    thick_found, thick_own = (dilate(mask.astype(np.float32), reach) > 0 for mask in (found, own))
    return (
        np.count_nonzero(found & thick_own) / max(1, np.count_nonzero(found)),
        np.count_nonzero(own & thick_found) / max(1, np.count_nonzero(own)),
    )


def resized(mask: Mask, size: tuple[int, int], limit: int) -> Mask:
    """Reduce a mask to a width and height."""
    image = Image.fromarray(mask.astype(np.uint8) * 255).resize(size, Image.Resampling.BOX)
    return np.asarray(image) > limit


def trained(
    inputs: Float32Array, labels: NDArray[np.intp], groups: NDArray[np.intp]
) -> tuple[list[Float32Array], list[Float32Array]]:
    """Fit the network and print how it does on scenes that it did not learn from."""
    pixels = SIDE * SIDE
    mean, spread = inputs[:, pixels:].mean(0), inputs[:, pixels:].std(0) + 1e-2
    inputs = np.hstack([inputs[:, :pixels], (inputs[:, pixels:] - mean) / spread * SPREAD])
    scenes_ = np.unique(groups)
    rng = np.random.default_rng(0)
    kept = np.isin(groups, rng.choice(scenes_, len(scenes_) // VALIDATION, replace=False))
    network = MLPClassifier(
        SIZES[1:-1], alpha=DECAY, batch_size=BATCH, learning_rate_init=RATE, random_state=0
    )
    rng = np.random.default_rng(3)
    for epoch in range(EPOCHS):
        if epoch:
            rate = RATE * 0.5 * (1 + np.cos(np.pi * epoch / EPOCHS))
            network._optimizer.learning_rate_init = rate
        order = rng.permutation(np.flatnonzero(~kept))
        batch = inputs[order]
        images = batch[:, :pixels].reshape(-1, SIDE, SIDE)
        for start in range(0, len(batch), BATCH):
            moved = np.roll(images[start : start + BATCH], tuple(rng.integers(-1, 2, 2)), (1, 2))
            images[start : start + BATCH] = moved
        batch[:, :pixels] = images.reshape(len(batch), -1)
        network.partial_fit(batch, labels[order], classes=[0, 1])
        likely = network.predict_proba(inputs[kept])[:, 1]
        print(f"epoch {epoch + 1}: log loss {log_loss(labels[kept], likely):.4f}", flush=True)
    weights = [weight.copy() for weight in network.coefs_]
    biases = [bias.copy() for bias in network.intercepts_]
    weights[0][pixels:] *= (SPREAD / spread)[:, None]
    biases[0] -= mean @ weights[0][pixels:]
    return weights, biases


if __name__ == "__main__":
    main()
