"""Read the rows of digits in a picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import compress
from typing import Literal, NamedTuple, TypeGuard

import numpy as np
from numpy.typing import NDArray

from digitcli.errors import ImageError
from digitcli.model.input import as_pixels
from digitcli.model.network import Model
from digitcli.polarity import Polarity
from digitcli.reading.candidates import (
    Candidate,
    candidates,
    digit_image,
    log_odds,
    whole_strokes,
    wholeness,
)
from digitcli.reading.pattern import ANY, Pattern
from digitcli.reading.search import best_path
from digitcli.reading.split import Piece, Stroke, split
from digitcli.seeing.decode import SIGHT, AnyImage, Picture, decode, name_of, upright_size
from digitcli.seeing.ink import Ink
from digitcli.seeing.light import PAPER_SIDE, SHADOWED_SIDE, shrink
from digitcli.seeing.paper import Sheet, cut_out, find_papers
from digitcli.seeing.pieces import Regions
from digitcli.seeing.rows import (
    enters_from_frame,
    find_rows,
    heights,
    lies_along_rim,
    merges_with_paper,
    weighted_median,
)
from digitcli.seeing.scene import NO_INK, Scene
from digitcli.seeing.view import View

Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels; right and bottom are just outside."""

SKIP = 6.0
"""What it costs to leave out a stroke as large as a digit, in log-odds."""
SURE = 4.0
"""Log-odds from which on a stroke is taken for one digit without trying to cut it."""
UNLIKELY = -5.0
"""Log-odds below which what is judged is not tried as a digit."""
LEAST = 0.4
"""Rows whose digits are lower than this share of the highest row's are smudges."""
PAGE_SIDE = 1024
"""Larger pictures are reduced to this longer side: enough for thirty digits in a row."""
NARROW = 1 / 8, 1 / 3
"""Shares of the longer and of the shorter side that strokes are narrower than."""
LEAST_SIDE = 4
"""Pixels on the shorter side below which nothing is looked for."""
FAINTEST = 8 / 255
"""Less contrast than this is no ink."""
ROOM_FOR_SHADOWS = 256
"""In smaller pictures the edges of shadows are wider than strokes, if there are any."""
MOST_PAPERS = 3
"""So many surfaces at most are taken for the paper."""
WRITING = 2.0
"""Log-odds of a digit that written ones exceed and other marks do not, mostly."""
CLEAR, WEAK, FEW = 3.5, 0.0, 0.05
"""By how much they exceed that on average in rows so clear that no other way of seeing is tried; of
their digits no more than a few are this weak."""
MOST, BETTER = 6.0, 2.0
"""No digit speaks more for its row than this; in another way than the one before, rows must be
better by this."""
FEW_DIGITS = 3
"""No more digits than this are answered only where a lone one would be."""
UNSURE = 2.0
"""Where digits exceed it by less on average, the other polarity is tried."""
BESIDE_EDGE, UPRIGHT = 0.5, 0.35
"""The edge of a sheet is no farther from the frame than this share of its length, and no wider."""
MOST_IN_ROW = 30
"""Where more than a quarter of the rows have more strokes than this, they are print."""
PAGE_ROWS, PAGE_STROKES = 3, 40
"""Pages of at least so many rows and strokes may be print; it is told from digits"""
SAMPLED_ROWS, SAMPLED_STROKES = 6, 12
"""by the first strokes of some rows,"""
PRINT = 1.0
"""which exceed it by less than this on average."""
MOST_MARKS = 600
"""A picture with more marks than this, specks aside, is no page of digits."""


@dataclass(frozen=True)
class Digit:
    """A digit in a row.

    Attributes
    ----------
    box : Box
    probabilities : ndarray of float32, shape (10,)
    digit : int
        The most probable one that the pattern allows.
    score : float
        By how much the log-odds that it is a digit exceed WRITING.
    """

    box: Box
    probabilities: NDArray[np.float32]
    digit: int
    score: float = 0.0

    @property
    def confidence(self) -> float:
        """Probability of the digit."""
        return float(self.probabilities[self.digit])


