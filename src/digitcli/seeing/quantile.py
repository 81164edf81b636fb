"""Quantiles. NumPy's functions import its masked arrays, which takes longer than a digit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

SAMPLE = 2048
"""Values that tell about where a quantile of many more of them lies,"""
MANY = 4 * SAMPLE
"""and how many those are at least."""
SPREAD = 1.5
"""The ranks of a sample are off by less than this times its square root, in 99.7 % of cases."""


def quantile(values: NDArray[Any], share: float) -> float:
    """Return what `share`, 0 to 1, of the values lie below, interpolated linearly."""
    place = share * (values.size - 1)
    low = int(place)
    one, next_one = _of_ranks(values.ravel(), low, min(low + 1, values.size - 1))
    return float(one + (place - low) * (next_one - one))


def median(values: NDArray[Any]) -> float:
    """Return the middle value, or the mean of the middle two."""
    return quantile(values, 0.5)


def _of_ranks(values: NDArray[Any], low: int, high: int) -> tuple[Any, Any]:
    """Return the values of two neighbouring ranks.

    A sample tells between which two values they lie, and only what is between those is sorted.

    References
    ----------
    Floyd, Rivest: Expected time bounds for selection. Communications of the ACM 18 (1975).
    """
    if values.size >= MANY:
        sample = np.sort(values[:: values.size // SAMPLE | 1])
        rank, reach = low * len(sample) // values.size, math.isqrt(len(sample)) * SPREAD
        first, last = int(rank - reach), int(rank + reach) + 1
        least = sample[first] if first >= 0 else values.min()
        most = sample[last] if last < len(sample) else values.max()
        start = np.count_nonzero(values <= least)
        if np.count_nonzero(values < least) <= low and high < start:
            return least, least
        if start <= low:
            inner = np.sort(values[(values > least) & (values < most)])
            if high < start + len(inner):
                return inner[low - start], inner[high - start]
    ordered = np.sort(values)  # which takes less than to partition it
    return ordered[low], ordered[high]
