"""A scene: a picture seen as ink on paper, step by step."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from digitcli.errors import ImageError
from digitcli.seeing.decode import Picture
from digitcli.seeing.ink import denoise, ink_mask, threshold
from digitcli.seeing.light import (
    border,
    grey,
    ink_density,
    is_even,
    page_polarity_evidence,
    polarity_evidence,
)
from digitcli.seeing.morphology import Float32Array, Mask, blur, dilate, erode
from digitcli.seeing.paper import Sheet
from digitcli.seeing.pieces import Regions
from digitcli.seeing.quantile import median
from digitcli.seeing.rules import Rules, find_rules

FLAT = 4 / 255
"""A picture whose brightness varies by less is blank."""
FAINT = 0.5
"""Faint strokes are this dense, against others."""
LEAST = 3
"""Pixels that a picture of a digit has on each side."""
Box = tuple[slice, slice]
"""Rows and columns."""
NO_INK = "holds no ink; check that the picture shows a digit"


class Scene:
    """A picture, or a sheet in it, seen as ink on paper.

    Parameters
    ----------
    picture : ndarray of uint8, shape (height, width) or (height, width, 3)
    sheet : Sheet, optional
        The part of it that is seen; all of it by default.
    dark : bool, optional
        Whether the ink is darker than the paper; found out by default.
    widest : float, optional
        What is wider than this share of the picture's longer side is shadow, not stroke.
    faint : bool
        Whether ink half as dense as that of most strokes is ink, too.

    Attributes
    ----------
    dark : bool
    evidence : float
        How much speaks for ink brighter than the paper, -2 to 2.
    values : ndarray of float32, shape (height, width)
        Brightness, 0 to 1.
    density : ndarray of float32, shape (height, width)
        0 for paper to 1 for the darkest ink; lighting and polarity evened out.
    limit : float
        The density at which ink begins.
    ink : ndarray of bool, shape (height, width)
        Which pixels are ink.

    Raises
    ------
    ImageError
        If there is no ink.
    """

    def __init__(
        self,
        picture: Picture,
        sheet: Sheet | None = None,
        *,
        dark: bool | None = None,
        widest: float | None = None,
        faint: bool = False,
    ) -> None:
        seen = picture if sheet is None else sheet.picture
        if min(seen.shape[:2]) < LEAST:
            raise ImageError(NO_INK)
        self.picture = picture
        self.sheet = sheet
        self.widest = widest
        values = grey(seen)
        if sheet is None:
            edge = border(values)
        else:
            rim = (
                sheet.inside
                & (erode(np.pad(sheet.inside, 1).astype(np.float32), 3) == 0)[1:-1, 1:-1]
            )
            edge = values[rim]
            values = np.where(sheet.inside, values, np.float32(median(edge)))
            self.rim = rim
        if np.ptp(values) < FLAT:
            raise ImageError(NO_INK)
        self.values = values
        if widest is None or is_even(values, edge, tail=0.1):
            self.evidence = polarity_evidence(values, edge)
        else:
            self.evidence = page_polarity_evidence(values)
        self.dark = self.evidence < 0 if dark is None else dark
        density = ink_density(values, edge, dark=self.dark, widest=widest)
        if sheet is not None:
            density[~sheet.inside] = 0
        self.density = denoise(density)
        self.faint = faint
        self.limit = threshold(self.density) * (FAINT if faint else 1)
        self.ink = ink_mask(self.density, self.limit)
        if not self.ink.any():
            raise ImageError(NO_INK)

    def leave_out(self, foreign: Mask) -> None:
        """Take a part of the ink for none, and see anew where ink begins without it."""
        self.density[dilate(foreign.astype(np.float32), 5) > 0] = 0
        self.limit = threshold(self.density)
        self.ink = ink_mask(self.density, self.limit)
        if not self.ink.any():
            raise ImageError(NO_INK)
        for name in ("rules", "pieces", "all_pieces", "bare_pieces", "_steepness"):
            self.__dict__.pop(name, None)

    @cached_property
    def rules(self) -> Rules:
        """What is ruled: lines from side to side, boxes, underlines."""
        return find_rules(self.ink)

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

    def touching(self, pieces: Regions) -> NDArray[np.bool_]:
        """Which pieces touch the edge of the paper."""
        if self.sheet is None:
            return pieces.touching
        touching = np.zeros(len(pieces.area) + 1, np.bool_)
        touching[pieces.labels[self.rim]] = True
        return touching[1:] | pieces.touching

    @cached_property
    def _steepness(self) -> list[tuple[Float32Array, float]]:
        """How steeply the brightness changes, and how steeply on bare paper.

        In a picture that is grainy and out of focus only a smoothed view tells strokes from
        paper, so there are two.
        """
        near = dilate(self.ink.astype(np.float32), 5) > 0
        if self.sheet is not None:
            near |= dilate((~self.sheet.inside).astype(np.float32), 5) > 0
        bare = ~near
        found = []
        for view in (self.values, blur(self.values, max(self.values.shape) // 40 * 2 + 1)):
            steep = np.hypot(*np.gradient(view)).astype(np.float32)
            found.append((steep, float(steep[bare].mean()) if bare.any() else 0.0))
        return found

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
        solid = mask.astype(np.float32)
        outline = dilate(solid, 3) > erode(solid, 3)
        sharpest = (
            max(
                float(steep[around][outline].mean()) / max(bare, 1e-6)
                for steep, bare in self._steepness
            )
            if outline.any()
            else 1e3
        )
        close = (dilate(solid, reach) > 0) & ~self.ink[around]
        if self.sheet is not None:
            close &= self.sheet.inside[around]
        density = self.density[around]
        halo = float(density[close].mean() / density[mask].mean()) if close.any() else 0.0
        return sharpest, halo
