"""What a network may do to its 28×28 input before the first layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.float32]


def none(images: Images) -> Images:
    """Return `images`, shape (n, 784), as they are."""
    return images


INPUT_NORMALIZATIONS: Final[dict[str, Callable[[Images], Images]]] = {"none": none}


def as_features(images: NDArray[np.generic]) -> Images:
    """Return images as the rows that a network reads.

    Parameters
    ----------
    images : ndarray, shape (n, 28, 28) or (n, 784)
        Either uint8, 0 to 255, or floating point, 0 to 1; ink bright on black.

    Returns
    -------
    ndarray of float32, shape (n, 784)
        Values from 0 to 1.
    """
    flat = images.reshape(len(images), -1)
    if flat.shape[1] != 784:
        raise ValueError(f"images have shape {images.shape}, not (n, 28, 28) or (n, 784)")
    if flat.dtype == np.uint8:
        return np.multiply(flat, np.float32(1 / 255), dtype=np.float32)
    features: Images = flat.astype(np.float32, copy=False)
    return features
