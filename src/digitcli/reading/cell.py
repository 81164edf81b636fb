"""Read the number in a cell of a table."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digitcli.model.network import Model
from digitcli.reading.candidates import Candidate, cropped, digit_image
from digitcli.reading.number import with_signs
from digitcli.reading.row import Row
from digitcli.reading.transcribe import extent, read_row
from digitcli.reading.uncut import row_image, signed_columns
from digitcli.reading.ways import Way
from digitcli.seeing.ink import Ink, ink_mask
from digitcli.seeing.morphology import Mask, dilate
from digitcli.seeing.pieces import Regions
from digitcli.seeing.quantile import median, quantile
from digitcli.seeing.rows import find_rows, heights

HEIGHT = 96
"""Pixels of the usual cell's height in which it is read; no cell is higher than twice this."""
MARGIN = 0.14
"""So far beyond a cell is seen, as a share of its height: digits reach over its rules."""
RIM = 0.1
"""What lies along a side of the cell, in a rim as wide as this share of its shorter side, is what
is left of a rule or of a neighbour."""
FAINTEST = 10 / 255
"""Less contrast than this is no ink,"""
GRAIN = 5.0
"""nor is less than so many times the grain of the paper,"""
OF_PEN = 0.25
"""nor less than this share of what the pens of the table mostly have."""
DARKEST, FEWEST = 0.003, 10
"""Ink is at least as dark as this share of a cell, or so many of its pixels."""
INK = 0.36
"""A pixel with this share of its cell's contrast is ink."""
SPECK = 0.08
"""Ink that is smaller than this share of the height of the cell is dirt,"""
LOWEST = 0.12
"""and cells without any that is this high are blank."""
CROSSED, END, LEAST_CROSSED = 0.97, 0.05, 1.3
"""A stroke that is seen along this share of the width of a number, its ends aside, which are shares
of its height, crosses it out, if it is as wide as this against its height;"""
STEEPEST, CROSSINGS = 0.9, 25
"""it falls or rises by this share of the height at most; so many slopes are tried;"""
MIDDLE = 0.25, 0.75
"""and it is so high in the middle, as a share of the height."""
LONE_CROSSED, BROAD, BESIDE = 0.8, 0.1, 0.1
"""Of a lone digit: its width with the stroke, half of the width of the stroke, and how far the
stroke goes beyond the digit on both sides, as shares of its height."""
GAP = 0.5
"""Marks of a number that stand farther apart are brought so near, as a share of their height."""
WRITTEN = 0.5
"""What a cell holds is taken for a number if it is this probable,"""
DOUBT = 0.25
"""and so much counts the model's doubt that its digits are digits at all."""


class Content(NamedTuple):
    """What a cell holds.

    Attributes
    ----------
    text : str
        Its number, empty where there is none.
    confidence : float
        How probable it is that the text is right.
    is_read : bool
        Whether what the cell holds, if anything, was read as a number.
    """

    text: str
    confidence: float
    is_read: bool


BLANK, UNREAD = Content("", 1.0, True), Content("", 0.5, False)


