"""The connected pieces of ink."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from digitcli.seeing.morphology import Mask, strips_of


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
        strips = strips_of(mask)
        owner, count = strips.number, strips.components
        height, width = mask.shape
        bottom, right = np.zeros((2, count), np.intp)
        top, left = np.full(count, height), np.full(count, width)
        np.minimum.at(top, owner, strips.row)
        np.maximum.at(bottom, owner, strips.row + 1)
        np.minimum.at(left, owner, strips.start)
        np.maximum.at(right, owner, strips.end)
        return cls(strips.labels(mask), strips.area, top, bottom, left, right)

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
        return np.asarray(np.concatenate([[False], chosen]).take(self.labels))
