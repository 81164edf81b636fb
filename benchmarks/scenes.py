"""Draw MNIST digits as people capture them: photographed, scanned, drawn on screens, on forms.

`draw` makes a picture of one kind of `KINDS` (a digit) or `ROWS` (rows of digits). Everything about
it is drawn at random, within what a person can still read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from io import BytesIO
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from scipy.ndimage import distance_transform_edt, label

UInt8Array = NDArray[np.uint8]
Float32Array = NDArray[np.float32]
Rng = np.random.Generator
Colour = Float32Array
Span = tuple[float, float]
Points = Sequence[tuple[float, float]]

NEIGHBOURS = 4
"""Images a kind of a single digit gets after the digit, for what stands beside or behind it."""


@dataclass(frozen=True)
class Scene:
    """A picture of digits as someone might capture them.

    Attributes
    ----------
    picture : ndarray of uint8, shape (height, width) or (height, width, 3)
    suffix : str
        Of the file that `encode` writes, such as ``".jpg"``.
    quality : int
        Of a JPEG file.
    owner : ndarray of bool, shape (height, width), optional
        The ink of the digits, and of nothing else.
    data : bytes, optional
        The file where its encoding is what the kind is about.
    kind, text : str
        `text` has one line per row.
    """

    picture: UInt8Array
    suffix: str = ".png"
    quality: int = 90
    owner: NDArray[np.bool_] | None = None
    data: bytes | None = None
    kind: str = ""
    text: str = ""

    @property
    def label(self) -> int:
        """The digit of a kind of single digits."""
        return int(self.text)


Drawing = Callable[[Sequence[UInt8Array], Rng], Scene]
KINDS: dict[str, Drawing] = {}
"""Draw the first of the images; the others serve as neighbours."""
ROWS: dict[str, Drawing] = {}
"""Draw all the images; a kind of two rows, one half in each."""
ONLY = {"one-in-box": 1}
"""Kinds for one digit only."""
TWO_ROWS = frozenset({"two-rows"})


def encode(scene: Scene) -> bytes:
    """Return the bytes of the scene's file."""
    if scene.data is not None:
        return scene.data
    return _encoded(Image.fromarray(scene.picture), scene.suffix, quality=scene.quality)


def draw(kind: str, images: UInt8Array, labels: NDArray[np.integer], rng: Rng) -> Scene:
    """Draw a scene of a kind with digits picked at random.

    Parameters
    ----------
    kind : str
        One of `KINDS`, or of `ROWS` after ``"rows/"``.
    images : ndarray of uint8, shape (n, 28, 28)
    labels : ndarray of int, shape (n,)
    rng : Generator
    """
    if kind.startswith("rows/"):
        name = kind.removeprefix("rows/")
        length = 5 if rng.random() < 0.5 else int(rng.integers(3, 9))
        rows = 2 if name in TWO_ROWS else 1
        picked = rng.integers(len(images), size=rows * length)
        for place, number in enumerate(picked):  # a row is written with one pen
            while _path_of(images[number]) is None:
                number = picked[place] = rng.integers(len(images))
        digits = "".join(str(label) for label in labels[picked])
        text = "\n".join(digits[row * length : (row + 1) * length] for row in range(rows))
        return replace(ROWS[name](list(images[picked]), rng), kind=kind, text=text)
    picked = rng.integers(len(images), size=1 + NEIGHBOURS)
    if kind in ONLY:
        picked[0] = rng.choice(np.flatnonzero(labels == ONLY[kind]))
    scene = KINDS[kind](list(images[picked]), rng)
    return replace(scene, kind=kind, text=str(labels[picked[0]]))


def _kind(name: str) -> Callable[[Drawing], Drawing]:
    def register(drawing: Drawing) -> Drawing:
        KINDS[name] = drawing
        return drawing

    return register


def _rows(name: str) -> Callable[[Drawing], Drawing]:
    def register(drawing: Drawing) -> Drawing:
        ROWS[name] = drawing
        return drawing

    return register


def _encoded(image: Image.Image, suffix: str, **options: int) -> bytes:
    file = BytesIO()
    if suffix != ".jpg":
        options.pop("quality", None)
    if suffix == ".png":
        options["compress_level"] = 1
    image.save(file, {".jpg": "JPEG", ".png": "PNG", ".gif": "GIF"}[suffix], **options)
    return file.getvalue()


# Chance


def _span(rng: Rng, span: Span) -> float:
    return float(rng.uniform(*span))


def _chance(rng: Rng, probability: float) -> bool:
    return bool(rng.random() < probability)


def _sign(rng: Rng) -> int:
    return 1 if _chance(rng, 0.5) else -1


def _fog(rng: Rng, height: int, width: int, cells: float, stretch: float = 1.0) -> Float32Array:
    """Smooth noise with about `cells` bumps over the height, drawn out `stretch` times in x."""
    rows = max(2, round(cells) + 1)
    columns = max(2, round(cells * width / height / stretch) + 1)
    small = rng.standard_normal((rows, columns), np.float32)
    large = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(large, np.float32)


def _ramp(rng: Rng, height: int, width: int) -> Float32Array:
    """A slope from -0.5 to 0.5 in any direction."""
    angle = rng.uniform(0, 2 * np.pi)
    y = np.linspace(-0.5, 0.5, height, dtype=np.float32)[:, None]
    x = np.linspace(-0.5, 0.5, width, dtype=np.float32)
    reach = abs(np.cos(angle)) + abs(np.sin(angle))
    return np.float32(np.cos(angle) / reach) * x + np.float32(np.sin(angle) / reach) * y


def _places(height: int, width: int) -> tuple[Float32Array, Float32Array]:
    y = np.arange(height, dtype=np.float32)[:, None]
    x = np.arange(width, dtype=np.float32)[None]
    return y, x


# Colours


def _colour(values: ArrayLike) -> Colour:
    return np.clip(np.asarray(values, np.float32), 0, 255)


def _jittered(rng: Rng, values: ArrayLike, by: float = 12) -> Colour:
    return _colour(np.asarray(values) + rng.uniform(-by, by) + rng.uniform(-by / 2, by / 2, 3))


def _luminance(colour: ArrayLike) -> float:
    return float(np.dot(np.asarray(colour), (0.299, 0.587, 0.114)))


DARK_INKS = [(25, 25, 30), (30, 30, 30), (25, 45, 150), (30, 60, 180), (20, 30, 90), (60, 50, 60)]
BRIGHT_INKS = [
    (190, 25, 35),
    (220, 60, 50),
    (20, 110, 60),
    (40, 140, 60),
    (110, 40, 150),
    (200, 40, 130),
    (215, 110, 20),
    (100, 60, 30),
    (0, 120, 170),
    (30, 50, 160),
]


def _ink_colour(rng: Rng) -> Colour:
    inks = DARK_INKS if _chance(rng, 0.75) else BRIGHT_INKS
    return _jittered(rng, inks[rng.integers(len(inks))], 15)


def _paper_colour(rng: Rng, levels: Span = (195, 252)) -> Colour:
    return _colour(_span(rng, levels) + rng.normal(0, 3, 3))


def _vivid(rng: Rng, value: Span = (0.2, 1.0), saturation: Span = (0.3, 1.0)) -> Colour:
    """Any colour: hue at random, value and saturation within spans."""
    ramp = np.abs((rng.uniform(0, 6) + np.array([0, 4, 2])) % 6 - 3) - 1
    pure = np.clip(ramp, 0, 1)
    return _colour(255 * _span(rng, value) * (1 - _span(rng, saturation) * (1 - pure)))


# Ink


PENS: dict[str, Span] = {
    "ballpoint": (0.015, 0.035),
    "pencil": (0.025, 0.06),
    "fountain": (0.035, 0.08),
    "felt": (0.05, 0.11),
    "marker": (0.09, 0.14),
    "chalk": (0.05, 0.1),
}
"""Width of the strokes as a share of the digit's height."""
FINEST = 1.4
"""Least width of a stroke in pixels."""
STROKE, LOOP = 120, 20
"""Pixels as bright as this are strokes; but a loop is darker than its strokes by this at least."""
FILLED = 0.04
"""Digits of which more than this share is farther from a path than strokes are wide are blots."""