class CellView:
    """A cell, held straight: its darkness against its paper.

    Attributes
    ----------
    dark : ndarray of float32, shape (height, width)
    inner : tuple of slice
        Rows and columns of the cell itself.
    grain : float
        How much its paper varies.
    contrast : float
        Of its ink, or of the darkest grain.

    Parameters
    ----------
    values : Image
        Darkness of the picture.
    corners : ndarray of float, shape (4, 2)
        Upper left, upper right, lower right and lower left.
    height : float
        Of the usual cell.
    """

    def __init__(self, values: Image.Image, corners: NDArray[np.float64], height: float) -> None:
        sides = np.hypot(*(corners - np.roll(corners, -1, axis=0)).T)
        tall, wide = float(sides[1] + sides[3]) / 2, float(sides[0] + sides[2]) / 2
        scale = min(1.0, 2 * HEIGHT / tall)
        margin = MARGIN * min(tall, height)
        left, right = _outward(corners[[0, 3]], corners[[1, 2]], margin / wide)
        wider = np.array([left[0], right[0], right[1], left[1]])
        top, bottom = _outward(wider[[0, 1]], wider[[3, 2]], margin / tall)
        quad = [*top[0], *bottom[0], *bottom[1], *top[1]]
        size = round((wide + 2 * margin) * scale), round((tall + 2 * margin) * scale)
        size = max(8, size[0]), max(8, size[1])
        cut = values.transform(size, Image.Transform.QUAD, quad, Image.Resampling.BILINEAR)
        dark = np.array(cut, np.float32)
        edge = round(margin * scale)
        self.inner = slice(edge, size[1] - edge), slice(edge, size[0] - edge)
        self.paper = float(median(dark[self.inner]))
        self.dark = dark - np.float32(self.paper)
        inside = self.dark[self.inner]
        self.grain = 1.4826 * float(median(np.abs(inside)))
        self.contrast = float(
            quantile(inside, 1 - max(DARKEST, FEWEST / max(inside.size, 2 * FEWEST)))
        )


