"""A writer: digits as people all over the world write them, drawn from strokes.

MNIST was written by Americans around 1990. What other people write, a 1 with a long upstroke, a
crossed 7, a 4 like lightning, it hardly holds. Here a digit is one of its allographs
(digitcli.writing.allographs), written by a person with habits: slant, proportions, roundness, pen,
pressure, gaps and overshoots at the ends of strokes. The strokes are drawn and brought to the form
of MNIST by the same seeing that pictures go through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from digitcli.seeing.form import FINE, crop, place, shape_strokes
from digitcli.seeing.ready import BOX
from digitcli.writing.allographs import DIGITS, MARKS

Points = NDArray[np.float64]
Rng = np.random.Generator

PER_PERSON = 30
"""Digits that a person writes before the next one takes the pen."""
SIZE = FINE * BOX
"""Pixels of a square of 100 by 100 on the sheet."""
MARGIN = SIZE
ROUNDEST = 0.15
"""How probable it is at most that a corner of a mark is rounded off."""
STEPS = 10
"""Points of the pen's way between two points of an allograph."""
LONG, STEEP = 0.3, 0.65
"""A stroke before a stem that reaches aside by more than this share of the height, and rises or
falls by less than this share of its reach, is a 7's bar; a shorter or steeper one is a 1's flag."""
TRIES, MOST_TRIES = 3, 50
"""So often a person tries to write a digit that can be told, in the usual way and in any."""


class Stroke(NamedTuple):
    """A stroke of an allograph.

    Attributes
    ----------
    points : ndarray of float, shape (n, 2)
        x and y, 0 to 1.
    corners : ndarray of bool, shape (n,)
        Where the pen turns sharply.
    """

    points: Points
    corners: NDArray[np.bool_]


class Person(NamedTuple):
    """The habits of one hand.

    Attributes
    ----------
    slant : float
        Shear to the right.
    turn : float
        Rotation in radians.
    width : float
        Width of digits against their height, as a factor.
    roundness : float
        How probable it is that a corner is rounded off.
    pen : float
        Width of strokes, as a share of the height.
    pressure : float
        How much that varies along a stroke.
    care : float
        Standard deviation of each point's place.
    gap : float
        Standard deviation of a whole stroke's place, and of where strokes end.
    tremor : float
    flourish : float
        How probable a hook is at the start or the end of a stroke.
    link : float
        How probable it is that the pen is not lifted between two strokes.
    bend : ndarray of float, shape (2, 3, 3)
        How the whole sheet is bent.
    taste : int
        Decides which allographs the person writes.
    """

    slant: float
    turn: float
    width: float
    roundness: float
    pen: float
    pressure: float
    care: float
    gap: float
    tremor: float
    flourish: float
    link: float
    bend: Points
    taste: int


