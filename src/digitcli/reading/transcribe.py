"""Read one row, without cutting it and by cutting it, and weigh the two readings.

The network that looks along a row sees what is joined and printed over, but knows nothing of the
model that reads digits. Where it is sure, and the model recognises each digit where it sees it, the
row is read. Else the model looks at the digits of each text that is likely; and where that leaves
doubt the row is cut, and the texts that either reader finds likely are weighed by both.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from digitcli.model.network import Model
from digitcli.reading.along import (
    Look,
    Place,
    Texts,
    look_at,
    probabilities_of,
    read_along,
    texts_of,
)
from digitcli.reading.lattice import WRITING, Lattice, lattice_of
from digitcli.reading.pattern import Pattern
from digitcli.reading.row import Digit, Row
from digitcli.reading.search import Way as Division
from digitcli.reading.spell import Spelled, clearest, spell
from digitcli.reading.uncut import BLANK, SIGNS, spans
from digitcli.reading.ways import Way
from digitcli.seeing.ink import Ink
from digitcli.seeing.light import is_clean
from digitcli.seeing.pieces import Regions
from digitcli.seeing.rows import heights, tilt, weighted_median

MAIN = 0.6
"""Strokes of at least this share of a row's height tell where its top and bottom are."""
SURE = 0.9
"""A text that is this probable needs no cuts, if the model recognises its digits."""
BEYOND = 0.1
"""A slanting digit may reach so far over its neighbour, as a share of the height."""
TRUSTED = 0.996
"""However sure the readers are, rows are wrong more often than they say: of 272 drawn ones that
they read with more than 0.99, six were."""
UNCUT_ERRS = 0.03
"""Looking along a row errs so often, however sure;"""
CUT_RIGHT, PER_SCORE = 1.0, 0.6
"""the best way to cut it is right with these log-odds, and more for each of its weakest digit's;"""
SUREST = 0.99
"""but never with more than this."""
SEEN_RIGHT, POWER = 0.8, 0.3
"""What the model sees where the columns show digits is right so often; it speaks for a text by this
power of its digits' probabilities."""
MISPLACED, LOST = 0.02, 0.3
"""In pictures of one row, so often the row is not where its ink is seen; or so often where that
ink spans less than"""
COVERED = 0.8
"""this share of the row that the whole picture shows."""
SPACE, WIDER, ALONE = 0.9, 2.5, 1.3
"""Two numbers are apart by at least this share of the height, and so many times farther than digits
of one are; where no two digits are near each other, by at least the last share."""
SEEN = 0.5
"""A sign that is this probable is there."""
FAR = 0.06
"""Texts that are less probable are not looked for in the cuts."""


class Trust(NamedTuple):
    """How far the readers are trusted.

    Attributes
    ----------
    frame_errs : float
        Looking along a whole picture errs so often, however sure.
    otherwise : float
        Where the best way to cut a row, or what the model sees there, is wrong, this speaks for
        any text.
    uncut : float
        A text that is this probable is not looked for in the cuts.
    """

    frame_errs: float
    otherwise: float
    uncut: float


ON_PAPER, CLEAN = Trust(0.02, 0.1, 0.8), Trust(0.05, 0.03, 0.95)
"""In drawings, where paper has no grain at all, it is clear what is ink, and so are cuts."""


def read_frame(seen: Texts, ink: Ink, model: Model) -> tuple[Row, bool]:
    """Return a picture's row, and whether the model recognises all of its digits."""
    (spelled,) = spell([seen], seen.texts[:1], ink, model)
    row = _signed(spelled.row, clearest([seen], seen.text))
    return row.with_confidence(TRUSTED * seen.probability), spelled.recognised


def read_row(
    found: Regions,
    row: NDArray[np.intp],
    way: Way,
    model: Model,
    pattern: Pattern | None,
    frame: Texts | None = None,
    *,
    cuts: bool = True,
) -> Row | None:
    """Read a row of strokes.

    Parameters
    ----------
    found : Regions
    row : ndarray of intp
        The numbers of its strokes, from left to right.
    way : Way
        How its ink is seen.
    model : Model
    pattern : Pattern, optional
    frame : Texts, optional
        Of the whole picture, if this may be its only row.
    cuts : bool
        Whether a row that is doubtful without cuts is cut.

    Returns
    -------
    Row or None
        With boxes in pixels of what the way sees; None if no row has the pattern, or if it would
        have to be cut and may not.
    """
    height = weighted_median(heights(found)[row], found.size[row])
    place, slope = extent(found, row, height)
    look = look_at(way.dark, place, slope, light=way.light)
    spelled: Spelled | None = None
    if frame is None:
        seen = texts_of([look], pattern) if pattern else read_along(look)
        if seen.probability >= SURE and not seen.text:
            return None
        if seen.text:
            (spelled,) = spell([seen], [seen.text], way.ink, model)
        if spelled and spelled.recognised and seen.probability >= SURE:
            return _signed(spelled.row, look).with_confidence(TRUSTED * seen.probability)
    if not cuts:
        return None
    trust = CLEAN if is_clean(way.dark) else ON_PAPER
    if frame:
        seen = texts_of([look], pattern)
        if recognised := _recognised(seen, frame, trust, way.ink, model):
            return _signed(recognised, look)
    looks = [look]
    if trust is ON_PAPER:  # without light and shadow, of which the network has seen little
        looks.append(look_at(way.ink.density, place, slope))
    if spelled and not pattern:
        stretches = _stretches(spelled, found, row, height)
        joined = _joined(stretches, spelled, looks, found, row, height, way.ink, model, trust)
        if joined:
            return _signed(joined, look)
    seen = texts_of(looks, pattern)
    lattice = lattice_of(found, row, height, way.ink, model, all_cuts=pattern is not None)
    agreed = _agreed(lattice, seen, frame, trust, way.ink, model, pattern)
    return _signed(agreed, look) if agreed else None