@dataclass(frozen=True)
class Row:
    """The digits of a row, a tuple, from left to right."""

    digits: tuple[Digit, ...]

    def text(self, min_confidence: float = 0.0) -> str:
        """Return the digits, ``?`` for each below `min_confidence`."""
        return "".join(
            str(digit.digit) if digit.confidence >= min_confidence else "?" for digit in self.digits
        )

    @property
    def confidence(self) -> float:
        """Product over the digits."""
        return float(np.prod([digit.confidence for digit in self.digits]))


@dataclass(frozen=True)
class Page:
    """A picture and the rows in it.

    Attributes
    ----------
    picture : ndarray of uint8, shape (height, width) or (height, width, 3)
        The picture, reduced if it is large.
    seen : list of Row
        The rows, with boxes in pixels of `picture`;
    rows : list of Row
        and with boxes in pixels of the file, held upright.
    """

    picture: Picture
    seen: list[Row]
    rows: list[Row]


def read_page(
    image: AnyImage,
    model: Model,
    *,
    name: str | None = None,
    polarity: Polarity = Polarity.AUTO,
    pattern: Pattern | None = None,
) -> Page:
    """Read every row of handwritten digits in an image file.

    Parameters
    ----------
    image : path, binary file object, bytes, array or Pillow image
        As `digitcli.read_digit` takes it.
    model : Model
    name : str, optional
        What error messages call the image; the path by default.
    polarity, pattern
        As for `read_rows`.

    Raises
    ------
    ImageError
        If the file cannot be read as an image, holds no ink or no row with the pattern.
    """
    picture = decode(image, name, sight=PAGE_SIDE)
    try:
        rows = read_rows(picture, model, polarity=polarity, pattern=pattern)
    except ImageError as error:
        raise ImageError(f"{name or name_of(image)} {error}") from None
    scale = upright_size(image)[0] / picture.shape[1]
    return Page(picture, rows, [_scaled(row, scale) for row in rows])


def read_rows(
    picture: Picture,
    model: Model,
    *,
    polarity: Polarity = Polarity.AUTO,
    pattern: Pattern | None = None,
) -> list[Row]:
    """Read every row of handwritten digits in a picture.

    Strokes are cut wherever digits might touch, the pieces put together in all ways that might be
    a digit, and those ways chosen that the network and their shape speak for most (after
    Matan, Burges, LeCun, Denker: Multi-digit recognition using a space displacement neural
    network, 1992, and the segmentation graphs of LeCun et al., 1998).

    Parameters
    ----------
    picture : ndarray of uint8, shape (height, width) or (height, width, 3)
        As `digitcli.seeing.decode.decode` returns it.
    model : Model
    polarity : Polarity
        Whether the ink is darker or brighter than the paper; found out by default.
    pattern : Pattern, optional
        The digits that may stand at each place; rows that cannot be read so are left out.

    Returns
    -------
    list of Row
        From the top down, with boxes in pixels of `picture`.

    Raises
    ------
    ImageError
        If the picture holds no ink or no row with the pattern.
    """
    small = shrink(picture, PAGE_SIDE)
    best: list[Row] = []
    most = -np.inf
    clear = False
    failed: ImageError | None = None
    inked = False
    for way in ways(small, polarity):
        if isinstance(way, ImageError):
            failed = way
            continue
        inked = True
        if way.kind == "last" and best and _mean_score(best) > UNSURE:
            break
        if clear and way.kind != "sheet":
            if way.kind == "whole":
                continue
            break
        rows = _rows_of(way, model, pattern)
        score = _evidence(rows)
        edges = way.kind == "sheet" and _differ_by_edges(rows, best)
        if rows and (edges or not best or score > most + BETTER):
            best, most, clear = rows, score, _is_clear(rows)
    if not pattern and 0 < _count(best) <= FEW_DIGITS and not _holds_digit(small, polarity):
        best = []
    if not best:
        if failed is not None and not inked:
            raise failed
        wanted = f"row of {len(pattern)} digits" if pattern else "row of digits"
        raise ImageError(f"holds no {wanted}; check that the picture shows one")
    scale = picture.shape[1] / small.shape[1]
    return [_scaled(row, scale) for row in best]


