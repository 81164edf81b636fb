"""Where the cells of a table are: between ruled lines that meet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from digitcli.seeing.morphology import Float32Array
from digitcli.seeing.tracks import Track, find_tracks

MOST_TRACKS, MOST_CELLS = 400, 2500
"""So many rules in each direction are looked at, the longest; more cells are a pattern."""
CLOSE, MOST_STEPS = 0.05, 8
"""Where rules cross is known to so many pixels, or after so many steps."""
NEAR = 0.012
"""Rules meet that end so far from each other, as a share of the picture's longer side."""
LEAST_NEAR = 4.0
"""Or so many pixels."""
FAINT = 0.12
"""Lines fainter than this, against the rules that meet, are creases or show through."""
EDGE = 0.5
"""A side of a cell is there if its rule is seen along this share of it."""
WHOLE, MOSTLY = 0.8, 0.6
"""A rule is seen along this share of the way from one that it meets to the next, somewhere, or of
its whole length if it meets several: strokes are shorter or go astray."""
DARKER, THICKER, UNBROKEN = 1.5, 1.3, 0.93
"""Strokes of digits below each other are darker and thicker than rules; rules that are, as those
around a table, are seen along all of their length."""
MATES = 3
"""Sides of boxes beside each other are at least one more than so many."""
MANY, UNEVEN = 12, 0.8
"""Where there are so many rules, one that is nearer to both neighbours than this share of the usual
distance, and these as far from each other as usual, is made of strokes."""
SEVERAL = 4
"""A rule that is seen mostly crosses so many stretches between others at least."""
LONGEST = 0.3
"""What is as long as this share of the picture's side is a rule even if it meets no others."""
LONG = 0.4
"""Rules of at least this share of the longest are sure; shorter ones part several cells."""
ALIKE, ASLANT = 2.0, 0.07
"""A rule that only parts two cells is so many times thicker or darker than the others at most, and
leans by no more against them."""
SOLID = 0.75
"""Sides of cells are seen along this share of their length, on average; the feet of letters in
lines of print are not."""
BETWEEN, CLOSED = 0.25, 0.5
"""Where fewer than this share of the sides of a row or a column are there, it is a gap between
boxes; a box has this share of each side."""
INSET = 3.0
"""So many pixels at the ends of a side, where rules meet, or a quarter of it, do not count."""
DOUBLE, SLIM = 2.5, 0.1
"""Two rules nearer than so many times their thickness, or this share of the usual distance, are one
double rule."""
OPEN = 0.25
"""Where rules go on beyond the outermost one across by this share of the usual distance, or more,
there are cells open to that side;"""
TOGETHER = 0.6
"""if this share of the rules do."""

Point = tuple[float, float]


class Cell(NamedTuple):
    """A cell of a grid.

    Attributes
    ----------
    row, column : int
        Of its upper left place, from 0 on.
    rows, columns : int
        So many places it spans.
    corners : tuple of Point
        Upper left, upper right, lower right and lower left, in pixels.
    """

    row: int
    column: int
    rows: int
    columns: int
    corners: tuple[Point, Point, Point, Point]


