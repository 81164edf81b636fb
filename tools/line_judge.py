"""Teach the judge of `predict --line` what one whole digit is, from MNIST's training digits.

python tools/line_judge.py judge.npz

Draws 4,957 rows, cuts them as the reader does, and trains a small network (271-64-32-1) to tell the
parts that are one whole digit, by the picture's own account of its pixels, from all others.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from digitcli import load_dataset
from digitcli.data.dataset import Dataset
from digitcli.errors import ImageError
from digitcli.images.regions import Regions
from digitcli.lines.candidates import candidates, shape_features
from digitcli.lines.ink import find_ink, weighted_median
from digitcli.lines.judge import SIDE, judged_image
from digitcli.lines.read import stroke_of
from digitcli.lines.rows import find_rows, heights
from digitcli.lines.split import split

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from rows import DrawnRow, draw_row

Float32Array = NDArray[np.float32]
ROWS = {902: 3270, 903: 1687}
"""Seeds, and how many rows to draw with each."""
HIDDEN = 64, 32
EPOCHS = 12
BATCH = 256
RATE = 2e-3
DECAY = 1e-2
SPREAD = 0.3
"""Standard deviation the shape features are brought to, which is about that of the pixels."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("output", type=Path)
    parser.add_argument("--mnist", default="mnist", help="dataset to draw the rows from")
    options = parser.parse_args()
    digits = load_dataset(options.mnist).part("train")
    parts = [part for seed, count in ROWS.items() for part in drawn_parts(digits, seed, count)]
    images = np.stack([image for image, _, _ in parts]).reshape(len(parts), -1)
    shapes = np.array([shape for _, shape, _ in parts], np.float32)
    whole = np.array([label for _, _, label in parts], np.float32)
    mean, spread = shapes.mean(0), shapes.std(0) + 1e-3
    inputs = np.hstack([images, (shapes - mean) / spread * SPREAD]).astype(np.float32)
    weights, biases = trained(inputs, whole)
    weights[0][SIDE * SIDE :] *= (SPREAD / spread)[:, None]
    biases[0] -= mean @ weights[0][SIDE * SIDE :]
    arrays = {f"weight{layer}": weight.astype(np.float16) for layer, weight in enumerate(weights)}
    arrays |= {f"bias{layer}": bias for layer, bias in enumerate(biases)}
    np.savez_compressed(options.output, **arrays)


def drawn_parts(
    digits: Dataset, seed: int, count: int
) -> list[tuple[Float32Array, list[float], int]]:
    """Draw rows and return their parts: image, shape, and 1 for one whole digit, 0 for others."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        chosen = rng.integers(len(digits.images), size=5)
        images = digits.images[chosen]
        if rng.random() < 0.4:
            images = np.stack([distorted(image, rng) for image in images])
        row = draw_row(
            images,
            digits.labels[chosen],
            rng,
            touching=rng.choice([0, 0.33, 0.5, 0.7, 1]),
            scale=rng.uniform(1.5, 3),
            on_paper=rng.random() < 0.2,
        )
        picture = Image.fromarray(row.picture)
        pen = rng.random()
        if pen < 0.15:
            picture = picture.filter(ImageFilter.MaxFilter(3))
        elif pen < 0.25:
            picture = picture.filter(ImageFilter.MinFilter(3))
        found += parts_of(row, np.asarray(picture), rng)
    return found


def distorted(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Scale, turn and shear a digit a little."""
    zoom, angle, shear = rng.uniform(0.8, 1.2), rng.normal(0, 0.1), rng.normal(0, 0.15)
    cosine, sine = np.cos(angle) / zoom, np.sin(angle) / zoom
    turn = np.array([[cosine, sine], [-sine, cosine]]) @ np.array([[1, shear], [0, 1]])
    offset = np.array([14, 14]) - turn @ np.array([14, 14])
    affine = (*turn[0], offset[0], *turn[1], offset[1])
    drawn = Image.fromarray(image).transform(
        (28, 28), Image.Transform.AFFINE, affine, Image.Resampling.BICUBIC
    )
    pixels = np.array(drawn)
    pixels[pixels < 40] = 0
    return pixels


