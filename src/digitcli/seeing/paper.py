"""Where the paper is: smooth surfaces in a picture, with marks on them and edges around them.

A sheet on a table, a note on a board, the page inside a scanner's border, the window of a plot, a
cell of a table and the inside of a drawn circle are all of this kind: brightness hardly changes
within, changes abruptly at the edge, and something is written inside.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from digitcli.seeing.decode import Picture
from digitcli.seeing.light import shrink
from digitcli.seeing.morphology import Float32Array, Mask, erode, label
from digitcli.seeing.quantile import quantile

SIDE = 160
"""Longer side of the reduced picture that surfaces are found on."""
THINNEST = 8
"""In a picture of fewer pixels on its shorter side there is no room for a surface."""
SOFTENED = 96
"""Pictures of at least this side are softened first, so that grain makes no edges."""
EDGES = (0.35, 0.12)
"""An edge is at least this steep against the steepest ones: sheets on tables, sheets on sheets."""
STEEPEST = 0.995
ROUGHNESS = 3.0
"""An edge is steeper than the grain of most of the picture by this factor."""
LEAST, MOST = 0.04, 0.985
"""Shares of the picture that a surface within it covers."""
BITMAP, LEAST_OF_BITMAP = 64, 0.4
"""Smaller pictures are cropped so closely that a surface within covers this share."""
WRITTEN = 0.004
"""Share of a surface that marks on it cover, at least."""
SAME = 0.9
"""Surfaces that overlap by more than this are one."""


class Paper(NamedTuple):
    """A surface that may be the paper.

    Attributes
    ----------
    inside : ndarray of bool, shape (height, width)
        Where it is, with what is written on it, in the picture reduced to `SIDE`.
    smooth : float
        Share of it that is bare.
    """

    inside: Mask
    smooth: float

    @property
    def share(self) -> float:
        """Share of the picture."""
        return float(self.inside.mean())


class Sheet(NamedTuple):
    """A part of a picture with one paper in it.

    Attributes
    ----------
    picture : ndarray of uint8, shape (height, width) or (height, width, 3)
    inside : ndarray of bool, shape (height, width)
        Where the paper is.
    left, top : int
        Where the part begins in the picture.
    share : float
        How much of the picture the paper covers.
    smooth : float
        Share of the paper that is bare.
    sides : int
        How many sides of the picture it reaches.
    """

    picture: Picture
    inside: Mask
    left: int
    top: int
    share: float
    smooth: float
    sides: int


def find_papers(picture: Picture) -> list[Paper]:
    """Find the surfaces within a picture that something is written on, the largest first.

    The picture as a whole is none of them.
    """
    if min(shrink(picture, SIDE).shape[:2]) < THINNEST:
        return []
    steep = steepness(picture)
    grain, steepest = quantile(steep, 0.4), quantile(steep, STEEPEST)
    least = LEAST if max(steep.shape) >= BITMAP else LEAST_OF_BITMAP
    found: list[Paper] = []
    for share in EDGES:
        labels, count = label(steep < max(share * steepest, ROUGHNESS * grain))
        area = np.bincount(labels.ravel(), minlength=count + 1)
        area[0] = 0
        for number in np.flatnonzero(area >= least * steep.size):
            bare = labels == number
            inside = spanned(bare)
            core = erode(inside, 3)
            marks = np.count_nonzero(core & ~bare)
            if inside.mean() <= MOST and marks >= WRITTEN * np.count_nonzero(inside):
                found.append(Paper(inside, np.count_nonzero(bare) / np.count_nonzero(inside)))
    found.sort(key=lambda paper: -paper.share)
    papers: list[Paper] = []
    for paper in found:
        if not any(_overlap(paper.inside, other.inside) > SAME for other in papers):
            papers.append(paper)
    return papers


def steepness(picture: Picture) -> Float32Array:
    """How much the brightness of a colour changes from pixel to pixel, on the reduced picture."""
    small = shrink(picture, SIDE)
    if max(small.shape[:2]) >= SOFTENED:
        small = np.asarray(Image.fromarray(small).filter(ImageFilter.BoxBlur(1)))
    colours = np.atleast_3d(small.astype(np.float32) / np.float32(255))
    down, right = np.gradient(colours, axis=(0, 1))
    return np.asarray(np.hypot(down, right).max(axis=2), np.float32)


def spanned(mask: Mask) -> Mask:
    """All that lies between pixels of a mask, in its row or in its column."""
    along = np.zeros_like(mask)
    for view, result in ((mask, along), (mask.T, along.T)):
        before = np.logical_or.accumulate(view, axis=1)
        after = np.logical_or.accumulate(view[:, ::-1], axis=1)[:, ::-1]
        result |= before & after
    return along


def cut_out(picture: Picture, paper: Paper) -> Sheet:
    """Cut the part of a picture out that holds a paper."""
    height, width = picture.shape[:2]
    mask = Image.fromarray(paper.inside.astype(np.uint8) * 255)
    inside = np.asarray(mask.resize((width, height), Image.Resampling.BILINEAR)) > 127
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    sides = inside[0].any(), inside[-1].any(), inside[:, 0].any(), inside[:, -1].any()
    return Sheet(
        picture[part],
        inside[part],
        int(columns[0]),
        int(rows[0]),
        paper.share,
        paper.smooth,
        sum(map(int, sides)),
    )


def _overlap(one: Mask, other: Mask) -> float:
    return np.count_nonzero(one & other) / np.count_nonzero(one | other)
