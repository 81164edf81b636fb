"""Stroke width: measured, and brought to what the network knows."""

from __future__ import annotations

import numpy as np

from digitcli.seeing.morphology import Float32Array, Mask, distance_inside, padded


def stroke_width(mask: Mask) -> float:
    """Mean width of the strokes of a mask, in pixels.

    Across a stroke of width w the distance to its edge rises from 0 to w / 2, so its mean is w / 4.
    """
    return _mean_width(mask, _depth(mask))


def _depth(mask: Mask) -> Float32Array:
    """How deep in a stroke each pixel of a mask lies, with a margin of one pixel around it."""
    return distance_inside(padded(mask, 1), max(mask.shape) // 4 + 1)


def _mean_width(mask: Mask, depth: Float32Array) -> float:
    return 4 * (float(depth.sum()) / int(np.count_nonzero(mask)) - 0.5) + 1


def restroke(mask: Mask, narrowest: float, widest: float) -> Mask:
    """Thicken or thin strokes so that their mean width lies between two bounds, in pixels.

    Parameters
    ----------
    mask : ndarray of bool, shape (height, width)
        Strokes, large against a pixel.
    narrowest, widest : float
        Bounds of the mean width.

    Returns
    -------
    ndarray of bool
        The strokes, with a margin around them if they were thickened.
    """
    depth = _depth(mask)
    width = _mean_width(mask, depth)
    if width < narrowest:
        radius = (narrowest - width) / 2
        margin = int(np.ceil(radius)) + 1
        return distance_inside(~padded(mask, margin), margin) <= radius + 0.25
    if width > widest:
        radius = (width - widest) / 2
        thinned = depth > radius + 0.25
        return thinned if thinned.any() else mask
    return mask
