"""Stroke width: measured, and brought to what the network knows."""

from __future__ import annotations

import numpy as np

from digitcli.seeing.ink import continued
from digitcli.seeing.morphology import Float32Array, Mask, dilate, distance_inside, padded


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


def restroke(mask: Mask, narrowest: float, widest: float, hairline: float) -> Mask:
    """Thicken or thin strokes so that their mean width lies between two bounds, in pixels.

    Hairlines that lead away from thicker strokes are widened then.

    Parameters
    ----------
    mask : ndarray of bool, shape (height, width)
        Strokes, large against a pixel.
    narrowest, widest : float
        Bounds of the mean width.
    hairline : float
        What is narrower is a hairline.

    Returns
    -------
    ndarray of bool
        The strokes, most often with a margin around them.
    """
    depth = _depth(mask)
    width = _mean_width(mask, depth)
    thicker = (narrowest - width) / 2
    if thicker > 0:
        margin = int(np.ceil(thicker)) + 1
        shaped = distance_inside(~padded(mask, margin), margin) <= thicker + 0.25
        depth = padded(depth, margin - 1)
    else:
        thicker = min(0.0, (widest - width) / 2)
        shaped = depth > 0.25 - thicker
        if not shaped.any():
            return mask
    return _with_firm_hairlines(shaped, depth > hairline / 2 - thicker, hairline)


def _with_firm_hairlines(mask: Mask, thick: Mask, hairline: float) -> Mask:
    """Widen what is thin and leads far away from what is thick.

    Parameters
    ----------
    mask : ndarray of bool, shape (height, width)
        Strokes.
    thick : ndarray of bool, shape (height, width)
        Their middles where they are wider than hairlines.
    hairline : float
    """
    size = round(hairline / 2) * 2 - 1
    if not (mask & ~dilate(thick, 3 * size)).any():
        return mask
    thick = dilate(thick, size)
    thin = mask & ~dilate(thick, 3)
    far = continued(thin, thin & ~dilate(thick, 2 * size + 1)) & continued(mask, thick)
    return mask | dilate(far, size - 2)
