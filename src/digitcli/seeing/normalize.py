"""From a picture to the 28×28 image that the model is given: the one place where all steps meet."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from digitcli.errors import ImageError
from digitcli.polarity import Polarity
from digitcli.seeing.decode import SIGHT, Picture
from digitcli.seeing.form import enlarge, has_mnist_form, place, shape_strokes
from digitcli.seeing.ink import denoise, edge_sharpness, halo, ink_mask, threshold
from digitcli.seeing.light import grey, ink_density, ink_is_dark, shrink
from digitcli.seeing.morphology import Float32Array, Mask
from digitcli.seeing.pieces import Regions, find_digit
from digitcli.seeing.rules import remove_lines

FLAT = 4 / 255
"""A picture whose brightness varies by less is blank."""

LEAST = 3
"""Pixels that a picture of a digit has on each side."""

BLURRED = 0.45
"""Strokes stand out: around them it is much paler. Around the noise of blank paper it is not."""

SMOOTH = 2.5
"""The outline of strokes is steeper than bare paper by this factor; that of a shadow is not."""

ROOM_FOR_LINES = 24
"""Smaller pictures are bitmaps of a single digit, too small to be ruled."""


class Steps(NamedTuple):
    """What each step of the normalisation made of a picture."""

    picture: Picture
    """The picture, with SIGHT pixels on its longer side at most."""
    density: Float32Array
    """Ink density in [0, 1], of the picture's size, lighting and polarity evened out."""
    ink: Mask
    """Which pixels are ink,"""
    digit: Mask
    """and which of them are the digit."""
    strokes: Mask
    """The digit, large, with stroke widths as the network knows them."""
    image: NDArray[np.uint8]
    """The 28×28 image."""


def normalize(picture: Picture, *, polarity: Polarity = Polarity.AUTO) -> NDArray[np.uint8]:
    """Find the digit in a picture and bring it to the form of MNIST.

    Parameters
    ----------
    picture : ndarray of uint8, shape (height, width) or (height, width, 3)
        Grey or RGB pixels, as `decode` returns them.
    polarity : Polarity
        Whether the ink is darker or brighter than the paper; found out by default.

    Returns
    -------
    ndarray of uint8, shape (28, 28)
        The digit bright on black, its longer side 20 pixels, its centre of mass in the middle.
        An image that has this form already is returned as it is.

    Raises
    ------
    ImageError
        If the picture holds no ink.
    """
    if polarity is not Polarity.DARK_ON_LIGHT and has_mnist_form(picture):
        return picture
    return normalize_steps(picture, polarity=polarity).image


def normalize_steps(picture: Picture, *, polarity: Polarity = Polarity.AUTO) -> Steps:
    """Do what `normalize` does and keep what every step made of the picture."""
    if min(picture.shape[:2]) < LEAST:
        raise _no_ink()
    picture = shrink(picture, SIGHT)
    values = grey(picture)
    if min(values.shape) < 3 or np.ptp(values) < FLAT:
        raise _no_ink()
    auto = polarity is Polarity.AUTO
    dark = ink_is_dark(values) if auto else polarity is Polarity.DARK_ON_LIGHT
    density = denoise(ink_density(values, dark=dark))
    limit = threshold(density)
    ink = ink_mask(density, limit)
    if not ink.any():
        raise _no_ink()
    digit = digit_mask(ink)
    if halo(density, ink, digit) > BLURRED or edge_sharpness(values, ink, digit) < SMOOTH:
        raise _no_ink()
    strokes = shape_strokes(enlarge(density, digit, limit))
    image = picture if dark is False and has_mnist_form(picture) else place(strokes)
    return Steps(picture, density, ink, digit, strokes, image)


def digit_mask(ink: Mask) -> Mask:
    """Which pixels of the ink are the digit."""
    rest, certain = ink, True
    if min(ink.shape) >= ROOM_FOR_LINES:
        rest, certain = remove_lines(ink)
    regions = Regions.of(rest)
    chosen = find_digit(regions)
    if not certain and regions.touching[chosen].any():
        # a picture cropped so tightly that the lines may be the digit's own strokes
        regions = Regions.of(ink)
        chosen = find_digit(regions)
    return regions.mask(chosen)


def _no_ink() -> ImageError:
    return ImageError("holds no ink; check that the picture shows a digit")
