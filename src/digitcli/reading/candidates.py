"""What might be a digit in a row: neighbouring pieces of strokes, taken together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from digitcli.reading.judge import judge, judged_image
from digitcli.reading.row import Box
from digitcli.reading.split import Piece, Stroke
from digitcli.seeing.form import bounding_box, form_digit
from digitcli.seeing.ink import Ink
from digitcli.seeing.morphology import Float32Array, Mask, padded, strips_of

MOST_PIECES = 12
WIDEST_DIGIT = 1.5
"""Width of the widest digit, as a share of the row's height."""
MARGIN = 3
FRAGMENT = 0.1
"""Share of the largest part's area below which what a cut leaves is a neighbour's."""
HIGHER = 0.2
"""Digits of a tilted row are higher and lower than its middle; no more counts against them."""
MOST_DOUBT = 0.2
"""Cuts as doubtful as this, as a share of the row's height, count as none within a digit."""
DETACHED = 0.1
"""Gap between the parts of a digit, as a share of the row's height, that is nothing unusual."""
LEAST, SUREST = 1e-3, 1 - 1e-6
"""Smaller and larger probabilities count as these."""
USUAL = 6.7
"""Log-odds of its digit at which the network speaks neither for nor against a whole one,"""
WEIGHT = 0.3
"""and how much its log-odds weigh against the judge's, chosen on rows of training digits."""


@dataclass(frozen=True)
class Candidate:
    """The pieces first … last - 1 of a row, taken for one digit.

    Attributes
    ----------
    first, last : int
    box : Box
    mask : ndarray of bool, shape (bottom - top, right - left)
    """

    first: int
    last: int
    box: Box
    mask: Mask


def candidates(
    pieces: list[Piece], height: float, *, whole: frozenset[Stroke] = frozenset()
) -> list[Candidate]:
    """Put up to MOST_PIECES neighbouring pieces together, as wide as one digit can be.

    The strokes in `whole` stay uncut.
    """
    found = []
    firsts = [
        first for first, begin in enumerate(pieces) if not (begin.after and begin.stroke in whole)
    ]
    for count in range(1, MOST_PIECES + 1):
        spans = []
        for first in firsts:
            last = first + count
            if last <= len(pieces) and not (
                pieces[last - 1].before and pieces[last - 1].stroke in whole
            ):
                spans.append((first, last))
        for candidate in unions(pieces, spans):
            left, _, right, _ = candidate.box
            if right - left > WIDEST_DIGIT * height and not covers_stroke(candidate, pieces):
                firsts.remove(candidate.first)
            else:
                found.append(candidate)
    return sorted(found, key=lambda candidate: (candidate.first, candidate.last))


def whole_strokes(pieces: list[Piece]) -> list[Candidate]:
    """Take the pieces of each stroke together."""
    spans = []
    for stroke in {id(piece.stroke): piece.stroke for piece in pieces}.values():
        own = [number for number, piece in enumerate(pieces) if piece.stroke is stroke]
        if own[-1] - own[0] == len(own) - 1:
            spans.append((own[0], own[-1] + 1))
    return unions(pieces, spans)


def covers_stroke(candidate: Candidate, pieces: list[Piece]) -> bool:
    """Whether a candidate is exactly one stroke."""
    begin, end = pieces[candidate.first], pieces[candidate.last - 1]
    return begin.stroke is end.stroke and begin.after is end.before is None


def unions(pieces: list[Piece], spans: list[tuple[int, int]]) -> list[Candidate]:
    """Take the pieces of each span, first … last - 1, together; what holds no ink is left out."""
    joined = [_joined(pieces[first:last]) for first, last in spans]
    whole = iter(without_fragments([mask for _, _, mask, cut in joined if cut]))
    masks = [next(whole) if cut else mask for _, _, mask, cut in joined]
    return [
        Candidate(*span, *cropped(left, top, mask))
        for span, (left, top, _, _), mask in zip(spans, joined, masks, strict=True)
        if mask.any()
    ]


def _joined(pieces: list[Piece]) -> tuple[int, int, Mask, bool]:
    """Return all that the strokes of pieces hold between the outer cuts.

    Returns
    -------
    left, top : int
        Where it begins in the picture.
    mask : ndarray of bool, shape (height, width)
    cut : bool
        Whether there are cuts.
    """
    sides: dict[int, tuple[Piece, Piece]] = {}
    for piece in pieces:
        sides[id(piece.stroke)] = (sides.get(id(piece.stroke), (piece,))[0], piece)
    parts = []
    for begin, end in sides.values():
        mask = begin.stroke.mask
        columns = np.arange(mask.shape[1])
        if begin.after:
            mask = mask & (columns >= begin.after.path[:, None])
        if end.before:
            mask = mask & (columns < end.before.path[:, None])
        parts.append((begin.stroke, mask))
    left, top = min(part.left for part, _ in parts), min(part.top for part, _ in parts)
    right, bottom = max(part.right for part, _ in parts), max(part.bottom for part, _ in parts)
    whole = np.zeros((bottom - top, right - left), np.bool_)
    for part, mask in parts:
        whole[part.top - top : part.bottom - top, part.left - left : part.right - left] |= mask
    cut = any(begin.after or end.before for begin, end in sides.values())
    return left, top, whole, cut


def cropped(left: int, top: int, mask: Mask) -> tuple[Box, Mask]:
    """Crop the mask of what begins at a place in a picture, and return its box there."""
    first, after, start, end = bounding_box(mask)
    return (left + start, top + first, left + end, top + after), mask[first:after, start:end]


