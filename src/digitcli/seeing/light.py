"""From a picture to ink density: shadows, paper tone, colours and polarity evened out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digitcli.seeing.decode import Picture
from digitcli.seeing.morphology import Float32Array, Mask, blur, dilate, erode, label, slope
from digitcli.seeing.quantile import median, quantile

LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601

EVEN = 0.2
"""Paper is evenly lit if its border varies by less than this share of the picture's contrast."""

NO_STROKE = 1 / 8
"""Share of the picture's longer side that is too wide for a stroke."""

BITMAP = 64
"""Smaller pictures are bitmaps, often cropped tightly, hardly ever with shadows."""

TINY = 32
"""In still smaller ones a stroke may be as wide as any neighbourhood that is taken for paper."""

DARKEST = 1 / 16
"""Darker paper counts as this bright, lest its noise becomes ink."""

PAGE_SIDE = 320
"""Longer side of the reduced picture that the polarity of a page is found on,"""
NARROW = (5, 9, 13)
"""where strokes are narrower than one of these, and what is between strokes is not."""

WIDEST = 1 / 4
"""Share of the picture's longer side that strokes are narrower than."""

PAPER_SIDE = 128
"""Longer side of the reduced picture on which the lighting of the paper is estimated,"""
SHADOWED_SIDE = 512
"""and where hard shadows may lie across a page, whose edges are as narrow as strokes."""

SHADOWED, TAIL = 0.3, 0.05
"""Light that varies by more than this share of the brightest casts shadows; such shares of the
darkest and brightest pixels say nothing of it."""

SOFT_SIDE = 320
"""Longer side of the reduced picture that soft edges are told from sharp ones on:"""
SOFT, SHARPEST = 0.3, 0.995
"""they have less than this share of the steepness that so much of the picture stays below."""
PAPER, BLANK = 0.02, 0.3
"""What lies between sharp edges is paper if it reaches the picture's edge and covers this share of
it; less paper than a third in all shows no light."""
NEAR = 0.15
"""Light is known where at least this share of a square is paper."""


def shrink(picture: Picture, side: int) -> Picture:
    """Average pixels so that the longer side is `side` at most."""
    height, width = picture.shape[:2]
    if max(height, width) <= side:
        return picture
    return np.asarray(
        Image.fromarray(picture).resize(_size(height, width, side), Image.Resampling.BOX)
    )


def grey(picture: Picture) -> Float32Array:
    """Reduce colours to brightness in [0, 1], keeping ink and paper apart.

    That is luminance, unless the colours differ far more along another axis, as those of yellow
    ink on white paper do.
    """
    values = picture.astype(np.float32) / np.float32(255)
    if picture.ndim == 2:
        return values
    luminance = values @ LUMINANCE
    # without the grain, which has colours of its own
    few = shrink(picture, PAGE_SIDE).astype(np.float32) / np.float32(255)
    middle = np.array([median(few[..., colour]) for colour in range(3)], np.float32)
    deviation = (few - middle).reshape(-1, 3)
    covariance = deviation.T @ deviation
    strength, axes = np.linalg.eigh(covariance)
    if strength[-1] <= 9 * (LUMINANCE @ covariance @ LUMINANCE):
        return np.asarray(luminance, np.float32)
    axis = axes[:, -1] * np.sign(axes[:, -1].sum())
    along = values @ axis.astype(np.float32)
    along -= along.min()
    return np.asarray(along / max(along.max(), 1))