def _holds_digit(picture: Picture, polarity: Polarity) -> bool:
    """Whether a lone digit is seen in a picture, too: remnants of rules are like short rows."""
    from digitcli.reading.digit import find_digit

    try:
        find_digit(shrink(picture, SIGHT), polarity=polarity)
    except ImageError:
        return False
    return True


def _count(rows: list[Row]) -> int:
    return sum(len(row.digits) for row in rows)


def _differ_by_edges(inner: list[Row], outer: list[Row]) -> bool:
    """Whether all that rows have beyond those of a sheet in them is 1s: the edges of the sheet."""
    fewer, more = ([row.text() for row in rows] for rows in (inner, outer))
    if not fewer or _count(inner) >= _count(outer):
        return False
    more = [text for text in more if text.strip("1") or text in fewer]
    return [text.strip("1") for text in fewer] == [text.strip("1") for text in more]


def _mean_score(rows: list[Row]) -> float:
    """Score of a digit, on average."""
    return sum(digit.score for row in rows for digit in row.digits) / max(1, _count(rows))


def _evidence(rows: list[Row]) -> float:
    """How much speaks for rows: what speaks for each digit, up to a limit, in sum."""
    score = sum(min(digit.score, MOST) for row in rows for digit in row.digits)
    if not any(row.text().strip("1") for row in rows):  # edges and stripes are like 1s
        return min(score, UNSURE * _count(rows))
    return score


def _is_clear(rows: list[Row]) -> bool:
    """Whether rows are so clear that no other way of seeing is tried."""
    scores = np.array([digit.score for row in rows for digit in row.digits])
    only_1s = not any(row.text().strip("1") for row in rows)
    return bool(scores.mean() >= CLEAR and (scores < WEAK).mean() <= FEW) and not only_1s


Kind = Literal["whole", "sheet", "further", "last"]


class Way(NamedTuple):
    """A way of seeing the ink of a page.

    Attributes
    ----------
    ink : Ink
    left, top : int
        Where it begins in the picture.
    kind : {"whole", "sheet", "further", "last"}
        Of the whole picture; of a sheet in it, which is tried even if the rows are clear; what is
        tried only where they are not; or where hardly any writing is seen.
    """

    ink: Ink
    left: int = 0
    top: int = 0
    kind: Kind = "whole"


def ways(picture: Picture, polarity: Polarity) -> Iterator[Way | ImageError]:
    """See the ink of a page in the ways that make sense, the most usual first.

    The whole picture, with and without what enters from its frame, and each paper in it; only its
    dense ink, and the ink of one pen; without rules, and without anything like a rule; and the
    whole with the other polarity.
    """
    fixed = None if polarity is Polarity.AUTO else polarity is Polarity.DARK_ON_LIGHT
    if min(picture.shape[:2]) < LEAST_SIDE:
        yield ImageError("is too thin to hold a digit; check the picture")
        return

    longer, shorter = max(picture.shape[:2]), min(picture.shape[:2])
    widest = min(NARROW[0], NARROW[1] * shorter / longer)
    fine = longer >= ROOM_FOR_SHADOWS
    view = View(picture)

    def seen(scene: Scene, kind: Kind) -> Iterator[Way]:
        if scene.limit < FAINTEST:
            raise ImageError(NO_INK)
        sheet, rules = scene.sheet, scene.rules
        left, top = (0, 0) if sheet is None else (sheet.left, sheet.top)
        for mask in [rules.rest] if rules.bare is rules.rest else [rules.rest, rules.bare]:
            ink = Ink(scene.density, mask, scene.limit)
            yield Way(ink, left, top, kind)

    def cleared(scene: Scene) -> Scene:
        found = Regions.of(scene.rules.rest)
        foreign = enters_from_frame(found)
        if fine:
            dark = -scene.view.values if scene.dark else scene.view.values
            foreign |= merges_with_paper(found, found.touching, dark)
        if _is_apart(scene.sheet):
            edge = scene.touching(found) & lies_along_rim(found, scene.sheet.inside)
            foreign |= found.mask(edge)
        # the edge of a sheet has another contrast than the pen
        return scene.without(foreign) if foreign.any() else scene

    see = partial(Scene, widest=widest, side=SHADOWED_SIDE if fine else PAPER_SIDE)
    try:
        whole = see(view, dark=fixed)
        usual = cleared(whole)
        yield from seen(usual, "whole")
    except ImageError as error:
        yield error
        return
    sheets = [cut_out(picture, paper) for paper in find_papers(picture)[:MOST_PAPERS]]
    further = [
        partial(see, View(picture, sheet), dark=fixed)
        for sheet in sorted(sheets, key=lambda sheet: not _is_apart(sheet))
    ]
    further.append(partial(see, view, dark=whole.dark, weight="heavy"))
    for form in further:
        try:
            scene = cleared(form())
            yield from seen(scene, "sheet" if _is_apart(scene.sheet) else "further")
        except ImageError as error:
            yield error
    if whole is not usual:  # the row may be what enters from the frame
        yield from seen(whole, "further")
    for pen in whole.pens():
        yield from seen(pen, "further")
    if fixed is None:
        try:
            yield from seen(cleared(see(view, dark=not whole.dark)), "last")
        except ImageError as error:
            yield error


