"""What a network may see: pixels, those of a digit in another pose, or where its edges face."""

from __future__ import annotations

import numpy as np
import pytest

from digitcli.model.directions import directions
from digitcli.model.input import INPUT_FEATURES, as_pixels, deslant, width


def stroke(slant):
    """A thick stroke from top to bottom that leans by `slant` columns a row."""
    rows, columns = np.indices((28, 28))
    distance = columns - 13.5 - slant * (rows - 13.5)
    ink = np.clip(2.5 - np.abs(distance), 0, 1) * (np.abs(rows - 13.5) < 10)
    return ink.astype(np.float32).reshape(1, 784)


@pytest.mark.parametrize("slant", [-0.4, -0.1, 0.0, 0.3])
def test_a_leaning_stroke_stands_upright(slant):
    upright = deslant(stroke(slant)).reshape(28, 28)
    centres = (upright @ np.arange(28))[5:23] / upright.sum(axis=1)[5:23]
    assert np.ptp(centres) < 0.2


def test_no_ink_is_lost_and_an_upright_digit_stays():
    leaning, upright = stroke(0.3), stroke(0)
    assert deslant(leaning).sum() == pytest.approx(leaning.sum(), rel=1e-3)
    np.testing.assert_allclose(deslant(upright), upright, atol=1e-5)


def spread(images):
    """Standard deviation of the ink's column."""
    columns = images.reshape(28, 28).sum(axis=0)
    centre = columns @ np.arange(28) / columns.sum()
    return np.sqrt(columns @ (np.arange(28) - centre) ** 2 / columns.sum())


def test_narrow_and_wide_digits_become_equally_wide_and_keep_their_place():
    narrow, wide = stroke(0.45), stroke(0.9)
    assert spread(wide) > 1.5 * spread(narrow)
    assert spread(width(wide)) == pytest.approx(spread(width(narrow)), rel=0.03)
    for digit in (narrow, wide):
        rows = width(digit).reshape(28, 28).max(axis=1) > 0
        np.testing.assert_array_equal(rows, digit.reshape(28, 28).max(axis=1) > 0)


def test_a_one_does_not_become_as_wide_as_the_others():
    one = stroke(0)
    assert spread(one) < spread(width(one)) < 2 * spread(one)


@pytest.mark.parametrize("name", INPUT_FEATURES)
def test_rows_are_independent_and_stay_in_range(name):
    rng = np.random.default_rng(1)
    images = np.concatenate(
        [rng.random((5, 784), dtype=np.float32), np.zeros((1, 784), np.float32), stroke(0.2)]
    )
    features = INPUT_FEATURES[name]
    together = features.of(images)
    assert together.dtype == np.float32
    assert together.shape == (len(images), features.inputs)
    assert together.min() >= 0
    seen_as_pixels = not name.endswith("directions")
    assert together.max() <= (1 + 1e-6 if seen_as_pixels else 5)
    for row in range(len(images)):
        alone = features.of(images[row : row + 1])[0]
        # a square root makes much of the last bits of what is nearly zero
        np.testing.assert_allclose(alone, together[row], atol=1e-5 if seen_as_pixels else 2e-3)
    assert len(features.of(as_pixels(np.empty((0, 28, 28), np.uint8)))) == 0


RIGHT, LEFT, DOWN, UP, RIGHT_DOWN, RIGHT_UP, LEFT_DOWN, LEFT_UP = range(8)


def edges(image):
    """Mean strength in each direction of a (28, 28) image, far from its frame."""
    cells = directions(np.ascontiguousarray(image, np.float32).reshape(1, 784))
    return cells.reshape(8, 9, 9)[:, 3:6, 3:6].mean(axis=(1, 2))


@pytest.mark.parametrize(
    ("rows", "columns", "seen"),
    [
        (0, 1, {RIGHT}), (0, -1, {LEFT}), (1, 0, {DOWN}), (-1, 0, {UP}),
        (1, 1, {RIGHT_DOWN}), (-1, 1, {RIGHT_UP}), (1, -1, {LEFT_DOWN}), (-1, -1, {LEFT_UP}),
        (1, 2, {RIGHT, RIGHT_DOWN}),
    ],
)  # fmt: skip
def test_a_slope_is_seen_in_its_direction_and_the_one_beside_it(rows, columns, seen):
    down, right = np.indices((28, 28)) - 13.5
    strength = edges(0.5 + 0.01 * (rows * down + columns * right))
    assert set(np.flatnonzero(strength > 0.01)) == seen


def test_a_slope_twice_as_steep_is_seen_more_strongly_by_the_square_root_of_two():
    right = np.indices((28, 28))[1] - 13.5
    gentle, steep = (edges(0.5 + slope * right)[RIGHT] for slope in (0.01, 0.02))
    assert steep == pytest.approx(gentle * np.sqrt(2), rel=1e-4)


def test_an_edge_is_seen_where_it_is():
    image = np.zeros((28, 28), np.float32)
    image[3:6, 20:23] = 1
    cells = directions(image.reshape(1, 784)).reshape(8, 9, 9)
    row, column = np.unravel_index(cells.sum(axis=0).argmax(), (9, 9))
    assert abs((row + 0.5) * 28 / 9 - 4.5) < 2
    assert abs((column + 0.5) * 28 / 9 - 21.5) < 2
    assert cells[:, 6:].max() < 1e-3
    assert cells[:, :, :4].max() < 1e-3


def test_turning_a_picture_turns_its_directions():
    """A quarter turn to the left makes of what faces right what faces up, and moves its place."""
    image = np.random.default_rng(2).random((28, 28), dtype=np.float32)
    cells = directions(image.reshape(1, 784)).reshape(8, 9, 9)
    turned = directions(np.rot90(image).reshape(1, 784)).reshape(8, 9, 9)
    for before, after in ((RIGHT, UP), (UP, LEFT), (RIGHT_DOWN, RIGHT_UP), (LEFT_UP, LEFT_DOWN)):
        np.testing.assert_allclose(turned[after], np.rot90(cells[before]), atol=1e-3)
