"""Draw rows of digits as people capture them, to learn from (tools/row_network.py).

A row's ink is written (digitcli.writing.rows) or set from MNIST's digits, then placed in a picture
and given a paper: clean, printed on, coarse, ruled, unevenly lit, blurred.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from digitcli.reading.uncut import HEIGHT, levelled
from digitcli.writing.rows import write_row

Float32Array = NDArray[np.float32]
Rng = np.random.Generator

OF_MNIST, IN_PRINT, DASHES = 0.4, 0.07, 0.015
"""Shares of the rows that are set from MNIST's digits, printed, and nothing but a dash."""
NOTHING = 0.03
"""Share of the pictures in which nothing is written."""
CHUNK = 500
"""Rows that a process writes at once."""
BATCH, TOGETHER = 64, 8
"""Pictures of a batch, and batches that are drawn together."""
WIDEST = 256
"""Wider rows are squeezed to this many pixels."""

Batch = tuple[NDArray[np.float16], NDArray[np.intp], list[str]]
"""Pictures, shape (BATCH, HEIGHT, width), the width of each, and their texts."""


class Base(NamedTuple):
    """The ink of a row, trimmed to it: shape (height, width), 0 for paper to 255; and its text,
    with ``-`` for a minus or a dash and ``.`` for a stop or a comma."""

    ink: NDArray[np.uint8]
    text: str


