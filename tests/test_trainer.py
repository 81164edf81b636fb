"""What training promises of the network it returns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier

from conftest import load_digits
from digitcli.data.dataset import Dataset
from digitcli.errors import TrainingError
from digitcli.model.modelfile import save_model
from digitcli.training.recipe import RECIPES
from digitcli.training.run import Plan, train_model
from digitcli.training.trainer import recent_validation_loss, split_validation

TINY = replace(RECIPES["small"], hidden_layer_sizes=(16,), epochs=4)


# Two methods of MLPClassifier: one during the steps of a `fit`, one after the last of them.
WHILE_IT_FITS = ("_backprop", "_update_no_improvement_count")


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_digits()


@pytest.fixture(scope="module")
def few(digits) -> Dataset:
    return digits.take(np.arange(0, len(digits), 3))


def weights_of(outcome):
    (network,) = outcome.model.members
    return np.concatenate([array.ravel() for array in (*network.weights, *network.biases)])


def test_equal_seeds_give_equal_files_and_other_seeds_other_ones(few, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        save_model(train_model(few, Plan(TINY, seed=seed)).model, tmp_path / name)
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b != c


def test_the_test_images_take_no_part(few):
    rng = np.random.default_rng(0)
    test = few.split == "test"
    images, labels = few.images.copy(), few.labels.copy()
    images[test] = rng.integers(0, 256, images[test].shape)
    labels[test] = rng.permutation(labels[test])
    spoilt = replace(few, images=images, labels=labels)
    one, other = train_model(few, Plan(TINY)), train_model(spoilt, Plan(TINY))
    np.testing.assert_array_equal(weights_of(one), weights_of(other))
    assert one.metrics["test_accuracy"] > other.metrics["test_accuracy"]


def test_validation_images_are_a_share_of_every_digit_and_never_trained_on(digits):
    training = digits.part("train")
    data = split_validation(training, 0.2, seed=3)
    assert len(data.training) + len(data.validation) == len(training)
    held = np.bincount(data.validation.labels) / np.bincount(training.labels)
    np.testing.assert_allclose(held, 0.2, atol=0.01)
    again = split_validation(training, 0.2, seed=3)
    other = split_validation(training, 0.2, seed=4)
    np.testing.assert_array_equal(data.validation.images, again.validation.images)
    assert (data.validation.images != other.validation.images).any()


def test_everything_is_computed_in_single_precision(few):
    (network,) = train_model(few, Plan(TINY)).model.members
    assert {array.dtype for array in (*network.weights, *network.biases)} == {np.dtype("f4")}


def test_the_best_epoch_is_kept_and_training_stops_when_patience_ends(few):
    # At this rate the loss goes up and down instead of falling.
    restless = replace(TINY, learning_rate_init=0.6, epochs=40, augmentation=None)
    outcome = train_model(few, Plan(restless, patience=3))
    losses = outcome.model.metadata["history"]["validation_loss"]
    (best,) = outcome.best_epochs
    judged = [losses[0], *np.convolve(losses, [0.5, 0.5], "valid")]  # 2 of 40 epochs
    assert best == 1 + int(np.argmin(judged))
    assert len(losses) == best + 3 < 40
    # The temperature can only lower the loss of that epoch.
    assert outcome.metrics["validation_loss"] <= losses[best - 1] + 1e-6


def test_without_validation_images_the_last_epoch_is_kept(few):
    outcome = train_model(few, Plan(TINY, validation=0, patience=1))
    assert outcome.best_epochs == outcome.epochs == (4,)
    assert outcome.model.metadata["temperature"] == 1
    assert "validation_accuracy" not in outcome.metrics


def test_training_without_distortions_learns_the_images_themselves(few):
    plain = replace(TINY, augmentation=None, epochs=40)
    history = train_model(few, Plan(plain)).model.metadata["history"]
    assert history["training_loss"][-1] < 0.15


def test_a_loss_that_is_no_number_ends_training_with_advice(few):
    with pytest.raises(TrainingError, match="--learning-rate"):
        train_model(few, Plan(replace(TINY, learning_rate_init=1e6)))


def test_a_digit_without_images_is_named(few):
    rest = few.take(np.flatnonzero(few.labels != 7))
    with pytest.raises(TrainingError, match="no training image of 7"):
        train_model(rest, Plan(TINY))


def test_images_too_few_for_validation_are_an_error(digits):
    one_each = digits.take(np.array([np.flatnonzero(digits.labels == k)[0] for k in range(10)]))
    with pytest.raises(TrainingError, match="--validation 0"):
        train_model(one_each, Plan(TINY))


def test_half_precision_weights_are_measured_as_they_are_saved(few, tmp_path):
    from digitcli.model.modelfile import load_model

    outcome = train_model(few, Plan(TINY, dtype="float16"))
    save_model(outcome.model, tmp_path / "half.joblib", dtype="float16")
    loaded = load_model(tmp_path / "half.joblib")
    np.testing.assert_array_equal(
        loaded.predict_proba(few.images), outcome.model.predict_proba(few.images)
    )


def test_metadata_says_how_the_model_was_made(few):
    metadata = train_model(few, Plan(TINY, recipe_name="small", seed=9)).model.metadata
    assert metadata["data"]["name"] == "digits"
    assert (
        metadata["data"]["training_images"] + metadata["data"]["validation_images"]
        == (few.split == "train").sum()
    )
    assert metadata["hyperparameters"]["hidden_layer_sizes"] == [16]
    assert metadata["hyperparameters"]["augmentation"]["rotation"] > 0
    assert metadata["recipe"] == "small"
    assert metadata["seed"] == 9
    assert "scikit-learn" in metadata["versions"]
    assert len(metadata["history"]["epoch"]) == 4


def test_a_lucky_leap_of_the_validation_loss_is_not_the_best_epoch() -> None:
    calm = [{"validation_loss": loss} for loss in [0.5] * 60 + [0.4] * 20]
    leap = [*calm[:30], {"validation_loss": 0.39}, *calm[31:]]
    means = [recent_validation_loss(leap[: end + 1], len(leap)) for end in range(len(leap))]
    assert int(np.argmin(np.array(means, float))) >= 63
    assert recent_validation_loss(leap[:31], epochs=10) == 0.39
    assert recent_validation_loss([{"validation_loss": None}], epochs=10) is None


@pytest.mark.parametrize("method", WHILE_IT_FITS)
def test_ctrl_c_ends_training_wherever_a_fit_meets_it(few, monkeypatch, method):
    def interrupt(*_):
        raise KeyboardInterrupt

    def after_two_epochs(_member, record):
        if record.epoch == 2:
            monkeypatch.setattr(MLPClassifier, method, interrupt)

    outcome = train_model(few, Plan(TINY), on_epoch=after_two_epochs)
    assert outcome.model.metadata["interrupted"]
    assert outcome.epochs == (2,)
