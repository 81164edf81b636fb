"""A picture, or a sheet in it, in grey: what all ways of seeing its ink start from."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from digitcli.seeing.decode import Picture
from digitcli.seeing.light import (
    PAPER_SIDE,
    border,
    brightness,
    grey,
    is_even,
    page_polarity_evidence,
    polarity_evidence,
    sharp_edges,
)
from digitcli.seeing.morphology import Float32Array, Mask, blur, dilate, erode, slope
from digitcli.seeing.paper import Sheet
from digitcli.seeing.quantile import median


class View:
    """A picture, or a sheet in it, in grey.

    Parameters
    ----------
    picture : ndarray of uint8, shape (height, width) or (height, width, 3)
    sheet : Sheet, optional
        The part of it that is seen; all of it by default.

    Attributes
    ----------
    values : ndarray of float32, shape (height, width)
        Brightness, 0 to 1.
    edge : ndarray of float32, shape (n,)
        The values at the edge of the paper.
    rim : ndarray of bool, shape (height, width), or None
        Where the edge of the sheet is.
    """

    def __init__(self, picture: Picture, sheet: Sheet | None = None) -> None:
        self.picture = picture
        self.sheet = sheet
        values = grey(picture if sheet is None else sheet.picture)
        self.rim: Mask | None = None
        if sheet is None:
            self.edge = border(values)
        else:
            self.rim = sheet.inside & ~erode(np.pad(sheet.inside, 1), 3)[1:-1, 1:-1]
            self.edge = values[self.rim]
            values = np.where(sheet.inside, values, np.float32(median(self.edge)))
        self.values = values
        self._lights: dict[tuple[bool, float | None, int], Float32Array] = {}

    def seen(self, dark: bool) -> Float32Array:
        """Return the brightness, 0 to 1, turned over if its ink is not dark."""
        return self.values if dark else 1 - self.values

    def light(
        self, dark: bool, widest: float | None = None, side: int = PAPER_SIDE
    ) -> Float32Array:
        """Return the brightness that `seen` has or would have without ink.

        `widest` and `side` are as for `digitcli.seeing.light.brightness`.
        """
        wanted = dark, widest, side
        if wanted not in self._lights:
            edge = self.edge if dark else 1 - self.edge
            self._lights[wanted] = brightness(self.seen(dark), edge, widest, side)
        return self._lights[wanted]

    @cached_property
    def is_even(self) -> bool:
        """Whether the paper is evenly lit."""
        return is_even(self.values, self.edge, tail=0.1)

    @cached_property
    def evidence(self) -> float:
        """How much speaks for a digit brighter than its paper, -2 to 2."""
        return polarity_evidence(self.values, self.edge)

    @cached_property
    def page_evidence(self) -> float:
        """How much speaks for writing brighter than its page, -1 to 1."""
        return page_polarity_evidence(self.values)

    @cached_property
    def steepness(self) -> tuple[Float32Array, ...]:
        """How steeply the brightness changes.

        In a picture that is grainy and out of focus only a smoothed view tells strokes from
        paper, so there are two.
        """
        smooth = blur(self.values, max(self.values.shape) // 40 * 2 + 1)
        return slope(self.values), slope(smooth)

    @cached_property
    def sharp(self) -> Mask:
        """Where the brightness changes steeply, in a reduced view."""
        return sharp_edges(self.values)

    @cached_property
    def outside(self) -> Mask | None:
        """What is not, or hardly, on the sheet."""
        return None if self.sheet is None else dilate(~self.sheet.inside, 5)
