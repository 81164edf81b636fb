"""Which strokes of a page stand in one row, along a tilted or curved baseline."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from digitcli.seeing.grouping import rings
from digitcli.seeing.morphology import Float32Array, Mask, dilate, erode
from digitcli.seeing.pieces import Regions
from digitcli.seeing.quantile import median, quantile

Indices = NDArray[np.intp]

MAIN = 0.4
"""What is at least this high, as a share of the typical height, can be a digit on its own;"""
PART = 0.1
"""what is at least this large can be a part of one, and all else is a speck."""
TALLEST = 2.5
WITHIN_FRAME = 0.5
"""What lies against the frame with more than this share of a side is not writing."""
LONGEST = 1.6
"""Digits at the frame are at most this many times higher than the others."""
TRIMMED = 2.0
"""Frames that are at most this many times higher than the digits are trimmed to their row."""
LEVEL, BESIDE = 0.5, 1.5
"""Rows whose strokes all stand beside those of another for more than this share of the lower's
height, and no farther than this many typical heights, are the same row."""
OVERLAP = 0.35
"""Share of the lower of two neighbours that stands beside the other one, tilt taken off."""
LOW, UPRIGHT, ALIKE = 0.75, 0.4, 0.12
"""Teeth of a comb are at most this high and wide, and differ by no more than this, as shares of the
typical height (and of their own)."""
TEETH, MOSTLY = 3, 0.7
"""A comb has at least so many teeth, and hardly anything else is like them."""
RIM = 0.03
"""The rim of a sheet is as wide as this share of its shorter side."""
HALO, MERGING = 0.008, 0.15
"""So far from a stroke, as a share of the picture's longer side, hardly any of the paper is as dark
as the stroke: no more than this share."""
COMPARED = 2**16
"""So many pairs of strokes are compared at once."""
NEAR = 0.35
"""Parts are nearer than this share of the typical height to what they belong to."""


def find_rows(found: Regions, shape: tuple[int, ...]) -> list[Indices]:
    """Order the strokes of a page into rows.

    Parameters
    ----------
    found : Regions
        The connected strokes.
    shape : tuple of int
        Height and width of the picture.

    Returns
    -------
    list of ndarray of intp
        For each row from the top down, the indices of its strokes from left to right. Strokes that
        belong to no row (specks, margins) are left out.
    """
    if not len(found.area):
        return []
    usable = ~lies_against_frame(found, shape) & ~rings(found)
    if not usable.any():
        return []
    # rules and specks are many, but little ink
    weight = heights(found) * np.sqrt(found.area)
    typical = weighted_median(heights(found)[usable], weight[usable])
    usable &= heights(found) <= TALLEST * typical
    usable &= ~ticks(found, usable, typical)
    main = usable & (heights(found) >= MAIN * typical)
    if not main.any():
        return []
    rows = _merged(found, _chain(found, np.flatnonzero(main)), typical)
    _attach(found, rows, np.flatnonzero(usable & ~main & (found.size >= PART * typical)), typical)
    middle = _middle_x(found)
    return [np.array(sorted(row, key=lambda stroke: middle[stroke]), np.intp) for row in rows]


def ticks(found: Regions, usable: NDArray[np.bool_], typical: float) -> NDArray[np.bool_]:
    """The teeth of a comb: low upright marks, all of one height and on one line."""
    tall = heights(found)
    low = usable & (tall <= LOW * typical) & (tall >= PART * typical)
    teeth = low & (found.right - found.left <= UPRIGHT * tall)
    chosen = np.flatnonzero(teeth)
    middle, bottom = _middle_x(found)[chosen], found.bottom[chosen]
    if len(chosen) < TEETH or np.ptp(middle) < typical:
        return np.zeros_like(usable)
    slope = np.polyfit(middle, bottom, 1)
    off = np.abs(bottom - np.polyval(slope, middle))
    alike = np.abs(tall[chosen] - np.median(tall[chosen])) <= ALIKE * typical
    on_line = alike & (off <= ALIKE * typical)
    if np.count_nonzero(on_line) < TEETH or not on_line.mean() >= MOSTLY:
        return np.zeros_like(usable)
    teeth[chosen[~on_line]] = False
    return teeth


def lies_against_frame(found: Regions, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """What fills a stretch along the frame of the picture: edges of sheets, shadows, fingers.

    Where the frame is trimmed to a row, digits touch it; they are not much longer than others.
    """
    height, width = shape
    tall, wide = heights(found), found.right - found.left
    filled = found.area / (tall * wide)
    sides = (found.left == 0) | (found.right == width)
    ends = (found.top == 0) | (found.bottom == height)
    along_side = sides & (tall == found.size) & (filled > WITHIN_FRAME)
    along_end = ends & (wide == found.size) & (filled > WITHIN_FRAME)
    against = along_side | along_end | (sides & ends)
    typical = weighted_median(tall[~against], tall[~against])
    if height <= TRIMMED * typical:
        against &= found.size > LONGEST * typical
    return np.asarray(against)


def enters_from_frame(found: Regions) -> Mask:
    """What touches the frame and is too long to be a digit: table, thumb, edge of the sheet."""
    inner = ~found.touching
    if not inner.any():
        return np.zeros(found.labels.shape, np.bool_)
    typical = weighted_median(heights(found)[inner], found.area[inner])
    return found.mask(found.touching & (found.size > TALLEST * typical))


def lies_along_rim(found: Regions, inside: Mask) -> NDArray[np.bool_]:
    """What hardly leaves the rim of a sheet: remnants of its edge, but no digit that reaches it."""
    reach = max(2, round(RIM * min(inside.shape)))
    within = erode(np.pad(inside, 1), 2 * reach + 1)[1:-1, 1:-1]
    inner = np.bincount(found.labels[within], minlength=len(found.area) + 1)[1:]
    return np.asarray(inner < 0.5 * found.area)


def merges_with_paper(found: Regions, chosen: NDArray[np.bool_], values: Float32Array) -> Mask:
    """Parts of shadows: where they end, the paper beside is often as dark as they are.

    Parameters
    ----------
    found : Regions
    chosen : ndarray of bool, shape (n,)
        The pieces in question.
    values : ndarray of float32, shape (height, width)
        Darkness.

    Returns
    -------
    ndarray of bool, shape (height, width)
        Those of the pieces.
    """
    merging = np.zeros(len(found.area), np.bool_)
    halo = max(2, round(HALO * max(values.shape)))
    inner, outer = 2 * (halo // 2) + 1, 2 * halo + 1
    for number in np.flatnonzero(chosen):
        window = (
            slice(max(0, found.top[number] - halo), found.bottom[number] + halo),
            slice(max(0, found.left[number] - halo), found.right[number] + halo),
        )
        labels, dark = found.labels[window], values[window]
        own = labels == number + 1
        beside = dilate(own, outer) & ~dilate(own, inner) & (labels == 0)
        if beside.any():
            ink, paper = median(dark[own]), quantile(dark[beside], 0.1)
            merging[number] = (dark[beside] > (ink + paper) / 2).mean() > MERGING
    return found.mask(merging)


def heights(found: Regions) -> Indices:
    """Heights of the bounding boxes."""
    return np.asarray(found.bottom - found.top)


def _middle_x(found: Regions) -> NDArray[np.float64]:
    return np.asarray((found.left + found.right) / 2)


def _chain(found: Regions, main: Indices) -> list[list[int]]:
    """Chain the main strokes from left to right, each to the row it stands beside."""
    x = _middle_x(found)
    slope = tilt(found, main)
    rows: list[list[int]] = []
    for stroke in main[np.argsort(x[main])]:
        ends = np.array([(row[-1], row[-2:][0]) for row in rows], np.intp).reshape(-1, 2)
        overlap = _overlap(found, ends, stroke, slope).max(axis=1)
        if overlap.max(initial=0) > OVERLAP:
            rows[int(np.argmax(overlap))].append(int(stroke))
        else:
            rows.append([int(stroke)])
    y = (found.top + found.bottom) / 2 - slope * x
    rows.sort(key=lambda row: float(np.median(y[row])))
    return rows


def _merged(found: Regions, rows: list[list[int]], typical: float) -> list[list[int]]:
    """Merge rows of which one stands beside the other throughout: parts of the same digits."""
    kept: list[list[int]] = []
    for row in sorted(rows, key=len, reverse=True):
        for other in kept:
            if all(_stands_beside(found, stroke, np.array(other), typical) for stroke in row):
                other += row
                break
        else:
            kept.append(row)
    return [row for row in rows if any(row is one for one in kept)]


def _stands_beside(found: Regions, stroke: int, row: Indices, typical: float) -> bool:
    """Whether a stroke stands beside a near one of a row for more than half of its height."""
    gap = np.maximum(found.left[row] - found.right[stroke], found.left[stroke] - found.right[row])
    near = row[(gap >= 0) & (gap <= BESIDE * typical)]
    return bool((_overlap(found, np.intp(stroke), near, 0.0) > LEVEL).any())


def tilt(found: Regions, main: Indices) -> float:
    """The slope of the rows: the median over all strokes of the way to the next one."""
    slopes: list[float] = []
    x, y = _middle_x(found), (found.top + found.bottom) / 2
    for some in np.array_split(main, 1 + len(main) ** 2 // COMPARED):
        strokes = some[:, None]
        beside = (x[main] > x[strokes]) & (_overlap(found, strokes, main, 0.0) > OVERLAP)
        distance = np.where(beside, found.left[main] - found.right[strokes], np.inf)
        own, nearest = some[beside.any(1)], main[distance.argmin(1)[beside.any(1)]]
        slopes += ((y[nearest] - y[own]) / (x[nearest] - x[own])).tolist()
    return float(np.clip(np.median(slopes), -0.3, 0.3)) if len(slopes) > 1 else 0.0


def _overlap(
    found: Regions, left: Indices | np.intp, right: Indices | np.intp, slope: float
) -> NDArray[np.float64]:
    """How much of the lower of two strokes stands beside the other, when the tilt is taken off.

    One of the two may be several strokes, of any shape, which is then that of the result.
    """
    shift = slope * (found.left[right] + found.right[right] - found.left[left] - found.right[left])
    top = np.maximum(found.top[left], found.top[right] - shift / 2)
    bottom = np.minimum(found.bottom[left], found.bottom[right] - shift / 2)
    lower = np.minimum(found.bottom[left] - found.top[left], found.bottom[right] - found.top[right])
    return np.asarray((bottom - top) / lower)


def _attach(found: Regions, rows: list[list[int]], parts: Indices, typical: float) -> None:
    """Add small strokes to the row of the main stroke they are nearest to."""
    owner = [(row, stroke) for row in rows for stroke in row]
    main = np.array([stroke for _, stroke in owner])
    for part in parts:
        across = np.maximum(
            found.left[main] - found.right[part], found.left[part] - found.right[main]
        )
        down = np.maximum(
            found.top[main] - found.bottom[part], found.top[part] - found.bottom[main]
        )
        distance = np.maximum(np.maximum(across, down), 0) + 0.1 * np.maximum(down, 0)
        nearest = int(np.argmin(distance))
        if distance[nearest] <= NEAR * typical:
            owner[nearest][0].append(int(part))


def weighted_median(values: NDArray[np.intp], weights: NDArray[np.number]) -> float:
    """The value up to which half of the weight lies; 0 for none."""
    if not len(values):
        return 0.0
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])
