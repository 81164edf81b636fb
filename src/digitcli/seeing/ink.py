"""From ink density to a mask: which pixels are ink."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from digitcli.seeing.morphology import Float32Array, Mask, blur, dilate, strips_of
from digitcli.seeing.quantile import quantile

FAINT = 0.7
"""Ink may be this much fainter than the threshold where it continues darker ink."""

PALEST = 0.2
"""The palest ink, where the pen hardly touched, has this share of the threshold's density,"""
ABOVE = 3.0
"""and stands out from the paper by this much more than most of the paper varies."""
FRINGE = 0.5
"""What has less of the density of the ink nearby is that ink's blurred edge,"""
BLURRED = 0.004
"""which is as wide as this share of the picture's longer side."""
LIFTED = 1.3
"""Pale ink counts as this dense, against the threshold."""

SHARPER, AMONG = 5.0, 5
"""Where hairlines are sought, a density's difference from the mean of the square around it, of this
side, counts so often more, at most: chosen on small pictures of written digits."""

NOISY = 4
"""Ink must be darker than the noise of the paper by this factor, or the picture is smoothed."""


SMOOTHING = 3, 3, 5
"""Sizes of the squares that are averaged, one after the other."""


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


def denoise(density: Float32Array) -> tuple[Float32Array, float]:
    """Smooth a picture whose paper is so rough that ink cannot be told from it by density.

    Returns
    -------
    density : ndarray of float32, shape (height, width)
        The density, smoothed or not,
    limit : float
        and at which density ink begins.
    """
    for size in SMOOTHING:
        limit = threshold(density)
        if limit > NOISY * noise(density):
            return density, limit
        density = blur(density, size)
    return density, threshold(density)


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


def heavy_limit(ink: Float32Array) -> float:
    """The density halfway between the paler and the denser ink.

    References
    ----------
    Ridler, Calvard: Picture thresholding using an iterative selection method. IEEE Transactions on
    Systems, Man, and Cybernetics 8 (1978).
    """
    limit = float(ink.mean())
    for _ in range(8):
        dense = ink > limit
        if not 0 < np.count_nonzero(dense) < ink.size:
            break
        limit = float(ink[dense].mean() + ink[~dense].mean()) / 2
    return limit


def ink_mask(density: Float32Array, limit: float) -> Mask:
    """Ink above the threshold, and fainter ink that continues it (hysteresis)."""
    return continued(density > FAINT * limit, density > limit)


def may_be_ink(smooth: Float32Array, limit: float, around: int) -> Mask:
    """What stands out from the paper, however pale, and is not the blurred edge of darker ink.

    Parameters
    ----------
    smooth : ndarray of float32, shape (height, width)
        Density, without grain.
    limit : float
        The density at which ink usually begins.
    around : int
        Side of the square that a blurred edge lies in, with its ink.
    """
    low, middle, high = (quantile(smooth, share) for share in (0.3, 0.5, 0.7))
    palest = max(PALEST * limit, middle + ABOVE * (high - low))
    return np.asarray(smooth > np.maximum(palest, FRINGE * dilate(smooth, around)))


def continued(mask: Mask, certain: Mask) -> Mask:
    """Keep the pieces of a mask that hold something certain."""
    strips = strips_of(mask)
    length = strips.end - strips.start
    owner = np.repeat(strips.number, length)
    kept = np.zeros(strips.components, np.bool_)
    kept[owner[certain[mask]]] = True
    part = np.zeros(mask.shape, np.bool_)
    part[mask] = kept[owner]
    return part


def hairlines(density: Float32Array, limit: float) -> tuple[Float32Array, Mask]:
    """Follow ink along lines finer than a pixel, which is paler for the paper that it covers, too.

    Parameters
    ----------
    density : ndarray of float32, shape (height, width)
    limit : float
        The density at which ink usually begins.

    Returns
    -------
    density : ndarray of float32, shape (height, width)
        Above `limit` in most of the ink.
    mask : ndarray of bool, shape (height, width)
        Ink above the limit, and hairlines.
    """
    sharper = sharpened(density, limit, noise(density))
    mask = ink_mask(sharper, limit)
    return np.where(mask, sharper, np.minimum(density, limit)).astype(np.float32), mask


def sharpened(density: Float32Array, limit: float, deviation: float) -> Float32Array:
    """Bring out lines finer than a pixel.

    Each pixel's difference from its surroundings is added to it, as often as noise of
    this standard deviation allows. There is none where an edge runs, halfway between ink and paper.
    """
    times = np.float32(min(SHARPER, max(0.0, limit / max(NOISY * deviation, 1e-6) - 1)))
    return np.clip(density + times * (density - blur(density, AMONG)), density, 1)


def pale_ink(density: Float32Array, limit: float) -> tuple[Float32Array, Mask]:
    """Follow ink to where the pen hardly touched the paper.

    Parameters
    ----------
    density : ndarray of float32, shape (height, width)
        With the light evened out, lest uneven paper is taken for pale ink.
    limit : float
        The density at which ink usually begins.

    Returns
    -------
    density : ndarray of float32, shape (height, width)
        Above `limit` wherever there is ink.
    mask : ndarray of bool, shape (height, width)
        Ink above the limit, and all that continues it and is not its blurred edge.
    """
    around = max(1, round(BLURRED * max(density.shape))) * 2 + 1
    mask = continued(may_be_ink(blur(density, 3), limit, around), density > limit)
    lifted = np.maximum(density, min(1.0, LIFTED * limit))
    return np.where(mask, lifted, np.minimum(density, limit)).astype(np.float32), mask
