"""Rows as people write them: joined, overlapping, slanting, with stops, commas and dashes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digitcli.writing.allographs import DIGITS, QUICK
from digitcli.writing.writer import (
    Person,
    Points,
    Rng,
    hand,
    painted,
    pen_ways,
    strokes,
    write_digit,
)

Float32Array = NDArray[np.float32]

FINE = 96
"""Pixels of the height of a digit, as it is drawn before it is reduced."""
HEIGHTS = 16, 64
"""Pixels of the height of a digit in a row."""
PENS = 0.05, 0.13
"""Least and greatest width of strokes in a row, as a share of the height."""
FEWEST, MOST = 2, 7
"""Digits in a row."""
ROUND, SMALL, LOW = 0.35, 0.4, 0.45
"""How probable it is that a row ends in zeros, that a person writes those smaller than the other
digits, and how low they are at least."""
NARROWEST, WIDEST = -0.1, 0.5
"""Gaps between digits, as a share of the height: neighbours overlap, touch or stand apart."""
FARTHEST = 0.9
"""A pen that stays down between two digits bridges no more than this, as a share of the height."""
GROUPS = 0.1
"""How probable it is that a row has a wider gap, as between thousands."""
EVEN, UNEVEN = 0.03, 0.14
"""How differently large and how unevenly people write."""
SLIPS = 0.25
"""A mark slips above or below its neighbour with this share of its width at most."""
LIGHTER = 0.7
"""Width of such a stroke against the others."""
STOP, END, MINUS = 0.3, 0.35, 0.1
"""How probable a stop or a comma between digits is, a dash or another mark at the end, and a minus
before the first digit."""
BEFORE = {"minus": "0,54 40,52", "short minus": "8,56 30,58", "long minus": "0,60 60,52"}
BETWEEN = {"stop": "46,96 50,100", "comma": "54,94 50,104 42,114"}
AT_END = {
    "dash": "0,56 60,54",
    "long dash": "0,56 120,54 240,58",
    "long equals": "0,44 150,40 | 0,64 156,62",
    "stop and dash": "0,96 4,100 | 30,60 90,56",
    "equals": "4,44 56,42 | 4,64 58,62",
    "stop": "20,96 24,100",
    "comma": "24,94 20,104 12,114",
    "colon": "20,40 24,44 | 20,80 24,84",
    "wave": "0,58 16,50 32,60 48,64 64,54",
}
SIGNS = {
    **dict.fromkeys([*BEFORE, "dash", "long dash"], "-"),
    **dict.fromkeys(["stop", "comma"], "."),
    "stop and dash": ".-",
}
"""What marks mean; the others nothing."""
FORMS = {digit: forms | QUICK.get(digit, {}) for digit, forms in DIGITS.items()}


class WrittenRow(NamedTuple):
    """A row that a person wrote.

    Attributes
    ----------
    ink : ndarray of float32, shape (height, width)
        0 for paper to 1.
    owner : ndarray of uint8, shape (height, width)
        Which digit a pixel belongs to, 1 to n from left to right; n + 1 to marks that are none, and
        0 to nothing.
    text : str
        The n digits.
    signed : str
        The same with what is written before, between and after them: ``-`` for a minus or a dash,
        ``.`` for a stop or a comma.
    """

    ink: Float32Array
    owner: NDArray[np.uint8]
    text: str
    signed: str


class _Mark(NamedTuple):
    """What the pen draws before it moves on."""

    ways: list[Points]
    mask: NDArray[np.bool_]
    left: int
    top: int


def write_row(number: int, *, seed: int) -> WrittenRow:
    """Write a row of digits.

    Parameters
    ----------
    number : int
        Of the row: some rows in succession are by one person.
    seed : int
        Of the people and all that they write.
    """
    person, rng = hand(number, seed, 1.0)
    person = person._replace(pen=float(np.clip(person.pen, *PENS)))
    digits = rng.integers(0, 10, int(rng.integers(FEWEST, MOST + 1)))
    if rng.random() < ROUND:
        digits[-int(rng.integers(1, len(digits))) :] = 0
    own = np.random.default_rng([person.taste, 10])
    spacing = own.uniform(NARROWEST, WIDEST)
    joined = own.choice([0.0, 0.0, 0.3, 0.8])
    flat = np.ones(2)
    if own.random() < SMALL:
        flat = np.array([own.uniform(0.6, 1.0), own.uniform(LOW, 0.85)])
    base = own.uniform(0.3, 1.0)
    uneven, wavering = own.uniform(EVEN, UNEVEN), own.uniform(EVEN, UNEVEN) / 1.5
    apart = int(rng.integers(1, len(digits))) if rng.random() < GROUPS else 0

    marks: list[tuple[_Mark, bool, float]] = []
    signed = ""
    if rng.random() < MINUS:
        sort = str(rng.choice(list(BEFORE)))
        drawn = _drawn(pen_ways(strokes(BEFORE[sort]), person, rng), person, rng, down=0.0)
        marks.append((drawn, False, 0.0))
        signed += SIGNS[sort]
    for place, digit in enumerate(digits.tolist()):
        written, _ = write_digit(digit, person, rng, FORMS[digit])
        size = np.exp(rng.normal(0, uneven)) * (flat if digit == 0 and place else np.ones(2))
        ways = [way * size for way in written]
        drawn = _drawn(ways, person, rng, down=(1 - size[1]) * base + rng.normal(0, wavering))
        wider = rng.uniform(0.2, 0.9) if apart and place == apart else 0.0
        marks.append((drawn, True, wider))
        signed += str(digit)
        last = place == len(digits) - 1
        if rng.random() < (END if last else STOP):
            sorts = AT_END if last else BETWEEN
            sort = str(rng.choice(list(sorts)))
            drawn = _drawn(pen_ways(strokes(sorts[sort]), person, rng), person, rng, down=0.0)
            marks.append((drawn, False, 0.0))
            signed += SIGNS.get(sort, "")
    row = _composed(marks, digits, spacing, joined, person, rng)
    return row._replace(signed=signed)


def _drawn(ways: list[Points], person: Person, rng: Rng, *, down: float) -> _Mark:
    """Draw the pen's ways, `down` below the middle of the row."""
    placed = [np.add(way, [0, down]) * FINE for way in ways]
    everything = np.concatenate(placed)
    reach = int(person.pen * FINE * 2) + 2
    left, top = np.floor(everything.min(0)).astype(int) - reach
    wide, tall = np.ceil(np.ptp(everything, axis=0)).astype(int) + 2 * reach
    moved = [way - [left, top] for way in placed]
    mask = painted(moved, (int(wide), int(tall)), person.pen * FINE, person.pressure, rng)
    return _Mark(placed, mask, int(left), int(top))


