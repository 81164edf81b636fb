"""How likely it is that a part of a scene is the digit that was meant.

The network that reads digits knows nothing else, and is sure of many things that are none: a sheet
of paper, a circle, a shadow. What tells those from digits is partly their shape, partly where they
lie and what is around them; three small networks learned it from digits drawn into scenes
(tools/likeness_network.py). Of what is likely, though, it tells what can be read from what cannot.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digitcli.model.input import as_pixels
from digitcli.model.modelfile import load_model
from digitcli.reading.look import Look
from digitcli.seeing.grouping import HELD
from digitcli.seeing.ink import FAINT, continued, may_be_ink, noise, sharpened
from digitcli.seeing.morphology import Float32Array, dilate, euler_number

SIDE = 20
"""Pixels of the image of a look."""
NEARBY = 0.2
"""Ink that is not taken for the digit's counts as near up to this share of its size."""
ROOM_FOR_PALE_INK = 64
"""In smaller pictures the edges of all strokes are pale."""
COARSE = 48
"""Longer side of the reduced look, at least, on which pale ink is sought."""
AWAY = 0.005
"""Hairlines lead away from a digit where more than this share of it lies further than a pixel."""
ON_ITS_SIDE = 0.1
"""A digit that is read on its side is as legible as this, at most."""
WITHIN = 5.0
"""Bounds of the features."""


def features(look: Look) -> Float32Array:
    """What tells digits from other marks, shape (SIDE² + n,): an image, then numbers."""
    return np.concatenate([_image(look).ravel(), _numbers(look)]).astype(np.float32)


def _image(look: Look) -> Float32Array:
    """Scale the digit to a longer side of SIDE pixels, in the middle of SIDE×SIDE."""
    box = look.box
    own = np.where(look.mask(box), look.scene.density[box], 0).astype(np.float32)
    height, width = own.shape
    scale = SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = np.asarray(Image.fromarray(own).resize(size, Image.Resampling.BOX))
    image = np.zeros((SIDE, SIDE), np.float32)
    top, left = (SIDE - size[1]) // 2, (SIDE - size[0]) // 2
    image[top : top + size[1], left : left + size[0]] = small / max(float(small.max()), 1e-3)
    return image


def _numbers(look: Look) -> Float32Array:
    scene, pieces, chosen = look.scene, look.pieces, look.chosen
    rows, columns = look.box
    height, width = scene.ink.shape
    tall, wide = rows.stop - rows.start, columns.stop - columns.start
    size = look.size
    area = float(look.area)
    others = ~chosen
    sizes = pieces.size
    inside = (
        (pieces.top >= rows.start)
        & (pieces.left >= columns.start)
        & (pieces.bottom <= rows.stop)
        & (pieces.right <= columns.stop)
    )
    largest = float(sizes[others].max(initial=0)) / size
    sharpness, halo = scene.sharpness(look.mask, look.box)
    sheet = scene.sheet
    longest = max(scene.picture.shape[:2])
    sides = (
        float(rows.start == 0)
        + float(columns.start == 0)
        + float(rows.stop == height)
        + float(columns.stop == width)
    )
    across = abs((rows.start + rows.stop) / height - 1)
    along = abs((columns.start + columns.stop) / width - 1)
    own = look.mask((rows, columns))
    within = float(np.count_nonzero(scene.all_ink[rows, columns] & ~own))
    nearby = _nearby(look)
    around = float(np.count_nonzero(scene.all_ink[nearby])) - area
    own_touching = scene.touching(pieces)[chosen]
    values = [
        np.log(tall / height),
        np.log(wide / width),
        np.log(size / longest),
        across,
        along,
        max(across, along),
        sides,
        float(own_touching.any()),
        area / max(1.0, float(pieces.area.sum())),
        area / max(1.0, float(scene.all_pieces.area.sum())),
        min(within / area, 2.0) * 2,
        min(around / area, 2.0) * 2,
        min(pale_ink_around(look), 2.0) * 2,
        np.log(np.count_nonzero(chosen)),
        min(largest, 4.0),
        min(float(np.count_nonzero(sizes[others] >= 0.5 * size)), 6.0) / 2,
        float((others & inside & (sizes >= HELD * size)).any()),
        np.log(tall / wide),
        area / (tall * wide),
        area / size**2 * 4,
        np.log(max(sharpness, 0.1)),
        halo * 2,
        2 * float(scene.density[rows, columns][own].mean()),
        2 * scene.limit,
        scene.evidence if scene.dark else -scene.evidence,
        float((scene.evidence < 0) == scene.dark),
        float(sheet is not None),
        1.0 if sheet is None else float(sheet.share),
        1.0 if sheet is None else float(sheet.smooth),
        0.0 if sheet is None else float(sheet.sides),
        float(scene.pieces is not scene.all_pieces),
        float(pieces is not scene.all_pieces),
        float(pieces is scene.bare_pieces),
        float(scene.rules.certain),
        float(scene.widest is not None),
        float(scene.weight in ("faint", "fine")),
        float(scene.weight == "heavy"),
        float(scene.by_one_pen),
        np.log(longest / 100),
        np.log(size / 30),
        float(look.rank > 0),
        look.strokes,
    ]
    return np.clip(np.array(values, np.float32), -WITHIN, WITHIN)