class _Stretch(NamedTuple):
    """Neighbouring digits of a row, and where they begin and end in the picture.

    Attributes
    ----------
    first, end : int
        Of the digits.
    left, right : float
        In pixels.
    settled : bool
        Whether both the columns and the model are sure of each of them.
    """

    first: int
    end: int
    left: float
    right: float
    settled: bool


def _stretches(
    spelled: Spelled, found: Regions, row: NDArray[np.intp], height: float
) -> list[_Stretch]:
    """Divide a row where digits that are settled end or begin, unless a stroke goes on there."""
    edges, settled, beyond = spelled.edges, spelled.settled, BEYOND * height
    joined = [
        bool(((found.left[row] < edge - beyond) & (found.right[row] > edge + beyond)).any())
        for edge in edges[1:-1]
    ]
    stretches: list[_Stretch] = []
    first = 0
    for end in range(1, len(settled) + 1):
        if end < len(settled) and joined[end - 1]:
            continue
        own = _Stretch(first, end, edges[first], edges[end], all(settled[first:end]))
        if stretches and stretches[-1].settled == own.settled:
            before = stretches.pop()
            own = own._replace(first=before.first, left=before.left)
        stretches.append(own)
        first = end
    return stretches


def _joined(
    stretches: list[_Stretch],
    spelled: Spelled,
    looks: list[Look],
    found: Regions,
    row: NDArray[np.intp],
    height: float,
    ink: Ink,
    model: Model,
    trust: Trust,
) -> Row | None:
    """Read each stretch as a row of its own, and cut only those that are not settled.

    None if there is only one, or if one of those that are not settled holds no digit.
    """
    if len(stretches) < 2:
        return None
    middles = (found.left[row] + found.right[row]) / 2
    digits: list[Digit] = []
    for stretch in stretches:
        own = [look.between(stretch.left, stretch.right) for look in looks]
        if stretch.settled:
            part = Row(spelled.row.digits[stretch.first : stretch.end])
            seen = Texts(own, [part.text()], probabilities_of(own[:1], [part.text()]))
            right = seen.probability + UNCUT_ERRS
            wrong = (1 - seen.probability + UNCUT_ERRS) * (1 - SEEN_RIGHT) * trust.otherwise
            digits += part.with_confidence(TRUSTED * right / (right + wrong)).digits
            continue
        strokes = row[(middles >= stretch.left) & (middles < stretch.right)]
        if not len(strokes):
            return None
        lattice = lattice_of(found, strokes, height, ink, model, all_cuts=False)
        agreed = _agreed(lattice, texts_of(own, None), None, trust, ink, model, None)
        if not agreed:
            return None
        digits += agreed.digits
    return Row(tuple(digits))


def _signed(row: Row, look: Look) -> Row:
    """Put signs before the digits of a row where they are seen, and spaces between numbers."""
    chances = np.exp(look.signed[:, BLANK + 1 :])
    boxes = [digit.box for digit in row.digits]
    height = float(np.median([bottom - top for _, top, _, bottom in boxes]))
    gaps = [after[0] - before[2] for before, after in pairwise(boxes)]
    near = [gap for gap in gaps if gap < SPACE * height]
    apart = max(SPACE * height, WIDER * float(np.median(near))) if near else ALONE * height
    if len(gaps) > 2 and not near:
        apart = np.inf  # a digit a box
    middles = [((box[0] + box[2]) / 2 - look.left) * look.scale for box in boxes]
    signs = []
    for place, middle in enumerate(middles):
        before = middles[place - 1] if place else 0
        between = chances[max(0, round(before)) : max(0, round(middle)) + 1].max(0, initial=0.0)
        sign = " " if place and gaps[place - 1] >= apart else ""
        if between.max(initial=0.0) >= SEEN:
            seen = SIGNS[int(between.argmax())]
            sign += "" if seen == "." and (sign or not place) else seen
        signs.append(sign)
    return replace(row, signs=tuple(signs))


