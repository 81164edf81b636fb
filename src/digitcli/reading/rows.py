"""Read the rows of digits in a picture."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from digitcli.errors import ImageError
from digitcli.model.network import Model
from digitcli.polarity import Polarity
from digitcli.reading.along import Texts, see_frame
from digitcli.reading.lattice import WRITING
from digitcli.reading.pattern import Pattern
from digitcli.reading.row import Box, Row
from digitcli.reading.transcribe import SURE, read_frame, read_row
from digitcli.reading.ways import LEAST_SIDE, Kind, Way, sight, ways
from digitcli.seeing.decode import SIGHT, Picture
from digitcli.seeing.ink import Ink
from digitcli.seeing.light import shrink
from digitcli.seeing.pieces import Regions
from digitcli.seeing.rows import find_rows
from digitcli.seeing.view import View

FLAT = 0.7
"""Pictures at most this high, as a share of their width, may be one row that fills them;"""
FULL = 0.7
"""which has at least so many digits in a stretch as long as it is high;"""
LIKELY, SANE, FIRM = 0.15, 0.4, 0.5
"""and is as probable as this, or SANE if all ink is seen in one row; a row of few digits must be
FIRM."""
MOST_SEVERAL = 12
"""So many rows at most are looked for in a picture that may be one row."""
DOUBTED = 0.5
"""Where such a row is less probable in the end, rows are looked for without it."""
LEAST = 0.4
"""Rows whose digits are lower than this share of the highest row's are smudges."""
PAGE_SIDE = 1024
"""Larger pictures are reduced to this longer side: enough for thirty digits in a row."""
TALL, TALLER = 2.0, 2.0
"""Pictures that are higher than so many times their width may be higher by up to a factor: their
rows are many."""
CLEAR, WEAK, FEW = 3.5, 0.0, 0.05
"""By how much the log-odds of digits exceed WRITING on average in rows so clear that no other way
of seeing is tried; of their digits no more than a few are this weak."""
MOST, BETTER = 6.0, 2.0
"""No digit speaks more for its row than this; in another way than the one before, rows must be
better by this."""
FEW_DIGITS = 3
"""No more digits than this are answered only where a lone one would be, unless they are such a row
and FIRM."""
TEETH = 0.3
"""Where a larger share of the digits are 1s, some may be teeth of a comb, and rows must be SURE."""
UNSURE = 2.0
"""Where digits exceed WRITING by less on average, the other polarity is tried."""
BESIDE_EDGE, UPRIGHT = 0.5, 0.35
"""The edge of a sheet is no farther from the frame than this share of its length, and no wider."""
MOST_IN_ROW = 30
"""Where more than a quarter of the rows have more strokes than this, they are print."""
PAGE_ROWS, PAGE_STROKES = 3, 40
"""Pages of at least so many rows and strokes may be print; it is told from digits"""
SAMPLED_ROWS, SAMPLED_STROKES = 6, 12
"""by the first strokes of some rows,"""
PRINT = 1.0
"""which exceed WRITING by less than this on average."""
MOST_MARKS = 600
"""A picture with more marks than this, specks aside, is no page of digits."""
MOST_PIECES = 8000
"""With more pieces of ink, specks among them, no picture is."""