def parts_of(
    row: DrawnRow, picture: NDArray[np.uint8], rng: np.random.Generator
) -> list[tuple[Float32Array, list[float], int]]:
    """Cut a picture as the reader does; parts that are nearly one digit are left out."""
    try:
        ink = find_ink(picture)
    except ImageError:
        return []
    found = Regions.of(ink.mask)
    total = np.bincount(row.owner[ink.mask], minlength=6)
    parts = []
    for strokes in find_rows(found, ink.mask.shape):
        height = weighted_median(heights(found)[strokes], found.size[strokes])
        pieces = sorted(
            (
                part
                for number in strokes
                for part in split(stroke_of(found, int(number), ink), height)
            ),
            key=lambda piece: piece.middle,
        )
        tried = candidates(pieces, height)
        if not tried:
            continue
        guessed = height * float(np.exp(rng.normal(0, 0.08)))
        middle = float(np.median([(p.stroke.top + p.stroke.bottom) / 2 for p in pieces]))
        for candidate in tried:
            left, top, right, bottom = candidate.box
            own = np.bincount(row.owner[top:bottom, left:right][candidate.mask], minlength=6)[1:]
            digit = int(own.argmax())
            precision = own[digit] / max(1, own.sum())
            recall = own[digit] / max(1, total[digit + 1])
            whole = precision >= 0.9 and recall >= 0.9
            if not whole and precision >= 0.82 and recall >= 0.8:
                continue
            image = judged_image(candidate.mask, ink.density[top:bottom, left:right])
            # as coarse as 8 bits, which keeps a quarter of a million of them small
            coarse = (255 * image).astype(np.uint8) / np.float32(255)
            shape = shape_features(candidate, pieces, guessed, middle)
            parts.append((coarse, shape, int(whole)))
    return parts


def trained(
    inputs: Float32Array, whole: Float32Array
) -> tuple[list[Float32Array], list[Float32Array]]:
    """Fit the network by AdamW on images moved by up to a pixel; returns weights and biases."""
    rng = np.random.default_rng(0)
    sizes = inputs.shape[1], *HIDDEN, 1
    weights = [
        rng.normal(0, np.sqrt(2 / before), (before, after)).astype(np.float32)
        for before, after in itertools.pairwise(sizes)
    ]
    biases = [np.zeros(size, np.float32) for size in sizes[1:]]
    variables = [*weights, *biases]
    first = [np.zeros_like(array) for array in variables]
    second = [np.zeros_like(array) for array in variables]
    order = np.arange(len(inputs))
    batches = len(inputs) // BATCH
    for step in range(EPOCHS * batches):
        if step % batches == 0:
            rng.shuffle(order)
        chosen = order[step % batches * BATCH :][:BATCH]
        batch = inputs[chosen]
        pixels = batch[:, : SIDE * SIDE].reshape(-1, SIDE, SIDE)
        moved = np.roll(pixels, tuple(rng.integers(-1, 2, 2)), (1, 2))
        batch[:, : SIDE * SIDE] = moved.reshape(len(batch), -1)
        gradients = gradient(batch, whole[chosen], weights, biases)
        rate = RATE * 0.5 * (1 + np.cos(np.pi * step / (EPOCHS * batches)))
        for index, (variable, slope) in enumerate(zip(variables, gradients, strict=True)):
            first[index] += 0.1 * (slope - first[index])
            second[index] += 0.001 * (slope**2 - second[index])
            mean = first[index] / (1 - 0.9 ** (step + 1))
            scale = np.sqrt(second[index] / (1 - 0.999 ** (step + 1))) + 1e-8
            decay = DECAY * variable if variable.ndim == 2 else 0
            variable -= (rate * (mean / scale + decay)).astype(np.float32)
    return weights, biases


def gradient(
    batch: Float32Array,
    whole: Float32Array,
    weights: list[Float32Array],
    biases: list[Float32Array],
) -> list[Float32Array]:
    """Return the gradient of the mean log loss: for all weights, then for all biases."""
    values = [batch]
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        values.append(np.maximum(values[-1] @ weight + bias, 0))
    odds = values[-1] @ weights[-1] + biases[-1]
    slope = (1 / (1 + np.exp(-odds)) - whole[:, None]) / len(batch)
    of_weights, of_biases = [], []
    for layer in range(len(weights) - 1, -1, -1):
        of_weights.insert(0, values[layer].T @ slope)
        of_biases.insert(0, slope.sum(0))
        slope = slope @ weights[layer].T * (values[layer] > 0)
    return [*of_weights, *of_biases]


if __name__ == "__main__":
    main()
