"""Teach the two small networks with which `predict --line` cuts rows, from rows drawn of MNIST.

python tools/line_networks.py seams src/digitcli/reading/seams.npz
python tools/line_networks.py judge src/digitcli/reading/judge.npz

The first learns where in connected ink one digit ends and the next begins (441-64-16-1, from the
pixels of 3,000 rows), the second which parts of a row, cut where the first says, are one whole
digit (274-192-64-1, from the parts of 12,000 rows). What is true, the drawing itself knows: whose
pixel is whose. The first takes one minute of processor time, the second ten.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from digitcli import load_dataset
from digitcli.data.dataset import Dataset
from digitcli.errors import ImageError
from digitcli.polarity import Polarity
from digitcli.reading.candidates import candidates, shape_features
from digitcli.reading.judge import SIDE, judged_image
from digitcli.reading.lattice import stroke_of
from digitcli.reading.perceptron import Layers
from digitcli.reading.seams import INK, reduced, surroundings
from digitcli.reading.seams import SIDE as SQUARE
from digitcli.reading.split import CUT_FROM, split
from digitcli.reading.ways import ways
from digitcli.seeing.ink import Ink
from digitcli.seeing.morphology import dilate
from digitcli.seeing.pieces import Regions
from digitcli.seeing.rows import find_rows, heights, weighted_median

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from rows import DrawnRow, draw_row

Float32Array = NDArray[np.float32]
SEAMS_SEED, SEAMS_ROWS = 901, 3000
SEAMS_HIDDEN, SEAMS_EPOCHS = (64, 16), 10
SEAMS_OTHERS = 0.15
"""Share of the pixels where no digits meet that is learned from."""
JUDGE_SEED, JUDGE_CHUNKS, JUDGE_CHUNK = 902, 240, 50
"""Rows are drawn and cut in so many chunks of so many rows, side by side."""
JUDGE_TOUCHING = [0, 0, 0.2, 0.33, 0.5, 1]
JUDGE_HIDDEN, JUDGE_EPOCHS = (192, 64), 20
BATCH = 256
RATE = 2e-3
DECAY = 1e-2
SPREAD = 0.3
"""Standard deviation the shape features are brought to, which is about that of the pixels."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("network", choices=["seams", "judge"])
    parser.add_argument("output", type=Path)
    parser.add_argument("--mnist", default="mnist", help="dataset to draw the rows from")
    options = parser.parse_args()
    digits = load_dataset(options.mnist).part("train")
    layers = trained_seams(digits) if options.network == "seams" else trained_judge(digits)
    arrays = {
        f"weight{number}": weight.astype(np.float16) for number, (weight, _) in enumerate(layers)
    }
    arrays |= {f"bias{number}": bias for number, (_, bias) in enumerate(layers)}
    np.savez_compressed(options.output, **arrays)


def trained_seams(digits: Dataset) -> Layers:
    """Learn where digits meet, from squares around pixels of connected ink.

    A pixel is where digits meet if strokes of two of them are at most one pixel away.
    """
    rng = np.random.default_rng(SEAMS_SEED)
    parts = [
        seam_squares(row, picture, rng)
        for row, picture in drawn_rows(digits, rng, SEAMS_ROWS, [0.33, 0.7, 1, 1])
    ]
    squares = np.concatenate([square for square, _ in parts])
    labels = np.concatenate([label for _, label in parts]).astype(np.float32)
    weights, biases = trained(squares, labels, SEAMS_HIDDEN, SEAMS_EPOCHS, 1 / 255)
    return list(zip(weights, biases, strict=True))


