"""Fresh distortions of the training digits for every epoch.

Every image is moved by one displacement field, an affine map plus an elastic distortion, and its
strokes are thickened or thinned, so that the network never sees the same picture twice.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from digitcli.model.input import INPUT_FEATURES, InputFeatures

Float32Array = NDArray[np.float32]

SIDE = 28
PIXELS = SIDE * SIDE
PAD = 2
PADDED = SIDE + 2 * PAD
CHUNK = 128  # 128 padded float32 images are 0.5 MB: the working set stays in a core's cache


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How strongly the training digits are distorted; all zeros leaves them as they are.

    Parameters
    ----------
    rotation : float
        Largest rotation in degrees; each image draws from [-rotation, rotation].
    scale : float
        Largest relative change of size; width and height draw independently from
        [1 - scale, 1 + scale].
    shear : float
        Largest horizontal shear; each image draws from [-shear, shear] (0.3 is a slant of 17°).
    translation : float
        Largest shift along each axis, in pixels.
    elastic_alpha, elastic_sigma : float
        Strength and smoothness (pixels) of the elastic distortion, with the meaning they have in
        Simard et al. (2003): white noise in [-1, 1] smoothed by a Gaussian and multiplied by
        alpha.
    wild : float
        Share of the images whose affine map is drawn from twice these limits.
    lean : float
        Largest further shear of wild images, always to the right, as in fast handwriting.
    thicken, thin : float
        Largest change of stroke width. Each image draws from [-thin, thicken]; 1 is one 3×3 grey
        dilation (two pixels wider), -1 one erosion, 0.5 the mean with the image itself.
    degrade : float
        Share of the images that go on to look like bad scans, by the fields below.
    blur : float
        Largest share of a 3×3 binomial blur.
    harden : float
        Largest hardening of edges: grey values are stretched about their middle by a factor from
        [1, 1 + harden] and clipped.
    fade : float
        Largest loss of ink; each image is multiplied by a factor from [1 - fade, 1].
    noise : float
        Largest standard deviation of white noise, of a full scale of 1.
    specks, gaps, lines : float
        Mean number of small blots, of small missing bits, and of nearly level or upright lines
        outside the middle, which are left of ruled paper and form boxes.
    """

    rotation: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    translation: float = 0.0
    elastic_alpha: float = 0.0
    elastic_sigma: float = 5.0
    wild: float = 0.0
    lean: float = 0.0
    thicken: float = 0.0
    thin: float = 0.0
    degrade: float = 0.0
    blur: float = 0.0
    harden: float = 0.0
    fade: float = 0.0
    noise: float = 0.0
    specks: float = 0.0
    gaps: float = 0.0
    lines: float = 0.0

    def weakened(self, factor: float) -> Augmentation:
        """Return these settings with every strength multiplied by `factor`."""
        strengths = {
            item.name: factor * getattr(self, item.name)
            for item in fields(self)
            if item.name != "elastic_sigma"
        }
        return replace(self, **strengths)


@lru_cache(maxsize=8)
def _smooth_basis(sigma: float) -> Float32Array:
    """Basis B (28, r) such that B Z Bᵀ, for white noise Z (r, r), is Gaussian-smoothed white noise.

    Smoothing white noise with a Gaussian is a product with a 28-row kernel matrix on each side.
    The left singular vectors of that matrix, scaled by its singular values, give fields of the
    same distribution from far fewer random numbers, because the spectrum falls off quickly. The
    first two columns are the constant and the centred coordinate, which carry the affine map.
    """
    centre = (SIDE - 1) / 2
    rows = np.arange(SIDE) - centre
    reach = int(np.ceil(centre + 4 * sigma))  # noise outside the image flows in as well
    sources = np.arange(-reach, reach + 1) - 0.5
    kernel = np.exp(-((rows[:, None] - sources) ** 2) / (2 * sigma**2))
    kernel /= sigma * np.sqrt(2 * np.pi)
    left, singular, _ = np.linalg.svd(kernel, full_matrices=False)
    rank = int(np.count_nonzero(singular > 0.01 * singular[0]))
    basis = np.column_stack([np.ones(SIDE), rows, left[:, :rank] * singular[:rank]])
    return basis.astype(np.float32)