def all_bases(
    images: NDArray[np.uint8],
    labels: NDArray[np.integer],
    count: int,
    seed: int,
    faces: list[Path],
) -> list[Base]:
    """Write, set and print rows, side by side on all processors."""
    with ProcessPoolExecutor(mp_context=get_context("fork")) as pool:
        work = partial(some_bases, images, labels, faces, seed)
        return [base for chunk in pool.map(work, range(count // CHUNK)) for base in chunk]


def some_bases(
    images: NDArray[np.uint8],
    labels: NDArray[np.integer],
    faces: list[Path],
    seed: int,
    chunk: int,
) -> list[Base]:
    """Write, set and print the rows of a chunk."""
    rng = np.random.default_rng([seed, chunk])
    bases = []
    for number in range(chunk * CHUNK, (chunk + 1) * CHUNK):
        sort = rng.random()
        if sort < OF_MNIST:
            bases.append(set_row(images, labels, rng))
        elif sort < OF_MNIST + IN_PRINT and faces:
            bases.append(printed_row(faces, rng))
        elif sort > 1 - DASHES:
            bases.append(dash(rng))
        else:
            row = write_row(number, seed=seed)
            bases.append(trimmed(np.rint(255 * row.ink).astype(np.uint8), row.signed))
    return bases


def printed_row(faces: list[Path], rng: Rng) -> Base:
    """Print a number of one to six digits, some with a minus or a decimal point."""
    face = ImageFont.truetype(str(faces[int(rng.integers(len(faces)))]), 48)
    text = "".join(map(str, rng.integers(0, 10, int(rng.integers(1, 7))).tolist()))
    if len(text) > 1 and rng.random() < 0.2:
        place = int(rng.integers(1, len(text)))
        text = f"{text[:place]}{rng.choice(['.', ','])}{text[place:]}"
    if rng.random() < 0.15:
        text = str(rng.choice(["-", "\u2013"])) + text
    image = Image.new("L", (40 * len(text) + 80, 110))
    ImageDraw.Draw(image).text((30, 20), text, 255, face)
    return trimmed(np.asarray(image), text.replace(",", ".").replace("\u2013", "-"))


def dash(rng: Rng) -> Base:
    """Draw a dash, with paper above and below it as a digit would need."""
    ink = np.zeros((48, int(rng.integers(14, 70))), np.uint8)
    fall, thick = rng.normal(0, 2), int(rng.integers(2, 6))
    ends = (1, 24 - fall), (ink.shape[1] - 2, 24 + fall)
    image = Image.fromarray(ink)
    ImageDraw.Draw(image).line(ends, 255, thick)
    return Base(np.asarray(image), "-")


def set_row(images: NDArray[np.uint8], labels: NDArray[np.integer], rng: Rng) -> Base:
    """Set digits of MNIST side by side: apart, touching or overlapping, with marks between."""
    signed = ""
    count = int(rng.integers(1, 9)) if rng.random() < 0.9 else int(rng.integers(9, 13))
    chosen = rng.integers(len(images), size=count)
    if rng.random() < 0.2:
        zeros = np.flatnonzero(labels[:10000] == 0)
        chosen[-int(rng.integers(1, count + 1)) :] = rng.choice(zeros)
    usual = rng.choice([-2.5, -1.0, 0.0, 1.5, 4.0, 9.0, 14.0])
    spread = rng.choice([0.7, 2.0])
    ink = np.zeros((56, 46 * count + 80), np.uint8)
    right = 20
    slope = rng.normal(0, 0.01)
    turn, zoom = rng.normal(0, 0.12), rng.uniform(0.85, 1.2)
    uneven = rng.uniform(0.02, 0.12)
    if rng.random() < 0.1:
        middle, long = 28 + int(rng.integers(-3, 6)), int(rng.integers(5, 16))
        ink[middle : middle + int(rng.integers(2, 4)), right : right + long] = 230
        right += long + 2 + int(max(0, usual))
        signed += "-"
    for place, number in enumerate(chosen):
        signed += str(labels[number])
        digit = bent(
            images[number], turn + rng.normal(0, 0.05), zoom * np.exp(rng.normal(0, uneven))
        )
        rows, columns = np.flatnonzero(digit.any(1)), np.flatnonzero(digit.any(0))
        digit = digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        digit = digit[:40, :40]
        top = int(28 + slope * right + rng.normal(0, 10 * uneven + 0.4) - digit.shape[0] / 2)
        top = min(max(0, top), 56 - digit.shape[0])
        gap = usual + rng.normal(0, spread) + (10 if rng.random() < 0.04 else 0)
        left = max(0, right + round(gap)) if place else right
        part = ink[top : top + digit.shape[0], left : left + digit.shape[1]]
        np.maximum(part, digit[: part.shape[0], : part.shape[1]], out=part)
        right = max(right - 4, left + digit.shape[1])
        if place < count - 1 and rng.random() < 0.08:
            low = int(min(50, top + digit.shape[0] - 2))
            long = int(rng.integers(2, 6))
            thick = int(rng.integers(2, 4))
            ink[low : low + long, right + 2 : right + 2 + thick] = 230
            right += 3 + thick
            signed += "."
    if rng.random() < 0.15:
        middle = 28 + int(rng.integers(-4, 8))
        ink[middle : middle + 2, right + 3 : right + 3 + int(rng.integers(5, 24))] = 230
        signed += "-"
    return trimmed(ink, signed)


def bent(image: NDArray[np.uint8], turn: float, zoom: float) -> NDArray[np.uint8]:
    """Turn and scale a digit about the middle of 40×40 pixels."""
    cosine, sine = np.cos(turn) / zoom, np.sin(turn) / zoom
    affine = (
        *(cosine, sine, 14 - 20 * (cosine + sine)),
        *(-sine, cosine, 14 - 20 * (cosine - sine)),
    )
    drawn = Image.fromarray(image).transform(
        (40, 40), Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR
    )
    pixels = np.array(drawn)
    pixels[pixels < 40] = 0
    return pixels


def trimmed(ink: NDArray[np.uint8], text: str) -> Base:
    """Trim a row to its ink."""
    rows, columns = np.flatnonzero((ink > 60).any(1)), np.flatnonzero((ink > 60).any(0))
    return Base(ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy(), text)


def pictures(bases: list[Base], seed: int, number: int) -> list[Batch]:
    """Draw TOGETHER batches at once, each of rows about as long as each other."""
    rng = np.random.default_rng([seed, 1, number])
    drawn = []
    for _ in range(BATCH * TOGETHER):
        base, other = (bases[place] for place in rng.integers(len(bases), size=2))
        if rng.random() < NOTHING:
            base = Base(np.zeros_like(base.ink), "")
        drawn.append((levelled(picture(base, other, rng)), base.text))
    drawn.sort(key=lambda row: row[0].shape[1])
    batches = []
    for start in rng.permutation(TOGETHER) * BATCH:
        rows = drawn[start : start + BATCH]
        widths = np.array([image.shape[1] for image, _ in rows])
        together = np.zeros((BATCH, HEIGHT, widths.max()), np.float16)
        for place, (image, _) in enumerate(rows):
            together[place, :, : image.shape[1]] = image
        batches.append((together, widths, [text for _, text in rows]))
    return batches


def picture(base: Base, other: Base, rng: Rng) -> Float32Array:
    """Capture a row: darkness, shape (HEIGHT, width)."""
    ink = placed(base, rng)
    shape = ink.shape
    beyond = outside(ink, rng)
    if rng.random() < 0.12 and base.text:
        ink = np.maximum(ink, neighbour(other, shape, rng))
    if rng.random() < 0.25:
        return scanned(ink, rng)
    strength = rng.uniform(0.25, 0.95)
    dark = strength * on_paper(shape, rng)
    dark = 1 - (1 - dark) * (1 - rules(shape, rng))
    dark = 1 - (1 - dark) * (1 - strength * ink)
    dark = np.where(beyond, rng.uniform(-0.1, 0.95), dark).astype(np.float32)
    return developed(dark, strength, rng)


def placed(base: Base, rng: Rng) -> Float32Array:
    """Place a row in a picture of HEIGHT pixels: slanted, tilted, stretched, perhaps cut close."""
    ink = Image.fromarray(base.ink)
    pen = rng.random()
    if pen < 0.12 and base.ink.shape[0] > 24:
        ink = ink.filter(ImageFilter.MaxFilter(3))
    elif pen < 0.17 and base.ink.shape[0] > 40:
        ink = ink.filter(ImageFilter.MinFilter(3))
    share = rng.uniform(0.5, 1.06)
    scale = share * HEIGHT / ink.height
    across = scale * np.exp(rng.normal(0.0, 0.15))
    if scale < 0.6:
        factor = max(1, round(0.8 / scale))
        ink = ink.reduce(factor) if factor > 1 else ink
        scale, across = scale * factor, across * factor
    shear = rng.normal(0, 0.18)
    slope = rng.normal(0, 0.02)
    lean = abs(shear) * share * HEIGHT
    before, after = rng.uniform(-0.03, 0.7, 2) * HEIGHT
    width = int(max(16, ink.width * across + lean + before + after))
    if width > WIDEST:
        across *= WIDEST / width
        width = WIDEST
    free = HEIGHT * (1 - share)
    low, high = min(-1.0, free + 1), max(-1.0, free + 1)
    middle_x = before + (ink.width * across + lean) / 2
    middle_y = rng.uniform(low, high) + share * HEIGHT / 2
    # from the picture to the ink: x' - x0 = (x - mx + shear·(y - my)) / across, and so on
    matrix = (
        *(1 / across, shear / across, ink.width / 2 - (middle_x + shear * middle_y) / across),
        *(-slope / scale, 1 / scale, ink.height / 2 - (middle_y - slope * middle_x) / scale),
    )
    drawn = ink.transform(
        (width, HEIGHT), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR
    )
    return np.asarray(drawn, np.float32) / 255


def neighbour(other: Base, shape: tuple[int, ...], rng: Rng) -> Float32Array:
    """What enters from the row above or below."""
    height = int(HEIGHT * rng.uniform(0.5, 0.9))
    width = max(8, round(other.ink.shape[1] * height / other.ink.shape[0]))
    image = np.asarray(Image.fromarray(other.ink).resize((width, height)), np.float32) / 255
    ink = np.zeros(shape, np.float32)
    reach = int(rng.integers(2, 8))
    left = int(rng.integers(-width // 2, shape[1]))
    columns = slice(max(0, left), min(shape[1], left + width))
    within = slice(columns.start - left, columns.stop - left)
    if rng.random() < 0.5:
        ink[HEIGHT - reach :, columns] = image[:reach, within]
    else:
        ink[:reach, columns] = image[-reach:, within]
    return ink


def outside(ink: Float32Array, rng: Rng) -> NDArray[np.bool_]:
    """What lies beyond an edge of the paper: a table, a frame, another sheet."""
    height, width = ink.shape
    beyond = np.zeros(ink.shape, np.bool_)
    if rng.random() >= 0.2:
        return beyond
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    rows, columns = np.flatnonzero((ink > 0.3).any(1)), np.flatnonzero((ink > 0.3).any(0))
    if not len(rows):
        return beyond
    lean, free = rng.normal(0, 0.05), rng.uniform(0.5, 6)
    for side in rng.permutation(4)[: int(rng.integers(1, 3))]:
        if side == 0:
            beyond |= x - lean * y < columns[0] - free
        elif side == 1:
            beyond |= x - lean * y > columns[-1] + free
        elif side == 2:
            beyond |= y - lean * (x - width / 2) < rows[0] - free
        else:
            beyond |= y - lean * (x - width / 2) > rows[-1] + free
    return beyond & (ink < 0.3)


def scanned(ink: Float32Array, rng: Rng) -> Float32Array:
    """Clean: a drawing, a bitmap, a fax."""
    dark = ink.copy()
    kind = rng.random()
    if kind < 0.3:
        dark = (dark > rng.uniform(0.3, 0.6)).astype(np.float32)
    elif kind < 0.5:
        dark = np.clip(dark * rng.uniform(1, 2), 0, 1)
    if rng.random() < 0.3:
        dark = np.maximum(dark, rules(ink.shape, rng))
    if rng.random() < 0.15:
        specks = rng.random(ink.shape) < rng.uniform(0, 0.01)
        dark[specks] = rng.uniform(0.3, 1)
    return dark


def rules(shape: tuple[int, ...], rng: Rng) -> Float32Array:
    """Lines below, above and beside the digits; frames, boxes and combs."""
    height, width = shape
    lines = np.zeros(shape, np.float32)
    if rng.random() < 0.55:
        return lines
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    slope, thick = rng.normal(0, 0.01), rng.uniform(0.5, 2.2)
    level = height * rng.uniform(0.7, 1.02)
    strength = rng.uniform(0.3, 1)
    sort = rng.random()

    def line(distance: Float32Array) -> Float32Array:
        return strength * np.clip(thick / 2 + 0.5 - np.abs(distance), 0, 1)

    lines = line(y - level - slope * x)
    if rng.random() < 0.35:
        lines = np.maximum(lines, line(y - height * rng.uniform(-0.02, 0.2) - slope * x))
    if sort < 0.2:  # sides of a frame
        lines = np.maximum(lines, line(x - width * rng.uniform(0, 0.03)))
        if rng.random() < 0.6:
            lines = np.maximum(lines, line(x - width * rng.uniform(0.97, 1)))
    elif sort < 0.35:  # squares or a comb
        pitch = rng.uniform(0.25, 1.1) * height
        upright = line((x - rng.uniform(0, pitch)) % pitch - pitch / 2)
        if rng.random() < 0.4:
            upright *= y > height * rng.uniform(0.5, 0.8)
        else:
            lines = np.maximum(lines, line((y - rng.uniform(0, pitch)) % pitch - pitch / 2))
        lines = np.maximum(lines, 0.8 * upright)
    elif sort < 0.4:
        lines *= (x % rng.uniform(3, 7)) < rng.uniform(1.5, 3)
    return lines


def on_paper(shape: tuple[int, ...], rng: Rng) -> Float32Array:
    """Darkness of paper: plain, printed on, or coarse; 0 to 1."""
    height, width = shape
    dark = np.zeros(shape, np.float32)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    sort = rng.random()
    if sort < 0.5:
        layers = int(rng.integers(1, 4))
        strength = rng.uniform(0.05, 0.75) / np.sqrt(layers)
        for _ in range(layers):
            dark += strength * rng.uniform(0.4, 1) * waves(y, x, rng)
    elif sort < 0.65:  # cloth, recycled paper, wood
        grain = rng.normal(0, 1, (height, width))
        stretch = rng.uniform(0.3, 2, 2) * rng.choice([1, 1, 6])
        coarse = np.clip(128 + 40 * grain, 0, 255).astype(np.uint8)
        blur = ImageFilter.GaussianBlur((float(stretch[0]), float(rng.uniform(0.3, 2))))
        soft = np.asarray(Image.fromarray(coarse).filter(blur), np.float32) - 128
        dark += rng.uniform(0.03, 0.25) * np.clip(soft / (soft.std() + 1e-6), -1, 2)
    elif sort < 0.7:  # dots
        pitch = rng.uniform(1.8, 6)
        dark += rng.uniform(0.05, 0.5) * (
            (np.cos(6.28 * x / pitch) + np.cos(6.28 * y / pitch)) > 0.8
        )
    if rng.random() < 0.4:
        angle = rng.uniform(0, 2 * np.pi)
        dark += rng.uniform(0, 0.3) * (
            0.5 + 0.5 * (np.cos(angle) * x / width + np.sin(angle) * y / height)
        )
    if rng.random() < 0.12:
        edge = rng.uniform(0, width) + rng.normal(0, 1) * y
        side = x > edge if rng.random() < 0.5 else x < edge
        dark += rng.uniform(0.05, 0.5) * side
    return np.clip(dark, -0.2, 0.8)


def waves(y: Float32Array, x: Float32Array, rng: Rng) -> Float32Array:
    """Fine wavy lines, as security print and guilloche have them; 0 to 1."""
    angle = rng.normal(0, 0.6) if rng.random() < 0.8 else rng.uniform(0, 3.2)
    period = rng.uniform(1.8, 8)
    across = y * np.cos(angle) + x * np.sin(angle)
    along = x * np.cos(angle) - y * np.sin(angle)
    bow = rng.uniform(0, 1.5) * period * np.sin(along / rng.uniform(3, 40) + rng.uniform(0, 7))
    if rng.random() < 0.3:
        bow = bow + rng.uniform(0, 0.02) * along**2 / 4
    lines = np.cos(2 * np.pi * (across + bow) / period)
    return np.clip(0.5 + rng.uniform(0.7, 3) * (lines - rng.uniform(0, 0.8)), 0, 1).astype(
        np.float32
    )


def developed(dark: Float32Array, strength: float, rng: Rng) -> Float32Array:
    """Coarse pixels, blur and noise."""
    image = Image.fromarray(
        np.clip(255 * (1 - np.clip(dark, -0.1, 1) * 0.9), 0, 255).astype(np.uint8)
    )
    if rng.random() < 0.25:
        least = rng.uniform(0.55, 0.95)
        small = max(4, round(image.width * least)), max(4, round(image.height * least))
        image = image.resize(small, Image.Resampling.BOX).resize(
            image.size, Image.Resampling.BICUBIC
        )
    if rng.random() < 0.7:
        image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 0.9))))
    light = np.asarray(image, np.float32) / 255
    if rng.random() < 0.6:
        light = light + rng.normal(0, rng.uniform(0, 0.12) * strength, light.shape)
    return np.asarray(1 - np.clip(light, 0, 1), np.float32)