@dataclass(frozen=True)
class Grid:
    """The cells of a table.

    Attributes
    ----------
    cells : list of Cell
        From the top down and from left to right.
    rows, columns : int
    """

    cells: list[Cell]
    rows: int
    columns: int

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom."""
        corners = np.array([cell.corners for cell in self.cells]).reshape(-1, 2)
        (left, top), (right, bottom) = corners.min(0).tolist(), corners.max(0).tolist()
        return left, top, right, bottom


class Ruled(NamedTuple):
    """What is ruled in a picture.

    Attributes
    ----------
    grids : list of Grid
        The largest first; those of one cell are boxes, those of one row may be combs.
    across, down : list of Track
        The rules of the grids, and all others that are long; upright ones are tracks of the
        picture turned over.
    """

    grids: list[Grid]
    across: list[Track]
    down: list[Track]


def find_ruled(dark: Float32Array) -> Ruled:
    """Find the ruled tables and boxes of a picture.

    Parameters
    ----------
    dark : ndarray of float32, shape (height, width)
        How dark it is, 0 to 1.
    """
    near = max(LEAST_NEAR, NEAR * max(dark.shape))
    across, hat_across = find_tracks(dark)
    down, hat_down = find_tracks(np.ascontiguousarray(dark.T))
    across, down = (sorted(own, key=_length)[-MOST_TRACKS:] for own in (across, down))
    grids = []
    rules = [
        [
            track
            for track in tracks
            if track.last - track.first >= LONGEST * side
            and track.seen_between(track.first, track.last + 1) >= UNBROKEN
        ]
        for tracks, side in ((across, dark.shape[1]), (down, dark.shape[0]))
    ]
    for meeting in _meeting(across, down, near):
        side = _side_of_squares(*meeting)
        flats, uprights = (
            [track.smoothed(side) for track in own] if side else own for own in meeting
        )
        for number, (rough, smooth) in enumerate(zip(meeting, (flats, uprights), strict=True)):
            rules[number] = [rule for rule in rules[number] if rule not in rough] + smooth
        for flat, upright in _apart(flats, uprights):
            grids += _grids_of(flat, upright, hat_across, hat_down)
    grids.sort(key=lambda grid: -len(grid.cells))
    return Ruled(grids, *rules)


def _length(track: Track) -> float:
    return track.last - track.first


def crossing(flat: Track, upright: Track) -> Point:
    """Return where two rules cross, or would."""
    x = upright.mean_level
    y = flat.level_at(x)
    for _ in range(MOST_STEPS):
        before, x = x, upright.level_at(y)
        y = flat.level_at(x)
        if abs(x - before) < CLOSE:
            break
    return x, y


def _may_meet(across: list[Track], down: list[Track], near: float) -> NDArray[np.bool_]:
    """Which rules might meet if they were straight, shape (across, down)."""
    if not across or not down:
        return np.zeros((len(across), len(down)), np.bool_)
    (level, slope, along, first, last), (x_level, x_slope, y_along, top, bottom) = (
        np.array([[t.mean_level, t.slope, t.along.mean(), t.first, t.last] for t in tracks]).T
        for tracks in (across, down)
    )
    level, slope, along = level[:, None], slope[:, None], along[:, None]
    x = (x_level + x_slope * (level - slope * along - y_along)) / (1 - x_slope * slope)
    y = level + slope * (x - along)
    within = (first[:, None] - near <= x) & (x <= last[:, None] + near)
    return np.asarray(within & (top - near <= y) & (y <= bottom + near))


def _crossings(
    across: list[Track], down: list[Track], near: float
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return which rules meet, shape (across, down), and where, shape (across, down, 2)."""
    meets = _may_meet(across, down, 4 * near)
    nodes = np.zeros((*meets.shape, 2))
    for one, other in np.argwhere(meets).tolist():
        flat, upright = across[one], down[other]
        nodes[one, other] = x, y = crossing(flat, upright)
        within = flat.first - near <= x <= flat.last + near
        meets[one, other] = within and upright.first - near <= y <= upright.last + near
    return meets, nodes


def _meeting(
    across: list[Track], down: list[Track], near: float
) -> Iterator[tuple[list[Track], list[Track]]]:
    """Choose the rules that meet two others each, those that hang together at once."""
    meets, nodes = _crossings(across, down, near)
    alive = [np.ones(len(across), np.bool_), np.ones(len(down), np.bool_)]
    while True:
        own = meets & alive[0][:, None] & alive[1]
        flat, upright = own.sum(1) >= 2, own.sum(0) >= 2
        slopes = [
            float(np.median([tracks[number].slope for number in np.flatnonzero(own)] or [0.0]))
            for tracks, own in ((across, flat), (down, upright))
        ]
        for number in np.flatnonzero(flat).tolist():
            met = np.flatnonzero(own[number])
            places = np.sort(nodes[number, met, 0])
            flat[number] = _is_rule(across[number], places, [down[n] for n in met], slopes[0])
        for number in np.flatnonzero(upright).tolist():
            met = np.flatnonzero(own[:, number])
            places = np.sort(nodes[met, number, 1])
            upright[number] = _is_rule(down[number], places, [across[n] for n in met], slopes[1])
        if np.array_equal(flat, alive[0]) and np.array_equal(upright, alive[1]):
            break
        alive = [flat, upright]
    for flat, upright in _together(meets & alive[0][:, None] & alive[1]):
        tracks = [across[number] for number in flat], [down[number] for number in upright]
        strength = _usual([*tracks[0], *tracks[1]], lambda track: track.strength)
        thick = _usual([*tracks[0], *tracks[1]], lambda track: track.thick)
        kept = [
            [
                one
                for one in own
                if one.strength >= FAINT * strength and not _is_written(one, strength, thick)
            ]
            for own in tracks
        ]
        long = [_long(own) for own in kept]
        flats, uprights = (
            [
                one
                for one in own
                if one in main
                or _goes_on(one, other)
                or _is_part(one, main, near)
                or _has_mates(one, own)
            ]
            for own, main, other in zip(kept, long, long[::-1], strict=True)
        )
        yield _evenly_apart(flats, uprights)


