"""What a network may do to its input: it changes the pose of a digit and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from digitcli.model.input import INPUT_NORMALIZATIONS, as_features, deslant, width


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


@pytest.mark.parametrize("normalize", INPUT_NORMALIZATIONS.values())
def test_rows_are_independent_and_stay_in_range(normalize):
    rng = np.random.default_rng(1)
    images = np.concatenate(
        [rng.random((5, 784), dtype=np.float32), np.zeros((1, 784), np.float32), stroke(0.2)]
    )
    together = normalize(images)
    assert together.dtype == np.float32
    assert together.shape == images.shape
    assert together.min() >= 0
    assert together.max() <= 1 + 1e-6
    for row in range(len(images)):
        alone = normalize(images[row : row + 1])[0]
        np.testing.assert_allclose(alone, together[row], atol=1e-5)
    assert len(normalize(as_features(np.empty((0, 28, 28), np.uint8)))) == 0
