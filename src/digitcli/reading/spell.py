"""Let the model look at the digits of a text where the columns of a row show them."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from digitcli.model.network import Model
from digitcli.reading.along import Look, Texts
from digitcli.reading.candidates import Candidate, cropped, digit_image, without_fragments
from digitcli.reading.lattice import WRITING
from digitcli.reading.row import Box, Digit, Row
from digitcli.reading.uncut import BLANK, spans
from digitcli.seeing.ink import Ink
from digitcli.seeing.morphology import Mask
from digitcli.seeing.pieces import Regions
from digitcli.seeing.rows import heights

AGREED = 5.0
"""Log-odds of such a digit."""
SETTLED = 0.9
"""Digits that are this probable both to the columns and to the model are not cut."""
HIGH = 0.75
"""Two strokes side by side that are both this high, against the whole, are no one digit."""
LEAST = 0.1
"""No digit of a text counts as less probable to the model than this."""


class Spelled(NamedTuple):
    """The digits of a text where the columns show them.

    Attributes
    ----------
    row : Row
    edges : list of float
        Where each digit begins in the picture, and where the last one ends.
    settled : list of bool
        Whether both the columns and the model are sure of each digit.
    recognised : bool
        Whether the model recognises all of them.
    apart : bool
        Whether none of them has the ink of two.
    likely : float
        Natural logarithm of how probable they are to it, each at least LEAST.
    """

    row: Row
    edges: list[float]
    settled: list[bool]
    recognised: bool
    apart: bool
    likely: float


def spell(looked: list[Texts], texts: list[str], ink: Ink, model: Model) -> list[Spelled]:
    """Look at the digits of texts, in the first of some looks that finds each most probable.

    A digit that the model does not recognise has the probabilities of the columns.
    """
    looks = [clearest(looked, text) for text in texts]
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


def clearest(looked: list[Texts], text: str) -> Look:
    """Return the look that finds a text most probable."""
    source = next(seen for seen in looked if text in seen.texts)
    return source.looks[int(source.probabilities[source.texts.index(text)].argmax())]


def _recognise(
    text: str,
    look: Look,
    places: list[tuple[int, int]],
    parts: list[Candidate],
    known: list[NDArray[np.float32] | None],
) -> Spelled:
    """Compare each digit of a text with what the model sees there, None where that is no digit."""
    digits, settled = [], []
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
        settled.append(score == AGREED and min(sure, digits[-1].confidence) >= SETTLED)
    apart = all(
        seen is not None or not part.mask.any() for part, seen in zip(parts, known, strict=True)
    )
    edges = _edges(places, look)
    return Spelled(Row(tuple(digits)), edges, settled, recognised, apart, likely)


def _parts(places: list[tuple[int, int]], look: Look, ink: Ink) -> list[Candidate]:
    """Return the ink of each digit of a text, which may be none."""
    left, top, right, bottom = look.place
    edges = _edges(places, look)
    boxes = []
    for first, end in pairwise(edges):
        shift = look.slope * ((first + end) / 2 - (left + right) / 2)
        boxes.append(
            (
                int(max(0, first)),
                int(max(0, top + shift)),
                int(min(ink.mask.shape[1], np.ceil(end))),
                int(min(ink.mask.shape[0], np.ceil(bottom + shift))),
            )
        )
    masks = without_fragments([ink.mask[box[1] : box[3], box[0] : box[2]] for box in boxes])
    return [_inked(number, *part) for number, part in enumerate(zip(boxes, masks, strict=True))]


def _edges(places: list[tuple[int, int]], look: Look) -> list[float]:
    """Return where each digit begins in the picture, and where the last one ends."""
    left, _, right, _ = look.place
    between = [(one[1] + other[0]) / 2 for one, other in pairwise(places)]
    first, *inner, last = (
        look.left + column / look.scale for column in [0, *between, len(look.columns)]
    )
    return [max(first, left), *inner, min(last, right)]


def _inked(number: int, box: Box, mask: Mask) -> Candidate:
    """Return the ink in a box, which shrinks to it if there is any."""
    left, top, right, bottom = box
    if not mask.any():
        empty = np.zeros((max(1, bottom - top), max(1, right - left)), np.bool_)
        box = left, top, left + empty.shape[1], top + empty.shape[0]
        return Candidate(number, number + 1, box, empty)
    return Candidate(number, number + 1, *cropped(left, top, mask))
