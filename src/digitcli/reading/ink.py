"""Where the ink of a page is: a mask of pen strokes, without what is not writing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digitcli.errors import ImageError
from digitcli.polarity import Polarity
from digitcli.seeing import light
from digitcli.seeing.decode import Picture
from digitcli.seeing.ink import denoise, ink_mask, threshold
from digitcli.seeing.morphology import Float32Array, Mask, blur, dilate, erode
from digitcli.seeing.pieces import Regions
from digitcli.seeing.rules import remove_lines

PAGE_SIDE = 1024
"""Larger pictures are reduced to this longer side: enough for thirty digits in a row."""
PAPER_SIDE = 160
"""Longer side of the reduced picture that the lighting of the paper is estimated on."""
POLARITY_SIDE = 320
NARROW = (5, 9, 13)
"""Strokes are narrower than one of these on a picture of POLARITY_SIDE; what is between is not."""
WIDEST_STROKE = 1 / 8
"""Share of the longer side that strokes are narrower than."""
LONGEST = 2.5
"""Digits that touch the frame are at most this many times higher than the others."""
NO_INK = "holds no ink; check that the picture shows digits"
TAIL = 0.1
FAINTEST = 8 / 255
"""Less contrast than this is no ink."""
LEAST_SIDE = 4
"""Pixels on the shorter side below which nothing is looked for."""


@dataclass(frozen=True)
class Ink:
    """The ink of a page.

    Attributes
    ----------
    density : ndarray of float32, shape (height, width)
        0 for paper to 1 for the darkest ink.
    mask : ndarray of bool, shape (height, width)
        What is taken for pen strokes; ruled lines and what enters from the frame are left out.
    limit : float
        The density at which ink begins.
    """

    density: Float32Array
    mask: Mask
    limit: float


def find_ink(picture: Picture, polarity: Polarity = Polarity.AUTO) -> Ink:
    """Find the pen strokes on a page.

    Parameters
    ----------
    picture : ndarray of uint8, shape (height, width) or (height, width, 3)
    polarity : Polarity
        Whether the ink is darker or brighter than the paper; found out by default.

    Raises
    ------
    ImageError
        If the picture holds no ink, or is too thin to hold a digit.
    """
    grey = light.grey(light.shrink(picture, PAGE_SIDE))
    if min(grey.shape) < LEAST_SIDE:
        raise ImageError("is too thin to hold a digit; check the picture")
    if np.ptp(grey) < FAINTEST:
        raise ImageError(NO_INK)
    dark = ink_is_dark(grey) if polarity is Polarity.AUTO else polarity is Polarity.DARK_ON_LIGHT
    values = grey if dark else 1 - grey
    density = denoise(np.clip(1 - values / np.maximum(paper(values), 1 / 255), 0, 1))
    limit = threshold(density)
    mask = strokes(density, limit)
    foreign = enters_from_frame(mask)
    if foreign.any():  # the edge of a sheet has another contrast than the pen
        density[dilate(foreign.astype(np.float32), 5) > 0] = 0
        limit = threshold(density)
        mask = strokes(density, limit)
    if limit < FAINTEST or not mask.any():
        raise ImageError(NO_INK)
    return Ink(density, mask, limit)


def strokes(density: Float32Array, limit: float) -> Mask:
    """What is as dense as ink, without ruled lines."""
    return remove_lines(ink_mask(density, limit))[0]


def ink_is_dark(values: Float32Array) -> bool:
    """Whether the ink is darker than the paper.

    On even paper whatever differs from the border is ink. Elsewhere it is what is narrow: a grey
    closing fills strokes darker than the paper, an opening brighter ones, and neither sees the
    edges of sheets and shadows.
    """
    if light.is_even(values, tail=TAIL):
        return light.ink_is_dark(values)
    reduced = _reduced(values, POLARITY_SIDE)
    dark = bright = 0.0
    for size in NARROW:
        dark += float(((erode(dilate(reduced, size), size) - reduced) ** 3).sum())
        bright += float(((reduced - dilate(erode(reduced, size), size)) ** 3).sum())
    return dark > bright


def paper(values: Float32Array) -> Float32Array:
    """The brightness the paper has or would have without ink, for ink darker than paper.

    Even paper has the brightness of its border. Otherwise a grey closing removes what is dark and
    narrower than the widest stroke, but keeps the edges of shadows and of the sheet.
    """
    if light.is_even(values, tail=TAIL):
        return np.full_like(values, np.median(light.border(values)))
    height, width = values.shape
    factor = max(1, round(max(values.shape) / PAPER_SIDE))
    reduced = np.pad(values, ((0, -height % factor), (0, -width % factor)), mode="edge")
    blocks = reduced.reshape(reduced.shape[0] // factor, factor, -1, factor)
    brightest = blocks.max(axis=(1, 3))
    size = int(PAPER_SIDE * WIDEST_STROKE) // 2 * 2 + 1
    closed = Image.fromarray(blur(erode(dilate(brightest, size), size), 3))
    large = closed.resize(reduced.shape[::-1], Image.Resampling.BILINEAR)
    return np.asarray(large)[:height, :width]


def enters_from_frame(mask: Mask) -> Mask:
    """What touches the frame and is too long to be a digit: table, thumb, edge of the sheet."""
    found = Regions.of(mask)
    rows, columns = found.bottom - found.top, found.right - found.left
    typical = weighted_median(rows[~found.touching], found.area[~found.touching])
    if found.touching.all():
        return np.zeros_like(mask)
    return found.mask(found.touching & (np.maximum(rows, columns) > LONGEST * typical))


def _reduced(values: Float32Array, side: int) -> Float32Array:
    height, width = values.shape
    factor = max(1, round(max(values.shape) / side))
    whole = values[: height // factor * factor, : width // factor * factor]
    blocks = whole.reshape(height // factor, factor, width // factor, factor)
    return np.asarray(blocks.mean(axis=(1, 3)))


def weighted_median(values: NDArray[np.intp], weights: NDArray[np.intp]) -> float:
    """The value up to which half of the weight lies; 0 for none."""
    if not len(values):
        return 0.0
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])