def _evenly_apart(flats: list[Track], uprights: list[Track]) -> tuple[list[Track], list[Track]]:
    """Leave out what lies between two neighbours among many rules that are evenly apart.

    On squared paper they are many if those across them are.
    """
    squared = _side_of_squares(flats, uprights) > 0
    return (
        _regular(flats, uprights) if squared or len(flats) >= MANY else flats,
        _regular(uprights, flats) if squared or len(uprights) >= MANY else uprights,
    )


def _side_of_squares(flats: list[Track], uprights: list[Track]) -> float:
    """Return how large the squares of squared paper are; 0 if it is none."""
    sides = _distance(_levels(flats, uprights)), _distance(_levels(uprights, flats))
    many = max(len(flats), len(uprights)) >= MANY
    return max(sides) if many and UNEVEN * max(sides) < min(sides) else 0.0


def _levels(tracks: list[Track], others: list[Track]) -> NDArray[np.float64]:
    """Return how low rules are where the middle of those across them is."""
    middle = float(np.mean([other.mean_level for other in others] or [0.0]))
    return np.array([track.level_at(middle) for track in tracks])


def _distance(levels: NDArray[np.float64]) -> float:
    """Return how far rules are from their neighbours, mostly."""
    return float(np.median(np.diff(np.sort(levels)))) if len(levels) > 1 else 0.0


def _regular(tracks: list[Track], others: list[Track]) -> list[Track]:
    """Leave out what lies between two neighbours that are as far apart as usual."""
    levels = _levels(tracks, others)
    usual = _distance(levels)
    if usual < LEAST_NEAR:  # sides of boxes that stand in line
        return tracks
    order = np.argsort(levels).tolist()
    kept = order[:1]
    for number, after in zip(order[1:], [*order[2:], None], strict=True):
        level = levels[kept[-1]]
        below = np.inf if after is None else levels[after]
        between = (
            levels[number] - level < UNEVEN * usual and below - levels[number] < UNEVEN * usual
        )
        if not between or abs(below - level - usual) >= (1 - UNEVEN) * usual:
            kept.append(number)
    return [tracks[number] for number in kept]


def _long(tracks: list[Track]) -> list[Track]:
    """The rules that are not much shorter than the longest."""
    longest = max((track.last - track.first for track in tracks), default=0.0)
    return [track for track in tracks if track.last - track.first >= LONG * longest]


def _goes_on(track: Track, others: list[Track]) -> bool:
    """Whether a short rule goes on for more than one cell: the strokes of a 1 or a 4 do not."""
    places = sorted(crossing(track, other)[0] for other in others)
    return sum(seen >= UNBROKEN for seen in _seen(track, places)) > 1


def _seen(track: Track, places: list[float]) -> list[float]:
    """Return along which share of the ways between places a track is seen, their ends aside."""
    return [
        track.seen_between(first + inset, last - inset)
        for first, last in pairwise(places)
        for inset in (min(INSET, (last - first) / 4),)
    ]


def _has_mates(track: Track, tracks: list[Track]) -> bool:
    """Whether several others begin and end where a short one does: sides of boxes in a row."""
    same = (
        max(abs(track.first - other.first), abs(track.last - other.last)) <= LEAST_NEAR
        for other in tracks
    )
    return sum(same) > MATES


def _is_part(track: Track, rules: list[Track], near: float) -> bool:
    """Whether a short stretch lies where one of some rules would go on, and is not seen itself."""
    middle = (track.first + track.last) / 2
    level = track.level_at(middle)
    return any(
        abs(rule.level_at(middle) - level) <= near / 2
        and rule.seen_between(track.first, track.last + 1) < EDGE
        for rule in rules
    )


