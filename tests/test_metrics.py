"""The measures agree with scikit-learn, with SciPy and with values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binomtest, norm, sem
from sklearn import metrics as reference

from digitcli.evaluation import metrics


@pytest.fixture(scope="module")
def answers() -> tuple[np.ndarray, np.ndarray]:
    """400 labels with probabilities that lean towards them; class 7 never occurs."""
    random = np.random.default_rng(6)
    labels = random.choice([0, 1, 2, 3, 4, 5, 6, 8, 9], 400)
    scores = random.normal(size=(400, 10))
    scores[np.arange(400), labels] += 2
    probabilities = np.exp(scores)
    return labels, probabilities / probabilities.sum(axis=1, keepdims=True)


def test_accuracy_and_log_loss_are_those_of_scikit_learn(answers):
    labels, probabilities = answers
    predictions = probabilities.argmax(axis=1)
    assert metrics.accuracy(labels, predictions) == reference.accuracy_score(labels, predictions)
    assert metrics.log_loss(labels, probabilities) == pytest.approx(
        reference.log_loss(labels, probabilities, labels=range(10)), rel=1e-12
    )


def test_log_loss_of_a_certain_mistake_is_large_but_finite():
    certain = np.eye(10)[[3, 3]]
    ours = metrics.log_loss([3, 4], certain)
    assert ours == pytest.approx(reference.log_loss([3, 4], certain, labels=range(10)))
    assert 18 < ours < 19


def test_log_loss_interval_is_that_of_the_mean(answers):
    labels, probabilities = answers
    losses = -np.log(probabilities[np.arange(400), labels])
    expected = norm.interval(0.95, losses.mean(), sem(losses))
    assert metrics.log_loss_interval(labels, probabilities) == pytest.approx(expected, rel=1e-12)
    assert math.isnan(metrics.log_loss_interval([1], np.eye(10)[[1]])[0])


def test_confusion_matrix_and_per_class_scores_are_those_of_scikit_learn(answers):
    labels, probabilities = answers
    predictions = probabilities.argmax(axis=1)
    matrix = metrics.confusion_matrix(labels, predictions)
    np.testing.assert_array_equal(
        matrix, reference.confusion_matrix(labels, predictions, labels=range(10))
    )
    expected = reference.precision_recall_fscore_support(
        labels, predictions, labels=range(10), zero_division=0
    )
    scores = metrics.per_class(matrix)
    ours = [[getattr(s, name) for s in scores] for name in ("precision", "recall", "f1", "support")]
    np.testing.assert_allclose(ours, expected, rtol=1e-12)
    assert scores[7].support == 0
    assert scores[7].recall == 0


def test_auroc_counts_ties_half_like_scikit_learn(answers):
    labels, probabilities = answers
    right = probabilities.argmax(axis=1) == labels
    confidence = probabilities.max(axis=1).round(1)  # many ties
    assert metrics.auroc(right, confidence) == pytest.approx(
        reference.roc_auc_score(right, confidence), rel=1e-12
    )
    assert metrics.auroc([True, False], [0.9, 0.1]) == 1
    assert math.isnan(metrics.auroc([True, True], [0.9, 0.1]))


@pytest.mark.parametrize(
    ("successes", "count"), [(0, 10), (1, 10), (10, 10), (9874, 10000), (1, 1)]
)
def test_wilson_interval_is_that_of_scipy(successes, count):
    expected = binomtest(successes, count).proportion_ci(method="wilson")
    assert metrics.wilson_interval(successes, count) == pytest.approx(
        (expected.low, expected.high), abs=1e-12
    )


def test_wilson_interval_reaches_the_ends_of_the_scale():
    assert metrics.wilson_interval(0, 50)[0] == 0
    assert metrics.wilson_interval(50, 50)[1] == 1
    assert metrics.wilson_interval(0, 0) == (0, 1)


def test_calibration_error_by_hand():
    """Two bins of ten: 0.95 said and 0.8 right on 5, 0.55 said and 1.0 right on 3."""
    labels = np.array([0, 0, 0, 0, 1, 0, 0, 0])
    probabilities = np.array([[0.95, 0.05]] * 5 + [[0.55, 0.45]] * 3)
    error = metrics.expected_calibration_error(labels, probabilities, bins=10)
    assert error == pytest.approx((5 * 0.15 + 3 * 0.45) / 8)
    bars = metrics.reliability(labels, probabilities, bins=10)
    assert [bar.count for bar in bars] == [0, 0, 0, 0, 0, 3, 0, 0, 0, 5]
    assert bars[9].accuracy == pytest.approx(0.8)
    assert math.isnan(bars[0].accuracy)


def test_a_confidence_on_an_edge_belongs_to_the_lower_bin():
    """Bins are half open at the bottom, as in the paper; certainty is in the last one."""
    bars = metrics.reliability([0, 0], [[0.8, 0.2], [1.0, 0.0]], bins=5)
    assert [bar.count for bar in bars] == [0, 0, 0, 1, 1]


def test_every_picture_is_in_exactly_one_bin(answers):
    bars = metrics.reliability(*answers)
    assert len(bars) == 15
    assert sum(bar.count for bar in bars) == 400
    for bar in bars:
        assert bar.count == 0 or bar.low < bar.confidence <= bar.high


def test_withholding_unsure_answers_by_hand():
    labels = [0, 1, 1, 0]
    probabilities = [[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.7, 0.3]]
    points = metrics.accuracy_at_coverage(labels, probabilities, [0.0, 0.65, 0.9, 0.95])
    assert [(p.coverage, p.accuracy) for p in points[:3]] == [(1, 0.75), (0.75, 1), (0.25, 1)]
    assert points[3].coverage == 0
    assert math.isnan(points[3].accuracy)


@pytest.mark.parametrize(("first", "second"), [(0, 0), (5, 5), (0, 8), (3, 14), (40, 12)])
def test_mcnemar_is_the_exact_binomial_test(first, second):
    trials = first + second
    expected = binomtest(first, trials).pvalue if trials else 1.0
    assert metrics.mcnemar_exact(first, second) == pytest.approx(expected, rel=1e-12)
    assert metrics.mcnemar_exact(second, first) == metrics.mcnemar_exact(first, second)


def test_mcnemar_by_hand_and_for_many_disagreements():
    assert metrics.mcnemar_exact(1, 9) == 2 * (1 + 10) / 1024
    assert metrics.mcnemar_exact(5000, 5000) == 1
    assert 0 < metrics.mcnemar_exact(4800, 5200) < 1e-4
    assert metrics.mcnemar_exact(0, 10000) == 0  # smaller than any float


def test_nothing_to_measure_is_not_a_number():
    nothing = np.zeros((0, 10))
    assert math.isnan(metrics.accuracy([], []))
    assert math.isnan(metrics.log_loss([], nothing))
    assert math.isnan(metrics.expected_calibration_error([], nothing))
    assert metrics.accuracy_at_coverage([], nothing, [0.5]) == ()
    assert metrics.confusion_matrix([], []).sum() == 0
