"""A scene: a picture seen as ink on paper, step by step."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from digitcli.errors import ImageError
from digitcli.seeing.grouping import possible_digits
from digitcli.seeing.ink import denoise, hairlines, heavy_limit, ink_mask, pale_ink, threshold
from digitcli.seeing.light import PAPER_SIDE, SOFT, WIDEST, ink_density, soft_brightness
from digitcli.seeing.morphology import Mask, blur, dilate, erode, slope
from digitcli.seeing.pens import find_pens, thick_strokes
from digitcli.seeing.pieces import Regions
from digitcli.seeing.quantile import quantile
from digitcli.seeing.rules import Rules, find_rules, without_underline
from digitcli.seeing.view import View

FLAT = 4 / 255
"""A picture whose brightness varies by less is blank."""
LEAST = 3
"""Pixels that a picture of a digit has on each side."""
TYPICAL = 0.75
"""So much of a mark's outline is less steep than its strokes' edges are;"""
NEAR = 2
"""which lie no farther than this many pixels from it."""
Weight = Literal["usual", "faint", "fine", "heavy"]
Box = tuple[slice, slice]
"""Rows and columns."""
NO_INK = "holds no ink; check that the picture shows a digit"


class Scene:
    """A picture, or a sheet in it, seen as ink on paper.

    Parameters
    ----------
    view : View
        The picture or the sheet in grey.
    dark : bool, optional
        Whether the ink is darker than the paper; found out by default.
    widest : float, optional
        What is wider than this share of the picture's longer side is shadow, not stroke.
    weight : {"usual", "faint", "fine", "heavy"}
        What counts as ink: what is at least half as dense as most strokes; all that continues it,
        too, however pale; lines finer than a pixel, too; or only the denser of two kinds of it,
        such as strokes in the shadow of a hand.
    side : int
        Longer side of the reduced picture on which the lighting is estimated.
    soft : bool
        Whether all that has soft edges is light and shadow.

    Attributes
    ----------
    dark : bool
    evidence : float
        How much speaks for ink brighter than the paper, -2 to 2.
    light : ndarray of float32, shape (height, width)
        The brightness that each pixel would have without ink, turned over if that is not dark.
    density : ndarray of float32, shape (height, width)
        0 for paper to 1 for the darkest ink; lighting and polarity evened out.
    limit : float
        The density at which ink begins.
    ink : ndarray of bool, shape (height, width)
        Which pixels are ink,
    all_ink : ndarray of bool, shape (height, width)
        of this or another pen.

    Raises
    ------
    ImageError
        If there is no ink.
    """

    def __init__(
        self,
        view: View,
        *,
        dark: bool | None = None,
        widest: float | None = None,
        weight: Weight = "usual",
        side: int = PAPER_SIDE,
        soft: bool = False,
    ) -> None:
        values = view.values
        if min(values.shape) < LEAST or np.ptp(values) < FLAT:
            raise ImageError(NO_INK)
        self.view = view
        self.picture = view.picture
        self.sheet = sheet = view.sheet
        self.widest = widest
        self.weight = weight
        self.by_one_pen = self.by_thick_pen = False
        narrow = widest is not None and not view.is_even
        self.evidence = view.page_evidence if narrow else view.evidence
        self.dark = self.evidence < 0 if dark is None else dark
        if weight == "faint":
            widest = widest or WIDEST
        seen = view.seen(self.dark)
        light = soft_brightness(seen, view.sharp) if soft else None
        self.light = view.light(self.dark, widest, side) if light is None else light
        density = ink_density(seen, self.light)
        if sheet is not None:
            density[~sheet.inside] = 0
        self.density, self.limit = denoise(density)
        if weight == "faint":
            self.density, self.ink = pale_ink(self.density, self.limit)
        elif weight == "fine":
            self.density, self.ink = hairlines(self.density, self.limit)
        else:
            self.ink = ink_mask(self.density, self.limit)
        if weight == "heavy":
            self.limit = heavy_limit(self.density[self.ink])
            self.ink = self.density > self.limit
        self.all_ink = self.ink
        if not self.ink.any():
            raise ImageError(NO_INK)

    def pens(self) -> list[Scene]:
        """Return scenes with the ink of one pen each, none if all ink has the same colour."""
        seen = self.picture if self.sheet is None else self.sheet.picture
        found = []
        for own in find_pens(seen, self.ink):
            scene = copy(self)
            scene._forget()
            scene.density = np.where(self.ink & ~own, 0, self.density).astype(np.float32)
            scene.ink = own
            scene.by_one_pen = True
            found.append(scene)
        return found

    def thick(self) -> Scene | None:
        """Return a scene with thick strokes only, None if all strokes are of one width."""
        own = thick_strokes(self.ink)
        if own is None:
            return None
        scene = copy(self)
        scene._forget()
        scene.ink = own
        scene.by_one_pen = scene.by_thick_pen = True
        return scene

    def without_underline(self) -> Scene | None:
        """Return a scene without what may be a line under the digit, None if there is no such."""
        pieces = self.pieces
        chosen = next(possible_digits(pieces, self.touching(pieces)))
        box = (
            slice(int(pieces.top[chosen].min()), int(pieces.bottom[chosen].max())),
            slice(int(pieces.left[chosen].min()), int(pieces.right[chosen].max())),
        )
        own = pieces.mask(chosen)
        rest = without_underline(own[box])
        if rest is None:
            return None
        scene = copy(self)
        scene._forget()
        scene.ink = self.ink.copy()
        scene.ink[box] &= rest | ~own[box]
        return scene

    def without(self, foreign: Mask) -> Scene:
        """Take a part of the ink for none, and see anew where ink begins.

        Raises
        ------
        ImageError
            If no ink is left.
        """
        scene = copy(self)
        scene._forget()
        scene.density = np.where(dilate(foreign, 5), 0, self.density).astype(np.float32)
        scene.limit = threshold(scene.density)
        scene.ink = scene.all_ink = ink_mask(scene.density, scene.limit)
        if not scene.ink.any():
            raise ImageError(NO_INK)
        return scene

    def _forget(self) -> None:
        for name in ("rules", "pieces", "all_pieces", "bare_pieces", "tight", "_bare_steepness"):
            self.__dict__.pop(name, None)

    @cached_property
    def rules(self) -> Rules:
        """What is ruled: lines from side to side, boxes, underlines."""
        return find_rules(self.ink, self.view.outside)

    @cached_property
    def pieces(self) -> Regions:
        """The pieces of ink, without what is surely ruled."""
        return Regions.of(self.rules.rest) if self.rules.rest is not self.ink else self.all_pieces

    @cached_property
    def all_pieces(self) -> Regions:
        """The pieces of ink, rules among them."""
        return Regions.of(self.ink)

    @cached_property
    def bare_pieces(self) -> Regions:
        """The pieces of ink, without underlines."""
        bare = self.rules.bare
        return self.pieces if bare is self.rules.rest else Regions.of(bare)

    @cached_property
    def tight(self) -> bool:
        """Whether it is cropped so tightly that the rules may be the digit's own strokes."""
        if self.rules.certain:
            return False
        touching = self.touching(self.pieces)
        return bool(touching[next(possible_digits(self.pieces, touching))].any())

    def touching(self, pieces: Regions) -> NDArray[np.bool_]:
        """Which pieces touch the edge of the paper."""
        if self.view.rim is None:
            return pieces.touching
        touching = np.zeros(len(pieces.area) + 1, np.bool_)
        touching[pieces.labels[self.view.rim]] = True
        return touching[1:] | pieces.touching

    def softness(self, mask_of: Callable[[Box], Mask], box: Box) -> float:
        """Share of a mark's outline that is soft, as the edges of light and shadow are.

        The parameters are those of `sharpness`.
        """
        rows, columns = (slice(max(0, part.start - NEAR), part.stop + NEAR) for part in box)
        mask = mask_of((rows, columns))
        outline = mask & ~erode(mask, 3)
        if not outline.any():  # it fills the picture
            return 0.0
        steep = slope(blur(self.view.values[rows, columns], 3))
        steepest = dilate(steep.astype(np.float32), 2 * NEAR + 1)[outline]
        return float((steepest < SOFT * quantile(steepest, TYPICAL)).mean())

    @cached_property
    def _bare_steepness(self) -> list[float]:
        """How steeply the brightness changes on bare paper, in each of the two views."""
        near = dilate(self.ink, 5)
        if self.view.outside is not None:
            near |= self.view.outside
        bare = ~near
        found = bare.any()
        return [float(steep[bare].mean()) if found else 0.0 for steep in self.view.steepness]

    def sharpness(self, mask_of: Callable[[Box], Mask], box: Box) -> tuple[float, float]:
        """How abruptly a mark ends.

        Strokes stand out from the paper: around them it is much paler, and their outline is far
        steeper than bare paper is rough. That of a shadow, of a cloud and of noise is not.

        Parameters
        ----------
        mask_of : callable
            Gives the mark's mask within a box.
        box : tuple of slice
            Rows and columns of the mark.

        Returns
        -------
        sharpness : float
            Steepness along the outline as a multiple of that on bare paper.
        halo : float
            Density of the paper close to the mark, as a share of the mark's own.
        """
        reach = 2 * max(1, round(0.02 * max(self.ink.shape))) + 1
        rows, columns = box
        around = (
            slice(max(0, rows.start - reach), rows.stop + reach),
            slice(max(0, columns.start - reach), columns.stop + reach),
        )
        mask = mask_of(around)
        outline = dilate(mask, 3) & ~erode(mask, 3)
        sharpest = 1e3
        if outline.any():
            sharpest = max(
                float(steep[around][outline].mean()) / max(bare, 1e-6)
                for steep, bare in zip(self.view.steepness, self._bare_steepness, strict=True)
            )
        close = dilate(mask, reach) & ~self.all_ink[around]
        if self.sheet is not None:
            close &= self.sheet.inside[around]
        density = self.density[around]
        halo = float(density[close].mean() / density[mask].mean()) if close.any() else 0.0
        return sharpest, halo
