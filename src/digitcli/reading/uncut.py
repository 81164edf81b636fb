"""Read a row without cutting it: a small convolutional network looks along its picture.

It gives every column of the picture the probability of each digit and of no new digit, and the
texts that these make probable are found by a search: connectionist temporal classification (Graves,
Fernández, Gomez, Schmidhuber, ICML 2006). It needs no ink to be told from paper, so that it reads
what is joined and printed over, and it errs elsewhere than the reader that cuts. It learned from
written rows and from MNIST's training digits (tools/row_network.py).
"""

from __future__ import annotations

from functools import cache
from math import exp, inf, log1p
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image

from digitcli.reading.pattern import ANY, Pattern
from digitcli.seeing.light import without_shadows
from digitcli.seeing.morphology import Float32Array

HEIGHT = 32
"""Pixels of a row's picture."""
DARKEST = 0.98
"""What is darker than this share of the pixels is taken for ink."""
LEAST_CONTRAST = 0.02
BLANK = 10
"""The sign of a column in which no new digit is seen."""
SIGNS = "-."
"""What the network tells apart beside digits: a minus or a dash, and a decimal point or comma."""
OUTPUTS = BLANK + 1 + len(SIGNS)
WIDEST = 1280
"""Longer rows, of more than fifty digits, are squeezed to this many pixels."""
SHARE = 0.75
"""Share of it that the digits have,"""
BESIDE = 0.4
"""and what is seen beside them, as a share of their height."""
COLUMN = 2
"""Pixels of the picture that a column stands for."""
TAPS, APART = 5, (2, 4)
"""Columns that a layer looks at beside each other, and how far apart they are in each layer."""
BEAM = 12
"""Beginnings of texts that are followed at once."""
UNSEEN = -9.0
"""Digits less probable than this in a column are not tried there; natural logarithm."""
RESCALED = 8
"""After so many columns, probabilities are brought back to 1, or they would be too small."""
QUIET = -1e-3
"""Columns in which a blank is more probable than this are passed over; natural logarithm."""


def levelled(dark: Float32Array) -> Float32Array:
    """Bring darkness to 0 for paper and 1 for ink."""
    paper, ink = np.quantile(dark, [0.5, DARKEST])
    level = (dark - paper) / max(ink - paper, LEAST_CONTRAST)
    return np.asarray(np.clip(level, -1, 1.5), np.float32)


def row_image(
    dark: Float32Array,
    box: tuple[float, float, float, float],
    slope: float = 0.0,
    share: float = SHARE,
    light: Float32Array | None = None,
) -> tuple[Float32Array, float, float]:
    """Cut a row out of a picture.

    Parameters
    ----------
    dark : ndarray of float32, shape (height, width)
        How dark the picture is, or how bright where the ink is bright.
    box : tuple of float
        Left, top, right and bottom of the digits; top and bottom are those in the middle.
    slope : float
        Of the row: how far it falls to the right.
    share : float
        Of the height of the image that the digits have.
    light : ndarray of float32, shape (height, width), optional
        Brightness without ink, so that shadows are left out.

    Returns
    -------
    image : ndarray of float32, shape (HEIGHT, width)
    left, scale : float
        Where it begins in the picture, and its pixels for each of the picture.
    """
    left, top, right, bottom = box
    scale = HEIGHT * share / (bottom - top)
    above = (bottom - top) * (1 / share - 1) / 2
    beside = BESIDE * (bottom - top)
    lean = abs(slope) * (right - left) / 2
    first, last = int(max(0, left - beside)), int(np.ceil(min(dark.shape[1], right + beside)))
    upper, lower = int(np.floor(top - above - lean)), int(np.ceil(bottom + above + lean))
    inside = slice(max(0, upper), max(1, lower)), slice(first, last)
    part = dark[inside]
    if light is not None:
        part = without_shadows(part, light[inside])
    outside = max(0, -upper), max(0, lower - upper - len(part) - max(0, -upper))
    image = Image.fromarray(np.pad(part, (outside, (0, 0)), mode="edge"))
    if slope:
        middle = (left + right) / 2 - first
        affine = 1, 0, 0, slope, 1, -slope * middle
        image = image.transform(
            image.size, Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR
        )
    size = min(max(2 * COLUMN, round(image.width * scale)), WIDEST), HEIGHT
    inner = 0, top - above - upper, image.width, bottom + above - upper
    resized = image.resize(size, Image.Resampling.BILINEAR, inner)
    return levelled(np.asarray(resized)), float(first), size[0] / image.width


def columns_of(image: Float32Array) -> Float32Array:
    """Look along a row for digits.

    Parameters
    ----------
    image : ndarray of float32, shape (HEIGHT, width)
        As `levelled` returns it.

    Returns
    -------
    ndarray of float32, shape (width // COLUMN, 11)
        For each column the logarithms of the probabilities of 0 to 9, and of no new digit.
    """
    return without_signs(signed_columns(image))


