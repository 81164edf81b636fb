"""How likely it is that a part of a scene is the digit that was meant.

The network that reads digits knows nothing else, and is sure of many things that are none: a sheet
of paper, a circle, a shadow. What tells those from digits is partly their shape, partly where they
lie and what is around them; three small networks learned it from digits drawn into scenes
(tools/likeness_network.py).
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digitcli.seeing.grouping import HELD, ROOM
from digitcli.seeing.ink import continued, may_be_ink
from digitcli.seeing.morphology import Float32Array, Mask, padded
from digitcli.seeing.pieces import Regions
from digitcli.seeing.scene import Scene

SIDE = 20
"""Pixels of the image of a look."""
NEARBY = 0.2
"""Ink that is not taken for the digit's counts as near up to this share of its size."""
ROOM_FOR_PALE_INK = 64
"""In smaller pictures the edges of all strokes are pale."""
COARSE = 48
"""Longer side of the reduced look, at least, on which pale ink is sought."""
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
WITHIN = 5.0
"""Bounds of the features."""


class Look(NamedTuple):
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

    @property
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

    def is_within(self, other: Look) -> bool:
        """Whether another look has room for this one, which is not small, on all sides."""
        (top, bottom, left, right), (first, last, start, end) = self._place(), other._place()
        room = ROOM * other.size
        return self.size >= HELD * other.size and (
            top >= first + room
            and bottom <= last - room
            and left >= start + room
            and right <= end - room
        )

    def is_beside(self, other: Look) -> bool:
        """Whether another look is at a mark of this one's size, apart from it."""
        least, most = BESIDE
        if not least * self.size <= other.size <= most * self.size:
            return False
        (top, bottom, left, right), (first, last, start, end) = self._place(), other._place()
        apart = max(top - last, first - bottom, left - end, start - right)
        return apart >= -OVERLAP * self.size

    @property
    def strokes(self) -> float:
        """How many strokes lie across its rows and across its columns, on average, added up."""
        box = self.box
        own = self.scene.all_ink[box] if self.scene.by_thick_pen else self.mask(box)
        grey = Image.fromarray(own.view(np.uint8) * 255).reduce(max(1, round(self.size / FEW)))
        ink = padded(np.asarray(grey) > HALF, 1)
        strokes = np.count_nonzero(ink[1:] & ~ink[:-1]) / (ink.shape[1] - 2)
        strokes += np.count_nonzero(ink[:, 1:] & ~ink[:, :-1]) / (ink.shape[0] - 2)
        return float(strokes)

    @property
    def is_crossed_out(self) -> bool:
        """Whether more strokes lie across its rows and columns than across those of digits."""
        return self.strokes > STROKES

    def _place(self) -> tuple[int, int, int, int]:
        """Where the digit begins and ends in the picture: rows, then columns."""
        sheet = self.scene.sheet
        top, left = (0, 0) if sheet is None else (sheet.top, sheet.left)
        rows, columns = self.box
        return rows.start + top, rows.stop + top, columns.start + left, columns.stop + left

    @property
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
        long, size = int(pieces.size[thin].max()), self._replace(chosen=rest).size
        return SHORTER * long <= size < long / LONGER

    def mask(self, box: tuple[slice, slice]) -> Mask:
        """Which pixels of a part of the scene are the digit."""
        return np.asarray(np.concatenate([[False], self.chosen]).take(self.pieces.labels[box]))


def features(look: Look) -> Float32Array:
    """What tells digits from other marks, shape (SIDE² + n,): an image, then numbers."""
    return np.concatenate([_image(look).ravel(), _numbers(look)]).astype(np.float32)


def _image(look: Look) -> Float32Array:
    """Scale the digit to a longer side of SIDE pixels, in the middle of SIDE×SIDE."""
    box = look.box
    own = np.where(look.mask(box), look.scene.density[box], 0).astype(np.float32)
    height, width = own.shape
    scale = SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = np.asarray(Image.fromarray(own).resize(size, Image.Resampling.BOX))
    image = np.zeros((SIDE, SIDE), np.float32)
    top, left = (SIDE - size[1]) // 2, (SIDE - size[0]) // 2
    image[top : top + size[1], left : left + size[0]] = small / max(float(small.max()), 1e-3)
    return image


