"""Operations on masks and grey arrays that a picture of a digit needs, in plain NumPy.

scipy.ndimage has all of them, but importing it takes longer than reading a photograph.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Float32Array = NDArray[np.float32]
Values = TypeVar("Values", Mask, Float32Array)


def dilate(values: Values, size: int) -> Values:
    """Replace every value by the largest in the size × size square around it (size is odd)."""
    for axis in (0, 1):
        values = _sliding_maximum(values, size, axis)
    return values


def erode(values: Values, size: int) -> Values:
    """Replace every value by the smallest in the size × size square around it (size is odd)."""
    inverse = np.logical_not if values.dtype == np.bool_ else np.negative
    result: Values = inverse(dilate(inverse(values), size))
    return result


def padded(values: Values, rows: int, columns: int | None = None, fill: float = 0) -> Values:
    """Put a margin of `rows` and `columns`, the same by default, around a mask or an array.

    A fifth of what `numpy.pad` takes.
    """
    columns = rows if columns is None else columns
    height, width = values.shape
    result = np.full((height + 2 * rows, width + 2 * columns), fill, values.dtype)
    result[rows : rows + height, columns : columns + width] = values
    return result


def _sliding_maximum(values: Values, size: int, axis: int) -> Values:
    if size == 3:
        result = values.copy()
        one, two = (values, result) if axis == 0 else (values.T, result.T)
        np.maximum(two[1:], one[:-1], out=two[1:])
        np.maximum(two[:-1], one[1:], out=two[:-1])
        return result
    values = np.moveaxis(values, axis, 0)
    length = len(values)
    half = size // 2
    ends = np.clip(np.arange(-half, length + half), 0, length - 1)
    result = values[ends]
    reach = 1  # result[i] is the maximum of this many values from i on; doubled step by step
    while reach < size:
        step = min(reach, size - reach)
        result = np.maximum(result[:-step], result[step:])
        reach += step
    return np.moveaxis(result[:length], 0, axis)


def label(mask: Mask) -> tuple[NDArray[np.intp], int]:
    """Number the 8-connected components of a mask.

    Returns
    -------
    labels : ndarray of intp, shape of mask
        0 for the background, 1 … count for the components.
    count : int
    """
    height, width = mask.shape
    beside = np.zeros((height, width + 2), np.int8)
    beside[:, 1:-1] = mask
    change = np.diff(beside, axis=1).ravel()
    # a run is a stretch of ink in one row; start and end count through the rows, with a gap
    starts, ends = np.flatnonzero(change == 1), np.flatnonzero(change == -1)
    count = len(starts)
    labels = np.zeros(mask.shape, np.intp)
    if not count:
        return labels, 0
    # the runs of the row above that a run touches, diagonally too: first … last
    stride = width + 1
    first = np.searchsorted(ends + stride, starts, side="left")
    last = np.searchsorted(starts + stride, ends, side="right")
    every = np.arange(count)
    root = np.where(last > first, first, every)  # each run goes with the first that it touches,
    others = np.maximum(last - first - 1, 0)  # and that one with the others
    one = np.repeat(first, others)
    offset = np.arange(1, len(one) + 1) - np.repeat(np.cumsum(others) - others, others)
    other = one + offset
    while True:
        while not np.array_equal(root, above := root[root]):
            root = above
        apart = root[one] != root[other]
        if not apart.any():
            break
        one, other = root[one[apart]], root[other[apart]]
        np.minimum.at(root, np.maximum(one, other), np.minimum(one, other))
    number = (np.cumsum(root == every) - 1)[root]  # roots are their own, and numbered
    change = change.astype(np.intp)
    change[starts] = number + 1
    change[ends] = -(number + 1)
    labels[:] = np.cumsum(change.reshape(height, stride), axis=1)[:, :width]
    return labels, int(number.max()) + 1


def distance_inside(mask: Mask, reach: int) -> Float32Array:
    """Euclidean distance of every pixel of a mask to the nearest one outside, at most `reach`."""
    far = reach + 1
    # distance to the nearest background pixel in the same column
    column = np.where(mask, np.int32(far), np.int32(0))
    index = np.arange(len(mask), dtype=np.int32)[:, None]
    for rows in (slice(None), slice(None, None, -1)):
        flipped = column[rows]
        last = np.maximum.accumulate(np.where(flipped == 0, index, np.int32(-far)), axis=0)
        np.minimum(flipped, index - last, out=flipped)
    squared = (np.minimum(column, far) ** 2).astype(np.float32)
    aside = padded(squared, 0, reach, far**2)
    width = mask.shape[1]
    result = squared.copy()
    for shift in range(1, reach + 1):
        if shift**2 >= result.max(initial=0):
            break  # what lies as far to the side is no nearer
        for first in (reach - shift, reach + shift):
            np.minimum(result, aside[:, first : first + width] + np.float32(shift**2), out=result)
    return np.sqrt(result)


def blur(values: Float32Array, size: int) -> Float32Array:
    """Replace every value by the mean of the size × size square around it (size is odd)."""
    half = size // 2
    for axis in (0, 1):
        margin = [(0, 0), (0, 0)]
        margin[axis] = (half + 1, half)
        total = np.pad(values, margin, mode="edge").cumsum(axis, dtype=np.float64)
        ahead, behind = (
            np.split(total, [size], axis)[1],
            np.split(total, [-size], axis)[0],
        )
        values = ((ahead - behind) / size).astype(np.float32)
    return values