def _usual(tracks: list[Track], of: Callable[[Track], float]) -> float:
    """What most of the length of some rules has."""
    values = np.array([of(track) for track in tracks])
    order = np.argsort(values)
    total = np.cumsum([tracks[number].last - tracks[number].first for number in order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])


def _is_written(track: Track, strength: float, thick: float) -> bool:
    """Whether a track is made of the strokes of digits below each other."""
    unlike = track.strength > DARKER * strength and track.thick > THICKER * thick
    return unlike and track.seen_between(track.first, track.last + 1) < UNBROKEN


def _is_rule(track: Track, places: NDArray[np.float64], others: list[Track], slope: float) -> bool:
    """Whether a track goes all the way from one of the rules that it meets to the next."""
    seen = np.array(_seen(track, places.tolist()))
    long = np.diff(places)
    if len(seen) >= SEVERAL and (seen * long).sum() >= MOSTLY * long.sum():
        return True
    whole = (seen >= WHOLE) & (long >= 2 * track.thick)
    if not whole.any():
        return False
    if np.count_nonzero(whole) > 1:
        return True
    if abs(track.slope - slope) > ASLANT:
        return False
    thick = float(np.median([other.thick for other in others]))
    strength = float(np.median([other.strength for other in others]))
    return track.thick <= ALIKE * thick + 1 and track.strength <= ALIKE * strength


def _together(meets: NDArray[np.bool_]) -> Iterator[tuple[list[int], list[int]]]:
    """Number the rules that hang together."""
    free = set(np.flatnonzero(meets.any(1)).tolist())
    while free:
        flat = {free.pop()}
        upright: set[int] = set()
        while True:
            more = set(np.flatnonzero(meets[sorted(flat)].any(0)).tolist())
            wider = set(np.flatnonzero(meets[:, sorted(more)].any(1)).tolist())
            if wider == flat and more == upright:
                break
            flat, upright = wider, more
        free -= flat
        yield sorted(flat), sorted(upright)


def _apart(
    flat: list[Track], upright: list[Track], *, turned: bool = False, whole: bool = False
) -> Iterator[tuple[list[Track], list[Track]]]:
    """Part the rules of tables that are in line, where hardly any rule leads from one to the next.

    First those below each other, then those beside each other, until nothing is left to part.
    """
    if len(flat) < 2 or len(upright) < 2:
        return
    middle = float(np.mean([track.mean_level for track in upright]))
    cuts, most = _cuts(flat, upright)
    if min(most, _cuts(upright, flat)[1]) < 3:
        cuts = []  # boxes and combs: what parts them is clearer in all of them together
    edges = [-np.inf, *cuts, np.inf]
    for first, last in pairwise(edges):
        own = [track for track in flat if first < track.level_at(middle) <= last]
        parts = [part for track in upright if (part := _part_of(track, first, last))]
        if whole and not cuts:
            yield (parts, own) if turned else (own, parts)
        else:
            yield from _apart(parts, own, turned=not turned, whole=not cuts)


def _cuts(flat: list[Track], upright: list[Track]) -> tuple[list[float], int]:
    """Return between which rules no other leads, and how many rules there are at most between."""
    middle = float(np.mean([track.mean_level for track in upright]))
    levels = np.sort([track.level_at(middle) for track in flat])
    cuts = [
        (first + last) / 2
        for first, last in pairwise(levels.tolist())
        if last - first > 2 * LEAST_NEAR and _leads(upright, first, last) < BETWEEN
    ]
    return cuts, int(np.histogram(levels, [levels[0] - 1, *cuts, levels[-1] + 1])[0].max())


def _leads(tracks: list[Track], first: float, last: float) -> float:
    """Share of the rules that reach one of two levels that lead from one to the other."""
    reach = [t for t in tracks if t.first < last and t.last > first]
    near = [t for t in tracks if t.first - LEAST_NEAR <= last and t.last + LEAST_NEAR >= first]
    inset = min(INSET, (last - first) / 4)
    seen = [track.seen_between(first + inset, last - inset) >= EDGE for track in reach]
    return sum(seen) / max(1, len(near))


def _part_of(track: Track, first: float, last: float) -> Track | None:
    """Return what of a rule is seen between two places."""
    within = (track.along > first) & (track.along <= last)
    if np.count_nonzero(within) < 2:
        return None
    if within.all():
        return track
    return replace(track, along=track.along[within], level=track.level[within])