def _nearby(look: Look) -> tuple[slice, slice]:
    """Rows and columns of the digit and what is near it."""
    reach = round(NEARBY * look.size)
    rows, columns = look.box
    return (
        slice(max(0, rows.start - reach), rows.stop + reach),
        slice(max(0, columns.start - reach), columns.stop + reach),
    )


def pale_ink_around(look: Look) -> float:
    """How much pale ink continues the digit that is not taken for ink, as a share of the digit."""
    scene = look.scene
    if max(scene.picture.shape[:2]) < ROOM_FOR_PALE_INK:
        return 0.0
    nearby = _nearby(look)
    own = look.mask(nearby)
    factor = max(1, max(own.shape) // COARSE)
    density = np.asarray(Image.fromarray(scene.density[nearby]).reduce(factor))
    taken, ours = (
        np.asarray(Image.fromarray(mask.view(np.uint8) * 255).reduce(factor)) > 0
        for mask in (scene.all_ink[nearby], own)
    )
    pale = continued(may_be_ink(density, scene.limit, 3) | ours, ours) & ~taken
    return int(np.count_nonzero(pale)) / max(1, int(np.count_nonzero(ours)))


def has_hairlines(look: Look) -> bool:
    """Whether lines finer than a pixel lead away from a digit, join its parts, or close a loop."""
    scene = look.scene
    nearby = _nearby(look)
    sharper = sharpened(scene.density[nearby], scene.limit, noise(scene.density))
    light = sharper > FAINT * scene.limit
    taken = scene.all_ink[nearby]
    if not (light & ~taken).any():
        return False
    own = look.mask(nearby)
    fine = continued(light | own, own) & ~taken
    if not fine.any():
        return False
    away = int(np.count_nonzero(fine & ~dilate(own, 3)))
    return away > AWAY * int(np.count_nonzero(own)) or euler_number(own | fine) < euler_number(own)


def likeness(looks: list[Look]) -> Float32Array:
    """Return how probable it is that each look is at the digit that was meant, shape (n,)."""
    inputs = np.stack([features(look) for look in looks])
    odds = np.zeros(len(looks), np.float32)
    for *hidden, (weight, bias) in _members():
        values = inputs
        for inner_weight, inner_bias in hidden:
            values = np.maximum(values @ inner_weight + inner_bias, 0)
        odds += (values @ weight + bias)[:, 0] / np.float32(len(_members()))
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -30, 30))), np.float32)


def legibility(look: Look) -> float:
    """How well a digit can be read, 0 to 1: how sure the shipped network is of it.

    The probability that it is a digit, times the root of that of the likeliest one; a tenth of that
    if it is read best on its side.
    """
    upright = _legible(look.form[None])[0]
    if upright >= ON_ITS_SIDE:
        return float(upright)
    turned = np.stack([np.rot90(look.form, turns) for turns in (1, 3)])
    return float(max(upright, ON_ITS_SIDE * _legible(turned).max()))


def _legible(images: NDArray[np.uint8]) -> Float32Array:
    network = load_model().members[0]
    probabilities, is_digit = network.answers(as_pixels(images))
    return np.asarray(is_digit * np.sqrt(probabilities.max(axis=1)), np.float32)


SIZES = (SIDE * SIDE + 42, 160, 48, 1)
"""Inputs, hidden units and output of a network."""


@cache
def _members() -> list[list[tuple[Float32Array, Float32Array]]]:
    """Weights and biases of each layer of each network, whose log-odds are averaged."""
    with Path(__file__).with_name("likeness.npy").open("rb") as file:
        stored = np.load(file).astype(np.float32)
    members = []
    for numbers in stored:
        layers, start = [], 0
        for before, after in pairwise(SIZES):
            end = start + before * after
            layers.append((numbers[start:end].reshape(before, after), numbers[end : end + after]))
            start = end + after
        members.append(layers)
    return members