def without_fragments(masks: list[Mask]) -> list[Mask]:
    """Drop the small bits of the neighbours that a cut leaves on the wrong side of each mask."""
    if not masks:
        return []
    # all at once, one below the other, which takes a fraction of the time
    tops = np.cumsum([0, *(len(mask) + 1 for mask in masks)])
    places = [
        (slice(top, top + len(mask)), slice(mask.shape[1]))
        for top, mask in zip(tops.tolist(), masks, strict=False)
    ]
    stack = np.zeros((tops[-1], max(mask.shape[1] for mask in masks)), np.bool_)
    for place, mask in zip(places, masks, strict=True):
        stack[place] = mask
    strips = strips_of(stack)
    owner = np.zeros(strips.components, np.intp)
    owner[strips.number] = np.searchsorted(tops, strips.row, side="right") - 1
    area, largest = strips.area, np.zeros(len(masks), np.intp)
    np.maximum.at(largest, owner, area)
    kept = strips.part(stack, area >= FRAGMENT * largest[owner])
    return [kept[place] for place in places]


def digit_image(candidate: Candidate, ink: Ink) -> NDArray[np.uint8]:
    """Bring a candidate to the form of MNIST, shape (28, 28), as single digits are."""
    left, top, right, bottom = candidate.box
    mask = padded(candidate.mask, MARGIN)
    height, width = ink.density.shape
    density = np.zeros(mask.shape, np.float32)
    rows = slice(max(0, top - MARGIN), min(height, bottom + MARGIN))
    columns = slice(max(0, left - MARGIN), min(width, right + MARGIN))
    inner = (
        slice(rows.start - top + MARGIN, rows.stop - top + MARGIN),
        slice(columns.start - left + MARGIN, columns.stop - left + MARGIN),
    )
    foreign = ink.mask[rows, columns] & ~mask[inner]
    density[inner] = np.where(foreign, 0, ink.density[rows, columns])
    # of faint parts that continue darker ink, what is darkest must be left
    return form_digit(density, mask, min(ink.limit, 0.8 * float(density[mask].max())))


def shape_features(
    candidate: Candidate, pieces: list[Piece], height: float, middle: float
) -> list[float]:
    """What tells digits from parts of digits and from several digits, whichever digit it is."""
    left, top, right, bottom = candidate.box
    tall, wide = (bottom - top) / height, (right - left) / height
    parts = pieces[candidate.first : candidate.last]
    cuts = [cut for cut in (parts[0].after, parts[-1].before) if cut]
    inner = [part.after.doubt for part in parts[1:] if part.after]
    inner_gap, outer_gap = gaps(candidate, pieces, height)
    return [
        max(0.0, np.log(tall)),
        max(0.0, -np.log(tall)),
        max(0.0, wide - 1),
        min(abs((top + bottom) / 2 - middle) / height, HIGHER),
        sum(cut.crossed for cut in cuts) / height,
        sum(cut.doubt for cut in cuts) / height,
        max([0.0, *(cut.doubt / (cut.crossed + 1) for cut in cuts)]),
        min([MOST_DOUBT, *(doubt / height for doubt in inner)]),
        float(len(cuts) > 0),
        float(len(cuts) == 2),
        sum(max(0.0, cut.strokes - 1.0) for cut in cuts),
        max(0.0, inner_gap / height - DETACHED),
        min(max(outer_gap / height, 0.0), 0.3),
        min(max(-outer_gap / height, 0.0), 1.0),
        len({id(part.stroke) for part in parts}) - 1.0,
        np.log((right - left) / (bottom - top)),
        np.log(tall),
        wide,
    ]


def gaps(candidate: Candidate, pieces: list[Piece], height: float) -> tuple[float, float]:
    """Widest white gap within, and narrowest to what is beside, where strokes are not cut."""
    inside = []
    right = -1
    for piece in pieces[candidate.first : candidate.last]:
        if right >= 0 and not piece.after:
            inside.append(piece.stroke.left - right)
        right = max(right, piece.stroke.right)
    outside = [height]
    if candidate.first and not pieces[candidate.first].after:
        before = max(piece.stroke.right for piece in pieces[: candidate.first])
        outside.append(candidate.box[0] - before)
    if candidate.last < len(pieces) and not pieces[candidate.last - 1].before:
        outside.append(min(p.stroke.left for p in pieces[candidate.last :]) - candidate.box[2])
    return max([0, *inside]), min(outside)


def wholeness(
    candidates: list[Candidate], pieces: list[Piece], ink: Ink, height: float
) -> Float32Array:
    """Return the log-odds that each candidate is one whole digit, shape (n,)."""
    middle = float(np.median([(piece.stroke.top + piece.stroke.bottom) / 2 for piece in pieces]))
    images = [judged_image(candidate.mask, _density(candidate, ink)) for candidate in candidates]
    shapes = [shape_features(candidate, pieces, height, middle) for candidate in candidates]
    return judge(np.stack(images), np.array(shapes, np.float32))


def _density(candidate: Candidate, ink: Ink) -> Float32Array:
    left, top, right, bottom = candidate.box
    return ink.density[top:bottom, left:right]


def log_odds(whole: Float32Array, probabilities: Float32Array) -> Float32Array:
    """Return the log-odds that each candidate is a whole digit and this one, shape (n, 10).

    Parameters
    ----------
    whole : ndarray of float32, shape (n,)
        What the judge says.
    probabilities : ndarray of float32, shape (n, 10)
        What the network says, which is less sure of what is no whole digit.
    """
    surest = np.minimum(probabilities.max(axis=1), SUREST)
    evidence = WEIGHT * (np.log(surest / (1 - surest)) - USUAL)
    likely = np.log(np.maximum(probabilities, LEAST))
    return np.asarray((whole + evidence)[:, None] + likely, np.float32)
