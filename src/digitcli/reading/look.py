"""A part of a scene that may be its digit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digitcli.seeing.form import enlarge, place, shape_strokes
from digitcli.seeing.grouping import HELD, ROOM
from digitcli.seeing.morphology import Mask, padded
from digitcli.seeing.pieces import Regions
from digitcli.seeing.scene import Scene

THIN, LONGER, SHORTER = 0.15, 1.1, 0.25
"""A rule is as thin as this share of its length, and longer than the digit by this factor; specks
beside a 1 are smaller than this share of it."""
BESIDE, OVERLAP = (0.5, 2.0), 0.15
"""Other marks of a digit's size are at least and at most so large, against the digit; and overlap
with it by no more than this share of its size."""
FEW, HALF = 32, 100
"""Strokes are counted on about so many pixels, which are ink from this value on."""
STROKES = 4.0
"""The strokes across a row and those across a column are so many on average, at most: of digits in
drawn scenes 98 % have fewer, of crossed-out ones a quarter."""


@dataclass(frozen=True, eq=False)
class Look:
    """A part of a scene that may be its digit.

    Attributes
    ----------
    scene : Scene
    pieces : Regions
        The n pieces of its ink, with or without rules.
    chosen : ndarray of bool, shape (n,)
        Which of them are taken for the digit.
    rank : int
        How many other choices among these pieces are more usual.
    """

    scene: Scene
    pieces: Regions
    chosen: NDArray[np.bool_]
    rank: int = 0

    @cached_property
    def box(self) -> tuple[slice, slice]:
        """Rows and columns of the digit."""
        pieces, chosen = self.pieces, self.chosen
        return (
            slice(int(pieces.top[chosen].min()), int(pieces.bottom[chosen].max())),
            slice(int(pieces.left[chosen].min()), int(pieces.right[chosen].max())),
        )

    @property
    def size(self) -> int:
        """Longer side of the digit's box."""
        rows, columns = self.box
        return int(max(rows.stop - rows.start, columns.stop - columns.start))

    @property
    def area(self) -> int:
        """Pixels of the digit."""
        return int(self.pieces.area[self.chosen].sum())

    def holds(self, other: Look) -> bool:
        """Whether another look, not small, is at ink within this one, as if this were a ring."""
        if self.scene.dark != other.scene.dark or other.size < HELD * self.size:
            return False
        (top, bottom, left, right), (first, last, start, end) = other._place(), self._place()
        room = ROOM * self.size
        if top < first + room or bottom > last - room or left < start + room or right > end - room:
            return False
        return not (self.mask(self._box_of(other)) & other.mask(other.box)).any()

    def is_beside(self, other: Look) -> bool:
        """Whether another look is at a mark of this one's size, apart from it."""
        least, most = BESIDE
        if not least * self.size <= other.size <= most * self.size:
            return False
        (top, bottom, left, right), (first, last, start, end) = self._place(), other._place()
        apart = max(top - last, first - bottom, left - end, start - right)
        return apart >= -OVERLAP * self.size

    @cached_property
    def strokes(self) -> float:
        """How many strokes lie across its rows and across its columns, on average, added up."""
        box = self.box
        own = self.scene.all_ink[box] if self.scene.by_thick_pen else self.mask(box)
        grey = Image.fromarray(own.view(np.uint8) * 255).reduce(max(1, round(self.size / FEW)))
        ink = padded(np.asarray(grey) > HALF, 1)
        strokes = np.count_nonzero(ink[1:] & ~ink[:-1]) / (ink.shape[1] - 2)
        strokes += np.count_nonzero(ink[:, 1:] & ~ink[:, :-1]) / (ink.shape[0] - 2)
        return float(strokes)

    @cached_property
    def form(self) -> NDArray[np.uint8]:
        """The digit in the form of MNIST, shape (28, 28)."""
        return place(shape_strokes(self.enlarged()))

    def enlarged(self) -> Mask:
        """Cut the digit out and bring it to the size on which its strokes are shaped."""
        rows, columns = (slice(max(0, part.start - 1), part.stop + 1) for part in self.box)
        density = self.scene.density[rows, columns]
        return enlarge(density, self.mask((rows, columns)), self.scene.limit)

    @property
    def is_crossed_out(self) -> bool:
        """Whether more strokes lie across its rows and columns than across those of digits."""
        return self.strokes > STROKES

    def _box_of(self, other: Look) -> tuple[slice, slice]:
        """Rows and columns of another look, in the scene of this one."""
        top, bottom, left, right = other._place()
        up, aside = self._start()
        return slice(top - up, bottom - up), slice(left - aside, right - aside)

    def _start(self) -> tuple[int, int]:
        """Where the scene begins in the picture: row and column."""
        sheet = self.scene.sheet
        return (0, 0) if sheet is None else (sheet.top, sheet.left)

    def _place(self) -> tuple[int, int, int, int]:
        """Where the digit begins and ends in the picture: rows, then columns."""
        top, left = self._start()
        rows, columns = self.box
        return rows.start + top, rows.stop + top, columns.start + left, columns.stop + left

    @cached_property
    def has_rule(self) -> bool:
        """Whether an underline is a part of it, or a thin piece longer than all that is not."""
        pieces = self.pieces
        if self.scene.rules.underlined and pieces is self.scene.all_pieces:
            return True
        wide, tall = pieces.right - pieces.left, pieces.bottom - pieces.top
        thin = self.chosen & (np.minimum(wide, tall) <= THIN * pieces.size)
        rest = self.chosen & ~thin
        if not thin.any() or not rest.any():
            return False
        long, size = int(pieces.size[thin].max()), replace(self, chosen=rest).size
        return SHORTER * long <= size < long / LONGER

    def mask(self, box: tuple[slice, slice]) -> Mask:
        """Which pixels of a part of the scene are the digit."""
        return np.asarray(np.concatenate([[False], self.chosen]).take(self.pieces.labels[box]))