def polarity_evidence(values: Float32Array, edge: Float32Array) -> float:
    """How much speaks for ink brighter than the paper: -2 … 2, below 0 for darker ink.

    Strokes are narrow, so what differs most from its wider surroundings is ink, in shadows and
    vignettes too. The border, which is paper, is a second witness where it is evenly lit or the
    picture is too small for shadows: it is right about strokes so wide that they are their own
    surroundings.

    Parameters
    ----------
    values : ndarray of float32, shape (height, width)
    edge : ndarray of float32, shape (n,)
        The values at the edge of the paper.
    """
    reduced = _resize(values, PAPER_SIDE)
    evidence = _skew(reduced - blur(reduced, max(reduced.shape) // 6 * 2 + 1))
    if max(values.shape) < BITMAP or is_even(values, edge, tail=0.25):  # strokes may touch it
        evidence += _skew(reduced - median(edge))
    return evidence


def page_polarity_evidence(values: Float32Array) -> float:
    """How much speaks for writing brighter than its page: -1 … 1, below 0 for darker writing.

    Writing is narrow: a grey closing fills strokes darker than the paper, an opening brighter ones,
    and neither sees the edges of sheets and shadows.
    """
    reduced = _resize(values, PAGE_SIDE)
    dark = bright = 0.0
    for size in NARROW:
        dark += float(((erode(dilate(reduced, size), size) - reduced) ** 3).sum())
        bright += float(((reduced - dilate(erode(reduced, size), size)) ** 3).sum())
    return (bright - dark) / max(bright + dark, 1e-6)


def ink_density(values: Float32Array, lit: Float32Array) -> Float32Array:
    """How much darker than the paper each pixel is, as a share of the paper's brightness.

    A shadow darkens ink and paper by the same factor, so it cancels out.

    Parameters
    ----------
    values : ndarray of float32, shape (height, width)
    lit : ndarray of float32, shape (height, width)
        The brightness that every pixel would have without ink.
    """
    return np.clip((lit - values) / np.maximum(lit, DARKEST), 0, 1)


def is_clean(dark: Float32Array) -> bool:
    """Whether most pixels are exactly as dark as the next one: a drawing, no photo."""
    same = dark[:, 1:] == dark[:, :-1]
    return bool(np.count_nonzero(same) > same.size // 2)


def without_shadows(dark: Float32Array, light: Float32Array) -> Float32Array:
    """Return how dark each pixel is against its paper, if shadows lie there; else as it was.

    In drawings there are none.

    Parameters
    ----------
    dark : ndarray of float32, shape (height, width)
        1 less the brightness.
    light : ndarray of float32, shape (height, width)
        The brightness without ink.
    """
    darkest, brightest = quantile(light, TAIL), quantile(light, 1 - TAIL)
    if brightest - darkest <= SHADOWED * brightest or is_clean(dark):
        return dark
    return ink_density(1 - dark, light)


def brightness(
    values: Float32Array,
    edge: Float32Array,
    widest: float | None = None,
    side: int = PAPER_SIDE,
) -> Float32Array:
    """The brightness that every pixel has or would have without dark ink.

    Paper that is evenly lit, without glare, is as bright as its edge. Otherwise a grey closing
    takes out all that is darker than its surroundings and narrow; unlike smoothing, it keeps the
    edges of shadows.

    Parameters
    ----------
    values : ndarray of float32, shape (height, width)
    edge : ndarray of float32, shape (n,)
        The values at the edge of the paper.
    widest : float, optional
        What is narrower than this share of the longer side is taken out, whether or not the edge
        is evenly lit. By default it is a quarter.
    side : int
        Longer side of the reduced picture on which it is estimated: the larger, the sharper the
        edges of shadows.
    """
    even = is_even(values, edge, tail=0.1) and not has_glare(values, edge)
    if widest is None and even:
        return np.full_like(values, median(edge))
    if max(values.shape) < TINY:
        return np.full_like(values, median(edge[edge >= (edge.min() + edge.max()) / 2]))
    reduced = _resize(values, side)
    size = int(max(reduced.shape) * (widest or WIDEST)) // 2 * 2 + 1
    closed = Image.fromarray(blur(erode(dilate(reduced, size), size), 3))
    height, width = values.shape
    return np.asarray(closed.resize((width, height), Image.Resampling.BILINEAR))


def sharp_edges(values: Float32Array) -> Mask:
    """Where the brightness changes steeply, in a reduced picture."""
    steep = slope(blur(_resize(values, SOFT_SIDE), 3))
    return np.asarray(steep >= SOFT * quantile(steep, SHARPEST))


def soft_brightness(values: Float32Array, sharp: Mask) -> Float32Array | None:
    """The brightness that every pixel has or would have without dark ink, where edges are soft.

    Light and shadow end softly, strokes sharply. So all that can be reached from the edge of the
    picture without crossing a sharp edge is paper, whatever its brightness, and so is what is
    brighter than the sharp edges around it: the inside of a loop. Under strokes the light is that
    of the paper beside them.

    Returns
    -------
    ndarray of float32, shape (height, width), or None
        None if hardly any paper is found so: the picture is too rough.
    """
    reduced = _resize(values, SOFT_SIDE)
    labels, count = label(~sharp)
    reaching = np.zeros(count + 1, np.bool_)
    reaching[border(labels)] = True
    area = np.bincount(labels.ravel(), minlength=count + 1)
    rise = np.zeros(count + 1)  # from the sharp edges around it
    for axis in (0, 1):
        for step in (-2, 2):
            beside, own = np.roll(labels, step, axis)[sharp], np.roll(reduced, step, axis)[sharp]
            rise += np.bincount(beside, weights=own - reduced[sharp], minlength=count + 1)
    is_paper = (rise > 0) | (reaching & (area > PAPER * labels.size))
    is_paper[0] = False
    paper = erode(is_paper[labels], 3)
    if paper.mean() < BLANK:
        return None
    lit = _filled(reduced, paper)
    height, width = values.shape
    return np.asarray(Image.fromarray(lit).resize((width, height), Image.Resampling.BILINEAR))


def _filled(values: Float32Array, known: Mask) -> Float32Array:
    """Give each pixel the mean of the known ones around it, from the smallest square with some."""
    filled = np.full_like(values, median(values[known]))
    missing = np.ones(values.shape, np.bool_)
    weight, total = known.astype(np.float32), np.where(known, values, 0).astype(np.float32)
    size = 5
    while missing.any() and size < max(values.shape):
        share = blur(weight, size)
        found = missing & (share > NEAR)
        filled[found] = (blur(total, size)[found] / share[found]).astype(np.float32)
        missing &= ~found
        size = 2 * size + 1
    return blur(filled, 3)


def is_even(values: Float32Array, edge: Float32Array, *, tail: float) -> bool:
    """Whether the edge of the paper is evenly lit, but for its darkest and brightest tails."""
    return bool(quantile(edge, 1 - tail) - quantile(edge, tail) <= EVEN * np.ptp(values))


def has_glare(values: Float32Array, edge: Float32Array) -> bool:
    """Whether a part of the picture, wider than strokes, is far brighter than the paper's edge."""
    limit = median(edge) + EVEN * np.ptp(values)
    if values.max() <= limit:
        return False
    reduced = _resize(values, PAPER_SIDE)
    size = int(max(reduced.shape) * NO_STROKE) // 2 * 2 + 1
    return bool(erode(reduced, size).max() > limit)


def border(values: NDArray[Any]) -> NDArray[Any]:
    """The outermost pixels."""
    return np.concatenate([values[0], values[-1], values[1:-1, 0], values[1:-1, -1]])


def _skew(deviation: Float32Array) -> float:
    """Which sign the large deviations have: -1 … 1."""
    cubes = deviation**3
    size = float(np.abs(cubes).sum())
    return float(cubes.sum()) / size if size else 0.0


def _resize(values: Float32Array, side: int) -> Float32Array:
    height, width = values.shape
    if max(height, width) <= side:
        return values
    return np.asarray(
        Image.fromarray(values).resize(_size(height, width, side), Image.Resampling.BOX)
    )


def _size(height: int, width: int, side: int) -> tuple[int, int]:
    scale = side / max(height, width)
    return max(1, round(width * scale)), max(1, round(height * scale))
