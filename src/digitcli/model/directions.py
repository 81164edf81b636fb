"""Which way the edges of a digit face, and about where: what a network may see instead of pixels.

A pixel tells where ink is. That a stroke runs one way here and another way there, which is what
makes a digit, a network has to find out from many of them; told so, it needs fewer epochs and errs
less often.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.float32]

_SIDE: Final = 28
_CELLS: Final = 9
_SIGMA: Final = 1.4
"""Pixels; near sqrt(2)/pi times the distance of the cells, so that they overlap."""
GAIN: Final = np.float32(3)
"""Makes the features of a digit about as large as its pixels, and so the learning rates alike."""

_CHUNK: Final = 64
"""Images at a time, in memory that is asked for once."""

DIRECTIONS: Final = 8
COUNT: Final = DIRECTIONS * _CELLS * _CELLS
"""Features of an image."""


def directions(images: Images) -> Images:
    """Return the strength of the edges in eight directions and 9×9 overlapping cells.

    Sobel's operator gives the gradient of each pixel. It is the sum of a vector along an axis and
    one along a diagonal, the two directions nearest to it, and counts in both with their lengths.
    The lengths in each direction are averaged in Gaussian cells; the square root of that keeps
    faint strokes from being overlooked beside bold ones.

    Parameters
    ----------
    images : ndarray of float32, shape (n, 784)
        Values from 0 to 1.

    Returns
    -------
    ndarray of float32, shape (n, 648)
        Not negative; all directions of all cells, direction by direction.

    References
    ----------
    Liu, Nakashima, Sako, Fujisawa: Handwritten digit recognition: benchmarking of state-of-the-art
    techniques. Pattern Recognition 36 (2003), there "gradient feature".
    """
    result = np.empty((len(images), DIRECTIONS, _CELLS, _CELLS), np.float32)
    shares = cells()
    planes = np.empty((min(len(images), _CHUNK), DIRECTIONS, _SIDE, _SIDE), np.float32)
    for start in range(0, len(images), _CHUNK):
        part = images[start : start + _CHUNK]
        planes = planes[: len(part)]
        _split(part, planes)
        np.matmul(shares.T @ planes, shares, out=result[start : start + _CHUNK])
    np.sqrt(result, out=result)
    result *= GAIN
    return result.reshape(-1, COUNT)


def _split(images: Images, planes: Images) -> None:
    """Write the lengths of the gradients in each direction to planes (n, 8, 28, 28)."""
    padded = np.zeros((len(images), _SIDE + 2, _SIDE + 2), np.float32)
    padded[:, 1:-1, 1:-1] = images.reshape(-1, _SIDE, _SIDE)
    across, down = _sobel(padded), _sobel(padded.swapaxes(1, 2)).swapaxes(1, 2)
    right, below = across > 0, down > 0
    np.abs(across, out=across)
    np.abs(down, out=down)
    diagonal = np.minimum(across, down)
    across -= diagonal
    down -= diagonal
    diagonal *= np.float32(math.sqrt(2))
    diagonal_right = diagonal * right
    diagonal -= diagonal_right
    for plane, (length, chosen) in enumerate(
        ((across, right), (down, below), (diagonal_right, below), (diagonal, below))
    ):
        np.multiply(length, chosen, out=planes[:, 2 * plane])
        np.subtract(length, planes[:, 2 * plane], out=planes[:, 2 * plane + 1])


def _sobel(padded: Images) -> Images:
    """Return the slope along each row of images (n, 30, 30), smoothed across it: (n, 28, 28)."""
    smooth = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    slope: Images = (smooth[:, :, 2:] - smooth[:, :, :-2]) * np.float32(1 / 4)
    return slope


@lru_cache(maxsize=1)
def cells() -> Images:
    """Return the share of each pixel of a row in each cell, shape (28, 9)."""
    centres = (np.arange(_CELLS) + 0.5) * (_SIDE / _CELLS) - 0.5
    distances = np.arange(_SIDE)[:, None] - centres
    weights = np.exp(-(distances**2) / (2 * _SIGMA**2)).astype(np.float32)
    shares: Images = weights / weights.sum(axis=0)
    return shares
