"""Doubtful pictures are looked at from eight sides; sure ones are left as they are."""

from __future__ import annotations

import numpy as np
import pytest

from digitcli.model.network import Model, Network
from digitcli.model.second_look import DOUBTFUL, look_twice, views


@pytest.fixture
def stroke() -> np.ndarray:
    image = np.zeros((28, 28), np.float32)
    image[6:22, 12:16] = 1
    return image.reshape(1, 784)


def centre_and_angle(image: np.ndarray) -> tuple[float, float, float]:
    image = image.reshape(28, 28)
    rows, columns = np.indices(image.shape)
    row, column = ((axis * image).sum() / image.sum() for axis in (rows, columns))
    down, right = rows - row, columns - column
    covariance = (image * down * right).sum() / (image * down * down).sum()
    return float(row), float(column), float(np.degrees(np.arctan(covariance)))


def test_the_views_lie_evenly_about_the_picture_and_stay_near_it(stroke: np.ndarray) -> None:
    places = np.array([centre_and_angle(view) for view in views(stroke)])
    assert len(np.unique(places.round(2), axis=0)) == 8
    np.testing.assert_allclose(places.mean(axis=0), centre_and_angle(stroke), atol=0.1)
    assert np.abs(places[:, :2] - 13.5).max() < 1
    assert 3 < np.abs(places[:, 2]).max() < 12


def test_half_of_the_views_are_of_the_digit_brought_upright() -> None:
    rows, columns = np.indices((28, 28))
    leaning = np.clip(2.5 - np.abs(columns - 13.5 + 0.5 * (rows - 13.5)), 0, 1)
    leaning = (leaning * (np.abs(rows - 13.5) < 9)).astype(np.float32).reshape(1, 784)
    angles = np.array([centre_and_angle(view)[2] for view in views(leaning)])
    assert angles[:4].mean() == pytest.approx(-np.degrees(np.arctan(0.5)), abs=2)
    assert angles[4:].mean() == pytest.approx(-np.degrees(np.arctan(0.1)), abs=2)


def test_views_keep_the_ink_in_range_and_an_empty_picture_empty(stroke: np.ndarray) -> None:
    for view in views(np.concatenate([stroke, np.zeros_like(stroke), np.ones_like(stroke)])):
        assert view.dtype == np.float32
        assert view.min() >= 0
        assert view.max() <= 1 + 1e-6
        assert view[0].sum() == pytest.approx(stroke.sum(), rel=0.12)
        assert not view[1].any()


def test_only_doubtful_pictures_are_looked_at_twice(stroke: np.ndarray) -> None:
    seen = []

    def sure_of_ink(images: np.ndarray) -> np.ndarray:
        seen.append(len(images))
        probabilities = np.full((len(images), 10), 0.1, np.float32)
        probabilities[images.any(axis=1)] = np.eye(10)[7]
        return probabilities

    look_twice(sure_of_ink, stroke)
    assert seen == [1]
    answers = look_twice(sure_of_ink, np.concatenate([stroke, 0 * stroke, stroke, 0 * stroke]))
    assert seen == [1, 4, 2 * 8]
    assert answers[0, 7] == answers[2, 7] == 1


def test_a_model_gives_the_mean_over_the_views() -> None:
    rng = np.random.default_rng(5)
    weights = (rng.normal(0, 0.02, (784, 10)).astype(np.float32),)
    network = Network(weights, (np.zeros(10, np.float32),))
    images = rng.random((3, 784), dtype=np.float32)
    assert network.predict_proba(images).max() < DOUBTFUL
    expected = np.mean([network.predict_proba(view) for view in views(images)], axis=0)
    np.testing.assert_allclose(Model((network,)).predict_proba(images), expected, atol=1e-6)
    many = Model((network,)).predict_proba(np.concatenate([images] * 100))  # more than at a time
    np.testing.assert_allclose(many, np.concatenate([expected] * 100), atol=1e-6)
    together = Model((network, network)).predict_proba(images)
    np.testing.assert_allclose(together, expected, atol=1e-6)
