"""Read the digit in an image file."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from digitcli.errors import ImageError
from digitcli.paths import printable
from digitcli.polarity import Polarity
from digitcli.seeing.decode import decode
from digitcli.seeing.normalize import normalize


class Seen(NamedTuple):
    """The digit in a picture, and how far the scene can be trusted.

    Attributes
    ----------
    image : ndarray of uint8, shape (28, 28)
        The digit in the form of MNIST.
    doubt : float
        How probable it is that this is not the digit that was meant, 0 to 1.
    others : int
        How many other marks of a digit's size stand beside it.
    """

    image: NDArray[np.uint8]
    doubt: float = 0.0
    others: int = 0


def see_digit(
    file: str | Path | BinaryIO,
    *,
    polarity: Polarity | str = Polarity.AUTO,
    name: str | None = None,
) -> Seen:
    """Do what `read_digit` does, and tell how far the scene can be trusted."""
    return Seen(read_digit(file, polarity=polarity, name=name))


def read_digit(
    file: str | Path | BinaryIO,
    *,
    polarity: Polarity | str = Polarity.AUTO,
    name: str | None = None,
) -> NDArray[np.uint8]:
    """Read the digit in an image file.

    Parameters
    ----------
    file : str, Path or binary file object
        An image of any size and mode: PNG, JPEG, GIF, BMP, PPM, TIFF, WebP, AVIF, JPEG 2000, …
    polarity : {"auto", "dark-on-light", "light-on-dark"}
        Whether the ink is darker or brighter than the paper; found out by default.
    name : str, optional
        What error messages call the image; the path by default.

    Returns
    -------
    ndarray of uint8, shape (28, 28)
        The digit in the form of MNIST: bright on black, its longer side 20 pixels, its centre of
        mass in the middle.

    Raises
    ------
    ImageError
        If the file cannot be read as an image or the picture holds no ink.
    """
    picture = decode(file, name)
    try:
        return normalize(picture, polarity=Polarity(polarity))
    except ImageError as error:
        if name is None:
            name = printable(str(file)) if isinstance(file, (str, Path)) else "the image"
        raise ImageError(f"{name} {error}") from None