def _numbers(look: Look) -> Float32Array:
    scene, pieces, chosen = look.scene, look.pieces, look.chosen
    rows, columns = look.box
    height, width = scene.ink.shape
    tall, wide = rows.stop - rows.start, columns.stop - columns.start
    size = look.size
    area = float(look.area)
    others = ~chosen
    sizes = pieces.size
    inside = (
        (pieces.top >= rows.start)
        & (pieces.left >= columns.start)
        & (pieces.bottom <= rows.stop)
        & (pieces.right <= columns.stop)
    )
    largest = float(sizes[others].max(initial=0)) / size
    sharpness, halo = scene.sharpness(look.mask, look.box)
    sheet = scene.sheet
    longest = max(scene.picture.shape[:2])
    sides = (
        float(rows.start == 0)
        + float(columns.start == 0)
        + float(rows.stop == height)
        + float(columns.stop == width)
    )
    across = abs((rows.start + rows.stop) / height - 1)
    along = abs((columns.start + columns.stop) / width - 1)
    own = look.mask((rows, columns))
    within = float(np.count_nonzero(scene.all_ink[rows, columns] & ~own))
    nearby = _nearby(look)
    around = float(np.count_nonzero(scene.all_ink[nearby])) - area
    own_touching = scene.touching(pieces)[chosen]
    values = [
        np.log(tall / height),
        np.log(wide / width),
        np.log(size / longest),
        across,
        along,
        max(across, along),
        sides,
        float(own_touching.any()),
        area / max(1.0, float(pieces.area.sum())),
        area / max(1.0, float(scene.all_pieces.area.sum())),
        min(within / area, 2.0) * 2,
        min(around / area, 2.0) * 2,
        min(pale_ink_around(look), 2.0) * 2,
        np.log(np.count_nonzero(chosen)),
        min(largest, 4.0),
        min(float(np.count_nonzero(sizes[others] >= 0.5 * size)), 6.0) / 2,
        float((others & inside & (sizes >= HELD * size)).any()),
        np.log(tall / wide),
        area / (tall * wide),
        area / size**2 * 4,
        np.log(max(sharpness, 0.1)),
        halo * 2,
        2 * float(scene.density[rows, columns][own].mean()),
        2 * scene.limit,
        scene.evidence if scene.dark else -scene.evidence,
        float((scene.evidence < 0) == scene.dark),
        float(sheet is not None),
        1.0 if sheet is None else float(sheet.share),
        1.0 if sheet is None else float(sheet.smooth),
        0.0 if sheet is None else float(sheet.sides),
        float(scene.pieces is not scene.all_pieces),
        float(pieces is not scene.all_pieces),
        float(pieces is scene.bare_pieces),
        float(scene.rules.certain),
        float(scene.widest is not None),
        float(scene.weight == "faint"),
        float(scene.weight == "heavy"),
        float(scene.by_one_pen),
        np.log(longest / 100),
        np.log(size / 30),
        float(look.rank > 0),
        look.strokes,
    ]
    return np.clip(np.array(values, np.float32), -WITHIN, WITHIN)


def _nearby(look: Look) -> tuple[slice, slice]:
    """Rows and columns of the digit and what is near it."""
    reach = round(NEARBY * look.size)
    rows, columns = look.box
    return (
        slice(max(0, rows.start - reach), rows.stop + reach),
        slice(max(0, columns.start - reach), columns.stop + reach),
    )


def pale_ink_around(look: Look) -> float:
    """How much pale ink continues the digit that is not taken for ink, as a share of the digit."""
    scene = look.scene
    if max(scene.picture.shape[:2]) < ROOM_FOR_PALE_INK:
        return 0.0
    nearby = _nearby(look)
    own = look.mask(nearby)
    factor = max(1, max(own.shape) // COARSE)
    density = np.asarray(Image.fromarray(scene.density[nearby]).reduce(factor))
    taken, ours = (
        np.asarray(Image.fromarray(mask.view(np.uint8) * 255).reduce(factor)) > 0
        for mask in (scene.all_ink[nearby], own)
    )
    pale = continued(may_be_ink(density, scene.limit, 3) | ours, ours) & ~taken
    return int(np.count_nonzero(pale)) / max(1, int(np.count_nonzero(ours)))


def likeness(looks: list[Look]) -> Float32Array:
    """Return how probable it is that each look is at the digit that was meant, shape (n,)."""
    inputs = np.stack([features(look) for look in looks])
    odds = np.zeros(len(looks), np.float32)
    for *hidden, (weight, bias) in _members():
        values = inputs
        for inner_weight, inner_bias in hidden:
            values = np.maximum(values @ inner_weight + inner_bias, 0)
        odds += (values @ weight + bias)[:, 0] / np.float32(len(_members()))
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -30, 30))), np.float32)


SIZES = (SIDE * SIDE + 42, 160, 48, 1)
"""Inputs, hidden units and output of a network."""


@cache
def _members() -> list[list[tuple[Float32Array, Float32Array]]]:
    """Weights and biases of each layer of each network, whose log-odds are averaged."""
    with Path(__file__).with_name("likeness.npy").open("rb") as file:
        stored = np.load(file).astype(np.float32)
    members = []
    for numbers in stored:
        layers, start = [], 0
        for before, after in pairwise(SIZES):
            end = start + before * after
            layers.append((numbers[start:end].reshape(before, after), numbers[end : end + after]))
            start = end + after
        members.append(layers)
    return members
