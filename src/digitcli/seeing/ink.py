"""From ink density to a mask: which pixels are ink."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from digitcli.seeing.morphology import Float32Array, Mask, blur, label
from digitcli.seeing.quantile import quantile

FAINT = 0.7
"""Ink may be this much fainter than the threshold where it continues darker ink."""

NOISY = 4
"""Ink must be darker than the noise of the paper by this factor, or the picture is smoothed."""


class Ink(NamedTuple):
    """The strokes on a page.

    Attributes
    ----------
    density : ndarray of float32, shape (height, width)
        0 for paper to 1 for the darkest ink.
    mask : ndarray of bool, shape (height, width)
        What is taken for pen strokes.
    limit : float
        The density at which ink begins.
    """

    density: Float32Array
    mask: Mask
    limit: float


def denoise(density: Float32Array) -> Float32Array:
    """Smooth a picture whose paper is so rough that ink cannot be told from it by density."""
    for _ in range(2):
        if threshold(density) > NOISY * noise(density):
            break
        density = blur(density, 3)
    return density


def noise(density: Float32Array) -> float:
    """Standard deviation of the noise, from the smaller differences between neighbours.

    A quarter of the absolute differences of normal noise are below 0.45 standard deviations; the
    quartile is untouched by strokes unless they cover most of the picture.
    """
    return quantile(np.abs(np.diff(density, axis=1)), 0.25) / 0.45


def threshold(density: Float32Array) -> float:
    """The density halfway between ink and paper, measured where one meets the other.

    The mean over neighbouring pixels, weighted by the square of their difference: the edges
    decide, and neither the share of ink in the picture nor slow changes of the paper matter.

    References
    ----------
    Kittler, Illingworth, Föglein: Threshold selection based on a simple image statistic.
    Computer Vision, Graphics, and Image Processing 30 (1985).
    """
    total = weight = 0.0
    for before, after in (
        (density[:-1], density[1:]),
        (density[:, :-1], density[:, 1:]),
    ):
        step = np.abs(after - before)
        edge = np.maximum(step - 9 * quantile(step, 0.25), 0) ** 2
        total += float((edge * (before + after)).sum()) / 2
        weight += float(edge.sum())
    return total / weight if weight else 1.0


def ink_mask(density: Float32Array, limit: float) -> Mask:
    """Ink above the threshold, and fainter ink that continues it (hysteresis)."""
    mask = density > FAINT * limit
    labels, count = label(mask)
    strong = np.zeros(count + 1, bool)
    strong[labels[density > limit]] = True
    return strong[labels]