def _thinned(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Thin to lines of one pixel (Zhang, Suen: A fast parallel algorithm, 1984)."""
    mask = np.pad(mask, 1)
    inner = mask[1:-1, 1:-1]
    around = [
        mask[1 + y : mask.shape[0] - 1 + y, 1 + x : mask.shape[1] - 1 + x]
        for y, x in ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))
    ]
    north, east, south, west = around[::2]
    while True:
        before = inner.sum()
        for first in (True, False):
            count = np.sum(around, axis=0, dtype=np.int8)
            ends = [~around[i] & around[(i + 1) % 8] for i in range(8)]
            goes = inner & (count >= 2) & (count <= 6) & (np.sum(ends, axis=0) == 1)
            if first:
                goes &= ~(north & east & south) & ~(east & south & west)
            else:
                goes &= ~(north & east & west) & ~(north & south & west)
            inner[goes] = False
        if inner.sum() == before:
            return inner


def _with_loops(values: Float32Array) -> NDArray[np.bool_]:
    """Return where the strokes are, with their narrow loops open."""
    strokes = values > STROKE
    for level in range(STROKE + 15, 240, 15):
        holes, count = label(values <= level)
        outer = np.unique(np.concatenate([holes[0], holes[-1], holes[:, 0], holes[:, -1]]))
        for number in np.setdiff1d(np.arange(1, count + 1), outer):
            hole = holes == number
            if values[hole].min() < level - LOOP:
                strokes &= ~hole
    return strokes


def _path_of(image: UInt8Array) -> tuple[Float32Array, NDArray[np.intp]] | None:
    """Return the points (x, y) of the pen's path in pixels of the image, and pairs of them.

    None if no path shows the digit, such as an 8 of which a loop is filled.
    """
    zoom = 3
    side = zoom * image.shape[0]
    large = Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)
    strokes = _with_loops(np.asarray(large.filter(ImageFilter.GaussianBlur(0.9)), np.float32))
    path = _thinned(strokes)
    width = np.median(distance_transform_edt(strokes)[path])
    beyond = distance_transform_edt(~path)[strokes] > 1.5 * width + 1
    if beyond.mean() > FILLED:
        return None
    number = np.full((side + 2, side + 2), -1, np.intp)
    y, x = np.nonzero(path)
    number[y + 1, x + 1] = np.arange(len(y))
    pairs = []
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        other = number[y + 1 + down, x + 1 + right]
        joined = other >= 0
        if down and right:
            joined &= (number[y + 1 + down, x + 1] < 0) & (number[y + 1, x + 1 + right] < 0)
        pairs.append(np.stack([np.flatnonzero(joined), other[joined]], axis=1))
    ends = np.concatenate(pairs)
    points = np.stack([x, y], axis=1).astype(np.float64)
    degree = np.bincount(ends.ravel(), minlength=len(points))
    smooth = (degree >= 2)[:, None]
    for _ in range(8):
        total = np.zeros_like(points)
        for axis in range(2):
            values = points[:, axis]
            total[:, axis] = np.bincount(ends[:, 0], values[ends[:, 1]], len(points))
            total[:, axis] += np.bincount(ends[:, 1], values[ends[:, 0]], len(points))
        mean = total / np.maximum(degree, 1)[:, None]
        points = np.where(smooth, (points + mean) / 2, points)
    return ((points + 0.5) / zoom).astype(np.float32), ends


def ink(
    image: UInt8Array,
    rng: Rng,
    height: float,
    pen: str = "any",
    turn: float = 0.0,
    width: float | None = None,
) -> Float32Array:
    """Draw an MNIST digit with a pen.

    Parameters
    ----------
    image : ndarray of uint8, shape (28, 28)
    rng : Generator
    height : float
        Of the digit, in pixels; wide digits become lower.
    pen : str
        One of `PENS`, ``"shape"`` for the strokes as MNIST has them, or ``"any"`` of those that
        leave full strokes. What no pen can draw, such as a filled loop, has its strokes as MNIST
        has them.
    turn : float
        Degrees, counter-clockwise.
    width : float, optional
        Of the pen's strokes in pixels; at random within what is usual for the pen by default.

    Returns
    -------
    ndarray of float32
        How much of each pixel the ink covers, cut to the digit.
    """
    if pen == "any":
        pen = str(rng.choice(["shape", "shape", "shape", "felt", "felt", "fountain", "marker"]))
    bright = image > 60
    rows, columns = np.flatnonzero(bright.any(1)), np.flatnonzero(bright.any(0))
    tall, wide = rows[-1] - rows[0] + 1.0, columns[-1] - columns[0] + 1.0
    scale = float(min(height / tall, 1.15 * height / wide))
    angle = np.radians(turn)
    slant = rng.uniform(-0.12, 0.12)
    squeeze = rng.uniform(0.9, 1.12)
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    forth = rotation @ np.array([[squeeze, -slant], [0, 1]]) * scale
    centre = np.array([(columns[0] + columns[-1] + 1) / 2, (rows[0] + rows[-1] + 1) / 2])
    half = np.abs(forth) @ np.array([wide / 2 + 2.5, tall / 2 + 2.5])
    size = int(np.ceil(2 * half[0])), int(np.ceil(2 * half[1]))
    path = None if pen == "shape" else _path_of(image)
    if path is None:
        covered = _shaped(image, rng, forth, centre, size, scale)
    else:
        width = width or scale * float(tall) * _span(rng, PENS[pen])
        covered = _penned(path, rng, forth, centre, size, width, pen)
    covered = _textured(covered, rng, pen)
    rows = np.flatnonzero((covered > 0.1).any(1))
    columns = np.flatnonzero((covered > 0.1).any(0))
    return covered[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _shaped(
    image: UInt8Array,
    rng: Rng,
    forth: NDArray[np.float64],
    centre: NDArray[np.float64],
    size: tuple[int, int],
    scale: float,
) -> Float32Array:
    back = np.linalg.inv(forth)
    padded = Image.fromarray(np.pad(image, 6))
    shift = centre + 6 - back @ (np.array(size) / 2)
    data = (back[0, 0], back[0, 1], shift[0], back[1, 0], back[1, 1], shift[1])
    large = padded.transform(size, Image.Transform.AFFINE, data, Image.Resampling.BICUBIC)
    large = large.filter(ImageFilter.GaussianBlur(rng.uniform(0.15, 0.4) * scale))
    level = rng.uniform(95, 165)
    steep = 2.2 * scale / 255
    ragged = rng.uniform(0, 14) * _fog(rng, size[1], size[0], 30)
    return np.clip((np.asarray(large, np.float32) + ragged - level) * steep + 0.5, 0, 1)


def _penned(
    path: tuple[Float32Array, NDArray[np.intp]],
    rng: Rng,
    forth: NDArray[np.float64],
    centre: NDArray[np.float64],
    size: tuple[int, int],
    width: float,
    pen: str,
) -> Float32Array:
    points, ends = path
    zoom = 2 if max(size) < 400 else 1
    points = ((points - centre) @ forth.T + np.array(size) / 2) * zoom
    width = max(FINEST, width) * zoom
    along = points[ends[:, 1]] - points[ends[:, 0]] if len(ends) else np.zeros((0, 2))
    pressure = 1 + 0.3 * _fog(rng, 28, 28, 4)
    place = np.clip(points / (np.array(size) * zoom) * 28, 0, 27).astype(np.intp)
    widths = width * np.clip(pressure[place[:, 1], place[:, 0]], 0.6, 1.4)
    if pen == "fountain" and len(ends):
        nib = rng.uniform(0.3, 1.2)
        slope = np.abs(np.sin(np.arctan2(along[:, 1], along[:, 0]) + nib))
        total = np.bincount(ends[:, 0], slope, len(points))
        count = np.maximum(np.bincount(ends[:, 0], minlength=len(points)), 1)
        widths = np.maximum(FINEST * zoom, widths * (0.5 + 0.7 * total / count))
    sheet = Image.new("L", (size[0] * zoom, size[1] * zoom))
    brush = ImageDraw.Draw(sheet)
    for one, other in ends:
        stroke = round(max(1.0, (widths[one] + widths[other]) / 2))
        brush.line([tuple(points[one]), tuple(points[other])], 255, stroke)
    for (x, y), wide in zip(points, widths, strict=True):
        radius = max(0.5, wide / 2 - 0.3)
        brush.ellipse([x - radius, y - radius, x + radius, y + radius], 255)
    sheet = sheet.reduce(2) if zoom == 2 else sheet.filter(ImageFilter.GaussianBlur(0.7))
    return np.asarray(sheet, np.float32) / np.float32(255)


def _textured(covered: Float32Array, rng: Rng, pen: str) -> Float32Array:
    """How a pen's ink lies on paper: full, in grains or in bands."""
    height, width = covered.shape
    if pen == "pencil":
        grains = np.clip(0.75 + 0.45 * _fog(rng, height, width, height / 2.2), 0.15, 1)
        return covered * grains * np.float32(rng.uniform(0.45, 0.9))
    if pen == "chalk":
        grains = np.clip(1.0 + 0.9 * _fog(rng, height, width, height / 2.5), 0.1, 1)
        return covered * grains * np.float32(rng.uniform(0.7, 0.95))
    if pen == "ballpoint":
        density = np.clip(0.95 + 0.12 * _fog(rng, height, width, 12), 0.55, 1)
        return covered * density * np.float32(rng.uniform(0.8, 1))
    if pen in ("fountain", "felt"):
        density = np.clip(0.95 + 0.06 * _fog(rng, height, width, 6), 0.6, 1)
        return covered * density
    return covered


# Canvas


@dataclass
class Canvas:
    """A picture being composed, from 0 to 255, and how much of each pixel is the digits' ink."""

    picture: Float32Array
    owner: Float32Array
    box: tuple[int, int, int, int] = (0, 0, 0, 0)

    @classmethod
    def of(cls, picture: Float32Array) -> Canvas:
        return cls(picture, np.zeros(picture.shape[:2], np.float32))

    @classmethod
    def blank(cls, height: int, width: int, colour: ArrayLike) -> Canvas:
        picture = np.empty((height, width, 3), np.float32)
        picture[:] = colour
        return cls.of(picture)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.owner.shape[0], self.owner.shape[1]

    def lay(
        self,
        covered: Float32Array,
        colour: ArrayLike,
        left: int = 0,
        top: int = 0,
        *,
        owned: bool = False,
    ) -> None:
        """Lay a colour on where it covers; what lies outside the frame is cut off."""
        height, width = self.size
        rows = slice(max(0, top), max(0, min(height, top + covered.shape[0])))
        columns = slice(max(0, left), max(0, min(width, left + covered.shape[1])))
        part = covered[
            rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
        ]
        if not part.size:
            return
        under = self.picture[rows, columns]
        under += part[..., None] * (np.asarray(colour, np.float32) - under)
        if owned:
            np.maximum(self.owner[rows, columns], part, out=self.owner[rows, columns])
        else:
            self.owner[rows, columns] *= 1 - part

    def own(self, part: Float32Array, left: int, top: int) -> None:
        """Say that a part is the digit, however faint it is."""
        height, width = part.shape
        place = self.owner[top : top + height, left : left + width]
        np.maximum(place, part[: place.shape[0], : place.shape[1]], out=place)

    def shine(self, light: Float32Array | float, tint: ArrayLike = (1, 1, 1)) -> None:
        """Multiply by light."""
        if isinstance(light, np.ndarray):
            self.picture *= light[..., None]
        else:
            self.picture *= np.float32(light)
        self.picture *= np.asarray(tint, np.float32)

    def crop(self, left: int, top: int, right: int, bottom: int) -> None:
        height, width = self.size
        left, top = max(0, left), max(0, top)
        right, bottom = min(width, right), min(height, bottom)
        self.picture = self.picture[top:bottom, left:right].copy()
        self.owner = self.owner[top:bottom, left:right].copy()
        self.box = _moved(self.box, -left, -top)

    def pad(self, left: int, top: int, right: int, bottom: int, colour: ArrayLike) -> None:
        """Put a border around."""
        height, width = self.size
        bigger = Canvas.blank(height + top + bottom, width + left + right, colour)
        bigger.picture[top : top + height, left : left + width] = self.picture
        bigger.owner[top : top + height, left : left + width] = self.owner
        self.picture, self.owner = bigger.picture, bigger.owner
        self.box = _moved(self.box, left, top)

    def blur(self, radius: float) -> None:
        if radius > 0.05:
            soft = self.image().filter(ImageFilter.GaussianBlur(radius))
            self.picture = np.asarray(soft, np.float32).copy()

    def resize(
        self, width: int, height: int, how: Image.Resampling = Image.Resampling.BICUBIC
    ) -> None:
        self.picture = np.asarray(self.image().resize((width, height), how), np.float32).copy()
        owner = Image.fromarray(self.owner).resize((width, height), Image.Resampling.BILINEAR)
        self.owner = np.asarray(owner, np.float32).copy()

    def pixels(self) -> UInt8Array:
        return np.clip(self.picture + 0.5, 0, 255).astype(np.uint8)

    def image(self) -> Image.Image:
        return Image.fromarray(self.pixels())

    def mask(self) -> NDArray[np.bool_]:
        return self.owner > 0.35

    def extent(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of the digits' ink."""
        rows, columns = np.flatnonzero(self.mask().any(1)), np.flatnonzero(self.mask().any(0))
        if not len(rows):
            return 0, 0, self.size[1], self.size[0]
        return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1

    def scene(self, suffix: str = ".png", quality: int = 90) -> Scene:
        return Scene(self.pixels(), suffix, quality, self.mask())


def _moved(box: tuple[int, int, int, int], right: int, down: int) -> tuple[int, int, int, int]:
    return box[0] + right, box[1] + down, box[2] + right, box[3] + down


def _size(rng: Rng, heights: Span = (150, 560)) -> tuple[int, int]:
    height = float(np.exp(rng.uniform(*np.log(heights))))
    return round(height), round(min(900.0, height * rng.uniform(0.8, 1.4)))


def _paper(
    rng: Rng,
    size: tuple[int, int] | None = None,
    colour: ArrayLike | None = None,
    grain: Span = (0.5, 4),
) -> Canvas:
    """A sheet, its fibres and its unevenness."""
    height, width = size or _size(rng)
    canvas = Canvas.blank(height, width, _paper_colour(rng) if colour is None else colour)
    fibres = _span(rng, grain) * _fog(rng, height, width, height / rng.uniform(1.5, 4))
    fibres += rng.uniform(0, 2.5) * _fog(rng, height, width, rng.uniform(2, 8))
    canvas.picture += fibres[..., None]
    return canvas


def _write(
    canvas: Canvas,
    image: UInt8Array,
    rng: Rng,
    *,
    pen: str = "any",
    colour: ArrayLike | None = None,
    share: Span = (0.35, 0.75),
    turn: float | None = None,
    margin: float = 0.04,
    inside: tuple[float, float, float, float] = (0, 0, 1, 1),
) -> Float32Array:
    """Write the digit somewhere inside a part of the canvas, and return its ink.

    Parameters
    ----------
    share : pair of float
        The digit's height as a share of the part's shorter side.
    margin : float
        Least distance from the part's rim, as a share of that side.
    inside : four floats
        The part: left, top, right and bottom as shares of the canvas.
    """
    height, width = canvas.size
    left, right = inside[0] * width, inside[2] * width
    top, bottom = inside[1] * height, inside[3] * height
    side = min(right - left, bottom - top)
    rim = margin * side
    turn = rng.normal(0, 4) if turn is None else turn
    drawn = ink(image, rng, _span(rng, share) * side, pen, turn)
    slack_x, slack_y = right - left - drawn.shape[1] - 2 * rim, bottom - top - drawn.shape[0]
    slack_y -= 2 * rim
    x = round(left + rim + (rng.uniform(0, slack_x) if slack_x > 0 else slack_x / 2))
    y = round(top + rim + (rng.uniform(0, slack_y) if slack_y > 0 else slack_y / 2))
    canvas.lay(drawn, _ink_colour(rng) if colour is None else colour, x, y, owned=True)
    canvas.box = x, y, x + drawn.shape[1], y + drawn.shape[0]
    return drawn


def _strokes(
    size: tuple[int, int], lines: Sequence[tuple[Points, float]], blur: float = 0.0
) -> Float32Array:
    """Coverage of lines through points (x, y) of a width in pixels."""
    height, width = size
    zoom = 2 if height * width < 1_000_000 else 1
    sheet = Image.new("L", (width * zoom, height * zoom))
    brush = ImageDraw.Draw(sheet)
    for points, wide in lines:
        stroke = max(1, round(wide * zoom))
        scaled = [(x * zoom, y * zoom) for x, y in points]
        brush.line(scaled, 255, stroke, joint="curve")
    if zoom == 2:
        sheet = sheet.reduce(2)
    if blur:
        sheet = sheet.filter(ImageFilter.GaussianBlur(blur))
    return np.asarray(sheet, np.float32) / np.float32(255)


def _hand_line(
    rng: Rng, start: tuple[float, float], end: tuple[float, float], wobble: float
) -> list[tuple[float, float]]:
    """A line as drawn by hand, off the straight one by up to about `wobble` pixels."""
    steps = np.linspace(0, 1, 24)
    bend = rng.normal(0, 1, 4)
    off = bend[0] * np.sin(np.pi * steps) + 0.5 * bend[1] * np.sin(2 * np.pi * steps)
    off += 0.25 * (bend[2] * np.sin(4 * np.pi * steps) + bend[3] * np.cos(5 * np.pi * steps))
    along = np.array(end) - np.array(start)
    across = np.array([-along[1], along[0]]) / max(1e-6, float(np.hypot(*along)))
    points = np.array(start) + steps[:, None] * along + wobble * off[:, None] * across
    return [(float(x), float(y)) for x, y in points]


@cache
def _font(name: str, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    try:
        return ImageFont.truetype(name, size)
    except OSError:
        return ImageFont.load_default(size)


FONTS = ["", "DejaVuSans.ttf", "DejaVuSerif.ttf", "DejaVuSans-Bold.ttf", "DejaVuSansMono.ttf"]
LETTERS = "ABCDEFGHJKLMNPQRTUVWXYacdefhkmnprtuvwxy"
MARKS = "=+#%&?@"


def _printed(rng: Rng, text: str, height: float) -> Float32Array:
    """Coverage of printed text whose font is `height` pixels."""
    font = _font(FONTS[rng.integers(len(FONTS))], max(6, round(height)))
    left, top, right, bottom = (round(edge) for edge in font.getbbox(text))
    sheet = Image.new("L", (max(1, right - left), max(1, bottom - top)))
    ImageDraw.Draw(sheet).text((-left, -top), text, 255, font)
    return np.asarray(sheet, np.float32) / np.float32(255)


# Camera and scanner


def _grainy(canvas: Canvas, rng: Rng, sigma: float, colour: float = 0.3) -> None:
    height, width = canvas.size
    canvas.picture += np.float32(sigma) * rng.standard_normal((height, width, 1), np.float32)
    if colour and sigma > 1.5:
        noise = rng.standard_normal((height, width, 3), np.float32)
        canvas.picture += np.float32(colour * sigma) * noise


def _photo(
    canvas: Canvas,
    rng: Rng,
    *,
    light: Span = (0, 0.3),
    blur: Span = (0.2, 0.9),
    noise: Span = (0.5, 4),
    quality: Span = (60, 96),
    exposure: Span = (0.8, 1.03),
) -> Scene:
    """Uneven light, a tint, the lens, noise and JPEG."""
    shade = 1 + _span(rng, light) * _ramp(rng, *canvas.size)
    canvas.shine(shade * np.float32(_span(rng, exposure)), 1 + rng.normal(0, 0.025, 3))
    canvas.blur(_span(rng, blur))
    _grainy(canvas, rng, _span(rng, noise))
    return canvas.scene(".jpg", round(_span(rng, quality)))


def _scan(canvas: Canvas, rng: Rng) -> Scene:
    """Even light, hardly any noise, PNG or a good JPEG."""
    canvas.blur(rng.uniform(0.2, 0.7))
    _grainy(canvas, rng, rng.uniform(0, 2), 0)
    if _chance(rng, 0.6):
        return canvas.scene(".png")
    return canvas.scene(".jpg", int(rng.integers(75, 97)))


def _captured(canvas: Canvas, rng: Rng) -> Scene:
    return _photo(canvas, rng) if _chance(rng, 0.7) else _scan(canvas, rng)


def _perspective(source: NDArray[np.float64], target: NDArray[np.float64]) -> list[float]:
    """What `Image.transform` needs to bring four points of a picture to four others."""
    equations, values = [], []
    for (x, y), (u, v) in zip(target, source, strict=True):
        equations += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return [float(value) for value in np.linalg.solve(np.array(equations), np.array(values))]


def _corners(height: float, width: float) -> NDArray[np.float64]:
    return np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64)


def _warp(image: Image.Image, size: tuple[int, int], data: Sequence[float]) -> Float32Array:
    turned = image.transform(
        (size[1], size[0]), Image.Transform.PERSPECTIVE, data, Image.Resampling.BICUBIC
    )
    return np.asarray(turned, np.float32)


def _owner_image(canvas: Canvas) -> Image.Image:
    return Image.fromarray((canvas.owner * 255).astype(np.uint8))


def _tilt(canvas: Canvas, rng: Rng, by: float) -> Canvas:
    """See the middle of a sheet from aslant; the frame shows nothing else."""
    height, width = canvas.size
    corners = _corners(height, width)
    inset = rng.uniform(0.0, by, (4, 2)) * (width, height)
    inwards = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)])
    data = _perspective(corners + inset * inwards, corners)
    owner = _warp(_owner_image(canvas), (height, width), data) / np.float32(255)
    return Canvas(_warp(canvas.image(), (height, width), data).copy(), owner.copy())


def _lying(
    sheet: Canvas,
    ground: Canvas,
    rng: Rng,
    *,
    turn: float,
    aslant: float = 0.05,
    shadow: Span = (0.1, 0.6),
    rounded: float = 0.0,
) -> tuple[Canvas, tuple[int, int, int, int]]:
    """Lay a sheet on a ground, turned by degrees and seen aslant, and return its extent too."""
    height, width = sheet.size
    tall, wide = ground.size
    angle = np.radians(turn)
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    corners = _corners(height, width)
    offsets = (corners - (width / 2, height / 2)) @ rotation.T
    offsets += rng.uniform(-aslant, aslant, (4, 2)) * min(height, width)
    low, high = offsets.min(axis=0), offsets.max(axis=0)
    slack = np.maximum(0, np.array([wide, tall]) - (high - low))
    place = offsets - low + slack * rng.uniform(0.15, 0.85, 2)
    data = _perspective(corners, place)
    card = Image.new("L", (width, height))
    radius = rounded * min(height, width)
    ImageDraw.Draw(card).rounded_rectangle((0, 0, width, height), radius, 255)
    alpha_image = Image.fromarray(
        np.clip(_warp(card, (tall, wide), data), 0, 255).astype(np.uint8)
    ).filter(ImageFilter.GaussianBlur(0.6))
    depth = _span(rng, shadow)
    if depth > 0.02:
        soft = rng.uniform(0.005, 0.03) * min(tall, wide)
        away = rng.uniform(-0.02, 0.02, 2) * min(tall, wide)
        moved = (1, 0, -away[0], 0, 1, -away[1])
        under = alpha_image.transform((wide, tall), Image.Transform.AFFINE, moved)
        under = under.filter(ImageFilter.GaussianBlur(float(max(1.0, soft))))
        ground.shine(1 - np.float32(depth / 255) * np.asarray(under, np.float32))
    alpha = np.asarray(alpha_image, np.float32) / np.float32(255)
    owner = _warp(_owner_image(sheet), (tall, wide), data) / np.float32(255)
    picture = ground.picture
    picture += alpha[..., None] * (_warp(sheet.image(), (tall, wide), data) - picture)
    extent = (*(int(edge) for edge in place.min(axis=0)), *(int(e) for e in place.max(axis=0)))
    return Canvas(picture, owner.copy()), extent