def seam_squares(
    row: DrawnRow, picture: NDArray[np.uint8], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return squares around pixels of wide strokes and whether digits meet there.

    All pixels where they meet, and a share of the others.
    """
    squares, labels = [np.empty((0, SQUARE * SQUARE), np.uint8)], [np.empty(0, np.bool_)]
    for found, strokes, ink, height in rows_of(picture):
        for number in strokes:
            stroke = stroke_of(found, int(number), ink)
            if stroke.mask.shape[1] < CUT_FROM * height:
                continue
            guessed = height * float(np.exp(rng.normal(0, 0.08)))
            small = reduced(stroke.mask, stroke.density, guessed)
            window = slice(stroke.top, stroke.bottom), slice(stroke.left, stroke.right)
            owner = Image.fromarray(np.where(stroke.mask, row.owner[window], 0).astype(np.uint8))
            owners = np.asarray(owner.resize(small.shape[::-1], Image.Resampling.NEAREST))
            marks = range(1, len(row.text) + 2)
            near = sum(dilate(owners == mark, 3).astype(np.int8) for mark in marks)
            meet = (near > 1) & (small >= INK)
            chosen = meet | ((small >= INK) & (rng.random(small.shape) < SEAMS_OTHERS))
            values = surroundings(small)[chosen].reshape(-1, SQUARE * SQUARE)
            squares.append(np.rint(255 * np.clip(values, 0, 1)).astype(np.uint8))
            labels.append(meet[chosen])
    return np.concatenate(squares), np.concatenate(labels)


def trained_judge(digits: Dataset) -> Layers:
    """Learn what one whole digit is, from the parts that the reader cuts rows into."""
    with ProcessPoolExecutor() as pool:
        chunks = list(pool.map(partial(judged_parts, digits), range(JUDGE_CHUNKS)))
    images, shapes, whole = (np.concatenate(kind) for kind in zip(*chunks, strict=True))
    mean, spread = shapes.mean(0), shapes.std(0) + 1e-3
    inputs = np.hstack([np.float32(1 / 255) * images, (shapes - mean) / spread * SPREAD])
    weights, biases = trained(inputs.astype(np.float32), whole, JUDGE_HIDDEN, JUDGE_EPOCHS, 1)
    weights[0][SIDE * SIDE :] *= (SPREAD / spread)[:, None]
    biases[0] -= mean @ weights[0][SIDE * SIDE :]
    return list(zip(weights, biases, strict=True))


def judged_parts(
    digits: Dataset, chunk: int
) -> tuple[NDArray[np.uint8], Float32Array, Float32Array]:
    """Return the parts of a chunk of rows: images, shape features and whether they are whole."""
    rng = np.random.default_rng([JUDGE_SEED, chunk])
    parts = [
        part
        for row, picture in drawn_rows(digits, rng, JUDGE_CHUNK, JUDGE_TOUCHING)
        for part in parts_of(row, picture, rng)
    ]
    return (
        np.stack([image for image, _, _ in parts]).reshape(len(parts), -1),
        np.array([shape for _, shape, _ in parts], np.float32),
        np.array([label for _, _, label in parts], np.float32),
    )


def drawn_rows(
    digits: Dataset, rng: np.random.Generator, count: int, touching: list[float]
) -> Iterator[tuple[DrawnRow, NDArray[np.uint8]]]:
    """Draw rows, and each once more as a picture by some pen."""
    for _ in range(count):
        chosen = rng.integers(len(digits.images), size=5)
        images = digits.images[chosen]
        if rng.random() < 0.4:
            images = np.stack([distorted(image, rng) for image in images])
        row = draw_row(
            images,
            digits.labels[chosen],
            rng,
            touching=rng.choice(touching),
            scale=rng.uniform(1.5, 3),
            on_paper=rng.random() < 0.2,
        )
        picture = Image.fromarray(row.picture)
        pen = rng.random()
        if pen < 0.15:
            picture = picture.filter(ImageFilter.MaxFilter(3))
        elif pen < 0.25:
            picture = picture.filter(ImageFilter.MinFilter(3))
        yield row, np.asarray(picture)


def rows_of(
    picture: NDArray[np.uint8],
) -> Iterator[tuple[Regions, NDArray[np.intp], Ink, float]]:
    """Find the rows in a picture as the reader does: strokes, and the height of the digits."""
    way = next(ways(picture, Polarity.AUTO))
    if isinstance(way, ImageError):
        return
    ink = way.ink
    found = Regions.of(ink.mask)
    for strokes in find_rows(found, ink.mask.shape):
        yield found, strokes, ink, weighted_median(heights(found)[strokes], found.size[strokes])


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
) -> list[tuple[NDArray[np.uint8], list[float], int]]:
    """Cut a picture as the reader does; parts that are nearly one digit are left out."""
    parts = []
    for found, strokes, ink, height in rows_of(picture):
        count = len(row.text)  # marks that are no digits come after the last digit
        total = np.bincount(row.owner[ink.mask], minlength=count + 2)
        cut = split([stroke_of(found, int(number), ink) for number in strokes], height)
        pieces = sorted(cut, key=lambda piece: piece.middle)
        tried = candidates(pieces, height)
        if not tried:
            continue
        guessed = height * float(np.exp(rng.normal(0, 0.08)))
        middle = float(np.median([(p.stroke.top + p.stroke.bottom) / 2 for p in pieces]))
        for candidate in tried:
            left, top, right, bottom = candidate.box
            owners = row.owner[top:bottom, left:right][candidate.mask]
            own = np.bincount(owners, minlength=count + 2)[1:]
            digit = int(own.argmax())
            precision = own[digit] / max(1, own.sum())
            recall = own[digit] / max(1, total[digit + 1])
            whole = precision >= 0.9 and recall >= 0.9 and digit < count
            if not whole and precision >= 0.82 and recall >= 0.8 and digit < count:
                continue
            image = judged_image(candidate.mask, ink.density[top:bottom, left:right])
            coarse = (255 * image).astype(np.uint8)  # keeps hundreds of thousands small
            shape = shape_features(candidate, pieces, guessed, middle)
            parts.append((coarse, shape, int(whole)))
    return parts


def trained(
    inputs: NDArray[np.generic],
    labels: Float32Array,
    hidden: tuple[int, ...],
    epochs: int,
    scale: float,
) -> tuple[list[Float32Array], list[Float32Array]]:
    """Fit a network by AdamW to `inputs` times `scale`; returns weights and biases.

    Images of SIDE×SIDE pixels, which the judge's inputs begin with, are moved by up to a pixel.
    """
    rng = np.random.default_rng(0)
    sizes = inputs.shape[1], *hidden, 1
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
    for step in range(epochs * batches):
        if step % batches == 0:
            rng.shuffle(order)
        chosen = order[step % batches * BATCH :][:BATCH]
        batch = np.multiply(inputs[chosen], np.float32(scale), dtype=np.float32)
        if inputs.shape[1] != SQUARE * SQUARE:
            pixels = batch[:, : SIDE * SIDE].reshape(-1, SIDE, SIDE)
            moved = np.roll(pixels, tuple(rng.integers(-1, 2, 2)), (1, 2))
            batch[:, : SIDE * SIDE] = moved.reshape(len(batch), -1)
        gradients = gradient(batch, labels[chosen], weights, biases)
        rate = RATE * 0.5 * (1 + np.cos(np.pi * step / (epochs * batches)))
        for index, (variable, slope) in enumerate(zip(variables, gradients, strict=True)):
            first[index] += 0.1 * (slope - first[index])
            second[index] += 0.001 * (slope**2 - second[index])
            mean = first[index] / (1 - 0.9 ** (step + 1))
            spread = np.sqrt(second[index] / (1 - 0.999 ** (step + 1))) + 1e-8
            decay = DECAY * variable if variable.ndim == 2 else 0
            variable -= (rate * (mean / spread + decay)).astype(np.float32)
    return weights, biases


def gradient(
    batch: Float32Array,
    labels: Float32Array,
    weights: list[Float32Array],
    biases: list[Float32Array],
) -> list[Float32Array]:
    """Return the gradient of the mean log loss: for all weights, then for all biases."""
    values = [batch]
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        values.append(np.maximum(values[-1] @ weight + bias, 0))
    odds = values[-1] @ weights[-1] + biases[-1]
    slope = (1 / (1 + np.exp(-np.clip(odds, -50, 50))) - labels[:, None]) / len(batch)
    of_weights, of_biases = [], []
    for layer in range(len(weights) - 1, -1, -1):
        of_weights.insert(0, values[layer].T @ slope)
        of_biases.insert(0, slope.sum(0))
        slope = slope @ weights[layer].T * (values[layer] > 0)
    return [*of_weights, *of_biases]


if __name__ == "__main__":
    main()