def write_digits(
    count: int,
    *,
    seed: int,
    stretch: float = 1.0,
    on_progress: Callable[[int], None] | None = None,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Write digits in the hands of many people.

    Parameters
    ----------
    count : int
    seed : int
        Of the people and all that they write.
    stretch : float
        How far habits go, against those that networks learn from.
    on_progress : callable, optional
        Receives the number of digits written so far.

    Returns
    -------
    (ndarray of uint8, shape (count, 28, 28), ndarray of uint8, shape (count,))
        Digits in the form of MNIST, and which they are.
    """
    written = []
    for one in _written(count, seed=seed, stretch=stretch):
        written.append(one)
        if on_progress is not None:
            on_progress(len(written))
    return np.stack([image for image, _, _ in written]), np.array(
        [digit for _, digit, _ in written], np.uint8
    )


def _written(
    count: int, *, seed: int, stretch: float
) -> Iterator[tuple[NDArray[np.uint8], int, str]]:
    """Write digits, each with the name of its allograph."""
    for number in range(count):
        person, rng = hand(number, seed, stretch)
        digit = int(rng.integers(10))
        ways, name = write_digit(digit, person, rng)
        yield _image(ways, person, rng), digit, name


def write_digit(
    digit: int, person: Person, rng: Rng, forms: dict[str, tuple[float, str]] | None = None
) -> tuple[list[Points], str]:
    """Write a digit once, so that it can be told: the pen's ways, and the allograph's name.

    Some hands write a 1 with a long flag and a 7 with a short bar; between the two lies what nobody
    can tell.
    """
    forms = forms or DIGITS[digit]
    for attempt in range(MOST_TRIES):
        usual = attempt < TRIES
        name = allograph(digit, person, rng, forms) if usual else str(rng.choice(list(forms)))
        ways = pen_ways(strokes(forms[name][1]), person, rng)
        if digit not in (1, 7) or len(ways) > 1 or has_bar(ways[0]) == (digit == 7):
            break
    return ways, name


def has_bar(way: Points) -> bool:
    """Whether a stroke begins with a bar as a 7 does."""
    reach, drop = flag(way)
    return reach >= LONG and abs(drop) < STEEP * reach


def flag(way: Points) -> tuple[float, float]:
    """Return how far a stroke reaches to the left of its corner at the top, and falls meanwhile.

    Both are shares of the height. The corner is what lies furthest from the line between the start
    of the stroke and its lowest end.
    """
    middle = len(way) // 2
    foot = middle + int(way[middle:, 1].argmax())
    x, y = (way[: foot + 1] - way[0]).T
    corner = int(np.abs(x * y[-1] - y * x[-1]).argmax())
    before = (way[: corner + 1] - way[corner]) / max(float(np.ptp(way[:, 1])), 1e-9)
    furthest = int(before[:, 0].argmin())
    return -float(before[furthest, 0]), float(before[furthest, 1])


def allograph(
    digit: int, person: Person, rng: Rng, forms: dict[str, tuple[float, str]] | None = None
) -> str:
    """Choose how a person writes a digit: mostly in the way that is usual for this person."""
    forms = forms or DIGITS[digit]
    names = list(forms)
    weights = np.array([weight for weight, _ in forms.values()])
    own = np.random.default_rng([person.taste, digit])
    usual = own.choice(names, p=weights / weights.sum())
    other = own.choice(names, p=weights / weights.sum())
    return str(usual if rng.random() < 0.75 else other)


def write_marks(count: int, *, seed: int) -> NDArray[np.uint8]:
    """Write what is no digit: letters, signs, scribbles, words, parts of digits, two digits.

    Returns
    -------
    ndarray of uint8, shape (count, 28, 28)
        In the form that digits have.
    """
    ways: list[tuple[float, Callable[[Person, Rng], list[Stroke]]]] = [
        (0.62, _mark),
        (0.1, _word),
        (0.1, _scribble),
        (0.1, _several_digits),
        (0.08, _overwritten),
    ]
    chances = np.array([chance for chance, _ in ways])
    images = []
    for number in range(count):
        person, rng = hand(number, seed, 1.0)
        person = person._replace(roundness=min(person.roundness, ROUNDEST))  # a round D is a 0
        way = ways[int(rng.choice(len(ways), p=chances / chances.sum()))][1]
        images.append(_image(pen_ways(way(person, rng), person, rng), person, rng))
    return np.stack(images)


def hand(number: int, seed: int, stretch: float) -> tuple[Person, Rng]:
    """Return the person who writes digit `number`, and the random numbers for this one time."""
    person = _person(np.random.default_rng([seed, number // PER_PERSON, 0]), stretch)
    return person, np.random.default_rng([seed, number, 1])


def _person(rng: Rng, stretch: float) -> Person:
    return Person(
        slant=float(rng.normal(0.12, 0.17 * stretch)),
        turn=float(rng.normal(0, 0.06 * stretch)),
        width=float(np.exp(rng.normal(-0.15, 0.2 * stretch))),
        roundness=float(rng.choice([0.0, 0.15, 0.6, 0.95])),
        pen=float(np.exp(rng.uniform(np.log(0.05), np.log(0.17)))),
        pressure=float(rng.uniform(0, 0.35)),
        care=float(rng.uniform(0.012, 0.035) * stretch),
        gap=float(rng.uniform(0.0, 0.045) * stretch),
        tremor=float(rng.choice([0, 0, 0.004, 0.01])),
        flourish=float(rng.choice([0, 0, 0.1, 0.3])),
        link=float(rng.choice([0, 0, 0, 0.3])),
        bend=rng.normal(0, 0.045 * stretch, (2, 3, 3)),
        taste=int(rng.integers(2**31)),
    )


@cache
def strokes(text: str) -> list[Stroke]:
    """Read the strokes of an allograph."""
    found = []
    for part in text.split("|"):
        marks = part.split()
        points = [[float(x) for x in mark.rstrip("!").split(",")] for mark in marks]
        found.append(
            Stroke(np.array(points) / 100, np.array([mark.endswith("!") for mark in marks]))
        )
    return found


def _image(ways: list[Points], person: Person, rng: Rng) -> NDArray[np.uint8]:
    """Draw the pen's ways and bring them to the form of MNIST."""
    return place(shape_strokes(crop(_drawn(ways, person, rng))))


def pen_ways(form: list[Stroke], person: Person, rng: Rng) -> list[Points]:
    """Where the pen goes in each stroke, this one time, in units of the height.

    The middle of the form is at 0, 0.
    """
    bend = person.bend + rng.normal(0, 0.03, person.bend.shape)
    slant = person.slant + rng.normal(0, 0.05)
    turn = person.turn + rng.normal(0, 0.04)
    width = person.width * np.exp(rng.normal(0, 0.09))
    ways = []
    for stroke in form:
        points = stroke.points + rng.normal(0, person.care, stroke.points.shape)
        points = _with_other_ends(points, person, rng)
        sharp = stroke.corners & (rng.random(len(points)) >= person.roundness)
        way = _smooth(points, sharp) + rng.normal(0, person.gap / 2, 2)
        if rng.random() < person.flourish:
            way = _with_hook(way, rng)
        ways.append(way)
    if len(ways) > 1 and rng.random() < person.link:
        ways = [np.concatenate(ways)]
    cos, sin = np.cos(turn), np.sin(turn)
    upright = np.array([[width, 0], [-slant, 1]])  # y points down: tops lean to the right
    moved = []
    for way in ways:
        bent = way + _bent(way, bend)
        placed = (bent - 0.5) @ upright @ np.array([[cos, sin], [-sin, cos]])
        if person.tremor:
            placed = placed + rng.normal(0, person.tremor, placed.shape)
        moved.append(placed)
    return moved


def _bent(way: Points, bend: Points) -> Points:
    """How far each point is moved, by a polynomial of the second degree in x and y."""
    x, y = 2 * np.clip(way.T, -0.5, 1.5) - 1
    powers = np.stack([np.ones_like(x), x, x**2]), np.stack([np.ones_like(y), y, y**2])
    return np.stack([np.einsum("in,ij,jn->n", powers[0], each, powers[1]) for each in bend], axis=1)


def _with_other_ends(points: Points, person: Person, rng: Rng) -> Points:
    """Begin and end a stroke too early or too late."""
    points = points.copy()
    for end, inner in ((0, 1), (-1, -2)):
        points[end] += (points[end] - points[inner]) * rng.normal(0, 2 * person.gap)
    return points


def _with_hook(way: Points, rng: Rng) -> Points:
    """Add a small hook where a stroke starts or ends."""
    at_start = rng.random() < 0.5
    end, inner = (way[0], way[2]) if at_start else (way[-1], way[-3])
    ahead = (end - inner) / max(1e-6, float(np.linalg.norm(end - inner)))
    side = np.array([-ahead[1], ahead[0]]) * rng.choice([-1, 1])
    reach = rng.uniform(0.05, 0.14)
    angles = np.linspace(0, rng.uniform(1.5, 3), 8)[1:, None]
    hook = end + reach * (np.sin(angles) * ahead + (1 - np.cos(angles)) * side)
    return np.concatenate([hook[::-1], way] if at_start else [way, hook])


def _smooth(points: Points, sharp: NDArray[np.bool_]) -> Points:
    """Lead a Catmull-Rom spline through points, anew after each sharp one.

    References
    ----------
    Catmull, Rom: A class of local interpolating splines. Computer Aided Geometric Design (1974).
    """
    ends = [0, *(np.flatnonzero(sharp[1:-1]) + 1), len(points) - 1]
    parts = []
    for first, last in pairwise(ends):
        part = points[first : last + 1]
        if len(part) == 2:
            parts.append(part[0] + np.linspace(0, 1, STEPS + 1)[:, None] * (part[1] - part[0]))
            continue
        around = np.concatenate([[2 * part[0] - part[1]], part, [2 * part[-1] - part[-2]]])
        step = np.arange(STEPS)[:, None] / STEPS
        before, start, stop, after = (around[k : len(around) - 3 + k] for k in range(4))
        curve = (
            2 * start[:, None]
            + (stop - before)[:, None] * step
            + (2 * before - 5 * start + 4 * stop - after)[:, None] * step**2
            + (3 * start - before - 3 * stop + after)[:, None] * step**3
        ) / 2
        parts.append(np.concatenate([curve.reshape(-1, 2), part[-1:]]))
    return np.concatenate(parts)


def _drawn(ways: list[Points], person: Person, rng: Rng) -> NDArray[np.bool_]:
    """Draw the pen's ways, with the longer side SIZE pixels."""
    everything = np.concatenate(ways)
    low, high = everything.min(0), everything.max(0)
    scale = SIZE / max(float((high - low).max()), 0.15)
    side = 2 * MARGIN + SIZE
    placed = [(way - low) * scale + MARGIN for way in ways]
    return painted(placed, (side, side), person.pen * SIZE, person.pressure, rng)


def painted(
    ways: list[Points], size: tuple[int, int], pen: float, pressure: float, rng: Rng
) -> NDArray[np.bool_]:
    """Paint the pen's ways on a sheet.

    Parameters
    ----------
    ways : list of ndarray of float, shape (n, 2)
        x and y in pixels.
    size : tuple of int
        Width and height of the sheet.
    pen : float
        Width of strokes in pixels,
    pressure : float
        and how much it varies along a stroke.
    rng : Generator

    Returns
    -------
    ndarray of bool, shape (height, width)
    """
    sheet = Image.new("L", size)
    draw = ImageDraw.Draw(sheet)
    for places in ways:
        swing = np.sin(np.linspace(0, rng.uniform(1, 7), len(places)) + rng.uniform(0, 7))
        widths = np.maximum(2, pen * (1 + pressure * swing))
        for start, stop, width in zip(places[:-1], places[1:], widths, strict=False):
            draw.line((*start, *stop), 255, round(width))
        for (x, y), width in zip(places, widths, strict=True):
            half = width / 2
            draw.ellipse((x - half, y - half, x + half, y + half), 255)
    return np.asarray(sheet) > 0


def _mark(person: Person, rng: Rng) -> list[Stroke]:
    names = list(MARKS)
    return strokes(MARKS[names[int(rng.integers(len(names)))]])


def _beside(forms: list[list[Stroke]], step: float, rng: Rng) -> list[Stroke]:
    """Place forms beside each other."""
    found = []
    for number, form in enumerate(forms):
        offset = np.array([number * step, rng.normal(0, 0.06)])
        found += [stroke._replace(points=stroke.points + offset) for stroke in form]
    return found


def _word(person: Person, rng: Rng) -> list[Stroke]:
    letters = [name for name in MARKS if name[0].isalpha() and len(name.split()[0]) == 1]
    chosen = rng.choice(letters, int(rng.integers(2, 6)))
    return _beside([strokes(MARKS[name]) for name in chosen], rng.uniform(0.8, 1.15), rng)


def _several_digits(person: Person, rng: Rng) -> list[Stroke]:
    forms = []
    for digit in rng.integers(0, 10, int(rng.choice([2, 2, 2, 3, 4]))):
        ways = list(DIGITS[int(digit)].values())
        forms.append(strokes(ways[int(rng.integers(len(ways)))][1]))
    return _beside(forms, rng.uniform(0.85, 1.2), rng)


def _scribble(person: Person, rng: Rng) -> list[Stroke]:
    """Draw a pen that wanders, turns on the spot or goes to and fro."""
    count = int(rng.integers(8, 26))
    kind = rng.integers(3)
    if kind == 0:
        points = 0.5 + np.cumsum(rng.normal(0, 0.22, (count, 2)), axis=0)
    elif kind == 1:
        angle = np.cumsum(rng.uniform(0.6, 1.4, count))
        reach = rng.uniform(0.25, 0.5, count)
        points = 0.5 + reach[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    else:
        along = np.linspace(0, 1, count)
        across = (np.arange(count) % 2) * rng.uniform(0.4, 1) + rng.normal(0, 0.08, count)
        points = np.stack([along, across], axis=1)
    return [Stroke(points, rng.random(count) < 0.3)]


def _overwritten(person: Person, rng: Rng) -> list[Stroke]:
    """Write a digit and cross it out, or a sign over it."""
    forms = list(DIGITS[int(rng.integers(10))].values())
    form = strokes(forms[int(rng.integers(len(forms)))][1])
    over = ("X", "crossed out", "zigzag", "hash", "asterisk", "wave", "spiral")
    upon = strokes(MARKS[over[int(rng.integers(len(over)))]])
    return [*form, *upon]
