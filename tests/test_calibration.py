"""Confidence means what it says: the temperature that validation data asks for."""

from __future__ import annotations

import numpy as np
import pytest

from digitcli.evaluation.metrics import expected_calibration_error, log_loss
from digitcli.model.network import Network
from digitcli.training.calibration import fit_temperature, fold_temperature

IMAGES, SIDE = 4000, 784


def softmax(logits):
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (exponentials / exponentials.sum(axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def honest():
    """Logits, and labels drawn with just the probabilities that they mean."""
    rng = np.random.default_rng(5)
    logits = rng.normal(0, 3, (IMAGES, 10))
    labels = (softmax(logits).cumsum(axis=1) < rng.random((IMAGES, 1))).sum(axis=1).clip(0, 9)
    return logits, labels


@pytest.mark.parametrize("boast", [0.6, 1.0, 1.8])
def test_the_factor_by_which_a_network_exaggerates_is_found(honest, boast):
    logits, labels = honest
    assert fit_temperature([softmax(logits * boast)], labels) == pytest.approx(boast, rel=0.05)


def test_one_temperature_serves_the_mean_of_several_networks(honest):
    logits, labels = honest
    noise = np.random.default_rng(6).normal(0, 1, (2, *logits.shape))
    members = [softmax((logits + each) * 1.5) for each in noise]
    temperature = fit_temperature(members, labels)

    def loss(t):
        mean = np.mean([softmax(np.log(member) / t) for member in members], axis=0)
        return log_loss(labels, mean)

    assert loss(temperature) < min(loss(temperature * 1.05), loss(temperature / 1.05), loss(1.0))


def test_few_images_without_an_error_do_not_make_a_network_as_sure_as_can_be():
    logits = np.eye(10).repeat(10, axis=0) * 5  # 94 % sure, 100 images, all right
    labels = np.arange(10).repeat(10)
    assert fit_temperature([softmax(logits)], labels) == pytest.approx(0.5, rel=1e-3)


def test_without_validation_images_nothing_changes():
    assert fit_temperature([np.empty((0, 10), np.float32)], np.empty(0, np.uint8)) == 1.0


def test_a_folded_temperature_divides_the_logits_and_keeps_every_answer():
    rng = np.random.default_rng(7)
    network = Network(
        (
            rng.normal(0, 0.1, (SIDE, 12)).astype(np.float32),
            rng.normal(0, 1, (12, 10)).astype(np.float32),
        ),
        (np.zeros(12, np.float32), rng.normal(0, 1, 10).astype(np.float32)),
    )
    images = rng.random((50, SIDE), dtype=np.float32)
    before = network.predict_proba(images)
    after = fold_temperature(network, 2.5).predict_proba(images)
    np.testing.assert_allclose(after, softmax(np.log(before) / 2.5), atol=1e-5)
    assert (after.argmax(axis=1) == before.argmax(axis=1)).all()


def test_calibration_lowers_the_calibration_error_on_other_images(honest):
    logits, labels = honest
    half = IMAGES // 2
    boasting = softmax(logits * 1.8)
    temperature = fit_temperature([boasting[:half]], labels[:half])
    calibrated = softmax(np.log(boasting[half:]) / temperature)
    error = expected_calibration_error(labels[half:], calibrated)
    assert error < 0.5 * expected_calibration_error(labels[half:], boasting[half:])
