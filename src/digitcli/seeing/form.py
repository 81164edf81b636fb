"""The form of MNIST's digits: bright on black, 20 pixels in 28×28, even stroke widths."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digitcli.seeing.decode import Picture
from digitcli.seeing.morphology import Float32Array, Mask, dilate, padded
from digitcli.seeing.ready import BOX, MIDDLE, SIDE, in_mnist_form
from digitcli.seeing.resample import CUBIC, LINEAR, resampled
from digitcli.seeing.stroke import restroke

NARROWEST, WIDEST = 2.2, 3.6
"""Bounds for the mean stroke width; 70 % of MNIST's digits lie within."""
HAIRLINE = 1.2
"""Narrower strokes are widened where they lead away from others: the network would hardly see them.
Chosen on written digits."""

FAINTEST = 0.7
"""The edge of a faint stroke runs at this share of its own density at most,"""
STRETCH = 0.1
"""which is the largest within half this share of the digit's longer side."""

FINE = 6
"""Strokes are shaped on a digit this many times larger than the final one."""


def has_mnist_form(picture: Picture) -> bool:
    """Whether a picture is a 28×28 digit in a 20×20 box, centred by mass, on pure black."""
    return picture.shape == (SIDE, SIDE) and bool(in_mnist_form(picture[None])[0])


def form_digit(density: Float32Array, digit: Mask, limit: float) -> NDArray[np.uint8]:
    """Bring one digit of a picture to the form of MNIST; the parameters are those of `enlarge`."""
    return place(shape_strokes(enlarge(density, digit, limit)))


def enlarge(density: Float32Array, digit: Mask, limit: float) -> Mask:
    """Crop a digit and bring its longer side to FINE × BOX pixels, with smooth edges.

    Parameters
    ----------
    density : ndarray of float32, shape (height, width)
        Ink density; where it passes `limit` between two pixels is where the edge runs.
    digit : ndarray of bool, shape (height, width)
        Which pixels belong to the digit.
    """
    margin = 2
    top, bottom, left, right = bounding_box(digit)
    own = padded(density * dilate(digit, 3), margin)
    own = own[top : bottom + 2 * margin, left : right + 2 * margin]
    height, width = own.shape
    longer = max(height, width) - 2 * margin
    # a hairline between thick strokes is paler than they are, the more so the coarser the picture
    nearby = dilate(own, max(1, round(STRETCH * longer / 2)) * 2 + 1)
    edge = np.where(nearby > 0, np.minimum(limit, FAINTEST * nearby), limit).astype(np.float32)
    scale = FINE * BOX / longer
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if scale >= 1:
        fine = resampled(own, size, CUBIC) > resampled(edge, size, LINEAR)
    else:  # a line of one pixel covers this much of a larger one, and must not get lost
        ink = Image.fromarray((own > edge).astype(np.float32))
        fine = np.asarray(ink.resize(size, Image.Resampling.BOX)) > scale / 2
    return crop(fine)


def shape_strokes(fine: Mask) -> Mask:
    """Bring the strokes of an enlarged digit to the widths that MNIST's have."""
    shaped = restroke(fine, NARROWEST * FINE, WIDEST * FINE, HAIRLINE * FINE)
    return crop(shaped)


def place(digit: Mask | Float32Array) -> NDArray[np.uint8]:
    """Scale a cropped digit's longer side to 20 pixels and centre it by mass in 28×28.

    The averaging gives the grey edges that MNIST's digits have.

    References
    ----------
    LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition.
    Proceedings of the IEEE 86 (1998): MNIST was made from NIST's binary images in this way.
    """
    height, width = digit.shape
    scale = BOX / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    ink = Image.fromarray(digit.astype(np.float32)).resize(size, Image.Resampling.BOX)
    small = np.asarray(ink)
    top, left = _start(small.sum(1)), _start(small.sum(0))
    image = np.zeros((SIDE, SIDE), np.uint8)
    image[top : top + size[1], left : left + size[0]] = np.rint(small * (255 / small.max()))
    return image


def crop(mask: Mask) -> Mask:
    """Cut out the bounding box of a mask."""
    top, bottom, left, right = bounding_box(mask)
    return mask[top:bottom, left:right]


def bounding_box(mask: Mask) -> tuple[int, int, int, int]:
    """First row, the one after the last, first column and the one after the last of a mask."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _start(mass: Float32Array) -> int:
    """Where a line of pixels must begin for its centre of mass to be nearest to MIDDLE."""
    centre = float(mass @ np.arange(0.5, len(mass)) / mass.sum())
    return min(max(round(MIDDLE - centre), 0), SIDE - len(mass))
