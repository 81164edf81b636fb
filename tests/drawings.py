"""Pictures of digits to test with, drawn by Pillow's own font."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from digitcli.model.modelfile import save_model
from digitcli.model.network import Model, Network
from digitcli.polarity import Polarity
from digitcli.reading.digit import see_picture


def drawn(digit: int, side: int = 64) -> Image.Image:
    """Draw a black digit on white paper."""
    image = Image.new("L", (side, side), 255)
    font = ImageFont.load_default(side * 3 // 4)
    ImageDraw.Draw(image).text((side // 2, side // 2), str(digit), 0, font, anchor="mm")
    return image


def mnist_form(digit: int) -> NDArray[np.uint8]:
    """Return a digit as MNIST has them, shape (28, 28)."""
    return normalize(np.asarray(drawn(digit)))


def draw_digits(folder: Path, *, ready: bool = False) -> list[Path]:
    """Save ``0.png`` … ``9.png``, in the form of MNIST when `ready`, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{digit}.png" for digit in range(10)]
    for digit, path in enumerate(paths):
        image = Image.fromarray(mnist_form(digit)) if ready else drawn(digit)
        image.save(path)
    return paths


def save_reader(path: Path) -> Path:
    """Save a small model that reads the drawn digits right, with some confidence.

    The form of MNIST leaves it to chance on which side of the middle the pixel of an even drawing
    comes to lie, so the digits are known a pixel to each side as well.
    """
    templates = np.stack([_known(mnist_form(digit) / 255) for digit in range(10)])
    weights = (0.5 * templates.T).astype(np.float32)
    biases = (-0.25 * (templates**2).sum(axis=1)).astype(np.float32)
    save_model(Model((Network((weights,), (biases,)),)), path)
    return path


def _known(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of an image and of itself moved by a pixel to each side, shape (784,)."""
    moves = (0, 0), (0, 1), (0, -1), (1, 0), (-1, 0)
    return np.mean([np.roll(image, move, (0, 1)) for move in moves], axis=0).ravel()


def normalize(picture: NDArray[np.uint8], polarity: Polarity = Polarity.AUTO) -> NDArray[np.uint8]:
    """The digit in a picture, in the form of MNIST."""
    return see_picture(picture, polarity=polarity).image