def _displacements(
    count: int, settings: Augmentation, rng: np.random.Generator
) -> tuple[Float32Array, Float32Array]:
    """Row and column to read for every output pixel, each (count, 28, 28), in source pixels."""
    basis = _smooth_basis(settings.elastic_sigma)
    size = basis.shape[1]

    reach = 1.0 + (rng.random(count) < settings.wild)

    def draw(limit: float) -> NDArray[np.float64]:
        return reach * rng.uniform(-limit, limit, count)

    angle = np.deg2rad(draw(settings.rotation))
    scale_y, scale_x = 1 / (1 + draw(settings.scale)), 1 / (1 + draw(settings.scale))
    slant = draw(settings.shear) + (reach - 1) * rng.uniform(0, settings.lean, count)
    cos, sin = np.cos(angle), np.sin(angle)

    # white noise of the variance of uniform noise in [-1, 1], as in the paper
    noise = rng.standard_normal((2, count, size, size), dtype=np.float32)
    noise *= np.float32(settings.elastic_alpha / np.sqrt(3))
    noise[:, :, :2] = 0
    noise[:, :, :, :2] = 0
    rows, columns = noise
    centre = (SIDE - 1) / 2
    rows[:, 0, 0] = centre + draw(settings.translation)
    rows[:, 1, 0] = scale_y * cos
    rows[:, 0, 1] = scale_y * sin
    columns[:, 0, 0] = centre + draw(settings.translation)
    columns[:, 1, 0] = scale_x * (slant * cos - sin)
    columns[:, 0, 1] = scale_x * (cos + slant * sin)
    # one small product per image: large ones would take BLAS threads away from the training
    return basis @ rows @ basis.T, basis @ columns @ basis.T


def _spread(images: NDArray[np.uint8], extremum: np.ufunc) -> NDArray[np.uint8]:
    """3×3 grey dilation (np.maximum) or erosion (np.minimum) of images (n, 28, 28)."""
    tall = images.copy()
    extremum(tall[:, 1:], images[:, :-1], out=tall[:, 1:])
    extremum(tall[:, :-1], images[:, 1:], out=tall[:, :-1])
    wide = tall.copy()
    extremum(wide[:, :, 1:], tall[:, :, :-1], out=wide[:, :, 1:])
    extremum(wide[:, :, :-1], tall[:, :, 1:], out=wide[:, :, :-1])
    return wide


def _restroke(
    images: NDArray[np.uint8], settings: Augmentation, rng: np.random.Generator
) -> Float32Array:
    """Thicken or thin the strokes of each image. uint8 → float32 in [0, 255]."""
    change = rng.uniform(-settings.thin, settings.thicken, len(images)).astype(np.float32)
    result = images.astype(np.float32)
    for sign, extremum in ((1, np.maximum), (-1, np.minimum)):
        chosen = np.flatnonzero(sign * change > 0)
        steps = np.abs(change[chosen])
        image = images[chosen]
        while len(chosen):
            further = _spread(image, extremum)
            share = np.minimum(steps, 1)[:, None, None]
            result[chosen] = image + share * (further.astype(np.float32) - image)
            more = steps > 1
            chosen, image, steps = chosen[more], further[more], steps[more] - 1
    return result


def _resample(images: Float32Array, rows: Float32Array, columns: Float32Array) -> Float32Array:
    """Read images (n, 28, 28) at (rows, columns), bilinear, zero outside → (n, 784)."""
    count = len(images)
    padded = np.zeros((count, PADDED, PADDED), np.float32)
    padded[:, PAD : PAD + SIDE, PAD : PAD + SIDE] = images
    source = padded.ravel()

    for axis in (rows, columns):
        axis += PAD
        np.clip(axis, 0, PADDED - 2, out=axis)
    top, left = np.floor(rows), np.floor(columns)
    rows -= top
    columns -= left
    top *= PADDED
    top += left
    top += (np.arange(count, dtype=np.float32) * (PADDED * PADDED))[:, None, None]
    index = top.astype(np.intp)

    def gather(offset: int) -> Float32Array:
        # "clip" is what take does without a bounds check for each element
        return np.take(source[offset:], index, mode="clip")

    upper = gather(0)
    right = gather(1)
    right -= upper
    right *= columns
    upper += right
    lower = gather(PADDED)
    right = gather(PADDED + 1)
    right -= lower
    right *= columns
    lower += right
    lower -= upper
    lower *= rows
    upper += lower
    return upper.reshape(count, PIXELS)


