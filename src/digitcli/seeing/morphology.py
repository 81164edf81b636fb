"""Operations on masks and grey arrays that a picture of a digit needs, in plain NumPy.

scipy.ndimage has all of them, but importing it takes longer than reading a photograph.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

Mask = NDArray[np.bool_]
Float32Array = NDArray[np.float32]
Values = TypeVar("Values", Mask, Float32Array, NDArray[np.signedinteger])


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
    wide = _widened(values, size // 2, axis)
    reach = 1  # wide[i] is the maximum of this many values from i on; doubled step by step
    while reach < size:
        step = min(reach, size - reach)
        wide = np.maximum(wide[:-step], wide[step:])
        reach += step
    return wide.T if axis else wide


def _widened(
    values: NDArray[Any], margin: int, axis: int, dtype: DTypeLike | None = None
) -> NDArray[Any]:
    """Repeat the first and last values along an axis, which comes first in the result.

    In memory the axes keep their order, for that is quick.
    """
    height, width = values.shape
    if axis:
        wide = np.empty((height, width + 2 * margin), dtype or values.dtype).T
        values = values.T
    else:
        wide = np.empty((height + 2 * margin, width), dtype or values.dtype)
    length = len(values)
    wide[margin : margin + length] = values
    wide[:margin] = wide[margin]
    wide[margin + length :] = wide[margin + length - 1]
    return wide


class Strips(NamedTuple):
    """The stretches of ink in the rows of a mask, row by row; the arrays have one entry for each.

    Attributes
    ----------
    row, start, end : ndarray of intp
        Its row, first column, and the one after the last.
    number : ndarray of intp
        The number of its 8-connected component, from 0 on.
    components : int
        How many of them there are.
    """

    row: NDArray[np.intp]
    start: NDArray[np.intp]
    end: NDArray[np.intp]
    number: NDArray[np.intp]
    components: int

    @property
    def area(self) -> NDArray[np.intp]:
        """Pixels of each component."""
        lengths = self.end - self.start
        return np.bincount(self.number, lengths, self.components).astype(np.intp)

    def labels(self, mask: Mask) -> NDArray[np.intp]:
        """Return the number of the component at every pixel, from 1 on; 0 for the background."""
        labels = np.zeros(mask.shape, np.intp)
        labels[mask] = np.repeat(self.number + 1, self.end - self.start)
        return labels

    def part(self, mask: Mask, chosen: NDArray[np.bool_]) -> Mask:
        """Return the mask of the components that are chosen."""
        part = np.zeros(mask.shape, np.bool_)
        part[mask] = np.repeat(chosen[self.number], self.end - self.start)
        return part


def label(mask: Mask) -> tuple[NDArray[np.intp], int]:
    """Number the 8-connected components of a mask.

    Returns
    -------
    labels : ndarray of intp, shape of mask
        0 for the background, 1 … count for the components.
    count : int
    """
    strips = strips_of(mask)
    return strips.labels(mask), strips.components


def euler_number(mask: Mask) -> int:
    """Number of 8-connected components less that of their holes.

    References
    ----------
    Gray: Local properties of binary images in two dimensions. IEEE Transactions on Computers C-20
    (1971).
    """
    ink = padded(mask, 1)
    across, down = ink[:, 1:] | ink[:, :-1], ink[1:] | ink[:-1]
    corners = across[1:] | across[:-1]
    counts = (int(np.count_nonzero(part)) for part in (corners, across, down, ink))
    vertices, upright, level, faces = counts
    return vertices - upright - level + faces


def strips_of(mask: Mask) -> Strips:
    """Find the stretches of ink in the rows of a mask, and which of them are connected."""
    row, start, end = stretches(mask)
    count = len(row)
    if not count:
        return Strips(row, start, end, row, 0)
    stride = mask.shape[1] + 1  # places count through the rows, with a gap
    starts, ends = start + row * stride, end + row * stride
    # the strips of the row above that a strip touches, diagonally too: first … last
    first = np.searchsorted(ends + stride, starts, side="left")
    last = np.searchsorted(starts + stride, ends, side="right")
    every = np.arange(count)
    root = np.where(last > first, first, every)  # each goes with the first that it touches,
    others = np.maximum(last - first - 1, 0)  # and that one with the others
    one = np.repeat(first, others)
    offset = np.arange(1, len(one) + 1) - np.repeat(np.cumsum(others) - others, others)
    other = one + offset
    while True:
        while (root != (above := root[root])).any():
            root = above
        apart = root[one] != root[other]
        if not apart.any():
            break
        one, other = root[one[apart]], root[other[apart]]
        np.minimum.at(root, np.maximum(one, other), np.minimum(one, other))
    number = (np.cumsum(root == every) - 1)[root]  # roots are their own, and numbered
    return Strips(row, start, end, number, int(number.max()) + 1)


def stretches(mask: Mask) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Return the row, the first column and the one after the last of each stretch of ink."""
    height, width = mask.shape
    beside = np.zeros((height, width + 2), np.bool_)
    beside[:, 1:-1] = mask
    places = np.flatnonzero(beside[:, 1:] != beside[:, :-1])
    row, start = np.divmod(places[::2], width + 1)
    return row, start, places[1::2] - row * (width + 1)


def distance_inside(mask: Mask, reach: int) -> Float32Array:
    """Euclidean distance of every pixel of a mask to the nearest one outside, at most `reach`."""
    far = reach + 1
    height, width = mask.shape
    # small integers, of which a processor takes twice as many at once as of floats
    kind = np.int16 if 2 * far**2 <= np.iinfo(np.int16).max else np.int32
    # distance to the nearest background pixel in the same row
    _, start, end = stretches(mask)
    length = end - start
    before = np.cumsum(length) - length
    place = np.arange(length.sum())
    left = place - np.repeat(before - np.where(start > 0, 1, far), length)
    right = np.repeat(before + length + np.where(end < width, 0, far), length) - place
    result = np.zeros(mask.shape, kind)
    result[mask] = np.minimum(np.minimum(left, right), far) ** 2
    beside = padded(result, reach, 0, far**2)
    for shift in range(1, reach + 1):
        if shift**2 >= result.max(initial=0):
            break  # what lies as many rows away is no nearer
        above, below = (beside[first : first + height] for first in (reach - shift, reach + shift))
        nearer = np.minimum(above, below)
        nearer += kind(shift**2)
        np.minimum(result, nearer, out=result)
    return np.sqrt(result, dtype=np.float32)


def blur(values: Float32Array, size: int) -> Float32Array:
    """Replace every value by the mean of the size × size square around it (size is odd)."""
    for axis in (0, 1):
        means = _sliding_sum(_widened(values, size // 2, axis, np.float64), size)
        means /= size
        values = (means.T if axis else means).astype(np.float32)
    return values


def slope(values: Float32Array) -> Float32Array:
    """How steeply values change from pixel to pixel: the length of their gradient."""
    squared = np.zeros_like(values)
    for along, sums in ((values, squared), (values.T, squared.T)):
        step = np.empty_like(along)
        np.subtract(along[2:], along[:-2], out=step[1:-1])
        step[1:-1] /= 2
        step[0], step[-1] = along[1] - along[0], along[-1] - along[-2]
        step *= step
        sums += step
    return np.sqrt(squared, out=squared)


def _sliding_sum(values: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Return the sums of so many consecutive rows, from those of half as many."""
    if size == 1:
        return values
    half = size // 2
    halves = _sliding_sum(values, half)
    sums: NDArray[np.float64] = halves[:-half] + halves[half:]
    if size % 2:
        sums = sums[:-1]
        sums += values[2 * half :]
    return sums