def _table(rng: Rng, size: tuple[int, int], dark: bool) -> Canvas:
    """A table: wood, cloth, stone or a plain board."""
    height, width = size
    sort = rng.integers(6)
    if sort <= 2:
        return _wood(rng, size, dark)
    if sort == 3:
        return _cloth(rng, size, dark)
    base = rng.uniform(15, 80) if dark else rng.uniform(130, 235)
    colour = _colour(base + rng.normal(0, 8, 3))
    if dark and _chance(rng, 0.3):
        colour = _vivid(rng, (0.15, 0.4), (0.3, 0.9))
    canvas = Canvas.blank(height, width, colour)
    speckle = rng.uniform(1, 12) * _fog(rng, height, width, height / rng.uniform(2, 9))
    canvas.picture += (speckle + rng.uniform(2, 10) * _fog(rng, height, width, 4))[..., None]
    return canvas


def _wood(rng: Rng, size: tuple[int, int], dark: bool) -> Canvas:
    height, width = size
    flip = _chance(rng, 0.3)
    tall, wide = (width, height) if flip else (height, width)
    grain = _fog(rng, tall, wide, rng.uniform(12, 30), rng.uniform(8, 25))
    bend = _fog(rng, tall, wide, rng.uniform(2, 4), rng.uniform(2, 5))
    y, _ = _places(tall, wide)
    rings = np.sin(y / tall * rng.uniform(30, 120) + rng.uniform(2, 6) * bend)
    fibre = _fog(rng, tall, wide, tall / 2.5, rng.uniform(10, 30))
    tone = 0.5 * grain + rng.uniform(0.2, 0.6) * rings + 0.35 * fibre
    if _chance(rng, 0.4):
        plank = (y / tall * rng.integers(2, 5) + rng.random()) % 1 < 0.02
        tone = tone - 3 * plank
    if flip:
        tone = tone.T
    if dark:
        base = _jittered(rng, (75, 45, 28), 25)
        swing = rng.uniform(8, 22)
    else:
        base = _jittered(rng, (190, 165, 130) if _chance(rng, 0.6) else (170, 165, 160), 25)
        swing = rng.uniform(5, 18)
    canvas = Canvas.blank(height, width, base)
    canvas.picture *= 1 + tone[..., None] * np.float32(swing / base.mean())
    return canvas


def _cloth(rng: Rng, size: tuple[int, int], dark: bool) -> Canvas:
    """Gingham, stripes or dots."""
    height, width = size
    one = _vivid(rng, (0.15, 0.45) if dark else (0.5, 1.0), (0.1, 0.9))
    other = _vivid(rng, (0.3, 0.7) if dark else (0.7, 1.0), (0.0, 0.7))
    y, x = _places(height, width)
    pitch = min(size) * rng.uniform(0.05, 0.2)
    angle = rng.uniform(-0.4, 0.4)
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    stripes_u, stripes_v = (u / pitch % 1 < 0.5), (v / pitch % 1 < 0.5)
    sort = rng.integers(3)
    if sort == 0:
        pattern = (stripes_u.astype(np.float32) + stripes_v) / 2
    elif sort == 1:
        pattern = stripes_u.astype(np.float32) + np.zeros_like(v)
    else:
        near = (u / pitch % 1 - 0.5) ** 2 + (v / pitch % 1 - 0.5) ** 2
        pattern = np.clip((0.08 - near) * 40, 0, 1)
    canvas = Canvas.blank(height, width, one)
    canvas.lay(np.ascontiguousarray(pattern, np.float32), other)
    weave = rng.uniform(2, 7) * _fog(rng, height, width, height / 2.5)
    canvas.picture += weave[..., None]
    canvas.shine(1 + 0.05 * _fog(rng, height, width, 4))
    return canvas


# Kinds: pens and inks