def _composed(
    marks: list[tuple[_Mark, bool, float]],
    digits: NDArray[np.integer],
    spacing: float,
    joined: float,
    person: Person,
    rng: Rng,
) -> WrittenRow:
    """Place marks beside each other, and leave the pen down between some digits.

    Of each mark it is known whether it is a digit, and how much wider the gap before it is.
    """
    height = 3 * FINE
    width = sum(mark.mask.shape[1] for mark, _, _ in marks) + FINE * (len(marks) + 3)
    owner = np.zeros((height, width), np.uint8)
    before: tuple[int, Points] | None = None
    count = 0
    for mark, is_digit, wider in marks:
        gap = (spacing + wider + rng.normal(0, 0.05) + 0.1 * (not is_digit)) * FINE
        top = mark.top + height // 2
        rows = slice(max(0, top), min(height, top + mark.mask.shape[0]))
        mask = mark.mask[rows.start - top : rows.stop - top]
        left = _beside(owner[rows] > 0, mask, gap)
        count += is_digit
        number = count if is_digit else len(digits) + 1
        start = np.add(mark.ways[0][0], [left - mark.left, height // 2])
        end = np.add(mark.ways[-1][-1], [left - mark.left, height // 2])
        if before and is_digit and rng.random() < joined:
            _join(owner, before, (number, start), person, rng)
        part = owner[rows, left : left + mask.shape[1]]
        part[mask[:, : part.shape[1]]] = number
        before = (number, end) if is_digit else None
    inked = owner > 0
    ys, xs = np.flatnonzero(inked.any(1)), np.flatnonzero(inked.any(0))
    margins = (rng.uniform(-0.02, 0.4, 4) * FINE).round().astype(int)
    box = (
        slice(max(0, ys[0] - margins[0]), ys[-1] + 1 + margins[1]),
        slice(max(0, xs[0] - margins[2]), xs[-1] + 1 + margins[3]),
    )
    scale = np.exp(rng.uniform(*np.log(HEIGHTS))) / FINE
    owner = owner[box]
    size = max(8, round(owner.shape[1] * scale)), max(8, round(owner.shape[0] * scale))
    covered = Image.fromarray((owner > 0).astype(np.float32))
    ink = np.asarray(covered.resize(size, Image.Resampling.BOX))
    small = np.asarray(Image.fromarray(owner).resize(size, Image.Resampling.NEAREST))
    text = "".join(map(str, digits.tolist()))
    return WrittenRow(ink, small, text, text)


def _beside(inked: NDArray[np.bool_], mask: NDArray[np.bool_], gap: float) -> int:
    """Where a mark begins that is as far from the ink on its left, on some line."""
    if not inked.any():
        return FINE
    width = inked.shape[1]
    right = np.where(inked.any(1), width - inked[:, ::-1].argmax(1), -width)
    left = np.where(mask.any(1), mask.argmax(1), width)
    # strokes pass each other at some distance, above and below as well
    near = np.lib.stride_tricks.sliding_window_view(np.pad(right, 6, mode="edge"), 13).max(1)
    columns = np.flatnonzero(mask.any(0))
    middle = int(near.max() + gap - columns[0])
    close = int(np.round((near - left).max() + gap))
    # a mark does not slip under its neighbour altogether
    return max(0, close, middle - int(SLIPS * (columns[-1] - columns[0])))


def _join(
    owner: NDArray[np.uint8],
    before: tuple[int, Points],
    after: tuple[int, Points],
    person: Person,
    rng: Rng,
) -> None:
    """Lead the pen from the end of a digit to the start of the next, half of the way for each."""
    (one, start), (other, end) = before, after
    if np.linalg.norm(end - start) > FARTHEST * FINE:
        return
    bow = np.array([0, rng.normal(0, 0.08) * FINE])
    share = np.linspace(0, 1, 12)[:, None]
    way = start + share * (end - start) + 4 * share * (1 - share) * bow
    pen = LIGHTER * person.pen * FINE
    for number, half in ((one, way[:7]), (other, way[6:])):
        mask = painted([half], owner.shape[::-1], pen, 0.0, rng)
        owner[mask & (owner == 0)] = number