def _is_apart(sheet: Sheet | None) -> TypeGuard[Sheet]:
    """Whether there is a sheet with edges on nearly all sides."""
    return sheet is not None and sheet.sides <= 1


def _rows_of(way: Way, model: Model, pattern: Pattern | None) -> list[Row]:
    """Read the rows of a page that look like writing, with boxes in pixels of the picture."""
    found = Regions.of(way.ink.mask)
    if way.kind == "last" and len(found.area) > MOST_MARKS:
        return []
    rows = find_rows(found, way.ink.mask.shape)
    if not pattern and _is_print(found, rows, way.ink, model):
        return []
    read = [_read_row(found, row, way.ink, model, pattern) for row in rows]
    written = [row if row and (pattern or _mean_score([row]) > -WRITING) else None for row in read]
    kept = _without_smudges(written)
    shape = way.ink.mask.shape
    return [
        _moved(row, way.left, way.top)
        for row in kept
        if len(kept) == 1 or not (_is_edge(row, shape[1]) or _are_stripes(row, shape))
    ]


def _is_print(found: Regions, rows: list[NDArray[np.intp]], ink: Ink, model: Model) -> bool:
    """Whether the rows of a page are text: they are long, or their beginnings show it."""
    if sum(len(row) > MOST_IN_ROW for row in rows) > len(rows) / 4:
        return True
    if len(rows) < PAGE_ROWS or sum(map(len, rows)) < PAGE_STROKES:
        return False
    some = rows[:: -(-len(rows) // SAMPLED_ROWS)]
    read = [_read_row(found, row[:SAMPLED_STROKES], ink, model, None) for row in some]
    return _mean_score([row for row in read if row]) < PRINT


def _is_edge(row: Row, width: int) -> bool:
    """Whether a row is nothing but upright marks along one side: the edge of the sheet."""

    def upright(box: Box) -> bool:
        left, top, right, bottom = box
        near = min(left, width - right) <= BESIDE_EDGE * (bottom - top)
        return near and right - left <= UPRIGHT * (bottom - top)

    boxes = [digit.box for digit in row.digits]
    narrow = max(box[2] for box in boxes) - min(box[0] for box in boxes) < width / 2
    return narrow and all(map(upright, boxes))


def _are_stripes(row: Row, shape: tuple[int, ...]) -> bool:
    """Whether a row is nothing but upright marks that go on beyond the frame: cloth, wood."""
    if row.text().strip("1"):
        return False
    cut = [digit.box[1] <= 0 or digit.box[3] >= shape[0] for digit in row.digits]
    return sum(cut) > len(cut) / 2


def _read_row(
    found: Regions, row: NDArray[np.intp], ink: Ink, model: Model, pattern: Pattern | None
) -> Row | None:
    height = weighted_median(heights(found)[row], found.size[row])
    strokes = [stroke_of(found, int(number), ink) for number in row]
    pieces = sorted(
        (piece for stroke in strokes for piece in split(stroke, height)),
        key=lambda piece: piece.middle,
    )
    sure = frozenset[Stroke]() if pattern else sure_digits(pieces, ink, height)
    least = -np.inf if pattern else UNLIKELY
    tried, images, scores = _scored(pieces, sure, height, ink, model, least)
    path = best_path(tried, scores, _skips(pieces, height), pattern)
    if not path:
        return None
    chosen = [tried[choice.candidate] for choice in path]
    seen = model.predict_proba(np.stack([images[choice.candidate] for choice in path]))
    places = pattern or [ANY] * len(path)
    odds = [float(scores[choice.candidate].max()) for choice in path]
    return Row(
        tuple(
            Digit(
                candidate.box,
                looked,
                max(sorted(allowed), key=lambda digit: looked[digit]),
                likely - WRITING,
            )
            for candidate, looked, allowed, likely in zip(chosen, seen, places, odds, strict=True)
        )
    )


def sure_digits(pieces: list[Piece], ink: Ink, height: float) -> frozenset[Stroke]:
    """Which strokes are one digit each beyond doubt, so that they need not be cut."""
    found = whole_strokes(pieces)
    if not found:
        return frozenset()
    odds = wholeness(found, pieces, ink, height)
    return frozenset(pieces[candidate.first].stroke for candidate in compress(found, odds > SURE))


def _scored(
    pieces: list[Piece],
    sure: frozenset[Stroke],
    height: float,
    ink: Ink,
    model: Model,
    least: float,
) -> tuple[list[Candidate], NDArray[np.uint8], NDArray[np.float32]]:
    """Return what may be a digit, in the form of MNIST, and the log-odds of each digit.

    What is judged to be a whole digit with log-odds below `least` is not looked at, and nothing
    twice: few are left to be looked at again.
    """
    tried = candidates(pieces, height, whole=sure)
    whole = wholeness(tried, pieces, ink, height) if tried else np.empty(0, np.float32)
    tried = list(compress(tried, whole > least))
    if not tried:
        return [], np.empty((0, 28, 28), np.uint8), np.empty((0, 10), np.float32)
    images = np.stack([digit_image(part, ink) for part in tried])
    with np.errstate(over="ignore", invalid="ignore"):
        probabilities = model.first_look(as_pixels(images))
    if not np.isfinite(probabilities).all():
        probabilities = model.predict_proba(images)  # which says what is wrong with the model
    return tried, images, log_odds(whole[whole > least], probabilities)


def stroke_of(found: Regions, number: int, ink: Ink) -> Stroke:
    """Crop one stroke of a page."""
    top, left = int(found.top[number]), int(found.left[number])
    window = slice(top, int(found.bottom[number])), slice(left, int(found.right[number]))
    mask = found.labels[window] == number + 1
    dark = np.quantile(ink.density[window][mask], 0.8)
    return Stroke(mask, np.minimum(ink.density[window] / dark, 1).astype(np.float32), top, left)


def _skips(pieces: list[Piece], height: float) -> NDArray[np.float32]:
    """Score of leaving out a piece: the larger its stroke, the lower; cut off parts stay in."""
    sizes = [
        max(piece.stroke.mask.shape) / height if piece.after is piece.before else 1.0
        for piece in pieces
    ]
    return np.array([-SKIP * min(1.0, size) for size in sizes], np.float32)


def _without_smudges(rows: list[Row | None]) -> list[Row]:
    heights = [
        float(np.median([digit.box[3] - digit.box[1] for digit in row.digits])) if row else 0.0
        for row in rows
    ]
    return [
        row
        for row, height in zip(rows, heights, strict=True)
        if row and height >= LEAST * max(heights)
    ]


def _scaled(row: Row, scale: float) -> Row:
    return _placed(row, lambda edge, _: round(edge * scale))


def _moved(row: Row, right: int, down: int) -> Row:
    return _placed(row, lambda edge, side: edge + (down if side % 2 else right))


def _placed(row: Row, place: Callable[[int, int], int]) -> Row:
    """Move each edge of each box: left, top, right and bottom are sides 0 to 3."""

    def placed(box: Box) -> Box:
        left, top, right, bottom = (place(edge, side) for side, edge in enumerate(box))
        return left, top, right, bottom

    digits = tuple(replace(digit, box=placed(digit.box)) for digit in row.digits)
    return replace(row, digits=digits)