@_kind("plain")
def _plain(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    canvas = _paper(rng, colour=_paper_colour(rng, (235, 255)), grain=(0, 2))
    _write(canvas, images[0], rng, colour=_jittered(rng, (28, 28, 32)))
    return _scan(canvas, rng)


@_kind("drawing")
def _drawing(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    """Drawn with a program: an even ground and one pen, whose edges are soft or steps."""
    height = float(np.exp(rng.uniform(np.log(60), np.log(650))))
    size = round(height), round(min(900.0, height * np.exp(rng.uniform(-0.7, 0.9))))
    ground, colour = (255, 255, 255), _jittered(rng, (12, 12, 14))
    if _chance(rng, 0.3):
        ground, colour = (0, 0, 0), _paper_colour(rng, (200, 255))
    elif _chance(rng, 0.3):
        ground, colour = tuple(_paper_colour(rng, (215, 255))), _vivid(rng, (0.1, 0.8))
    tall = min(size) * float(np.exp(rng.uniform(np.log(0.2), np.log(0.97))))
    width = tall * float(np.exp(rng.uniform(np.log(0.012), np.log(0.17))))
    canvas = Canvas.blank(*size, ground)
    drawn = ink(images[0], rng, tall, "pen", rng.normal(0, 4), width)
    if _chance(rng, 0.3):
        drawn = (drawn > 0.5).astype(np.float32)
    left, top = (
        round(rng.beta(2, 2) * (side - part))
        for side, part in zip(size[::-1], drawn.shape[::-1], strict=True)
    )
    canvas.lay(drawn, colour, left, top, owned=True)
    if _chance(rng, 0.3):
        return canvas.scene(".jpg", int(rng.integers(60, 97)))
    return canvas.scene()


@_kind("ballpoint")
def _ballpoint(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    canvas = _paper(rng)
    _write(canvas, images[0], rng, pen="ballpoint", share=(0.4, 0.8))
    return _captured(canvas, rng)


@_kind("pencil")
def _pencil(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    canvas = _paper(rng)
    _write(canvas, images[0], rng, pen="pencil", colour=_jittered(rng, (85, 85, 90), 25))
    return _captured(canvas, rng)


@_kind("marker")
def _marker(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    canvas = _paper(rng)
    _write(canvas, images[0], rng, pen="marker")
    return _captured(canvas, rng)


@_kind("fountain-pen")
def _fountain(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    canvas = _paper(rng)
    _write(canvas, images[0], rng, pen="fountain")
    return _captured(canvas, rng)


@_kind("coloured-ink")
def _coloured_ink(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    canvas = _paper(rng)
    _write(canvas, images[0], rng, colour=_jittered(rng, BRIGHT_INKS[rng.integers(10)], 20))
    return _captured(canvas, rng)


@_kind("coloured-paper")
def _coloured_paper(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    canvas = _paper(rng, colour=_vivid(rng, (0.7, 1.0), (0.15, 0.7)))
    _write(canvas, images[0], rng, colour=_jittered(rng, DARK_INKS[rng.integers(6)]))
    return _captured(canvas, rng)


@_kind("low-contrast-ink")
def _low_contrast(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    colour = _paper_colour(rng, (185, 245))
    canvas = _paper(rng, colour=colour, grain=(0.5, 3))
    if _chance(rng, 0.3):
        ink_colour = _jittered(rng, (215, 190, 50), 15)
    elif _chance(rng, 0.3):
        ink_colour = colour * (1 - rng.uniform(0.1, 0.35, 3))
    else:
        ink_colour = colour - rng.uniform(28, 70)
    _write(canvas, images[0], rng, colour=ink_colour, pen=str(rng.choice(["felt", "shape"])))
    return _photo(canvas, rng, light=(0, 0.15), noise=(0.5, 3))


@_kind("equal-luminance")
def _equal_luminance(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    level = rng.uniform(110, 165)
    while True:
        paper, colour = (_vivid(rng, (0.6, 1.0), (0.5, 1.0)) for _ in range(2))
        paper *= level / _luminance(paper)
        colour *= level / _luminance(colour)
        if max(paper.max(), colour.max()) < 250 and np.abs(paper - colour).sum() > 170:
            break
    canvas = _paper(rng, colour=paper, grain=(0.5, 2))
    _write(canvas, images[0], rng, colour=colour)
    return _photo(canvas, rng, light=(0, 0.1), noise=(0.5, 3), quality=(80, 96))


@_kind("broken-strokes")
def _broken(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    """A pen that runs dry: bare bands in the strokes."""
    canvas = _paper(rng)
    bare = Canvas.blank(*canvas.size, 0)
    drawn = _write(bare, images[0], rng, pen=str(rng.choice(["shape", "felt", "marker"])))
    height, width = drawn.shape
    bands = _fog(rng, height, width, rng.uniform(14, 28), rng.uniform(1.5, 5))
    if _chance(rng, 0.4):
        bands = _fog(rng, width, height, rng.uniform(14, 28), rng.uniform(1.5, 5)).T
    kept = np.clip((bands + rng.uniform(0.3, 0.8)) * rng.uniform(2, 6) + 0.5, 0, 1)
    canvas.lay(drawn * kept, _ink_colour(rng), bare.box[0], bare.box[1], owned=True)
    canvas.own(drawn, bare.box[0], bare.box[1])
    return _captured(canvas, rng)


@_kind("faint-joints")
def _faint_joints(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    """A pencil that hardly touches the paper in places."""
    canvas = _paper(rng)
    bare = Canvas.blank(*canvas.size, 0)
    pen = str(rng.choice(["pencil", "ballpoint", "felt", "fountain"]))
    drawn = _write(bare, images[0], rng, pen=pen)
    height, width = drawn.shape
    touch = np.clip(0.85 + 0.8 * _fog(rng, height, width, rng.uniform(3, 6)), 0.15, 1)
    colour = _jittered(rng, (70, 70, 75), 20) if pen == "pencil" else _ink_colour(rng)
    canvas.lay(drawn * touch, colour, bare.box[0], bare.box[1], owned=True)
    canvas.own(drawn, bare.box[0], bare.box[1])
    return _captured(canvas, rng)


@_kind("chalkboard")
def _chalkboard(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    boards = [(35, 75, 55), (40, 45, 45), (25, 30, 35), (50, 60, 55), (30, 60, 70)]
    canvas = _paper(rng, colour=_jittered(rng, boards[rng.integers(5)], 10), grain=(1, 5))
    smear = np.maximum(0, _fog(rng, *canvas.size, rng.uniform(3, 8), rng.uniform(1, 4)))
    canvas.picture += rng.uniform(4, 22) * smear[..., None]
    chalk = _vivid(rng, (0.85, 1.0), (0.0, 0.35)) if _chance(rng, 0.3) else (230, 232, 228)
    _write(canvas, images[0], rng, pen="chalk", colour=chalk)
    return _photo(canvas, rng)


@_kind("white-on-black")
def _white_on_black(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    canvas = _paper(rng, colour=_paper_colour(rng, (3, 45)), grain=(0, 2))
    _write(canvas, images[0], rng, colour=_paper_colour(rng, (190, 255)))
    return _captured(canvas, rng)


# Kinds: paper and what is on it


def _horizontals(
    rng: Rng, size: tuple[int, int], pitch: float, width: float, slope: float
) -> list[tuple[Points, float]]:
    height, wide = size
    tops = np.arange(rng.uniform(-pitch, pitch) - abs(slope) * wide, height + pitch, pitch)
    return [([(-2.0, float(top)), (wide + 2.0, float(top + slope * wide))], width) for top in tops]


def _verticals(
    rng: Rng, size: tuple[int, int], pitch: float, width: float, slope: float
) -> list[tuple[Points, float]]:
    lines = _horizontals(rng, size[::-1], pitch, width, slope)
    return [([(y, x) for x, y in points], wide) for points, wide in lines]


def _rule_colour(rng: Rng, paper: ArrayLike) -> Colour:
    rules = [(120, 160, 220), (90, 120, 190), (150, 150, 150), (210, 130, 130), (120, 190, 160)]
    rule = _jittered(rng, rules[rng.integers(5)])
    return rule + rng.uniform(0, 0.6) * (np.asarray(paper, np.float32) - rule)


def _rule_width(rng: Rng, size: tuple[int, int]) -> float:
    return max(0.7, min(size) * rng.uniform(0.003, 0.009))


def _ruled(rng: Rng, canvas: Canvas, *, squared: bool = False, pitch: Span = (0.12, 0.5)) -> None:
    size = canvas.size
    step, wide = min(size) * _span(rng, pitch), _rule_width(rng, size)
    slope = rng.normal(0, 0.015)
    lines = _horizontals(rng, size, step, wide, slope)
    if squared:
        lines += _verticals(rng, size, step, wide, -slope)
    elif _chance(rng, 0.2):
        margin = rng.uniform(0.02, 0.25) * size[1]
        red = _strokes(size, [([(margin, -2), (margin, size[0] + 2)], wide)])
        canvas.lay(red, _jittered(rng, (220, 120, 120)))
    colour = _rule_colour(rng, canvas.picture.mean(axis=(0, 1)))
    canvas.lay(_strokes(size, lines), colour)


@_kind("lined")
def _lined(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    canvas = _paper(rng)
    _ruled(rng, canvas)
    _write(canvas, images[0], rng)
    return _captured(canvas, rng)


@_kind("squared")
def _squared(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    canvas = _paper(rng)
    _ruled(rng, canvas, squared=True, pitch=(0.07, 0.4))
    _write(canvas, images[0], rng)
    return _captured(canvas, rng)


@_kind("dotted")
def _dotted(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    canvas = _paper(rng)
    height, width = canvas.size
    pitch, radius = min(height, width) * rng.uniform(0.07, 0.25), rng.uniform(0.8, 2.5)
    y, x = _places(height, width)
    first = rng.uniform(0, pitch, 2)
    away = np.hypot((y + first[0]) % pitch - pitch / 2, (x + first[1]) % pitch - pitch / 2)
    dots = np.clip(radius - away + 0.5, 0, 1)
    canvas.lay(dots, _jittered(rng, (130, 135, 150), 40))
    _write(canvas, images[0], rng)
    return _captured(canvas, rng)


@_kind("over-ruled-line")
def _over_line(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    """One rule through the digit."""
    canvas = _paper(rng)
    _write(canvas, images[0], rng)
    left, top, right, bottom = canvas.box
    height, width = canvas.size
    wide = min(_rule_width(rng, canvas.size), (bottom - top) * 0.03)
    slope = rng.normal(0, 0.03)
    if _chance(rng, 0.75):
        at = top + rng.uniform(0.15, 0.95) * (bottom - top)
        middle = (left + right) / 2
        line = [(-2, at - slope * middle), (width + 2, at + slope * (width - middle))]
    else:
        at, middle = rng.uniform(left, right), (top + bottom) / 2
        line = [(at - slope * middle, -2), (at + slope * (height - middle), height + 2)]
    colour = _rule_colour(rng, (220, 220, 220)) * np.float32(rng.uniform(0.6, 1.0))
    canvas.lay(_strokes(canvas.size, [(line, wide)]) * (1 - canvas.owner), colour)
    return _captured(canvas, rng)


@_kind("bleed-through")
def _bleed_through(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    """What is written on the back shows faintly, mirrored."""
    canvas = _paper(rng)
    height, width = canvas.size
    paper = canvas.picture.mean(axis=(0, 1))
    faint = rng.uniform(0.06, 0.22)
    for image in images[1 : 1 + int(rng.integers(1, 4))]:
        back = ink(image, rng, rng.uniform(0.4, 1.0) * min(height, width))[:, ::-1]
        soft = Image.fromarray((back * 255).astype(np.uint8))
        soft = soft.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 2.5)))
        place = rng.uniform(-0.2, 0.8, 2)
        covered = np.asarray(soft, np.float32) / np.float32(255)
        canvas.lay(covered, paper * (1 - faint), int(place[0] * width), int(place[1] * height))
    dark = [inks for inks in DARK_INKS if _luminance(inks) < 70]
    _write(canvas, images[0], rng, colour=_jittered(rng, dark[rng.integers(len(dark))]))
    return _captured(canvas, rng)


@_kind("blots")
def _blots(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    canvas = _paper(rng)
    colour = _ink_colour(rng)
    _write(canvas, images[0], rng, colour=colour)
    _spots(canvas, rng, colour, int(rng.integers(4, 20)), (0.003, 0.035))
    return _captured(canvas, rng)


def _spots(canvas: Canvas, rng: Rng, colour: ArrayLike, count: int, radii: Span) -> None:
    """Spots of ink or dirt anywhere; large ones keep away from the digit."""
    height, width = canvas.size
    side = min(height, width)
    zoom = 2
    sheet = Image.new("L", (width * zoom, height * zoom))
    brush = ImageDraw.Draw(sheet)
    left, top, right, bottom = canvas.box
    for _ in range(count):
        radius = side * radii[0] * (radii[1] / radii[0]) ** (rng.random() ** 2)
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        reach = radius + 0.03 * side
        if (
            radius > 0.012 * side
            and left - reach < x < right + reach
            and top - reach < y < bottom + reach
        ):
            continue
        across, down = radius * rng.uniform(0.7, 1.3), radius * rng.uniform(0.7, 1.3)
        box = [(x - across), (y - down), (x + across), (y + down)]
        brush.ellipse([edge * zoom for edge in box], int(rng.uniform(150, 256)))
    covered = np.asarray(sheet.reduce(zoom), np.float32) / np.float32(255)
    canvas.lay(covered * (1 - canvas.owner), colour)


@_kind("dirt")
def _dirt(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    """Specks, hairs and smudges."""
    canvas = _paper(rng)
    height, width = canvas.size
    smudge = np.maximum(0, _fog(rng, height, width, rng.uniform(2, 6)) - 0.5)
    canvas.shine(1 - rng.uniform(0.05, 0.25) * np.minimum(smudge, 1))
    _write(canvas, images[0], rng)
    grey = rng.uniform(20, 130)
    _spots(
        canvas, rng, _jittered(rng, (grey, grey, grey)), int(rng.integers(15, 90)), (0.002, 0.01)
    )
    hairs = []
    for _ in range(rng.integers(0, 4)):
        start = rng.uniform(0, 1, 2) * (width, height)
        end = start + rng.normal(0, 0.12, 2) * min(height, width)
        points = _hand_line(rng, tuple(start), tuple(end), 0.03 * min(height, width))
        hairs.append((points, rng.uniform(0.5, 1.2)))
    canvas.lay(_strokes((height, width), hairs), (grey, grey, grey))
    return _captured(canvas, rng)


@_kind("stained-paper")
def _stained(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    base = [(200, 170, 115), (215, 195, 150), (225, 210, 180), (190, 160, 120)]
    canvas = _paper(rng, colour=_jittered(rng, base[rng.integers(4)]))
    height, width = canvas.size
    canvas.shine(1 + rng.uniform(0.03, 0.1) * _fog(rng, height, width, rng.uniform(4, 12)))
    y, x = _places(height, width)
    for _ in range(rng.integers(1, 4)):
        radius = rng.uniform(0.08, 0.35) * min(height, width)
        away = np.hypot(y - rng.uniform(0, height), x - rng.uniform(0, width))
        inside = np.clip((radius - away) / 2, 0, 1)
        edge = np.exp(-(((away - radius) / rng.uniform(1.5, 5)) ** 2))
        canvas.shine(1 - rng.uniform(0.03, 0.12) * inside - rng.uniform(0.05, 0.25) * edge)
    browns = [(50, 35, 30), (35, 30, 40), (70, 45, 30)]
    _write(canvas, images[0], rng, colour=_jittered(rng, browns[rng.integers(3)]))
    return _photo(canvas, rng)


@_kind("folded")
def _folded(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    """Creases: the light jumps at each."""
    canvas = _paper(rng)
    _write(canvas, images[0], rng)
    for _ in range(rng.integers(1, 4)):
        slope = _ramp(rng, *canvas.size) + np.float32(rng.uniform(-0.3, 0.3))
        crease = np.exp(-((slope * rng.uniform(60, 200)) ** 2))
        side = np.exp(-np.abs(slope) * rng.uniform(4, 12)) * np.sign(slope)
        canvas.shine(1 + rng.uniform(-0.2, 0.1) * crease + rng.uniform(-0.12, 0.12) * side)
    return _photo(canvas, rng)


@_kind("punched")
def _punched(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    canvas = _paper(rng)
    if _chance(rng, 0.3):
        _ruled(rng, canvas)
    height, width = canvas.size
    side = min(height, width)
    _write(canvas, images[0], rng, share=(0.35, 0.65), inside=(0.2, 0, 1, 1))
    y, x = _places(height, width)
    radius = rng.uniform(0.03, 0.065) * side
    first = rng.uniform(0.1, 0.9) * height
    at = rng.uniform(radius * 1.2, 0.17 * width)
    tone = rng.uniform(10, 110)
    for middle in (first, first + rng.uniform(0.5, 0.8) * height):
        away = np.hypot(y - middle, x - at)
        hole = np.clip(radius - away + 0.5, 0, 1)
        canvas.lay(hole, _colour(tone + rng.normal(0, 5, 3)))
    canvas = _flipped(canvas) if _chance(rng, 0.3) else canvas
    return _captured(canvas, rng)


def _flipped(canvas: Canvas) -> Canvas:
    """Bring what is at the left to the right, the digit as it was."""
    left, top, right, bottom = canvas.box
    width = canvas.size[1]
    digit = np.s_[max(0, top - 2) : bottom + 2, max(0, left - 2) : right + 2]
    picture, owner = canvas.picture[digit].copy(), canvas.owner[digit].copy()
    mirrored = Canvas(canvas.picture[:, ::-1].copy(), np.zeros_like(canvas.owner))
    place = np.s_[digit[0], width - owner.shape[1] - digit[1].start : width - digit[1].start]
    mirrored.picture[place], mirrored.owner[place] = picture, owner
    mirrored.box = width - right, top, width - left, bottom
    return mirrored


@_kind("spiral-binding")
def _spiral(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    canvas = _paper(rng)
    if _chance(rng, 0.4):
        _ruled(rng, canvas, squared=_chance(rng, 0.5))
    height, width = canvas.size
    _write(canvas, images[0], rng, share=(0.35, 0.65), inside=(0.2, 0, 1, 1))
    edge = rng.uniform(0.02, 0.07) * width
    beyond = np.clip(edge - np.arange(width, dtype=np.float32) + 0.5, 0, 1)[None]
    outside = _jittered(rng, (90, 75, 65), 60)
    canvas.lay(np.repeat(beyond, height, axis=0), outside)
    pitch = height / rng.uniform(7, 16)
    hole_x, radius = edge + rng.uniform(0.02, 0.05) * width, pitch * rng.uniform(0.15, 0.25)
    tops = np.arange(rng.uniform(0, pitch), height, pitch)
    y, x = _places(height, width)
    away = np.hypot((y - tops[0] + pitch / 2) % pitch - pitch / 2, x - hole_x)
    canvas.lay(np.clip(radius - away + 0.5, 0, 1), _jittered(rng, (45, 42, 40), 20))
    bow = pitch * rng.uniform(-0.3, 0.3)
    wires = [
        (
            [
                (-2.0, float(top + bow)),
                (hole_x / 2, float(top + bow / 2 - 2)),
                (hole_x, float(top)),
            ],
            0.0,
        )
        for top in tops
    ]
    wide = max(1.2, pitch * rng.uniform(0.06, 0.12))
    wire = _strokes((height, width), [(points, wide) for points, _ in wires])
    canvas.lay(wire, _jittered(rng, (60, 60, 65) if _chance(rng, 0.6) else (170, 170, 175), 20))
    canvas = _flipped(canvas) if _chance(rng, 0.3) else canvas
    return _captured(canvas, rng)


# Kinds: forms


def _box_lines(
    left: float, top: float, right: float, bottom: float, width: float
) -> list[tuple[Points, float]]:
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    return [([one, other], width) for one, other in pairwise(corners)]


def _form_colour(rng: Rng) -> Colour:
    forms = [(40, 40, 40), (90, 90, 90), (150, 150, 150), (60, 100, 170), (200, 90, 80)]
    return _jittered(rng, forms[rng.integers(5)], 20)


@_kind("table-cell")
def _table_cell(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    """A cell of a table and what is around it, in single or double rules."""
    canvas = _paper(rng, colour=_paper_colour(rng, (215, 255)))
    height, width = canvas.size
    left, right = rng.uniform(0.01, 0.3) * width, rng.uniform(0.72, 1.05) * width
    top, bottom = rng.uniform(0.01, 0.25) * height, rng.uniform(0.76, 1.05) * height
    wide = _rule_width(rng, canvas.size)
    slope = rng.normal(0, 0.006)
    lines: list[tuple[Points, float]] = []
    offsets = [0.0, wide * rng.uniform(2, 4)] if _chance(rng, 0.35) else [0.0]
    for offset in offsets:
        for x in (left - offset, right + offset):
            lines.append(([(x + slope * height, -2), (x, height + 2)], wide))
        for y in (top - offset, bottom + offset):
            lines.append(([(-2, y), (width + 2, y + slope * width)], wide))
    canvas.lay(_strokes(canvas.size, lines), _form_colour(rng))
    inside = left / width, top / height, min(1, right / width), min(1, bottom / height)
    _write(canvas, images[0], rng, share=(0.45, 0.8), inside=inside)
    return _captured(canvas, rng)


@_kind("cell-rules")
def _cell_rules(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    return _cell_scene(images, rng, stubs=False)


@_kind("cell-stubs")
def _cell_stubs(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    return _cell_scene(images, rng, stubs=True)


def _cell_scene(images: Sequence[UInt8Array], rng: Rng, *, stubs: bool) -> Scene:
    """A cell cut out of a table with one to four of its rules: at the rim, or some pixels inside
    it with the stubs of those that cross them."""
    canvas = _paper(rng, _size(rng, (150, 400)), _paper_colour(rng, (205, 255)))
    height, width = canvas.size
    side = min(height, width)
    sides = rng.permutation(4)[: rng.integers(1, 5)]
    wide = max(1.0, side * rng.uniform(0.004, 0.025))
    slope = rng.normal(0, 0.008)
    reach = side * 0.09 if stubs else max(2.0, side * 0.015)
    away = {int(of): rng.uniform(3 if stubs else 0, reach) for of in sides}
    lines: list[tuple[Points, float]] = []
    for of, inset in away.items():
        if of in (0, 2):
            at = inset if of == 0 else height - 1 - inset
            lines.append(
                ([(-2, at - slope * width / 2), (width + 2, at + slope * width / 2)], wide)
            )
        else:
            at = inset if of == 3 else width - 1 - inset
            lines.append(([(at + slope * height / 2, -2), (at, height + 2)], wide))
    canvas.lay(_strokes(canvas.size, lines), _form_colour(rng))
    rim = 0.11 if stubs else 0.04
    _write(canvas, images[0], rng, share=(0.5, 0.8), inside=(rim, rim, 1 - rim, 1 - rim))
    return _captured(canvas, rng)


@_kind("comb")
def _comb(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    """A field of a comb: a base line and teeth."""
    canvas = _paper(rng, colour=_paper_colour(rng, (210, 255)))
    height, width = canvas.size
    digit = rng.uniform(0.4, 0.65) * height
    field = digit * rng.uniform(0.95, 1.5)
    base = height * rng.uniform(0.78, 0.97)
    tooth = digit * rng.uniform(0.15, 1.1)
    start = rng.uniform(0.02, 0.95) * max(1.0, width - field)
    wide = _rule_width(rng, canvas.size)
    xs = np.arange(start % field - field, width + field, field)
    lines: list[tuple[Points, float]] = [([(-2, base), (width + 2, base)], wide)]
    lines += [([(float(x), base), (float(x), base - tooth)], wide) for x in xs]
    canvas.lay(_strokes(canvas.size, lines), _form_colour(rng))
    drawn = ink(images[0], rng, digit * rng.uniform(0.75, 1.0), turn=rng.normal(0, 4))
    x = round(start + (field - drawn.shape[1]) / 2 + rng.normal(0, 0.03) * field)
    y = round(base - drawn.shape[0] - digit * rng.uniform(-0.03, 0.15))
    x = min(max(1, x), width - drawn.shape[1] - 1)
    y = max(1, y)
    canvas.lay(drawn, _ink_colour(rng), x, y, owned=True)
    canvas.box = x, y, x + drawn.shape[1], y + drawn.shape[0]
    return _captured(canvas, rng)


@_kind("box")
def _box(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    """A digit in a printed box, sometimes with its neighbours' empty boxes."""
    canvas = _paper(rng, colour=_paper_colour(rng, (205, 255)))
    height, width = canvas.size
    drawn = ink(images[0], rng, rng.uniform(0.35, 0.65) * min(canvas.size), turn=rng.normal(0, 3))
    tall, across = drawn.shape
    room = rng.uniform(0.06, 0.5)
    box_height = tall * (1 + room)
    box_width = max(across * 1.12, box_height * rng.uniform(0.65, 1.0))
    left = rng.uniform(0.02, 0.98) * max(0.0, width - box_width)
    top = rng.uniform(0.05, 0.95) * max(0.0, height - box_height)
    wide = _rule_width(rng, canvas.size) * rng.uniform(1, 2)
    lines = _box_lines(left, top, left + box_width, top + box_height, wide)
    if _chance(rng, 0.35):
        gap = 0 if _chance(rng, 0.5) else box_width * rng.uniform(0.08, 0.3)
        for shift in (-box_width - gap, box_width + gap):
            lines += _box_lines(left + shift, top, left + shift + box_width, top + box_height, wide)
    canvas.lay(_strokes(canvas.size, lines), _form_colour(rng))
    x = round(left + (box_width - across) * rng.uniform(0.35, 0.65))
    y = round(top + (box_height - tall) * rng.uniform(0.25, 0.75))
    canvas.lay(drawn, _ink_colour(rng), x, y, owned=True)
    canvas.box = x, y, x + across, y + tall
    if _chance(rng, 0.4):
        around = box_height * rng.uniform(0.02, 0.15)
        canvas.crop(
            round(left - around),
            round(top - around),
            round(left + box_width + around),
            round(top + box_height + around),
        )
    return _captured(canvas, rng)


@_kind("one-in-box")
def _one_in_box(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    """A one as high as its box."""
    canvas = _paper(rng, colour=_paper_colour(rng, (205, 255)))
    height, width = canvas.size
    drawn = ink(images[0], rng, rng.uniform(0.5, 0.75) * min(canvas.size), turn=rng.normal(0, 4))
    tall, across = drawn.shape
    wide = _rule_width(rng, canvas.size) * rng.uniform(1, 2)
    box_height = tall * rng.uniform(1.0, 1.12) + 2 * wide
    box_width = max(across * 1.5, box_height * rng.uniform(0.6, 1.0))
    left = rng.uniform(0.05, 0.95) * max(0.0, width - box_width)
    top = rng.uniform(0.05, 0.95) * max(0.0, height - box_height)
    lines = _box_lines(left, top, left + box_width, top + box_height, wide)
    canvas.lay(_strokes(canvas.size, lines), _form_colour(rng))
    x = round(left + (box_width - across) * rng.uniform(0.35, 0.65))
    y = round(top + (box_height - tall) / 2)
    canvas.lay(drawn, _ink_colour(rng), x, y, owned=True)
    canvas.box = x, y, x + across, y + tall
    return _captured(canvas, rng)


@_kind("printed-ring")
def _printed_ring(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    """The ring of a form, sometimes one of several."""
    canvas = _paper(rng, colour=_paper_colour(rng, (210, 255)))
    _write(canvas, images[0], rng, share=(0.3, 0.5), margin=0.2)
    left, top, right, bottom = canvas.box
    y, x = _places(*canvas.size)
    middle_x, middle_y = (left + right) / 2, (top + bottom) / 2
    radius = np.hypot(right - left, bottom - top) / 2 * rng.uniform(1.05, 1.3)
    flat = rng.uniform(0.85, 1.2) if _chance(rng, 0.4) else 1.0
    wide = _rule_width(rng, canvas.size) * rng.uniform(1, 3)
    colour = _form_colour(rng)
    shifts = [0.0]
    if _chance(rng, 0.4):
        step = radius * rng.uniform(2.1, 2.7)
        shifts = [-step, 0.0, step]
    for shift in shifts:
        away = np.hypot((x - middle_x - shift) / flat, y - middle_y)
        ring = np.clip(wide / 2 - np.abs(away - radius) + 0.5, 0, 1)
        canvas.lay(ring * (1 - canvas.owner), colour)
    return _captured(canvas, rng)


def _ring(
    rng: Rng, canvas: Canvas, sort: str
) -> tuple[list[tuple[float, float]], tuple[float, float]]:
    """Points of a ring drawn by hand around the digit, and its half axes."""
    left, top, right, bottom = canvas.box
    room = rng.uniform(1.25, 1.75)
    across = max((right - left) / 2 * room * 1.05, (bottom - top) / 2 * rng.uniform(0.6, 1.2))
    down = (bottom - top) / 2 * room
    turns = {
        "closed": 1.0,
        "overlapping": rng.uniform(1.03, 1.18),
        "open": rng.uniform(0.88, 0.97),
    }[sort]
    steps = np.linspace(0, 1, 90)
    angle = rng.uniform(0, 2 * np.pi) + _sign(rng) * 2 * np.pi * turns * steps
    radius = 1 + 0.03 * rng.normal() * np.sin(angle * 2) + 0.03 * rng.normal() * np.cos(3 * angle)
    if sort != "closed":
        radius += rng.uniform(-0.08, 0.08) * steps
    middle_x = (left + right) / 2 + rng.normal(0, 0.02) * down
    middle_y = (top + bottom) / 2 + rng.normal(0, 0.02) * down
    xs, ys = middle_x + across * radius * np.cos(angle), middle_y + down * radius * np.sin(angle)
    return [(float(x), float(y)) for x, y in zip(xs, ys, strict=True)], (across, down)


def _circled_scene(images: Sequence[UInt8Array], rng: Rng, sort: str) -> Scene:
    canvas = _paper(rng)
    colour = _ink_colour(rng)
    _write(canvas, images[0], rng, colour=colour, share=(0.25, 0.5), margin=0.2)
    points, _ = _ring(rng, canvas, sort)
    height = canvas.box[3] - canvas.box[1]
    wide = max(1.4, height * rng.uniform(0.02, 0.06))
    if _chance(rng, 0.5):
        colour = _ink_colour(rng) if _chance(rng, 0.3) else _jittered(rng, (200, 30, 40), 20)
    ring = _strokes(canvas.size, [(points, wide)])
    canvas.lay(ring * (1 - canvas.owner), colour)
    return _captured(canvas, rng)


@_kind("circled")
def _circled(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    return _circled_scene(images, rng, "closed" if _chance(rng, 0.4) else "overlapping")


@_kind("circled-open")
def _circled_open(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    return _circled_scene(images, rng, "open")


# Kinds: what stands beside


@_kind("underlined")
def _underlined(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    return _underlined_scene(images, rng, touching=False)


@_kind("underlined-touching")
def _underlined_touching(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    return _underlined_scene(images, rng, touching=True)


def _underlined_scene(images: Sequence[UInt8Array], rng: Rng, *, touching: bool) -> Scene:
    canvas = _paper(rng)
    colour = _ink_colour(rng)
    _write(canvas, images[0], rng, colour=colour, share=(0.35, 0.65), inside=(0, 0, 1, 0.9))
    left, top, right, bottom = canvas.box
    tall = bottom - top
    wide = max(FINEST, tall * rng.uniform(0.02, 0.07))
    away = rng.uniform(-0.03, 0.0) if touching else rng.uniform(0.06, 0.25)
    level = bottom + (0 if touching else wide / 2) + away * tall
    slope = rng.normal(0, 0.03) * (right - left) * (0.3 if touching else 1)
    start = left - tall * rng.uniform(-0.03, 0.6), level - slope
    end = right + tall * rng.uniform(-0.03, 0.6), level + slope
    lines = [(_hand_line(rng, start, end, 0.008 * tall), wide)]
    if _chance(rng, 0.2) and not touching:
        again = tall * rng.uniform(0.07, 0.12) + wide
        lower = _hand_line(
            rng, (start[0], start[1] + again), (end[0], end[1] + again), 0.008 * tall
        )
        lines.append((lower, wide))
    covered = _strokes(canvas.size, lines)
    if _chance(rng, 0.2):
        colour = _ink_colour(rng)
    canvas.lay(covered * (1 - canvas.owner), colour)
    return _captured(canvas, rng)


def _beside(
    canvas: Canvas, rng: Rng, covered: Float32Array, colour: ArrayLike, *, gap: Span = (0.12, 0.4)
) -> None:
    """Lay what stands left or right of the digit; the canvas grows if it must."""
    left, top, right, bottom = canvas.box
    tall = bottom - top
    apart = round(_span(rng, gap) * tall)
    at_left = _chance(rng, 0.5)
    need = covered.shape[1] + apart + round(0.05 * tall)
    paper = canvas.picture.mean(axis=(0, 1))
    edge = 0 if at_left else -1
    free = left if at_left else canvas.size[1] - right
    if free < need:
        more = need - free
        paper = canvas.picture[:, edge].mean(axis=0)
        canvas.pad(more if at_left else 0, 0, 0 if at_left else more, 0, paper)
        left, top, right, bottom = canvas.box
    x = left - apart - covered.shape[1] if at_left else right + apart
    y = round((top + bottom - covered.shape[0]) / 2 + rng.normal(0, 0.08) * tall)
    y = min(max(y, 0), max(0, canvas.size[0] - covered.shape[0]))
    canvas.lay(covered, colour, x, y)


@_kind("letter-beside")
def _letter_beside(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    """A printed letter or mark beside the digit."""
    canvas = _paper(rng, colour=_paper_colour(rng, (215, 255)))
    colour = _ink_colour(rng)
    _write(canvas, images[0], rng, colour=colour, share=(0.3, 0.6))
    tall = canvas.box[3] - canvas.box[1]
    signs = LETTERS + MARKS
    count = 1 if _chance(rng, 0.8) else 2
    text = "".join(signs[rng.integers(len(signs))] for _ in range(count))
    printed = _printed(rng, text, tall * rng.uniform(0.6, 1.1))
    tone = _jittered(rng, (45, 45, 45), 30) if _chance(rng, 0.8) else colour
    _beside(canvas, rng, printed, tone)
    return _captured(canvas, rng)


@_kind("neighbour-crossed-out")
def _crossed_out(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    canvas = _paper(rng)
    colour = _ink_colour(rng)
    _write(canvas, images[0], rng, colour=colour, share=(0.35, 0.65))
    tall = canvas.box[3] - canvas.box[1]
    other = ink(images[1], rng, tall * rng.uniform(0.75, 1.05), turn=rng.normal(0, 4))
    height, width = other.shape
    rim = round(0.2 * tall)
    other = np.pad(other, rim)
    wide = max(FINEST, tall * rng.uniform(0.025, 0.07))
    lines = []
    sort = rng.integers(3)
    for number in range(rng.integers(2, 5)):
        if sort == 0:
            y = rim + height * rng.uniform(0.25, 0.75)
            ends = (
                (rim - 0.13 * tall, y),
                (rim + width + 0.13 * tall, y + rng.normal(0, 0.1) * tall),
            )
        else:
            down = number % 2 == 0 or sort == 2
            y1, y2 = rim + height * rng.uniform(-0.1, 0.3), rim + height * rng.uniform(0.7, 1.1)
            ends = (
                (rim - 0.1 * tall, y1 if down else y2),
                (rim + width + 0.1 * tall, y2 if down else y1),
            )
        lines.append((_hand_line(rng, *ends, 0.05 * tall), wide))
    covered = np.maximum(other, _strokes((other.shape[0], other.shape[1]), lines))
    used = np.flatnonzero((covered > 0.1).any(0))
    _beside(canvas, rng, covered[:, used[0] : used[-1] + 1], colour, gap=(0.1, 0.3))
    return _captured(canvas, rng)


@_kind("half-neighbour")
def _half_neighbour(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    """Part of another digit, cut by the frame."""
    canvas = _paper(rng)
    colour = _ink_colour(rng)
    pen = str(rng.choice(["shape", "felt", "fountain", "ballpoint"]))
    _write(canvas, images[0], rng, colour=colour, pen=pen, share=(0.45, 0.8))
    left, top, right, bottom = canvas.box
    tall = bottom - top
    other = ink(images[1], rng, tall * rng.uniform(0.85, 1.15), pen, rng.normal(0, 4))
    shown = round(other.shape[1] * rng.uniform(0.15, 0.5))
    apart = round(tall * rng.uniform(0.1, 0.35))
    y = round(top + rng.normal(0, 0.07) * tall)
    if _chance(rng, 0.8):
        if _chance(rng, 0.5):
            x = left - apart - other.shape[1]
            new_left = x + other.shape[1] - shown
            grow = max(0, -new_left)
            if grow:
                canvas.pad(grow, 0, 0, 0, canvas.picture[:, 0].mean(axis=0))
                x, new_left = x + grow, new_left + grow
            canvas.lay(other, colour, x, y)
            canvas.crop(new_left, 0, canvas.size[1], canvas.size[0])
        else:
            x = right + apart
            grow = max(0, x + shown - canvas.size[1])
            if grow:
                canvas.pad(0, 0, grow, 0, canvas.picture[:, -1].mean(axis=0))
            canvas.lay(other, colour, x, y)
            canvas.crop(0, 0, x + shown, canvas.size[0])
    else:
        shown = round(other.shape[0] * rng.uniform(0.15, 0.4))
        x = round(left + rng.normal(0, 0.2) * tall)
        y = bottom + apart
        grow = max(0, y + shown - canvas.size[0])
        if grow:
            canvas.pad(0, 0, 0, grow, canvas.picture[-1].mean(axis=0))
        canvas.lay(other, colour, x, y)
        canvas.crop(0, 0, canvas.size[1], y + shown)
    return _captured(canvas, rng)


# Kinds: frames


@_kind("tight")
def _tight(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    """Cut to the ink."""
    canvas = _paper(rng)
    _write(canvas, images[0], rng)
    canvas.crop(*canvas.extent())
    return _captured(canvas, rng)


@_kind("cut-close")
def _cut_close(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    """The strokes end one to three pixels from the frame."""
    canvas = _paper(rng)
    _write(canvas, images[0], rng)
    left, top, right, bottom = canvas.extent()
    rim = rng.integers(1, 4, 4)
    canvas.crop(left - rim[0], top - rim[1], right + rim[2], bottom + rim[3])
    return _captured(canvas, rng)


@_kind("cropped-5-percent")
def _cropped(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    canvas = _paper(rng)
    _write(canvas, images[0], rng, share=(0.45, 0.8))
    edges = np.array(canvas.extent())
    width, height = edges[2] - edges[0], edges[3] - edges[1]
    frame = np.array([0, 0, canvas.size[1], canvas.size[0]])
    loss = np.array([width, height, -width, -height]) * rng.uniform(0.03, 0.07, 4)
    cut = rng.permutation(4)[: rng.integers(1, 3)]
    frame[cut] = np.round(edges[cut] + loss[cut])
    canvas.crop(*frame)
    return _captured(canvas, rng)


@_kind("touching-frame")
def _touching_frame(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    canvas = _paper(rng)
    _write(canvas, images[0], rng)
    edges = canvas.extent()
    frame = [0, 0, canvas.size[1], canvas.size[0]]
    for side in rng.permutation(4)[: rng.integers(1, 3)]:
        frame[side] = edges[side]
    canvas.crop(*frame)
    return _captured(canvas, rng)


def _rotated(low: float, high: float) -> Drawing:
    def drawing(images: Sequence[UInt8Array], rng: Rng) -> Scene:
        canvas = _paper(rng)
        turn = _sign(rng) * rng.uniform(low, high)
        _write(canvas, images[0], rng, turn=turn, share=(0.35, 0.65))
        return _captured(canvas, rng)

    return drawing


KINDS["rotated-15"] = _rotated(10, 18)
KINDS["rotated-30"] = _rotated(24, 32)


@_kind("sideways")
def _sideways(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    canvas = _paper(rng)
    turn = float(rng.choice([90, -90])) + rng.normal(0, 4)
    _write(canvas, images[0], rng, turn=turn)
    return _captured(canvas, rng)


@_kind("tilted")
def _tilted(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    canvas = _paper(rng)
    if _chance(rng, 0.3):
        _ruled(rng, canvas, squared=_chance(rng, 0.5))
    _write(canvas, images[0], rng, share=(0.3, 0.55), margin=0.18)
    return _captured(_tilt(canvas, rng, 0.18), rng)


@_kind("scan-border")
def _scan_border(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    """A border of any colour on one to four sides."""
    canvas = _paper(rng)
    _write(canvas, images[0], rng)
    sides = rng.permutation(4)[: rng.integers(1, 5)]
    _bordered(canvas, rng, sides, _border_colour(rng), (0.015, 0.15))
    return _scan(canvas, rng)


@_kind("black-frame")
def _black_frame(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    canvas = _paper(rng, colour=_paper_colour(rng, (225, 255)))
    _write(canvas, images[0], rng)
    _bordered(canvas, rng, range(4), _paper_colour(rng, (0, 25)), (0.02, 0.12))
    return _scan(canvas, rng)


def _border_colour(rng: Rng) -> Colour:
    sort = rng.integers(4)
    if sort == 0:
        return _paper_colour(rng, (0, 40))
    if sort == 1:
        return _paper_colour(rng, (245, 255))
    return _paper_colour(rng, (60, 180)) if sort == 2 else _vivid(rng)


def _bordered(
    canvas: Canvas, rng: Rng, sides: Sequence[int], colour: ArrayLike, widths: Span
) -> None:
    around = [0, 0, 0, 0]
    for side in sides:
        around[side] = max(1, round(_span(rng, widths) * min(canvas.size)))
    canvas.pad(*around, colour)


@_kind("grey-frame-inverted")
def _grey_frame(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    canvas = _paper(rng, colour=_paper_colour(rng, (2, 30)), grain=(0, 1))
    _write(canvas, images[0], rng, colour=_paper_colour(rng, (215, 255)))
    _bordered(canvas, rng, range(4), _paper_colour(rng, (70, 190)), (0.03, 0.15))
    return _scan(canvas, rng)


@_kind("rim-remnant")
def _rim(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    """A dark rim of a few pixels at one side."""
    canvas = _paper(rng)
    _write(canvas, images[0], rng)
    around = [0, 0, 0, 0]
    around[rng.integers(4)] = int(rng.integers(1, 7))
    colour = _paper_colour(rng, (0, 110)) if _chance(rng, 0.8) else _vivid(rng, (0.1, 0.5))
    canvas.pad(*around, colour)
    return _captured(canvas, rng)


@_kind("card-black-border")
def _card(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    """A white card with a line near its edge, alone or on a ground."""
    canvas = _paper(rng, colour=_paper_colour(rng, (220, 255)))
    height, width = canvas.size
    side = min(height, width)
    inset, wide = side * rng.uniform(0.01, 0.09), side * rng.uniform(0.006, 0.03)
    lines = _box_lines(inset, inset, width - 1 - inset, height - 1 - inset, wide)
    colour = _paper_colour(rng, (0, 60)) if _chance(rng, 0.7) else _vivid(rng, (0.2, 0.8))
    canvas.lay(_strokes(canvas.size, lines), colour)
    _write(canvas, images[0], rng, share=(0.35, 0.65), inside=(0.13, 0.13, 0.87, 0.87))
    if _chance(rng, 0.4):
        ground = _table(rng, (round(height * 1.2), round(width * 1.2)), _chance(rng, 0.5))
        canvas, _ = _lying(canvas, ground, rng, turn=rng.normal(0, 5), rounded=rng.uniform(0, 0.06))
    return _captured(canvas, rng)


# Kinds: light


@_kind("gradient")
def _gradient(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    canvas = _paper(rng)
    _write(canvas, images[0], rng)
    low, high = rng.uniform(0.22, 0.45), rng.uniform(0.85, 1.05)
    ramp = _ramp(rng, *canvas.size) + np.float32(0.5)
    canvas.shine(low + (high - low) * ramp ** np.float32(rng.uniform(0.7, 1.6)))
    return _photo(canvas, rng, light=(0, 0.1))


@_kind("vignette")
def _vignette(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    canvas = _paper(rng)
    _write(canvas, images[0], rng)
    height, width = canvas.size
    y, x = _places(height, width)
    middle = rng.uniform(0.35, 0.65, 2)
    away = ((y / height - middle[0]) ** 2 + (x / width - middle[1]) ** 2) * 2
    canvas.shine(
        1 - rng.uniform(0.4, 0.85) * np.minimum(1, away ** np.float32(rng.uniform(0.8, 1.6)))
    )
    return _photo(canvas, rng, light=(0, 0.1))


@_kind("half-shadow")
def _half_shadow(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    """A straight, hard shadow, often across the digit."""
    canvas = _paper(rng)
    _write(canvas, images[0], rng)
    _half_dark(canvas, rng)
    return _photo(canvas, rng, light=(0, 0.15))


def _half_dark(canvas: Canvas, rng: Rng, depth: Span = (0.35, 0.72)) -> None:
    slope = _ramp(rng, *canvas.size) + np.float32(rng.uniform(-0.2, 0.2))
    edge = rng.uniform(20, 300) if _chance(rng, 0.8) else rng.uniform(6, 20)
    canvas.shine(1 - _span(rng, depth) * np.clip(slope * edge + 0.5, 0, 1))


@_kind("hand-shadow")
def _hand_shadow(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    return _fingers_scene(images, rng, int(rng.integers(3, 6)))


@_kind("finger-shadow")
def _finger_shadow(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    return _fingers_scene(images, rng, 1)


def _fingers_scene(images: Sequence[UInt8Array], rng: Rng, count: int) -> Scene:
    canvas = _paper(rng)
    _write(canvas, images[0], rng)
    height, width = canvas.size
    side = min(height, width)
    angle = rng.uniform(0, 2 * np.pi)
    towards = np.array([np.cos(angle), np.sin(angle)])
    far = side * (rng.uniform(0.5, 0.8) if count > 1 else rng.uniform(1.1, 1.4))
    left, top, right, bottom = canvas.box
    middle = np.array([left + right, top + bottom]) / 2 + rng.normal(0, 0.1, 2) * side
    palm = middle - towards * far
    lines = []
    for number in range(count):
        spread = angle + (number - (count - 1) / 2) * rng.uniform(0.18, 0.3)
        reach = side * rng.uniform(0.5, 0.95) + (0.4 * side if count == 1 else 0)
        tip = palm + reach * np.array([np.cos(spread), np.sin(spread)])
        lines.append(([tuple(palm), tuple(tip)], side * rng.uniform(0.07, 0.14)))
    shade = Image.new("L", (width, height))
    brush = ImageDraw.Draw(shade)
    for (start, end), wide in lines:
        brush.line([start, end], 255, round(wide))
        brush.circle(end, wide / 2, 255)
    if count > 1:
        brush.circle(tuple(palm), side * rng.uniform(0.25, 0.4), 255)
    shade = shade.filter(ImageFilter.GaussianBlur(side * rng.uniform(0.01, 0.05)))
    canvas.shine(1 - np.float32(rng.uniform(0.25, 0.6) / 255) * np.asarray(shade, np.float32))
    return _photo(canvas, rng, light=(0, 0.2))


def _glaring(canvas: Canvas, rng: Rng, at: tuple[float, float], strength: Span) -> None:
    height, width = canvas.size
    y, x = _places(height, width)
    radius = rng.uniform(0.1, 0.28) * min(height, width)
    flat = rng.uniform(0.7, 1.4)
    away = ((x - at[0]) / radius / flat) ** 2 + ((y - at[1]) / radius * flat) ** 2
    glow = np.float32(_span(rng, strength)) * np.exp(-away)
    np.minimum(canvas.picture + glow[..., None], 255, out=canvas.picture)


@_kind("glare")
def _glare(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    canvas = _paper(rng, colour=_paper_colour(rng, (135, 205)))
    dark = _jittered(rng, DARK_INKS[rng.integers(6)])
    pens = ["shape", "felt", "marker"]
    _write(canvas, images[0], rng, pen=str(rng.choice(pens)), colour=dark)
    left, top, right, bottom = canvas.box
    at = rng.uniform(left, right), rng.uniform(top, bottom)
    _glaring(canvas, rng, at, (90, 170))
    return _photo(canvas, rng, light=(0, 0.15), quality=(75, 96), exposure=(0.95, 1.02))


@_kind("thumb")
def _thumb(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    """A fingertip holds the sheet, beside the digit or just on its end."""
    canvas = _paper(rng)
    _write(canvas, images[0], rng, share=(0.4, 0.65), inside=(0, 0, 1, 0.85))
    height, width = canvas.size
    side = min(height, width)
    left, _, right, bottom = canvas.box
    skins = [(190, 135, 110), (225, 180, 155), (120, 80, 60), (160, 110, 85), (85, 58, 45)]
    skin = _jittered(rng, skins[rng.integers(5)])
    half = side * rng.uniform(0.1, 0.2)
    sort = rng.integers(3)
    across, down = half, half * rng.uniform(1.4, 2.2)
    if sort == 0:
        middle_x = rng.uniform(0, width)
        covers = left - half < middle_x < right + half
        tip = max(bottom - 0.02 * side, 0.62 * height) if covers else rng.uniform(0.6, 0.9) * height
        middle_y = tip + down
    else:
        across, down = down, across
        at_left = sort == 1
        room = left if at_left else width - right
        reach = max(0.06 * side, min(rng.uniform(0.1, 0.3) * side, room))
        middle_x = reach - across if at_left else width - reach + across
        middle_y = rng.uniform(0.2, 0.9) * height
    y, x = _places(height, width)
    away = np.sqrt(((x - middle_x) / across) ** 2 + ((y - middle_y) / down) ** 2)
    soft = min(across, down) / rng.uniform(1.5, 8)
    finger = np.clip((1 - away) * soft + 0.5, 0, 1)
    canvas.shine(1 - 0.3 * np.exp(-np.maximum(0, away - 1) * 8))
    canvas.lay(finger, skin)
    canvas.picture *= (1 - 0.25 * finger * np.minimum(1, away) ** 3)[..., None]
    return _photo(canvas, rng)


# Kinds: camera, scanner and file


@_kind("out-of-focus")
def _out_of_focus(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    canvas = _paper(rng)
    pens = ["shape", "felt", "marker"]
    _write(canvas, images[0], rng, pen=str(rng.choice(pens)), share=(0.4, 0.75))
    tall = canvas.box[3] - canvas.box[1]
    blur = tall * rng.uniform(0.02, 0.055)
    return _photo(canvas, rng, blur=(blur, blur))


@_kind("motion-blur")
def _motion_blur(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    canvas = _paper(rng)
    _write(canvas, images[0], rng, pen=str(rng.choice(["shape", "felt", "marker"])))
    tall = canvas.box[3] - canvas.box[1]
    length, angle = tall * rng.uniform(0.05, 0.14), rng.uniform(0, np.pi)
    away = np.array([np.cos(angle), np.sin(angle)]) * length
    steps = max(3, min(24, round(length)))
    total = np.zeros_like(canvas.picture)
    for step in np.linspace(-0.5, 0.5, steps):
        shift = round(step * away[1]), round(step * away[0])
        total += np.roll(canvas.picture, shift, (0, 1))
    canvas.picture = total / np.float32(steps)
    return _photo(canvas, rng)


@_kind("high-iso")
def _high_iso(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    canvas = _paper(rng, colour=_paper_colour(rng, (90, 190)))
    _write(canvas, images[0], rng, colour=_jittered(rng, DARK_INKS[rng.integers(6)]), pen="shape")
    canvas.shine(1 + rng.uniform(0, 0.3) * _ramp(rng, *canvas.size))
    _grainy(canvas, rng, rng.uniform(8, 26), rng.uniform(0.4, 1.2))
    canvas.blur(rng.uniform(0, 0.7))
    return canvas.scene(".jpg", int(rng.integers(55, 92)))


@_kind("salt-and-pepper")
def _salt_and_pepper(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    canvas = _paper(rng, colour=_paper_colour(rng, (225, 255)))
    _write(canvas, images[0], rng, pen=str(rng.choice(["shape", "felt", "marker"])))
    share = rng.uniform(0.02, 0.1)
    chance = rng.random(canvas.size, np.float32)
    canvas.picture[chance < share] = 0
    canvas.picture[chance > 1 - share] = 255
    return canvas.scene()


@_kind("jpeg-10")
def _jpeg_10(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    canvas = _paper(rng)
    _write(canvas, images[0], rng)
    return _photo(canvas, rng, quality=(6, 14))


@_kind("low-resolution")
def _low_resolution(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    """A thumbnail made large again."""
    canvas = _paper(rng, _size(rng, (200, 380)))
    pens = ["shape", "felt", "marker"]
    _write(canvas, images[0], rng, pen=str(rng.choice(pens)), share=(0.45, 0.8))
    height, width = canvas.size
    small = rng.uniform(13, 22) / (canvas.box[3] - canvas.box[1])
    canvas.resize(round(width * small), round(height * small), Image.Resampling.BOX)
    _grainy(canvas, rng, rng.uniform(0, 4))
    how = (Image.Resampling.NEAREST, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC)
    canvas.resize(width, height, how[rng.integers(3)])
    return canvas.scene(".png" if _chance(rng, 0.6) else ".jpg", int(rng.integers(60, 95)))


@_kind("tiny-20")
def _tiny(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    canvas = _paper(rng, _size(rng, (150, 200)))
    pens = ["shape", "felt", "marker"]
    _write(canvas, images[0], rng, pen=str(rng.choice(pens)), share=(0.65, 0.9), margin=0.02)
    height, width = canvas.size
    scale = rng.uniform(18, 25) / min(height, width)
    canvas.resize(round(width * scale), round(height * scale), Image.Resampling.BOX)
    _grainy(canvas, rng, rng.uniform(0, 4))
    return canvas.scene()


def _two_tone(canvas: Canvas, bright: NDArray[np.bool_], suffix: str = ".png") -> Scene:
    image = Image.fromarray(bright)
    pixels = bright.astype(np.uint8) * np.uint8(255)
    return Scene(pixels, suffix, 90, canvas.mask(), _encoded(image, suffix))


@_kind("bitmap-16")
def _bitmap(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    """One bit a pixel, 16 pixels high."""
    canvas = _paper(rng, _size(rng, (150, 200)), (250, 250, 250))
    _write(
        canvas, images[0], rng, pen="shape", share=(0.85, 0.98), margin=0.01, colour=(20, 20, 20)
    )
    height, width = canvas.size
    scale = rng.integers(15, 20) / min(height, width)
    canvas.resize(round(width * scale), round(height * scale), Image.Resampling.BOX)
    return _two_tone(canvas, canvas.picture[..., 0] > rng.uniform(110, 165))


@_kind("fax")
def _fax(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    canvas = _paper(rng, colour=_paper_colour(rng, (235, 250)))
    pens = ["felt", "fountain", "ballpoint", "shape"]
    _write(canvas, images[0], rng, pen=str(rng.choice(pens)), colour=(40, 40, 40))
    if _chance(rng, 0.4):
        height, width = canvas.size
        canvas.resize(width, height // 2, Image.Resampling.BOX)
        canvas.resize(width, height, Image.Resampling.NEAREST)
    _grainy(canvas, rng, rng.uniform(5, 25), 0)
    bright = canvas.picture[..., 1] > rng.uniform(110, 190)
    chance = rng.random(canvas.size, np.float32)
    bright[chance < rng.uniform(0.001, 0.015)] = False
    bright[chance > 1 - rng.uniform(0.001, 0.02)] = True
    return _two_tone(canvas, bright)


@_kind("dithered")
def _dithered(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    canvas = _paper(rng, colour=_paper_colour(rng, (190, 245)))
    _write(canvas, images[0], rng, colour=_jittered(rng, (40, 40, 45), 20))
    canvas.shine(1 + rng.uniform(0.1, 0.5) * _ramp(rng, *canvas.size))
    if _chance(rng, 0.6):
        bright = np.asarray(canvas.image().convert("L").convert("1"))
        return _two_tone(canvas, bright)
    tiles = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]]) * 16 + 8
    height, width = canvas.size
    screen = np.tile(tiles, (height // 4 + 1, width // 4 + 1))[:height, :width]
    return _two_tone(canvas, canvas.picture[..., 1] > screen)


@_kind("palette-gif")
def _palette_gif(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    canvas = _paper(rng)
    _write(canvas, images[0], rng)
    canvas.shine(1 + rng.uniform(0, 0.6) * _ramp(rng, *canvas.size))
    dither = Image.Dither.FLOYDSTEINBERG if _chance(rng, 0.5) else Image.Dither.NONE
    colours = int(rng.choice([4, 8, 16, 32, 64]))
    image = canvas.image().quantize(colours, Image.Quantize.MEDIANCUT, dither=dither)
    pixels = np.asarray(image.convert("RGB"))
    return Scene(pixels, ".gif", 90, canvas.mask(), _encoded(image, ".gif"))


@_kind("black-on-alpha")
def _black_on_alpha(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    return _on_alpha(images, rng, bright=False)


@_kind("white-on-alpha")
def _white_on_alpha(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    return _on_alpha(images, rng, bright=True)


def _on_alpha(images: Sequence[UInt8Array], rng: Rng, *, bright: bool) -> Scene:
    """Ink over nothing; what is transparent is black, as many programs leave it, or the ink's."""
    canvas = _paper(rng, colour=(0, 0, 0) if bright else (255, 255, 255), grain=(0, 0))
    canvas.picture[:] = 0 if bright else 255
    colour = _paper_colour(rng, (225, 255)) if bright else _jittered(rng, (15, 15, 18), 14)
    _write(canvas, images[0], rng, colour=colour)
    under = colour if _chance(rng, 0.5) else np.zeros(3)
    layers = np.empty((*canvas.size, 4), np.float32)
    layers[..., :3] = np.where(canvas.owner[..., None] > 0, colour, under)
    layers[..., 3] = canvas.owner * 255
    image = Image.fromarray(np.rint(layers).astype(np.uint8))
    return Scene(canvas.pixels(), ".png", 90, canvas.mask(), _encoded(image, ".png"))


@_kind("photo-12-megapixels")
def _twelve_megapixels(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    """A whole photo, the digit 4 to 12 % of its height."""
    height, width = int(rng.integers(2980, 3040)), int(rng.integers(3980, 4040))
    if _chance(rng, 0.3):
        height, width = width, height
    size = height // 4, width // 4
    small = _paper(rng, size)
    small.shine(1 + rng.uniform(0.1, 0.6) * _ramp(rng, *size))
    small.blur(0.5)
    full = small.image().resize((width, height), Image.Resampling.BILINEAR)
    drawn = ink(images[0], rng, rng.uniform(0.05, 0.13) * 3000, turn=rng.normal(0, 4))
    tall, wide = drawn.shape
    x, y = (
        round(rng.uniform(0.1, 0.9) * (side - of)) for side, of in ((width, wide), (height, tall))
    )
    stamp = Image.fromarray((drawn * 255).astype(np.uint8))
    tone = tuple(int(value) for value in _ink_colour(rng) * np.float32(rng.uniform(0.7, 1)))
    full.paste(tone, (x, y), stamp)
    noise = rng.normal(0, rng.uniform(0.5, 3), (512, 512))
    tiles = np.tile(noise.round().astype(np.int8), (height // 512 + 1, width // 512 + 1))
    pixels = np.asarray(full).astype(np.int16)
    pixels += tiles[:height, :width, None]
    owner = np.zeros((height, width), bool)
    owner[y : y + tall, x : x + wide] = drawn > 0.35
    return Scene(np.clip(pixels, 0, 255).astype(np.uint8), ".jpg", int(rng.integers(75, 95)), owner)


@_kind("corner-of-sheet")
def _corner_of_sheet(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    """A small digit in a corner of an empty sheet."""
    canvas = _paper(rng, (int(rng.integers(600, 850)), int(rng.integers(600, 850))))
    if _chance(rng, 0.2):
        _ruled(rng, canvas, pitch=(0.05, 0.1))
    height, width = canvas.size
    drawn = ink(images[0], rng, rng.uniform(0.055, 0.12) * height, turn=rng.normal(0, 4))
    tall, wide = drawn.shape
    away = rng.uniform(0.01, 0.08, 2) * height
    x = round(away[0] if _chance(rng, 0.5) else width - wide - away[0])
    y = round(away[1] if _chance(rng, 0.5) else height - tall - away[1])
    canvas.lay(drawn, _ink_colour(rng), x, y, owned=True)
    return _captured(canvas, rng)


# Kinds: sheets on a ground


def _note(
    images: Sequence[UInt8Array],
    rng: Rng,
    colour: ArrayLike | None = None,
    share: Span = (0.4, 0.75),
) -> Canvas:
    canvas = _paper(rng, _size(rng, (150, 330)), colour)
    if colour is None and _chance(rng, 0.2):
        _ruled(rng, canvas, squared=_chance(rng, 0.5))
    _write(canvas, images[0], rng, share=share)
    if _chance(rng, 0.5):
        canvas.shine(1 + rng.uniform(0, 0.3) * _ramp(rng, *canvas.size))
    return canvas


def _around(rng: Rng, sheet: Canvas, room: Span = (1.25, 1.9)) -> tuple[int, int]:
    height, width = sheet.size
    return round(height * _span(rng, room)), round(width * _span(rng, room))


def _sheet_on(dark: bool, turn: float) -> Drawing:
    def drawing(images: Sequence[UInt8Array], rng: Rng) -> Scene:
        sheet = _note(images, rng)
        ground = _table(rng, _around(rng, sheet), dark)
        canvas, _ = _lying(sheet, ground, rng, turn=rng.uniform(-turn, turn))
        return _photo(canvas, rng)

    return drawing


KINDS["dark-table"] = _sheet_on(True, 12)
KINDS["light-table"] = _sheet_on(False, 12)


@_kind("table-cloth")
def _table_cloth(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    sheet = _note(images, rng)
    ground = _cloth(rng, _around(rng, sheet), _chance(rng, 0.4))
    canvas, _ = _lying(sheet, ground, rng, turn=rng.uniform(-12, 12))
    return _photo(canvas, rng)


@_kind("sheet-rotated-20")
def _sheet_rotated(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    """A sheet turned by up to 20° and seen aslant."""
    sheet = _note(images, rng)
    ground = _table(rng, _around(rng, sheet, (1.4, 1.9)), _chance(rng, 0.5))
    turn = _sign(rng) * rng.uniform(8, 20)
    canvas, _ = _lying(sheet, ground, rng, turn=turn, aslant=0.09)
    return _photo(canvas, rng)


@_kind("rounded-sheet")
def _rounded_sheet(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    """Rounded corners and a soft shadow on an even ground, as a card or in a program."""
    sheet = _note(images, rng)
    size = _around(rng, sheet, (1.1, 1.5))
    colour = _vivid(rng) if _chance(rng, 0.5) else _paper_colour(rng, (40, 225))
    ground = Canvas.blank(*size, colour)
    turn = 0.0 if _chance(rng, 0.5) else rng.normal(0, 4)
    canvas, _ = _lying(
        sheet,
        ground,
        rng,
        turn=turn,
        aslant=0.0 if turn == 0 else 0.03,
        shadow=(0.2, 0.8),
        rounded=rng.uniform(0.03, 0.2),
    )
    return _captured(canvas, rng)


NOTES = [(238, 218, 90), (245, 150, 180), (160, 215, 110), (130, 190, 235), (250, 170, 80)]


def _board(rng: Rng, size: tuple[int, int]) -> Canvas:
    """Whiteboard, cork, dark board or wall."""
    height, width = size
    sort = rng.integers(5)
    if sort == 0:
        canvas = _paper(rng, size, _paper_colour(rng, (195, 240)), (0, 1))
    elif sort == 1:
        canvas = Canvas.blank(height, width, _jittered(rng, (180, 130, 80), 15))
        cork = _fog(rng, height, width, height / 4) + _fog(rng, height, width, height / 9)
        canvas.shine(1 + np.float32(rng.uniform(0.05, 0.13)) * cork)
    elif sort == 2:
        canvas = _paper(rng, size, _jittered(rng, (45, 60, 55), 25))
    elif sort == 3:
        canvas = _paper(rng, size, _vivid(rng, (0.3, 0.9), (0.1, 0.6)))
        canvas.shine(1 + 0.06 * _fog(rng, height, width, 5))
    else:
        canvas = _table(rng, size, _chance(rng, 0.5))
    return canvas


def _sticky_scene(
    images: Sequence[UInt8Array], rng: Rng, colour: ArrayLike, ground: Callable[..., Canvas]
) -> Scene:
    side = int(rng.integers(150, 340))
    sheet = _paper(rng, (side, round(side * rng.uniform(0.92, 1.12))), _jittered(rng, colour))
    pens = ["felt", "shape", "fountain", "marker"]
    dark = _jittered(rng, DARK_INKS[rng.integers(6)])
    _write(sheet, images[0], rng, pen=str(rng.choice(pens)), colour=dark)
    y, _ = _places(*sheet.size)
    curl = rng.uniform(0.02, 0.15) * (y / side) ** 3 - rng.uniform(0, 0.12) * (1 - y / side) ** 4
    sheet.shine(1 + curl + np.zeros((1, sheet.size[1]), np.float32))
    under = ground(rng, _around(rng, sheet))
    canvas, _ = _lying(sheet, under, rng, turn=rng.uniform(-12, 12), shadow=(0.2, 0.6))
    return _photo(canvas, rng)


@_kind("sticky-note")
def _sticky_note(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    """A yellow note on a table or a wall."""
    return _sticky_scene(images, rng, NOTES[0], partial(_table, dark=_chance(rng, 0.5)))


@_kind("sticky-on-board")
def _sticky_on_board(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    """A note of any colour on a board of any kind."""
    colour = NOTES[rng.integers(5)] if _chance(rng, 0.7) else _vivid(rng, (0.75, 1.0), (0.25, 0.7))
    return _sticky_scene(images, rng, colour, _board)


def _cut_sheet(images: Sequence[UInt8Array], rng: Rng, sides: Sequence[int]) -> Scene:
    """A sheet cut off by the picture's frame on these sides."""
    sheet = _note(images, rng, share=(0.35, 0.6))
    ground = _table(rng, _around(rng, sheet, (1.3, 1.7)), _chance(rng, 0.65))
    canvas, extent = _lying(sheet, ground, rng, turn=rng.normal(0, 6))
    edges = canvas.extent()
    inwards = np.array([1, 1, -1, -1])
    frame = np.array([0, 0, canvas.size[1], canvas.size[0]], np.float64)
    for side in sides:
        from_edge, from_ink = extent[side], edges[side] - 4 * inwards[side]
        frame[side] = from_edge + rng.uniform(0.25, 0.9) * (from_ink - from_edge)
    canvas.crop(*(round(edge) for edge in frame))
    return _photo(canvas, rng)


@_kind("sheet-cut-by-frame")
def _sheet_cut(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    return _cut_sheet(images, rng, rng.permutation(4)[: rng.integers(1, 4)].tolist())


@_kind("sheet-corner")
def _sheet_corner(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    """The picture shows one corner of the sheet."""
    first = int(rng.integers(4))
    return _cut_sheet(images, rng, [first, (first + 1) % 4])


# Kinds: boards and screens


def _whiteboard_sheet(images: Sequence[UInt8Array], rng: Rng, share: Span = (0.35, 0.7)) -> Canvas:
    canvas = _paper(rng, colour=_paper_colour(rng, (165, 235)), grain=(0, 1.5))
    height, width = canvas.size
    wiped = _fog(rng, height, width, rng.uniform(4, 14), rng.uniform(2, 7))
    canvas.shine(1 + rng.uniform(0.01, 0.06) * np.minimum(wiped, 0.5))
    pens = ["felt", "felt", "marker", "fountain"]
    _write(canvas, images[0], rng, pen=str(rng.choice(pens)), share=share)
    return canvas


@_kind("whiteboard")
def _whiteboard(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    canvas = _whiteboard_sheet(images, rng)
    height, width = canvas.size
    for _ in range(rng.integers(0, 3)):
        at = rng.uniform(0, width), rng.uniform(0, height)
        _glaring(canvas, rng, at, (60, 160))
    return _photo(canvas, rng, light=(0.1, 0.5), exposure=(0.9, 1.03))


@_kind("whiteboard-dark-border")
def _whiteboard_border(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    canvas = _whiteboard_sheet(images, rng)
    sides = rng.permutation(4)[: rng.integers(1, 5)]
    _bordered(canvas, rng, sides, _paper_colour(rng, (15, 110)), (0.02, 0.1))
    if _chance(rng, 0.5):
        wall = rng.permutation(sides)[: rng.integers(1, len(sides) + 1)]
        _bordered(canvas, rng, wall, _paper_colour(rng, (90, 230)), (0.02, 0.15))
    at = rng.uniform(0, canvas.size[1]), rng.uniform(0, canvas.size[0])
    if _chance(rng, 0.4):
        _glaring(canvas, rng, at, (60, 160))
    return _photo(canvas, rng, light=(0.1, 0.5), exposure=(0.9, 1.03))


def _screen_colours(rng: Rng, dark: bool) -> tuple[Colour, Colour, Colour]:
    """Ground, bar and ink of a program."""
    if dark:
        ground = _paper_colour(rng, (5, 50))
        colour = _paper_colour(rng, (200, 255))
        if _chance(rng, 0.3):
            colour = _vivid(rng, (0.85, 1.0), (0.3, 0.8))
        return ground, _colour(ground + rng.uniform(10, 50)), colour
    return _paper_colour(rng, (242, 255)), _paper_colour(rng, (205, 240)), _ink_colour(rng)


def _bar(canvas: Canvas, rng: Rng, top: int, tall: int, colour: ArrayLike, text: str) -> None:
    """A bar with some buttons and a text."""
    width = canvas.size[1]
    canvas.picture[top : top + tall] = colour
    on_dark = _luminance(colour) < 128
    tone = _paper_colour(rng, (150, 250) if on_dark else (20, 120))
    radius = tall * rng.uniform(0.16, 0.3)
    y, x = _places(tall, width)
    start, step = rng.uniform(0.01, 0.1) * width + radius, radius * rng.uniform(2.6, 5)
    for number in range(rng.integers(2, 8)):
        away = np.hypot(x - start - number * step, y - tall / 2)
        button = np.clip(radius - away + 0.5, 0, 1)
        canvas.lay(button, tone if _chance(rng, 0.5) else _vivid(rng), 0, top)
    written = _printed(rng, text, tall * rng.uniform(0.4, 0.6))
    at = round(width - written.shape[1] - rng.uniform(0.01, 0.05) * width)
    canvas.lay(written, tone, at, top + (tall - written.shape[0]) // 2)


def _tablet_scene(images: Sequence[UInt8Array], rng: Rng, dark: bool) -> Scene:
    ground, bar, colour = _screen_colours(rng, dark)
    size = _size(rng, (300, 680))
    canvas = Canvas.blank(*size, ground)
    if _chance(rng, 0.3):
        pitch = rng.uniform(0.05, 0.12) * size[0]
        rule = ground + np.float32(rng.uniform(8, 30)) * (1 if dark else -1)
        lines = _horizontals(rng, size, pitch, 1, 0)
        if _chance(rng, 0.5):
            lines += _verticals(rng, size, pitch, 1, 0)
        canvas.lay(_strokes(size, lines), rule)
    pens = ["felt", "fountain", "marker", "ballpoint"]
    tall = round(size[0] * rng.uniform(0.04, 0.09))
    part = (0.02, tall / size[0] + 0.01, 0.98, 0.98)
    _write(canvas, images[0], rng, pen=str(rng.choice(pens)), colour=colour, inside=part)
    times = f"{rng.integers(24):02}:{rng.integers(60):02}"
    _bar(canvas, rng, 0, tall, bar, times)
    return canvas.scene()


@_kind("tablet-screenshot")
def _tablet(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    return _tablet_scene(images, rng, _chance(rng, 0.4))


@_kind("dark-mode-tablet")
def _dark_tablet(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    return _tablet_scene(images, rng, True)


@_kind("screenshot-bars")
def _screenshot(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    """A program's window with a title bar and a status bar."""
    dark = _chance(rng, 0.3)
    ground, bar, colour = _screen_colours(rng, dark)
    size = _size(rng, (250, 650))
    canvas = Canvas.blank(*size, ground)
    tall = round(size[0] * rng.uniform(0.05, 0.1))
    low = round(size[0] * rng.uniform(0.035, 0.06))
    part = (0.03, tall / size[0] + 0.02, 0.97, 1 - low / size[0] - 0.02)
    pens = ["felt", "fountain", "shape", "ballpoint"]
    _write(canvas, images[0], rng, pen=str(rng.choice(pens)), colour=colour, inside=part)
    titles = ["Paint", "untitled - Draw", "Sketch", "notes.png", "Whiteboard", "Canvas"]
    title = bar if _chance(rng, 0.6) else _vivid(rng, (0.3, 0.9))
    _bar(canvas, rng, 0, tall, title, titles[rng.integers(6)])
    if _chance(rng, 0.7):
        status = (
            f"{rng.integers(100, 999)} x {rng.integers(100, 999)} px   {rng.integers(25, 400)} %"
        )
        _bar(canvas, rng, size[0] - low, low, bar, status)
    if _chance(rng, 0.4):
        lines = _box_lines(0, 0, size[1] - 1, size[0] - 1, rng.uniform(1, 3))
        canvas.lay(_strokes(size, lines), bar * np.float32(0.7))
    return canvas.scene()


@_kind("screen-photo")
def _screen_photo(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    """A photo of a screen with its moiré."""
    canvas = _paper(rng, colour=_jittered(rng, (205, 215, 228), 15), grain=(0, 1))
    _write(canvas, images[0], rng, pen=str(rng.choice(["shape", "felt", "marker"])))
    height, width = canvas.size
    strength, turns = rng.uniform(0.02, 0.18), rng.uniform(0.0, 0.35)
    waves = rng.uniform(3, 14) * _fog(rng, height, width, rng.uniform(1, 3))
    waves += rng.uniform(5, 40) * _ramp(rng, height, width)
    for channel in range(3):
        phase = 2 * np.pi * (waves + np.float32(channel * turns))
        canvas.picture[..., channel] *= 1 + np.float32(strength) * np.sin(phase)
    if _chance(rng, 0.5):
        grid = np.indices((height, width)).sum(axis=0) % int(rng.integers(2, 4)) == 0
        canvas.shine(1 - np.float32(rng.uniform(0.02, 0.1)) * grid)
    return _photo(canvas, rng, light=(0, 0.4), blur=(0.3, 1.0))


COLOUR_MAPS = {
    "gray": [(0, 0, 0), (255, 255, 255)],
    "gray_r": [(255, 255, 255), (0, 0, 0)],
    "bone": [(0, 0, 0), (84, 84, 116), (167, 199, 199), (255, 255, 255)],
    "viridis": [(68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)],
    "magma": [(0, 0, 4), (81, 18, 124), (183, 55, 121), (252, 137, 97), (252, 253, 191)],
    "hot": [(10, 0, 0), (255, 0, 0), (255, 255, 0), (255, 255, 255)],
    "Blues": [(247, 251, 255), (158, 202, 225), (33, 113, 181), (8, 48, 107)],
}


def _mapped(values: Float32Array, name: str) -> Float32Array:
    stops = np.array(COLOUR_MAPS[name], np.float32)
    places = np.linspace(0, 1, len(stops))
    channels = [np.interp(values, places, stops[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)


def _with_axes(axes: Canvas, rng: Rng, pixels: int) -> Canvas:
    """Set a square into a white page with spines, ticks and their labels."""
    side = axes.size[0]
    size = max(8.0, side * rng.uniform(0.035, 0.055))
    around = [round(size * rng.uniform(2.2, 4)) for _ in range(4)]
    around[3] = round(size * rng.uniform(2, 3))
    axes.pad(*around, (255, 255, 255))
    left, top = around[0], around[1]
    tick, wide = size * 0.35, max(0.8, side / 350)
    lines = _box_lines(left - 0.5, top - 0.5, left + side - 0.5, top + side - 0.5, wide)
    step = int(rng.choice([5, 10])) if pixels <= 28 else pixels // 4
    labels = []
    for value in range(0, pixels, step):
        at = (value + 0.5) / pixels * side
        lines.append(([(left + at, top + side), (left + at, top + side + tick)], wide))
        lines.append(([(left, top + at), (left - tick, top + at)], wide))
        text = _text(str(value), size)
        labels.append((text, round(left + at - text.shape[1] / 2), round(top + side + tick * 1.7)))
        x = round(left - tick * 1.7 - text.shape[1])
        labels.append((text, x, round(top + at - text.shape[0] / 2)))
    if _chance(rng, 0.2):
        title = _text(str(rng.choice(["digit", "sample", "image", "x_train"])), size * 1.2)
        x = round(left + side / 2 - title.shape[1] / 2)
        labels.append((title, x, max(1, round(top - title.shape[0] - tick))))
    axes.lay(_strokes(axes.size, lines), (0, 0, 0))
    for text, x, y in labels:
        axes.lay(text, (0, 0, 0), x, y)
    return axes


def _text(text: str, height: float) -> Float32Array:
    font = _font("DejaVuSans.ttf", max(6, round(height)))
    left, top, right, bottom = (round(edge) for edge in font.getbbox(text))
    sheet = Image.new("L", (max(1, right - left), max(1, bottom - top)))
    ImageDraw.Draw(sheet).text((-left, -top), text, 255, font)
    return np.asarray(sheet, np.float32) / np.float32(255)


@_kind("plot-window")
def _plot_window(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    """A dark square with axes on a white page, the digit light on dark."""
    side = int(rng.integers(150, 420))
    dark = _vivid(rng, (0.1, 0.4), (0.2, 0.9)) if _chance(rng, 0.2) else _paper_colour(rng, (0, 40))
    axes = Canvas.blank(side, side, dark)
    light = _paper_colour(rng, (190, 255))
    _write(axes, images[0], rng, colour=light, share=(0.5, 0.8))
    pixels = int(rng.choice([28, 64, 100, 200]))
    return _with_axes(axes, rng, pixels).scene()


@_kind("imshow")
def _imshow(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    """The MNIST image itself as a plotting library shows it."""
    name = str(rng.choice(list(COLOUR_MAPS), p=[0.25, 0.2, 0.07, 0.28, 0.08, 0.06, 0.06]))
    zoom = int(rng.integers(5, 15))
    values = images[0].astype(np.float32) / np.float32(255)
    if _chance(rng, 0.2):
        side = 28 * zoom
        large = Image.fromarray(values).resize((side, side), Image.Resampling.BILINEAR)
        values = np.asarray(large, np.float32)
    else:
        values = values.repeat(zoom, 0).repeat(zoom, 1)
    axes = Canvas(_mapped(values, name), (values > 0.5).astype(np.float32))
    if _chance(rng, 0.2):
        around = [int(rng.integers(2, 60)) for _ in range(4)]
        axes.pad(*around, (255, 255, 255))
        return axes.scene()
    return _with_axes(axes, rng, 28).scene()


# Rows


FULL_PENS = ["shape", "shape", "felt", "felt", "fountain", "marker", "ballpoint"]


def _row_of(
    images: Sequence[UInt8Array],
    rng: Rng,
    tall: float,
    *,
    pen: str | None = None,
    gap: Span = (0.12, 0.6),
) -> tuple[list[tuple[Float32Array, int, int]], int]:
    """Digits of a row with the left and top of each from 0, and the row's width."""
    pen = pen or str(rng.choice(FULL_PENS))
    width = None if pen == "shape" else tall * _span(rng, PENS[pen])
    slant, climb = rng.normal(0, 4), rng.normal(0, 0.02)
    apart = sorted(rng.uniform(*gap, 2))
    placed = []
    right = 0.0
    for image in images:
        height = tall * rng.uniform(0.85, 1.1)
        drawn = ink(image, rng, height, pen, slant + rng.normal(0, 3), width)
        top = tall - drawn.shape[0] * rng.uniform(0.93, 1.07) + climb * right
        placed.append((drawn, round(right), round(top)))
        right += drawn.shape[1] + tall * _span(rng, (apart[0], apart[1]))
    least = min(top for _, _, top in placed)
    placed = [(drawn, left, top - least) for drawn, left, top in placed]
    return placed, max(left + drawn.shape[1] for drawn, left, _ in placed)


def _height_of(placed: list[tuple[Float32Array, int, int]]) -> int:
    return max(top + drawn.shape[0] for drawn, _, top in placed)


def _lay_row(
    canvas: Canvas,
    placed: list[tuple[Float32Array, int, int]],
    colour: ArrayLike,
    left: int,
    top: int,
) -> None:
    for drawn, x, y in placed:
        canvas.lay(drawn, colour, left + x, top + y, owned=True)
    right = max(x + drawn.shape[1] for drawn, x, _ in placed)
    canvas.box = left, top, left + right, top + _height_of(placed)


def _row_on_paper(
    images: Sequence[UInt8Array],
    rng: Rng,
    *,
    colour: ArrayLike | None = None,
    paper: ArrayLike | None = None,
    ruled: str = "",
    pen: str | None = None,
    room: Span = (0.12, 0.9),
) -> Canvas:
    tall = rng.uniform(50, 150)
    placed, across = _row_of(images, rng, tall, pen=pen)
    rims = tall * rng.uniform(0.12, 0.9, 4)
    rims[1::2] = tall * rng.uniform(*room, 2)
    size = round(_height_of(placed) + rims[1] + rims[3]), round(across + rims[0] + rims[2])
    canvas = _paper(rng, size, paper)
    if ruled:
        pitch = tall / size[0]
        span = (0.35, 1.2) if ruled == "squared" else (0.9, 1.8)
        reach = min(size) / size[0]
        spans = span[0] * pitch / reach, span[1] * pitch / reach
        _ruled(rng, canvas, squared=ruled == "squared", pitch=spans)
    colour = _ink_colour(rng) if colour is None else colour
    _lay_row(canvas, placed, colour, round(rims[0]), round(rims[1]))
    return canvas


@_rows("plain")
def _row_plain(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    canvas = _row_on_paper(images, rng, paper=_paper_colour(rng, (230, 255)))
    return _scan(canvas, rng)


@_rows("underlined")
def _row_underlined(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    colour = _ink_colour(rng)
    canvas = _row_on_paper(images, rng, colour=colour)
    left, top, right, bottom = canvas.box
    tall = bottom - top
    away = tall * rng.uniform(0.03, 0.25)
    more = max(0, round(away + 0.06 * tall) + bottom - canvas.size[0])
    if more and _chance(rng, 0.7):
        canvas.pad(0, 0, 0, more, canvas.picture[-1].mean(axis=0))
    slope = rng.normal(0, 0.008) * (right - left)
    start = left + tall * rng.uniform(-0.4, 0.15), bottom + away - slope
    end = right + tall * rng.uniform(-0.15, 0.5), bottom + away + slope
    wide = max(FINEST, tall * rng.uniform(0.02, 0.06))
    covered = _strokes(canvas.size, [(_hand_line(rng, start, end, 0.015 * tall), wide)])
    canvas.lay(covered * (1 - canvas.owner), colour)
    return _captured(canvas, rng)


@_rows("tight")
def _row_tight(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    canvas = _row_on_paper(images, rng)
    canvas.crop(*canvas.extent())
    return _captured(canvas, rng)


@_rows("gradient")
def _row_gradient(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    canvas = _row_on_paper(images, rng)
    low, high = rng.uniform(0.25, 0.45), rng.uniform(0.85, 1.05)
    canvas.shine(low + (high - low) * (_ramp(rng, *canvas.size) + np.float32(0.5)))
    return _photo(canvas, rng, light=(0, 0.1))


@_rows("half-shadow")
def _row_half_shadow(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    canvas = _row_on_paper(images, rng)
    _half_dark(canvas, rng)
    return _photo(canvas, rng, light=(0, 0.15))


@_rows("low-contrast")
def _row_low_contrast(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    paper = _paper_colour(rng, (185, 245))
    colour = paper - rng.uniform(35, 75)
    pen = str(rng.choice(["felt", "shape", "fountain"]))
    canvas = _row_on_paper(images, rng, paper=paper, colour=colour, pen=pen)
    return _photo(canvas, rng, light=(0, 0.15), noise=(0.5, 3))


@_rows("lined")
def _row_lined(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    return _captured(_row_on_paper(images, rng, ruled="lined"), rng)


@_rows("squared")
def _row_squared(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    return _captured(_row_on_paper(images, rng, ruled="squared"), rng)


def _row_sheet(images: Sequence[UInt8Array], rng: Rng, dark: bool) -> Scene:
    sheet = _row_on_paper(images, rng, ruled="lined" if _chance(rng, 0.15) else "")
    room = round(sheet.size[0] * rng.uniform(0.4, 1.2))
    ground = _table(rng, (sheet.size[0] + room + sheet.size[1] // 8, sheet.size[1] + room), dark)
    canvas, _ = _lying(sheet, ground, rng, turn=rng.uniform(-8, 8), aslant=0.08)
    return _photo(canvas, rng)


@_rows("dark-table")
def _row_dark_table(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    return _row_sheet(images, rng, True)


@_rows("light-table")
def _row_light_table(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    return _row_sheet(images, rng, False)


@_rows("sticky-note")
def _row_sticky_note(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    colour = NOTES[rng.integers(5)] if _chance(rng, 0.7) else _vivid(rng, (0.75, 1.0), (0.25, 0.7))
    dark = _jittered(rng, DARK_INKS[rng.integers(6)])
    room = (0.3, 2.2 if len(images) > 4 else 1.2)
    sheet = _row_on_paper(images, rng, colour=dark, paper=_jittered(rng, colour), room=room)
    more = round(sheet.size[0] * rng.uniform(0.2, 0.6))
    ground = _board(rng, (sheet.size[0] + more, sheet.size[1] + more))
    canvas, _ = _lying(sheet, ground, rng, turn=rng.uniform(-8, 8), shadow=(0.2, 0.6))
    return _photo(canvas, rng)


def _row_in_boxes(images: Sequence[UInt8Array], rng: Rng, apart: Span) -> Scene:
    tall = rng.uniform(50, 110)
    pen = str(rng.choice(FULL_PENS))
    width = None if pen == "shape" else tall * _span(rng, PENS[pen])
    digits = [ink(image, rng, tall * rng.uniform(0.8, 1), pen, width=width) for image in images]
    box_height = tall * rng.uniform(1.12, 1.6)
    widest = max(drawn.shape[1] for drawn in digits)
    box_width = max(box_height * rng.uniform(0.65, 1.0), widest * 1.06)
    step = box_width + _span(rng, apart) * tall
    rims = tall * rng.uniform(0.1, 0.8, 4)
    height = round(rims[1] + box_height + rims[3])
    across = round(rims[0] + step * (len(digits) - 1) + box_width + rims[2])
    canvas = _paper(rng, (height, across), _paper_colour(rng, (205, 255)))
    wide = max(0.8, tall * rng.uniform(0.01, 0.035))
    lines: list[tuple[Points, float]] = []
    for number in range(len(digits)):
        left, top = rims[0] + number * step, rims[1]
        lines += _box_lines(left, top, left + box_width, top + box_height, wide)
    canvas.lay(_strokes(canvas.size, lines), _form_colour(rng))
    colour = _ink_colour(rng)
    for number, drawn in enumerate(digits):
        x = rims[0] + number * step + (box_width - drawn.shape[1]) * rng.uniform(0.3, 0.7)
        y = rims[1] + (box_height - drawn.shape[0]) * rng.uniform(0.25, 0.75)
        canvas.lay(drawn, colour, round(x), round(y), owned=True)
    return _captured(canvas, rng)


@_rows("boxes")
def _row_boxes(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    return _row_in_boxes(images, rng, (0.06, 0.4))


@_rows("boxes-joined")
def _row_boxes_joined(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    return _row_in_boxes(images, rng, (0, 0))


@_rows("comb")
def _row_comb(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    tall = rng.uniform(50, 110)
    pen = str(rng.choice(FULL_PENS))
    width = None if pen == "shape" else tall * _span(rng, PENS[pen])
    digits = [ink(image, rng, tall * rng.uniform(0.8, 1), pen, width=width) for image in images]
    widest = max(drawn.shape[1] for drawn in digits)
    field = max(tall * rng.uniform(0.85, 1.3), widest * 1.06)
    rims = tall * rng.uniform(0.1, 0.8, 4)
    base = rims[1] + tall * 1.15
    height, across = round(base + rims[3]), round(rims[0] + field * len(digits) + rims[2])
    canvas = _paper(rng, (height, across), _paper_colour(rng, (205, 255)))
    wide = max(0.8, tall * rng.uniform(0.01, 0.035))
    tooth = tall * rng.uniform(0.15, 1.1)
    lines: list[tuple[Points, float]] = [([(rims[0], base), (across - rims[2], base)], wide)]
    for number in range(len(digits) + 1):
        x = rims[0] + number * field
        lines.append(([(x, base), (x, base - tooth)], wide))
    canvas.lay(_strokes(canvas.size, lines), _form_colour(rng))
    colour = _ink_colour(rng)
    for number, drawn in enumerate(digits):
        x = rims[0] + number * field + (field - drawn.shape[1]) * rng.uniform(0.35, 0.65)
        y = base - drawn.shape[0] - tall * rng.uniform(0.02, 0.15)
        canvas.lay(drawn, colour, round(x), round(y), owned=True)
    return _captured(canvas, rng)


@_rows("two-rows")
def _row_two(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    tall = rng.uniform(50, 130)
    pen = str(rng.choice(FULL_PENS))
    half = len(images) // 2
    rows = [_row_of(part, rng, tall, pen=pen) for part in (images[:half], images[half:])]
    rims = tall * rng.uniform(0.12, 0.9, 4)
    apart = tall * rng.uniform(0.2, 0.8)
    heights = [_height_of(placed) for placed, _ in rows]
    shifts = tall * rng.uniform(0, 0.4, 2)
    across = max(shift + width for (_, width), shift in zip(rows, shifts, strict=True))
    size = round(sum(heights) + apart + rims[1] + rims[3]), round(across + rims[0] + rims[2])
    canvas = _paper(rng, size)
    colour = _ink_colour(rng)
    top = rims[1]
    for (placed, _), height, shift in zip(rows, heights, shifts, strict=True):
        _lay_row(canvas, placed, colour, round(rims[0] + shift), round(top))
        top += height + apart
    return _captured(canvas, rng)


@_rows("with-mark")
def _row_with_mark(images: Sequence[UInt8Array], rng: Rng) -> Scene:
    """A full stop, a comma or a dash after the row."""
    colour = _ink_colour(rng)
    canvas = _row_on_paper(images, rng, colour=colour)
    _, top, right, bottom = canvas.box
    tall = bottom - top
    x, wide = right + tall * rng.uniform(0.12, 0.3), max(2.0, tall * rng.uniform(0.04, 0.09))
    more = max(0, round(x + 0.6 * tall) - canvas.size[1])
    if more:
        canvas.pad(0, 0, more, 0, canvas.picture[:, -1].mean(axis=0))
    base = bottom - tall * rng.uniform(0.0, 0.08)
    sort = rng.integers(3)
    if sort == 0:
        lines = [([(x - wide * 0.3, base), (x + wide * 0.3, base)], wide)]
    elif sort == 1:
        end = x - tall * rng.uniform(0.03, 0.1), base + tall * rng.uniform(0.08, 0.18)
        lines = [(_hand_line(rng, (x, base - wide), end, 0.02 * tall), wide)]
    else:
        level = (top + bottom) / 2 + tall * rng.uniform(-0.08, 0.12)
        end = x + tall * rng.uniform(0.25, 0.5), level + tall * rng.normal(0, 0.03)
        lines = [(_hand_line(rng, (x, level), end, 0.01 * tall), wide)]
    canvas.lay(_strokes(canvas.size, lines), colour)
    return _captured(canvas, rng)