def _grids_of(
    flat: list[Track], upright: list[Track], hat_across: Float32Array, hat_down: Float32Array
) -> list[Grid]:
    """Lay out the cells between rules that go on in each other.

    Boxes that stand apart, but in line, are so many grids.
    """
    if len(flat) < 2 or len(upright) < 2 or len(flat) * len(upright) > MOST_CELLS:
        return []
    middle_x = float(np.mean([track.mean_level for track in upright]))
    middle_y = float(np.mean([track.mean_level for track in flat]))
    flat = _single(sorted(flat, key=lambda track: track.level_at(middle_x)), middle_x)
    upright = _single(sorted(upright, key=lambda track: track.level_at(middle_y)), middle_y)
    if len(flat) < 2 or len(upright) < 2:
        return []
    nodes = _nodes(flat, upright)
    flat_edges = _edges(flat, nodes[..., 0], hat_across)
    upright_edges = _edges(upright, nodes[..., 1].T, hat_down).T
    solid = min(
        _solid(flat, nodes[..., 0], flat_edges), _solid(upright, nodes[..., 1].T, upright_edges.T)
    )
    if solid < SOLID:
        return []
    nodes, flat_edges, upright_edges = _opened(flat, upright, nodes, flat_edges, upright_edges)
    grids = []
    for rows in runs(upright_edges.mean(1) >= BETWEEN):
        for columns in runs(flat_edges.mean(0) >= BETWEEN):
            own = flat_edges[rows.start : rows.stop + 1, columns].copy()
            sides = upright_edges[rows, columns.start : columns.stop + 1].copy()
            around = (own[0].mean(), own[-1].mean(), sides[:, 0].mean(), sides[:, -1].mean())
            if min(around) < CLOSED and (len(own) == 2 or sides.shape[1] == 2):
                continue
            own[[0, -1]] = True
            sides[:, [0, -1]] = True
            part = nodes[rows.start : rows.stop + 1, columns.start : columns.stop + 1]
            grids.append(_laid_out(part, own, sides))
    return grids


def runs(present: NDArray[np.bool_]) -> list[slice]:
    """Return the stretches of what is present."""
    change = np.diff(present.astype(np.int8), prepend=0, append=0)
    starts, ends = np.flatnonzero(change == 1), np.flatnonzero(change == -1)
    return [slice(int(start), int(end)) for start, end in zip(starts, ends, strict=True)]


def _single(tracks: list[Track], at: float) -> list[Track]:
    """Take double rules for one."""
    levels = np.array([track.level_at(at) for track in tracks])
    gaps = np.diff(levels)
    if len(gaps) < 2:
        return tracks
    thick = float(np.median([track.thick for track in tracks]))
    limit = max(DOUBLE * thick + 2, SLIM * float(np.median(gaps[gaps > SLIM * gaps.max()])))
    kept = [tracks[0]]
    level = levels[0]
    for track, own in zip(tracks[1:], levels[1:], strict=True):
        if own - level < limit:
            longer = max(kept[-1], track, key=lambda one: one.last - one.first)
            shorter = kept[-1] if longer is track else track
            kept[-1] = _both(longer, shorter)
        else:
            kept.append(track)
            level = own
    return kept


def _both(longer: Track, shorter: Track) -> Track:
    """Add to a rule what another one, close by, has beyond its ends."""
    beyond = (shorter.along < longer.first) | (shorter.along > longer.last)
    if not beyond.any():
        return longer
    off = longer.level_at(longer.first) - shorter.level_at(longer.first)
    if longer.last < shorter.last:
        off = longer.level_at(longer.last) - shorter.level_at(longer.last)
    more = Track(
        shorter.along[beyond],
        shorter.level[beyond] + off,
        shorter.thick,
        shorter.strength,
        shorter.reach,
    )
    return longer.joined(more)


def _nodes(flat: list[Track], upright: list[Track]) -> NDArray[np.float64]:
    """Return where rules cross, shape (flat, upright, 2)."""
    return np.array([[crossing(one, other) for other in upright] for one in flat])


def _edges(
    tracks: list[Track], places: NDArray[np.float64], hat: Float32Array
) -> NDArray[np.bool_]:
    """Return which stretches of rules between places are seen, shape (tracks, places - 1)."""
    return np.array(
        [
            [
                track.shows_between(first + inset, last - inset, hat) >= EDGE
                for first, last in pairwise(own)
                for inset in (min(INSET, (last - first) / 4),)
            ]
            for track, own in zip(tracks, places, strict=True)
        ]
    ).reshape(len(tracks), -1)


