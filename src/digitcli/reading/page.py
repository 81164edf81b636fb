"""Read the rows of an image file, which may have one of several forms."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

from digitcli.errors import ImageError
from digitcli.model.network import Model
from digitcli.polarity import Polarity
from digitcli.reading.pattern import Form, Pattern
from digitcli.reading.row import Row
from digitcli.reading.rows import PAGE_SIDE, page_side, read_rows
from digitcli.seeing.decode import AnyImage, Picture, decode, name_of, upright_size

SAME = 0.5
"""Rows that overlap by more than this share of the lower one are the same row."""


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
    forms: tuple[Form, ...] | None = None,
) -> Page:
    """Read every row of handwritten digits in an image file.

    Parameters
    ----------
    image : path, binary file object, bytes, array or Pillow image
        As `digitcli.read_digit` takes it.
    model : Model
    name : str, optional
        What error messages call the image; the path by default.
    polarity
        As for `read_rows`.
    forms : tuple of Form, optional
        What rows may look like; others are left out.

    Raises
    ------
    ImageError
        If the file cannot be read as an image, holds no ink or no row of such a form.
    """
    picture = decode(image, name, sight=PAGE_SIDE)
    if (side := page_side(picture)) > PAGE_SIDE and max(upright_size(image)) > side:
        picture = decode(image, name, sight=side)
    try:
        if forms:
            rows = read_rows_of(picture, model, forms, polarity=polarity)
        else:
            rows = read_rows(picture, model, polarity=polarity)
    except ImageError as error:
        raise ImageError(f"{name or name_of(image)} {error}") from None
    scale = upright_size(image)[0] / picture.shape[1]
    return Page(picture, rows, [row.scaled(scale) for row in rows])


def read_rows_of(
    picture: Picture, model: Model, forms: tuple[Form, ...], *, polarity: Polarity = Polarity.AUTO
) -> list[Row]:
    """Read every row of a picture that has one of some forms.

    The parameters are those of `digitcli.reading.rows.read_rows`.

    Returns
    -------
    list of Row
        From the top down, with the signs of their form.

    Raises
    ------
    ImageError
        If the picture holds no ink or no such row.
    """
    different = list(dict.fromkeys(form.places for form in forms))
    if len(different) == 1:
        rows = read_rows(picture, model, polarity=polarity, pattern=different[0])
        return [_with_form(row, forms) for row in rows]
    free: list[Row] = []
    with suppress(ImageError):
        free = read_rows(picture, model, polarity=polarity)
    found: list[Row] = []
    failed: ImageError | None = None
    for places in different:
        try:
            found += read_rows(picture, model, polarity=polarity, pattern=places)
        except ImageError as error:
            failed = error
    if not found and failed:
        raise ImageError("holds no row of that form; check that the picture shows one")
    same: list[list[Row]] = []
    for row in sorted(found, key=lambda row: row.edges[0]):
        if same and _are_same(same[-1][0], row):
            same[-1].append(row)
        else:
            same.append([row])
    return [_with_form(_best(rows, free), forms) for rows in same]


def _best(rows: list[Row], free: list[Row]) -> Row:
    """Choose among readings of a row: the one as long as it is without any form, if there is."""
    lengths = {len(row.digits) for row in free if _are_same(rows[0], row)}
    fitting = [row for row in rows if len(row.digits) in lengths]
    return max(fitting or rows, key=lambda row: row.confidence)


def _with_form(row: Row, forms: tuple[Form, ...]) -> Row:
    """Give a row the signs of the form that fits best what was seen."""
    fitting = [form for form in forms if _has(row, form.places)]
    seen = row.signs or ("",) * len(row.digits)

    def misses(form: Form) -> tuple[int, int]:
        wrong = sum(sign != own for sign, own in zip(form.signs, seen, strict=True))
        return wrong, sum(map(bool, form.signs))

    return replace(row, signs=min(fitting, key=misses).signs)


def _has(row: Row, places: Pattern) -> bool:
    return len(places) == len(row.digits) and all(
        digit.digit in place for digit, place in zip(row.digits, places, strict=True)
    )


def _are_same(one: Row, other: Row) -> bool:
    (top, bottom), (other_top, other_bottom) = one.edges, other.edges
    lower = min(bottom - top, other_bottom - other_top)
    return min(bottom, other_bottom) - max(top, other_top) > SAME * lower
