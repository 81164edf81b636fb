"""The ways in which the ink of a page may be seen, the most usual first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal, NamedTuple, TypeGuard

import numpy as np

from digitcli.errors import ImageError
from digitcli.polarity import Polarity
from digitcli.seeing.decode import Picture
from digitcli.seeing.ink import Ink
from digitcli.seeing.light import PAPER_SIDE, SHADOWED_SIDE
from digitcli.seeing.morphology import Float32Array, Mask, dilate
from digitcli.seeing.paper import Sheet, cut_out, find_papers
from digitcli.seeing.pieces import Regions
from digitcli.seeing.quantile import median
from digitcli.seeing.rows import enters_from_frame, lies_along_rim, merges_with_paper
from digitcli.seeing.rules import Runs
from digitcli.seeing.scene import NO_INK, Scene
from digitcli.seeing.view import View

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

POST, PAINTED = 3.0, 5
"""What is ruled and so many times higher than most of it is upright; so many pixels from side to
side are painted around each of its own."""

Kind = Literal["whole", "sheet", "further", "last"]


class Way(NamedTuple):
    """A way of seeing the ink of a page.

    Attributes
    ----------
    ink : Ink
    dark : ndarray of float32, shape (height, width)
        How dark the view is, or how bright where its ink is bright; 0 to 1.
    left, top : int
        Where it begins in the picture.
    kind : {"whole", "sheet", "further", "last"}
        Of the whole picture; of a sheet in it, which is tried even if the rows are clear; what is
        tried only where they are not; or where hardly any writing is seen.
    light : ndarray of float32, shape (height, width), optional
        The brightness that each pixel would have without ink, as `View.light` returns it.
    ruled : bool
        Whether rules were found, and are left out of `ink`.
    posts : bool
        Whether sides of boxes or teeth of combs are among them, and left out of `dark`, too.
    """

    ink: Ink
    dark: Float32Array
    left: int = 0
    top: int = 0
    kind: Kind = "whole"
    light: Float32Array | None = None
    ruled: bool = False
    posts: bool = False


def ways(
    view: View, polarity: Polarity, wanted: Callable[[Kind], bool] = lambda _: True
) -> Iterator[Way | ImageError]:
    """See the ink of a page in the ways that make sense, the most usual first.

    The whole picture, with and without what enters from its frame, and each paper in it; only its
    dense ink, and the ink of one pen; without rules, and without anything like a rule; and the
    whole with the other polarity. The first is always seen; `wanted` tells whether to go on with a
    kind.
    """
    fixed = None if polarity is Polarity.AUTO else polarity is Polarity.DARK_ON_LIGHT
    picture = view.picture
    if min(picture.shape[:2]) < LEAST_SIDE:
        yield ImageError("is too thin to hold a digit; check the picture")
        return

    widest, side = sight(picture)
    fine = side == SHADOWED_SIDE

    def seen(scene: Scene, kind: Kind) -> Iterator[Way]:
        if scene.limit < FAINTEST:
            raise ImageError(NO_INK)
        sheet, rules = scene.sheet, scene.rules
        left, top = (0, 0) if sheet is None else (sheet.left, sheet.top)
        for mask in [rules.rest] if rules.bare is rules.rest else [rules.rest, rules.bare]:
            ink = Ink(scene.density, mask, scene.limit)
            ruled = mask is not scene.ink
            painted = _without_posts(scene, mask) if ruled else None
            dark = 1 - scene.view.seen(scene.dark) if painted is None else painted
            yield Way(ink, dark, left, top, kind, scene.light, ruled, painted is not None)

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

    see = partial(Scene, widest=widest, side=side)
    try:
        whole = see(view, dark=fixed)
        usual = cleared(whole)
        yield from seen(usual, "whole")
    except ImageError as error:
        yield error
        return
    sheets = [cut_out(picture, paper) for paper in find_papers(picture)[:MOST_PAPERS]]
    for sheet in sorted(sheets, key=lambda sheet: not _is_apart(sheet)):
        kind: Kind = "sheet" if _is_apart(sheet) else "further"
        if not wanted(kind):
            return
        try:
            yield from seen(cleared(see(View(picture, sheet), dark=fixed)), kind)
        except ImageError as error:
            yield error
    if not wanted("further"):
        return
    try:
        yield from seen(cleared(see(view, dark=whole.dark, weight="heavy")), "further")
    except ImageError as error:
        yield error
    if whole is not usual:  # the row may be what enters from the frame
        yield from seen(whole, "further")
    for pen in whole.pens():
        yield from seen(pen, "further")
    if fixed is None and wanted("last"):
        try:
            yield from seen(cleared(see(view, dark=not whole.dark)), "last")
        except ImageError as error:
            yield error


def _without_posts(scene: Scene, rest: Mask) -> Float32Array | None:
    """Return how dark a scene is, with paper in place of all that is ruled and upright.

    Sides of boxes and teeth of combs are like 1s to a reader that does not cut; what is level is
    not, and the foot of a 2 may lie on it. None if nothing upright is ruled, that is, ink and not
    among the rest.
    """
    ruled = scene.ink & ~rest
    runs = Runs.of(ruled)
    if not len(runs):
        return None
    runs[runs.length <= POST * median(runs.length)].erase(ruled)
    if not ruled.any():
        return None
    near = dilate(ruled, PAINTED) & ~dilate(rest, 3)
    seen = np.where(near, scene.light, scene.view.seen(scene.dark))
    return np.asarray(1 - seen, np.float32)


def sight(picture: Picture) -> tuple[float, int]:
    """Return `widest` and `side` as `View.light` takes them for the rows of a picture."""
    longer, shorter = max(picture.shape[:2]), min(picture.shape[:2])
    fine = longer >= ROOM_FOR_SHADOWS
    widest = min(NARROW[0], NARROW[1] * shorter / longer)
    return widest, SHADOWED_SIDE if fine else PAPER_SIDE


def _is_apart(sheet: Sheet | None) -> TypeGuard[Sheet]:
    """Whether there is a sheet with edges on nearly all sides."""
    return sheet is not None and sheet.sides <= 1
