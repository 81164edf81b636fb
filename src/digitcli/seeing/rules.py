"""Ruled lines, grids and box borders: what is drawn across a picture, straight and thin."""

from __future__ import annotations

from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from digitcli.seeing.morphology import Mask, dilate, stretches
from digitcli.seeing.pieces import Regions
from digitcli.seeing.quantile import median, quantile

STEEPEST = 0.18
"""Lines may be tilted by ten degrees against the sides of the picture."""

SLOPES = np.linspace(-STEEPEST, STEEPEST, 37)
COARSE_SLOPES, FINE = [*SLOPES[1::3], SLOPES[-1]], SLOPES[1] - SLOPES[0]
"""Some of the slopes: none of the others is farther from the nearest of these than FINE."""

THIN, COARSE = 0.035, 5
"""Lines are thinner than this share of the picture's longer side, or so many pixels at most."""

SHORTEST = 0.35
"""Share of the picture's width over which a line must be seen apart from other ink."""

UNBROKEN = 0.9
"""Share of a line's length with ink, its own or that of a stroke it crosses."""

RIM = 1
"""Rows between a line on the rim of the picture and its side, at most."""

ROOM_FOR_LINES = 24
"""Smaller pictures are bitmaps of a single digit, too small to be ruled."""

ROOM_FOR_BOX = 64
"""In smaller pictures the pixels are too coarse to tell a box from a round 0."""


BEYOND = 0.1
"""An underline is longer than what stands on it, on both sides, by this share of its height."""
FAR_BEYOND = 0.15
"""If it is longer by this share, it cannot be the foot of a 2."""
LONGER, THIN_UNDERLINE = 0.3, 0.1
"""What is longer than what stands on it by this share of its height may be an underline. It is
thinner than this share of the longer side of both together."""
LONG_UNDERLINE = 2.5
"""What is this much longer than the ink above is high cannot be the foot of a 2."""
TEETH, TOOTH, ALIKE = 3, 2.0, 0.1
"""A comb has at least so many teeth, at most so much thicker than its line, and as high as each
other but for this share and a few pixels; and as far apart, but for this share."""
POSTS, SIDES = 4, 0.5
"""Upright sides that boxes in a row have at least, and how much of the row their other sides do."""
CORNER = 3
"""Pixels between the ends of two sides of a box that meet, at most."""
ROUGH, FOOT = 1.25, 2.0
"""Lines are at most so much thicker than they mostly are (and a pixel), but where a stroke lies on
them, which is at least this much longer than the line is thick."""
BELOW = 0.8
"""Share of the ink's height that is above an underline."""
SMALLEST_BOX, LONGEST_BOX = 12, 1.3
"""Pixels on the shorter side of a box, at least, and how many times longer the other one is at
most: what is taller may be a 0."""
BORDER, DASH = 0.12, 0.06
"""Shares of the shorter side that the border and half the gap between its dashes take up."""
SPECKS, STRAIGHT = 0.004, 0.9
"""Share of ink within an empty box, at most, and of its sides that lie in the border, at least."""
LITTLE = 0.01
"""Share of the ink that does not count for its extent, at each end."""


