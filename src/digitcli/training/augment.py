"""Fresh distortions of the training digits for every epoch.

Every image is moved by one displacement field, an affine map plus an elastic distortion, and its
strokes are thickened or thinned, so that the network never sees the same picture twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

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
    stroke : float
        Largest thickening or thinning: each image is blended with its 3×3 grey dilation or
        erosion by a share drawn from [0, stroke].
    """

    rotation: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    translation: float = 0.0
    elastic_alpha: float = 0.0
    elastic_sigma: float = 5.0
    stroke: float = 0.0


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

    def draw(limit: float) -> NDArray[np.float64]:
        return rng.uniform(-limit, limit, count)

    angle = np.deg2rad(draw(settings.rotation))
    scale_y, scale_x = 1 / (1 + draw(settings.scale)), 1 / (1 + draw(settings.scale))
    slant = draw(settings.shear)
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


def _restroke(
    images: NDArray[np.uint8], settings: Augmentation, rng: np.random.Generator
) -> Float32Array:
    """Blend each image with its 3×3 grey dilation or erosion. uint8 → float32 in [0, 255]."""
    share = rng.uniform(-settings.stroke, settings.stroke, len(images)).astype(np.float32)
    result = images.astype(np.float32)
    for chosen, extremum in ((share > 0, np.maximum), (share < 0, np.minimum)):
        narrow = images[chosen]
        wide = narrow.copy()
        extremum(wide[:, 1:], narrow[:, :-1], out=wide[:, 1:])
        extremum(wide[:, :-1], narrow[:, 1:], out=wide[:, :-1])
        narrow = wide.copy()
        extremum(wide[:, :, 1:], narrow[:, :, :-1], out=wide[:, :, 1:])
        extremum(wide[:, :, :-1], narrow[:, :, 1:], out=wide[:, :, :-1])
        before = result[chosen]
        result[chosen] = before + np.abs(share[chosen])[:, None, None] * (wide - before)
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


def _augment_chunk(
    images: NDArray[np.uint8], settings: Augmentation, rng: np.random.Generator
) -> Float32Array:
    rows, columns = _displacements(len(images), settings, rng)
    inked = _restroke(images, settings, rng)
    result = _resample(inked, rows, columns)
    result *= np.float32(1 / 255)
    return result


def augment(
    images: NDArray[np.uint8],
    settings: Augmentation,
    *,
    seed: int,
    epoch: int,
    threads: int = 1,
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

    Returns
    -------
    ndarray of float32, shape (n, 784)
        Distorted digits, values in [0, 1].

    References
    ----------
    Simard, Steinkraus, Platt: Best Practices for Convolutional Neural Networks Applied to Visual
    Document Analysis. ICDAR 2003.
    """
    result = np.empty((len(images), PIXELS), np.float32)

    def work(chunk: int) -> None:
        part = slice(chunk * CHUNK, (chunk + 1) * CHUNK)
        seeds = np.random.SeedSequence(seed, spawn_key=(epoch, chunk))
        rng = np.random.Generator(np.random.SFC64(seeds))
        result[part] = _augment_chunk(images[part], settings, rng)

    chunks = range(-(-len(images) // CHUNK))
    if threads == 1:
        for chunk in chunks:
            work(chunk)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, chunks))
    return result
