"""A model as scikit-learn estimators, for those who go on with it there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.ensemble import VotingClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import LabelEncoder

from digitcli.model.input import INPUT_FEATURES
from digitcli.model.second_look import look_twice


class NetworkClassifier(MLPClassifier):  # type: ignore[misc]
    """An `MLPClassifier` whose layers see features of the pixels (n, 784), from 0 to 1, it takes.

    Attributes
    ----------
    input_features_ : str
        A key of `digitcli.model.input.INPUT_FEATURES`; a clone sees pixels.
    """

    input_features_ = "pixels"

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Train anew on pixels and digits."""
        super().fit(self._features(X), y)
        return self

    def partial_fit(self, X: ArrayLike, y: ArrayLike, classes: ArrayLike | None = None) -> Self:
        """Train on: one pass through pixels and digits."""
        super().partial_fit(self._features(X), y, classes)
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return the probability of each digit for pixels (n, 784) from 0 to 1."""
        probabilities: NDArray[np.float32] = super().predict_proba(self._features(X))
        return probabilities

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the most probable digit of each row."""
        digits: NDArray[Any] = self.classes_[self.predict_proba(X).argmax(axis=1)]
        return digits

    def _features(self, X: ArrayLike) -> NDArray[np.float32]:
        return INPUT_FEATURES[self.input_features_].of(np.asarray(X, np.float32))


class _LooksTwice:
    """Predicts as `digitcli.model.network.Model` does."""

    classes_: NDArray[Any]

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return the probability of each digit for pixels (n, 784) from 0 to 1."""
        return look_twice(super().predict_proba, np.asarray(X, np.float32))  # type: ignore[misc]

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the most probable digit of each row."""
        digits: NDArray[Any] = self.classes_[self.predict_proba(X).argmax(axis=1)]
        return digits


class DigitClassifier(_LooksTwice, NetworkClassifier):
    """A `NetworkClassifier` that looks twice at doubtful pictures."""


class DigitCommittee(_LooksTwice, VotingClassifier):  # type: ignore[misc]
    """A soft `VotingClassifier` that looks twice at doubtful pictures."""


def estimator_of(layers: Sequence[MLPClassifier], input_features: Sequence[str]) -> ClassifierMixin:
    """Return an estimator that takes pixels, of one or several that take features of them.

    Parameters
    ----------
    layers : sequence of MLPClassifier
        Fitted; each takes input features, shape (n, inputs).
    input_features : sequence of str
        What each of them takes: keys of `digitcli.model.input.INPUT_FEATURES`.

    Returns
    -------
    DigitClassifier or DigitCommittee
        For one of them, or for several.
    """
    if len(layers) == 1:
        return _classifier(DigitClassifier, layers[0], input_features[0])
    estimators = [
        _classifier(NetworkClassifier, *each) for each in zip(layers, input_features, strict=True)
    ]
    named = [(f"member{index}", estimator) for index, estimator in enumerate(estimators, 1)]
    committee = DigitCommittee(named, voting="soft")
    committee.estimators_ = estimators
    committee.le_ = LabelEncoder().fit(np.arange(10))
    committee.classes_ = committee.le_.classes_
    return committee


def _classifier(
    kind: type[NetworkClassifier], layers: MLPClassifier, input_features: str
) -> NetworkClassifier:
    classifier = kind()
    classifier.__dict__.update(layers.__dict__)
    classifier.input_features_ = input_features
    return classifier
