"""Which of the connected pieces of ink make up the digit."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from digitcli.seeing.morphology import Mask, label

NEAR = 0.2
"""A part of the digit is no farther from the rest than this share of the rest's size,"""
PART = 0.18
"""and no smaller than this share of the largest piece,"""
SPECK = 0.01
"""or it lies within the rest and has at least this share of the largest piece's area."""
FULL_STOP = 0.3
"""A full stop after the digit is a round blot, no larger than this share of the digit."""
CUT_OFF = 0.25
"""Weight of a piece that touches the side of the picture, against one that does not."""


class Regions(NamedTuple):
    """The connected components of a mask; the arrays have one entry for each."""

    labels: NDArray[np.intp]
    """Number of the component at every pixel, from 1 on; 0 for paper."""
    area: NDArray[np.intp]
    top: NDArray[np.intp]
    bottom: NDArray[np.intp]
    left: NDArray[np.intp]
    right: NDArray[np.intp]
    """Rows and columns of the bounding boxes, first and one after the last."""

    @classmethod
    def of(cls, mask: Mask) -> Regions:
        labels, count = label(mask)
        height, width = mask.shape
        row, column = np.nonzero(labels)
        owner = labels[row, column] - 1
        top, left = np.full(count, height), np.full(count, width)
        bottom, right = np.zeros(count, np.intp), np.zeros(count, np.intp)
        np.minimum.at(top, owner, row)
        np.maximum.at(bottom, owner, row + 1)
        np.minimum.at(left, owner, column)
        np.maximum.at(right, owner, column + 1)
        return cls(labels, np.bincount(owner, minlength=count), top, bottom, left, right)

    @property
    def size(self) -> NDArray[np.intp]:
        """Longer sides of the bounding boxes."""
        return np.asarray(np.maximum(self.bottom - self.top, self.right - self.left))

    @property
    def touching(self) -> NDArray[np.bool_]:
        """Which components touch the sides of the picture."""
        height, width = self.labels.shape
        at_start = (self.top == 0) | (self.left == 0)
        return np.asarray(at_start | (self.bottom == height) | (self.right == width))

    def mask(self, chosen: NDArray[np.bool_]) -> Mask:
        return np.asarray(np.concatenate([[False], chosen])[self.labels])


def find_digit(regions: Regions) -> NDArray[np.bool_]:
    """Choose the components that make up the digit.

    The main one is large, near the middle and not cut off by the sides of the picture. Others
    belong to it, such as the bar of a 5, if they are near it and not small, or lie within it.
    """
    size, touching = regions.size, regions.touching
    main = int((size * centrality(regions) * np.where(touching, CUT_OFF, 1)).argmax())
    # what is cut off belongs to a neighbour, unless the digit itself is cut off
    foreign = touching & (size < 0.5 * size[main]) if touching[main] else touching
    blot = (size <= FULL_STOP * size[main]) & is_round(regions)
    own = np.zeros(len(size), bool)
    own[main] = True
    while True:
        top, bottom = regions.top[own].min(), regions.bottom[own].max()
        left, right = regions.left[own].min(), regions.right[own].max()
        gap = np.maximum(
            np.maximum(top - regions.bottom, regions.top - bottom),
            np.maximum(left - regions.right, regions.left - right),
        )
        part = (size >= PART * size[main]) & (gap <= NEAR * max(bottom - top, right - left))
        inner = (regions.area >= SPECK * regions.area[main]) & (gap < 0)
        low_right = (regions.top + regions.bottom > 1.2 * bottom + 0.8 * top) & (
            regions.left + regions.right > left + right
        )
        grown = own | ((part | inner) & ~foreign & ~(blot & low_right))
        if np.array_equal(grown, own):
            return own
        own = grown


def is_round(regions: Regions) -> NDArray[np.bool_]:
    """Which components are as wide as high, nearly, and fill their bounding box."""
    height, width = regions.bottom - regions.top, regions.right - regions.left
    even = np.minimum(height, width) >= 0.6 * np.maximum(height, width)
    return np.asarray(even & (regions.area >= 0.6 * height * width))


def centrality(regions: Regions) -> NDArray[np.float64]:
    """1 for components in the middle of the picture, 0.2 for those at its sides."""
    height, width = regions.labels.shape
    off_y = np.abs((regions.top + regions.bottom) / height - 1)
    off_x = np.abs((regions.left + regions.right) / width - 1)
    return np.asarray(1 - 0.8 * np.maximum(off_y, off_x))
