"""Accuracy on small pictures of digits whose strokes are thick and hair-thin, per size of picture.

    python benchmarks/hairlines.py [--count 400] [--seed 0]

The digits are those of `digitcli.writing`, written with a pen that is pressed on unevenly.
"""

from __future__ import annotations

import argparse
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from captures import SURE, read_single
from digitcli import load_model
from digitcli.writing.writer import hand, write_digit

SIZES = (16, 24), (24, 36), (36, 64), (64, 100), (100, 200)
"""Bounds of the longer side of a picture."""
HEIGHT, SHEET = 400, 620
"""Pixels of a digit, and of the sheet that it is written on."""


def draw(
    number: int, seed: int, shortest: float, longest: float
) -> tuple[int, NDArray[np.float32], np.random.Generator]:
    """Write a digit with an uneven pen: which it is, its density in a small picture, and chance."""
    person, rng = hand(number, seed, 1.0)
    digit = int(rng.integers(10))
    uneven, pen = rng.uniform(0.3, 0.9), HEIGHT * rng.uniform(0.06, 0.13)
    ways, _ = write_digit(digit, person, rng)
    everything = np.concatenate(ways)
    low, extent = everything.min(0), np.ptp(everything, axis=0)
    scale = HEIGHT / max(float(extent.max()), 0.15)
    density = np.zeros((SHEET, SHEET), np.float32)
    for way in ways:
        places = (way - low) * scale + (SHEET - extent * scale) / 2
        swing = np.sin(np.linspace(0, rng.uniform(1, 7), len(places)) + rng.uniform(0, 7))
        sheet = Image.new("L", (SHEET, SHEET))
        brush = ImageDraw.Draw(sheet)
        pressure = 1 + uneven * np.minimum(swing, 0.5)
        for start, stop, pressed in zip(places[:-1], places[1:], pressure, strict=False):
            width, shade = max(3.0, pen * pressed), round(255 * min(1, 0.35 + 0.65 * pressed))
            brush.line((*start, *stop), shade, round(width))
            brush.circle(tuple(stop), width / 2, shade)
        density = np.maximum(density, np.asarray(sheet, np.float32) / 255)
    rows, columns = np.nonzero(density)
    margin = HEIGHT * rng.uniform(0.02, 0.18)
    top, left = (max(0, int(low - margin)) for low in (rows.min(), columns.min()))
    density = density[top : int(rows.max() + margin), left : int(columns.max() + margin)]
    shrink = rng.uniform(shortest, longest) / max(density.shape)
    blurred = Image.fromarray(np.rint(255 * density).astype(np.uint8)).filter(
        ImageFilter.GaussianBlur(rng.uniform(0.2, 0.7) / shrink)
    )
    height, width = (max(8, round(side * shrink)) for side in density.shape)
    small = blurred.resize((width, height), Image.Resampling.BOX)
    return digit, np.asarray(small, np.float32) / 255, rng


def capture(density: NDArray[np.float32], rng: np.random.Generator) -> BytesIO:
    """Photograph ink on unevenly lit paper, as a JPEG file."""
    paper, ink = rng.uniform(150, 250), rng.uniform(20, 110)
    grey = paper - (paper - ink) * density + rng.normal(0, rng.uniform(1, 5), density.shape)
    for axis, side in enumerate(density.shape):
        light = np.linspace(0, rng.normal(0, 10), side)
        grey += light[:, None] if axis == 0 else light
    picture = Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8)).convert("RGB")
    file = BytesIO()
    picture.save(file, "JPEG", quality=int(rng.integers(60, 95)))
    file.seek(0)
    return file


def main() -> None:
    """Draw, read and count."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=400, help="pictures of each size")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    model = load_model()
    for shortest, longest in SIZES:
        wrong = surely = 0
        for number in range(options.count):
            digit, density, rng = draw(number, options.seed, shortest, longest)
            answer, confidence = read_single(model, capture(density, rng))
            wrong += answer != digit
            surely += answer != digit and confidence >= SURE
        print(f"{shortest:3} to {longest:3} pixels: {wrong:3} of {options.count} misread,", end=" ")
        print(f"{surely} of them with a confidence of {SURE} or more", flush=True)


if __name__ == "__main__":
    main()