def read_rows(
    picture: Picture,
    model: Model,
    *,
    polarity: Polarity = Polarity.AUTO,
    pattern: Pattern | None = None,
) -> list[Row]:
    """Read every row of handwritten digits in a picture.

    The picture is seen in all ways that make sense until its rows are clear, and each row is read
    in two ways, by cutting it into digits and without.

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
    small = shrink(picture, page_side(picture))
    view = View(small)
    frame = _frame_of(view, polarity, pattern)
    if frame and frame.probability < SURE:
        usual = next(ways(view, polarity))
        if isinstance(usual, Way) and usual.posts:
            frame = see_frame(usual.dark, usual.light, pattern)
    framed, alone = None, False
    if frame:
        framed, alone = _framed(frame, view, polarity, model, pattern)
        alone &= frame.probability >= SANE
    best = [framed] if framed else _seen(view, polarity, model, pattern, frame)
    bare = framed is not None and _are_bare([framed])
    if framed and framed.confidence < (SURE if bare else DOUBTED) and (bare or not alone):
        with suppress(ImageError):
            rows = _seen(view, polarity, model, pattern, None, usual=not bare)
            if _speak_more(rows, framed):
                best = rows
    few = not pattern and 0 < _count(best) <= FEW_DIGITS
    if few and not (frame and frame.probability >= FIRM) and not _holds_digit(small, polarity):
        best = []
    if not best:
        wanted = f"row of {len(pattern)} digits" if pattern else "row of digits"
        raise ImageError(f"holds no {wanted}; check that the picture shows one")
    scale = picture.shape[1] / small.shape[1]
    return [row.scaled(scale) for row in best]


def page_side(picture: Picture) -> int:
    """Return the longer side that a picture is reduced to."""
    height, width = picture.shape[:2]
    return int(PAGE_SIDE * min(TALLER, max(1.0, height / (TALL * width))))


def _speak_more(rows: list[Row], framed: Row) -> bool:
    """Whether rows that were seen are more probable than a whole picture as one, and as full."""
    if not rows or _probability(rows) <= framed.confidence:
        return False
    if _count(rows) < framed.text().count("0"):  # joined zeros may look like one digit
        return False
    seen = sum(digit.digit > 1 for row in rows for digit in row.digits)
    return seen >= sum(digit.digit > 1 for digit in framed.digits)


def _seen(
    view: View,
    polarity: Polarity,
    model: Model,
    pattern: Pattern | None,
    frame: Texts | None,
    *,
    usual: bool = False,
) -> list[Row]:
    """Read the rows of the way of seeing in which most speaks for them.

    If none is seen, the picture may be a row itself. If only the usual ways are wanted, those are
    the whole picture and sheets in it.
    """
    best: list[Row] = []
    most = -np.inf
    clear = inked = printed = False
    failed: ImageError | None = None

    def wanted(kind: Kind) -> bool:
        if kind == "last" and _mean_score(best) > UNSURE and not _are_bare(best):
            return False
        return kind == "sheet" or not (clear or usual)

    for way in ways(view, polarity, wanted):
        if isinstance(way, ImageError):
            failed = way
            continue
        inked = True
        if clear and way.kind != "sheet":
            continue
        found = _rows_of(way, model, pattern)
        printed |= found is None
        rows = found or []
        score = _evidence(rows)
        edges = way.kind == "sheet" and (_differ_by_edges(rows, best) or _are_firmer(rows, best))
        if rows and (edges or _are_without_teeth(rows, best) or not best or score > most + BETTER):
            fewer = _count(rows) < _count(best)
            best, most = rows, score
            clear = _is_clear(rows, ruled=way.ruled) and not fewer
    unsure = _count(best) <= FEW_DIGITS or _probability(best) < SURE
    if printed and unsure and _are_bare(best):  # frames and lines among print
        best = []
    if not best and frame:
        blank = np.zeros(view.values.shape, np.bool_)
        return [read_frame(frame, Ink(blank.astype(np.float32), blank, 1.0), model)[0]]
    if failed is not None and not inked:
        raise failed
    return best


def _framed(
    frame: Texts, view: View, polarity: Polarity, model: Model, pattern: Pattern | None
) -> tuple[Row | None, bool]:
    """Read a picture that is one row: as a whole, and where its ink is seen in one row, too.

    Returns
    -------
    row : Row or None
        None if several rows are clearly seen in it.
    alone : bool
        Whether its ink is seen in one row only.
    """
    blank = np.zeros(view.values.shape, np.bool_)
    usual = Ink(blank.astype(np.float32), blank, 1.0)
    best: Row | None = None
    alone = True
    for way in ways(view, polarity):
        if isinstance(way, ImageError) or way.kind != "whole":
            break
        if usual.mask is blank:
            usual = way.ink
            if frame.probability >= SURE:
                row, recognised = read_frame(frame, usual, model)
                if recognised:
                    return row, True
        found = Regions.of(way.ink.mask)
        rows = find_rows(found, way.ink.mask.shape)
        if len(rows) == 1:
            read = read_row(found, rows[0], way, model, pattern, frame)
            if read and (best is None or read.confidence > best.confidence):
                best = read
            if best:
                break
        elif frame.probability < SURE and _are_several(found, rows, way, model, pattern):
            return None, False
        alone &= len(rows) == 1
    return best or read_frame(frame, usual, model)[0], alone


def _frame_of(view: View, polarity: Polarity, pattern: Pattern | None) -> Texts | None:
    """See a picture as one row that fills it, with some polarity; None if it is none."""
    height, width = view.values.shape
    if height > FLAT * width or height < LEAST_SIDE:
        return None
    if polarity is Polarity.AUTO:
        tried = [True, False] if view.page_evidence < 0 else [False, True]
    else:
        tried = [polarity is Polarity.DARK_ON_LIGHT]
    least = FULL * width / height
    for dark in tried:
        frame = see_frame(1 - view.seen(dark), view.light(dark, *sight(view.picture)), pattern)
        if len(frame.text) >= least and frame.probability >= LIKELY:
            return frame
    return None


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


def _are_firmer(inner: list[Row], outer: list[Row]) -> bool:
    """Whether the rows of a sheet are firm, as some that were seen are, but others are not."""
    firm = [row for row in outer if row.confidence >= FIRM]
    if not inner or not 0 < len(firm) < len(outer):
        return False
    return min(row.confidence for row in inner) >= FIRM and _count(inner) >= _count(firm)


def _are_without_teeth(rows: list[Row], others: list[Row]) -> bool:
    """Whether rows are surely others without 1s among their digits: the teeth of a comb."""
    fewer, more = ([row.text().replace("1", "") for row in own] for own in (rows, others))
    if fewer != more or not any(fewer) or _count(rows) >= _count(others):
        return False
    return _probability(others) < SURE <= _probability(rows)


def _probability(rows: list[Row]) -> float:
    """Return how probable it is that all rows are right."""
    return float(np.prod([row.confidence for row in rows]))


def _mean_score(rows: list[Row]) -> float:
    """Score of a digit, on average."""
    return sum(digit.score for row in rows for digit in row.digits) / max(1, _count(rows))


def _evidence(rows: list[Row]) -> float:
    """How much speaks for rows: what speaks for each digit, up to a limit, in sum.

    It counts as much as the row is probable: edges, stripes and teeth of combs among digits are
    like 1s, but the row is doubtful then.
    """
    score = 0.0
    for row in rows:
        own = sum(min(digit.score, MOST) for digit in row.digits)
        score += own * row.confidence if own > 0 else own
    if _are_bare(rows):
        return min(score, UNSURE * _count(rows))
    return score


def _are_several(
    found: Regions,
    rows: list[NDArray[np.intp]],
    way: Way,
    model: Model,
    pattern: Pattern | None,
) -> bool:
    """Whether several rows, and most of them, are so clear that they are read without cuts."""
    if len(rows) < 2 or len(rows) > MOST_SEVERAL:
        return False
    read = [read_row(found, row, way, model, pattern, cuts=False) for row in rows]
    clear = [row for row in read if row]
    return len(clear) > max(1, len(rows) / 2) and _is_clear(clear)


def _are_bare(rows: list[Row]) -> bool:
    """Whether rows are nothing but 0s and 1s, which boxes, sheets and teeth of combs are like."""
    return not any(row.text().strip("01") for row in rows)


def _is_clear(rows: list[Row], *, ruled: bool = False) -> bool:
    """Whether rows are so clear that no other way of seeing is tried.

    If something ruled was left out, they must be SURE: the foot of a 2 may be gone with it.
    """
    digits = [digit for row in rows for digit in row.digits]
    if _are_bare(rows):
        return False
    if len(rows) >= PAGE_ROWS and np.mean([digit.confidence for digit in digits]) >= SURE:
        return True
    scores = np.array([digit.score for digit in digits])
    strong = scores.mean() >= CLEAR and (scores < WEAK).mean() <= FEW
    teeth = np.mean([digit.digit == 1 for digit in digits]) > TEETH
    firm = SURE if teeth or ruled else FIRM
    return bool(strong and np.mean([row.confidence for row in rows]) >= firm)


def _rows_of(way: Way, model: Model, pattern: Pattern | None) -> list[Row] | None:
    """Read the rows of a page that look like writing, with boxes in pixels of the picture.

    None if the page is printed.
    """
    found = Regions.of(way.ink.mask)
    if len(found.area) > (MOST_MARKS if way.kind == "last" else MOST_PIECES):
        return []
    rows = find_rows(found, way.ink.mask.shape)
    known: dict[int, Row | None] = {}
    if not pattern and _are_long(rows):
        return None
    if not pattern and _may_be_print(rows):
        sampled = {
            number: read_row(found, rows[number][:SAMPLED_STROKES], way, model, None)
            for number in range(0, len(rows), -(-len(rows) // SAMPLED_ROWS))
        }
        if _mean_score([row for row in sampled.values() if row]) < PRINT:
            return None
        known = {
            number: row for number, row in sampled.items() if len(rows[number]) <= SAMPLED_STROKES
        }
    read = [
        known[number] if number in known else read_row(found, row, way, model, pattern)
        for number, row in enumerate(rows)
    ]
    written = [row if row and (pattern or _mean_score([row]) > -WRITING) else None for row in read]
    kept = _without_smudges(written)
    shape = way.ink.mask.shape
    return [
        row.moved(way.left, way.top)
        for row in kept
        if len(kept) == 1 or not (_is_edge(row, shape[1]) or _are_stripes(row, shape))
    ]


def _are_long(rows: list[NDArray[np.intp]]) -> bool:
    """Whether many rows of a page are longer than rows of digits, as those of text are."""
    return sum(len(row) > MOST_IN_ROW for row in rows) > len(rows) / 4


def _may_be_print(rows: list[NDArray[np.intp]]) -> bool:
    """Whether so many rows may be text: their beginnings are read before all else."""
    return len(rows) >= PAGE_ROWS and sum(map(len, rows)) >= PAGE_STROKES


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