class Runs:
    """Vertical stretches of ink, each in one column; the arrays have one entry for each."""

    def __init__(
        self, column: NDArray[np.intp], top: NDArray[np.intp], bottom: NDArray[np.intp]
    ) -> None:
        self.column = column
        self.top = top  # first row,
        self.bottom = bottom  # and the one after the last

    @classmethod
    def of(cls, mask: Mask) -> Runs:
        return cls(*stretches(mask.T))

    def __len__(self) -> int:
        return len(self.column)

    def __getitem__(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> Runs:
        return Runs(self.column[chosen], self.top[chosen], self.bottom[chosen])

    @property
    def length(self) -> NDArray[np.intp]:
        return np.subtract(self.bottom, self.top)

    def erase(self, mask: Mask) -> None:
        """Set the pixels of the runs in a mask to False."""
        length = self.length
        start = np.repeat(self.top - np.cumsum(length) + length, length)
        mask[start + np.arange(len(start)), np.repeat(self.column, length)] = False


class Line(NamedTuple):
    """A nearly horizontal line."""

    runs: Runs
    across: bool
    """Whether it goes from side to side of the picture."""

    def erase(self, mask: Mask) -> None:
        """Erase the line, but not the strokes it crosses; none cross one on the rim."""
        self.runs.erase(mask)
        if self.across and median(self.runs.top) <= RIM:
            mask[: int(quantile(self.runs.bottom, 0.9))] = False
        if self.across and median(self.runs.bottom) >= len(mask) - RIM:
            mask[int(quantile(self.runs.top, 0.1)) :] = False


class Rules(NamedTuple):
    """What remains of the ink without ruled lines, grids and the borders of boxes.

    Attributes
    ----------
    rest : ndarray of bool, shape (height, width)
        Without lines from side to side and boxes around the digit; the ink itself if there are
        none or nothing else.
    certain : bool
        Whether what was erased cannot have been strokes: one or two lines from side to side can,
        in a picture cropped tightly around its digit.
    bare : ndarray of bool, shape (height, width)
        Without underlines, too, which may be strokes as well.
    underlined : bool
        Whether a line was erased that surely is an underline.
    """

    rest: Mask
    certain: bool
    bare: Mask
    underlined: bool = False


def find_rules(mask: Mask, outside: Mask | None = None) -> Rules:
    """Find what is ruled.

    Strokes that a line crosses stay whole, since only stretches as thin as the line are erased.

    Parameters
    ----------
    mask : ndarray of bool, shape (height, width)
        The ink.
    outside : ndarray of bool, shape (height, width), optional
        What is not on the sheet: lines go from side to side of the sheet.
    """
    if min(mask.shape) < ROOM_FOR_LINES:
        return Rules(mask, True, mask)
    beyond = None if outside is None else outside.T
    lines = [(line, False) for line in find_lines(mask, outside)]
    lines += [(line, True) for line in find_lines(mask.T, beyond)]
    flat = sum(not upright for _, upright in lines)
    roomy = min(mask.shape) >= ROOM_FOR_BOX
    if roomy and flat < 2 and len(lines) - flat >= POSTS:
        sides = _sides_of_boxes(mask, [line for line, upright in lines if upright])
        lines += [(line, False) for line in sides]
        flat += len(sides)
    boxed = min(flat, len(lines) - flat) >= 2 and roomy
    meeting = _meeting(lines) if boxed else [False] * len(lines)
    sure = [line for line, meets in zip(lines, meeting, strict=True) if meets or line[0].across]
    rest = _without(mask, sure) if sure else mask
    short = [line for line, upright in lines if roomy and not (boxed or upright or line.across)]
    far = [(line, False) for line in short if is_underline(line, rest, FAR_BEYOND)]
    rest = _without(rest, far) if far else rest
    below = [(line, False) for line in short if is_underline(line, rest)]
    loose = [line for line, meets in zip(lines, meeting, strict=True) if boxed and not meets]
    bare = _without(rest, below + loose) if below or loose else rest
    standing = [line for line, upright in lines if upright and not line.across]
    for line, _ in far + below:
        bare, comb = _without_teeth(bare, line, standing)
        rest = bare if comb else rest
    if not rest.any():
        return Rules(mask, True, mask)
    flat = sum(not upright for _, upright in sure)
    certain = boxed or max(flat, len(sure) - flat) > 2
    return Rules(rest, certain, bare if bare.any() else rest, bool(far))


def _sides_of_boxes(mask: Mask, posts: list[Line]) -> list[Line]:
    """Find the upper and lower sides of boxes in a row, one a digit, between which there are gaps.

    They begin and end where the upright ones do, which are found as lines.
    """
    along = [(post.runs.column.min(), post.runs.column.max()) for post in posts]
    ends = np.array(along, np.float64).T
    high = ends[1] - ends[0]
    alike = np.abs(high - median(high)) <= CORNER + ALIKE * median(high)
    middles = np.array([median(post.runs.top + post.runs.bottom) / 2 for post in posts])[alike]
    if len(middles) < POSTS or np.ptp(middles) < median(high):
        return []
    thick = median(np.concatenate([post.runs.length for post in posts]))
    first, last = int(middles.min()), int(middles.max())
    runs = Runs.of(mask)
    runs = runs[(runs.length <= ROUGH * thick + 1) & (runs.column >= first) & (runs.column <= last)]
    sides = []
    for end in ends[:, alike]:
        level = np.polyfit(middles, end, 1)
        if np.abs(np.polyval(level, middles) - end).max() > CORNER:
            return []
        off = (runs.top + runs.bottom - 1) / 2 - np.polyval(level, runs.column)
        on = runs[np.abs(off) <= CORNER + thick]
        if len(on):
            on = on[_one_a_column(on)]
        if len(on) < SIDES * (last - first):
            return []
        sides.append(Line(_own_part(on), across=False))
    return sides


def _meeting(lines: list[tuple[Line, bool]]) -> list[bool]:
    """Which lines end at, or cross, two of those in the other direction, as sides of boxes do.

    A 1 in a box, or the bar of a 7, may be as straight as the sides, but is shorter.
    """

    def met(line: Line, other: Line) -> bool:
        """Whether a line reaches another one, which is seen from its side."""
        along, order = line.runs.column, np.argsort(line.runs.column, kind="stable")
        middle = (line.runs.top + line.runs.bottom) / 2
        level = (other.runs.top + other.runs.bottom) / 2
        aside = np.abs(other.runs.column - np.interp(level, along[order], middle[order]))
        # no runs are the other line's own where the two cross
        level = level[aside <= 2 * (CORNER + median(line.runs.length))]
        reach = CORNER + median(other.runs.length)
        return bool(((level >= along.min() - reach) & (level <= along.max() + reach)).any())

    def meets_two(line: Line, upright: bool) -> bool:
        others = (other for other, across in lines if across is not upright)
        met_by = (other for other in others if met(line, other))
        return len(list(islice(met_by, 2))) == 2  # in a grid the first ones do

    return [meets_two(line, upright) for line, upright in lines]


def is_underline(line: Line, mask: Mask, beyond: float | None = None) -> bool:
    """Whether a line lies below all other ink, and is long or goes beyond it on both sides.

    If `beyond` is given, it must go so far beyond it, as a share of the height of the ink.
    """
    rest = mask.copy()
    line.erase(rest)
    rows, columns = np.nonzero(rest)
    if not len(columns):
        return False
    left, right = line.runs.column.min(), line.runs.column.max()
    # what is left of the line itself is little
    first, last = quantile(columns, LITTLE), quantile(columns, 1 - LITTLE)
    top, bottom = quantile(rows, LITTLE), quantile(rows, 1 - LITTLE)
    low = median(line.runs.top) >= top + BELOW * (bottom - top)
    height = bottom - top
    if beyond is None and right - left >= LONG_UNDERLINE * height:
        return bool(low)
    room = (BEYOND if beyond is None else beyond) * height
    return bool(low and left + room < first and last < right - room)


def _without_teeth(mask: Mask, line: Line, upright: list[Line]) -> tuple[Mask, bool]:
    """Erase what stands on a line like the teeth of a comb: upright, as thin as the line.

    Teeth that touch a digit are among the upright lines, if they are long.

    Returns
    -------
    mask : ndarray of bool, shape (height, width)
    comb : bool
        Whether one stands at an end of the line, too, as no 1 on an underline does.
    """
    found = Regions.of(mask)
    thick = median(line.runs.length)
    wide, tall = found.right - found.left, found.bottom - found.top

    middles = (found.left + found.right) / 2

    def stand_on_line(
        bottom: NDArray[np.intp] | np.intp, middle: NDArray[np.float64] | np.float64
    ) -> NDArray[np.bool_]:
        nearest = np.abs(line.runs.column[:, None] - middle).argmin(0)
        return np.asarray(np.abs(bottom - line.runs.top[nearest]) <= thick + 2)

    teeth = (wide <= TOOTH * thick + 1) & (tall >= 3 * wide) & stand_on_line(found.bottom, middles)
    if not teeth.any():
        return mask, False
    high = median(tall[teeth])
    alike = CORNER + ALIKE * high
    teeth &= np.abs(tall - high) <= alike
    if np.count_nonzero(teeth) < TEETH:
        return mask, False
    rest = mask & ~found.mask(teeth)
    places = np.sort(middles[teeth])
    for tooth in upright:
        runs = tooth.runs
        top, bottom = runs.column.min(), runs.column.max() + 1
        middle = np.float64(median(runs.top + runs.bottom) / 2)
        same = abs(bottom - top - high) <= alike and median(runs.length) <= median(wide[teeth])
        steps = (middle - places[0]) / max(1.0, np.diff(places).min())
        if same and abs(steps - np.rint(steps)) <= ALIKE and stand_on_line(bottom, middle):
            tooth.erase(rest.T)
    reach = CORNER + thick
    left, right = found.left[teeth].min(), found.right[teeth].max()
    first, last = line.runs.column.min() + reach, line.runs.column.max() - reach
    return rest, bool(left <= first or right >= last)


def is_empty_box(ink: Mask) -> bool:
    """Whether ink is the border of a box, whole, dashed or open on one side, and nothing else.

    Unlike those of a 0, its sides are straight from corner to corner.
    """
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    if not len(rows):
        return False
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    shorter = min(ink.shape)
    if shorter < SMALLEST_BOX or max(ink.shape) > LONGEST_BOX * shorter:
        return False
    rim = max(2, round(BORDER * shorter))
    if ink[2 * rim : -2 * rim, 2 * rim : -2 * rim].mean() > SPECKS:
        return False
    gap = max(1, round(DASH * shorter)) * 2 + 1
    sides = ink[:rim].any(0), ink[-rim:].any(0), ink[:, :rim].any(1), ink[:, -rim:].any(1)
    covered = [float(dilate(np.atleast_2d(side), gap).mean()) for side in sides]
    return sum(share >= STRAIGHT for share in covered) >= 3


def _without(mask: Mask, lines: list[tuple[Line, bool]]) -> Mask:
    """Erase lines, of which some are upright."""
    rest = mask.copy()
    for line, upright in lines:
        line.erase(rest.T if upright else rest)
    return rest


def without_underline(mask: Mask) -> Mask | None:
    """Erase what may be a line under a digit, even where it ends below the digit on the right.

    Parameters
    ----------
    mask : ndarray of bool, shape (height, width)
        The digit and what touches it, cropped to it.

    Returns
    -------
    ndarray of bool, shape (height, width), or None
        None if there is no such line.
    """
    if min(mask.shape) < ROOM_FOR_LINES:
        return None
    for line in find_lines(mask, thin=THIN_UNDERLINE):
        rest = _without(mask, [(line, False)])
        rows, columns = np.nonzero(rest)
        if not len(columns):
            continue
        first, last = quantile(columns, LITTLE), quantile(columns, 1 - LITTLE)
        top, bottom = quantile(rows, LITTLE), quantile(rows, 1 - LITTLE)
        height = bottom - top
        low = median(line.runs.top) >= top + BELOW * height
        left, right = line.runs.column.min(), line.runs.column.max()
        longer = right - left >= last - first + LONGER * height
        if low and longer and left + BEYOND * height < first:  # unlike the foot of a 2
            return rest
    return None


def find_lines(mask: Mask, outside: Mask | None = None, *, thin: float = THIN) -> list[Line]:
    """Find the nearly horizontal lines of a mask, those of each slope together.

    They are thinner than the share `thin` of its longer side, or COARSE pixels at most.
    """
    reached = mask if outside is None else mask | outside
    runs = Runs.of(mask)
    runs = runs[runs.length <= max(COARSE, thin * max(mask.shape))]
    lines: list[Line] = []
    while len(runs) >= SHORTEST * mask.shape[1]:
        found, runs = _parallel_lines(mask, reached, runs)
        if not found:
            break
        lines += found
    return lines


def _parallel_lines(mask: Mask, reached: Mask, runs: Runs) -> tuple[list[Line], Runs]:
    """Find the lines of the slope that most runs agree on, and the runs that are on none of them.

    This is a Hough transform: each run votes, for every slope, for the height at which a line
    through its middle crosses the middle column.
    """
    width = mask.shape[1]
    least = SHORTEST * width
    step = max(2.0, 0.004 * max(mask.shape))  # heights are told apart to this many pixels
    lowest = -STEEPEST * width / 2

    middle, aside = (runs.top + runs.bottom - 1) / 2, runs.column - width / 2

    def heights(slope: float) -> NDArray[np.float64]:
        return np.asarray((middle - slope * aside - lowest) / step)

    def counts(slope: float) -> NDArray[np.intp]:
        return np.bincount(heights(slope).astype(np.intp), minlength=2)

    # What is on a line of any slope is nearly on one of a slope close to it.
    nearby = int(np.ceil(FINE * width / 2 / step))
    if not any(_most(counts(slope), 2 + 2 * nearby) >= least for slope in COARSE_SLOPES):
        return [], runs
    votes = []
    for slope in SLOPES:
        count = counts(slope)
        votes.append(count[:-1] + count[1:])
    # long lines count more than many short ones
    best = int(np.argmax([(count.astype(float) ** 3).sum() for count in votes]))
    slope = float(SLOPES[best])
    height = heights(slope)
    lines = []
    free = np.ones(len(runs), bool)
    order = np.argsort(height, kind="stable")
    ranked, length = height[order], runs.length
    peaks = np.flatnonzero(votes[best] >= least)
    for peak in peaks[np.argsort(-votes[best][peaks], kind="stable")]:
        first, last = np.searchsorted(ranked, (peak - 0.5, peak + 2.5))
        on = order[first:last]
        on = on[free[on]]
        if len(on) < least:
            continue
        on = on[length[on] <= 1.5 * median(length[on]) + 1]
        if len(on) < least:
            continue
        on = on[_one_a_column(runs[on])]
        left, right = runs.column[on].min(), runs.column[on].max() + 1
        level = median(height[on]) * step + lowest
        inked = _inked(mask, level, slope, step)
        if right - left >= least and inked[left:right].mean() >= UNBROKEN:
            # A stroke of a tightly cut digit may be as long, but ends short of a side.
            drawn = inked if reached is mask else _inked(reached, level, slope, step)
            across = drawn[0] and drawn[-1] and drawn.mean() >= UNBROKEN
            lines.append(Line(_own_part(runs[on]), across=bool(across)))
            free[on] = False
    return lines, runs[free]


def _most(counts: NDArray[np.intp], bins: int) -> int:
    """Return the largest sum of so many consecutive counts."""
    sums = np.concatenate([np.zeros(1, np.intp), np.cumsum(counts)])
    return int((sums[bins:] - sums[:-bins]).max(initial=0) if bins < len(sums) else sums[-1])


def _one_a_column(runs: Runs) -> NDArray[np.bool_]:
    """Choose a line's runs: a foot just above it is none of them, though as thin as the line."""
    middle = (runs.top + runs.bottom) / 2
    order = np.argsort(runs.column, kind="stable")
    column = runs.column[order]
    alone = (np.diff(column, prepend=-1) != 0) & (np.diff(column, append=-1) != 0)
    if alone.all() or not alone.any():
        return np.ones(len(runs), np.bool_)
    single = order[alone]
    off = np.abs(middle - np.interp(runs.column, runs.column[single], middle[single]))
    nearest = np.lexsort((off, runs.column))
    chosen = np.zeros(len(runs), np.bool_)
    chosen[nearest[np.diff(runs.column[nearest], prepend=-1) != 0]] = True
    return chosen


def _own_part(runs: Runs) -> Runs:
    """Leave to a stroke that lies on a line, such as the foot of a 2, what it adds to the line."""
    runs = runs[np.argsort(runs.column, kind="stable")]
    thick = median(runs.length)
    swollen = runs.length > ROUGH * thick + 1
    change = np.diff(swollen.astype(np.int8), prepend=0, append=0)
    starts, ends = np.flatnonzero(change == 1), np.flatnonzero(change == -1)
    long = ends - starts >= FOOT * thick
    stroke = np.zeros(len(swollen), np.bool_)
    for start, end in zip(starts[long], ends[long], strict=True):
        stroke[start:end] = True
    if not stroke.any() or swollen.all():
        return runs
    usual = ~swollen
    top, bottom = (
        np.rint(np.interp(runs.column, runs.column[usual], edge[usual])).astype(np.intp)
        for edge in (runs.top, runs.bottom)
    )
    top = np.where(stroke, np.maximum(runs.top, top), runs.top)
    bottom = np.where(stroke, np.minimum(runs.bottom, bottom), runs.bottom)
    return Runs(runs.column, np.minimum(top, bottom), bottom)


def _inked(mask: Mask, height: float, slope: float, tolerance: float) -> NDArray[np.bool_]:
    """In which columns there is ink near the line that crosses the middle one at `height`."""
    rows, width = mask.shape
    column = np.arange(width)
    reach = int(np.ceil(tolerance))
    row = np.rint(height + slope * (column - width / 2)) + np.arange(-reach, reach + 1)[:, None]
    near = mask[np.clip(row, 0, rows - 1).astype(np.intp), column]
    return np.asarray(near.any(axis=0))