def _blots(
    count: int, mean: float, rng: np.random.Generator
) -> tuple[NDArray[np.intp], Float32Array]:
    """Round spots at random places: which image each lies in, and its mask (m, 784) in [0, 1]."""
    owner = np.repeat(np.arange(count), rng.poisson(mean, count))
    axis = np.arange(SIDE, dtype=np.float32)
    centre = rng.uniform(0, SIDE - 1, (2, len(owner), 1)).astype(np.float32)
    radius = rng.uniform(0.5, 2.3, (len(owner), 1)).astype(np.float32)
    rows, columns = np.exp(-(((axis - centre) / radius) ** 2))
    mask = rows[:, :, None] * columns[:, None, :]
    return owner, mask.reshape(-1, PIXELS)


def _lines(
    count: int, mean: float, rng: np.random.Generator
) -> tuple[NDArray[np.intp], Float32Array]:
    """Lines near one side: which image each lies in, and its mask (m, 784) in [0, 1]."""
    owner = np.repeat(np.arange(count), rng.poisson(mean, count))

    def draw(low: float, high: float) -> Float32Array:
        return rng.uniform(low, high, (len(owner), 1, 1)).astype(np.float32)

    axis = np.arange(SIDE, dtype=np.float32) - np.float32((SIDE - 1) / 2)
    along, across = axis, axis[:, None]
    distance = np.abs(across - draw(8, 12) - draw(-0.1, 0.1) * along)
    mask = np.clip(draw(0.5, 1.2) + np.float32(0.5) - distance, 0, 1)
    mask *= np.abs(along - draw(-6, 6)) < draw(4, 16)
    # the line lies below; turned, it lies at any of the sides
    for turn in range(4):
        turned = rng.random(len(owner)) < 0.25
        mask[turned] = np.rot90(mask[turned], turn, axes=(1, 2))
    return owner, mask.reshape(-1, PIXELS)


def _degrade(images: Float32Array, settings: Augmentation, rng: np.random.Generator) -> None:
    """Blur, harden, spot, break and spoil with noise some of the images (n, 784), in place."""
    chosen = np.flatnonzero(rng.random(len(images)) < settings.degrade)
    worse = images[chosen]

    def draw(low: float, high: float) -> Float32Array:
        return rng.uniform(low, high, (len(worse), 1)).astype(np.float32)

    owner, mask = _blots(len(worse), settings.gaps, rng)
    np.multiply.at(worse, owner, 1 - mask)
    for owner, mask in (
        _blots(len(worse), settings.specks, rng),
        _lines(len(worse), settings.lines, rng),
    ):
        np.maximum.at(worse, owner, mask)
    if settings.blur > 0:
        neighbours = np.eye(SIDE, k=1) + np.eye(SIDE, k=-1)
        binomial = ((2 * np.eye(SIDE) + neighbours) / 4).astype(np.float32)
        square = worse.reshape(-1, SIDE, SIDE)
        blurred = (binomial @ square @ binomial).reshape(-1, PIXELS)
        worse += draw(0, settings.blur) * (blurred - worse)
    worse = (worse - np.float32(0.5)) * draw(1, 1 + settings.harden) + np.float32(0.5)
    np.clip(worse, 0, 1, out=worse)
    worse *= draw(1 - settings.fade, 1)
    worse += draw(0, settings.noise) * rng.standard_normal(worse.shape, dtype=np.float32)
    images[chosen] = np.clip(worse, 0, 1)


def _augment_chunk(
    images: NDArray[np.uint8], settings: Augmentation, rng: np.random.Generator
) -> Float32Array:
    rows, columns = _displacements(len(images), settings, rng)
    result = _resample(_restroke(images, settings, rng), rows, columns)
    result *= np.float32(1 / 255)
    if settings.degrade > 0:
        _degrade(result, settings, rng)
    return result


