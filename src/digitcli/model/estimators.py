"""A model as scikit-learn estimators, for those who go on with it there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.ensemble import VotingClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import LabelEncoder

from digitcli.model.network import Network
from digitcli.model.second_look import look_twice


class _LooksTwice:
    """Predicts as `digitcli.model.network.Model` does."""

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return the probability of each digit for features (n, 784) from 0 to 1."""
        return look_twice(super().predict_proba, np.asarray(X, np.float32))  # type: ignore[misc]

    def predict(self, X: ArrayLike) -> NDArray[np.intp]:
        """Return the most probable digit of each row."""
        digits: NDArray[np.intp] = self.predict_proba(X).argmax(axis=1)
        return digits


class DigitClassifier(_LooksTwice, MLPClassifier):  # type: ignore[misc]
    """An `MLPClassifier` that looks twice at doubtful pictures."""


class DigitCommittee(_LooksTwice, VotingClassifier):  # type: ignore[misc]
    """A soft `VotingClassifier` that looks twice at doubtful pictures."""


def estimator_of(networks: Sequence[Network]) -> ClassifierMixin:
    """Return a `DigitClassifier` for one plain network, a `DigitCommittee` for any others."""
    estimators = [network.to_sklearn() for network in networks]
    if len(estimators) == 1 and isinstance(estimators[0], MLPClassifier):
        classifier = DigitClassifier()
        classifier.__dict__.update(estimators[0].__dict__)
        return classifier
    named = [(f"member{index}", estimator) for index, estimator in enumerate(estimators, 1)]
    committee = DigitCommittee(named, voting="soft")
    committee.estimators_ = estimators
    committee.le_ = LabelEncoder().fit(np.arange(10))
    committee.classes_ = committee.le_.classes_
    return committee
