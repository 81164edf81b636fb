"""Tell a digit from the ring around it where the two touch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from digitcli.seeing.morphology import Mask
from digitcli.seeing.quantile import median, quantile

LEAST = 24
"""Smaller rings are loops of digits, or too coarse."""
ANGLES = 144
"""The ring is looked for in so many directions from its middle."""
FLATTEST = 0.4
"""A ring is no flatter than this,"""
THICKEST = 0.15
"""no thicker than this share of its longer side,"""
CLOSED, OFF = 0.8, 0.05
"""and in so many of the directions an ellipse but for this share of its longer side."""
FITS = 3
"""The ellipse is fitted so often, each time to what the one before fits best."""
SWOLLEN = 1.6
"""Where it is this much thicker than it mostly is, a stroke touches it."""
HIGH, MUCH = 0.6, 0.3
"""What it holds is as high as this share of the ring, at least, or has so much of all ink: the
stroke within the loop of a 6 or 9 does not."""
ASIDE = 1 / 5
"""A stroke that touches it in places farther apart than this share of a turn crosses it: that of a
0 with a bar."""


def encircled(mask: Mask) -> Mask | None:
    """Return what touches a ring from within, None if there is no ring or nothing touches it.

    Parameters
    ----------
    mask : ndarray of bool, shape (height, width)
        One piece of ink, which fills it from side to side.
    """
    height, width = mask.shape
    longer = max(height, width)
    if min(height, width) < max(LEAST, FLATTEST * longer):
        return None
    turn = np.linspace(0, 2 * np.pi, ANGLES, endpoint=False)
    steps = np.arange(int(np.hypot(height, width) / 2) + 1)[:, None]
    rows = np.rint((height - 1) / 2 + steps * np.sin(turn)).astype(np.intp)
    columns = np.rint((width - 1) / 2 + steps * np.cos(turn)).astype(np.intp)
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    rays = mask[rows.clip(0, height - 1), columns.clip(0, width - 1)] & inside
    outer = np.where(rays.any(0), len(steps) - 1 - rays[::-1].argmax(0), 0)
    ellipse = _ellipse(outer, turn)
    if ellipse is None:
        return None
    seen = np.abs(outer - ellipse) <= OFF * longer
    if seen.mean() < CLOSED:
        return None
    outer = np.where(seen, outer, ellipse)
    thick = np.array(
        [
            _run(ray[: end + 1])
            for ray, end in zip(rays.T, outer.astype(np.intp).tolist(), strict=True)
        ]
    )
    usual = max(1.0, median(thick[seen].astype(np.float32)))
    if usual > THICKEST * longer:
        return None
    touched = np.flatnonzero(seen & (thick > SWOLLEN * usual + 1))
    if not len(touched):
        return None
    apart = np.diff(touched, append=touched[0] + ANGLES)
    if ANGLES - apart.max() > ASIDE * ANGLES:
        return None
    y, x = np.ogrid[0:height, 0:width]
    y, x = y - (height - 1) / 2, x - (width - 1) / 2
    place = np.rint(np.arctan2(y, x) / (2 * np.pi) * ANGLES).astype(np.intp) % ANGLES
    ring = np.hypot(y, x) >= (outer - SWOLLEN * usual)[place]
    inner = mask & ~ring
    within = np.flatnonzero(inner.any(1))
    if not len(within):
        return None
    high = within[-1] - within[0] >= HIGH * height
    if not high and np.count_nonzero(inner) < MUCH * np.count_nonzero(mask):
        return None
    return np.asarray(inner)


def _run(ray: NDArray[np.bool_]) -> int:
    """Length of the run of ink at the end of a ray."""
    paper = np.flatnonzero(~ray)
    return len(ray) - 1 - int(paper[-1]) if len(paper) else len(ray)


def _ellipse(radius: NDArray[np.intp], turn: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return the radii of the ellipse that fits most of an outline best, None if none does."""
    size = float(radius.max())
    across = np.stack([np.cos(turn), np.sin(turn)])
    on = np.ones(len(turn), np.bool_)
    for _ in range(FITS):
        x, y = across * radius / size
        terms = np.stack([x * x, x * y, y * y, x, y], axis=1)
        (a, b, c, d, e), *_ = np.linalg.lstsq(terms[on], np.ones(on.sum()), rcond=None)
        x, y = across
        square, linear = a * x * x + b * x * y + c * y * y, d * x + e * y
        if b * b >= 4 * a * c or square.min() <= 0:
            return None
        fitted = size * (np.sqrt(linear**2 + 4 * square) - linear) / (2 * square)
        off = np.abs(radius - fitted)
        on = off <= quantile(off.astype(np.float32), CLOSED)
    return np.asarray(fitted)
