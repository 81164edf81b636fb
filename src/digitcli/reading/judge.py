"""Whether a part of a row is one whole digit, whichever it is.

The network that reads digits knows nothing else and is sure of many things that are none, such as
the middle of a 0 and a 9 that touch. What is and what is not one digit was learned by a small
network of its own, from rows drawn of MNIST's training digits (tools/line_networks.py).
"""

from __future__ import annotations

from functools import cache

import numpy as np

from digitcli.reading.perceptron import Layers, load_layers, log_odds
from digitcli.seeing.morphology import Float32Array, Mask
from digitcli.seeing.resample import BOX, resampled

SIDE = 16
"""Pixels of the judged image."""


def judged_image(mask: Mask, density: Float32Array) -> Float32Array:
    """Scale what is in a box to a longer side of SIDE pixels, in the middle of SIDE×SIDE."""
    height, width = mask.shape
    scale = SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = resampled(np.where(mask, density, 0), size, BOX)
    image = np.zeros((SIDE, SIDE), np.float32)
    top, left = (SIDE - size[1]) // 2, (SIDE - size[0]) // 2
    image[top : top + size[1], left : left + size[0]] = small / max(float(small.max()), 1e-3)
    return image


def judge(images: Float32Array, shapes: Float32Array) -> Float32Array:
    """Return the log-odds that each is one whole digit.

    Parameters
    ----------
    images : ndarray of float32, shape (n, SIDE, SIDE)
    shapes : ndarray of float32, shape (n, features)
        As `digitcli.reading.candidates.shape_features` returns them.
    """
    values = np.hstack([images.reshape(len(images), -1), shapes]).astype(np.float32)
    return log_odds(values, _network())


@cache
def _network() -> Layers:
    return load_layers("judge.npz")
