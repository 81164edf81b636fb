"""Half-precision numbers, widened to single precision faster than NumPy does it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def widen(values: NDArray[np.floating]) -> NDArray[np.float32]:
    """Convert finite float16 to float32; float32 stays as it is.

    The sign and the 15 bits after it move into their places in a float32, whose exponent is biased
    by 112 more.
    """
    if values.dtype != np.float16:
        return np.asarray(values, np.float32)
    bits = values.view(np.int16).astype(np.int32)
    bits <<= 13
    bits &= ~0x70000000
    wide = bits.view(np.float32)
    wide *= np.float32(2**112)
    return wide
