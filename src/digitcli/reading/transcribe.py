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
from digitcli.reading.candidates import Candidate, cropped, digit_image, without_fragments
from digitcli.reading.lattice import WRITING, Lattice, lattice_of
from digitcli.reading.pattern import Pattern
from digitcli.reading.row import Box, Digit, Row
from digitcli.reading.search import Way as Division
from digitcli.reading.uncut import (
    BLANK,
    COLUMN,
    SHARE,
    SIGNS,
    likelihoods,
    likely_texts,
    row_image,
    signed_columns,
    spans,
    without_signs,
)
from digitcli.reading.ways import Way
from digitcli.seeing.ink import Ink
from digitcli.seeing.light import is_clean
from digitcli.seeing.morphology import Float32Array, Mask
from digitcli.seeing.pieces import Regions
from digitcli.seeing.rows import heights, tilt, weighted_median

MAIN = 0.6
"""Strokes of at least this share of a row's height tell where its top and bottom are."""
SURE = 0.9
"""A text that is this probable needs no cuts, if the model recognises its digits."""
AGREED = 5.0
"""Log-odds of such a digit."""
TRUSTED = 0.996
"""However sure the readers are, rows are wrong more often than they say: of 272 drawn ones that
they read with more than 0.99, six were."""
UNCUT_ERRS = 0.03
"""Looking along a row errs so often, however sure;"""
CUT_RIGHT, PER_SCORE = 1.0, 0.6
"""the best way to cut it is right with these log-odds, and more for each of its weakest digit's;"""
SUREST = 0.99
"""but never with more than this."""
SEEN_RIGHT, POWER, LEAST = 0.8, 0.3, 0.1
"""What the model sees where the columns show digits is right so often; it speaks for a text by this
power of its digits' probabilities, of which none counts as less than the least."""
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
HIGH = 0.75
"""Two strokes side by side that are both this high, against the whole, are no one digit."""
FAR = 0.06
"""Texts that are less probable are not looked for in the cuts."""
FRAME_SHARES = 1.0, 0.85
"""Shares of the height at which a whole picture is looked at."""


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

Place = tuple[float, float, float, float]
"""Left, top, right and bottom; of a tilted row, top and bottom are those in its middle."""


class Look(NamedTuple):
    """A row as the network sees it that does not cut.

    Attributes
    ----------
    columns : ndarray of float32, shape (columns, 11)
        As `columns_of` returns them.
    signed : ndarray of float32, shape (columns, OUTPUTS)
        As `signed_columns` returns them.
    left, scale : float
        Where the first column begins in the picture, and columns for each of its pixels.
    place : Place
    slope : float
        Of the row: how far it falls to the right.
    """

    columns: Float32Array
    signed: Float32Array
    left: float
    scale: float
    place: Place
    slope: float


def look_at(
    dark: Float32Array,
    place: Place,
    slope: float = 0.0,
    share: float = SHARE,
    light: Float32Array | None = None,
) -> Look:
    """Look along a row without cutting it."""
    image, left, scale = row_image(dark, place, slope, share, light)
    signed = signed_columns(image)
    return Look(without_signs(signed), signed, left, scale / COLUMN, place, slope)


class Texts(NamedTuple):
    """What one or more looks at the same find likely.

    Attributes
    ----------
    looks : list of Look
    texts : list of str
        The most probable first.
    probabilities : ndarray of float, shape (texts, looks)
    """

    looks: list[Look]
    texts: list[str]
    probabilities: NDArray[np.float64]

    @property
    def text(self) -> str:
        """The most probable one."""
        return self.texts[0] if self.texts else ""

    @property
    def probability(self) -> float:
        """How probable it is, on average over the looks."""
        return float(self.probabilities[0].mean()) if self.texts else 0.0

    def of(self, texts: list[str]) -> NDArray[np.float64]:
        """Return the probabilities of given texts, on average over the looks, shape (texts,)."""
        return np.asarray(_probabilities(self.looks, texts).mean(1), np.float64)


def texts_of(looks: list[Look], pattern: Pattern | None) -> Texts:
    """Return the texts that some looks find likely."""
    found = list(
        dict.fromkeys(
            reading.text
            for look in looks
            for reading in likely_texts(look.columns, pattern=pattern)
        )
    )
    if not found:
        return Texts(looks, [], np.empty((0, len(looks))))
    probabilities = _probabilities(looks, found)
    order = np.argsort(-probabilities.mean(1), kind="stable")
    return Texts(looks, [found[place] for place in order], probabilities[order])


def _probabilities(looks: list[Look], texts: list[str]) -> NDArray[np.float64]:
    """Return how probable each text is to each look, shape (texts, looks)."""
    odds = [likelihoods(look.columns, texts) for look in looks]
    return np.asarray(np.exp(np.stack(odds, axis=1)), np.float64)


def see_frame(dark: Float32Array, light: Float32Array | None, pattern: Pattern | None) -> Texts:
    """Look along a whole picture, as one row that fills it."""
    height, width = dark.shape
    place = 0.0, 0.0, float(width), float(height)
    return texts_of(
        [look_at(dark, place, share=share, light=light) for share in FRAME_SHARES], pattern
    )


