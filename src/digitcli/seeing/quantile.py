"""Quantiles. NumPy's functions import its masked arrays, which takes longer than a digit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def quantile(values: NDArray[Any], share: float) -> float:
    """Return what `share`, 0 to 1, of the values lie below, interpolated linearly."""
    place = share * (values.size - 1)
    low = int(place)
    high = min(low + 1, values.size - 1)
    ordered = np.sort(values, axis=None)  # which takes less than to partition it
    return float(ordered[low] + (place - low) * (ordered[high] - ordered[low]))


def median(values: NDArray[Any]) -> float:
    """Return the middle value, or the mean of the middle two."""
    return quantile(values, 0.5)
