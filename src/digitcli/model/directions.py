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
_NOTHING: Final = 1e-12
"""Smaller shares count as none: products with them are subnormal, on which processors are slow."""
GAIN: Final = np.float32(3)
"""Makes the features of a digit about as large as its pixels, and so the learning rates alike."""

_CHUNK: Final = 32
"""Images at a time: what is made of them fits into a processor's second-level cache."""

_PITCH: Final = _SIDE + 1
"""From one line of an image to the next, and to the next image, in a row of pixels."""

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
    for start in range(0, len(images), _CHUNK):
        planes = _split(images[start : start + _CHUNK])
        cell_means = result[start : start + _CHUNK].swapaxes(0, 1)
        np.matmul(shares.T @ planes, shares, out=cell_means)
    np.sqrt(result, out=result)
    result *= GAIN
    return result.reshape(-1, COUNT)


def _split(images: Images) -> Images:
    """Return the lengths of the gradients in each direction, shape (8, n, 28, 28)."""
    across, down = _sobel(images)
    right, below = np.maximum(across, 0), np.maximum(down, 0)
    left, above = right - across, below - down
    planes = np.empty((DIRECTIONS, len(across)), np.float32)
    along, diagonal = planes[:4], planes[4:]
    np.minimum(right, below, out=diagonal[0])
    np.minimum(right, above, out=diagonal[1])
    np.minimum(left, below, out=diagonal[2])
    np.minimum(left, above, out=diagonal[3])
    for plane, length, first, second in (
        (along[0], right, 0, 1),
        (along[1], left, 2, 3),
        (along[2], below, 0, 2),
        (along[3], above, 1, 3),
    ):
        np.subtract(length, diagonal[first], out=plane)
        plane -= diagonal[second]
    diagonal *= np.float32(math.sqrt(2))
    return planes.reshape(DIRECTIONS, -1, _PITCH, _PITCH)[:, :, :_SIDE, :_SIDE]


def _sobel(images: Images) -> tuple[Images, Images]:
    """Return how each pixel gets brighter to the right and downwards, shape (n × 29 × 29,).

    An empty line and column after each image part it from the next, so that all are one row of
    numbers, which is quicker than many short ones. What stands in those lines means nothing.
    """
    flat = np.zeros(len(images) * _PITCH**2 + 2 * _PITCH + 2, np.float32)
    inside = flat[_PITCH + 1 : -_PITCH - 1].reshape(-1, _PITCH, _PITCH)
    square = images.reshape(-1, _SIDE, _SIDE)
    np.multiply(square, np.float32(1 / 4), out=inside[:, :_SIDE, :_SIDE])
    smooth = 2 * flat[_PITCH:-_PITCH]
    smooth += flat[: -2 * _PITCH]
    smooth += flat[2 * _PITCH :]
    across = smooth[2:] - smooth[:-2]
    smooth = 2 * flat[1:-1]
    smooth += flat[:-2]
    smooth += flat[2:]
    return across, smooth[2 * _PITCH :] - smooth[: -2 * _PITCH]


@lru_cache(maxsize=1)
def cells() -> Images:
    """Return the share of each pixel of a row in each cell, shape (28, 9)."""
    centres = (np.arange(_CELLS) + 0.5) * (_SIDE / _CELLS) - 0.5
    distances = np.arange(_SIDE)[:, None] - centres
    weights = np.exp(-(distances**2) / (2 * _SIGMA**2)).astype(np.float32)
    weights[weights < _NOTHING] = 0
    shares: Images = weights / weights.sum(axis=0)
    return shares
