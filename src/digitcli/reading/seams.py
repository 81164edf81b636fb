"""Where in connected ink one digit ends and the next begins.

Digits that touch meet at a crossing, along a whole side or in the middle of a bar, and the ink
there looks much like that within a digit. What tells them apart was learned by a small network
from rows drawn of MNIST's training digits (tools/line_networks.py): it sees a square around a
pixel, of about a digit's height, and tells whether the strokes of two digits meet there.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image

from digitcli.reading.perceptron import Layers, load_layers, log_odds
from digitcli.seeing.morphology import Float32Array, Mask, padded

HEIGHT = 20
"""Rows of digits are brought to this height."""
SIDE = 21
"""Pixels of the square around a pixel, odd."""
INK = 0.25
"""From this value on a pixel is looked at."""


def seams(mask: Mask, density: Float32Array, height: float) -> Float32Array:
    """Return how probable it is that digits meet in a pixel, for connected ink.

    Parameters
    ----------
    mask : ndarray of bool, shape (rows, columns)
    density : ndarray of float32, shape (rows, columns)
    height : float
        Height of the digits in their row, in pixels.

    Returns
    -------
    ndarray of float32, shape (rows, columns)
        0 to 1; 0 where there is no ink nearby.
    """
    small = reduced(mask, density, height)
    ink = small >= INK
    found = np.zeros(small.shape, np.float32)
    squares = surroundings(small)[ink].reshape(-1, SIDE * SIDE)
    found[ink] = 1 / (1 + np.exp(-log_odds(squares, _layers())))
    large = Image.fromarray(found).resize(mask.shape[::-1], Image.Resampling.BILINEAR)
    return np.asarray(large)


def reduced(mask: Mask, density: Float32Array, height: float) -> Float32Array:
    """Bring the ink of a row that is `height` pixels high to HEIGHT."""
    scale = HEIGHT / height
    size = max(1, round(mask.shape[1] * scale)), max(1, round(mask.shape[0] * scale))
    own = Image.fromarray(np.where(mask, density, 0).astype(np.float32))
    return np.asarray(own.resize(size, Image.Resampling.BILINEAR))


def surroundings(small: Float32Array) -> Float32Array:
    """Return the square around each pixel, shape (rows, columns, SIDE, SIDE)."""
    return sliding_window_view(padded(small, SIDE // 2), (SIDE, SIDE))


@cache
def _layers() -> Layers:
    return load_layers("seams.npz")
