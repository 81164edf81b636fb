"""What a network may see of a 28×28 image: the features that enter its first layer."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from digitcli.model.directions import COUNT, directions

Images = NDArray[np.float32]

_SIDE = 28
PIXELS: Final = _SIDE * _SIDE
AXIS = np.arange(_SIDE, dtype=np.float32)
LEAST = np.float32(1e-6)
WIDTH = np.float32(4.5)  # pixels; that of a wide 2 or 4 of MNIST
STRETCH = (np.float32(0.75), np.float32(1.8))


def pixels(images: Images) -> Images:
    """Return `images`, shape (n, 784), as they are."""
    return images


def deslant(images: Images, *, most: float = 0.0) -> Images:
    """Shear each of `images`, shape (n, 784), about its centre until it leans by `most` at most.

    The slant is the covariance of column and row over the variance of the row, both weighted by
    the ink: columns a row, 0 for strokes that stand upright. Row by row the ink is moved sideways.
    Images without slant, such as empty ones, stay as they are.

    References
    ----------
    LeCun, Bottou, Bengio, Haffner: Gradient-Based Learning Applied to Document Recognition.
    Proceedings of the IEEE 86 (1998), there "deslanted".
    """
    square = images.reshape(-1, _SIDE, _SIDE)
    of_rows = square.sum(axis=2)
    mass = np.maximum(of_rows.sum(axis=1), LEAST)
    column_moment = square @ AXIS
    row_centre = of_rows @ AXIS / mass
    column_centre = column_moment.sum(axis=1) / mass
    lever = AXIS - row_centre[:, None]
    variance = np.einsum("ij,ij->i", of_rows, lever * lever)
    covariance = np.einsum("ij,ij->i", column_moment - column_centre[:, None] * of_rows, lever)
    slant = np.clip(covariance / np.maximum(variance, LEAST), -1, 1)
    slant -= np.clip(slant, -most, most)
    return _moved_sideways(square, AXIS + (slant[:, None] * lever)[:, :, None])


def width(images: Images) -> Images:
    """Stretch each of `images`, shape (n, 784), sideways until all digits are about as wide.

    The width is the standard deviation of the column, weighted by the ink; what is very narrow,
    such as a 1, and very wide is only brought nearer to the others.

    References
    ----------
    Meier, Ciresan, Gambardella, Schmidhuber: Better Digit Recognition with a Committee of Simple
    Neural Nets. ICDAR 2011; there the bounding boxes of a member's digits are equally wide.
    """
    square = images.reshape(-1, _SIDE, _SIDE)
    of_columns = square.sum(axis=1)
    mass = np.maximum(of_columns.sum(axis=1), LEAST)
    centre = (of_columns @ AXIS / mass)[:, None]
    variance = np.einsum("ij,ij->i", of_columns, (AXIS - centre) ** 2) / mass
    stretch = np.clip(WIDTH / np.sqrt(np.maximum(variance, LEAST)), *STRETCH)
    return _moved_sideways(square, (centre + (AXIS - centre) / stretch[:, None])[:, None])


def _moved_sideways(square: Images, source: Images) -> Images:
    """Read each row at the columns `source`, (n, 28 or 1, 28), by linear interpolation."""
    source = np.clip(source, -1, _SIDE)
    left = np.floor(source)
    share = source - left
    padded = np.zeros((len(square), _SIDE, _SIDE + 3), np.float32)
    padded[:, :, 1:-2] = square
    index = left.astype(np.intp) + 1
    moved = np.take_along_axis(padded, index, axis=2) * (1 - share)
    moved += np.take_along_axis(padded, index + 1, axis=2) * share
    result: Images = moved.reshape(-1, _SIDE * _SIDE)
    return result


class InputFeatures(NamedTuple):
    """Features of an image.

    Attributes
    ----------
    inputs : int
        How many there are.
    of : callable
        Gives them, shape (n, inputs), for images of shape (n, 784) with values from 0 to 1.
    """

    inputs: int
    of: Callable[[Images], Images]


INPUT_FEATURES: Final[dict[str, InputFeatures]] = {
    "pixels": InputFeatures(PIXELS, pixels),
    "deslant": InputFeatures(PIXELS, deslant),
    "width": InputFeatures(PIXELS, width),
    "directions": InputFeatures(COUNT, directions),
    "deslant-directions": InputFeatures(COUNT, lambda images: directions(deslant(images))),
    "width-directions": InputFeatures(COUNT, lambda images: directions(width(images))),
}
"""Members of a committee that see a digit in different ways err in different ways."""


def as_pixels(images: NDArray[np.generic]) -> Images:
    """Return images as rows of pixels.

    Parameters
    ----------
    images : ndarray, shape (n, 28, 28) or (n, 784)
        Either uint8, 0 to 255, or floating point, 0 to 1; ink bright on black.

    Returns
    -------
    ndarray of float32, shape (n, 784)
        Values from 0 to 1.
    """
    flat = images.reshape(len(images), math.prod(images.shape[1:]))
    if flat.shape[1] != PIXELS:
        raise ValueError(f"images have shape {images.shape}, not (n, 28, 28) or (n, 784)")
    if flat.dtype == np.uint8:
        scaled: Images = np.multiply(flat, np.float32(1 / 255), dtype=np.float32)
        return scaled
    rows: Images = flat.astype(np.float32, copy=False)
    return rows
