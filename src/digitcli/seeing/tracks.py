"""Ruled lines as tracks: how high each is at every place along it, however it bends and leans.

`digitcli.seeing.rules` finds straight lines from side to side, to erase them. The rules of a table
are needed where they are: on a sheet anywhere in the picture, in perspective, curled and broken.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from digitcli.seeing.morphology import Float32Array, Mask
from digitcli.seeing.quantile import median
from digitcli.seeing.rules import Runs

STEEPEST, SLOPES = 0.27, 15
"""Rules lean by fifteen degrees at most; so many slopes are tried."""
THICKEST = 0.02
"""Rules are thinner than this share of the picture's longer side,"""
LEAST_THICK = 5
"""or than so many pixels."""
STRETCH = 0.028
"""A rule is inked along a stretch of this share of the longer side"""
INKED = 0.7
"""for at least this share of it."""
FAINTEST, GRAIN, SOFTENED = 5 / 255, 4.0, 7
"""A rule is darker than its paper by this, and stands out of the paper's grain by so many times
what that usually is, on average over so many pixels."""
ROUGH, JUMP = 0.5, 1.2
"""Its level changes from pixel to pixel by less than this, on average and at once."""
SWOLLEN = 1.5
"""Where it is so much thicker than it mostly is, something else lies on it."""
LINKINGS = 3
"""Stretches are linked to rules so often, rules to rules."""
MIXED = 2.5
"""Stretches of one rule are so many times darker than others at most."""
OVERLAP, SHARE_OF_WAY = 0.3, 0.3
"""They do not lie beside each other; and how far off the farther end is counts with this."""
JITTER = 2.5
"""Stretches of one rule are level to so many pixels"""
BENT = 0.03
"""and to this share of the gap between them."""
SHORT_GAP, LONGEST_GAP = 0.03, 0.3
"""Gaps within a rule are this short, as a share of the longer side, or no longer than what is seen
on both sides of them, and never longer than the other share."""
LOCAL = 0.1
"""A rule goes on as it goes in its last stretch of this share of the longer side."""
BAND, BEYOND = 1.5, 3.0
"""Pixels on both sides of a rule, and at its ends, that are painted over with it."""
DARKER = 1.6
"""What is darker than a rule by this factor is ink on it."""
SHOWN = 0.35
"""What is this dark against a rule may be part of it."""
COVERED = 0.35
"""A rule is seen along at least this share of its length."""