def augment(
    images: NDArray[np.uint8],
    settings: Augmentation,
    *,
    seed: int,
    epoch: int,
    threads: int = 1,
    features: InputFeatures | None = None,
    first: int = 0,
) -> Float32Array:
    """Distort every image anew.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, 28, 28)
        Digits, ink bright on black.
    settings : Augmentation
        Strength of the distortions.
    seed, epoch : int
        Equal seed, epoch and images give equal results, whatever the number of threads.
    threads : int
        Threads to work with; NumPy releases the interpreter lock.
    features : InputFeatures, optional
        What the network sees of the distorted images; their pixels by default.
    first : int
        How many times `CHUNK` images of the epoch come before these.

    Returns
    -------
    ndarray of float32, shape (n, 784) or (n, features.inputs)
        Distorted digits, values in [0, 1], or their features.

    References
    ----------
    Simard, Steinkraus, Platt: Best Practices for Convolutional Neural Networks Applied to Visual
    Document Analysis. ICDAR 2003.
    """
    features = features or INPUT_FEATURES["pixels"]
    result = np.empty((len(images), features.inputs), np.float32)

    def work(chunk: int) -> None:
        part = slice(chunk * CHUNK, (chunk + 1) * CHUNK)
        seeds = np.random.SeedSequence(seed, spawn_key=(epoch, first + chunk))
        rng = np.random.Generator(np.random.SFC64(seeds))
        result[part] = features.of(_augment_chunk(images[part], settings, rng))

    chunks = range(-(-len(images) // CHUNK))
    if threads == 1:
        for chunk in chunks:
            work(chunk)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, chunks))
    return result


class Part(NamedTuple):
    """Consecutive images of an epoch.

    Attributes
    ----------
    images : ndarray of float32, shape (n, 784) or (n, features.inputs)
        In [0, 1], or their features.
    labels : ndarray of uint8, shape (n,)
    epoch : int
    number, parts : int
        Which of the parts of its epoch it is, from 0, and how many there are.
    """

    images: Float32Array
    labels: NDArray[np.uint8]
    epoch: int
    number: int
    parts: int


Arrange = Callable[[NDArray[np.uint8], int], tuple[NDArray[np.uint8], Sequence[slice]]]
"""Gives the labels of an epoch, of which those in its order are known, and its parts."""


def augmented_epochs(
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    plan: Callable[[int], Augmentation],
    *,
    seed: int,
    epochs: range,
    threads: int = 1,
    features: InputFeatures | None = None,
) -> Generator[tuple[Float32Array, NDArray[np.uint8]], None, None]:
    """Yield the images and labels of each epoch; see `augmented_parts`."""

    def whole(labels: NDArray[np.uint8], epoch: int) -> tuple[NDArray[np.uint8], Sequence[slice]]:
        return labels, [slice(0, len(labels))]

    with contextlib.closing(
        augmented_parts(
            images,
            labels,
            plan,
            whole,
            seed=seed,
            epochs=epochs,
            threads=threads,
            features=features,
        )
    ) as parts:
        for part in parts:
            yield part.images, part.labels


def augmented_parts(
    images: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    plan: Callable[[int], Augmentation],
    arrange: Arrange,
    *,
    seed: int,
    epochs: range,
    threads: int = 1,
    features: InputFeatures | None = None,
) -> Generator[Part, None, None]:
    """Shuffled and distorted training data, each part made while the one before is used.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, 28, 28)
    labels : ndarray of uint8, shape (n,)
    plan : callable
        Gives the strength of the distortions for an epoch.
    arrange : callable
        Gives the labels of an epoch, and its parts, which do not change its images.
    seed : int
    epochs : range
        Epochs to go through; starting in the middle gives the same data as coming from the start.
    threads : int
    features : InputFeatures, optional
        What the network sees of the distorted images; their pixels by default.
    """

    def prepare(epoch: int, order: NDArray[np.intp], part: slice) -> Float32Array:
        first = part.start // CHUNK
        begin, end = first * CHUNK, -(-part.stop // CHUNK) * CHUNK
        distorted = augment(
            images[order[begin:end]],
            plan(epoch),
            seed=seed,
            epoch=epoch,
            threads=threads,
            features=features,
            first=first,
        )
        return distorted[part.start - begin : part.stop - begin]

    def finished(made: Future[Float32Array], *rest: Any) -> Part:
        return Part(made.result(), *rest)

    with ThreadPoolExecutor(1) as background:
        upcoming: deque[tuple[Any, ...]] = deque()
        for epoch in epochs:
            seeds = np.random.SeedSequence(seed, spawn_key=(epoch,))
            order = np.random.default_rng(seeds).permutation(len(images))
            names, parts = arrange(labels[order], epoch)
            for number, part in enumerate(parts):
                made = background.submit(prepare, epoch, order, part)
                upcoming.append((made, names[part], epoch, number, len(parts)))
                if len(upcoming) > 1:
                    yield finished(*upcoming.popleft())
        for last in upcoming:
            yield finished(*last)
