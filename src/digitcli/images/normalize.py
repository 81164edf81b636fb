"""From a picture to the 28×28 image the network sees: the one place where digits are brought to
the form of MNIST."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digitcli.errors import ImageError
from digitcli.images.decode import Picture

SIDE = 28
BOX = 20
"""The longer side of every digit, centred by mass in SIDE × SIDE, as MNIST was made."""

NO_INK = "holds no ink; check that the picture shows a digit"


class Polarity(StrEnum):
    """Whether the ink is darker or brighter than the paper."""

    AUTO = "auto"
    DARK_ON_LIGHT = "dark-on-light"
    LIGHT_ON_DARK = "light-on-dark"


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
    if has_mnist_form(picture) and polarity is not Polarity.DARK_ON_LIGHT:
        return picture
    ink = _ink(_grey(picture), polarity)
    mask = ink > 0.5
    if not mask.any():
        raise ImageError(NO_INK)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    digit = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return place(digit)


def has_mnist_form(picture: Picture) -> bool:
    """Whether a picture is a 28×28 digit in a 20×20 box, centred by mass, on a black ground."""
    if picture.shape != (SIDE, SIDE):
        return False
    column_mass, row_mass = picture.sum(0), picture.sum(1)
    rows, columns = np.flatnonzero(row_mass), np.flatnonzero(column_mass)
    if not len(rows) or max(rows[-1] - rows[0], columns[-1] - columns[0]) != BOX - 1:
        return False
    pixels = np.arange(0.5, SIDE)
    mass = row_mass.sum()
    middle = SIDE / 2
    return bool(
        abs(row_mass @ pixels / mass - middle) < 1 and abs(column_mass @ pixels / mass - middle) < 1
    )


def _grey(picture: Picture) -> NDArray[np.float32]:
    """Luminance in [0, 1] with the weights of ITU-R BT.601."""
    grey = picture if picture.ndim == 2 else picture @ np.array([0.299, 0.587, 0.114], np.float32)
    return grey.astype(np.float32) / np.float32(255)


def _ink(grey: NDArray[np.float32], polarity: Polarity) -> NDArray[np.float32]:
    """How much ink is where, in [0, 1]; the border is taken for paper."""
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    paper = np.median(border)
    if polarity is Polarity.AUTO:
        dark = paper - grey.min() >= grey.max() - paper
    else:
        dark = polarity is Polarity.DARK_ON_LIGHT
    ink = paper - grey if dark else grey - paper
    strongest = ink.max()
    if strongest < 4 / 255:
        raise ImageError(NO_INK)
    return np.asarray(np.clip(ink / strongest, 0, 1), np.float32)


def place(digit: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Scale a cropped digit's longer side to 20 pixels and centre it by mass in 28×28.

    This is how MNIST was made from NIST's binary images (LeCun et al., 1998): the antialiasing of
    the reduction gives the grey edges.
    """
    height, width = digit.shape
    scale = BOX / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = np.asarray(Image.fromarray(digit).resize(size, Image.Resampling.BOX))
    small = small / small.max()
    canvas = np.zeros((SIDE, SIDE), np.float32)
    top = _start(small.sum(1))
    left = _start(small.sum(0))
    canvas[top : top + size[1], left : left + size[0]] = small
    return np.asarray(np.rint(canvas * 255), np.uint8)


def _start(mass: NDArray[np.float32]) -> int:
    """Where a line of pixels must begin for its centre of mass to be in the middle of SIDE."""
    centre = float(mass @ np.arange(0.5, len(mass)) / mass.sum())
    return int(np.clip(round(SIDE / 2 - centre), 0, SIDE - len(mass)))