def _solid(tracks: list[Track], places: NDArray[np.float64], edges: NDArray[np.bool_]) -> float:
    """Share of the sides of cells along which rules are seen, and not only faintly, on average."""
    seen = np.array([_seen(track, own.tolist()) for track, own in zip(tracks, places, strict=True)])
    return float(seen[edges].mean()) if edges.any() else 0.0


def _opened(
    flat: list[Track],
    upright: list[Track],
    nodes: NDArray[np.float64],
    flat_edges: NDArray[np.bool_],
    upright_edges: NDArray[np.bool_],
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Close a table whose rules go on beyond the outermost ones across, on any of four sides."""
    before = 0  # columns that were added on the left
    for down, last in ((False, False), (False, True), (True, False), (True, True)):
        tracks = upright if down else flat
        places = nodes[..., 1].T if down else nodes[..., 0]
        own = places[before : before + len(tracks)] if down else places
        usual = float(np.median(np.diff(own, axis=1)))
        outer = own[:, -1 if last else 0]
        ends = np.array([track.last if last else track.first for track in tracks])
        beyond = ends - outer if last else outer - ends
        goes_on = beyond >= OPEN * usual
        if np.count_nonzero(goes_on) < max(2, TOGETHER * len(tracks)):
            continue
        axis = 0 if down else 1
        inner, outermost = (nodes.take(place, axis) for place in ((-2, -1) if last else (1, 0)))
        way = np.subtract(outermost, inner)
        reach = float(np.median(beyond[goes_on]))
        new = outermost + way * reach / np.linalg.norm(way, axis=1, keepdims=True)
        seen = np.ones(len(new), np.bool_)
        seen[before if down else 0 :][: len(tracks)] = goes_on
        closed = np.ones(len(new) - 1, np.bool_)
        nodes = _with(nodes, new, last, axis)
        if down:
            flat_edges = _with(flat_edges, closed, last, axis)
            upright_edges = _with(upright_edges, seen, last, axis)
        else:
            flat_edges = _with(flat_edges, seen, last, axis)
            upright_edges = _with(upright_edges, closed, last, axis)
            before += not last
    return nodes, flat_edges, upright_edges


def _with(values: NDArray[Any], more: NDArray[Any], last: bool, axis: int) -> NDArray[Any]:
    """Add values at an end."""
    more = np.expand_dims(more, axis)
    return np.concatenate([values, more] if last else [more, values], axis=axis)


def _laid_out(
    nodes: NDArray[np.float64],
    flat_edges: NDArray[np.bool_],
    upright_edges: NDArray[np.bool_],
) -> Grid:
    """Merge places that no side parts.

    Parameters
    ----------
    nodes : ndarray of float, shape (rows + 1, columns + 1, 2)
    flat_edges : ndarray of bool, shape (rows + 1, columns)
    upright_edges : ndarray of bool, shape (rows, columns + 1)
    """
    rows, columns = nodes.shape[0] - 1, nodes.shape[1] - 1
    group = np.arange(rows * columns)

    def root(place: int) -> int:
        while group[place] != place:
            place = int(group[place])
        return place

    for row, column in np.argwhere(~flat_edges[1:-1]).tolist():
        group[root(row * columns + column)] = root((row + 1) * columns + column)
    for row, column in np.argwhere(~upright_edges[:, 1:-1]).tolist():
        group[root(row * columns + column)] = root(row * columns + column + 1)
    owner = np.array([root(number) for number in range(rows * columns)]).reshape(rows, columns)
    cells = []
    for number in dict.fromkeys(owner.ravel().tolist()):
        where = np.argwhere(owner == number)
        (top, left), (bottom, right) = where.min(0), where.max(0)
        corners = tuple(
            (float(nodes[y, x, 0]), float(nodes[y, x, 1]))
            for y, x in (
                (top, left),
                (top, right + 1),
                (bottom + 1, right + 1),
                (bottom + 1, left),
            )
        )
        cells.append(
            Cell(
                int(top),
                int(left),
                int(bottom - top) + 1,
                int(right - left) + 1,
                corners,  # type: ignore[arg-type]
            )
        )
    cells.sort(key=lambda cell: (cell.row, cell.column))
    return Grid(cells, rows, columns)