def read_frame(seen: Texts, ink: Ink, model: Model) -> tuple[Row, bool]:
    """Return a picture's row, and whether the model recognises all of its digits."""
    (spelled,) = _spelled([seen], seen.texts[:1], ink, model)
    row = _signed(spelled.row, _clearest([seen], seen.text))
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
    seen = texts_of([look], pattern)
    if seen.probability >= SURE and frame is None:
        if not seen.text:
            return None
        (read,) = _spelled([seen], [seen.text], way.ink, model)
        if read.recognised:
            return _signed(read.row, look).with_confidence(TRUSTED * seen.probability)
    if not cuts:
        return None
    trust = CLEAN if is_clean(way.dark) else ON_PAPER
    if frame and (recognised := _recognised(seen, frame, trust, way.ink, model)):
        return _signed(recognised, look)
    if trust is ON_PAPER:  # without light and shadow, of which the network has seen little
        seen = texts_of([look, look_at(way.ink.density, place, slope)], pattern)
    lattice = lattice_of(found, row, height, way.ink, model, all_cuts=pattern is not None)
    agreed = _agreed(lattice, seen, frame, trust, way.ink, model, pattern)
    return _signed(agreed, look) if agreed else None


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
    spelled = _spelled([seen, frame], likely, ink, model)
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
        (row, *_) = _spelled([seen, frame] if frame else [seen], [text], ink, model)[0]
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


class _Spelled(NamedTuple):
    """The digits of a text where the columns show them.

    Attributes
    ----------
    row : Row
    recognised : bool
        Whether the model recognises all of them.
    apart : bool
        Whether none of them has the ink of two.
    likely : float
        Natural logarithm of how probable they are to it, each at least LEAST.
    """

    row: Row
    recognised: bool
    apart: bool
    likely: float


def _spelled(looked: list[Texts], texts: list[str], ink: Ink, model: Model) -> list[_Spelled]:
    """Look at the digits of texts, in the first of some looks that finds each most probable.

    A digit that the model does not recognise has the probabilities of the columns.
    """
    looks = [_clearest(looked, text) for text in texts]
    places = [spans(look.columns, text) for text, look in zip(texts, looks, strict=True)]
    parts = [_parts(found, look, ink) for found, look in zip(places, looks, strict=True)]
    different = {(part.box, part.mask.tobytes()): part for own in parts for part in own}
    whole = {key: part for key, part in different.items() if _may_be_one(part.mask)}
    images = [digit_image(part, ink) for part in whole.values()]
    known = dict(zip(whole, model.predict_proba(np.stack(images)), strict=True)) if images else {}
    return [
        _recognise(
            text, look, found, own, [known.get((part.box, part.mask.tobytes())) for part in own]
        )
        for text, look, found, own in zip(texts, looks, places, parts, strict=True)
    ]


def _may_be_one(mask: Mask) -> bool:
    """Whether there is ink, but not two strokes beside each other as high as all of it."""
    parts = Regions.of(mask)
    tall = heights(parts) >= HIGH * len(mask)
    order = np.argsort(parts.left[tall])
    left, right = parts.left[tall][order], parts.right[tall][order]
    return len(parts.area) > 0 and not (left[1:] >= right[:-1]).any()


def _clearest(looked: list[Texts], text: str) -> Look:
    """Return the look that finds a text most probable."""
    source = next(seen for seen in looked if text in seen.texts)
    return source.looks[int(source.probabilities[source.texts.index(text)].argmax())]


def _recognise(
    text: str,
    look: Look,
    places: list[tuple[int, int]],
    parts: list[Candidate],
    known: list[NDArray[np.float32] | None],
) -> _Spelled:
    """Compare each digit of a text with what the model sees there, None where that is no digit."""
    digits = []
    recognised, likely = True, 0.0
    for part, sign, (first, last), seen in zip(parts, text, places, known, strict=True):
        digit = int(sign)
        own = look.columns[first:last]
        clearest = np.exp(own[int(own[:, digit].argmax())])
        sure = float(np.clip(clearest[digit], 1e-6, 1 - 1e-6))
        probabilities = (clearest[:BLANK] / clearest[:BLANK].sum()).astype(np.float32)
        score = float(np.log(sure / (1 - sure))) - WRITING
        likely += np.log(LEAST if seen is None else max(LEAST, float(seen[digit])))
        if seen is not None and int(seen.argmax()) == digit:
            probabilities, score = seen, AGREED
        else:
            recognised = False
        digits.append(Digit(part.box, probabilities, digit, score))
    apart = all(
        seen is not None or not part.mask.any() for part, seen in zip(parts, known, strict=True)
    )
    return _Spelled(Row(tuple(digits)), recognised, apart, likely)


def _parts(places: list[tuple[int, int]], look: Look, ink: Ink) -> list[Candidate]:
    """Return the ink of each digit of a text, which may be none."""
    left, top, right, bottom = look.place
    between = [(one[1] + other[0]) / 2 for one, other in pairwise(places)]
    edges = look.left + np.array([0, *between, len(look.columns)]) / look.scale
    edges[0], edges[-1] = max(edges[0], left), min(edges[-1], right)
    parts = []
    for number in range(len(places)):
        middle = (edges[number] + edges[number + 1]) / 2
        shift = look.slope * (middle - (left + right) / 2)
        around = (
            int(max(0, edges[number])),
            int(max(0, top + shift)),
            int(min(ink.mask.shape[1], np.ceil(edges[number + 1]))),
            int(min(ink.mask.shape[0], np.ceil(bottom + shift))),
        )
        parts.append(_inked(number, around, ink))
    return parts


def _inked(number: int, box: Box, ink: Ink) -> Candidate:
    """Return the ink in a box, which shrinks to it if there is any."""
    left, top, right, bottom = box
    (mask,) = without_fragments([ink.mask[top:bottom, left:right]])
    if not mask.any():
        empty = np.zeros((max(1, bottom - top), max(1, right - left)), np.bool_)
        box = left, top, left + empty.shape[1], top + empty.shape[0]
        return Candidate(number, number + 1, box, empty)
    return Candidate(number, number + 1, *cropped(left, top, mask))