def without_signs(columns: Float32Array) -> Float32Array:
    """Take a minus or a decimal point for no new digit."""
    blank = np.logaddexp.reduce(columns[:, BLANK:], axis=1, keepdims=True)
    return np.concatenate([columns[:, :BLANK], blank], axis=1)


def signed_columns(image: Float32Array) -> Float32Array:
    """Look along a row for digits and signs.

    Parameters
    ----------
    image : ndarray of float32, shape (HEIGHT, width)
        As `levelled` returns it.

    Returns
    -------
    ndarray of float32, shape (width // COLUMN, OUTPUTS)
        For each column the logarithms of the probabilities of 0 to 9, of nothing new, and of
        `SIGNS`.
    """
    layers = _layers()
    values = image[:, : image.shape[1] // COLUMN * COLUMN, None]
    for number, (weight, bias) in enumerate(layers[:4]):
        values = _convolved(_margined(values, 1, 1), weight, bias, 3)
        values = np.maximum(values[::2], values[1::2])
        if number == 0:
            values = np.maximum(values[:, ::2], values[:, 1::2])
    values = _convolved(_margined(values, 0, 1), *layers[4], 3)[0]
    for far, (weight, bias) in zip(APART, layers[5:-1], strict=False):
        reach = TAPS // 2 * far
        around = _margined(values[None], 0, reach)[0]
        taken = sliding_window_view(around, 2 * reach + 1, 0)[:, :, ::far].swapaxes(1, 2)
        values = values + _rectified(taken.reshape(len(values), -1) @ weight + bias)
    odds = values @ layers[-1][0] + layers[-1][1]
    odds -= odds.max(1, keepdims=True)
    return np.asarray(odds - np.log(np.exp(odds).sum(1, keepdims=True)), np.float32)


def _convolved(
    values: Float32Array, weight: Float32Array, bias: Float32Array, wide: int
) -> Float32Array:
    """Convolve values, shape (height, width, channels), and cut off what is negative."""
    tall = len(weight) // (values.shape[2] * wide)
    windows = sliding_window_view(values, (tall, wide), (0, 1)).transpose(0, 1, 3, 4, 2)
    height, width = windows.shape[:2]
    flat = windows.reshape(height * width, -1)
    return _rectified(flat @ weight + bias).reshape(height, width, -1)


def _margined(values: Float32Array, rows: int, columns: int) -> Float32Array:
    """Put a margin around values, shape (height, width, channels)."""
    height, width, channels = values.shape
    around = np.zeros((height + 2 * rows, width + 2 * columns, channels), np.float32)
    around[rows : rows + height, columns : columns + width] = values
    return around


def _rectified(values: Float32Array) -> Float32Array:
    """Cut off what is negative, in place."""
    return np.maximum(values, np.float32(0), out=values)


@cache
def _layers() -> list[tuple[Float32Array, Float32Array]]:
    """Weights, shape (inputs, outputs), and biases."""
    with Path(__file__).with_name("uncut.npz").open("rb") as file, np.load(file) as arrays:
        layers: list[tuple[Float32Array, Float32Array]] = []
        channels = 1
        for number in range(len(arrays.files) // 3):
            scale = arrays[f"scale{number}"].astype(np.float32)
            weight = arrays[f"weight{number}"].astype(np.float32) * scale[:, None]
            # channels come last in the picture, so that what is multiplied is copied in long runs
            places = weight.reshape(len(weight), channels, -1).transpose(2, 1, 0)
            flat = np.ascontiguousarray(places.reshape(-1, len(weight)))
            layers.append((flat, arrays[f"bias{number}"]))
            channels = len(weight)
    return layers


class Reading(NamedTuple):
    """A text, and the natural logarithm of the probability that it is what is written."""

    text: str
    likely: float


def code_of(sign: str) -> int:
    """Return which output of the network a sign of a text is."""
    return int(sign) if sign.isdigit() else BLANK + 1 + SIGNS.index(sign)


def likely_texts(
    columns: Float32Array, count: int = BEAM, *, pattern: Pattern | None = None
) -> list[Reading]:
    """Return the most probable texts that have the pattern, the best first.

    Beginnings of texts are followed from the left to the right, those that are most probable up to
    each column: a text is as probable as all ways together to spread it over the columns.
    """
    # floats of Python: arrays of so few are slower
    beams: dict[str, tuple[float, float]] = {"": (0.0, -inf)}
    for column in columns.tolist():
        blank = column[BLANK]
        if blank > QUIET and all(ended > open_ for ended, open_ in beams.values()):
            beams = {text: (ended + blank, -inf) for text, (ended, _) in beams.items()}
            continue
        likely = {digit for digit in range(10) if column[digit] > UNSEEN}
        grown: dict[str, tuple[float, float]] = {}
        for text, (ended, running) in beams.items():
            total = _either(ended, running)
            _add(grown, text, total + blank, running + column[int(text[-1])] if text else -inf)
            for digit in likely & _allowed(pattern, len(text)):
                sign = str(digit)
                before = ended if text.endswith(sign) else total
                _add(grown, text + sign, -inf, before + column[digit])
        best = sorted(grown, key=lambda text: -_either(*grown[text]))
        beams = {text: grown[text] for text in best[:BEAM]}
    found = [Reading(text, _either(*ways)) for text, ways in beams.items()]
    if pattern:
        found = [reading for reading in found if len(reading.text) == len(pattern)]
    return sorted(found, key=lambda reading: -reading.likely)[:count]


def _allowed(pattern: Pattern | None, place: int) -> frozenset[int]:
    """Which digits may stand at a place."""
    if not pattern:
        return ANY
    return pattern[place] if place < len(pattern) else frozenset()


def _add(beams: dict[str, tuple[float, float]], text: str, ended: float, running: float) -> None:
    """Add to the probability of a text whose last digit has ended, or still runs."""
    if text in beams:
        before = beams[text]
        ended, running = _either(before[0], ended), _either(before[1], running)
    beams[text] = ended, running


def _either(one: float, other: float) -> float:
    """Return the logarithm of the sum of two probabilities that are given by theirs."""
    more, less = (one, other) if one > other else (other, one)
    return more if less == -inf else more + log1p(exp(less - more))


def likelihoods(columns: Float32Array, texts: list[str]) -> NDArray[np.float64]:
    """Return the natural logarithm of the probability of each text, shape (texts,)."""
    longest = 2 * max(map(len, texts)) + 1
    states = np.full((len(texts), longest), BLANK, np.intp)
    skips = np.zeros(states.shape)
    for number, text in enumerate(texts):
        own = _states(text)
        states[number, : len(own)] = own
        skips[number, : len(own)] = _skips(own)
    seen = np.exp(columns.astype(np.float64))[:, states]
    ways = np.zeros((len(texts), longest + 2))  # two states before the first, never taken
    ways[:, 2:4] = seen[0, :, :2]
    here, before, beyond = ways[:, 2:], ways[:, 1:-1], ways[:, :-2]
    stepped, skipped = np.empty(states.shape), np.empty(states.shape)
    scale = np.zeros(len(texts))
    for number, column in enumerate(seen[1:]):
        np.multiply(beyond, skips, skipped)
        np.add(here, before, stepped)
        stepped += skipped
        np.multiply(stepped, column, here)
        if number % RESCALED == 0:
            most = np.maximum(ways.max(1), np.finfo(np.float64).tiny)
            ways /= most[:, None]
            scale += np.log(most)
    last = np.array([2 * len(text) for text in texts]) + 2
    rows = np.arange(len(texts))
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(ways[rows, last] + ways[rows, last - 1]) + scale, np.float64)


def runs(columns: Float32Array) -> list[tuple[int, int, int]]:
    """Return the digits that are most probable column by column: which, the first and the end."""
    likeliest = columns.argmax(1)
    starts = np.flatnonzero(np.diff(likeliest, prepend=-1))
    ends = [*starts[1:].tolist(), len(likeliest)]
    found = zip(likeliest[starts].tolist(), starts.tolist(), ends, strict=True)
    return [run for run in found if run[0] != BLANK]


def spans(columns: Float32Array, text: str) -> list[tuple[int, int]]:
    """Return where each digit of a text is most probably: its first column, and the one after."""
    along = runs(columns)
    if [digit for digit, _, _ in along] == [code_of(sign) for sign in text]:
        return [(start, end) for _, start, end in along]  # no way is more probable than this
    return aligned(columns, text)


def aligned(columns: Float32Array, text: str) -> list[tuple[int, int]]:
    """Return what `spans` does, also where the most probable way is not that column by column."""
    states = _states(text)
    skips = _skips(states).tolist()
    odds = columns[:, states].tolist()
    ways = odds[0][:2] + [-np.inf] * (len(states) - 2)
    back = [[0] * len(states)]
    for column in odds[1:]:
        steps, after = [], []
        for state, own in enumerate(column):  # quicker than arrays of so few states
            step, most = 0, ways[state]
            if state and ways[state - 1] > most:
                step, most = 1, ways[state - 1]
            if skips[state] and ways[state - 2] > most:
                step, most = 2, ways[state - 2]
            steps.append(step)
            after.append(most + own)
        back.append(steps)
        ways = after
    state = len(states) - 1 - int(len(states) > 1 and ways[-2] > ways[-1])
    path = [state]
    for place in range(len(odds) - 1, 0, -1):
        state -= back[place][state]
        path.append(state)
    taken = np.array(path[::-1])
    return [
        (
            int(np.flatnonzero(taken == 2 * digit + 1)[0]),
            int(np.flatnonzero(taken == 2 * digit + 1)[-1]) + 1,
        )
        for digit in range(len(text))
    ]


def _states(text: str) -> NDArray[np.intp]:
    """The digits and signs of a text, and blanks before, between and after them."""
    states = np.full(2 * len(text) + 1, BLANK, np.intp)
    states[1::2] = [code_of(sign) for sign in text]
    return states


def _skips(states: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Which states follow on the one before the last: digits that differ need no blank between."""
    skips = np.zeros(len(states), np.bool_)
    skips[2:] = (states[2:] != BLANK) & (states[2:] != states[:-2])
    return skips
