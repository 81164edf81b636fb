"""Measures of a classifier, as pure functions on NumPy arrays.

Throughout, ``labels`` and ``predictions`` are integer arrays of shape (n,) with classes counted
from 0, and ``probabilities`` is a float array of shape (n, k) whose rows sum to 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def accuracy(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Return the fraction of predictions that equal their label; NaN for no labels at all."""
    right = np.asarray(labels) == np.asarray(predictions)
    return float(right.mean()) if right.size else math.nan


def wilson_interval(
    successes: int, count: int, z: float = 1.959963984540054
) -> tuple[float, float]:
    """Return Wilson's score interval for a binomial proportion.

    Unlike the textbook interval around p it never leaves [0, 1] and does not collapse to a point
    when everything, or nothing, was right.

    Parameters
    ----------
    successes : int
        How many of `count` trials succeeded, 0 to `count`.
    count : int
        Number of trials. For 0 nothing is known and the interval is (0, 1).
    z : float
        Quantile of the normal distribution; the default gives 95% coverage.

    References
    ----------
    E. B. Wilson (1927), "Probable inference, the law of succession, and statistical inference",
    Journal of the American Statistical Association 22, 209-212.
    """
    if count == 0:
        return 0.0, 1.0
    share = successes / count
    scale = 1 + z * z / count
    centre = (share + z * z / (2 * count)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    # Rounding must not keep the ends of the scale just out of reach.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == count else min(1.0, centre + half)
    return low, high


def log_loss(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Return the mean negative natural logarithm of the probability given to the true class.

    Probabilities are clipped to [eps, 1 - eps] of float64, as scikit-learn's ``log_loss`` does, so
    that one certain mistake does not make the mean infinite. NaN for no labels at all.
    """
    truth = np.asarray(labels)
    if truth.size == 0:
        return math.nan
    return float(-np.log(_of_true_class(truth, probabilities)).mean())


def log_loss_interval(
    labels: ArrayLike, probabilities: ArrayLike, z: float = 1.959963984540054
) -> tuple[float, float]:
    """Return the 95% interval of `log_loss` by the central limit theorem; NaN for under two labels.

    The spread of the single losses, over the root of their number, is the standard error of their
    mean; the lower end is cut at 0.
    """
    truth = np.asarray(labels)
    if truth.size < 2:
        return math.nan, math.nan
    losses = -np.log(_of_true_class(truth, probabilities))
    half = z * float(losses.std(ddof=1)) / math.sqrt(truth.size)
    return max(0.0, float(losses.mean()) - half), float(losses.mean()) + half


def _of_true_class(labels: ArrayLike, probabilities: ArrayLike) -> Floats:
    given = np.asarray(probabilities, dtype=np.float64)
    eps = np.finfo(np.float64).eps
    truth = np.asarray(labels, dtype=np.intp)
    clipped: Floats = np.clip(given[np.arange(len(truth)), truth], eps, 1 - eps)
    return clipped


@dataclass(frozen=True)
class ReliabilityBin:
    """One bar of a reliability diagram.

    Attributes
    ----------
    low, high : float
        The bin holds the confidences in (low, high]; the first bin also holds 0.
    count : int
        How many predictions fell in it.
    confidence, accuracy : float
        Their mean confidence and the fraction that was right; NaN in an empty bin.
    """

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


def reliability(
    labels: ArrayLike, probabilities: ArrayLike, bins: int = 15
) -> tuple[ReliabilityBin, ...]:
    """Group predictions by the confidence in the top class, in `bins` bins of equal width.

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger (2017), "On calibration of modern neural networks",
    ICML, section 2.
    """
    given = np.asarray(probabilities, dtype=np.float64)
    edges = np.linspace(0.0, 1.0, bins + 1)
    confidence = given.max(axis=1) if len(given) else np.zeros(0)
    right = (given.argmax(axis=1) if len(given) else np.zeros(0)) == np.asarray(labels)
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean_confidence = np.bincount(place, weights=confidence, minlength=bins) / count
        mean_right = np.bincount(place, weights=right, minlength=bins) / count
    return tuple(
        ReliabilityBin(
            float(edges[i]),
            float(edges[i + 1]),
            int(count[i]),
            float(mean_confidence[i]),
            float(mean_right[i]),
        )
        for i in range(bins)
    )


def expected_calibration_error(
    labels: ArrayLike, probabilities: ArrayLike, bins: int = 15
) -> float:
    """Return the mean gap between confidence and accuracy, weighted by the size of each bin.

    Parameters
    ----------
    labels : array of shape (n,)
    probabilities : array of shape (n, k)
    bins : int
        Number of equal-width bins of the top-class confidence; 15 is the usual choice.

    Returns
    -------
    float
        0 (perfectly calibrated) to 1; NaN for no labels at all.

    References
    ----------
    M. P. Naeini, G. F. Cooper, M. Hauskrecht (2015), "Obtaining well calibrated probabilities using
    Bayesian binning", AAAI; equation 3 of Guo et al. (2017), see `reliability`.
    """
    filled = [bar for bar in reliability(labels, probabilities, bins) if bar.count]
    total = sum(bar.count for bar in filled)
    if total == 0:
        return math.nan
    return sum(bar.count * abs(bar.accuracy - bar.confidence) for bar in filled) / total


@dataclass(frozen=True)
class CoveragePoint:
    """What remains when answers below a confidence are withheld.

    Attributes
    ----------
    threshold : float
        Answers with at least this confidence are given.
    coverage : float
        Fraction of all pictures that get an answer.
    accuracy : float
        Fraction of the given answers that are right; NaN when none is given.
    """

    threshold: float
    coverage: float
    accuracy: float


def accuracy_at_coverage(
    labels: ArrayLike, probabilities: ArrayLike, thresholds: ArrayLike
) -> tuple[CoveragePoint, ...]:
    """Return coverage and accuracy for each minimum confidence in `thresholds`.

    References
    ----------
    Y. Geifman, R. El-Yaniv (2017), "Selective classification for deep neural networks", NeurIPS.
    """
    given = np.asarray(probabilities, dtype=np.float64)
    if len(given) == 0:
        return ()
    confidence = given.max(axis=1)
    right = given.argmax(axis=1) == np.asarray(labels)
    points = []
    for threshold in np.asarray(thresholds, dtype=np.float64):
        answered = confidence >= threshold
        share = float(right[answered].mean()) if answered.any() else math.nan
        points.append(CoveragePoint(float(threshold), float(answered.mean()), share))
    return tuple(points)


def confusion_matrix(labels: ArrayLike, predictions: ArrayLike, classes: int = 10) -> Integers:
    """Count pairs: entry (i, j) is how often a picture of class i was read as class j.

    Returns
    -------
    array of shape (classes, classes), int64
    """
    pairs = np.asarray(labels, dtype=np.int64) * classes + np.asarray(predictions, dtype=np.int64)
    counts: Integers = np.bincount(pairs, minlength=classes * classes).astype(np.int64)
    return counts.reshape(classes, classes)


@dataclass(frozen=True)
class ClassScore:
    """How one class fared; fractions are 0 to 1.

    Attributes
    ----------
    label : int
    precision : float
        Of the pictures read as this class, the fraction that are of it; 0 when there are none.
    recall : float
        Of the pictures of this class, the fraction that were read as it; 0 when there are none.
    f1 : float
        Harmonic mean of precision and recall; 0 when both are.
    support : int
        Number of pictures of this class.
    """

    label: int
    precision: float
    recall: float
    f1: float
    support: int


def per_class(matrix: Integers) -> tuple[ClassScore, ...]:
    """Return precision, recall, F1 and support of each class of a confusion matrix.

    Undefined ratios are 0, as in scikit-learn's ``precision_recall_fscore_support`` with
    ``zero_division=0``.
    """
    scores = []
    for label in range(len(matrix)):
        hits = int(matrix[label, label])
        support = int(matrix[label].sum())
        answered = int(matrix[:, label].sum())
        scores.append(
            ClassScore(
                label,
                hits / answered if answered else 0.0,
                hits / support if support else 0.0,
                2 * hits / (answered + support) if answered + support else 0.0,
                support,
            )
        )
    return tuple(scores)


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Return the two-sided p-value of McNemar's exact test for two classifiers on the same data.

    Under the hypothesis that both are equally good, each of the pictures that exactly one of them
    reads right falls to either side like a fair coin.

    Parameters
    ----------
    only_first, only_second : int
        Number of pictures that only the first, and only the second, classifier reads right.

    Returns
    -------
    float
        0 to 1; 1 when the two never disagree about being right.

    References
    ----------
    Q. McNemar (1947), "Note on the sampling error of the difference between correlated proportions
    or percentages", Psychometrika 12, 153-157; exact form: A. Agresti (2013), "Categorical Data
    Analysis", 3rd ed., section 11.1.
    """
    trials = only_first + only_second
    term, tail = 1, 1
    for i in range(min(only_first, only_second)):
        term = term * (trials - i) // (i + 1)
        tail += term
    # Whole numbers of any size divide to the nearest float: no logarithms, no underflow on the way.
    p_value: float = 2 * tail / 2**trials
    return min(1.0, p_value)


def auroc(positive: ArrayLike, scores: ArrayLike) -> float:
    """Return the area under the receiver operating characteristic curve.

    That is the chance that a random positive has a higher score than a random negative, ties
    counting half.

    Parameters
    ----------
    positive : bool array of shape (n,)
    scores : float array of shape (n,)

    Returns
    -------
    float
        0 to 1; NaN unless both kinds occur.

    References
    ----------
    J. A. Hanley, B. J. McNeil (1982), "The meaning and use of the area under a receiver operating
    characteristic (ROC) curve", Radiology 143, 29-36.
    """
    truth = np.asarray(positive, dtype=bool)
    positives = int(truth.sum())
    negatives = truth.size - positives
    if positives == 0 or negatives == 0:
        return math.nan
    _, place, count = np.unique(np.asarray(scores), return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(count) - (count - 1) / 2
    rank_sum = float(mean_rank[place][truth].sum())
    return float((rank_sum - positives * (positives + 1) / 2) / (positives * negatives))
