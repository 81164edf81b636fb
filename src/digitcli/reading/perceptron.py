"""The small networks that divide rows into digits: multi-layer perceptrons with one output."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from digitcli.seeing.morphology import Float32Array

Layers = list[tuple[NDArray[np.float32], NDArray[np.float32]]]
"""Weights, shape (in, out), and biases of each layer."""


def load_layers(name: str) -> Layers:
    """Read weights and biases that come with the package, from the first layer to the last."""
    with Path(__file__).with_name(name).open("rb") as file, np.load(file) as arrays:
        return [
            (
                arrays[f"weight{layer}"].astype(np.float32),
                arrays[f"bias{layer}"].astype(np.float32),
            )
            for layer in range(len(arrays.files) // 2)
        ]


def log_odds(values: Float32Array, layers: Layers) -> Float32Array:
    """Return the output for each row of `values`, shape (n,); the hidden units are ReLUs."""
    *hidden, (weight, bias) = layers
    for inner_weight, inner_bias in hidden:
        values = np.maximum(values @ inner_weight + inner_bias, 0)
    return np.asarray((values @ weight + bias)[:, 0])
