"""Distorted digits stay digits, and are the same for the same seed and epoch."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from contextlib import closing

import numpy as np
import pytest
from numpy.typing import NDArray

from digitcli.training.augment import (
    CHUNK,
    Augmentation,
    _displacements,
    augment,
    augmented_epochs,
    augmented_parts,
)

EVERYTHING = Augmentation(
    rotation=15,
    scale=0.15,
    shear=0.2,
    translation=2,
    elastic_alpha=34,
    elastic_sigma=5,
    thicken=1.5,
    thin=0.6,
    degrade=0.5,
    blur=1,
    harden=2,
    fade=0.5,
    noise=0.1,
    specks=1,
    gaps=1,
    lines=1,
    wild=0.2,
    lean=0.3,
)


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    """A bar, a ring and a blob, several hundred times: more than two chunks."""
    rows, columns = np.mgrid[:28, :28] - 13.5
    bar = np.clip(3 - np.abs(columns), 0, 1) * (np.abs(rows) < 9)
    ring = np.clip(2 - np.abs(np.hypot(rows, columns) - 7), 0, 1)
    blob = np.clip(6 - np.hypot(rows + 2, columns - 3), 0, 1)
    shapes = (np.stack([bar, ring, blob]) * 255).astype(np.uint8)
    return np.tile(shapes, (CHUNK, 1, 1))


def test_no_strength_leaves_images_as_they_are(images: NDArray[np.uint8]) -> None:
    result = augment(images, Augmentation(), seed=1, epoch=0)
    assert result.shape == (len(images), 784)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, images.reshape(-1, 784) / 255, atol=1e-6)


def test_every_strength_keeps_the_range(images: NDArray[np.uint8]) -> None:
    result = augment(images, EVERYTHING, seed=1, epoch=0)
    assert result.dtype == np.float32
    assert result.min() >= 0
    assert result.max() <= 1
    assert np.isfinite(result).all()


def test_the_input_is_not_changed(images: NDArray[np.uint8]) -> None:
    before = images.copy()
    augment(images, EVERYTHING, seed=1, epoch=0)
    np.testing.assert_array_equal(images, before)


def test_threads_do_not_change_the_result(images: NDArray[np.uint8]) -> None:
    alone = augment(images, EVERYTHING, seed=1, epoch=2, threads=1)
    together = augment(images, EVERYTHING, seed=1, epoch=2, threads=3)
    np.testing.assert_array_equal(alone, together)


def test_seed_and_epoch_each_change_the_result(images: NDArray[np.uint8]) -> None:
    results = [
        augment(images, EVERYTHING, seed=seed, epoch=epoch)
        for seed, epoch in [(1, 1), (1, 2), (2, 1)]
    ]
    for one, other in itertools.combinations(results, 2):
        assert np.abs(one - other).mean() > 0.01


def test_equal_images_get_different_distortions(images: NDArray[np.uint8]) -> None:
    bars = augment(images, EVERYTHING, seed=1, epoch=0)[::3]
    assert len(np.unique(bars, axis=0)) == len(bars)


def test_the_mean_digit_stays_where_it_was(images: NDArray[np.uint8]) -> None:
    """Distortions have no direction: over many draws the shape spreads but does not drift."""
    settings = Augmentation(
        rotation=10, scale=0.1, shear=0.1, translation=1, elastic_alpha=20, thicken=0.4, thin=0.4
    )
    result = augment(images, settings, seed=3, epoch=0).reshape(-1, 28, 28)
    for shape in range(3):
        original = images[shape].astype(np.float64)
        mean = result[shape::3].mean(axis=0, dtype=np.float64)
        for axis in (0, 1):
            rows = np.arange(28)
            profiles = [picture.sum(axis=axis) for picture in (original, mean)]
            centres = [profile @ rows / profile.sum() for profile in profiles]
            assert abs(centres[0] - centres[1]) < 0.4
        assert np.corrcoef(original.ravel(), mean.ravel())[0, 1] > 0.85


def test_translation_moves_by_whole_field() -> None:
    """A lone dot under translation alone lands within the limit, keeping its ink."""
    images = np.zeros((400, 28, 28), np.uint8)
    images[:, 14, 14] = 255
    result = augment(images, Augmentation(translation=3), seed=0, epoch=0).reshape(-1, 28, 28)
    np.testing.assert_allclose(result.sum(axis=(1, 2)), 1, atol=1e-4)
    rows = result.sum(axis=2) @ np.arange(28)
    assert np.abs(rows - 14).max() <= 3.001
    assert np.abs(rows - 14).max() > 2.5
    assert abs(rows.mean() - 14) < 0.3


def test_rotation_keeps_a_ring_and_tilts_a_bar(images: NDArray[np.uint8]) -> None:
    result = augment(images, Augmentation(rotation=20), seed=0, epoch=0)
    original = images.reshape(-1, 784) / 255
    bars, rings = result[0::3], result[1::3]
    assert np.abs(rings - original[1]).mean(axis=1).max() < 0.02
    assert np.abs(bars - original[0]).mean(axis=1).max() > 0.05


def test_wild_images_go_beyond_the_limit_and_the_others_do_not() -> None:
    images = np.zeros((2000, 28, 28), np.uint8)
    images[:, 14, 14] = 255
    settings = Augmentation(translation=2, wild=0.25)
    result = augment(images, settings, seed=0, epoch=0).reshape(-1, 28, 28)
    shift = np.abs(result.sum(axis=2) @ np.arange(28) - 14)
    assert 3.5 < shift.max() <= 4.001
    assert (shift > 2.001).mean() == pytest.approx(0.25 / 2, abs=0.04)


def test_weakened_settings_distort_less(images: NDArray[np.uint8]) -> None:
    original = images.reshape(-1, 784) / 255
    changes = [
        np.abs(augment(images, settings, seed=0, epoch=0) - original).mean()
        for settings in (EVERYTHING, EVERYTHING.weakened(0.5), EVERYTHING.weakened(0))
    ]
    assert changes[0] > 1.2 * changes[1] > 0
    assert changes[2] == pytest.approx(0, abs=1e-6)
    assert EVERYTHING.weakened(0.5).elastic_sigma == EVERYTHING.elastic_sigma


def test_degrading_spoils_the_given_share(images: NDArray[np.uint8]) -> None:
    result = augment(images, Augmentation(degrade=0.3, noise=0.2), seed=0, epoch=0)
    changed = np.abs(result - images.reshape(-1, 784) / 255).max(axis=1) > 1e-3
    assert changed.mean() == pytest.approx(0.3, abs=0.08)


def test_lines_keep_out_of_the_middle() -> None:
    blank = np.zeros((300, 28, 28), np.uint8)
    result = augment(blank, Augmentation(degrade=1, lines=1), seed=0, epoch=0)
    pictures = result.reshape(-1, 28, 28)
    assert pictures[:, 9:19, 9:19].max() == 0
    share = (pictures.max(axis=(1, 2)) > 0.5).mean()
    assert share == pytest.approx(1 - np.exp(-1), abs=0.08)
    for side in (pictures[:, :9], pictures[:, 19:], pictures[:, :, :9], pictures[:, :, 19:]):
        assert (side.max(axis=(1, 2)) > 0.5).mean() > 0.1


def test_leaning_digits_lean_to_the_right(images: NDArray[np.uint8]) -> None:
    bars = augment(images, Augmentation(wild=1, lean=0.5), seed=0, epoch=0)[::3]
    pictures = bars.reshape(-1, 28, 28)
    columns = np.arange(28)
    top, bottom = (
        part.sum(axis=1) @ columns / part.sum(axis=(1, 2))
        for part in (pictures[:, :12], pictures[:, 16:])
    )
    assert (top - bottom > -0.05).all()
    assert (top - bottom).mean() > 1


def test_thickening_adds_ink_and_thinning_takes_it(images: NDArray[np.uint8]) -> None:
    ink = images.reshape(-1, 784).sum(axis=1) / 255
    thicker = augment(images, Augmentation(thicken=2), seed=0, epoch=0).sum(axis=1)
    thinner = augment(images, Augmentation(thin=0.9), seed=0, epoch=0).sum(axis=1)
    assert (thicker >= ink - 1e-3).all()
    assert (thinner <= ink + 1e-3).all()
    assert (thicker / ink).max() > 1.5
    assert (thinner / ink).min() < 0.7


@pytest.mark.parametrize("sigma", [3.0, 5.0])
def test_elastic_fields_are_gaussian_smoothed_noise(sigma: float) -> None:
    """Strength and correlation length are those of uniform noise smoothed as in the paper."""
    alpha = 34.0
    rng = np.random.default_rng(0)
    settings = Augmentation(elastic_alpha=alpha, elastic_sigma=sigma)
    rows, columns = _displacements(3000, settings, rng)
    grid = np.arange(28, dtype=np.float32)
    for field in (rows - grid[:, None], columns - grid):
        expected_spread = alpha / np.sqrt(3) / (2 * np.sqrt(np.pi) * sigma)
        assert field.std() == pytest.approx(expected_spread, rel=0.05)
        assert abs(field.mean()) < 0.1 * expected_spread
        for distance in (2, 6):
            products = (field[:, :, distance:] * field[:, :, :-distance]).mean()
            correlation = products / field.var()
            assert correlation == pytest.approx(np.exp(-(distance**2) / (4 * sigma**2)), abs=0.05)


def test_epochs_can_start_in_the_middle(images: NDArray[np.uint8]) -> None:
    """What an interrupted run would have seen is what the resumed run sees."""
    labels = np.arange(len(images)).astype(np.uint8)

    def epochs(chosen: range) -> list[tuple[NDArray[np.float32], NDArray[np.uint8]]]:
        with closing(
            augmented_epochs(images, labels, lambda _: EVERYTHING, seed=5, epochs=chosen)
        ) as data:
            return list(data)

    whole = epochs(range(4))
    resumed = epochs(range(2, 4))
    assert len(whole) == 4
    for (data, names), (same_data, same_names) in zip(whole[2:], resumed, strict=True):
        np.testing.assert_array_equal(data, same_data)
        np.testing.assert_array_equal(names, same_names)
    assert not np.array_equal(whole[0][1], whole[1][1])


def test_parts_make_up_the_epochs(images: NDArray[np.uint8]) -> None:
    labels = np.arange(len(images)).astype(np.uint8)
    bounds = 0, 1, CHUNK - 1, CHUNK + 5, len(images)

    def arrange(labels: NDArray[np.uint8], epoch: int) -> tuple[NDArray[np.uint8], Sequence[slice]]:
        return labels + epoch, [slice(*each) for each in itertools.pairwise(bounds)]

    plan = EVERYTHING.weakened
    whole = augmented_epochs(images, labels, plan, seed=3, epochs=range(1, 3))
    parts = list(augmented_parts(images, labels, plan, arrange, seed=3, epochs=range(1, 3)))
    assert [(part.epoch, part.number, part.parts) for part in parts] == [
        (epoch, number, 4) for epoch in (1, 2) for number in range(4)
    ]
    for epoch, (data, names) in enumerate(whole, start=1):
        own = [part for part in parts if part.epoch == epoch]
        np.testing.assert_array_equal(np.concatenate([part.images for part in own]), data)
        np.testing.assert_array_equal(np.concatenate([part.labels for part in own]), names + epoch)


def test_labels_follow_their_images(images: NDArray[np.uint8]) -> None:
    labels = np.tile(np.arange(3, dtype=np.uint8), CHUNK)
    none = Augmentation()
    data, names = next(augmented_epochs(images, labels, lambda _: none, seed=0, epochs=range(1)))
    np.testing.assert_allclose(data, images[:3].reshape(3, 784)[names] / 255, atol=1e-6)
    assert not np.array_equal(names, labels)