@dataclass(frozen=True, eq=False)
class Track:
    """A rule that is nearly horizontal; an upright one is a track of the picture turned over.

    Attributes
    ----------
    along : ndarray of float, shape (n,)
        Where it is seen, ascending, in pixels;
    level : ndarray of float, shape (n,)
        and how low it is there.
    thick : float
        In pixels.
    strength : float
        How much darker it is than its paper, 0 to 1.
    reach : float
        Length of the stretch at its ends whose slope it keeps beyond them.
    """

    along: NDArray[np.float64]
    level: NDArray[np.float64]
    thick: float
    strength: float
    reach: float

    @cached_property
    def first(self) -> float:
        """Where it begins."""
        return float(self.along[0])

    @cached_property
    def last(self) -> float:
        """Where it ends."""
        return float(self.along[-1])

    @cached_property
    def _slopes(self) -> tuple[float, float]:
        """Slopes at the begin and at the end."""
        begin = self.along <= self.first + self.reach
        end = self.along >= self.last - self.reach
        return self._slope(begin), self._slope(end)

    def _slope(self, part: NDArray[np.bool_]) -> float:
        along, level = self.along[part], self.level[part]
        if len(along) < 2 or along[-1] - along[0] < 4:
            return 0.0
        centred = along - along.mean()
        return float((centred * (level - level.mean())).sum() / (centred**2).sum())

    @cached_property
    def mean_level(self) -> float:
        """How low it is, on the whole."""
        return float(self.level.mean())

    def level_at(self, place: float) -> float:
        """Return how low it is at one place, as `at` does, in a fifth of the time."""
        if place < self.first:
            return float(self.level[0]) + (place - self.first) * self._slopes[0]
        if place > self.last:
            return float(self.level[-1]) + (place - self.last) * self._slopes[1]
        return float(np.interp(place, self.along, self.level))

    def at(self, along: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how low it is at places along it, and where it would be beyond its ends."""
        level = np.interp(along, self.along, self.level)
        before, after = self._slopes
        level = level + np.minimum(along - self.first, 0) * before
        return np.asarray(level + np.maximum(along - self.last, 0) * after)

    def seen_between(self, first: float, last: float) -> float:
        """Return along which share of a stretch it is seen."""
        if last - first < 1:
            return 0.0
        begin, end = np.searchsorted(self.along, (first, last))
        return float((end - begin) / (last - first))

    @cached_property
    def slope(self) -> float:
        """How far it falls, on the whole."""
        return self._slope(np.ones(len(self.along), np.bool_))

    def shows_between(self, first: float, last: float, hat: Float32Array) -> float:
        """Return along which share of a stretch there is anything like it, however faint."""
        height, width = hat.shape
        along = np.arange(max(0, round(first)), min(width, round(last)))
        if not len(along):
            return 0.0
        level = np.rint(self.at(along.astype(np.float64))).astype(np.intp)
        near = np.clip(level + np.arange(-2, 3)[:, None], 0, height - 1)
        return float((hat[near, along].max(0) >= SHOWN * self.strength).mean())

    def smoothed(self, reach: float) -> Track:
        """Return it without bends shorter than `reach`, such as strokes beside it make."""
        window = 2 * round(reach) + 1
        along = np.arange(self.first, self.last + 1)
        if len(along) < window:
            return self
        straight = self.slope * (along - along[0])
        off = np.pad(self.at(along) - straight, round(reach), mode="reflect", reflect_type="odd")
        step = max(1, window // 8)
        windows = sliding_window_view(off, window)[::step]
        usual = np.partition(windows, window // 2, axis=1)[:, window // 2]
        level = np.interp(along, along[::step], usual) + straight
        return replace(self, level=np.interp(self.along, along, level))

    def joined(self, other: Track) -> Track:
        """Return one track of two stretches."""
        along = np.concatenate([self.along, other.along])
        along, places = np.unique(along, return_index=True)
        level = np.concatenate([self.level, other.level])[places]
        share = len(self.along) / (len(self.along) + len(other.along))
        thick = share * self.thick + (1 - share) * other.thick
        strength = share * self.strength + (1 - share) * other.strength
        return replace(self, along=along, level=level, thick=thick, strength=strength)


def find_tracks(dark: Float32Array) -> tuple[list[Track], Float32Array]:
    """Find the rules of a picture that are nearly horizontal, and strokes that are like rules.

    Parameters
    ----------
    dark : ndarray of float32, shape (height, width)
        How dark it is, 0 to 1.

    Returns
    -------
    tracks : list of Track
    hat : ndarray of float32, shape (height, width)
        As `thinness` returns it.
    """
    side = max(dark.shape)
    hat = thinness(dark)
    inked = stands_out(hat)
    mask = stretches(inked, max(9, round(STRETCH * side)))
    runs = Runs.of(mask)
    reach = LOCAL * side
    total = np.cumsum(np.pad(hat, ((1, 0), (0, 0))), axis=0, dtype=np.float64)
    dense = (total[runs.bottom, runs.column] - total[runs.top, runs.column]) / runs.length
    level = (runs.top + runs.bottom - 1) / 2
    parts: list[Track] = []
    for chain in _chains(runs.column, level, max(2, round(THICKEST * side))):
        if len(chain) >= STRETCH * side / 3:
            parts += _smooth_parts(
                runs[chain], level[chain], dense[chain], length=STRETCH * side, reach=reach
            )
    return _linked(parts, side), hat


def _smooth_parts(
    runs: Runs,
    level: NDArray[np.float64],
    dense: NDArray[np.float64],
    *,
    length: float,
    reach: float,
) -> list[Track]:
    """Divide a chain of runs where its level jumps; what lies on a rule is left out."""
    slim = runs.length <= SWOLLEN * median(runs.length) + 1
    runs, level, dense = runs[slim], level[slim], dense[slim]
    along = runs.column
    jumps = np.flatnonzero((np.abs(np.diff(level)) > JUMP) | (np.diff(along) > length / 2)) + 1
    parts = []
    for part in np.split(np.arange(len(along)), jumps):
        steps = np.abs(np.diff(level[part]))
        if len(part) < length / 3 or steps.sum() > ROUGH * len(steps):
            continue
        thick = max(1.0, median(runs.length[part]) - 2)
        strength = median(dense[part])
        parts.append(Track(along[part].astype(np.float64), level[part], thick, strength, reach))
    return parts


def paint_over(dark: Float32Array, tracks: list[Track], scale: float = 1.0) -> None:
    """Paint over rules with what is above and below them, so that strokes that cross them go on.

    Parameters
    ----------
    dark : ndarray of float32, shape (height, width)
        Darkness, which is changed.
    tracks : list of Track
    scale : float
        Pixels of the picture for each of that in which the tracks were found.
    """
    height, width = dark.shape
    for track in tracks:
        first = max(0, round((track.first - BEYOND) * scale))
        columns = np.arange(first, min(width, round((track.last + 1 + BEYOND) * scale)))
        level = track.at(columns / scale + (0.5 / scale - 0.5)) * scale + (scale - 1) / 2
        band = track.thick * scale / 2 + BAND
        upper = np.floor(level - band).astype(np.intp)
        lower = np.ceil(level + band).astype(np.intp)
        inside = (upper >= 0) & (lower < height)
        columns, upper, lower = columns[inside], upper[inside], lower[inside]
        above, below = dark[upper, columns], dark[lower, columns]
        rows = np.arange(1, int((lower - upper).max(initial=1)))[:, None]
        share = np.minimum(rows / (lower - upper), 1).astype(np.float32)
        place = np.minimum(upper + rows, lower)
        between = (1 - share) * above + share * below
        seen = dark[place, columns]
        excess = seen - between
        rule = float(median(excess.max(0, initial=0.0)))
        is_rule = (excess > 0) & (excess < DARKER * rule)
        dark[place, columns] = np.where(is_rule, between, seen)


def thinness(dark: Float32Array) -> Float32Array:
    """By how much each pixel is darker than the paper above and below, if what is dark is thin."""
    reach = max(LEAST_THICK, round(THICKEST * max(dark.shape))) | 1
    return _mean_along(dark - _opened(dark, reach), SOFTENED)


def stands_out(hat: Float32Array) -> Mask:
    """Where thin darkness stands out of the paper's grain, with a pixel above and below."""
    usual = float(median(hat))
    grain = float(median(np.abs(hat - usual)))
    return _spread(hat > max(FAINTEST, usual + GRAIN * grain))


def _mean_along(values: Float32Array, size: int) -> Float32Array:
    """Replace every value by the mean of `size` ones in its row."""
    total = np.cumsum(np.pad(values, ((0, 0), (size // 2 + 1, size // 2)), mode="edge"), axis=1)
    return np.asarray((total[:, size:] - total[:, :-size]) / np.float32(size))


def stretches(inked: Mask, length: int) -> Mask:
    """What is inked along a stretch of some slope."""
    height, width = inked.shape
    half = length // 2
    most = np.zeros(inked.shape, np.uint16)
    for slope in np.linspace(-STEEPEST, STEEPEST, SLOPES):
        offset = np.rint(slope * (np.arange(width) - width / 2)).astype(np.intp)
        reach = int(np.abs(offset).max()) if width else 0
        tall = np.zeros((height + 2 * reach, width + 2 * half + 1), np.uint16)
        edges = np.flatnonzero(np.diff(offset, prepend=offset[0] - 1, append=offset[-1] + 1))
        for first, last in pairwise(edges):
            up = reach - int(offset[first])
            tall[up : up + height, half + 1 + first : half + 1 + last] = inked[:, first:last]
        # sums may pass the largest number; their differences are right all the same
        total = np.cumsum(tall, axis=1, dtype=np.uint16)
        count = total[:, 2 * half + 1 :] - total[:, : -2 * half - 1]
        for first, last in pairwise(edges):
            up = reach - int(offset[first])
            part = most[:, first:last]
            np.maximum(part, count[up : up + height, first:last], out=part)
    return (most / np.float32(2 * half + 1) >= INKED) & inked


def _opened(dark: Float32Array, reach: int) -> Float32Array:
    """What remains of darkness where it is no thinner than `reach` rows."""
    least = -_maximum_down(-dark, reach)
    return _maximum_down(least, reach)


def _maximum_down(values: Float32Array, size: int) -> Float32Array:
    """Replace every value by the largest of the `size` rows around it."""
    height, half = len(values), size // 2
    result = np.pad(values, ((half, half), (0, 0)), mode="edge")
    reach = 1
    while reach < size:
        step = min(reach, size - reach)
        result = np.maximum(result[:-step], result[step:])
        reach += step
    return np.asarray(result[:height])


def _spread(mask: Mask) -> Mask:
    """Add a pixel above and below."""
    result = mask.copy()
    result[1:] |= mask[:-1]
    result[:-1] |= mask[1:]
    return result


def _chains(
    column: NDArray[np.intp], level: NDArray[np.float64], gap: int
) -> list[NDArray[np.intp]]:
    """Chain runs to those that are as low in one of the next columns."""
    order = np.lexsort((level, column))
    column, level = column[order], level[order]
    wide = float(level.max(initial=0)) + 2 * (JUMP + BENT * gap) + 1
    key = column * wide + level
    after = np.full(len(key), -1, np.intp)
    taken = np.zeros(len(key), np.bool_)
    for ahead in range(1, gap + 1):
        free = np.flatnonzero(after < 0)
        wanted = key[free] + ahead * wide
        above = np.searchsorted(key, wanted).clip(1, len(key) - 1) if len(key) > 1 else free * 0
        nearest = np.where(
            np.abs(key[above - 1] - wanted) < np.abs(key[above] - wanted), above - 1, above
        )
        off = np.abs(key[nearest] - wanted)
        fits = (off <= JUMP + BENT * (ahead - 1)) & ~taken[nearest]
        free, nearest, off = free[fits], nearest[fits], off[fits]
        best = np.lexsort((off, nearest))
        first = np.diff(nearest[best], prepend=-1) != 0
        free, nearest = free[best][first], nearest[best][first]
        after[free] = nearest
        taken[nearest] = True
    chains = []
    following = after.tolist()
    for head in np.flatnonzero(~taken).tolist():
        chain = [head]
        while following[chain[-1]] >= 0:
            chain.append(following[chain[-1]])
        chains.append(order[np.array(chain)])
    return chains


def _linked(parts: list[Track], side: int) -> list[Track]:
    """Link stretches that go on in each other; the longest tell best where they go."""
    tracks: list[Track] = []
    for _ in range(LINKINGS):
        tracks = []
        known = np.empty((len(parts), 5))
        for part in sorted(parts, key=lambda part: part.first - part.last):
            near = _may_go_on(known[: len(tracks)], part, side)
            fits = [_off(tracks[number], part) for number in near]
            best = int(np.argmin(fits)) if fits else 0
            if fits and fits[best] <= 1:
                place = near[best]
                tracks[place] = tracks[place].joined(part)
            else:
                place = len(tracks)
                tracks.append(part)
            known[place] = _extent(tracks[place])
        if len(tracks) == len(parts):
            break
        parts = tracks
    return [track for track in tracks if track.seen_between(track.first, track.last + 1) >= COVERED]


def _extent(track: Track) -> tuple[float, float, float, float, float]:
    """Where it begins and ends, its highest and lowest level, and its strength."""
    level = track.level
    return track.first, track.last, float(level.min()), float(level.max()), track.strength


def _may_go_on(known: NDArray[np.float64], part: Track, side: int) -> list[int]:
    """Return the numbers of the rules that a stretch might be part of, by their extents alone."""
    first, last, upper, lower, strength = known.T
    gap = np.maximum(np.maximum(part.first - last, first - part.last), 0)
    length = part.last - part.first
    room = JITTER + (BENT + STEEPEST) * gap + STEEPEST * length
    level = part.level
    near = gap <= max(SHORT_GAP * side, min(length, LONGEST_GAP * side))
    near &= level.max() >= upper - room
    near &= (level.min() <= lower + room) & (strength <= MIXED * part.strength)
    near &= part.strength <= MIXED * strength
    return [int(number) for number in np.flatnonzero(near)]


def _off(track: Track, part: Track) -> float:
    """How far a stretch is from where a rule goes, against what may be; more than 1 is too far."""
    gap = max(0.0, part.first - track.last, track.first - part.last)
    length = part.last - part.first
    allowed = JITTER + BENT * gap
    near = min(
        (part.first, part.last), key=lambda end: min(abs(end - track.first), abs(end - track.last))
    )
    close = abs(part.level_at(near) - track.level_at(near))
    if close > allowed:
        return np.inf
    middle = (part.first + part.last) / 2
    if abs(part.level_at(middle) - track.level_at(middle)) > allowed + STEEPEST * length:
        return np.inf
    if gap == 0 and track.seen_between(part.first, part.last + 1) > OVERLAP:
        return np.inf
    own = np.linspace(part.first, part.last, 5)
    ahead = float(np.abs(track.at(own) - part.at(own)).max())
    return min(ahead, close + SHARE_OF_WAY * ahead) / allowed