def _outward(
    one: NDArray[np.float64], other: NDArray[np.float64], share: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Move two sides of a quadrilateral away from each other."""
    way = (other - one) * share
    return one - way, other + way


def read_cell(seen: CellView, pen: float, grain: float, model: Model) -> Content:
    """Read the number of a cell.

    Parameters
    ----------
    seen : CellView
    pen, grain : float
        Contrast of the pens of its table, and how much the paper varies.
    model : Model
    """
    limit = max(FAINTEST, GRAIN * grain, OF_PEN * pen)
    if seen.contrast < limit:
        return BLANK
    mask = _own_ink(seen, max(limit, INK * seen.contrast))
    found = Regions.of(mask)
    tall = len(seen.dark[seen.inner])
    main = (heights(found) >= LOWEST * tall) & (found.size >= SPECK * tall)
    if not main.any():
        return BLANK
    kept = without_gaps(mask, GAP * float(np.median(heights(found)[main])))
    seen.dark, mask = seen.dark[:, kept], mask[:, kept]
    found = Regions.of(mask)
    density = np.clip(seen.dark / max(seen.contrast, 1e-6), 0, 1).astype(np.float32)
    ink = Ink(density, mask, INK)
    way = Way(ink, seen.dark)
    rows = find_rows(found, mask.shape)
    if not rows:
        return UNREAD
    largest = max(rows, key=lambda row: int(found.area[row].sum()))
    row = read_row(found, largest, way, model, None)
    if row is None or is_crossed_out(found, largest, row.text()):
        return UNREAD
    sure = row.confidence * _is_number(row, ink, model) ** DOUBT
    if sure < WRITTEN:
        return Content("", sure, False)
    text, signs = _signed(found, largest, seen, row)
    return Content(text, sure * signs, True)


def _own_ink(seen: CellView, limit: float) -> Mask:
    """Return the ink of a cell; what reaches into it from beside is wiped out."""
    mask = ink_mask(seen.dark, limit)
    found = Regions.of(mask)
    if not len(found.area):
        return mask
    rows, columns = seen.inner
    inner = np.bincount(found.labels[seen.inner].ravel(), minlength=len(found.area) + 1)[1:]
    band = RIM * min(rows.stop - rows.start, columns.stop - columns.start)
    along = (found.right <= columns.start + band) | (found.left >= columns.stop - band)
    along |= (found.bottom <= rows.start + band) | (found.top >= rows.stop - band)
    foreign = found.mask((inner < 0.5 * found.area) | along)
    if foreign.any():
        seen.dark[dilate(foreign, 3)] = 0
        mask &= ~foreign
    specks = found.mask(found.size < SPECK / 2 * len(seen.dark))
    return mask & ~specks


def without_gaps(mask: Mask, widest: float) -> NDArray[np.intp]:
    """Return the columns that are left when what is wider between marks is made narrower.

    A cell holds one number, however far apart its digits stand, as in squares.
    """
    inked = np.flatnonzero(mask.any(0))
    after = np.diff(inked, append=mask.shape[1])
    keep = np.ones(mask.shape[1], np.bool_)
    for place, gap in zip(inked[:-1].tolist(), after[:-1].tolist(), strict=True):
        keep[place + 1 + max(1, round(widest)) : place + gap] = False
    return np.flatnonzero(keep)


def is_crossed_out(found: Regions, row: NDArray[np.intp], text: str) -> bool:
    """Whether straight strokes go through all of what was read as `text`, from end to end.

    Through a lone digit they go beyond it on both sides, unlike the bar of a 4 and the foot of a 2.
    """
    left, right = int(found.left[row].min()), int(found.right[row].max())
    top, bottom = int(found.top[row].min()), int(found.bottom[row].max())
    tall, wide = bottom - top, right - left
    if wide < (LEAST_CROSSED if len(text) > 1 else LONE_CROSSED) * tall:
        return False
    own = np.concatenate([[False], np.isin(np.arange(len(found.area)), row)])
    mask = own[found.labels[top:bottom, left:right]]
    across = np.arange(wide) - wide / 2
    ends = round(END * tall)
    first, last = int(MIDDLE[0] * tall), int(np.ceil(MIDDLE[1] * tall))
    for slope in np.linspace(-STEEPEST, STEEPEST, CROSSINGS) * tall / wide:
        level = np.arange(first, last)[:, None] + np.rint(slope * across).astype(np.intp)
        inside = (level >= 0) & (level < tall)
        inked = mask[np.clip(level, 0, tall - 1), np.arange(wide)] & inside
        through = np.flatnonzero(inked[:, ends : wide - ends].mean(1) >= CROSSED)
        if not len(through):
            continue
        if len(text) > 1:
            return True
        off = np.arange(tall)[:, None] - slope * across
        strokes = np.zeros_like(mask)
        for stroke in np.split(through, np.flatnonzero(np.diff(through) > 1) + 1):
            strokes |= np.abs(off - first - stroke.mean()) <= BROAD * tall
        rest = np.flatnonzero((mask & ~strokes).any(0))
        room = BESIDE * tall
        if len(rest) and rest[0] >= room and rest[-1] < wide - room:
            return True
    return False


def _is_number(row: Row, ink: Ink, model: Model) -> float:
    """Return the least of the probabilities that its digits are digits at all.

    Each is looked at with all of its ink and without its smaller pieces, such as a minus before it.
    """
    images: list[NDArray[np.uint8]] = []
    owners = []
    for place, digit in enumerate(row.digits):
        left, top, right, bottom = digit.box
        mask = ink.mask[top:bottom, left:right]
        found = Regions.of(mask)
        looks = [mask] if len(found.area) else []
        if len(found.area) > 1:
            looks.append(found.labels == int(found.area.argmax()) + 1)
        images += [digit_image(Candidate(0, 1, *cropped(left, top, look)), ink) for look in looks]
        owners += [place] * len(looks)
    if not images:
        return 1.0
    likely = model.is_digit(np.stack(images))
    return float(min(likely[np.equal(owners, place)].max() for place in set(owners)))


def _signed(found: Regions, row: NDArray[np.intp], seen: CellView, read: Row) -> tuple[str, float]:
    """Put the signs of a number where they are seen."""
    height = float(np.median([digit.box[3] - digit.box[1] for digit in read.digits]))
    (_, top, _, bottom), slope = extent(found, row, height)
    middle = (found.top + found.bottom) / 2
    level = (middle > top) & (middle < bottom + 0.3 * height)
    left, right = float(found.left[level].min()), float(found.right[level].max())
    image, _, _ = row_image(seen.dark, (left, top, right, bottom), slope)
    return with_signs(signed_columns(image), read.text())