def extent(found: Regions, row: NDArray[np.intp], height: float) -> tuple[Place, float]:
    """Return the place of a row and its slope."""
    main = row[heights(found)[row] >= MAIN * height]
    main = main if len(main) else row
    slope = tilt(found, main)
    left, right = float(found.left[row].min()), float(found.right[row].max())
    shift = slope * ((found.left[main] + found.right[main]) / 2 - (left + right) / 2)
    top, bottom = float((found.top[main] - shift).min()), float((found.bottom[main] - shift).max())
    return (left, top, right, bottom), slope


def _recognised(seen: Texts, frame: Texts, trust: Trust, ink: Ink, model: Model) -> Row | None:
    """Return the row whose digits the model recognises best where the columns show them.

    None if no text is probable enough to be taken, or that there is no digit may be.
    """
    texts = list(dict.fromkeys([*seen.texts, *frame.texts]))
    near, whole = seen.of(texts), frame.of(texts)
    found = near + whole > FAR
    likely = [text for text, one in zip(texts, found, strict=True) if one]
    if not all(likely) or max(float(near.sum()), float(whole.sum())) < trust.uncut:
        return None
    among = min(1.0, max(float(near[found].sum()), float(whole[found].sum())))
    spelled = spell([seen, frame], likely, ink, model)
    known = np.array([POWER * each.likely for each in spelled])
    shares = np.exp(known - known.max())
    local = seen.of(likely) + UNCUT_ERRS
    local *= SEEN_RIGHT * shares / shares.sum() + (1 - SEEN_RIGHT) * trust.otherwise
    total = among * _weighed(local, likely, seen, frame, trust)
    best = int(total.argmax())
    if total[best] < trust.uncut or not spelled[best].apart:
        return None
    return spelled[best].row.with_confidence(TRUSTED * float(total[best]))


def _weighed(
    local: NDArray[np.float64], texts: list[str], seen: Texts, frame: Texts | None, trust: Trust
) -> NDArray[np.float64]:
    """Return how probable each text is, after what is seen of the row and of the whole picture."""
    local = local / local.sum()
    if not frame:
        return local
    elsewhere = MISPLACED if _covered(seen, frame) >= COVERED else LOST
    total = (frame.of(texts) + trust.frame_errs) * (elsewhere + (1 - elsewhere) * local)
    return np.asarray(total / total.sum(), np.float64)


def _agreed(
    lattice: Lattice,
    seen: Texts,
    frame: Texts | None,
    trust: Trust,
    ink: Ink,
    model: Model,
    pattern: Pattern | None,
) -> Row | None:
    """Return the row that the readers agree on most.

    None if none has the pattern, or if that there is no digit is more probable.
    """
    ways: dict[str, Division] = {}
    if pattern is None:
        ways[""] = Division([], float(lattice.skips.sum()))
    cut = lattice.way(pattern)
    if cut is not None and cut.choices:
        ways["".join(str(choice.digit) for choice in cut.choices)] = cut
    tried = [*seen.texts, *(frame.texts if frame else []), *ways]
    texts = list(dict.fromkeys(tried))
    if not any(texts):
        return None
    uncut = seen.of(texts)
    whole = frame.of(texts) if frame else np.zeros(len(texts))
    for text, probability in zip(texts, uncut + whole, strict=True):
        if text not in ways and probability > FAR:
            division = lattice.way(_exactly(text))
            if division is not None:
                ways[text] = division
    local = uncut + UNCUT_ERRS
    if cut is not None and cut.choices:
        scores = np.array([ways[text].score if text in ways else -np.inf for text in texts])
        shares = np.exp(scores - scores.max())
        right = CUT_RIGHT + PER_SCORE * (lattice.weakest(cut) - WRITING)
        right = min(SUREST, 1 / (1 + np.exp(-right)))
        local *= right * shares / shares.sum() + (1 - right) * trust.otherwise
    total = _weighed(local, texts, seen, frame, trust)
    best = int(total.argmax())
    text = texts[best]
    if not text:
        return None
    if text in ways:
        row = Row(tuple(lattice.digits(ways[text], model, _exactly(text))))
    else:
        (row, *_) = spell([seen, frame] if frame else [seen], [text], ink, model)[0]
    return row.with_confidence(TRUSTED * float(total[best]))


def _covered(seen: Texts, frame: Texts) -> float:
    """Return how much of the row that the whole picture shows lies where the ink is seen."""
    if not frame.text:
        return 1.0
    look = frame.looks[int(frame.probabilities[0].argmax())]
    found = spans(look.columns, frame.text)
    first, last = (look.left + edge / look.scale for edge in (found[0][0], found[-1][1]))
    left, _, right, _ = seen.looks[0].place
    return (min(right, last) - max(left, first)) / (last - first)


def _exactly(text: str) -> Pattern:
    return tuple(frozenset({int(sign)}) for sign in text)
