"""Draw rows of digits as people write them: spaced or touching, on plain or on ruled paper."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Float32Array = NDArray[np.float32]
INK = 0.5
"""A pixel of a digit belongs to its strokes from this value on."""


@dataclass(frozen=True)
class DrawnRow:
    """A picture of a row, its text, and which pixel belongs to which digit (0 to none)."""

    picture: NDArray[np.uint8]
    text: str
    owner: NDArray[np.uint8]


def draw_row(
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    rng: np.random.Generator,
    *,
    touching: float = 0.0,
    scale: float = 2.0,
    on_paper: bool = False,
) -> DrawnRow:
    """Draw MNIST digits side by side.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, 28, 28)
        The digits from left to right, bright on black.
    labels : ndarray of uint8, shape (n,)
    rng : Generator
    touching : float
        Share of the neighbours that touch; the others are 2 to 10 pixels apart, the digits being
        20 pixels high.
    scale : float
        How much larger than MNIST to draw.
    on_paper : bool
        Ruled paper, dark ink, uneven light and noise instead of black on white.
    """
    ink = np.zeros((48, 28 * len(images) + 60), np.float32)
    owner = np.zeros(ink.shape, np.uint8)
    right = 8
    for number, image in enumerate(images, 1):
        digit = _cropped(image)
        height, width = digit.shape
        top = int(rng.integers(-2, 3)) + (ink.shape[0] - height) // 2
        rows = slice(top, top + height)
        left = right + (0 if number == 1 else int(rng.integers(2, 11)))
        if number > 1 and rng.random() < touching:
            left = _touching(ink[rows] > INK, digit > INK, right)
        place = rows, slice(left, left + width)
        owner[place][(digit > INK) & (digit >= ink[place])] = number
        ink[place] = np.maximum(ink[place], digit)
        right = max(right, left + width)
    ink, owner = ink[:, : right + 8], owner[:, : right + 8]
    size = round(ink.shape[1] * scale), round(ink.shape[0] * scale)
    large = np.asarray(Image.fromarray(ink).resize(size, Image.Resampling.BICUBIC))
    owner = np.asarray(Image.fromarray(owner).resize(size, Image.Resampling.NEAREST))
    paper = _paper(large, rng) if on_paper else 1 - large
    picture = np.clip(np.rint(paper * 255), 0, 255).astype(np.uint8)
    return DrawnRow(picture, "".join(map(str, labels)), owner)


def _cropped(image: NDArray[np.uint8]) -> Float32Array:
    ink = image.astype(np.float32) / np.float32(255)
    rows, columns = np.flatnonzero((ink > 0).any(1)), np.flatnonzero((ink > 0).any(0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _touching(before: NDArray[np.bool_], digit: NDArray[np.bool_], right: int) -> int:
    """Move a digit to the left until its strokes meet what is there."""
    thick = before.copy()
    thick[1:] |= before[:-1]
    thick[:-1] |= before[1:]
    for left in range(right + 1, right - 6, -1):
        if (thick[:, left : left + digit.shape[1]] & digit).any():
            return left
    return right


def _paper(ink: Float32Array, rng: np.random.Generator) -> Float32Array:
    """Dark ink on ruled paper in uneven light."""
    height, width = ink.shape
    y, x = np.mgrid[0:height, 0:width] / width
    paper = np.ones(ink.shape, np.float32)
    pitch = height / rng.uniform(1.2, 2.5)
    slope = rng.uniform(-0.02, 0.02)
    line = (y * width + slope * x * width + rng.uniform(0, pitch)) % pitch < max(1.0, height / 90)
    paper[line] = rng.uniform(0.6, 0.85)
    paper *= 1 - rng.uniform(0.5, 0.9) * np.clip(ink, 0, 1)
    angle = rng.uniform(0, 2 * np.pi)
    light = 0.75 + rng.uniform(0, 0.4) * (np.cos(angle) * (x - 0.5) + np.sin(angle) * y)
    noise = rng.normal(0, 0.015, ink.shape)
    return np.asarray(paper * light + noise, np.float32)
