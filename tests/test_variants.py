"""Flagged 1s, crossed 7s and looped 2s join the training set, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from digitcli.training.variants import crossed_seven, flagged_one, looped_two, with_variants


@pytest.fixture
def one() -> NDArray[np.uint8]:
    image = np.zeros((28, 28), np.uint8)
    image[4:24, 13:15] = 255
    return image


@pytest.fixture
def seven() -> NDArray[np.uint8]:
    image = np.zeros((28, 28), np.uint8)
    image[4:6, 8:19] = 255
    image[6:24, 16:18] = 255
    return image


@pytest.fixture
def two() -> NDArray[np.uint8]:
    image = np.zeros((28, 28), np.uint8)
    image[4:6, 9:19] = 255  # the top,
    image[4:10, 9:11] = 255  # the hook on its left,
    image[4:14, 17:19] = 255  # the stem,
    for step in range(9):
        image[13 + step, 16 - step : 19 - step] = 255
    image[21:23, 8:20] = 255  # and the foot
    return image


def holes(ink: NDArray[np.bool_]) -> int:
    return int(ndimage.label(~ink)[1]) - 1


def test_a_looped_two_has_a_hole_in_its_head_and_keeps_its_foot(two: NDArray[np.uint8]) -> None:
    assert holes(two > 100) == 0
    for seed in range(20):
        variant = looped_two(two, np.random.default_rng(seed))
        assert variant is not None
        assert holes(variant > 100) == 1
        assert variant[18:].max(axis=0).sum() == two[18:].max(axis=0).sum()


def test_a_two_without_a_hook_is_not_looped(one: NDArray[np.uint8]) -> None:
    assert looped_two(one, np.random.default_rng(0)) is None


def test_a_flag_hangs_from_the_top_to_the_left(one: NDArray[np.uint8]) -> None:
    for seed in range(20):
        result = flagged_one(one, np.random.default_rng(seed))
        ink = result > 128
        stem = int(ink.sum(axis=0).argmax())
        assert ink[:14, : stem - 1].sum() >= 4  # the flag
        assert ink[:14, stem + 3 :].sum() == 0  # and nothing on its other side


def test_some_ones_get_a_base(one: NDArray[np.uint8]) -> None:
    bases = 0
    for seed in range(60):
        ink = flagged_one(one, np.random.default_rng(seed)) > 128
        lowest = np.flatnonzero(ink.any(axis=1))[-1]
        bases += int(ink[lowest - 2 : lowest + 1].any(axis=0).sum() >= 6)
    assert 10 <= bases <= 30


def test_a_crossed_seven_has_ink_on_both_sides_of_its_stem(seven: NDArray[np.uint8]) -> None:
    ink = crossed_seven(seven, np.random.default_rng(0)) > 128
    stem = int(ink[-12:].sum(axis=0).argmax())
    assert ink[10:, : stem - 1].any()
    assert ink[10:, stem + 3 :].any()


def test_variants_follow_the_images_given(one: NDArray[np.uint8], seven: NDArray[np.uint8]) -> None:
    blank = np.zeros((28, 28), np.uint8)  # labelled 1, but there is no stroke to add a flag to
    images = np.stack([one] * 30 + [seven] * 30 + [blank])
    labels = np.array([1] * 30 + [7] * 30 + [1], np.uint8)
    more, names = with_variants(images, labels, share=0.6, seed=1)
    np.testing.assert_array_equal(more[:61], images)
    np.testing.assert_array_equal(names[:61], labels)
    assert names[61:].tolist() == [1] * 18 + [7] * 6
    assert more.dtype == names.dtype == np.uint8
    again, _ = with_variants(images, labels, share=0.6, seed=1)
    np.testing.assert_array_equal(more, again)


def test_other_digits_are_left_alone(one: NDArray[np.uint8]) -> None:
    images, labels = with_variants(one[None], np.array([4], np.uint8), share=1, seed=0)
    assert len(images) == len(labels) == 1
